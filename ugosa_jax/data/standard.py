"""The level at which networks see sound: mean 0 and standard deviation 1."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ugosa_jax.errors import InputError

_ROUNDING = 2.0**-24
"""Of single precision: what varies by less than that share of its mean does not vary."""


class Standard(NamedTuple):
    """What was taken out of a mixture so that the network sees it at a known level."""

    mean: float
    std: float


def measure(blocks_Cxn: Iterable[np.ndarray]) -> tuple[Standard, int]:
    """Return mean and standard deviation of a track averaged over its channels, and its length, in one pass.

    Means and sums of squared deviations of the blocks are put together as in Chan, Golub & LeVeque 1979.

    Args:
      blocks_Cxn: the track, in blocks of any lengths.

    Raises:
      InputError: the mixture is constant, so that it has no level.
    """
    n, mean, squares = 0, 0.0, 0.0
    for block_Cxn in blocks_Cxn:
        reference_n = block_Cxn.mean(0, dtype=np.float64)
        if not len(reference_n):
            continue
        own = float(reference_n.mean())
        total = n + len(reference_n)
        squares += float(np.square(reference_n - own).sum()) + (own - mean) ** 2 * n * len(reference_n) / total
        mean += (own - mean) * len(reference_n) / total
        n = total
    standard = Standard(mean, math.sqrt(squares / (n - 1)) if n > 1 else 0.0)
    if not standard.std > _ROUNDING * abs(mean):
        raise InputError("the song is silent (or its channels cancel each other): there is nothing to separate")
    return standard, n


def standardise(mix_CxT: np.ndarray) -> tuple[np.ndarray, Standard]:
    """Return (mix − mean) / std and both numbers, taken over the whole track averaged over its channels.

    Raises:
      InputError: as `measure`.
    """
    standard, _ = measure([mix_CxT])
    return standardised(mix_CxT, standard), standard


def standardised(mix_Cxn: np.ndarray, standard: Standard) -> np.ndarray:
    """Return (mix − mean) / std."""
    return ((mix_Cxn - standard.mean) / standard.std).astype(mix_Cxn.dtype)


def unstandardised(est: np.ndarray, standard: Standard) -> np.ndarray:
    """Return estimates, or a mixture, (…, n) at the mixture's own level: each times std plus mean, as the reference."""
    return est * est.dtype.type(standard.std) + est.dtype.type(standard.mean)
