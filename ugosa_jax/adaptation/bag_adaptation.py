"""Adaptation of weights, be they one network or a bag: each member is adapted by itself, one after the other.

A member learns from all that it estimates, also where a bag takes a single source of it: the loss is about the sum.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ugosa_jax.adaptation import engine
from ugosa_jax.adaptation.engine import AdaptationResult, OnEpoch, Timing
from ugosa_jax.adaptation.lane import Hyper
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.adaptation.strategy import Strategy
from ugosa_jax.config import AdaptConfig
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.chain import Member
from ugosa_jax.weights.checkpoint import Checkpoint
from ugosa_jax.weights.weights import list_networks


def adapt_lanes(
    weights: Member,
    songs: Sequence[Segments],
    plan: Strategy,
    hyper: Hyper,
    settings: AdaptConfig,
    on_epoch: OnEpoch | None = None,
) -> list[AdaptationResult]:
    """Adapt weights to the songs of many lanes, side by side; see `engine.adapt_lanes`.

    The tuned leaves of a bag stand under the names of its members, and the steps of an epoch are those of all members
    in turn. `on_epoch` goes on counting from one member to the next.
    """

    def run(member: Checkpoint, report: OnEpoch | None) -> list[AdaptationResult]:
        return engine.adapt_lanes(member.architecture, member.params, songs, plan, hyper, settings, report)

    if not isinstance(weights, Bag):
        return run(weights, on_epoch)
    results = {}
    for m, (name, member) in enumerate(weights.members.items()):
        results[name] = run(member, on_epoch and offset_epochs(m * settings.epochs, on_epoch))
    return [join_results(dict(zip(results, of_lane, strict=True))) for of_lane in zip(*results.values(), strict=True)]


def count_epochs(weights: Member, settings: AdaptConfig) -> int:
    """Return how often `on_epoch` is called at most."""
    return settings.epochs * len(list_networks(weights))


def offset_epochs(first: int, on_epoch: OnEpoch) -> OnEpoch:
    """Return what reports epochs that are counted from `first` on."""
    return lambda epoch, losses: on_epoch(first + epoch, losses)


def join_results(results: dict[str, AdaptationResult]) -> AdaptationResult:
    """Return the results of several networks, by name, as one."""
    every = [*results.values()]
    stopped_at = None
    before = 0
    for one in every:
        if one.stopped_at is not None and stopped_at is None:
            epoch, step = one.stopped_at
            stopped_at = epoch, before + step
        before += one.losses_ExIx3.shape[1]
    n_epochs = max(len(one.losses_ExIx3) for one in every)
    losses = [_pad_epochs(one.losses_ExIx3, n_epochs) for one in every]
    seconds = (sum(each) for each in zip(*(dataclasses.astuple(one.timing) for one in every), strict=True))
    tuned = {name: one.tuned for name, one in results.items() if one.tuned}
    largest = max(every, key=lambda one: sum(one.needs or (0,)))
    return dataclasses.replace(
        largest, tuned=tuned, losses_ExIx3=np.concatenate(losses, 1), stopped_at=stopped_at, timing=Timing(*seconds)
    )


def _pad_epochs(losses_ExIx3: np.ndarray, n_epochs: int) -> np.ndarray:
    """Return losses of so many epochs: NaN in those that were not begun."""
    missing = n_epochs - len(losses_ExIx3)
    return np.pad(losses_ExIx3, ((0, missing), (0, 0), (0, 0)), constant_values=np.nan)
