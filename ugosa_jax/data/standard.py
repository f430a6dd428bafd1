"""The level at which networks see sound: mean 0 and standard deviation 1, but for those that want it as it is."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ugosa_jax.config import InputLevel
from ugosa_jax.errors import InputError

_ROUNDING = 2.0**-24
"""Of single precision: what varies by less than that share of its mean does not vary."""
_CANCELLED = 1e-3
"""Share of the channels' deviation (−60 dB) below which that of their mean is no level: one has its polarity reversed.

The reference divides by the deviation of the mean, and so would this: by next to nothing. No mixture that is wide on
purpose comes near that share.
"""


class Standard(NamedTuple):
    """What was taken out of a mixture so that the network sees it at a known level."""

    mean: float
    std: float


AS_IT_IS = Standard(0.0, 1.0)
"""Takes nothing out."""


def wanted(level: InputLevel, standard: Standard) -> Standard:
    """Return what to take out of a mixture of such a standard for a network that wants it at a level."""
    return standard if level == "standard" else AS_IT_IS


def measure(blocks_Cxn: Iterable[np.ndarray]) -> tuple[Standard, int]:
    """Return mean and standard deviation of a track averaged over its channels, and its length, in one pass.

    Means and sums of squared deviations of the blocks are put together as in Chan, Golub & LeVeque 1979.

    Args:
      blocks_Cxn: the track, in blocks of any lengths.

    Raises:
      InputError: the mixture is constant, or its channels cancel each other, so that it has no level.
    """
    n, mean, squares, all_squares = 0, 0.0, 0.0, 0.0
    for block_Cxn in blocks_Cxn:
        reference_n = block_Cxn.mean(0, dtype=np.float64)
        if not len(reference_n):
            continue
        own = float(reference_n.mean())
        total = n + len(reference_n)
        squares += float(np.square(reference_n - own).sum()) + (own - mean) ** 2 * n * len(reference_n) / total
        mean += (own - mean) * len(reference_n) / total
        n = total
        all_squares += float(np.einsum("cn,cn", block_Cxn, block_Cxn, dtype=np.float64)) / len(block_Cxn)
    standard = Standard(mean, math.sqrt(squares / (n - 1)) if n > 1 else 0.0)
    if n == 1:
        raise InputError("the song has one sample: too little to separate")
    if not standard.std > _ROUNDING * abs(mean):
        raise InputError("the song is silent (or its channels cancel each other): there is nothing to separate")
    share = standard.std / math.sqrt(max(all_squares / n - mean**2, 0.0) or math.inf)
    if 0 < share < _CANCELLED:
        said = f"the mean of its channels lies {-20 * math.log10(share):.0f} dB below them"
        raise InputError(f"the channels cancel each other: {said}, as if the polarity of one were reversed; invert it")
    return standard, n


def standardise(mix_CxT: np.ndarray, level: InputLevel = "standard") -> tuple[np.ndarray, Standard]:
    """Return (mix − mean) / std and both numbers, taken over the whole track averaged over its channels; or as it is.

    Raises:
      InputError: as `measure`.
    """
    standard = wanted(level, measure([mix_CxT])[0])
    return standardise_by(mix_CxT, standard), standard


def standardise_by(mix_Cxn: np.ndarray, standard: Standard) -> np.ndarray:
    """Return (mix − mean) / std."""
    return ((mix_Cxn - standard.mean) / standard.std).astype(mix_Cxn.dtype)


def unstandardised(est: np.ndarray, standard: Standard) -> np.ndarray:
    """Return estimates, or a mixture, (…, n) at the mixture's own level: each times std plus mean, as the reference."""
    return est * est.dtype.type(standard.std) + est.dtype.type(standard.mean)
