"""What a report keeps of a sound once the sound itself is gone: outline, spectrogram, level, and an excerpt to hear.

C channels, T and n samples, N columns of a picture, F bands of a spectrogram.
"""

import dataclasses
import io
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import soundfile

from ugosa_jax import interrupts
from ugosa_jax.annotations.annotation import Annotation, compute_active_mask, find_silences
from ugosa_jax.data.sound import Audio, Sound, blocks_to_model, to_model
from ugosa_jax.reports.song.spectrum import Spectrogram

N_COLUMNS = 1000
"""Columns of outlines."""
MAX_EXCERPT_S = 60.0
"""Longest excerpt that is embedded."""
MAX_BYTES = 9_000_000
"""Compressed sound that a page holds at most, before base64 makes it a third larger."""
BYTES_PER_S = 20_000
"""What a second of stereo takes at most: measured, white noise at full scale takes 18,600."""

_MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Glimpse:
    """What is shown of a sound.

    Attributes:
      peak_N: its largest amplitude in each column.
      spectrum_db_FxN: mean power in each band, between two of `bands_hz`, and column.
      silent_db: its level where its source is annotated silent, NaN if it is so nowhere.
      mp3: the excerpt.
    """

    peak_N: np.ndarray
    spectrum_db_FxN: np.ndarray
    silent_db: float
    mp3: bytes


class Look:
    """A glimpse of a sound of known length that goes by block by block.

    Args:
      name: of the sound.
      shape: channels and samples.
      rate_hz: sample rate.
      excerpt_s: begin and end of what is to be heard.
    """

    def __init__(self, name: str, shape: tuple[int, int], rate_hz: int, excerpt_s: tuple[float, float]):
        n_channels, n_samples = shape
        self._name, self._rate_hz = name, rate_hz
        self._starts_N = np.unique(np.linspace(0, n_samples, N_COLUMNS, endpoint=False).astype(int))
        self._peak_N = np.zeros(len(self._starts_N), np.float32)
        self._spectrogram = Spectrogram(n_channels, n_samples, rate_hz)
        self._silent_squares, self._n_silent = 0.0, 0
        self._excerpt = [round(time_s * rate_hz) for time_s in excerpt_s]
        self._heard: list[np.ndarray] = []
        self._done = 0

    def add(self, samples_Cxn: np.ndarray, active_n: np.ndarray) -> None:
        """Take in the next block (C, n), and where its source is active or unknown, Boolean (n,)."""
        start, stop = self._done, self._done + samples_Cxn.shape[1]
        if start == stop:
            return
        first, last = np.searchsorted(self._starts_N, [start, stop - 1], "right") - 1
        starts = np.maximum(self._starts_N[first : last + 1], start) - start
        peak = np.maximum.reduceat(np.abs(samples_Cxn).max(0), starts)
        self._peak_N[first : last + 1] = np.maximum(self._peak_N[first : last + 1], peak)
        self._spectrogram.add(samples_Cxn)
        silent_Cxn = samples_Cxn[:, ~active_n]
        self._silent_squares += float(np.square(silent_Cxn, dtype=np.float64).sum())
        self._n_silent += silent_Cxn.size
        begin, end = (min(max(edge, start), stop) - start for edge in self._excerpt)
        self._heard.append(samples_Cxn[:, begin:end].copy())
        self._done = stop

    def compressed(self) -> bytes:
        """Return the excerpt as MP3."""
        return mp3(Audio(np.concatenate(self._heard, axis=1), self._rate_hz, self._name))

    def glimpse(self, compressed: bytes) -> Glimpse:
        """Return the glimpse, with what `compressed` gave."""
        silent_db = 10 * np.log10(self._silent_squares / self._n_silent + _TINY) if self._n_silent else np.nan
        spectrum_db_FxN = 10 * np.log10(self._spectrogram.power() + _TINY)
        return Glimpse(self._peak_N, spectrum_db_FxN, float(silent_db), compressed)


