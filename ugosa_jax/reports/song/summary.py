"""The summary of a sound in a report: outline, spectrogram, level, and an excerpt as MP3.

Sounds are summarised block by block, so that the stems of several runs need not fit into memory together.
C channels, T and n samples, N columns of a picture, F bands of a spectrogram.
"""

import dataclasses
import io
from collections.abc import Iterable, Sequence

import numpy as np
import soundfile

from ugosa_jax.annotations.annotation import Annotation, compute_active_mask, find_silences
from ugosa_jax.data.sound import Audio, Sound, blocks_to_model, to_model
from ugosa_jax.reports.song.spectrum import Spectrogram
from ugosa_jax.threads import map_in_threads

N_COLUMNS = 1000
"""Number of columns of an outline of a waveform."""
MAX_EXCERPT_S = 60.0
"""Longest excerpt in seconds."""
MAX_BYTES = 9_000_000
"""Largest size of all compressed sounds in a page, before base64 makes them a third larger."""
BYTES_PER_S = 20_000
"""Upper bound of the size of a second of stereo; white noise at full scale takes 18,600 bytes (measured)."""

_MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class SoundSummary:
    """The summary of a sound.

    Attributes:
      peak_N: largest amplitude in each column.
      spectrum_db_FxN: mean power in each band, between two limits of `bands_hz`, and column.
      silent_db: level where the source is annotated silent; NaN if it never is.
      mp3: the excerpt.
    """

    peak_N: np.ndarray
    spectrum_db_FxN: np.ndarray
    silent_db: float
    mp3: bytes


class SummaryBuilder:
    """Builds the summary of a sound of known length from consecutive blocks.

    Args:
      name: name of the sound.
      shape: number of channels and samples.
      rate_hz: sample rate.
      excerpt_s: begin and end of the excerpt.
    """

    def __init__(self, name: str, shape: tuple[int, int], rate_hz: int, excerpt_s: tuple[float, float]):
        n_channels, n_samples = shape
        self._name, self._rate_hz = name, rate_hz
        self._starts_N = np.unique(np.linspace(0, n_samples, N_COLUMNS, endpoint=False).astype(int))
        self._peak_N = np.zeros(len(self._starts_N), np.float32)
        self._spectrogram = Spectrogram(n_channels, n_samples, rate_hz)
        self._silent_squares, self._n_silent = 0.0, 0
        self._excerpt = [round(time_s * rate_hz) for time_s in excerpt_s]
        self._excerpt_blocks: list[np.ndarray] = []
        self._done = 0

    def add(self, samples_Cxn: np.ndarray, active_n: np.ndarray) -> None:
        """Add the next block (C, n), with a Boolean mask (n,) of where its source is active or unknown."""
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
        self._excerpt_blocks.append(samples_Cxn[:, begin:end].copy())
        self._done = stop

    def encode_excerpt(self) -> bytes:
        """Return the excerpt as MP3."""
        return encode_mp3(Audio(np.concatenate(self._excerpt_blocks, axis=1), self._rate_hz, self._name))

    def build(self, mp3: bytes) -> SoundSummary:
        """Return the summary, with the excerpt as `encode_excerpt` returned it."""
        silent_db = 10 * np.log10(self._silent_squares / self._n_silent + _TINY) if self._n_silent else np.nan
        spectrum_db_FxN = 10 * np.log10(self._spectrogram.power() + _TINY)
        return SoundSummary(self._peak_N, spectrum_db_FxN, float(silent_db), mp3)


def summarise_mixture(sound: Sound, excerpt_s: tuple[float, float]) -> SoundSummary:
    """Summarise a mixture; one of more than two channels is mixed down to stereo."""
    channels = min(sound.n_channels, 2)
    builder = SummaryBuilder(sound.name, (channels, sound.n_samples), sound.rate_hz, excerpt_s)
    for block_Cxn in blocks_to_model(sound, sound.rate_hz, channels):
        builder.add(block_Cxn, np.ones(block_Cxn.shape[1], bool))
    return builder.build(builder.encode_excerpt())


def summarise_stems(
    blocks_SxCxn: Iterable[np.ndarray], song: Sound, labels: Annotation, excerpt_s: tuple[float, float]
) -> dict[str, SoundSummary]:
    """Return a summary of every stem by source.

    Args:
      blocks_SxCxn: consecutive blocks of the stems, in the annotation's order.
      song: the mixture.
      labels: the annotation.
      excerpt_s: begin and end of the excerpt.
    """
    shape = min(song.n_channels, 2), song.n_samples
    builders = [SummaryBuilder(source, shape, song.rate_hz, excerpt_s) for source in labels.sources]
    silent = find_silences(labels, song.n_samples, song.rate_hz)
    done = 0
    for stems_SxCxn in blocks_SxCxn:
        active_Sxn = silent.compute_active(done, done + stems_SxCxn.shape[-1])
        map_in_threads(SummaryBuilder.add, builders, stems_SxCxn, active_Sxn)
        done += stems_SxCxn.shape[-1]
    encoded = map_in_threads(SummaryBuilder.encode_excerpt, builders)  # takes longest
    each = zip(labels.sources, builders, encoded, strict=True)
    return {source: builder.build(mp3) for source, builder, mp3 in each}


def choose_excerpt(labels: Annotation, duration_s: float, n_sounds: int) -> tuple[float, float]:
    """Choose the excerpt that a report plays: all of a short song, otherwise the part where leakage is heard best.

    This is the part with most annotated silence, summed over sources, while another source may play; it is the middle
    of the song if no source is annotated silent.

    Args:
      labels: the annotation.
      duration_s: length of the song.
      n_sounds: number of excerpts in the page, which share the limit of its size.

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


def encode_mp3(sound: Audio) -> bytes:
    """Return a sound as MP3 with a variable bit rate, for all browsers: mono or stereo, clipped at full scale."""
    rate_hz = min((rate for rate in _MP3_RATES_HZ if rate >= sound.rate_hz), default=_MP3_RATES_HZ[-1])
    samples_CxT, _ = to_model(sound, rate_hz, min(sound.n_channels, 2))
    out = io.BytesIO()
    # Extremely loud samples, which diverged weights can produce, would make the encoder abort the process.
    soundfile.write(out, np.clip(samples_CxT, -1, 1).T, rate_hz, format="MP3")
    return out.getvalue()


def format_times(excerpt_s: Sequence[float]) -> str:
    """Return times as minutes and seconds: 1:05–1:50."""
    return "–".join(f"{int(time_s) // 60}:{int(time_s) % 60:02}" for time_s in excerpt_s)
