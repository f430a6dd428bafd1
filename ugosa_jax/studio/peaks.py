"""Outlines of waveforms for the page: the browser draws them and decodes nothing.

C channels, T samples, N bins. A file of outlines is int16: the highest value of every bin, then the lowest.
"""

import numpy as np

PER_S = 200
"""Bins a second: at the largest zoom one bin is a few pixels wide."""
MAX_BINS = 240_000
"""Bins of a song at most; songs of more than 20 minutes have wider ones."""


def outline(samples_CxT: np.ndarray, rate_hz: int) -> np.ndarray:
    """Return the highest and the lowest sample of any channel in each bin, float32 (2, N); full scale is 1."""
    n_samples = samples_CxT.shape[1]
    n_bins = max(1, min(MAX_BINS, n_samples, round(PER_S * n_samples / rate_hz)))
    starts = np.arange(n_bins) * n_samples // n_bins
    high_N = np.maximum.reduceat(samples_CxT.max(0), starts)
    low_N = np.minimum.reduceat(samples_CxT.min(0), starts)
    return np.stack([high_N, low_N])


def packed(samples_CxT: np.ndarray, rate_hz: int) -> bytes:
    """Return the outline as it is sent: little-endian int16, clipped at full scale."""
    return np.rint(np.clip(outline(samples_CxT, rate_hz), -1, 1) * 32767).astype("<i2").tobytes()
