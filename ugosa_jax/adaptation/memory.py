"""What an adaptation takes of a device's memory, as the compiled program of an epoch says."""

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
"""Of the free memory that is planned with."""


class MemoryNeeds(NamedTuple):
    """Bytes on each device.

    Attributes:
      features: what is kept of the frozen stages.
      inputs: songs, weights, the optimizer's state.
      step: XLA's temporary arrays, at their peak; most of them are what the backward pass needs.
    """

    features: int
    inputs: int
    step: int


def choose_program(
    program: Program, inputs: LaneInputs, params: Params, place: Placement
) -> tuple[Program, MemoryNeeds]:
    """Compile an epoch; return its program, in which it is decided how features are kept, and what it needs.

    Features that are to be kept "auto" are kept, whole or lean, if all that is needed fits into three quarters of the
    free memory, and recomputed in every step otherwise. bfloat16, which changes the numbers, has to be asked for.

    Args:
      program: what is to be run.
      inputs: shapes of what it is given.
      params: shapes of all parameters.
      place: where they will be.
    """
    free_bytes = SHARE * device.get_free_bytes()
    *first, last = list_candidates(program.features)
    for kept in first:
        candidate = program._replace(features=kept)
        features = programs.infer_feature_shapes(candidate, params, inputs.song, place)
        # What does not fit even without a step need not be compiled.
        if count_bytes(features) + count_bytes(inputs) <= free_bytes and sum(
            found := measure_needs(candidate, inputs, features, place)
        ) <= (free_bytes):
            return candidate, found
    program = program._replace(features=last)
    features = programs.infer_feature_shapes(program, params, inputs.song, place)
    return program, measure_needs(program, inputs, features, place)


def list_candidates(features: FeatureStorage) -> tuple[FeatureStorage, ...]:
    """Return the ways of keeping features that are tried, in order."""
    return ("float32", "lean", "recompute") if features == "auto" else (features,)


def measure_needs(program: Program, inputs: LaneInputs, features: Any, place: Placement) -> MemoryNeeds:
    """Compile an epoch and return what it needs; the new state takes the place of the old one."""
    analysis = programs.lower_epoch(program, inputs, features, place).compile().memory_analysis()
    kept = count_bytes(features)
    if analysis is None:  # a backend that does not tell
        return MemoryNeeds(kept, count_bytes(inputs), 0)
    results = analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    return MemoryNeeds(kept, analysis.argument_size_in_bytes - kept + results, analysis.temp_size_in_bytes)


def count_bytes(tree: Any) -> int:
    """Return the bytes of placed arrays, or of their shapes, on each device."""
    leaves = jax.tree.leaves(tree)
    return sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)
