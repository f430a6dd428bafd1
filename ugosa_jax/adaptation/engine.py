"""Adaptation of a network to songs: many lanes side by side in one compiled program.

A lane is one song with its λ and learning rate. `adaptation.lane` holds the algorithm for one lane,
`adaptation.programs` compiles it for many; this module builds their arrays and runs and times the epochs.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence

import chex
import jax
import numpy as np

from ugosa_jax import device
from ugosa_jax.adaptation import lane, memory, programs, schedule
from ugosa_jax.adaptation import strategy as strategies
from ugosa_jax.adaptation.lane import Hyper, Program, State
from ugosa_jax.adaptation.memory import MemoryNeeds
from ugosa_jax.adaptation.packing import unpack
from ugosa_jax.adaptation.programs import LaneInputs, Placement
from ugosa_jax.adaptation.schedule import Remixes, Schedule
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.adaptation.strategy import Strategy
from ugosa_jax.config import AdaptConfig, FeatureStorage
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Architecture, Params

OnEpoch = Callable[[int, np.ndarray], None]


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds spent compiling, computing the output of the frozen stages, and training."""

    compile_s: float = 0.0
    prefix_s: float = 0.0
    steps_s: float = 0.0


@dataclasses.dataclass(frozen=True)
class AdaptationResult:
    """An adapted lane.

    Attributes:
      tuned: the tuned leaves of the parameters, as numpy arrays; `networks.tree.merge` puts them into a network,
        `weights.adapted_layers.save` into a file.
      losses_ExIx3: total, reconstruction and activation loss of each epoch E and step I; NaN after a stop.
      stopped_at: (epoch, step), from 0, at which loss, gradient or new weights were not finite; `tuned` are then the
        last weights with a finite loss. None if all were finite.
      timing: times of the batch of lanes in which this one ran.
      device: description of the device.
      features: how the output of the frozen stages was kept.
      needs: memory of the batch of lanes on each device, according to the compiled program.
    """

    tuned: Params
    losses_ExIx3: np.ndarray
    stopped_at: tuple[int, int] | None
    timing: Timing
    device: str
    features: FeatureStorage = dataclasses.field(default="recompute", kw_only=True)
    needs: MemoryNeeds | None = dataclasses.field(default=None, kw_only=True)


def adapt_lanes(
    net: Architecture,
    params: Params,
    songs: Sequence[Segments],
    strategy: Strategy,
    hyper: Hyper,
    settings: AdaptConfig,
    on_epoch: OnEpoch | None = None,
) -> list[AdaptationResult]:
    """Adapt a network to many songs, or with many values of λ or the learning rate, side by side.

    Args:
      net: the network.
      params: the initial weights of all lanes.
      songs: the song of each lane, all padded to the same number of segments. If all are the same object, its frozen
        stages run once.
      strategy: the loss, and the stages that are tuned.
      hyper: λ and learning rate of each lane; see `make_hyper`.
      settings: epochs, seeds, precision …, shared by all lanes.
      on_epoch: called after each epoch with its number, from 0, and its losses of shape (lanes, steps, 3).

    Returns:
      One result per lane.

    Raises:
      InputError: the numbers of songs and hyperparameters differ, the songs are padded to different lengths, or the
        network does not support the precision.
    """
    n_lanes = len(hyper.lam)
    if not strategy.tuned:
        return [make_unadapted_result()] * n_lanes
    inputs = make_inputs(params, songs, strategy, hyper, settings)
    place = programs.place_lanes(n_lanes)

    started = time.perf_counter()
    program = lane.make_program(net, strategy, settings, jax.default_backend())
    program, needs = memory.choose_program(
        program, inputs.to_shapes(place), programs.to_shapes(params, place.shared), place
    )
    song, inputs, params = inputs.song, inputs.to_devices(place), jax.device_put(params, place.shared)
    state = jax.device_put(programs.init_states(n_lanes, inputs.tuned), place.by_lane)
    programs.compute_features.lower(program, params, inputs.song).compile()
    compiled = time.perf_counter()
    features = jax.block_until_ready(programs.compute_features(program, params, inputs.song))
    features = jax.device_put(features, place.choose_song_sharding(inputs.song))
    computed = time.perf_counter()
    losses = []
    for epoch in range(settings.epochs):
        now = jax.device_put(make_schedule(song, strategy, settings, epoch), place.shared)
        state, epoch_losses = programs.run_epoch(
            program, inputs.frozen, features, inputs.song, inputs.hyper, now, state
        )
        losses.append(np.asarray(epoch_losses))
        if on_epoch:
            on_epoch(epoch, losses[-1])
        if not np.asarray(state.alive).any():
            break
    timing = Timing(compiled - started, computed - compiled, time.perf_counter() - computed)
    shared = AdaptationResult(
        {}, np.zeros((0, 0, 3)), None, timing, device.describe(), features=program.features, needs=needs
    )
    return _split_lanes(shared, state, np.stack(losses, 1), song)


