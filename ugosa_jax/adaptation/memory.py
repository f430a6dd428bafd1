"""The device memory that an adaptation needs, according to the compiled program of an epoch."""

import math
from typing import Any, NamedTuple

import jax

from ugosa_jax import device
from ugosa_jax.adaptation import programs
from ugosa_jax.adaptation.lane import Program
from ugosa_jax.adaptation.programs import LaneInputs, Placement
from ugosa_jax.config import FeatureStorage
from ugosa_jax.networks.protocol import Params

SHARE = 0.75
"""Share of the free memory that an adaptation may use."""


class MemoryNeeds(NamedTuple):
    """Bytes on each device.

    Attributes:
      features: the kept output of the frozen stages.
      inputs: songs, weights, the optimizer's state.
      step: XLA's temporary arrays at their peak, mostly activations for the backward pass.
    """

    features: int
    inputs: int
    step: int


def choose_program(
    program: Program, inputs: LaneInputs, params: Params, place: Placement
) -> tuple[Program, MemoryNeeds]:
    """Choose how features are stored, compile an epoch, and return its program and memory needs.

    "auto" stores features, whole or lean (`Architecture.lean`), if the adaptation then fits into three quarters of the
    free memory, and recomputes them in every step otherwise. It never chooses bfloat16, which changes the numbers.

    Args:
      program: the program to run.
      inputs: shapes of its inputs.
      params: shapes of all parameters.
      place: their shardings.
    """
    free_bytes = SHARE * device.get_free_bytes()
    *first, last = list_candidates(program.features)
    for storage in first:
        candidate = program._replace(features=storage)
        features = programs.infer_feature_shapes(candidate, params, inputs.song, place)
        if count_bytes(features) + count_bytes(inputs) > free_bytes:
            continue  # too large even without the arrays of a step: no need to compile it
        needs = measure_needs(candidate, inputs, features, place)
        if sum(needs) <= free_bytes:
            return candidate, needs
    program = program._replace(features=last)
    features = programs.infer_feature_shapes(program, params, inputs.song, place)
    return program, measure_needs(program, inputs, features, place)


def list_candidates(features: FeatureStorage) -> tuple[FeatureStorage, ...]:
    """Return the storages of features to try, in order."""
    return ("float32", "lean", "recompute") if features == "auto" else (features,)


def measure_needs(program: Program, inputs: LaneInputs, features: Any, place: Placement) -> MemoryNeeds:
    """Compile an epoch and return its memory needs."""
    analysis = programs.lower_epoch(program, inputs, features, place).compile().memory_analysis()
    kept = count_bytes(features)
    if analysis is None:  # not every backend supports the analysis
        return MemoryNeeds(kept, count_bytes(inputs), 0)
    # The new state replaces the old one, whose buffers are donated: only results without an alias need memory.
    results = analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    return MemoryNeeds(kept, analysis.argument_size_in_bytes - kept + results, analysis.temp_size_in_bytes)


def count_bytes(tree: Any) -> int:
    """Return the bytes that sharded arrays, or arrays of given shapes and shardings, take on each device."""
    leaves = jax.tree.leaves(tree)
    return sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)
