"""The compiled programs of `adaptation.lane` for many lanes, and the placement of their arrays on devices.

The arrays of songs have an axis of lanes if each lane has its own song, and none if all lanes share one. Those of
hyperparameters and states always have one; those of a schedule never do.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from ugosa_jax.adaptation import lane
from ugosa_jax.adaptation.lane import Hyper, Program, State
from ugosa_jax.adaptation.schedule import Schedule
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.networks.protocol import Features, Params


def find_song_axis(song: Segments) -> int | None:
    """Return the axis of lanes of a song's arrays: 0, or None if all lanes share the song."""
    return 0 if song.mix_GxVxCxT.ndim == 5 else None


def map_lanes(run: Callable, n_lanes: int, in_axes: tuple[int | None, ...]) -> Callable:
    """Return `jax.vmap(run, in_axes)`; for a single lane, `run` without the axis of lanes."""
    # A batched matrix product with a batch of one is not always as fast as a plain one.
    if n_lanes > 1:
        return jax.vmap(run, in_axes)

    def run_one(*arguments: Any) -> Any:
        pairs = zip(arguments, in_axes, strict=True)
        own = [x if axis is None else jax.tree.map(lambda leaf: leaf[0], x) for x, axis in pairs]
        return jax.tree.map(lambda leaf: leaf[None], run(*own))

    return run_one


@functools.partial(jax.jit, static_argnames="program")
def compute_features(program: Program, params: Params, song: Segments) -> Features | None:
    """Run `lane.compute_song_features` once for a song that all lanes share, else once per lane."""
    run = functools.partial(lane.compute_song_features, program, params, song.n.max())
    return run(song) if find_song_axis(song) is None else map_lanes(run, song.n.size, (0,))(song)


@functools.partial(jax.jit, static_argnames="program", donate_argnames="state")
def run_epoch(
    program: Program,
    frozen: Params,
    features: Features | None,
    song: Segments,
    hyper: Hyper,
    schedule: Schedule,
    state: State,
) -> tuple[State, jax.Array]:
    """Run `lane.adapt_epoch` in every lane."""
    run = functools.partial(lane.adapt_epoch, program, frozen, song.n.max())
    axis = find_song_axis(song)
    return map_lanes(run, hyper.lam.size, (axis, axis, 0, None, 0))(features, song, hyper, schedule, state)


@functools.partial(jax.jit, static_argnames="n_lanes")
def init_states(n_lanes: int, tuned: Params) -> State:
    """Return the initial state, the same for every lane."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (n_lanes, *leaf.shape)), lane.init_state(tuned))


class Placement(NamedTuple):
    """Shardings of arrays: shared arrays are copied to every device, the arrays of lanes are divided among devices.

    Programs run where their inputs are: each device runs its own lanes, and devices exchange nothing but the number of
    segments of the longest song.
    """

    shared: jax.sharding.Sharding
    by_lane: jax.sharding.Sharding

    def choose_song_sharding(self, song: Segments) -> jax.sharding.Sharding:
        """Return the sharding of a song."""
        return self.shared if find_song_axis(song) is None else self.by_lane


def place_lanes(n_lanes: int, devices: Sequence[Any] | None = None) -> Placement:
    """Divide lanes among devices, by default all local ones; a single device runs lanes that do not divide evenly."""
    devices = jax.local_devices() if devices is None else devices
    if n_lanes % len(devices) or len(devices) == 1:
        one = SingleDeviceSharding(devices[0])
        return Placement(one, one)
    mesh = Mesh(np.array(devices), ("lane",))
    return Placement(NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("lane")))


def to_shapes(tree: Any, sharding: jax.sharding.Sharding) -> Any:
    """Return the shapes of arrays with the sharding that they have or will have."""
    canonical = jax.dtypes.canonicalize_dtype
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, canonical(x.dtype), sharding=sharding), tree)


class LaneInputs(NamedTuple):
    """The inputs of all epochs of an adaptation, or their shapes."""

    tuned: Params
    frozen: Params
    song: Segments
    hyper: Hyper
    schedule: Schedule

    def to_shapes(self, place: Placement) -> "LaneInputs":
        """Return the shapes of these arrays, with their shardings."""
        return self._map(to_shapes, place)

    def to_devices(self, place: Placement) -> "LaneInputs":
        """Return these arrays on their devices."""
        return self._map(jax.device_put, place)

    def _map(self, put: Callable, place: Placement) -> "LaneInputs":
        where = (place.shared, place.shared, place.choose_song_sharding(self.song), place.by_lane, place.shared)
        return LaneInputs(*(put(each, sharding) for each, sharding in zip(self, where, strict=True)))


def infer_feature_shapes(program: Program, params: Params, song: Segments, place: Placement) -> Features | None:
    """Return the shapes of the output of `compute_features` for a song."""
    features = jax.eval_shape(functools.partial(compute_features, program), params, song)
    return to_shapes(features, place.choose_song_sharding(song))


def lower_epoch(
    program: Program, inputs: LaneInputs, features: Features | None, place: Placement
) -> jax.stages.Lowered:
    """Lower an epoch for the shapes of its inputs.

    `run_epoch` reuses the compiled program when it is called with such arrays, so compiling early costs nothing.
    """
    start = functools.partial(init_states, inputs.hyper.lam.size)
    state = to_shapes(jax.eval_shape(start, inputs.tuned), place.by_lane)
    _, frozen, song, hyper, schedule = inputs
    return run_epoch.lower(program, frozen, features, song, hyper, schedule, state)
