"""Adaptation of a network to one song, or of many lanes side by side in one compiled program.

A lane is one song with its λ and learning rate; `adaptation.lane` holds the algorithm, written for one. Here it is
compiled, given lanes with `jax.vmap`, run epoch by epoch and timed.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from ugosa_jax import device
from ugosa_jax.adaptation import lane, memory, segments, strategy
from ugosa_jax.adaptation.lane import Lane, Program, Remixes, State
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Architecture, Features, Params

OnEpoch = Callable[[int, np.ndarray], None]


Axes = Lane | None
"""Which fields of the lanes have a lane axis (0 or None each); None altogether for one lane without such an axis."""
SHARED_SONG: Axes = Lane(None, None, None, None, 0, 0, None)  # pyright: ignore[reportArgumentType]
OWN_SONGS: Axes = Lane(0, 0, None, 0, 0, 0, 0)  # pyright: ignore[reportArgumentType]


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds spent compiling, computing what the frozen stages give, and taking steps."""

    compile_s: float = 0.0
    prefix_s: float = 0.0
    steps_s: float = 0.0


@dataclasses.dataclass(frozen=True)
class AdaptationResult:
    """An adapted lane.

    Attributes:
      tuned: the tuned leaves of the parameters, as numpy arrays; `networks.tree.merge` puts them into a network,
        `weights.save_delta` into a file.
      losses_ExIx3: total, reconstruction and activation loss of each epoch and step; NaN after a stop.
      stopped_at: (epoch, step), from 0, where loss, gradient or new weights were not finite; `tuned` are then the last
        weights that gave finite ones. None if all went well.
      timing: of the batch of lanes that this one ran in.
      device: what it ran on.
    """

    tuned: Params
    losses_ExIx3: np.ndarray
    stopped_at: tuple[int, int] | None
    timing: Timing
    device: str


def adapt(
    net: Architecture,
    params: Params,
    song: Segments,
    settings: AdaptConfig,
    on_epoch: OnEpoch | None = None,
) -> AdaptationResult:
    """Adapt a network to one song.

    Args:
      net: the network.
      params: the weights to start from.
      song: segments and activations.
      settings: strategy, λ, learning rate, epochs …
      on_epoch: called after each epoch with its number, from 0, and its losses of shape (lanes, steps, 3).

    Raises:
      InputError: the strategy does not exist for this network.
    """
    return _adapt(net, params, lane_of(song, settings.lam, settings.learning_rate), None, settings, on_epoch)[0]


