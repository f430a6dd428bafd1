"""Counting of the floating-point operations of a network and its adaptation in the programs that JAX traces.

The counts include the matrix products (2·m·k·n each) and convolutions that the result depends on, so that unused
gradients are excluded. Elementwise operations (norms, activations, masks, loss, optimizer) are not counted: they are
few, and their time is determined by memory traffic. Products of a matrix with up to three vectors are not counted
either. Counts are cached, because tracing a large network takes seconds.
"""

import functools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from ugosa_jax.adaptation import loss
from ugosa_jax.adaptation import strategy as strategies
from ugosa_jax.adaptation.strategy import Strategy
from ugosa_jax.config import SeparateConfig
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Architecture
from ugosa_jax.separation import chunks

MIN_SIZE = 4
"""Products with a smaller m, k or n are not counted."""


def count_flops(function: Callable, *arguments: Any) -> int:
    """Return the operations of a function of arrays; the arguments may be shapes (`jax.ShapeDtypeStruct`)."""
    return sum(count_by_shape(function, *arguments).values())


def count_by_shape(function: Callable, *arguments: Any) -> Counter[tuple[int, ...]]:
    """Return the operations of `count_flops` by shape (m, k, n) of the product, or () for convolutions."""
    traced = jax.make_jaxpr(function)(*arguments).jaxpr
    return _count_needed(traced, _drop_constants(traced.outvars))


@functools.lru_cache
def find_main_product(net: Architecture, n_samples: int) -> tuple[int, int, int]:
    """Return the shape (m, k, n) of the matrix products that have most operations in a forward pass."""
    counted = count_by_shape(net.__call__, *_get_input_shapes(net, n_samples))
    shapes = {shape: number for shape, number in counted.items() if len(shape) == 3}
    m, k, n = max(shapes, key=lambda shape: shapes[shape])
    return m, k, n


@functools.lru_cache
def count_forward(net: Architecture, n_samples: int) -> int:
    """Return the operations of one forward pass over a signal."""
    return count_flops(net.__call__, *_get_input_shapes(net, n_samples))


@functools.lru_cache
def count_prefix(net: Architecture, until: str, n_samples: int) -> int:
    """Return the operations of the stages before a cut."""
    return count_flops(lambda params, mix_CxT: net.prefix(params, mix_CxT, until), *_get_input_shapes(net, n_samples))


@functools.lru_cache
def count_step(net: Architecture, strategy: Strategy, n_samples: int, is_stored: bool = True) -> int:
    """Return the operations of one step on a segment of `n_samples`, forward and backward.

    Args:
      net: the network.
      strategy: the tuned stages; not B0, which has no steps.
      n_samples: length of the segment.
      is_stored: whether the output of the frozen stages is stored; if not, they run in every step.
    """
    params, mix_CxT = _get_input_shapes(net, n_samples)
    since = strategy.find_cut(net)
    tuned, frozen = tree.split(params, strategies.label_params(strategy, params))
    features = jax.eval_shape(lambda params, mix_CxT: net.prefix(params, mix_CxT, since), params, mix_CxT)
    active_SxT = jax.ShapeDtypeStruct((len(net.sources), n_samples), jnp.float32)

    def objective(tuned, frozen, features, mix_CxT, active_SxT):
        est_SxCxT = net.suffix(tree.merge(tuned, frozen), mix_CxT, features, since)
        return loss.compute_total(loss.compute_loss_terms(est_SxCxT, mix_CxT, active_SxT), 1.0)

    counted = count_flops(jax.value_and_grad(objective), tuned, frozen, features, mix_CxT, active_SxT)
    return counted if is_stored else counted + count_prefix(net, since, n_samples)


def count_separation(net: Architecture, settings: SeparateConfig, song_samples: int) -> int:
    """Return the operations of the separation of a song: all chunks, including their padding, for every shift."""
    n_samples, tiling = chunks.choose_chunk_samples(net, settings), chunks.choose_tiling(net, settings)
    each = count_flops(tiling.separate, *_get_input_shapes(net, n_samples)) if tiling else count_forward(net, n_samples)
    return chunks.count_chunks(net, song_samples, settings) * each


def _get_input_shapes(net: Architecture, n_samples: int) -> tuple[Any, jax.ShapeDtypeStruct]:
    return tree.infer_params(net), jax.ShapeDtypeStruct((net.channels, n_samples), jnp.float32)


def _count_needed(traced: Jaxpr, needed: set) -> Counter[tuple[int, ...]]:
    """Return the operations that the variables `needed` depend on; the equations are visited in reverse order."""
    counted: Counter[tuple[int, ...]] = Counter()
    for equation in reversed(traced.eqns):
        if needed.isdisjoint(equation.outvars):
            continue
        needed |= _drop_constants(equation.invars)
        if equation.primitive.name == "dot_general":
            counted += _count_product(equation)
        elif equation.primitive.name == "conv_general_dilated":
            counted[()] += _count_convolution(equation)
        times = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        for inner in _list_programs(equation.params):
            pairs = zip(inner.outvars, equation.outvars, strict=False)
            whole = times > 1 or len(inner.outvars) != len(equation.outvars)
            asked = inner.outvars if whole else [inside for inside, out in pairs if out in needed]
            for shape, number in _count_needed(inner, _drop_constants(asked)).items():
                counted[shape] += times * number
    return counted


def _count_product(equation) -> Counter[tuple[int, ...]]:
    (contracted, _), (batched, _) = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    n_products, k = (math.prod(left[axis] for axis in axes) for axes in (batched, contracted))
    m = math.prod(left) // (n_products * k)
    n = math.prod(equation.outvars[0].aval.shape) // (n_products * m)
    return Counter() if min(m, k, n) < MIN_SIZE else Counter({(m, k, n): 2 * n_products * m * k * n})


def _count_convolution(equation) -> int:
    kernel, numbers = equation.invars[1].aval.shape, equation.params["dimension_numbers"]
    return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) // kernel[numbers.rhs_spec[0]]


def _list_programs(params: dict[str, Any]) -> list[Jaxpr]:
    values = [value for entry in params.values() for value in (entry if isinstance(entry, tuple) else (entry,))]
    return [value.jaxpr if isinstance(value, ClosedJaxpr) else value for value in values
            if isinstance(value, ClosedJaxpr | Jaxpr)]  # fmt: skip


def _drop_constants(atoms) -> set:
    """Return the variables among atoms, without constants."""
    return {atom for atom in atoms if not isinstance(atom, Literal)}
