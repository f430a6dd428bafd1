"""What users hand to the functions of the face, brought into the form that the package works with."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from ugosa_jax import config
from ugosa_jax.adaptation import plan
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import AdaptConfig, EvaluateConfig, Preset, SeparateConfig
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Params
from ugosa_jax.weights import hub
from ugosa_jax.weights.weights import Weights

Settings = TypeVar("Settings", AdaptConfig, SeparateConfig, EvaluateConfig)
_PARTS = {AdaptConfig: "adapt", SeparateConfig: "separate", EvaluateConfig: "evaluate"}


def as_network(net: Weights | str | Path) -> Weights:
    """Return a network that may be given by its name or file.

    Raises:
      InputError: there is no such network, or it is something else.
    """
    if isinstance(net, str | Path):
        return hub.load_network(net)
    if not isinstance(net, Weights):
        raise InputError(f"net must be a network, its name or its file, not {_describe(net)}: see load_network")
    return net


def as_song(song: Song) -> Song:
    """Refuse what is no song.

    Raises:
      InputError: it is something else; the message says how a song is made of it.
    """
    if not isinstance(song, Song):
        how = "read_audio(path)" if isinstance(song, str | Path) else "Song.from_array(samples, rate_hz)"
        raise InputError(f"song must be a Song, not {_describe(song)}: write {how}")
    return song


def as_annotation(annotation: Annotation | None) -> Annotation | None:
    """Refuse what is no annotation.

    Raises:
      InputError: it is something else; the message says how an annotation is made.
    """
    if annotation is not None and not isinstance(annotation, Annotation):
        how = (
            "read_annotation(path, net.sources)" if isinstance(annotation, str | Path) else "Annotation.from_intervals"
        )
        raise InputError(f"annotation must be an Annotation, not {_describe(annotation)}: write {how}")
    return annotation


def as_tuned(tuned: Params | None, net: Weights) -> Params:
    """Refuse what are no adapted layers of a network, which would be left out in silence.

    Raises:
      InputError: one of them is not in the network, or of another shape there.
    """
    if tuned is None:
        return {}
    if not isinstance(tuned, Mapping):
        raise InputError(f"tuned must be adapted layers, as AdaptedNetwork.tuned, not {_describe(tuned)}")
    found, known = {path: leaf.shape for path, leaf in tree.flat(tuned).items()}, net.shapes
    if strange := [path for path, shape in found.items() if known.get(path) != shape]:
        raise InputError(f"tuned: {strange[0]} is not in this network, or of another shape there")
    return tuned


def preset_of(net: Weights) -> Preset:
    """Return the settings that suit a network."""
    return config.PRESETS[config.usual_preset(net.name)]()


def choose_preset(settings: AdaptConfig | Preset | None, net: Weights) -> Preset:
    """Return the preset that is meant by settings of an adaptation, with the network's own defaults filled in.

    Raises:
      InputError: they are of another kind, or the network has no such strategy.
    """
    preset = settings if isinstance(settings, Preset) else preset_of(net)
    chosen = choose_settings(settings, AdaptConfig, preset)
    return dataclasses.replace(preset, adapt=plan.resolve(chosen, net))


def choose_settings(given: Settings | Preset | None, kind: type[Settings], preset: Preset) -> Settings:
    """Return the settings that are meant.

    Args:
      given: settings, a preset that holds them, or None for those of `preset`.
      kind: what is needed.
      preset: what suits the network.

    Raises:
      InputError: they are of another kind.
    """
    if given is None or isinstance(given, Preset):
        return getattr(given or preset, _PARTS[kind])
    if not isinstance(given, kind):
        raise InputError(f"settings must be of {kind.__name__}, or a preset, not {_describe(given)}")
    return given


def _describe(value: object) -> str:
    return "an array" if isinstance(value, np.ndarray) else f"of {type(value).__name__}"
