"""Adaptation of a chain: each network on what it hears, which is what the adapted networks before it leave.

The annotation tells a network that the sources which were taken before it are silent throughout. The stems of its
remixes (strategies R) are those of what it hears.

C channels, T samples.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from ugosa_jax.adaptation import bags, engine, remixes, segments, strategy
from ugosa_jax.adaptation.engine import AdaptationResult, OnEpoch
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.annotations import annotation as annotations
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.regroup import regroup
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data.standard import Standard, standardise_by
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Params
from ugosa_jax.separation import chains, members
from ugosa_jax.weights.chain import Chain, Link

Made = TypeVar("Made")


@dataclasses.dataclass(frozen=True, eq=False)
class Heard:
    """What a network of a chain hears of a song.

    Attributes:
      mix_CxT: the song without what was taken before, at the networks' rate and its own level.
      standards: for each network by name, what its input is standardised with.
      annotation: of the chain's sources.
    """

    mix_CxT: np.ndarray
    standards: Mapping[str, Standard]
    annotation: Annotation


def adapt_lanes(
    chain: Chain,
    songs: Sequence[Heard],
    settings: Mapping[str, AdaptConfig],
    lam: Sequence[float] | None = None,
    learning_rate: Sequence[float] | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[AdaptationResult]:
    """Adapt a chain to songs of one length, side by side.

    Args:
      chain: the networks.
      songs: what the first network hears of the song of each lane; lanes of one song name the same object.
      settings: of each network, by its name.
      lam: λ of each lane; that of the settings if not given.
      learning_rate: of each lane; that of the settings if not given.
      on_epoch: called after each epoch; epochs are counted on from one network to the next.

    Returns:
      A result for each lane: the tuned leaves stand under the names of the networks, and the steps of an epoch are
      those of all networks in turn.
    """
    results: dict[str, list[AdaptationResult]] = {}
    n_left, n_epochs = _count_tuned(chain, settings), 0
    for link in chain.links:
        own = settings[link.name]
        if not _is_tuned(link, own):
            results[link.name] = [engine.unadapted()] * len(songs)
        else:
            cuts = _make_once(lambda song: cut(link, song, own), songs)  # noqa: B023
            report = on_epoch and bags.count_from(n_epochs, on_epoch)
            plan = strategy.parse(own.strategy, link.network.architecture)
            hyper = engine.hyper_of(own, len(cuts), lam, learning_rate)
            results[link.name] = bags.adapt_lanes(link.network, cuts, plan, hyper, own, report)
            n_epochs += bags.count_epochs(link.network, own)
            n_left -= 1
        if not n_left:
            break
        if _is_tuned(link, own):
            of_lanes = zip(songs, results[link.name], strict=True)
            songs = [leave(link, song, result.tuned) for song, result in of_lanes]
        else:
            songs = _make_once(lambda song: leave(link, song, {}), songs)  # noqa: B023
    return [bags.joined(dict(zip(results, of_lane, strict=True))) for of_lane in zip(*results.values(), strict=True)]


def cut(link: Link, song: Heard, settings: AdaptConfig) -> Segments:
    """Return the segments that a network of a chain is adapted on.

    Raises:
      InputError: as `segments.cut`.
    """
    net, said = link.network.architecture, regroup(song.annotation, link.parts)
    mix_CxT = standardise_by(song.mix_CxT, song.standards[link.name])
    active_SxT = annotations.compute_active_mask(said, mix_CxT.shape[1], net.sample_rate_hz)
    is_remixed = strategy.parse(settings.strategy, net).loss == "R"
    stems_SxCxT = remixes.first_stems(link.network, mix_CxT, said) if is_remixed else None
    return segments.cut(mix_CxT, active_SxT, settings, net, stems_SxCxT)


def leave(link: Link, song: Heard, tuned: Params) -> Heard:
    """Return what the networks behind one hear of a song: that without what it takes, adapted or not."""
    standard = song.standards[link.name]
    params = tree.merge(tuned, link.network.params)
    est_SxCxT = members.separate(link.network, params, standardise_by(song.mix_CxT, standard), SeparateConfig())
    (taken_SxCxT,) = chains.take([est_SxCxT], link, standard)
    (left_CxT,) = chains.subtract([song.mix_CxT], [taken_SxCxT], standard, song.mix_CxT.shape)
    return dataclasses.replace(song, mix_CxT=left_CxT)


def _is_tuned(link: Link, settings: AdaptConfig) -> bool:
    return bool(strategy.parse(settings.strategy, link.network.architecture).tuned)


def _count_tuned(chain: Chain, settings: Mapping[str, AdaptConfig]) -> int:
    return sum(_is_tuned(link, settings[link.name]) for link in chain.links)


def _make_once(make: Callable[[Heard], Made], songs: Sequence[Heard]) -> list[Made]:
    """Return what is made of each song; lanes that share a song share what is made of it."""
    made = {id(song): song for song in songs}
    made = {key: make(song) for key, song in made.items()}
    return [made[id(song)] for song in songs]
