"""One lane of adaptation: the tuned stages of a network are trained on one song, guided by its activations.

The stages before the first tuned one never change, so what they give for a segment (its features) is computed once and
kept. The loop trains on from there. Only tuned leaves are differentiated and have optimizer state.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from ugosa_jax.adaptation import loss
from ugosa_jax.adaptation.ranger import ranger
from ugosa_jax.config import Precision
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Architecture, Features, Params


class Program(NamedTuple):
    """Everything that a compiled program depends on beside the shapes of its arrays."""

    net: Architecture
    since: str
    features: str
    centralise_gradients: bool
    remixes: bool = False
    dtype: Precision = "float32"
    """Of the arrays between products; `net.precision` is that of the products themselves."""


class Remixes(NamedTuple):
    """Stems of a song's own segments, and which steps of the next epoch mix them anew.

    Where `is_due_G[i]`, step i takes of source s the segment `order_GxS[i, s]`, `gain_GxS[i, s]` times as loud.
    """

    stems_GxSxCxT: jax.Array
    is_due_G: jax.Array
    order_GxS: jax.Array
    gain_GxS: jax.Array


class Lane(NamedTuple):
    """What may differ from lane to lane. All are arrays, so that no value of them compiles anything anew."""

    mix_GxVxCxT: jax.Array
    active_GxSxT: jax.Array
    order_G: jax.Array
    """The segments in the order of the next epoch; lanes share it, and pass over those that they do not have."""
    n_segments: jax.Array
    lam: jax.Array
    learning_rate: jax.Array
    remixes: Remixes | None = None
    """In place of some of the segments, where there are any."""


class State(NamedTuple):
    """What a step changes.

    `good` are the last weights that gave a finite loss. A lane that met a number that is not finite is not alive any
    more and stays as it is.
    """

    tuned: optax.LookaheadParams
    good: Params
    optimizer: optax.OptState
    steps: jax.Array
    alive: jax.Array


def adapt_epoch(
    program: Program, frozen: Params, features_GxV: Features | None, n_longest: jax.Array, lane: Lane, state: State
) -> tuple[State, jax.Array]:
    """Take one step on each segment of a song, in the lane's order, each variant of it in turn, or on a remix.

    Args:
      program: what is compiled.
      frozen: the leaves that stay as they are.
      features_GxV: what the frozen stages make of each segment; None if it is to be computed in each step.
      n_longest: the number of segments of the longest song that runs beside this one: when its last step is taken,
        the epoch is over for all.
      lane: song, activations, order of the segments, λ, learning rate.
      state: tuned leaves and optimizer.

    Returns:
      The new state, and the losses of each step [total, reconstruction, activation], in the order of the segments in
      the song; NaN where no step was taken.
    """
    net, (G, V) = program.net, lane.mix_GxVxCxT.shape[:2]
    optimizer = ranger(lane.learning_rate, centralise=program.centralise_gradients)

    def step(i, carry):
        state, losses_Ix3 = carry
        g, v = lane.order_G[i // V], i % V
        mix_CxT, stems_SxCxT = lane.mix_GxVxCxT[g, v], None
        if lane.remixes is not None:
            is_remix, stems_SxCxT = lane.remixes.is_due_G[i // V], remix(lane.remixes, i // V)
            mix_CxT = jnp.where(is_remix, stems_SxCxT.sum(0), mix_CxT)
        seen_CxT = seen(program, mix_CxT)
        if features_GxV is None:
            features = net.prefix(tree.merge(state.tuned.fast, frozen), seen_CxT, program.since)
        else:
            features = jax.tree.map(lambda kept: kept[g, v].astype(seen_CxT.dtype), features_GxV)

        def objective(tuned):
            est_SxCxT = net.suffix(tree.merge(tuned, frozen), seen_CxT, features, program.since)
            terms = loss.loss_terms(est_SxCxT, mix_CxT, lane.active_GxSxT[g])
            if stems_SxCxT is not None:
                of_remix = loss.remix_terms(est_SxCxT, stems_SxCxT)
                terms = jax.tree.map(functools.partial(jnp.where, is_remix), of_remix, terms)
            return loss.total(terms, lane.lam), terms

        (value, terms), gradient = jax.value_and_grad(objective, has_aux=True)(state.tuned.fast)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.tuned)
        tuned = optax.apply_updates(state.tuned, updates)
        is_due = g < lane.n_segments
        numbers = jax.tree.leaves((value, gradient, tuned))
        is_finite = functools.reduce(jnp.logical_and, [jnp.isfinite(x).all() for x in numbers])
        stepped = State(tuned, state.tuned.fast, optimizer_state, state.steps + 1, state.alive)  # pyright: ignore[reportArgumentType]
        alive = state.alive & (is_finite | ~is_due)
        state = jax.tree.map(lambda new, old: jnp.where(alive & is_due, new, old), stepped, state)
        losses = jnp.where(alive & is_due, jnp.stack([value, *terms]), jnp.nan)
        return state._replace(alive=alive), losses_Ix3.at[g * V + v].set(losses)

    losses_Ix3 = jnp.full((G * V, 3), jnp.nan, lane.mix_GxVxCxT.dtype)
    # The number of steps is data, so that songs shorter than their bucket take fewer of them. It is the same number in
    # all lanes, and what a lane does not need is discarded: i without a lane axis takes slices, with one it gathers.
    return jax.lax.fori_loop(0, n_longest * V, step, (state, losses_Ix3))


def remix(remixes: Remixes, i: jax.Array) -> jax.Array:
    """Return the stems (S, C, T) of the i-th remix of an epoch."""
    order_S = remixes.order_GxS[i]
    stems_SxCxT = remixes.stems_GxSxCxT[order_S, jnp.arange(len(order_S))]
    return remixes.gain_GxS[i][:, None, None] * stems_SxCxT


def features_of_song(program: Program, params: Params, n_longest: jax.Array, lane: Lane) -> Features | None:
    """Return what the frozen stages make of each segment, a tree of arrays (G, V, …) in which it is kept.

    None if it is to be computed in each step.
    """
    if program.features == "recompute":
        return None
    G, V = lane.mix_GxVxCxT.shape[:2]

    def features_of(mix_CxT):
        return kept(program, program.net.prefix(params, seen(program, mix_CxT), program.since))

    def fill(i, features_GxV):
        features = features_of(lane.mix_GxVxCxT[i // V, i % V])
        return jax.tree.map(lambda all_, one: all_.at[i // V, i % V].set(one), features_GxV, features)

    shapes = jax.eval_shape(features_of, lane.mix_GxVxCxT[0, 0])
    empty = jax.tree.map(lambda leaf: jnp.zeros((G, V, *leaf.shape), leaf.dtype), shapes)
    return jax.lax.fori_loop(0, n_longest * V, fill, empty)


def seen(program: Program, mix_CxT: jax.Array) -> jax.Array:
    """Return a mixture as the network is to see it: its precision is that of all arrays of the network."""
    return mix_CxT.astype(jnp.bfloat16) if program.dtype == "bfloat16" else mix_CxT


def kept(program: Program, features: Features) -> Features:
    """Return features in the form that they are kept in between epochs."""
    if program.features == "lean":
        return program.net.lean(features)
    if program.features == "bfloat16":
        return jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), features)
    return features


def start(program: Program, tuned: Params) -> State:
    """Return the state before the first step."""
    synced = optax.LookaheadParams.init_synced(tuned)
    optimizer = ranger(0.0, centralise=program.centralise_gradients)
    return State(synced, tuned, optimizer.init(synced), jnp.zeros([], jnp.int32), jnp.array(True))
