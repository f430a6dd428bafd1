"""Adaptation of a chain: each network is adapted on its own input, the rest that the adapted networks before it leave.

In the annotation for a network, the sources that were removed before it are silent throughout. The stems of its remixes
(strategies R) are estimated from its input.

C channels, T samples.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from ugosa_jax.adaptation import bag_adaptation, engine
from ugosa_jax.adaptation import strategy as strategies
from ugosa_jax.adaptation.engine import AdaptationResult, OnEpoch
from ugosa_jax.adaptation.lane import Hyper
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.regroup import regroup
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data.standardisation import Scaling, standardise_by
from ugosa_jax.errors import error_context
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Params
from ugosa_jax.separation import bag_separation, chain_separation
from ugosa_jax.weights.chain import Chain, Link

Made = TypeVar("Made")


@dataclasses.dataclass(frozen=True, eq=False)
class ChainInput:
    """The input of a network of a chain: a song, or what the networks before it left of the song.

    Attributes:
      mix_CxT: the song without the sources that were removed, at the networks' sample rate, not standardised.
      scalings: for each network by name, how its input is standardised.
      annotation: of the chain's sources.
      name: of the song, for messages.
    """

    mix_CxT: np.ndarray
    scalings: Mapping[str, Scaling]
    annotation: Annotation
    name: str


def adapt_lanes(
    chain: Chain,
    songs: Sequence[ChainInput],
    hyper: Hyper,
    settings: Mapping[str, AdaptConfig],
    on_epoch: OnEpoch | None = None,
) -> list[AdaptationResult]:
    """Adapt a chain to songs of one length, side by side.

    Args:
      chain: the networks.
      songs: the input of the first network for the song of each lane; lanes with the same song share one object.
      hyper: λ and learning rate of each lane.
      settings: of each network, by its name.
      on_epoch: called after each epoch; epochs are counted from the first network to the last.

    Returns:
      One result per lane: the names of the networks are the top level of the tuned leaves, and an epoch holds the steps
      of all networks in turn.

    Raises:
      InputError: as `bag_adaptation.cut_song`; the message names the song.
    """
    results: dict[str, list[AdaptationResult]] = {}
    chosen = {
        link.name: strategies.parse(settings[link.name].strategy, link.network.architecture) for link in chain.links
    }
    n_left, n_epochs = sum(bool(strategy.tuned) for strategy in chosen.values()), 0
    for link in chain.links:
        own, strategy = settings[link.name], chosen[link.name]
        if not strategy.tuned:
            results[link.name] = [engine.make_unadapted_result()] * len(songs)
        else:
            cuts = _make_once(lambda song: cut_song(link, song, own), songs)  # noqa: B023
            report = on_epoch and bag_adaptation.offset_epochs(n_epochs, on_epoch)
            results[link.name] = bag_adaptation.adapt_lanes(link.network, cuts, strategy, hyper, own, report)
            n_epochs += bag_adaptation.count_epochs(link.network, own)
            n_left -= 1
        if not n_left:
            break
        if strategy.tuned:
            lanes = zip(songs, results[link.name], strict=True)
            songs = [remove_sources(link, song, result.tuned) for song, result in lanes]
        else:
            songs = _make_once(lambda song: remove_sources(link, song, {}), songs)  # noqa: B023
    return bag_adaptation.join_lanes(results)


def cut_song(link: Link, song: ChainInput, settings: AdaptConfig) -> Segments:
    """Return the segments that a network of a chain is adapted on.

    Raises:
      InputError: as `bag_adaptation.cut_song`.
    """
    mix_CxT = standardise_by(song.mix_CxT, song.scalings[link.name])
    with error_context(song.name):
        return bag_adaptation.cut_song(link.network, mix_CxT, regroup(song.annotation, link.parts), settings)


def remove_sources(link: Link, song: ChainInput, tuned: Params) -> ChainInput:
    """Return the input of the next network: a song without the sources that a network, adapted or not, takes."""
    scaling = song.scalings[link.name]
    params = tree.merge(tuned, link.network.params)
    mix_CxT = standardise_by(song.mix_CxT, scaling)
    with error_context(song.name):
        est_SxCxT = bag_separation.separate(link.network, params, mix_CxT, SeparateConfig())
    (taken_SxCxT,) = chain_separation.take_sources([est_SxCxT], link, scaling)
    (left_CxT,) = chain_separation.subtract_sources([song.mix_CxT], [taken_SxCxT], scaling, song.mix_CxT.shape)
    return dataclasses.replace(song, mix_CxT=left_CxT)


def _make_once(make: Callable[[ChainInput], Made], songs: Sequence[ChainInput]) -> list[Made]:
    """Return `make` of each song, called once for lanes that share a song."""
    made = {key: make(song) for key, song in {id(song): song for song in songs}.items()}
    return [made[id(song)] for song in songs]
