"""What a report keeps of a sound once the sound itself is gone: outline, spectrogram, level, and an excerpt to hear.

C channels, T samples, N columns of a picture, F rows of a spectrogram.
"""

import dataclasses
import io
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import soundfile

from ugosa_jax.annotations.annotation import Annotation, active_mask
from ugosa_jax.data.sound import Audio, level_db, to_model
from ugosa_jax.reports import timeline

N_COLUMNS = 1000
"""Columns of outlines; spectrograms have half as many, for two or three of them stand side by side."""
N_ROWS = 128
"""Rows of spectrograms."""
LOWEST_HZ, HIGHEST_HZ = 40.0, 16_000.0
"""Range of spectrograms; a song of a lower rate ends at half its rate."""
WINDOW_S = 0.046
"""Length of a spectrum's window: 2048 samples at 44.1 kHz."""
LONGEST_S = 60.0
"""Longest excerpt that is embedded."""
MOST_BYTES = 9_000_000
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


def of(sound: Audio, active_T: np.ndarray, encoded: bytes) -> Glimpse:
    """Return what a report shows of a mixture or an estimate.

    Args:
      sound: at the song's rate; any number of channels that has a mix-down to stereo.
      active_T: Boolean, False where its source is annotated silent.
      encoded: what `mp3` made of it.
    """
    outlines_CxSidexN = np.array([timeline.outline(wave_T, N_COLUMNS) for wave_T in sound.samples_CxT])
    spectra_CxFxN = np.stack([spectrum(wave_T, sound.rate_hz) for wave_T in sound.samples_CxT])
    silent_CxT = sound.samples_CxT[:, ~active_T]
    return Glimpse(
        np.abs(outlines_CxSidexN).max((0, 1)),
        10 * np.log10(spectra_CxFxN.mean(0) + _TINY),
        level_db(silent_CxT) if silent_CxT.size else float("nan"),
        encoded,
    )


def mixture(sound: Audio, excerpt_s: tuple[float, float]) -> Glimpse:
    """Return what a report shows of a mixture, of more than two channels its mix-down to stereo."""
    stereo_CxT, _ = to_model(sound, sound.rate_hz, min(sound.n_channels, 2))
    heard = dataclasses.replace(sound, samples_CxT=stereo_CxT)
    return of(heard, np.ones(sound.n_samples, bool), mp3(heard, excerpt_s))


def stems(
    estimates: dict[str, np.ndarray], rate_hz: int, labels: Annotation, excerpt_s: tuple[float, float]
) -> dict[str, Glimpse]:
    """Return a glimpse of every stem {source: (C, T)}."""
    n_samples = next(iter(estimates.values())).shape[1]
    active_SxT = active_mask(labels, n_samples, rate_hz)
    sounds = [Audio(estimates[source], rate_hz, source) for source in labels.sources]
    with ThreadPoolExecutor() as pool:  # encoding takes longest, and lets other threads run
        encoded = pool.map(lambda sound: mp3(sound, excerpt_s), sounds)
        looks = zip(sounds, active_SxT, encoded, strict=True)
        return {sound.name: of(sound, active_T, compressed) for sound, active_T, compressed in looks}


def bands_hz(rate_hz: int) -> np.ndarray:
    """Return the F + 1 limits of a spectrogram's bands, equal steps of pitch apart."""
    return np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, rate_hz / 2), N_ROWS + 1)


def spectrum(wave_T: np.ndarray, rate_hz: int) -> np.ndarray:
    """Return the mean power in bands and stretches of a wave, (F, N); bands together give the mean square within them.

    A column is the mean over its frames of |FFT|²; frames overlap by half, so that nothing falls between them. A band
    takes the difference of the power summed up to its limits, between which the sum is interpolated: bands that are
    wider and narrower than a bin of the FFT are treated alike.

    Args:
      wave_T: one channel.
      rate_hz: its sample rate.
    """
    window = 2 * max(8, round(WINDOW_S * rate_hz / 2))
    padded_T = np.pad(wave_T, (window // 2, window))
    frames_KxT = np.lib.stride_tricks.sliding_window_view(padded_T, window)[:: window // 2]
    frames_KxT = frames_KxT[: -(-len(wave_T) // (window // 2))]
    hann_T = np.hanning(window + 1)[:-1]
    limits_hz, bins_hz = bands_hz(rate_hz), (np.arange(window // 2 + 2) - 0.5) * rate_hz / window
    columns = []
    n_columns = min(N_COLUMNS // 2, len(frames_KxT))
    edges = np.linspace(0, len(frames_KxT), n_columns + 1).astype(int)
    for start, stop in itertools.pairwise(edges):
        power_F = np.square(np.abs(np.fft.rfft(frames_KxT[start:stop] * hann_T))).mean(0)
        summed_F = np.concatenate([[0.0], np.cumsum(power_F, dtype=np.float64)])
        columns.append(np.diff(np.interp(limits_hz, bins_hz, summed_F)))
    return np.stack(columns, 1) * 2 / (window * np.square(hann_T).sum())


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
    length_s = min(LONGEST_S, MOST_BYTES / BYTES_PER_S / n_sounds)
    if duration_s <= length_s:
        return 0.0, duration_s
    active_SxN = active_mask(labels, int(duration_s), 1)
    silent_N = (~active_SxN).sum(0) * active_SxN.any(0)
    if not silent_N.any():
        start_s = (duration_s - length_s) / 2
    else:
        start_s = float(np.convolve(silent_N, np.ones(int(length_s), int), "valid").argmax())
    return start_s, min(start_s + length_s, duration_s)


def mp3(sound: Audio, excerpt_s: tuple[float, float]) -> bytes:
    """Return an excerpt as MP3 of variable bit rate, which all browsers play: mono or stereo, clipped at full scale."""
    start, stop = (round(time_s * sound.rate_hz) for time_s in excerpt_s)
    cut = dataclasses.replace(sound, samples_CxT=sound.samples_CxT[:, start:stop])
    rate_hz = min((rate for rate in _MP3_RATES_HZ if rate >= sound.rate_hz), default=_MP3_RATES_HZ[-1])
    samples_CxT, _ = to_model(cut, rate_hz, min(sound.n_channels, 2))
    out = io.BytesIO()
    # Absurdly loud samples, as weights that are all but lost give them, would make the encoder abort the process.
    soundfile.write(out, np.clip(samples_CxT, -1, 1).T, rate_hz, format="MP3")
    return out.getvalue()


def duration_text(excerpt_s: Sequence[float]) -> str:
    """Return times as minutes and seconds: 1:05–1:50."""
    return "–".join(f"{int(time_s) // 60}:{int(time_s) % 60:02}" for time_s in excerpt_s)
