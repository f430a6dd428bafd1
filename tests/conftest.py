"""Fixtures: the small network whose outputs the golden files hold; and how tests share a machine."""

import contextlib
import json
import os
import signal
import tempfile
from pathlib import Path


def pin_cores() -> None:
    """Give each of several workers cores of its own, because their threads would slow each other down."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        number, n_workers = int(worker.removeprefix("gw")), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        with contextlib.suppress(AttributeError):  # not on macOS
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, cores[number::n_workers] or cores)


# Before NumPy is imported, and JAX starts: LAPACK and XLA have a thread for each core that they see then, and round
# otherwise with another number. So a worker and the programs that it starts compute the same to the last bit.
pin_cores()

# JAX reads this when it is imported. Small programs are shared, too: tests compile thousands.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

# XLA reads this when it starts. Most programs of the tests run once: without LLVM's optimisations and MLIR's emitters
# of fusions they compile in less than half the time. `make test-slow` compiles with XLA's defaults, as users do.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")

import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from ugosa_jax.networks.convtasnet import ConvTasNet  # noqa: E402
from ugosa_jax.weights import convtasnet_torch  # noqa: E402

DATA = Path(__file__).parent / "data"

signal.signal(signal.SIGINT, signal.default_int_handler)
"""Shells make background jobs ignore Ctrl-C, and child processes inherit this; programs started by tests must not."""

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
"""Nodes of a Ray cluster on the loopback are found there, not at the network's address; Ray reads this once, when it is
imported."""

PROGRAMS = "JAX_COMPILATION_CACHE_DIR"


def pytest_configure(config):
    """Share compiled programs: between workers, and with the programs that tests start."""
    if os.environ.get(PROGRAMS):  # also in a worker, which inherits it
        return
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    os.environ[PROGRAMS] = folder.name
    jax.config.update(PROGRAMS.lower(), folder.name)


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
