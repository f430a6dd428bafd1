"""Conversion between Flax modules and nested dicts of their parameters.

A module is built from hashable settings and random number generators, `Module(settings, rngs)`.
"""

import functools
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx

from ugosa_jax.networks.protocol import Params

Module = TypeVar("Module", bound=nnx.Module)


def init(build: Callable[..., nnx.Module], settings: Hashable, seed: int = 0) -> Params:
    """Return the parameters of a new module."""
    params = get_arrays(build(settings, nnx.Rngs(seed)))
    # `jnp.full` and others return weakly typed arrays, for which JAX would compile programs once more, besides those
    # for the arrays of a checkpoint or of the previous step.
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, leaf.dtype), params)


def get_arrays(module: nnx.Module) -> Params:
    """Return the parameters of a module as a nested dict of arrays."""
    return nnx.to_pure_dict(nnx.state(module))


def bind(build: Callable[..., Module], settings: Hashable, params: Params) -> Module:
    """Return a module with these parameters; call it inside jitted functions."""
    graphdef, state = _infer_structure(build, settings)
    state = jax.tree.map(lambda x: x, state)  # a copy, so that the cached state stays abstract
    nnx.replace_by_pure_dict(state, params)
    return nnx.merge(graphdef, state)


@functools.lru_cache
def _infer_structure(build: Callable[..., nnx.Module], settings: Hashable) -> tuple[Any, Any]:
    return nnx.split(nnx.eval_shape(lambda: build(settings, nnx.Rngs(0))))