def compile_epoch(
    net: Architecture, strategy: Strategy, settings: AdaptConfig, shape: tuple[int, ...]
) -> tuple[Program, MemoryNeeds]:
    """Compile an epoch of one lane for segments of a shape (G, V, C, T); return its program and memory needs."""
    place = programs.place_lanes(1)
    program = lane.make_program(net, strategy, settings, jax.default_backend())
    inputs, params = describe_inputs(net, strategy, shape, place)
    return memory.choose_program(program, inputs, params, place)


def describe_inputs(
    net: Architecture, strategy: Strategy, shape: tuple[int, ...], place: Placement, n_lanes: int = 1
) -> tuple[LaneInputs, Params]:
    """Return the shapes of the inputs of lanes, each with its own song, and of all parameters."""
    G, _, C, T = shape
    S, outer, array = len(net.sources), () if n_lanes == 1 else (n_lanes,), jax.ShapeDtypeStruct
    stems, remixes = None, None
    if strategy.loss == "R":
        stems = array((*outer, G, S, C, T), np.float32)
        remixes = Remixes(array((G,), np.bool_), array((G, S), np.int32), array((G, S), np.float32))
    mix, active = array((*outer, *shape), np.float32), array((*outer, G, S, T), np.bool_)
    song = Segments(mix, active, array(outer, np.int32), stems)
    hyper, schedule = Hyper(*[array((n_lanes,), np.float32)] * 2), Schedule(array((G,), np.int32), remixes)
    params = tree.infer_params(net)
    inputs = LaneInputs(*tree.split(params, strategies.label_params(strategy, params)), song, hyper, schedule)
    return inputs.to_shapes(place), programs.to_shapes(params, place.shared)


def make_inputs(
    params: Params, songs: Sequence[Segments], strategy: Strategy, hyper: Hyper, settings: AdaptConfig
) -> LaneInputs:
    """Return the inputs of lanes, with the schedule of the first epoch.

    Raises:
      InputError: as `adapt_lanes`.
    """
    song = stack_songs(songs, len(hyper.lam))
    dtype = song.mix_GxVxCxT.dtype
    hyper = jax.tree.map(lambda x: np.asarray(x, dtype), hyper)
    if strategy.loss != "P":  # B is eq. (1) with λ = 0 and h = 1, so that P and B share one program
        song = dataclasses.replace(song, active_GxSxT=np.ones_like(song.active_GxSxT))
        hyper = hyper._replace(lam=np.zeros_like(hyper.lam))
    check_shapes(song, hyper)
    return LaneInputs(
        *tree.split(params, strategies.label_params(strategy, params)),
        song,
        hyper,
        make_schedule(song, strategy, settings, 0),
    )


def make_hyper(
    settings: AdaptConfig,
    n_lanes: int | None = None,
    lam: Sequence[float] | np.ndarray | None = None,
    learning_rate: Sequence[float] | np.ndarray | None = None,
) -> Hyper:
    """Return the hyperparameters of lanes: those of `settings` in place of None.

    Args:
      settings: λ and learning rate of all lanes.
      n_lanes: number of lanes; if None, the number of values.
      lam: λ of each lane.
      learning_rate: of each lane.

    Raises:
      InputError: the arguments have different numbers of lanes, or none.
    """
    numbers = {n_lanes, *(len(x) for x in (lam, learning_rate) if x is not None)} - {None}
    if len(numbers) != 1 or 0 in numbers:
        counts = " and ".join(sorted(map(str, numbers)))
        raise InputError(f"lanes: songs, lam and learning_rate must be equal in number, not {counts}")
    n = numbers.pop()
    values = ((lam, settings.lam), (learning_rate, settings.learning_rate))
    return Hyper(*(np.full(n, default) if x is None else np.asarray(x, float) for x, default in values))


