"""Small random networks, and whether two of them are the same."""

from pathlib import Path

import numpy as np

from ugosa_jax.networks import tree
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import checkpoint

DATA = Path(__file__).parents[1] / "data"
DUO = ConvTasNet(N=6, L=4, B=5, H=7, P=3, X=2, R=3, sources=("voice", "rest"), sample_rate_hz=8000)


def random_params(config, seed=0):
    rng = np.random.default_rng(seed)
    leaves = {path: rng.normal(size=shape).astype(np.float32) for path, shape in tree.infer_shapes(config).items()}
    return tree.unflatten(leaves)


def made(config=DUO, seed=0, provenance=None):
    return checkpoint.Checkpoint(config, random_params(config, seed), provenance or {})


def assert_same(found, expected):
    """Compare parameter trees or state dicts: the same names, and the same numbers of the same type."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_same(found[name], value)
        else:
            assert found[name].shape == value.shape and found[name].dtype == value.dtype, name
            np.testing.assert_array_equal(found[name], value, err_msg=name)
