"""The golden files of tests/data/htdemucs, and comparison with their thinned-out arrays."""

import json
from pathlib import Path

import jax
import numpy as np

from ugosa_jax.weights import htdemucs_arguments as arguments
from ugosa_jax.weights import htdemucs_torch

DATA = Path(__file__).parents[1] / "data" / "htdemucs"
CASE = json.loads((DATA / "config.json").read_text())


def torch_arguments(case=CASE):
    """The arguments of the torch class, the segment as a pair."""
    kwargs = dict(case["kwargs"])
    if isinstance(kwargs["segment"], dict):
        kwargs["segment"] = (kwargs["segment"]["numerator"], kwargs["segment"]["denominator"])
    return kwargs


def load(name):
    return dict(np.load(DATA / f"{name}.npz"))


def network(dtype=np.float32):
    """The golden architecture and its parameters."""
    config = arguments.read_architecture(torch_arguments())
    params = htdemucs_torch.from_torch(load("state"), config)
    return config, jax.tree.map(lambda leaf: np.asarray(leaf, dtype), params)


def thinned(x, golden, name):
    """The values of x that the golden file holds under `name` or `name@k`, and the file's own."""
    key = next(key for key in golden if key.split("@")[0] == name)
    step = int(key.split("@")[1]) if "@" in key else 1
    return np.asarray(x).reshape(-1)[::step], golden[key].reshape(-1)


def make_random_params(config, seed=0, dtype=np.float32):
    """Parameters that are all different, scales of order 1: fresh ones would hide attention and residual branches."""
    random = np.random.default_rng(seed)

    def leaf(path, x):
        name = path[-1].key
        spread = 1 / np.sqrt(np.prod(x.shape[:-1])) if name == "kernel" else 0.3
        centre = 1.0 if name in ("gamma",) else 0.5 if name.startswith("scale") else 0.0
        return (centre + spread * random.standard_normal(x.shape)).astype(dtype)

    return jax.tree_util.tree_map_with_path(leaf, jax.eval_shape(config.init))
