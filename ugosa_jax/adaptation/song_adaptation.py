"""Adaptation of networks, bags and chains: from a song and its annotation to tuned layers."""

from collections.abc import Sequence
from typing import NamedTuple

from ugosa_jax.adaptation import bag_adaptation, chain_adaptation, engine, plan, segments, strategy
from ugosa_jax.adaptation.chain_adaptation import ChainInput
from ugosa_jax.adaptation.engine import AdaptationResult, OnEpoch
from ugosa_jax.adaptation.memory import MemoryNeeds
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import AdaptConfig
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError, error_context
from ugosa_jax.networks.protocol import Architecture
from ugosa_jax.separation.chain_separation import choose_scalings
from ugosa_jax.separation.song_separation import check_annotation
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.weights import Weights

AdaptationInput = Segments | ChainInput
"""A song in the form that adaptation takes: segments, or for a chain the whole song, which each network cuts."""


class AdaptationTask(NamedTuple):
    """One network to adapt on a song.

    Attributes:
      net: the network.
      settings: settings for this network.
      n_segments: number of segments of the song.
      shape: shape of the segments' mixtures, (G, V, C, T).
    """

    net: Architecture
    settings: AdaptConfig
    n_segments: int
    shape: tuple[int, ...]


class Footprint(NamedTuple):
    """The memory that an adaptation takes on the device.

    Attributes:
      n_segments: number of segments of the song.
      features: how the output of the frozen stages is kept.
      bytes: bytes by purpose.
    """

    n_segments: int
    features: str
    bytes: MemoryNeeds


def prepare(weights: Weights, song: Song, annotation: Annotation | None, settings: AdaptConfig) -> AdaptationInput:
    """Return a song in the form that `adapt` and `adapt_lanes` take.

    Args:
      weights: the network.
      song: the mixture.
      annotation: when each source plays; the song's own if None.
      settings: strategy and segments.

    Raises:
      InputError: the song or the annotation does not fit the other one, the settings or the network.
    """
    name, form = song.mixture.name, (weights.sample_rate_hz, weights.channels)
    annotation = _choose_annotation(annotation or song.annotation, weights, settings, name)
    check_annotation(annotation, weights.sources, song.mixture.duration_s)
    if isinstance(weights, Chain):
        scalings = choose_scalings(weights, song.standardise(*form)[1])
        return ChainInput(song.standardise(*form, "natural")[0], scalings, annotation, name)
    mix_CxT, _ = song.standardise(*form, weights.architecture.level)
    with error_context(name):
        return bag_adaptation.cut_song(weights, mix_CxT, annotation, settings)


def _choose_annotation(annotation: Annotation | None, weights: Weights, settings: AdaptConfig, name: str) -> Annotation:
    """Return the annotation, or an empty one if there is none and the strategy needs none.

    Raises:
      InputError: the strategy needs one.
    """
    if annotation is not None:
        return annotation
    chosen = plan.parse(settings.strategy, weights)
    if chosen.needs_annotation:
        raise InputError(f"{name}: strategy {chosen.name} needs an annotation that says when each source plays")
    return Annotation((), weights.sources, "unknown")


def adapt(
    weights: Weights, song: AdaptationInput, settings: AdaptConfig, on_epoch: OnEpoch | None = None
) -> AdaptationResult:
    """Adapt weights to one song; see `adapt_lanes`."""
    return adapt_lanes(weights, [song], settings, on_epoch=on_epoch)[0]


def adapt_lanes(
    weights: Weights,
    songs: Sequence[AdaptationInput],
    settings: AdaptConfig,
    lam: Sequence[float] | None = None,
    learning_rate: Sequence[float] | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[AdaptationResult]:
    """Adapt weights to the song of each lane, side by side; lanes with the same song object share it.

    Args:
      weights: the initial weights of all lanes.
      songs: results of `prepare`, all of one shape.
      settings: shared by all lanes.
      lam: λ of each lane; that of `settings` if None.
      learning_rate: of each lane; that of `settings` if None.
      on_epoch: called after each epoch with its number, from 0, and its losses of shape (lanes, steps, 3).

    Returns:
      One result per lane.

    Raises:
      InputError: the arguments have different numbers of lanes, or a song is too short for a network of a chain.
    """
    hyper = engine.make_hyper(settings, len(songs), lam, learning_rate)
    if isinstance(weights, Chain):
        inputs = [song for song in songs if isinstance(song, ChainInput)]
        each = plan.split_settings(weights, settings)
        return chain_adaptation.adapt_lanes(weights, inputs, hyper, each, on_epoch)
    cuts = [song for song in songs if isinstance(song, Segments)]
    chosen = strategy.parse(settings.strategy, weights.architecture)
    return bag_adaptation.adapt_lanes(weights, cuts, chosen, hyper, settings, on_epoch)


def count_epochs(weights: Weights, settings: AdaptConfig) -> int:
    """Return the number of epochs of all networks together, which is how often `on_epoch` is called at most."""
    members = weights.members if isinstance(weights, Chain) else {plan.ALONE: weights}
    tuned = plan.parse(settings.strategy, weights).tuned
    return sum(bag_adaptation.count_epochs(members[name], settings) for name in tuned)


def list_tasks(weights: Weights, song: AdaptationInput, settings: AdaptConfig) -> list[AdaptationTask]:
    """Return the networks that are adapted, in order, each with the shape of its segments.

    Raises:
      InputError: the song is too short for one of them.
    """
    if isinstance(song, Segments):
        assert not isinstance(weights, Chain)
        return [AdaptationTask(weights.architecture, settings, song.n, song.mix_GxVxCxT.shape)]
    assert isinstance(weights, Chain)
    tasks = []
    tuned = plan.parse(settings.strategy, weights).tuned
    for name, own in plan.split_settings(weights, settings).items():
        if name in tuned:
            net, (channels, n_samples) = weights.members[name].architecture, song.mix_CxT.shape
            with error_context(song.name):
                length, starts = segments.place_segments(n_samples, own, net)
            shape = segments.find_bucket(len(starts)), 1 + own.pitch_shifts, channels, length
            tasks.append(AdaptationTask(net, own, len(starts), shape))
    return tasks


def get_shape(song: AdaptationInput) -> tuple[int, ...]:
    """Return the shape that songs must share to be adapted side by side."""
    return song.mix_CxT.shape if isinstance(song, ChainInput) else song.mix_GxVxCxT.shape


def find_footprint(weights: Weights, song: AdaptationInput, settings: AdaptConfig) -> Footprint:
    """Return the memory that an adaptation takes; for a chain, that of its most demanding network."""
    footprints = []
    for task in list_tasks(weights, song, settings):
        chosen = strategy.parse(task.settings.strategy, task.net)
        program, needs = engine.compile_epoch(task.net, chosen, task.settings, task.shape)
        footprints.append(Footprint(task.n_segments, program.features, needs))
    return max(footprints, key=lambda footprint: sum(footprint.bytes))
