"""What an adaptation takes of the device's memory, from the shapes of its arrays."""

import dataclasses
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ugosa_jax import device
from ugosa_jax.adaptation import lane, strategy
from ugosa_jax.adaptation.lane import Program
from ugosa_jax.config import AdaptConfig
from ugosa_jax.networks.protocol import Architecture


class Estimate(NamedTuple):
    """Bytes of the kept features, of the song with its activations, and of the arrays of one step."""

    features: int
    song: int
    step: int


def plan(net: Architecture, shape: tuple[int, ...], settings: AdaptConfig, n_lanes: int = 1) -> Program:
    """Return the program for `n_lanes` lanes and mixtures of a shape (songs…, G, V, C, T).

    Features that are to be kept "auto" are kept, whole or lean, if all that is needed fits into three quarters of the
    free memory, and recomputed in every step otherwise. bfloat16, which changes the numbers, has to be asked for.
    """
    parsed = strategy.parse(settings.strategy, net)
    program = Program(net, parsed.since(net), settings.features, settings.centralise_gradients)
    program = rounded(program, settings, jax.default_backend())
    if parsed.loss == "R":  # every epoch has other mixtures
        return program._replace(features="recompute", remixes=True)
    if settings.features != "auto":
        return program
    free_bytes = 0.75 * device.free_bytes()
    for features in ("float32", "lean"):
        program = program._replace(features=features)
        if sum(estimate(program, shape, n_lanes)) <= free_bytes:
            return program
    return program._replace(features="recompute")


def rounded(program: Program, settings: AdaptConfig, platform: str) -> Program:
    """Return a program in the precision of the settings. A CPU computes in float32 whatever lies between products.

    Raises:
      InputError: the network has no other precision than float32.
    """
    strategy.require_precision(settings, program.net)
    if settings.precision == "float32":
        return program
    net = dataclasses.replace(program.net, precision=settings.precision)
    return program._replace(net=net, dtype="float32" if platform == "cpu" else settings.precision)


def estimate(program: Program, shape: tuple[int, ...], n_lanes: int = 1) -> Estimate:
    """Return what a program takes for `n_lanes` lanes and mixtures of a shape (songs…, G, V, C, T)."""
    net = program.net
    *songs, G, V, C, T = shape
    n_songs = math.prod(songs)
    return Estimate(
        features=n_songs * G * V * features_bytes(program, C, T),
        song=n_songs * G * T * (4 * V * C + len(net.sources) * (1 + 4 * C * program.remixes)),
        step=(2 if program.dtype == "bfloat16" else 4) * n_lanes * net.step_numbers(program.since, T),
    )


@functools.lru_cache
def features_bytes(program: Program, n_channels: int, n_samples: int) -> int:
    """Return the bytes that are kept of one segment; remembered, as tracing a large network takes seconds."""
    if program.features == "recompute":
        return 0

    def of_segment(params, mix_CxT):
        return lane.kept(program, program.net.prefix(params, lane.seen(program, mix_CxT), program.since))

    mix_CxT = jax.ShapeDtypeStruct((n_channels, n_samples), jnp.float32)
    leaves = jax.tree.leaves(jax.eval_shape(of_segment, jax.eval_shape(program.net.init), mix_CxT))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
