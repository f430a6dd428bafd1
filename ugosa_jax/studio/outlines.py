"""Outlines of waveforms, which the browser can draw without decoding sound.

C channels, T samples, N bins. A file holds int16: the maximum of every bin, then the minimum of every bin.
"""

import numpy as np

PER_S = 200
"""Bins per second; at the largest zoom, a bin is a few pixels wide."""
MAX_BINS = 240_000
"""Largest number of bins of a song; songs of more than 20 minutes have wider bins."""


def compute_outline(samples_CxT: np.ndarray, rate_hz: int) -> np.ndarray:
    """Return the maximum and minimum over channels and samples of each bin, float32 (2, N); full scale is 1."""
    n_samples = samples_CxT.shape[1]
    n_bins = max(1, min(MAX_BINS, n_samples, round(PER_S * n_samples / rate_hz)))
    starts = np.arange(n_bins) * n_samples // n_bins
    high_N = np.maximum.reduceat(samples_CxT.max(0), starts)
    low_N = np.minimum.reduceat(samples_CxT.min(0), starts)
    return np.stack([high_N, low_N])


def encode_outline(samples_CxT: np.ndarray, rate_hz: int) -> bytes:
    """Return the outline as little-endian int16, clipped at full scale."""
    return np.rint(np.clip(compute_outline(samples_CxT, rate_hz), -1, 1) * 32767).astype("<i2").tobytes()
