"""Computation of the activity of sources from their stems, with the envelope procedure of the MedleyDB data set.

S sources, C channels, T samples of sound, K frames of the envelope. Section 4.1 and eq. (2) of the paper; the
constants are those of its code, which follows Bittner et al., "MedleyDB: a multitrack dataset for
annotation-intensive MIR research", ISMIR 2014.
"""

import numpy as np
import soxr

from ugosa_jax.config import Preset
from ugosa_jax.errors import require

FRAME = 4096
"""Number of samples that a value of the envelope is averaged over; frames overlap by half."""
HOP = FRAME // 2
QUIET = 0.01
"""Sum of the envelopes below which no source is active, because scaling would amplify noise."""
SLOPE = 20.0
"""γ of eq. (2); the paper's code also calls its loss weight gamma, which is another value."""
CUTOFF = 0.075
"""Cutoff of the smoothing low-pass, relative to the Nyquist frequency of the audio."""
MIN_SAMPLES = 10
"""Smallest number of samples that the zero-phase filter accepts."""


def compute_envelope(stems_SxT: np.ndarray) -> np.ndarray:
    """Compute the amplitude envelope of each stem: half-wave rectify, compress, smooth, downsample.

    a_k = 1/FRAME Σ_n w_n √max(x_{k·HOP+n−HOP}, 0), where w are the inner FRAME points of a Hann window of FRAME + 2.

    Args:
      stems_SxT: one channel of every stem.

    Returns:
      Float32 (S, K). The stems are padded with HOP zeros at the start, and with zeros at the end to full frames.
    """
    n_sources, n_samples = stems_SxT.shape
    behind = -(n_samples + HOP) % FRAME
    loudness_SxT = np.pad(np.sqrt(np.maximum(stems_SxT, 0)), ((0, 0), (HOP, behind)))
    # A frame is two hops long: the sum over a frame is the sum over two hops, so that no overlapping frames are stored.
    halves_SxKxN = loudness_SxT.reshape(n_sources, -1, HOP)
    first, second = np.split(np.hanning(FRAME + 2)[1:-1].astype(np.float32), 2)
    return ((halves_SxKxN @ first)[:, :-1] + (halves_SxKxN @ second)[:, 1:]) / FRAME


def compute_confidence(stems_SxT: np.ndarray, rate_hz: float, threshold: float) -> np.ndarray:
    """Compute the confidence that each source plays, eq. (2): c = 1 − 1 / (1 + exp(γ (H − θ))).

    H is the envelope at the audio rate. It is scaled so that its sum over the sources has the maximum S, set to zero
    where the sum was below QUIET before scaling, and smoothed by a zero-phase 2nd-order Butterworth low-pass.

    Args:
      stems_SxT: one channel of every stem of a song; together they are the mixture.
      rate_hz: their sample rate.
      threshold: θ.

    Returns:
      Float32 (S, T), between 0 and 1; a source is active where it is at least 0.5.

    Raises:
      InputError: the stems are shorter than the padding of the filter.
    """
    import scipy.signal  # imported here, because it takes a second, a quarter of the time to start
    import scipy.special

    n_sources, n_samples = stems_SxT.shape
    require(n_samples >= MIN_SAMPLES, "length of the stems", f"at least {MIN_SAMPLES} samples", n_samples)
    a_SxT = _resample_envelope(compute_envelope(stems_SxT), n_samples, rate_hz)
    total_T = a_SxT.sum(axis=0)
    scale_T = np.where(total_T < QUIET, 0.0, n_sources / max(total_T.max(), QUIET))
    low_pass = scipy.signal.butter(2, CUTOFF, output="sos")
    for row_T in a_SxT:  # one source at a time, because the filter makes several copies in double precision
        smooth_T = scipy.signal.sosfiltfilt(low_pass, row_T * scale_T)
        row_T[:] = scipy.special.expit(SLOPE * (smooth_T - threshold))
    return a_SxT


def detect_activity(
    stems_SxCxT: np.ndarray, rate_hz: float, threshold: float = Preset.activation_threshold
) -> np.ndarray:
    """Compute when each source plays; a source is active where any of its channels is active.

    The paper's code decides for each channel separately: `compute_confidence(stems_SxCxT[:, c], rate_hz, threshold) >=
    0.5`. The channels are not averaged first, because a source whose channels are in opposite phase would vanish.

    Args:
      stems_SxCxT: the stems of a song; together they are the mixture.
      rate_hz: their sample rate.
      threshold: θ of eq. (2).

    Returns:
      Boolean (S, T).

    Raises:
      InputError: the stems are shorter than the padding of the filter.
    """
    n_sources, n_channels, n_samples = stems_SxCxT.shape
    active_SxT = np.zeros((n_sources, n_samples), bool)
    for c in range(n_channels):
        active_SxT |= compute_confidence(stems_SxCxT[:, c], rate_hz, threshold) >= 0.5
    return active_SxT


def _resample_envelope(envelope_SxK: np.ndarray, n_samples: int, rate_hz: float) -> np.ndarray:
    """Resample (S, K) frames to (S, T) samples with the filter of librosa's `soxr_hq`.

    As in the paper's code, all K frames, including those of the padding, are stretched over the song. Times are
    therefore too early: by up to FRAME samples (93 ms at 44.1 kHz) at the end of the song, and proportionally before.
    """
    frame_rate_hz = envelope_SxK.shape[1] / (n_samples / rate_hz)
    rows = [soxr.resample(row_K, frame_rate_hz, rate_hz, quality="HQ") for row_K in envelope_SxK]
    return np.stack([_fit_length(row_T, n_samples) for row_T in rows])


def _fit_length(row_T: np.ndarray, n_samples: int) -> np.ndarray:
    """Return a row cut, or padded with zeros, to a length, which the resampler does not reach exactly."""
    return np.pad(row_T[:n_samples], (0, max(0, n_samples - len(row_T))))
