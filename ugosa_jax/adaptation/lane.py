"""One lane of adaptation: the tuned stages of a network are trained on one song, guided by its activations.

The stages before the first tuned one never change, so their output for a segment (its features) is computed once and
kept, and each step runs the stages after them. Only tuned leaves are differentiated and have optimizer state; the tests
compare this with `strategy.partition`, the label-partitioned optimizer (`optax.partition`) over the whole tree.

The inputs of a lane have three lifetimes: `Segments`, its song; `Hyper`, its λ and learning rate; `Schedule`, the order
of one epoch, which all lanes share. All are arrays, so that no value of them causes a compilation.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ugosa_jax.adaptation import loss
from ugosa_jax.adaptation import strategy as strategies
from ugosa_jax.adaptation.loss import LossTerms
from ugosa_jax.adaptation.packing import pack, unpack
from ugosa_jax.adaptation.ranger import centralise, ranger
from ugosa_jax.adaptation.schedule import Remixes, Schedule, select_remixes
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.adaptation.strategy import Strategy
from ugosa_jax.config import AdaptConfig, Precision
from ugosa_jax.config import FeatureStorage as FeaturesKept
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Architecture, Array, Features, Params


class Program(NamedTuple):
    """The static part of a compiled program: everything that it depends on except the shapes of its arrays."""

    net: Architecture
    since: str
    """The cut from which the network runs in every step."""
    features: FeaturesKept
    centralise_gradients: bool
    dtype: Precision = "float32"
    """Precision of the arrays between matrix products; `net.precision` is that of the products."""


def make_program(net: Architecture, strategy: Strategy, settings: AdaptConfig, platform: str) -> Program:
    """Return the program of an adaptation; `memory.choose_program` replaces features="auto".

    Raises:
      InputError: the network does not support the precision.
    """
    strategies.require_precision(settings, net)
    # CPUs compute elementwise operations in float32 in any case, so there only the products are rounded.
    dtype: Precision = "float32" if platform == "cpu" else settings.precision
    if settings.precision != "float32":
        net = dataclasses.replace(net, precision=settings.precision)
    # Every epoch of strategies R has other mixtures.
    features = "recompute" if strategy.loss == "R" else settings.features
    return Program(net, strategy.find_cut(net), features, settings.centralise_gradients, dtype)


class Hyper(NamedTuple):
    """The hyperparameters that may differ between lanes."""

    lam: Array
    learning_rate: Array


class State(NamedTuple):
    """The state that a step updates; parameters are packed (`PackedParams`).

    `good` are the last weights with a finite loss. A lane that meets a number that is not finite is no longer alive and
    keeps its state.
    """

    tuned: optax.LookaheadParams
    good: optax.Params
    optimizer: optax.OptState
    steps: Array
    alive: Array


class Example(NamedTuple):
    """The training example of a step: a segment, or where `is_remix` a remix of `stems_SxCxT`."""

    mix_CxT: Array
    active_SxT: Array
    is_remix: Array | None = None
    stems_SxCxT: Array | None = None


def adapt_epoch(
    program: Program,
    frozen: Params,
    n_longest: Array,
    features_GxV: Features | None,
    song: Segments,
    hyper: Hyper,
    schedule: Schedule,
    state: State,
) -> tuple[State, jax.Array]:
    """Take one step on each variant of each segment of a song, in the schedule's order, or on a remix in its place.

    Args:
      program: static part of the program.
      frozen: the frozen leaves.
      n_longest: number of segments of the longest song among the lanes; the epoch of all lanes ends with its last step.
      features_GxV: output of the frozen stages for each segment; None to compute it in each step.
      song: mixture, activations, and stems if the schedule has remixes.
      hyper: λ, learning rate.
      schedule: order of the segments, remixes.
      state: tuned leaves and optimizer state.

    Returns:
      The new state, and the losses of each step [total, reconstruction, activation], in the order of the segments in
      the song; NaN where no step was taken.
    """
    net, (G, V) = program.net, song.mix_GxVxCxT.shape[:2]
    optimizer = ranger(hyper.learning_rate, centralise=False)
    remixes = schedule.remixes and select_remixes(schedule.remixes, schedule.order_G, song.n)

    def step(i, carry):
        state, losses_Ix3 = carry
        tuned = unpack(state.tuned.fast)
        g, v = schedule.order_G[i // V], i % V
        example = take_example(song, remixes, g, v, i // V)
        input_CxT = cast_input(program, example.mix_CxT)
        if features_GxV is None:
            features = net.prefix(tree.merge(tuned, frozen), input_CxT, program.since)
        else:
            features = jax.tree.map(lambda stored: stored[g, v].astype(input_CxT.dtype), features_GxV)

        def objective(tuned):
            est_SxCxT = net.suffix(tree.merge(tuned, frozen), input_CxT, features, program.since)
            return compute_loss(est_SxCxT, example, hyper.lam)

        (value, terms), gradient = jax.value_and_grad(objective, has_aux=True)(tuned)
        if program.centralise_gradients:
            gradient = jax.tree.map(centralise, gradient)
        packed: Any = pack(gradient)
        state, is_taken = update_if_finite(optimizer, value, packed, state, is_due=g < song.n)
        losses = jnp.where(is_taken, jnp.stack([value, *terms]), jnp.nan)
        return state, losses_Ix3.at[g * V + v].set(losses)

    losses_Ix3 = jnp.full((G * V, 3), jnp.nan, song.mix_GxVxCxT.dtype)
    # The number of steps is an array, so that songs shorter than their bucket take fewer steps. All lanes take the same
    # number, and the surplus steps of a lane are discarded: while i has no axis of lanes, indexing by i is a slice;
    # otherwise it would be a gather, which takes XLA several times as long to compile.
    return jax.lax.fori_loop(0, n_longest * V, step, (state, losses_Ix3))


def take_example(song: Segments, remixes: Remixes | None, g: Array, v: Array, i: Array) -> Example:
    """Return variant v of segment g, or the i-th remix of the epoch if one is due."""
    mix_CxT, active_SxT = song.mix_GxVxCxT[g, v], song.active_GxSxT[g]
    if remixes is None or song.stems_GxSxCxT is None:
        return Example(mix_CxT, active_SxT)
    order_S = remixes.order_GxS[i]
    stems_SxCxT = remixes.gain_GxS[i][:, None, None] * song.stems_GxSxCxT[order_S, jnp.arange(len(order_S))]
    mix_CxT = jnp.where(remixes.is_due_G[i], stems_SxCxT.sum(0), mix_CxT)
    return Example(mix_CxT, active_SxT, remixes.is_due_G[i], stems_SxCxT)


def compute_loss(est_SxCxT: jax.Array, example: Example, lam: Array) -> tuple[jax.Array, LossTerms]:
    """Return the loss of the estimates, by eq. (1) or for a remix, and its terms."""
    terms = loss.compute_loss_terms(est_SxCxT, example.mix_CxT, example.active_SxT)
    if example.stems_SxCxT is not None and example.is_remix is not None:
        remix_terms = loss.compute_remix_terms(est_SxCxT, example.stems_SxCxT)
        terms = jax.tree.map(functools.partial(jnp.where, example.is_remix), remix_terms, terms)
    return loss.compute_total(terms, lam), terms


def update_if_finite(
    optimizer: optax.GradientTransformation, value: jax.Array, gradient: optax.Params, state: State, is_due: Array
) -> tuple[State, jax.Array]:
    """Take a step if it is due and return whether it was taken; end the lane if a number is not finite.

    `optax.apply_if_finite` only checks the gradient, and continues from the weights before the step, which may already
    be unusable.
    """
    updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.tuned)
    tuned: Any = optax.apply_updates(state.tuned, updates)
    numbers = jax.tree.leaves((value, gradient, tuned))
    is_finite = functools.reduce(jnp.logical_and, [jnp.isfinite(x).all() for x in numbers])
    alive = state.alive & (is_finite | ~is_due)
    stepped = State(tuned, state.tuned.fast, optimizer_state, state.steps + 1, state.alive)
    state = jax.tree.map(lambda new, old: jnp.where(alive & is_due, new, old), stepped, state)
    return state._replace(alive=alive), alive & is_due


def compute_song_features(program: Program, params: Params, n_longest: Array, song: Segments) -> Features | None:
    """Return the stored features of each segment, a tree of arrays (G, V, …); None if each step computes them."""
    if program.features == "recompute":
        return None
    G, V = song.mix_GxVxCxT.shape[:2]

    def features_of(mix_CxT):
        features = program.net.prefix(params, cast_input(program, mix_CxT), program.since)
        return pack_features(program, features)

    def fill(i, features_GxV):
        features = features_of(song.mix_GxVxCxT[i // V, i % V])
        return jax.tree.map(lambda all_, one: all_.at[i // V, i % V].set(one), features_GxV, features)

    shapes = jax.eval_shape(features_of, song.mix_GxVxCxT[0, 0])
    empty = jax.tree.map(lambda leaf: jnp.zeros((G, V, *leaf.shape), leaf.dtype), shapes)
    return jax.lax.fori_loop(0, n_longest * V, fill, empty)


def cast_input(program: Program, mix_CxT: Array) -> Array:
    """Return a mixture in the program's precision, which the arrays of the network inherit."""
    return mix_CxT.astype(jnp.bfloat16) if program.dtype == "bfloat16" else mix_CxT


def pack_features(program: Program, features: Features) -> Features:
    """Return features in the form in which they are stored between epochs."""
    if program.features == "lean":
        return program.net.lean(features)
    if program.features == "bfloat16":
        return jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), features)
    return features


def init_state(tuned: Params) -> State:
    """Return the initial state."""
    packed: Any = pack(tuned)
    synced = optax.LookaheadParams.init_synced(packed)
    optimizer = ranger(0.0, centralise=False)
    return State(synced, packed, optimizer.init(synced), jnp.zeros([], jnp.int32), jnp.array(True))