def mixture(sound: Sound, excerpt_s: tuple[float, float]) -> Glimpse:
    """Return what a report shows of a mixture, of more than two channels its mix-down to stereo."""
    channels = min(sound.n_channels, 2)
    look = Look(sound.name, (channels, sound.n_samples), sound.rate_hz, excerpt_s)
    for block_Cxn in blocks_to_model(sound, sound.rate_hz, channels):
        look.add(block_Cxn, np.ones(block_Cxn.shape[1], bool))
    return look.glimpse(look.compressed())


def stems(
    stretches_SxCxn: Iterable[np.ndarray], song: Sound, labels: Annotation, excerpt_s: tuple[float, float]
) -> dict[str, Glimpse]:
    """Return a glimpse of every stem.

    Args:
      stretches_SxCxn: stems in the annotation's order, stretch by stretch.
      song: what they are of.
      labels: when each source plays.
      excerpt_s: begin and end of what can be heard.
    """
    shape = min(song.n_channels, 2), song.n_samples
    looks = [Look(source, shape, song.rate_hz, excerpt_s) for source in labels.sources]
    silent = find_silences(labels, song.n_samples, song.rate_hz)
    done = 0
    for stems_SxCxn in stretches_SxCxn:
        active_Sxn = silent.compute_active(done, done + stems_SxCxn.shape[-1])
        for look, stem_Cxn, active_n in zip(looks, stems_SxCxn, active_Sxn, strict=True):
            look.add(stem_Cxn, active_n)
        done += stems_SxCxn.shape[-1]
    with interrupts.deferred(), ThreadPoolExecutor() as pool:  # encoding takes longest, and lets other threads run
        encoded = pool.map(Look.compressed, looks)
        return {name: look.glimpse(mp3) for name, look, mp3 in zip(labels.sources, looks, encoded, strict=True)}


def excerpt(labels: Annotation, duration_s: float, n_sounds: int) -> tuple[float, float]:
    """Choose what is to be heard: all of a short song, else where the annotation promises most to hear.

    That is the stretch with most annotated silence, summed over sources, while another one may play; the middle of the
    song if nothing is annotated silent.

    Args:
      labels: when each source plays.
      duration_s: the song's length.
      n_sounds: how many excerpts are embedded in one page; many are shorter.

    Returns:
      Begin and end in seconds.
    """
    length_s = min(MAX_EXCERPT_S, MAX_BYTES / BYTES_PER_S / n_sounds)
    if duration_s <= length_s:
        return 0.0, duration_s
    active_SxN = compute_active_mask(labels, int(duration_s), 1)
    silent_N = (~active_SxN).sum(0) * active_SxN.any(0)
    if not silent_N.any():
        start_s = (duration_s - length_s) / 2
    else:
        start_s = float(np.convolve(silent_N, np.ones(int(length_s), int), "valid").argmax())
    return start_s, min(start_s + length_s, duration_s)


def mp3(sound: Audio) -> bytes:
    """Return sound as MP3 of variable bit rate, which all browsers play: mono or stereo, clipped at full scale."""
    rate_hz = min((rate for rate in _MP3_RATES_HZ if rate >= sound.rate_hz), default=_MP3_RATES_HZ[-1])
    samples_CxT, _ = to_model(sound, rate_hz, min(sound.n_channels, 2))
    out = io.BytesIO()
    # Absurdly loud samples, as weights that are all but lost give them, would make the encoder abort the process.
    soundfile.write(out, np.clip(samples_CxT, -1, 1).T, rate_hz, format="MP3")
    return out.getvalue()


def duration_text(excerpt_s: Sequence[float]) -> str:
    """Return times as minutes and seconds: 1:05–1:50."""
    return "–".join(f"{int(time_s) // 60}:{int(time_s) % 60:02}" for time_s in excerpt_s)
