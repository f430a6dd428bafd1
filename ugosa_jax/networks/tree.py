"""Trees of parameters; the name of a leaf is its dotted path, such as ``repeat4.block1.expand.kernel``."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from ugosa_jax.errors import InputError, require
from ugosa_jax.networks.protocol import Architecture, Params

TUNED, FROZEN = "tuned", "frozen"
"""Labels of leaves."""


@functools.lru_cache
def infer_params(net: Architecture) -> Params:
    """Return the tree of a network's parameters with shapes in place of arrays; `init` is traced once."""
    return jax.eval_shape(net.init)


@functools.lru_cache
def infer_shapes(net: Architecture) -> Mapping[str, tuple[int, ...]]:
    """Return the dotted path and shape of every parameter of a network, without computing any."""
    leaves: dict[Any, Any] = flatten_dict(infer_params(net))
    return {".".join(path): leaf.shape for path, leaf in leaves.items()}


def flatten(tree: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the leaves of a nested dict by dotted path, as float32 arrays."""
    leaves: dict[Any, Any] = flatten_dict(dict(tree))
    return {".".join(map(str, path)): np.asarray(leaf, np.float32) for path, leaf in leaves.items()}


def unflatten(leaves: dict[str, np.ndarray]) -> Params:
    """Return the nested dict whose leaves have the given dotted paths; the inverse of `flatten`."""
    return unflatten_dict(leaves, sep=".")


def split(params: Params, labels: Params) -> tuple[Params, Params]:
    """Return (tuned, frozen): the leaves of `params` with either label, as two trees."""
    leaves, label_of = flatten_dict(params), flatten_dict(labels)
    tuned, frozen = ({path: leaves[path] for path in leaves if label_of[path] == label} for label in (TUNED, FROZEN))
    return unflatten_dict(tuned), unflatten_dict(frozen)


def merge(tuned: Params, frozen: Params) -> Params:
    """Return `frozen` with the leaves of `tuned` added or replaced; the inverse of `split`."""
    return unflatten_dict(flatten_dict(frozen) | flatten_dict(tuned))


def verify(leaves: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Check that the leaves have exactly the expected paths and shapes, and finite values.

    Raises:
      InputError: a leaf is missing, unexpected, of another shape or not finite; the message names it.
    """
    compare_shapes({path: leaf.shape for path, leaf in leaves.items()}, expected)
    for path, leaf in leaves.items():
        require(bool(np.isfinite(leaf).all()), path, "finite", "NaN or infinite somewhere")


def compare_shapes(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Check that two tables of shapes are equal.

    Raises:
      InputError: they differ; the message names the leaf that is missing, unexpected or of another shape.
    """
    wrong = [name for name in found.keys() & expected.keys() if found[name] != expected[name]]
    differences = {
        "tensors missing": expected.keys() - found.keys(),
        "unexpected tensors": found.keys() - expected.keys(),
        "wrong shapes": [f"{name} {found[name]} instead of {expected[name]}" for name in wrong],
    }
    if complaints := [f"{kind}: {_list_first(sorted(names))}" for kind, names in differences.items() if names]:
        raise InputError("; ".join(complaints))


def _list_first(names: list[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(name[:120] for name in names[:most]) + (f" and {more} more" if more > 0 else "")
