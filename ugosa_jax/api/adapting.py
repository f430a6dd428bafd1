"""Adaptation of a network to songs."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ugosa_jax.adaptation import engine, plan
from ugosa_jax.adaptation import song_adaptation as adaptation
from ugosa_jax.adaptation.engine import AdaptationResult, OnEpoch
from ugosa_jax.adaptation.song_adaptation import AdaptationInput
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.api.adapted import AdaptedNetwork, make_adapted_network
from ugosa_jax.api.arguments import as_annotation, as_network, as_song, choose_preset
from ugosa_jax.config import AdaptConfig, Preset
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError, require
from ugosa_jax.weights.weights import Weights


def adapt(
    net: Weights | str | Path,
    song: Song,
    annotation: Annotation | None = None,
    *,
    settings: AdaptConfig | Preset | None = None,
    on_epoch: OnEpoch | None = None,
) -> AdaptedNetwork:
    """Adapt a pretrained network to one song.

    Example:
      >>> import numpy as np, ugosa_jax as uj
      >>> song = uj.Song.from_array(np.random.default_rng(0).normal(0, 0.1, (2, 44100)), rate_hz=44100)
      >>> net = uj.load_network("mini")
      >>> annotation = uj.Annotation.from_intervals([("vocals", 0.2, 0.6, "silent")], net.sources)
      >>> settings = uj.AdaptConfig(strategy="P-L4:M", epochs=2, segment_s=0.5)
      >>> run = uj.adapt(net, song, annotation, settings=settings)
      >>> run.losses.total.shape
      (2, 2)
      >>> stems = run.separate(song)

    Args:
      net: the pretrained network, its name or its file.
      song: the mixture, at any sample rate, mono, stereo or surround.
      annotation: when each source is active or silent; that of the song if None.
      settings: strategy, λ, learning rate, epochs …, or a preset; if None, the defaults for this network.
      on_epoch: called after each epoch with its number, from 0, and its losses of shape (1, steps, 3).

    Returns:
      The network with its adapted layers, the losses and the time taken.

    Raises:
      InputError: song and annotation do not fit each other, the settings or the network.
    """
    net, song, annotation = as_network(net), as_song(song), as_annotation(annotation)
    preset = choose_preset(settings, net)
    if not plan.parse(preset.adapt.strategy, net).tuned:
        result = engine.make_unadapted_result()
    else:
        prepared = adaptation.prepare(net, song, annotation, preset.adapt)
        result = adaptation.adapt(net, prepared, preset.adapt, on_epoch)
    return make_adapted_network(result, net, preset, song, annotation or song.annotation)


def adapt_lanes(
    net: Weights | str | Path,
    songs: Song | Sequence[Song],
    annotations: Annotation | Sequence[Annotation | None] | None = None,
    *,
    settings: AdaptConfig | Preset | None = None,
    lam: Sequence[float] | np.ndarray | None = None,
    learning_rate: Sequence[float] | np.ndarray | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[AdaptedNetwork]:
    """Adapt a pretrained network to many songs, or with many values of λ or the learning rate, side by side.

    Args:
      net: the pretrained network of all lanes, its name or its file.
      songs: one song for all lanes, so that the frozen stages run only once; or one song per lane. Songs of about the
        same length run side by side; groups of other lengths follow one after the other.
      annotations: the annotation of the song, or one per song; if None, `annotation` of each song.
      settings: shared by all lanes; if None, the defaults for this network.
      lam: λ of each lane; that of `settings` if None.
      learning_rate: of each lane; that of `settings` if None.
      on_epoch: called after each epoch of a group with its number, from 0, and its losses of shape (lanes, steps, 3).

    Returns:
      One result per lane.

    Raises:
      InputError: as for `adapt`, or the numbers of songs, annotations and values differ.
    """
    net = as_network(net)
    preset = choose_preset(settings, net)
    lanes = _list_lanes(songs, annotations, preset.adapt, lam, learning_rate)
    results = _adapt_in_groups(net, lanes, on_epoch)
    return [
        make_adapted_network(result, net, dataclasses.replace(preset, adapt=lane.settings), lane.song, lane.annotation)
        for lane, result in zip(lanes, results, strict=True)
    ]


class _Lane(NamedTuple):
    song: Song
    annotation: Annotation | None
    settings: AdaptConfig


def _list_lanes(
    songs: Song | Sequence[Song],
    annotations: Annotation | Sequence[Annotation | None] | None,
    settings: AdaptConfig,
    lam: Sequence[float] | np.ndarray | None,
    learning_rate: Sequence[float] | np.ndarray | None,
) -> list[_Lane]:
    """Return song, annotation and settings of each lane."""
    for name, values in {"lam": lam, "learning_rate": learning_rate}.items():
        require(values is None or np.ndim(values) == 1, name, "a list of numbers, one per lane", values)
    if isinstance(songs, Song):
        if annotations is not None and not isinstance(annotations, Annotation):
            raise InputError("annotations: one song has one annotation; repeat the song for several annotations")
        lengths = [len(values) for values in (lam, learning_rate) if values is not None]
        n_lanes = max(lengths, default=1)
        lane_songs, lane_annotations = [songs] * n_lanes, [annotations or songs.annotation] * n_lanes
    else:
        lane_songs = [as_song(song) for song in songs]
        given = [annotations] if isinstance(annotations, Annotation) else annotations
        lane_annotations = [song.annotation for song in lane_songs] if given is None else [*map(as_annotation, given)]
    lams = [settings.lam] * len(lane_songs) if lam is None else [*lam]
    rates = [settings.learning_rate] * len(lane_songs) if learning_rate is None else [*learning_rate]
    if len({len(lane_songs), len(lane_annotations), len(lams), len(rates)}) > 1 or not lane_songs:
        numbers = f"{len(lane_songs)}, {len(lane_annotations)}, {len(lams)} and {len(rates)}"
        raise InputError(f"lanes: songs, annotations, lam and learning_rate must be equal in number, not {numbers}")
    return [
        _Lane(song, annotation, dataclasses.replace(settings, lam=lane_lam, learning_rate=rate))
        for song, annotation, lane_lam, rate in zip(lane_songs, lane_annotations, lams, rates, strict=True)
    ]


def _adapt_in_groups(net: Weights, lanes: Sequence[_Lane], on_epoch: OnEpoch | None) -> list[AdaptationResult]:
    """Adapt lanes whose settings differ only in λ and learning rate; songs of the same shape run side by side."""
    shared: dict[tuple[int, int], AdaptationInput] = {}  # lanes of one song share the prepared input
    for song, annotation, settings in lanes:
        if (id(song), id(annotation)) not in shared:
            shared[id(song), id(annotation)] = adaptation.prepare(net, song, annotation, settings)
    prepared = [shared[id(lane.song), id(lane.annotation)] for lane in lanes]
    results: dict[int, AdaptationResult] = {}
    for shape in dict.fromkeys(map(adaptation.get_shape, prepared)):
        alike = [i for i, one in enumerate(prepared) if adaptation.get_shape(one) == shape]
        each = [lanes[i].settings for i in alike]
        lam, rates = [one.lam for one in each], [one.learning_rate for one in each]
        done = adaptation.adapt_lanes(net, [prepared[i] for i in alike], each[0], lam, rates, on_epoch)
        results |= zip(alike, done, strict=True)
    return [results[i] for i in range(len(lanes))]