def adapt_lanes(
    net: Architecture,
    params: Params,
    songs: Segments | Sequence[Segments],
    settings: AdaptConfig,
    lam: Sequence[float] | None = None,
    learning_rate: Sequence[float] | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[AdaptationResult]:
    """Adapt a network to many songs, or with many values of λ or the learning rate, side by side.

    Args:
      net: the network.
      params: the weights that all lanes start from.
      songs: one song that all lanes share (its frozen stages are then computed once), or one song a lane, all of the
        same bucket.
      settings: what the lanes have in common.
      lam: λ of each lane; that of `settings` if not given.
      learning_rate: of each lane; that of `settings` if not given.
      on_epoch: as in `adapt`.

    Returns:
      One result a lane.

    Raises:
      InputError: the arguments speak of different numbers of lanes, or the songs are of different buckets.
    """
    shared = isinstance(songs, Segments)
    lengths = {len(x) for x in (lam, learning_rate, None if shared else songs) if x is not None}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(f"lanes: songs, lam and learning_rate must be equally many, not {sorted(lengths)}")
    n_lanes = lengths.pop()
    lam = [settings.lam] * n_lanes if lam is None else lam
    learning_rate = [settings.learning_rate] * n_lanes if learning_rate is None else learning_rate
    if shared:
        lanes = lane_of(songs, lam, learning_rate)
        return _adapt(net, params, lanes, SHARED_SONG, settings, on_epoch)
    if len(shapes := {song.mix_GxVxCxT.shape for song in songs}) > 1:
        raise InputError(f"lanes: songs must be of one bucket, not of shapes {sorted(shapes)}")
    return _adapt(net, params, stacked(map(lane_of, songs, lam, learning_rate)), OWN_SONGS, settings, on_epoch)


def lane_of(song: Segments, lam: float | Sequence[float], learning_rate: float | Sequence[float]) -> Lane:
    """Return the inputs of one lane, or of lanes that share their song."""
    dtype = song.mix_GxVxCxT.dtype
    chex.assert_rank(song.mix_GxVxCxT, 4)
    chex.assert_shape(song.active_GxSxT, (len(song.mix_GxVxCxT), None, song.mix_GxVxCxT.shape[-1]))
    n_bucket, n_sources = song.active_GxSxT.shape[:2]
    remixes: Any = None
    if song.stems_GxSxCxT is not None:
        is_due_G, order_GxS, gain_GxS = segments.remixed(song.n, n_bucket, n_sources, 0, 0)
        remixes = Remixes(song.stems_GxSxCxT, is_due_G, order_GxS, gain_GxS.astype(dtype))  # pyright: ignore[reportArgumentType]
    numbers: Any = np.int32(song.n), np.asarray(lam, dtype), np.asarray(learning_rate, dtype)
    in_time_G: Any = np.arange(n_bucket, dtype=np.int32)
    n, own_lam, own_rate = numbers
    return Lane(song.mix_GxVxCxT, song.active_GxSxT, in_time_G, n, own_lam, own_rate, remixes)  # pyright: ignore[reportArgumentType]


def stacked(lanes: Iterable[Lane]) -> Lane:
    """Return lanes of one bucket side by side; the order of the segments has no lane axis."""
    lanes = [*lanes]
    return jax.tree.map(lambda *x: np.stack(x), *lanes)._replace(order_G=lanes[0].order_G)


def _adapt(
    net: Architecture,
    params: Params,
    lanes: Lane,
    axes: Axes,
    settings: AdaptConfig,
    on_epoch: OnEpoch | None,
) -> list[AdaptationResult]:
    """Compile, run epoch by epoch, and take the lanes apart again."""
    plan = strategy.parse(settings.strategy, net)
    if not plan.tuned:
        return [unadapted()] * lanes.lam.size
    if plan.loss != "P":
        lanes = lanes._replace(active_GxSxT=np.ones_like(lanes.active_GxSxT), lam=np.zeros_like(lanes.lam))
    shape, n_lanes = on_a_device(lanes)
    program = memory.plan(net, shape, settings, n_lanes)
    lanes, params = placed(lanes, axes, params)
    tuned, frozen = tree.split(params, strategy.labels(plan, net, params))

    with device.Stopwatch() as prefix_watch:
        features = jax.block_until_ready(features_of_lanes(program, axes, params, lanes))
    with device.Stopwatch() as steps_watch:
        state = start_lanes(program, axes and lanes.lam.size, tuned)
        losses = []
        for epoch in range(settings.epochs):
            lanes = drawn(lanes, settings.shuffle_seed, epoch)
            state, epoch_losses = epoch_lanes(program, axes, frozen, features, lanes, state)
            losses.append(np.asarray(epoch_losses).reshape(lanes.lam.size, -1, 3))
            if on_epoch:
                on_epoch(epoch, losses[-1])
            if not np.any(state.alive):
                break
    compile_s = prefix_watch.compile_s + steps_watch.compile_s
    return _results(state, np.stack(losses, 1), lanes, Timing(compile_s, prefix_watch.run_s, steps_watch.run_s))


def drawn(lanes: Lane, seed: int, epoch: int) -> Lane:
    """Return lanes with this epoch's own order of segments, unless the seed is 0, and with its own remixes."""
    n = np.asarray(lanes.n_segments)
    if remixes := lanes.remixes:
        n_bucket, n_sources = remixes.order_GxS.shape[-2:]
        new = Remixes(remixes.stems_GxSxCxT, *segments.remixed(n, n_bucket, n_sources, seed, epoch))  # pyright: ignore[reportArgumentType]
        new = new._replace(gain_GxS=new.gain_GxS.astype(remixes.gain_GxS.dtype))
        lanes = lanes._replace(remixes=jax.tree.map(lambda x, old: jax.device_put(x, old.sharding), new, remixes))
    if not seed:
        return lanes
    order = segments.shuffled(n.max(), len(lanes.order_G), seed, epoch)
    return lanes._replace(order_G=jax.device_put(order, lanes.order_G.sharding))


def n_devices(n_lanes: int) -> int:
    """Return how many devices run lanes: all local ones, if the lanes can be dealt out evenly."""
    n = len(jax.local_devices())
    return 1 if n_lanes % n else n


def on_a_device(lanes: Lane) -> tuple[tuple[int, ...], int]:
    """Return the shape of the mixtures that each device has, and how many lanes it runs."""
    n = n_devices(lanes.lam.size)
    *songs, G, V, C, T = lanes.mix_GxVxCxT.shape
    return (*(each // n for each in songs), G, V, C, T), lanes.lam.size // n


def placed(lanes: Lane, axes: Axes, params: Params) -> tuple[Lane, Params]:
    """Put lanes and parameters on the device; lanes on all local devices, if they can be dealt out evenly.

    Programs follow where their inputs are: each device runs its own lanes, and nothing is exchanged between them but
    the number of segments of the longest song.
    """
    if axes is None or n_devices(lanes.lam.size) == 1:
        # What later epochs put beside them is bound to a device: so these must be too, or the program compiles twice.
        return jax.device_put((lanes, params), jax.device_put(lanes.lam).sharding)
    mesh = Mesh(np.array(jax.local_devices()), ("lane",))
    dealt, everywhere = (jax.NamedSharding(mesh, spec) for spec in (PartitionSpec("lane"), PartitionSpec()))
    where = Lane(*(everywhere if axis is None else dealt for axis in axes))  # pyright: ignore[reportArgumentType]
    return jax.device_put(lanes, where), jax.device_put(params, everywhere)


def unadapted(tuned: Params | None = None) -> AdaptationResult:
    """Return the result of adapting nothing: that of strategy B0, or of weights that were tuned before."""
    return AdaptationResult(tuned or {}, np.zeros((0, 0, 3)), None, Timing(), device.describe())


def _results(state: State, losses_WxExIx3: np.ndarray, lanes: Lane, timing: Timing) -> list[AdaptationResult]:
    """Take lanes apart; a lane that stopped took `state.steps` steps, and ends with the weights that were good."""
    n_lanes, n_variants = len(losses_WxExIx3), lanes.mix_GxVxCxT.shape[-3]
    state = jax.device_get(state)
    n_steps = np.broadcast_to(np.asarray(lanes.n_segments), n_lanes) * n_variants
    results = []
    for i in range(n_lanes):
        own = jax.tree.map(lambda leaf: leaf[i], state) if np.ndim(state.alive) else state  # noqa: B023
        tuned: Any = own.tuned.fast if own.alive else own.good
        stopped_at = None if own.alive else divmod(int(own.steps), int(n_steps[i]))
        losses_ExIx3 = losses_WxExIx3[i, :, : n_steps[i]]
        results.append(AdaptationResult(tuned, losses_ExIx3, stopped_at, timing, device.describe()))
    return results


# `ugosa_jax.adaptation.lane`, compiled for one lane (`axes` is None) or vmapped over many.


@functools.partial(jax.jit, static_argnames=("program", "axes"))
def features_of_lanes(program: Program, axes: Axes, params: Params, lanes: Lane) -> Features | None:
    """Run `features_of_song` once for a song that all lanes share, else once a lane."""
    run = functools.partial(lane.features_of_song, program, params, lanes.n_segments.max())
    return jax.vmap(run, in_axes=(axes,))(lanes) if songs_differ(axes) else run(lanes)


@functools.partial(jax.jit, static_argnames=("program", "axes"), donate_argnames="state")
def epoch_lanes(
    program: Program, axes: Axes, frozen: Params, features: Features | None, lanes: Lane, state: State
) -> tuple[State, jax.Array]:
    """Run `adapt_epoch` in every lane."""
    run = functools.partial(lane.adapt_epoch, program, frozen)
    if axes is not None:
        run = jax.vmap(run, in_axes=(0 if songs_differ(axes) else None, None, axes, 0))
    return run(features, lanes.n_segments.max(), lanes, state)


@functools.partial(jax.jit, static_argnames=("program", "n_lanes"))
def start_lanes(program: Program, n_lanes: int | None, tuned: Params) -> State:
    """Return the same first state for every lane, or for the only one if `n_lanes` is None."""
    state = lane.start(program, tuned)
    if n_lanes is None:
        return state
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (n_lanes, *leaf.shape)), state)


def songs_differ(axes: Axes) -> bool:
    """Tell whether every lane has a song of its own."""
    return axes is not None and axes.mix_GxVxCxT is not None
