"""Small random networks, and comparison of their parameters."""

from pathlib import Path

import numpy as np

from ugosa_jax.networks import tree
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import checkpoint

DATA = Path(__file__).parents[1] / "data"
DUO = ConvTasNet(N=6, L=4, B=5, H=7, P=3, X=1, R=3, sources=("voice", "rest"), sample_rate_hz=8000)
QUARTET = ConvTasNet(N=8, L=160, B=5, H=7, X=1, R=4)
"""Four sources at 44.1 kHz. Its filters are long, so that a song has few frames."""


def make_random_params(config, seed=0):
    rng = np.random.default_rng(seed)
    leaves = {path: rng.normal(size=shape).astype(np.float32) for path, shape in tree.infer_shapes(config).items()}
    return tree.unflatten(leaves)


def make_checkpoint(config=DUO, seed=0, provenance=None):
    return checkpoint.Checkpoint(config, make_random_params(config, seed), provenance or {})


def assert_same(found, expected):
    """Check that parameter trees or state dicts have equal names, types and numbers."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_same(found[name], value)
        else:
            assert found[name].shape == value.shape and found[name].dtype == value.dtype, name
            np.testing.assert_array_equal(found[name], value, err_msg=name)
