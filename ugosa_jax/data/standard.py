"""The level at which networks see sound: mean 0 and standard deviation 1."""

from typing import NamedTuple

import numpy as np

from ugosa_jax.errors import InputError


class Standard(NamedTuple):
    """What was taken out of a mixture so that the network sees it at a known level."""

    mean: float
    std: float


def standardise(mix_CxT: np.ndarray) -> tuple[np.ndarray, Standard]:
    """Return (mix − mean) / std and both numbers, taken over the whole track averaged over its channels.

    Raises:
      InputError: the mixture is constant, so that it has no level.
    """
    reference_T = mix_CxT.mean(0, dtype=np.float64)
    standard = Standard(float(reference_T.mean()), float(reference_T.std(ddof=1)))
    if not standard.std > 0:
        raise InputError("the song is silent (or its channels cancel each other): there is nothing to separate")
    return ((mix_CxT - standard.mean) / standard.std).astype(mix_CxT.dtype), standard


def unstandardise(est_SxCxT: np.ndarray, standard: Standard) -> None:
    """Bring estimates to the mixture's own level, in place: each times std plus mean, as the reference does."""
    est_SxCxT *= est_SxCxT.dtype.type(standard.std)
    est_SxCxT += est_SxCxT.dtype.type(standard.mean)
