"""Two numbers that say how good a stem is, in decibels.

BSSEval's SDR, SIR, SAR and ISR, which papers report, allow a stem to be filtered before it is compared. This SDR does
not; it is the one of the Music Demixing Challenge 2021 (Mitsufuji et al. 2022), and quick.
"""

import numpy as np

_TINY = 1e-7


def sdr_db(reference_CxT: np.ndarray, estimate_CxT: np.ndarray) -> float:
    """Return the signal-to-distortion ratio 10 log10(Σ s² / Σ (s − ŝ)²) over the whole song; silence scores 0 dB."""
    signal = np.square(reference_CxT, dtype=np.float64).sum()
    distortion = np.square(reference_CxT - estimate_CxT, dtype=np.float64).sum()
    return float(10 * np.log10((signal + _TINY) / (distortion + _TINY)))


def level_db(samples_CxT: np.ndarray) -> float:
    """Return the level of a sound, 10 log10 of its mean square; at least −120 dB."""
    return float(10 * np.log10(np.square(samples_CxT, dtype=np.float64).mean() + 1e-12))
