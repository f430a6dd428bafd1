"""What an adaptation takes of the device's memory, from the shapes of its arrays."""

import math
from typing import NamedTuple

from ugosa_jax import device
from ugosa_jax.adaptation import strategy
from ugosa_jax.adaptation.lane import Program
from ugosa_jax.config import AdaptConfig, ModelConfig
from ugosa_jax.networks import convtasnet


class Estimate(NamedTuple):
    """Bytes of the kept features, of the song with its activations, and of the arrays of one step."""

    features: int
    song: int
    step: int


def plan(config: ModelConfig, shape: tuple[int, ...], settings: AdaptConfig, n_lanes: int = 1) -> Program:
    """Return the program for `n_lanes` lanes and mixtures of a shape (songs…, G, V, C, T).

    Features that are to be kept "auto" are kept if all that is needed fits into three quarters of the free memory, and
    recomputed in every step otherwise. bfloat16, which changes the numbers, has to be asked for.
    """
    since = strategy.parse(settings.strategy, config).since(config)
    kept = Program(config, since, "float32", settings.centralise_gradients)
    if settings.features != "auto":
        return kept._replace(features=settings.features)
    fits = sum(estimate(kept, shape, n_lanes)) <= 0.75 * device.free_bytes()
    return kept if fits else kept._replace(features="recompute")


def estimate(program: Program, shape: tuple[int, ...], n_lanes: int = 1) -> Estimate:
    """Return what a program takes for `n_lanes` lanes and mixtures of a shape (songs…, G, V, C, T).

    A step keeps an array of [K, B] and one of [K, H] for each block that the gradient passes through, and at its peak
    eight of [K, H] within one block, or five of [K, S, N] behind the last: what XLA's memory analysis finds on CPU.
    """
    config = program.model
    *songs, G, V, C, T = shape
    n_songs, K = math.prod(songs), convtasnet.frames_in(T, config)
    width = {"float32": 4, "bfloat16": 2, "recompute": 0}[program.features]
    stages = (*convtasnet.repeats(config), "mask")
    n_blocks = config.X * (len(stages) - 1 - stages.index(program.since))
    kept, peak = n_blocks * (config.B + config.H), max(8 * config.H, 5 * config.S * config.N)
    return Estimate(
        features=n_songs * G * V * K * config.B * width,
        song=n_songs * G * T * (4 * V * C + config.S),
        step=4 * n_lanes * K * (kept + peak),
    )
