"""Trees of parameters: a leaf is called by its dotted path, such as ``repeat4.block1.expand.kernel``."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from ugosa_jax.errors import InputError, require
from ugosa_jax.networks.protocol import Architecture, Params

TUNED, FROZEN = "tuned", "frozen"
"""Labels of leaves."""


@functools.lru_cache
def infer_shapes(net: Architecture) -> Mapping[str, tuple[int, ...]]:
    """Return the dotted path and shape of every parameter of a network. Nothing is computed."""
    return {path: leaf.shape for path, leaf in _leaves(jax.eval_shape(net.init)).items()}


def flatten(tree: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the leaves of a nested dict by dotted path, as float32 arrays."""
    return {path: np.asarray(leaf, np.float32) for path, leaf in _leaves(tree).items()}


def unflatten(leaves: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the nested dict whose leaves have the given dotted paths; the inverse of `flat`."""
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *above, name = path.split(".")
        branch = tree
        for step in above:
            branch = branch.setdefault(step, {})
        branch[name] = leaf
    return tree


def split(params: Params, labels: Params) -> tuple[Params, Params]:
    """Return (tuned, frozen): the two halves of `params`, each without the other's leaves."""
    return _keep(params, labels, TUNED), _keep(params, labels, FROZEN)


def merge(tuned: Params, frozen: Params) -> Params:
    """Undo `split`."""
    merged = dict(frozen)
    for key, value in tuned.items():
        merged[key] = merge(value, merged.get(key, {})) if isinstance(value, dict) else value
    return merged


def verify(leaves: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Check that the leaves have exactly the expected paths and shapes, and finite values.

    Raises:
      InputError: they have not; the message names the leaves.
    """
    compare_shapes({path: leaf.shape for path, leaf in leaves.items()}, expected)
    for path, leaf in leaves.items():
        require(bool(np.isfinite(leaf).all()), path, "finite", "NaN or infinite somewhere")


def compare_shapes(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Check that two tables of shapes are the same.

    Raises:
      InputError: they are not; the message names what is missing, unexpected or of another shape.
    """
    wrong = [name for name in found.keys() & expected.keys() if found[name] != expected[name]]
    complaints = {
        "tensors missing": expected.keys() - found.keys(),
        "unexpected tensors": found.keys() - expected.keys(),
        "wrong shapes": [f"{name} {found[name]} instead of {expected[name]}" for name in wrong],
    }
    said = [f"{what}: {_some(sorted(names))}" for what, names in complaints.items() if names]
    if said:
        raise InputError("; ".join(said))


def _some(names: list[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(name[:120] for name in names[:most]) + (f" and {more} more" if more > 0 else "")


def _leaves(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{above}{name}"
        leaves |= _leaves(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return leaves


def _keep(params: Params, labels: Params, wanted: str) -> Params:
    kept: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            if inner := _keep(value, labels[key], wanted):
                kept[key] = inner
        elif labels[key] == wanted:
            kept[key] = value
    return kept
