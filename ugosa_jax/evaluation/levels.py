"""Levels in decibels: PES (leakage) and EPS in silent frames, and the SDR of a whole song.

C channels, T samples. PES (energy predicted at silence) is the level of an estimate where its stem is silent. EPS
(energy at predicted silence) is the level of a stem where its estimate is silent. As in the paper's code, the energy of
a frame is the sum over its samples, not their mean, and the level of silence is −120 dB.

BSSEval's SDR, which papers report, allows the stem to be filtered first. The SDR of this module does not. It is that of
the Music Demixing Challenge 2021 (Mitsufuji et al. 2022), and fast to compute.
"""

import math
from typing import NamedTuple

import numpy as np

from ugosa_jax.errors import require

_TINY = 1e-12
_TINY_SDR = 1e-7


class SilenceLevel(NamedTuple):
    """Mean level in decibels, NaN without silent frames, and the number of frames with a silent channel."""

    db: float
    frames: int


def compute_sdr_db(reference_CxT: np.ndarray, estimate_CxT: np.ndarray) -> float:
    """Return the signal-to-distortion ratio 10 log10(Σ s² / Σ (s − ŝ)²) of a whole song; 0 dB for a silent estimate."""
    signal = np.square(reference_CxT, dtype=np.float64).sum()
    distortion = np.square(reference_CxT - estimate_CxT, dtype=np.float64).sum()
    return float(10 * np.log10((signal + _TINY_SDR) / (distortion + _TINY_SDR)))


def compute_pes(
    reference_CxT: np.ndarray, estimate_CxT: np.ndarray, rate_hz: float, window_s: float, hop_s: float
) -> SilenceLevel:
    """Return the level of the estimate where the reference is exactly silent.

    In each channel, 10 log10(Σ_t ŝ² + 1e-12) is averaged over the frames in which this channel of the reference is
    zero; the result is the mean over the channels with such frames.

    Args:
      reference_CxT: the true stem.
      estimate_CxT: the estimate of it.
      rate_hz: their sample rate.
      window_s: length of a frame in seconds.
      hop_s: time between two frames' starts in seconds.

    Raises:
      InputError: the shapes differ, or a frame or hop is shorter than a sample.
    """
    shape = reference_CxT.shape
    require(estimate_CxT.shape == shape, "estimate", f"of the reference's shape {shape}", estimate_CxT.shape)
    frames = _split_frames(reference_CxT.shape[1], rate_hz, window_s, hop_s)
    silent_KxC = np.array([~reference_CxT[:, a:b].any(axis=1) for a, b in frames])
    if not silent_KxC.any():
        return SilenceLevel(math.nan, 0)
    energy_KxC = np.array([np.square(estimate_CxT[:, a:b], dtype=np.float64).sum(axis=1) for a, b in frames])
    level_KxC = np.where(silent_KxC, 10 * np.log10(energy_KxC + _TINY), np.nan)
    heard_C = silent_KxC.any(axis=0)
    return SilenceLevel(float(np.nanmean(level_KxC[:, heard_C], axis=0).mean()), int(silent_KxC.any(axis=1).sum()))


def compute_eps(
    reference_CxT: np.ndarray, estimate_CxT: np.ndarray, rate_hz: float, window_s: float, hop_s: float
) -> SilenceLevel:
    """Return the level of the reference where the estimate is exactly silent: `compute_pes` with swapped arguments."""
    return compute_pes(estimate_CxT, reference_CxT, rate_hz, window_s, hop_s)


def _split_frames(n_samples: int, rate_hz: float, window_s: float, hop_s: float) -> list[tuple[int, int]]:
    """Return the frames of the paper's code, which are not those of museval.

    There are ⌈(T − window) / hop⌉ + 1 frames. The last one may extend beyond the end of the song; it is left out unless
    the length of the song is a multiple of the hop.
    """
    window, hop = int(window_s * rate_hz), int(hop_s * rate_hz)
    require(window >= 1, "window_s", "at least one sample long", window_s)
    require(hop >= 1, "hop_s", "at least one sample long", hop_s)
    n = -(-(n_samples - window) // hop) + 1 - (n_samples % hop != 0)
    return [(k * hop, min(k * hop + window, n_samples)) for k in range(n) if k * hop < n_samples]
