"""The level at which networks see sound: mean 0 and standard deviation 1, or unchanged."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ugosa_jax.config import InputLevel
from ugosa_jax.errors import InputError

_ROUNDING = 2.0**-24
"""A mixture counts as constant if its deviation divided by its mean is below this, single precision's rounding."""
_CANCELLED = 1e-3
"""Smallest deviation of the channels' mean relative to that of the channels (−60 dB).

A smaller ratio occurs only if the polarity of a channel is reversed; the paper's code then divides by almost zero. Even
very wide mixtures stay far above it.
"""


class Standard(NamedTuple):
    """The mean and standard deviation that standardisation removes from a mixture."""

    mean: float
    std: float


AS_IT_IS = Standard(0.0, 1.0)
"""Leaves a mixture unchanged."""


def choose_standard(level: InputLevel, standard: Standard) -> Standard:
    """Return `standard` if the network expects standardised mixtures (level "standard"), else `AS_IT_IS`."""
    return standard if level == "standard" else AS_IT_IS


def measure(blocks_Cxn: Iterable[np.ndarray]) -> tuple[Standard, int]:
    """Return mean and standard deviation of a track averaged over its channels, and its length, in one pass.

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
    standard = Standard(mean, math.sqrt(squares / (n - 1)) if n > 1 else 0.0)
    if n == 1:
        raise InputError("the song has one sample: too little to separate")
    if not standard.std > _ROUNDING * abs(mean):
        raise InputError("the song is silent (or its channels cancel each other): there is nothing to separate")
    share = standard.std / math.sqrt(max(all_squares / n - mean**2, 0.0) or math.inf)
    if 0 < share < _CANCELLED:
        level = f"the mean of its channels lies {-20 * math.log10(share):.0f} dB below them"
        raise InputError(f"the channels cancel each other: {level}, as if the polarity of one were reversed; invert it")
    return standard, n


def standardise(mix_CxT: np.ndarray, level: InputLevel = "standard") -> tuple[np.ndarray, Standard]:
    """Return a mixture at the level that a network expects, and the mean and deviation that were removed.

    At level "standard", these are measured on the mean of the channels: (mix − mean) / std. Otherwise the mixture is
    unchanged.

    Raises:
      InputError: as `measure`.
    """
    standard = choose_standard(level, measure([mix_CxT])[0])
    return standardise_by(mix_CxT, standard), standard


def standardise_by(mix_Cxn: np.ndarray, standard: Standard) -> np.ndarray:
    """Return (mix − mean) / std."""
    return ((mix_Cxn - standard.mean) / standard.std).astype(mix_Cxn.dtype)


def restore_level(est: np.ndarray, standard: Standard) -> np.ndarray:
    """Undo `standardise_by`: return est · std + mean, of estimates or a mixture (…, n), as the paper's code does."""
    return est * est.dtype.type(standard.std) + est.dtype.type(standard.mean)
