"""The level at which networks see sound."""

import numpy as np
import pytest

from ugosa_jax.data.standardisation import restore_level, standardise
from ugosa_jax.errors import InputError


def test_standardise_gives_mean_0_and_deviation_1():
    mix_CxT = np.array([[1.0, 2, 3, 4], [3.0, 2, 1, 8]])
    standard_CxT, (mean, std) = standardise(mix_CxT)
    reference_T = [2, 2, 2, 6]
    assert (mean, std) == (3.0, np.std(reference_T, ddof=1))
    np.testing.assert_allclose(standard_CxT * std + mean, mix_CxT)


@pytest.mark.parametrize("mix", [np.zeros((2, 9)), np.ones((2, 9)), np.array([[1.0, -2, 3], [-1.0, 2, -3]])])
def test_a_mixture_without_level_is_refused(mix):
    with pytest.raises(InputError, match="silent"):
        standardise(mix)


def test_restore_level_inverts_standardise():
    mix_CxT = np.random.default_rng(0).standard_normal((2, 100)) * 3 + 1
    standard_CxT, scaling = standardise(mix_CxT)
    np.testing.assert_allclose(restore_level(standard_CxT, scaling), mix_CxT)
