"""Standardisation of mixtures to mean 0 and standard deviation 1, for networks that expect it."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ugosa_jax.config import InputLevel
from ugosa_jax.errors import InputError

_ROUNDING = 2.0**-24
"""Rounding error of single precision. A mixture whose deviation, divided by its mean, is smaller counts as constant."""
_CANCELLED = 1e-3
"""Smallest accepted deviation of the mean of the channels, relative to the deviation of the channels (−60 dB).

A smaller ratio occurs only if the polarity of a channel is reversed; the paper's code then divides by almost zero. Even
very wide stereo mixtures are far above it.
"""


class Scaling(NamedTuple):
    """The mean and standard deviation that standardisation removes from a mixture."""

    mean: float
    std: float


UNSCALED = Scaling(0.0, 1.0)
"""A scaling that leaves a mixture unchanged."""


def choose_scaling(level: InputLevel, scaling: Scaling) -> Scaling:
    """Return `scaling` if the network expects standardised mixtures (level "standard"), else `UNSCALED`."""
    return scaling if level == "standard" else UNSCALED


def measure_scaling(blocks_Cxn: Iterable[np.ndarray]) -> tuple[Scaling, int]:
    """Return mean and standard deviation of the mean of a track's channels, and the track's length, in one pass.

    Means and sums of squared deviations of the blocks are combined as in Chan, Golub & LeVeque 1979.

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
    scaling = Scaling(mean, math.sqrt(squares / (n - 1)) if n > 1 else 0.0)
    if n == 1:
        raise InputError("the song has one sample: too little to separate")
    if not scaling.std > _ROUNDING * abs(mean):
        raise InputError("the song is silent (or its channels cancel each other): there is nothing to separate")
    share = scaling.std / math.sqrt(max(all_squares / n - mean**2, 0.0) or math.inf)
    if 0 < share < _CANCELLED:
        level = f"the mean of its channels lies {-20 * math.log10(share):.0f} dB below them"
        raise InputError(f"the channels cancel each other: {level}, as if the polarity of one were reversed; invert it")
    return scaling, n


def standardise(mix_CxT: np.ndarray, level: InputLevel = "standard") -> tuple[np.ndarray, Scaling]:
    """Return a mixture at the level that a network expects, and the scaling that was applied.

    At level "standard", the result is (mix − mean) / std, with mean and std of the mean of the channels. Otherwise the
    mixture is unchanged.

    Raises:
      InputError: as `measure_scaling`.
    """
    scaling = choose_scaling(level, measure_scaling([mix_CxT])[0])
    return standardise_by(mix_CxT, scaling), scaling


def standardise_by(mix_Cxn: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Return (mix − mean) / std."""
    return ((mix_Cxn - scaling.mean) / scaling.std).astype(mix_Cxn.dtype)


def restore_level(est: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Return est · std + mean, as in the paper's code; the inverse of `standardise_by`, for arrays (…, n)."""
    return est * est.dtype.type(scaling.std) + est.dtype.type(scaling.mean)
