"""Measurement of the speed of adaptation on a device, also relative to the speed of its matrix products."""

import dataclasses
import functools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ugosa_jax import device
from ugosa_jax.adaptation import engine, programs, segments
from ugosa_jax.adaptation import strategy as strategies
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.bench import flops
from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks.protocol import Architecture, Params


@dataclasses.dataclass(frozen=True)
class MatmulRates:
    """FLOP/s of the matrix products of a ConvTasNet block, in float32 at JAX's default precision.

    Attributes:
      expand: [K, B] @ [B, H].
      project: [K, H] @ [H, B].
      weights: [B, K] @ [K, H], the gradient of a kernel: a contraction over frames.
    """

    expand: float
    project: float
    weights: float

    @property
    def together(self) -> float:
        """FLOP/s of all three products, one after the other."""
        return 3 / (1 / self.expand + 1 / self.project + 1 / self.weights)


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Speed and memory of a number of lanes. Times exclude compilation.

    Attributes:
      lanes: number of songs adapted side by side.
      steps: steps of one lane in a run.
      song_s: length of a lane's song.
      features: how the output of the frozen stages was stored.
      compile_s: time of tracing and compiling.
      prefix_s: time of the frozen stages of all lanes in a run, the median over runs.
      steps_s: time of all steps of all lanes, for each run.
      flops_a_step: operations of one step of one lane.
      peak_bytes: peak memory of the device so far, or on a CPU of the process.
      grown_bytes: growth of the peak due to these lanes.
      matmul: rates of the matrix products, of one lane or batched over all lanes, whichever are higher.
    """

    lanes: int
    steps: int
    song_s: float
    features: str
    compile_s: float
    prefix_s: float
    steps_s: tuple[float, ...]
    flops_a_step: int
    peak_bytes: int
    grown_bytes: int
    matmul: MatmulRates

    @property
    def steps_per_second(self) -> float:
        """Steps of all lanes together per second."""
        return self.lanes * self.steps / statistics.median(self.steps_s)

    @property
    def times_real_time(self) -> float:
        """Seconds of songs adapted to per second, including prefix and all epochs."""
        return self.lanes * self.song_s / (self.prefix_s + statistics.median(self.steps_s))

    @property
    def flops_per_second(self) -> float:
        """FLOP/s during the steps."""
        return self.flops_a_step * self.steps_per_second

    @property
    def share(self) -> float:
        """FLOP/s of the steps relative to that of the matrix products."""
        return self.flops_per_second / self.matmul.together


def measure_lanes(
    net: Architecture, params: Params, settings: AdaptConfig, n_lanes: int, seconds: float, repeats: int
) -> Measurement:
    """Measure the adaptation of `n_lanes` lanes, each with its own song: `repeats` runs, after one that compiles.

    Args:
      net: the network.
      params: its weights.
      settings: strategy, epochs, segments, features …
      n_lanes: number of songs of noise to adapt to side by side.
      seconds: length of a song.
      repeats: number of timed runs.

    Raises:
      InputError: the strategy tunes nothing, a song is shorter than a segment, or the loss is not finite.
    """
    strategy = strategies.parse(settings.strategy, net)
    if not strategy.tuned:
        raise InputError(f"strategy {strategy.name!r} tunes nothing, so that there are no steps to measure")
    before = device.get_peak_bytes()
    songs = [make_noise(net, settings, seconds, seed) for seed in range(n_lanes)]
    hyper = engine.make_hyper(settings, n_lanes)
    first, *runs = [engine.adapt_lanes(net, params, songs, strategy, hyper, settings)[0] for _ in range(1 + repeats)]
    if first.stopped_at is not None:
        raise InputError("the loss on noise is not finite with these weights and this learning_rate")
    peak, n_samples = device.get_peak_bytes(), songs[0].mix_GxVxCxT.shape[-1]
    return Measurement(
        lanes=n_lanes,
        steps=settings.epochs * len(first.losses_ExIx3[0]),
        song_s=seconds,
        features=first.features,
        compile_s=first.timing.compile_s,
        prefix_s=statistics.median(result.timing.prefix_s for result in runs),
        steps_s=tuple(result.timing.steps_s for result in runs),
        flops_a_step=flops.count_step(net, strategy, n_samples, first.features != "recompute"),
        peak_bytes=peak,
        grown_bytes=peak - before,
        matmul=choose_best_rates([measure_matmul_rates(net, n_samples, n, repeats) for n in sorted({1, n_lanes})]),
    )


def make_noise(net: Architecture, settings: AdaptConfig, seconds: float, seed: int = 0) -> Segments:
    """Return the segments of a song of noise, in which each source is silent in a part.

    Raises:
      InputError: the song is shorter than a segment.
    """
    random = np.random.default_rng(seed)
    n_samples = round(seconds * net.sample_rate_hz)
    mix_CxT = random.standard_normal((net.channels, n_samples), np.float32)
    active_SxT = np.ones((len(net.sources), n_samples), bool)
    for source, part_T in enumerate(np.array_split(np.arange(n_samples), len(net.sources))):
        active_SxT[source, part_T] = False
    is_remixed = (settings.strategy or "").startswith("R-")
    stems_SxCxT = np.stack([mix_CxT / len(net.sources)] * len(net.sources)) if is_remixed else None
    return segments.cut_song(mix_CxT, active_SxT, settings, net, stems_SxCxT)


def measure_matmul_rates(net: Architecture, n_samples: int, n_lanes: int = 1, repeats: int = 3) -> MatmulRates:
    """Measure the main products of a network on a segment, batched over lanes."""
    K, B, H = flops.find_main_product(net, n_samples)
    random = np.random.default_rng(0)
    lanes = () if n_lanes == 1 else (n_lanes,)
    numbers = [random.standard_normal((*lanes, *shape), np.float32) for shape in ((K, B), (K, H), (B, H), (H, B))]
    h_KxB, a_KxH, kernel_BxH, kernel_HxB = jax.device_put(numbers, programs.place_lanes(n_lanes).by_lane)
    operations = n_lanes * 2 * K * B * H

    def rate(product: Callable, *arrays: jax.Array) -> float:
        return operations / measure_median_s(product, *arrays, repeats=repeats)

    return MatmulRates(
        expand=rate(jnp.matmul, h_KxB, kernel_BxH),
        project=rate(jnp.matmul, a_KxH, kernel_HxB),
        weights=rate(lambda h, a: jnp.matmul(jnp.swapaxes(h, -1, -2), a), h_KxB, a_KxH),
    )


def choose_best_rates(found: Sequence[MatmulRates]) -> MatmulRates:
    """Return the highest rate of each product: batched products are faster on GPUs, but not on every CPU."""
    return MatmulRates(*(max(column) for column in zip(*map(dataclasses.astuple, found), strict=True)))


def measure_median_s(function: Callable, *arguments: Any, repeats: int = 3, least_s: float = 0.1) -> float:
    """Return the median time in seconds of a function inside a program that runs it repeatedly.

    This resembles an adaptation: results go to memory that is allocated already, and nothing is dispatched between
    calls. A single call may take a third longer, because the system has to allocate memory for its results.

    Args:
      function: a function from arrays to arrays.
      arguments: its arguments, the same in every call.
      repeats: number of timed runs of the program, whose median is returned.
      least_s: smallest duration of a run, which determines the number of calls, so that dispatch is negligible.
    """

    def seconds(n: int) -> float:
        started = time.perf_counter()
        jax.block_until_ready(run_repeatedly(function, jnp.int32(n), arguments))
        return (time.perf_counter() - started) / n

    seconds(1)  # compiles
    n = max(1, math.ceil(least_s / max(seconds(1), 1e-6)))
    return statistics.median(seconds(n) for _ in range(repeats))


@functools.partial(jax.jit, static_argnames="function")
def run_repeatedly(function: Callable, n: jax.Array, arguments: tuple) -> Any:
    """Call a function n times and return its last result; XLA cannot remove any call."""
    results = jax.eval_shape(function, *arguments)

    def once(_, carry):
        # The barrier makes the arguments of the next call depend on this result, so that XLA keeps all calls.
        return jax.lax.optimization_barrier((carry[0], function(*carry[0])))

    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), results)
    return jax.lax.fori_loop(0, n, once, (arguments, empty))[1]
