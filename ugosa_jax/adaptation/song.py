"""Adaptation of weights of any kind: from a song and its annotation to tuned layers."""

from collections.abc import Sequence
from typing import NamedTuple

from ugosa_jax.adaptation import bags, chains, engine, plan, remixes, segments, strategy
from ugosa_jax.adaptation.chains import Heard
from ugosa_jax.adaptation.engine import AdaptationResult, OnEpoch
from ugosa_jax.adaptation.memory import Needs
from ugosa_jax.adaptation.plan import Plan
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.annotations import annotation as annotations
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import AdaptConfig
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError, error_context
from ugosa_jax.networks.protocol import Architecture
from ugosa_jax.separation.chains import standards_of
from ugosa_jax.separation.song import check_annotation
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.weights import Weights

Material = Segments | Heard
"""What weights are adapted on: segments, or for a chain, whose networks hear different ones, the song."""


class Part(NamedTuple):
    """A network that is adapted on a song.

    Attributes:
      net: the network.
      settings: its own.
      n_segments: of the song.
      shape: of the segments' mixtures, (G, V, C, T).
    """

    net: Architecture
    settings: AdaptConfig
    n_segments: int
    shape: tuple[int, ...]


class Footprint(NamedTuple):
    """What an adaptation takes of the device's memory.

    Attributes:
      n_segments: of the song.
      features: how the output of the frozen stages is kept.
      bytes: by what takes them.
    """

    n_segments: int
    features: str
    bytes: Needs


def prepare(weights: Weights, song: Song, annotation: Annotation | None, settings: AdaptConfig) -> Material:
    """Return what `adapt` and `adapt_lanes` take of a song.

    Args:
      weights: the network.
      song: the mixture.
      annotation: when each source plays; the song's own if not given.
      settings: strategy, segments.

    Raises:
      InputError: song and annotation do not fit each other, the settings or the network.
    """
    planned = plan.parse(settings.strategy, weights)
    said = _find_annotation(weights, song, annotation, planned)
    seen = weights.sample_rate_hz, weights.channels
    if isinstance(weights, Chain):
        standards = standards_of(weights, song.standardise(*seen)[1])
        return Heard(song.standardise(*seen, "natural")[0], standards, said)
    mix_CxT, _ = song.standardise(*seen, weights.architecture.level)
    active_SxT = annotations.compute_active_mask(said, mix_CxT.shape[1], weights.sample_rate_hz)
    with error_context(song.mixture.name):
        stems_SxCxT = remixes.first_stems(weights, mix_CxT, said) if "R" in planned.losses else None
        return segments.cut(mix_CxT, active_SxT, settings, weights.architecture, stems_SxCxT)


def _find_annotation(weights: Weights, song: Song, annotation: Annotation | None, planned: Plan) -> Annotation:
    """Return the annotation that is given, that of the song, or one that says nothing where none is needed.

    Raises:
      InputError: one is needed, or it does not fit the song or the network.
    """
    said = annotation or song.annotation
    if said is None:
        if planned.needs_annotation:
            needs = f"strategy {planned.name} needs an annotation that says when each source plays"
            raise InputError(f"{song.mixture.name}: {needs}")
        said = Annotation((), weights.sources, "unknown")
    check_annotation(said, weights, song)
    return said


def adapt(
    weights: Weights, material: Material, settings: AdaptConfig, on_epoch: OnEpoch | None = None
) -> AdaptationResult:
    """Adapt weights to one song; see `adapt_lanes`."""
    return adapt_lanes(weights, [material], settings, on_epoch=on_epoch)[0]


def adapt_lanes(
    weights: Weights,
    songs: Sequence[Material],
    settings: AdaptConfig,
    lam: Sequence[float] | None = None,
    learning_rate: Sequence[float] | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[AdaptationResult]:
    """Adapt weights to the song of each lane, side by side; lanes that name the same object share it.

    Args:
      weights: what all lanes start from.
      songs: what `prepare` returns, all of one shape.
      settings: what the lanes have in common.
      lam: λ of each lane; that of `settings` if not given.
      learning_rate: of each lane; that of `settings` if not given.
      on_epoch: called after each epoch with its number, from 0, and its losses of shape (lanes, steps, 3).

    Returns:
      One result a lane.

    Raises:
      InputError: the arguments speak of different numbers of lanes.
    """
    hyper = engine.hyper_of(settings, len(songs), lam, learning_rate)
    if isinstance(weights, Chain):
        heard = [song for song in songs if isinstance(song, Heard)]
        own = plan.settings_of(weights, settings)
        return chains.adapt_lanes(weights, heard, own, lam, learning_rate, on_epoch)
    cuts = [song for song in songs if isinstance(song, Segments)]
    planned = strategy.parse(settings.strategy, weights.architecture)
    return bags.adapt_lanes(weights, cuts, planned, hyper, settings, on_epoch)


def count_epochs(weights: Weights, settings: AdaptConfig) -> int:
    """Return how often `on_epoch` is called at most."""
    members = weights.members if isinstance(weights, Chain) else {plan.ALONE: weights}
    return sum(bags.count_epochs(members[name], settings) for name in plan.parse(settings.strategy, weights).tuned)


def list_parts(weights: Weights, material: Material, settings: AdaptConfig) -> list[Part]:
    """Return the networks that are adapted, one after the other, and on what.

    Raises:
      InputError: the song is too short for one of them.
    """
    if isinstance(material, Segments):
        assert not isinstance(weights, Chain)
        return [Part(weights.architecture, settings, material.n, material.mix_GxVxCxT.shape)]
    assert isinstance(weights, Chain)
    found = []
    for name, own in plan.settings_of(weights, settings).items():
        if name in plan.parse(settings.strategy, weights).tuned:
            net, (channels, n_samples) = weights.members[name].architecture, material.mix_CxT.shape
            length, starts = segments.place(n_samples, own, net)
            shape = segments.bucket(len(starts)), 1 + own.pitch_shifts, channels, length
            found.append(Part(net, own, len(starts), shape))
    return found


def shape_of(material: Material) -> tuple[int, ...]:
    """Return a shape that songs have in common which can be adapted side by side."""
    return material.mix_CxT.shape if isinstance(material, Heard) else material.mix_GxVxCxT.shape


def find_footprint(weights: Weights, material: Material, settings: AdaptConfig) -> Footprint:
    """Return what adapting takes of the memory; of a chain, the network that takes most."""
    found = []
    for part in list_parts(weights, material, settings):
        planned = strategy.parse(part.settings.strategy, part.net)
        program, needs = engine.needs_of(part.net, planned, part.settings, part.shape)
        found.append(Footprint(part.n_segments, program.features, needs))
    return max(found, key=lambda footprint: sum(footprint.bytes))
