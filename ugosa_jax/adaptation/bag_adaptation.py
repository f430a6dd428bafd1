"""Adaptation of one network, or of a bag, whose networks are adapted one after the other.

A network of a bag trains on all its estimates, even where the bag uses a single one: the loss concerns their sum.

S sources, C channels, T samples.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ugosa_jax.adaptation import engine, segments
from ugosa_jax.adaptation import strategy as strategies
from ugosa_jax.adaptation.engine import AdaptationResult, OnEpoch, Timing
from ugosa_jax.adaptation.lane import Hyper
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.adaptation.strategy import Strategy
from ugosa_jax.annotations import annotation as annotations
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.separation import bag_separation, refine
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.chain import Member
from ugosa_jax.weights.checkpoint import Checkpoint
from ugosa_jax.weights.weights import list_networks


def cut_song(weights: Member, mix_CxT: np.ndarray, annotation: Annotation, settings: AdaptConfig) -> Segments:
    """Return the segments that weights are adapted on, with estimated stems for the remixes of strategies R.

    Args:
      weights: the network or bag.
      mix_CxT: the mixture, standardised for it.
      annotation: when each source plays.
      settings: strategy, segments.

    Raises:
      InputError: as `segments.cut_song`.
    """
    net = weights.architecture
    active_SxT = annotations.compute_active_mask(annotation, mix_CxT.shape[1], net.sample_rate_hz)
    has_remixes = strategies.parse(settings.strategy, net).loss == "R"
    stems_SxCxT = estimate_stems(weights, mix_CxT, annotation) if has_remixes else None
    return segments.cut_song(mix_CxT, active_SxT, settings, net, stems_SxCxT)


def estimate_stems(weights: Member, mix_CxT: np.ndarray, annotation: Annotation) -> np.ndarray:
    """Separate a standardised mixture before adaptation and refine the stems with the annotation.

    Remixes of such stems follow RemixIT (Tzinis et al. 2022) and Self-Remixing (Saijo & Ogawa 2023); refining them
    with the annotation is new.

    Returns:
      (S, C, T); the stems add up to the mixture and are zero where their source is annotated silent.
    """
    settings = SeparateConfig(refine="wiener")
    est_SxCxT = bag_separation.separate(weights, weights.params, mix_CxT, settings)
    gain_SxT = annotations.compute_gains(
        annotation, mix_CxT.shape[1], weights.architecture.sample_rate_hz, settings.fade_s
    )
    return refine.refine(est_SxCxT, mix_CxT, gain_SxT, settings)


def adapt_lanes(
    weights: Member,
    songs: Sequence[Segments],
    strategy: Strategy,
    hyper: Hyper,
    settings: AdaptConfig,
    on_epoch: OnEpoch | None = None,
) -> list[AdaptationResult]:
    """Adapt weights to the songs of many lanes, side by side; see `engine.adapt_lanes`.

    In the result of a bag, the names of its networks are the top level of the tuned leaves, and an epoch holds the
    steps of all networks in turn. `on_epoch` counts epochs from the first network to the last.
    """

    def run(member: Checkpoint, on_epoch: OnEpoch | None) -> list[AdaptationResult]:
        return engine.adapt_lanes(member.architecture, member.params, songs, strategy, hyper, settings, on_epoch)

    if not isinstance(weights, Bag):
        return run(weights, on_epoch)
    results = {}
    for m, (name, member) in enumerate(weights.members.items()):
        results[name] = run(member, on_epoch and offset_epochs(m * settings.epochs, on_epoch))
    return join_lanes(results)


def count_epochs(weights: Member, settings: AdaptConfig) -> int:
    """Return the number of epochs of all networks together, which is how often `on_epoch` is called at most."""
    return settings.epochs * len(list_networks(weights))


def offset_epochs(first: int, on_epoch: OnEpoch) -> OnEpoch:
    """Return a callback that counts epochs from `first` on."""
    return lambda epoch, losses: on_epoch(first + epoch, losses)


def join_lanes(results: dict[str, list[AdaptationResult]]) -> list[AdaptationResult]:
    """Return one result per lane, given the results of all lanes for each of several networks, by name."""
    return [join_results(dict(zip(results, lane, strict=True))) for lane in zip(*results.values(), strict=True)]


def join_results(results: dict[str, AdaptationResult]) -> AdaptationResult:
    """Return the results of several networks, by name, as one."""
    parts = [*results.values()]
    stopped_at = None
    n_steps = 0
    for part in parts:
        if part.stopped_at is not None and stopped_at is None:
            epoch, step = part.stopped_at
            stopped_at = epoch, n_steps + step
        n_steps += part.losses_ExIx3.shape[1]
    n_epochs = max(len(part.losses_ExIx3) for part in parts)
    losses = [_pad_epochs(part.losses_ExIx3, n_epochs) for part in parts]
    seconds = (sum(column) for column in zip(*(dataclasses.astuple(part.timing) for part in parts), strict=True))
    tuned = {name: part.tuned for name, part in results.items() if part.tuned}
    largest = max(parts, key=lambda part: sum(part.needs or (0,)))
    return dataclasses.replace(
        largest, tuned=tuned, losses_ExIx3=np.concatenate(losses, 1), stopped_at=stopped_at, timing=Timing(*seconds)
    )


def _pad_epochs(losses_ExIx3: np.ndarray, n_epochs: int) -> np.ndarray:
    """Return losses of `n_epochs` epochs, with NaN in epochs that were not started."""
    missing = n_epochs - len(losses_ExIx3)
    return np.pad(losses_ExIx3, ((0, missing), (0, 0), (0, 0)), constant_values=np.nan)