def stack_songs(songs: Sequence[Segments], n_lanes: int) -> Segments:
    """Return the song itself if all lanes name the same object, else the songs of the lanes stacked.

    Raises:
      InputError: their number is not that of the lanes, or they are padded to different lengths.
    """
    if len(songs) != n_lanes:
        raise InputError(f"lanes: songs, lam and learning_rate must be equal in number, not {len(songs)} and {n_lanes}")
    if all(song is songs[0] for song in songs):
        return dataclasses.replace(songs[0], n=np.int32(songs[0].n))
    if len(shapes := {song.mix_GxVxCxT.shape for song in songs}) > 1:
        raise InputError(f"lanes: songs must be padded to one shape, not to {sorted(shapes)}")
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *songs)
    return dataclasses.replace(stacked, n=stacked.n.astype(np.int32))


def check_shapes(song: Segments, hyper: Hyper) -> None:
    """Check the shapes of the arrays of a song, or of the stacked songs of lanes, against each other.

    Raises:
      AssertionError: they do not fit; this is a bug in the caller, not bad input.
    """
    outer = () if programs.find_song_axis(song) is None else hyper.lam.shape
    chex.assert_rank(song.mix_GxVxCxT, len(outer) + 4)
    *_, G, _, C, T = song.mix_GxVxCxT.shape
    chex.assert_shape(song.active_GxSxT, (*outer, G, None, T))
    chex.assert_shape(song.n, outer)
    if song.stems_GxSxCxT is not None:
        chex.assert_shape(song.stems_GxSxCxT, (*outer, G, song.active_GxSxT.shape[-2], C, T))
    chex.assert_equal_shape(hyper)


def make_schedule(song: Segments, strategy: Strategy, settings: AdaptConfig, epoch: int) -> Schedule:
    """Return the schedule of an epoch, with remixes for strategies R."""
    G, seed = song.mix_GxVxCxT.shape[-4], settings.shuffle_seed
    of_epoch = schedule.draw_order(seed, epoch, int(song.n.max()), G)
    if strategy.loss != "R":
        return of_epoch
    n_sources, dtype = song.active_GxSxT.shape[-2], song.mix_GxVxCxT.dtype
    return of_epoch._replace(remixes=schedule.draw_remixes(seed, epoch, G, n_sources, dtype))


def make_unadapted_result(tuned: Params | None = None) -> AdaptationResult:
    """Return the result of an adaptation without steps, such as strategy B0, with leaves that were tuned before."""
    return AdaptationResult(tuned or {}, np.zeros((0, 0, 3)), None, Timing(), device.describe())


def _split_lanes(
    shared: AdaptationResult, state: State, losses_WxExIx3: np.ndarray, song: Segments
) -> list[AdaptationResult]:
    """Return one result per lane.

    A lane that stopped early has taken `state.steps` steps; its weights are the last ones that gave a finite loss.
    """
    n_lanes, n_variants = len(losses_WxExIx3), song.mix_GxVxCxT.shape[-3]
    n_steps = np.broadcast_to(song.n, n_lanes) * n_variants
    state = jax.device_get(state)
    results = []
    for i in range(n_lanes):
        tuned = state.tuned.fast if state.alive[i] else state.good
        stopped_at = None if state.alive[i] else divmod(int(state.steps[i]), int(n_steps[i]))
        own = {
            "tuned": unpack(jax.tree.map(lambda leaf: leaf[i], tuned)),  # noqa: B023
            "losses_ExIx3": losses_WxExIx3[i, :, : n_steps[i]],
            "stopped_at": stopped_at,
        }
        results.append(dataclasses.replace(shared, **own))
    return results
