"""Spectrograms of sound that arrives in blocks.

C channels, T and n samples, K frames, F bands, N columns of the picture.
"""

import numpy as np

N_COLUMNS = 500
"""Largest number of columns of one spectrogram; a report shows two or three side by side."""
N_BANDS = 128
LOWEST_HZ, HIGHEST_HZ = 40.0, 16_000.0
"""Range of the bands; it ends at half the sample rate if that is lower."""
WINDOW_S = 0.046
"""Length of a window: 2048 samples at 44.1 kHz."""
_BATCH = 512
"""Number of frames that are transformed together."""


def bands_hz(rate_hz: int) -> np.ndarray:
    """Return the F + 1 limits of the bands, which are equidistant in pitch."""
    return np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, rate_hz / 2), N_BANDS + 1)


class Spectrogram:
    """The mean power of a sound in frequency bands and columns of time.

    Summed over the bands, it is the mean square of the part of the sound that lies within the range of the bands.
    A column is the mean of |FFT|² over its frames and over channels. Frames overlap by half, so that no sound falls
    between them. A band gets the part of each FFT bin that lies within its limits, so that bands may be wider or
    narrower than a bin.
    """

    def __init__(self, n_channels: int, n_samples: int, rate_hz: int, max_columns: int = N_COLUMNS):
        self._rate_hz = rate_hz
        self._window = window = 2 * max(8, round(WINDOW_S * rate_hz / 2))
        self._hann_T = np.hanning(window + 1)[:-1]
        self._n_frames = -(-n_samples // (window // 2))
        n_columns = min(max_columns, self._n_frames)
        self._edges_N = np.linspace(0, self._n_frames, n_columns + 1).astype(int)
        self._bands_KxF = _band_weights(window, rate_hz)
        self._power_NxF = np.zeros((n_columns, N_BANDS))
        self._done = 0
        self._pending_Cxn = np.zeros((n_channels, window // 2), np.float32)

    def add(self, samples_Cxn: np.ndarray) -> None:
        """Add the next block (C, n)."""
        pending_Cxn = np.concatenate([self._pending_Cxn, samples_Cxn], axis=1)
        hop = self._window // 2
        n_ready = max(0, (pending_Cxn.shape[1] - self._window) // hop + 1)
        for first in range(0, n_ready, _BATCH):
            stop = min(first + _BATCH, n_ready)
            self._add_frames(pending_Cxn[:, first * hop : (stop - 1) * hop + self._window])
        self._pending_Cxn = pending_Cxn[:, n_ready * hop :].copy()

    def _add_frames(self, samples_Cxn: np.ndarray) -> None:
        """Add the power of all frames in some samples to their columns."""
        frames_CxKxT = np.lib.stride_tricks.sliding_window_view(samples_Cxn, self._window, axis=1)
        frames_CxKxT = frames_CxKxT[:, :: self._window // 2][:, : self._n_frames - self._done]
        power_KxF = np.square(np.abs(np.fft.rfft(frames_CxKxT * self._hann_T))).mean(0)
        columns_K = np.searchsorted(self._edges_N, self._done + np.arange(len(power_KxF)), "right") - 1
        np.add.at(self._power_NxF, columns_K, power_KxF @ self._bands_KxF)
        self._done += len(power_KxF)

    def power(self) -> np.ndarray:
        """Return the power (F, N), after the whole sound has been added."""
        while self._done < self._n_frames:
            self.add(np.zeros((len(self._pending_Cxn), self._window), np.float32))
        mean_NxF = self._power_NxF / np.diff(self._edges_N)[:, None]
        return mean_NxF.T * 2 / (self._window * np.square(self._hann_T).sum())


def _band_weights(window: int, rate_hz: int) -> np.ndarray:
    """Return the part of each FFT bin that lies in each band, as an array (bins, bands)."""
    n_bins = window // 2 + 1
    edges_hz = (np.arange(n_bins + 1) - 0.5) * rate_hz / window
    below = np.interp(bands_hz(rate_hz), edges_hz, np.arange(n_bins + 1))  # bins below each limit, counted in fractions
    shares = np.clip(below[None, :] - np.arange(n_bins)[:, None], 0, 1)
    return np.diff(shares, axis=1)


def measure_spectrum(samples_CxT: np.ndarray, rate_hz: int, max_columns: int = N_COLUMNS) -> np.ndarray:
    """Return the power (F, N) of a sound that is in memory."""
    n_channels, n_samples = samples_CxT.shape
    spectrogram = Spectrogram(n_channels, n_samples, rate_hz, max_columns)
    spectrogram.add(samples_CxT)
    return spectrogram.power()
