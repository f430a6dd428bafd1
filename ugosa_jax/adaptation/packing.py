"""Parameters as one vector, so that elementwise programs are small.

An optimizer has some twenty operations for each array, and XLA compiles each of them once for every shape. HTDemucs has
hundreds of leaves of dozens of shapes.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from ugosa_jax.networks.protocol import Array, Params


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PackedParams:
    """The numbers of all leaves in one vector, and the paths and shapes of the leaves."""

    numbers: Array
    shapes: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...] = dataclasses.field(metadata={"static": True})


def pack(params: Params) -> PackedParams:
    """Return the leaves of `params`, which have the same type, as one vector."""
    leaves: dict[Any, Any] = dict(sorted(flatten_dict(params).items()))  # JAX sorts the keys of a gradient too
    numbers = jnp.concatenate([jnp.ravel(leaf) for leaf in leaves.values()])
    return PackedParams(numbers, tuple((path, leaf.shape) for path, leaf in leaves.items()))


def unpack(packed: PackedParams) -> Params:
    """Return the tree that was packed."""
    sizes = [int(np.prod(shape)) for _, shape in packed.shapes]
    parts = (jnp if isinstance(packed.numbers, jax.Array) else np).split(packed.numbers, np.cumsum(sizes)[:-1])
    pairs = zip(packed.shapes, parts, strict=True)
    return unflatten_dict({path: part.reshape(shape) for (path, shape), part in pairs})
