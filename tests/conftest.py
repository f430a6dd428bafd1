"""Fixtures: the small network whose outputs the golden files hold."""

import json
import signal
from pathlib import Path

import jax
import numpy as np
import pytest

from ugosa_jax.networks import convtasnet_torch
from ugosa_jax.networks.convtasnet import ConvTasNet

DATA = Path(__file__).parent / "data"

signal.signal(signal.SIGINT, signal.default_int_handler)
"""Shells have background jobs ignore Ctrl-C, and a program inherits that: the programs that tests start must not."""


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep compiled programs and weights of the tests out of the user's cache, and the user's out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UGOSA_JAX_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def config() -> ConvTasNet:
    """Architecture of the golden files."""
    letters = json.loads((DATA / "config.json").read_text())
    return ConvTasNet(**{letter: letters[letter] for letter in "NLBHPXR"}, C=letters["audio_channels"])


@pytest.fixture(scope="session")
def state() -> dict[str, np.ndarray]:
    """Its weights under their torch names."""
    return dict(np.load(DATA / "state.npz"))


@pytest.fixture(scope="session")
def params(state, config):
    """Its weights in our layout, float32."""
    return convtasnet_torch.from_torch(state, config)


@pytest.fixture(scope="session")
def params64(params):
    """Its weights in our layout, float64."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)


@pytest.fixture(scope="session")
def golden():
    """Return a golden file by its name."""
    return lambda name: np.load(DATA / f"{name}.npz")
