"""Floating-point operations of a network and of its adaptation, counted in the programs that JAX traces.

Counted are matrix products and convolutions, 2·m·k·n for each product, as many as the result needs: a gradient that
nothing asks for is not counted. Elementwise work (norms, activations, masks, loss, optimizer) has few operations; it
costs passes over memory. Products of one vector, or of a few, with a matrix are small beside the others and left out.
To trace a large network takes seconds, so counts are remembered.
"""

import functools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from ugosa_jax.adaptation import loss, strategy
from ugosa_jax.adaptation.strategy import Strategy
from ugosa_jax.config import SeparateConfig
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Architecture
from ugosa_jax.separation import chunks

FEW = 3
"""Products in which m, k or n is no larger than this are left out."""


def count(function: Callable, *arguments: Any) -> int:
    """Return the operations that a function of arrays needs; the arguments may be shapes (`jax.ShapeDtypeStruct`)."""
    return sum(by_shape(function, *arguments).values())


def by_shape(function: Callable, *arguments: Any) -> Counter[tuple[int, ...]]:
    """Return the operations of `count` by the shapes (m, k, n) of the products; those of convolutions under ()."""
    traced = jax.make_jaxpr(function)(*arguments).jaxpr
    return _needed(traced, _variables(traced.outvars))


@functools.lru_cache
def main_product(net: Architecture, n_samples: int) -> tuple[int, int, int]:
    """Return (m, k, n) of the matrix products that most operations of a forward pass are in."""
    counted = by_shape(net.__call__, *_inputs(net, n_samples))
    shapes = {shape: number for shape, number in counted.items() if len(shape) == 3}
    m, k, n = max(shapes, key=lambda shape: shapes[shape])
    return m, k, n


@functools.lru_cache
def forward(net: Architecture, n_samples: int) -> int:
    """Return the operations of one forward pass over a signal."""
    return count(net.__call__, *_inputs(net, n_samples))


@functools.lru_cache
def prefix(net: Architecture, until: str, n_samples: int) -> int:
    """Return the operations of the stages before a cut."""
    return count(lambda params, mix_CxT: net.prefix(params, mix_CxT, until), *_inputs(net, n_samples))


@functools.lru_cache
def step(net: Architecture, plan: Strategy, n_samples: int, kept: bool = True) -> int:
    """Return the operations of one step on a segment of `n_samples`, forward and backward.

    Args:
      net: the network.
      plan: what is tuned; not B0, which takes no step.
      n_samples: length of the segment.
      kept: the output of the frozen stages is kept; else they run in every step.
    """
    params, mix_CxT = _inputs(net, n_samples)
    since = plan.since(net)
    tuned, frozen = tree.split(params, strategy.labels(plan, params))
    features = jax.eval_shape(lambda params, mix_CxT: net.prefix(params, mix_CxT, since), params, mix_CxT)
    active_SxT = jax.ShapeDtypeStruct((len(net.sources), n_samples), jnp.float32)

    def objective(tuned, frozen, features, mix_CxT, active_SxT):
        est_SxCxT = net.suffix(tree.merge(tuned, frozen), mix_CxT, features, since)
        return loss.total(loss.loss_terms(est_SxCxT, mix_CxT, active_SxT), 1.0)

    counted = count(jax.value_and_grad(objective), tuned, frozen, features, mix_CxT, active_SxT)
    return counted if kept else counted + prefix(net, since, n_samples)


def separation(net: Architecture, settings: SeparateConfig, song_samples: int) -> int:
    """Return the operations of separating a song: every chunk, padded as it runs, for every shift."""
    n_samples, tiling = chunks.chunk_samples(net, settings), chunks.tiles(net, settings)
    each = count(tiling.separate, *_inputs(net, n_samples)) if tiling else forward(net, n_samples)
    return chunks.count_chunks(net, song_samples, settings) * each


@functools.lru_cache
def _parameters(net: Architecture) -> Any:
    return jax.eval_shape(net.init)


def _inputs(net: Architecture, n_samples: int) -> tuple[Any, jax.ShapeDtypeStruct]:
    return _parameters(net), jax.ShapeDtypeStruct((net.channels, n_samples), jnp.float32)


def _needed(traced: Jaxpr, needed: set) -> Counter[tuple[int, ...]]:
    """Walk a program backwards from what is needed, and into what it calls."""
    counted: Counter[tuple[int, ...]] = Counter()
    for equation in reversed(traced.eqns):
        if needed.isdisjoint(equation.outvars):
            continue
        needed |= _variables(equation.invars)
        if equation.primitive.name == "dot_general":
            counted += _product(equation)
        elif equation.primitive.name == "conv_general_dilated":
            counted[()] += _convolution(equation)
        times = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        for inner in _programs(equation.params):
            pairs = zip(inner.outvars, equation.outvars, strict=False)
            whole = times > 1 or len(inner.outvars) != len(equation.outvars)
            asked = inner.outvars if whole else [inside for inside, out in pairs if out in needed]
            for shape, number in _needed(inner, _variables(asked)).items():
                counted[shape] += times * number
    return counted


def _product(equation) -> Counter[tuple[int, ...]]:
    (contracted, _), (batched, _) = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    n_products, k = (math.prod(left[axis] for axis in axes) for axes in (batched, contracted))
    m = math.prod(left) // (n_products * k)
    n = math.prod(equation.outvars[0].aval.shape) // (n_products * m)
    return Counter() if min(m, k, n) <= FEW else Counter({(m, k, n): 2 * n_products * m * k * n})


def _convolution(equation) -> int:
    kernel, numbers = equation.invars[1].aval.shape, equation.params["dimension_numbers"]
    return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) // kernel[numbers.rhs_spec[0]]


def _programs(params: dict[str, Any]) -> list[Jaxpr]:
    values = [value for entry in params.values() for value in (entry if isinstance(entry, tuple) else (entry,))]
    return [value.jaxpr if isinstance(value, ClosedJaxpr) else value for value in values
            if isinstance(value, ClosedJaxpr | Jaxpr)]  # fmt: skip


def _variables(atoms) -> set:
    """Return what is not a constant."""
    return {atom for atom in atoms if not isinstance(atom, Literal)}
