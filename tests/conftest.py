"""Fixtures: the small network whose outputs the golden files hold; and how tests share a machine."""

import contextlib
import json
import os
import signal
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest

from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import convtasnet_torch

DATA = Path(__file__).parent / "data"

signal.signal(signal.SIGINT, signal.default_int_handler)
"""Shells have background jobs ignore Ctrl-C, and a program inherits that: the programs that tests start must not."""

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
"""Nodes of a Ray cluster on the loopback are found there, not at the network's address; Ray reads this once, when it is
imported."""

PROGRAMS = "JAX_COMPILATION_CACHE_DIR"


def pytest_configure(config):
    """Give each of several workers cores of its own, as their threads would fight; all share compiled programs."""
    worker = getattr(config, "workerinput", None)
    if worker is None:  # this process starts the workers, or is alone: what it sets, they and their programs inherit
        if os.environ.get(PROGRAMS):
            return
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        config.add_cleanup(folder.cleanup)
        os.environ[PROGRAMS] = folder.name
        jax.config.update(PROGRAMS.lower(), folder.name)
        return
    n_workers, number = worker["workercount"], int(worker["workerid"].removeprefix("gw"))
    with contextlib.suppress(AttributeError):  # not on macOS
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[number::n_workers] or cores)


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
