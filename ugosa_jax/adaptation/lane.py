"""One lane of adaptation: the tuned stages of a network are trained on one song, guided by its activations.

The stages before the first tuned one never change, so what they give for a segment (its features) is computed once and
kept. The loop trains on from there. Only tuned leaves are differentiated and have optimizer state; the tests compare
that with `strategy.partition`, the label-partitioned optimizer (`optax.partition`) over the whole tree.

What a lane is given has three lifetimes: `Segments`, its song; `Hyper`, its λ and learning rate; `Schedule`, the order
of one epoch, which all lanes share. All are arrays, so no value of them compiles anything anew.
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
from ugosa_jax.adaptation.ranger import ranger
from ugosa_jax.adaptation.schedule import Remixes, Schedule, select_remixes
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.adaptation.strategy import Strategy
from ugosa_jax.config import AdaptConfig, Precision
from ugosa_jax.config import FeatureStorage as FeaturesKept
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Architecture, Array, Features, Params


class Program(NamedTuple):
    """Everything that a compiled program depends on beside the shapes of its arrays."""

    net: Architecture
    since: str
    """The cut behind which the network runs in every step."""
    features: FeaturesKept
    centralise_gradients: bool
    dtype: Precision = "float32"
    """Of the arrays between products; `net.precision` is that of the products themselves."""


def make_program(net: Architecture, strategy: Strategy, settings: AdaptConfig, platform: str) -> Program:
    """Return the program of an adaptation; features that are to be kept "auto" are still to be decided.

    A CPU computes in float32 whatever lies between products, so there the products alone are rounded.

    Raises:
      InputError: the network cannot compute in this precision.
    """
    strategies.require_precision(settings, net)
    dtype: Precision = "float32" if platform == "cpu" else settings.precision
    if settings.precision != "float32":
        net = dataclasses.replace(net, precision=settings.precision)
    # Of strategies R, every epoch has other mixtures.
    features = "recompute" if strategy.loss == "R" else settings.features
    return Program(net, strategy.find_cut(net), features, settings.centralise_gradients, dtype)


class Hyper(NamedTuple):
    """The hyperparameters that lanes may have of their own."""

    lam: Array
    learning_rate: Array


class State(NamedTuple):
    """What a step changes.

    `good` are the last weights that gave a finite loss. A lane that met a number that is not finite is not alive any
    more and stays as it is.
    """

    tuned: optax.LookaheadParams
    good: optax.Params
    optimizer: optax.OptState
    steps: Array
    alive: Array


class Example(NamedTuple):
    """What a step learns from: a segment, or where `is_remix` a remix of `stems_SxCxT`."""

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
    """Take one step on each segment of a song, in the schedule's order, each variant of it in turn, or on a remix.

    Args:
      program: what is compiled.
      frozen: the leaves that stay as they are.
      n_longest: the number of segments of the longest song that runs beside this one: when its last step is taken,
        the epoch is over for all.
      features_GxV: what the frozen stages make of each segment; None if it is to be computed in each step.
      song: mixture, activations, and stems if the schedule has remixes.
      hyper: λ, learning rate.
      schedule: order of the segments, remixes.
      state: tuned leaves and optimizer.

    Returns:
      The new state, and the losses of each step [total, reconstruction, activation], in the order of the segments in
      the song; NaN where no step was taken.
    """
    net, (G, V) = program.net, song.mix_GxVxCxT.shape[:2]
    optimizer = ranger(hyper.learning_rate, centralise=program.centralise_gradients)
    remixes = schedule.remixes and select_remixes(schedule.remixes, schedule.order_G, song.n)

    def step(i, carry):
        state, losses_Ix3 = carry
        g, v = schedule.order_G[i // V], i % V
        example = take_example(song, remixes, g, v, i // V)
        input_CxT = cast_input(program, example.mix_CxT)
        if features_GxV is None:
            features = net.prefix(tree.merge(state.tuned.fast, frozen), input_CxT, program.since)
        else:
            features = jax.tree.map(lambda stored: stored[g, v].astype(input_CxT.dtype), features_GxV)

        def objective(tuned):
            est_SxCxT = net.suffix(tree.merge(tuned, frozen), input_CxT, features, program.since)
            return compute_loss(est_SxCxT, example, hyper.lam)

        (value, terms), gradient = jax.value_and_grad(objective, has_aux=True)(state.tuned.fast)
        state, is_taken = update_if_finite(optimizer, value, gradient, state, is_due=g < song.n)
        losses = jnp.where(is_taken, jnp.stack([value, *terms]), jnp.nan)
        return state, losses_Ix3.at[g * V + v].set(losses)

    losses_Ix3 = jnp.full((G * V, 3), jnp.nan, song.mix_GxVxCxT.dtype)
    # The number of steps is data, so that songs shorter than their bucket take fewer of them. It is the same number in
    # all lanes, and what a lane does not need is discarded: i without a lane axis takes slices, with one it gathers.
    return jax.lax.fori_loop(0, n_longest * V, step, (state, losses_Ix3))


def take_example(song: Segments, remixes: Remixes | None, g: Array, v: Array, i: Array) -> Example:
    """Return variant v of segment g, or the i-th remix of the epoch where one is due."""
    mix_CxT, active_SxT = song.mix_GxVxCxT[g, v], song.active_GxSxT[g]
    if remixes is None or song.stems_GxSxCxT is None:
        return Example(mix_CxT, active_SxT)
    order_S = remixes.order_GxS[i]
    stems_SxCxT = remixes.gain_GxS[i][:, None, None] * song.stems_GxSxCxT[order_S, jnp.arange(len(order_S))]
    mix_CxT = jnp.where(remixes.is_due_G[i], stems_SxCxT.sum(0), mix_CxT)
    return Example(mix_CxT, active_SxT, remixes.is_due_G[i], stems_SxCxT)


def compute_loss(est_SxCxT: jax.Array, example: Example, lam: Array) -> tuple[jax.Array, LossTerms]:
    """Return the loss of the estimates, eq. (1) or that of a remix, and its terms."""
    terms = loss.compute_loss_terms(est_SxCxT, example.mix_CxT, example.active_SxT)
    if example.stems_SxCxT is not None and example.is_remix is not None:
        of_remix = loss.compute_remix_terms(est_SxCxT, example.stems_SxCxT)
        terms = jax.tree.map(functools.partial(jnp.where, example.is_remix), of_remix, terms)
    return loss.compute_total(terms, lam), terms


def update_if_finite(
    optimizer: optax.GradientTransformation, value: jax.Array, gradient: Params, state: State, is_due: Array
) -> tuple[State, jax.Array]:
    """Take a step if it is due, and tell whether it was taken; end the lane if a number is not finite.

    `optax.apply_if_finite` looks at the gradient alone, and goes on with the weights of before the step, which may
    have been absurd already.
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
    """Return what the frozen stages make of each segment, a tree of arrays (G, V, …) in which it is kept.

    None if it is to be computed in each step.
    """
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
    """Return a mixture in the precision that all arrays of the network then have."""
    return mix_CxT.astype(jnp.bfloat16) if program.dtype == "bfloat16" else mix_CxT


def pack_features(program: Program, features: Features) -> Features:
    """Return features in the form that they are kept in between epochs."""
    if program.features == "lean":
        return program.net.lean(features)
    if program.features == "bfloat16":
        return jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), features)
    return features


def init_state(program: Program, tuned: Params) -> State:
    """Return the state before the first step."""
    synced = optax.LookaheadParams.init_synced(tuned)
    optimizer = ranger(0.0, centralise=program.centralise_gradients)
    return State(synced, tuned, optimizer.init(synced), jnp.zeros([], jnp.int32), jnp.array(True))
