"""Checks and conversions of the arguments of the public API."""

import dataclasses
import types
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
    """Return a network; load it if its name or file is given.

    Raises:
      InputError: there is no such network, or `net` is of another type.
    """
    if isinstance(net, str | Path):
        return hub.load_network(net)
    check_type("net", net, Weights, "a network, its name or its file")
    return net


def check_type(name: str, value: object, kinds: type | types.UnionType, expected: str) -> None:
    """Check that the argument called `name` is of one of these types.

    Raises:
      InputError: it is of another type.
    """
    if not isinstance(value, kinds):
        raise InputError(f"{name} must be {expected}, not {_describe(value)}")


def as_song(song: Song) -> Song:
    """Return the song.

    Raises:
      InputError: it is not a `Song`; the message explains how to make one.
    """
    if not isinstance(song, Song):
        how = "read_audio(path)" if isinstance(song, str | Path) else "Song.from_array(samples, rate_hz)"
        raise InputError(f"song must be a Song, not {_describe(song)}: write {how}")
    return song


def as_annotation(annotation: Annotation | None) -> Annotation | None:
    """Return the annotation.

    Raises:
      InputError: it is not an `Annotation` or None; the message explains how to make one.
    """
    if annotation is not None and not isinstance(annotation, Annotation):
        is_path = isinstance(annotation, str | Path)
        how = "read_annotation(path, net.sources)" if is_path else "Annotation.from_intervals"
        raise InputError(f"annotation must be an Annotation, not {_describe(annotation)}: write {how}")
    return annotation


def as_tuned(tuned: Params | None, net: Weights) -> Params:
    """Return adapted layers, or {} for None, after checking that they belong to the network.

    Raises:
      InputError: a layer is not in the network, or has another shape there.
    """
    if tuned is None:
        return {}
    check_type("tuned", tuned, dict, "adapted layers, such as AdaptedNetwork.tuned")
    found, known = {path: leaf.shape for path, leaf in tree.flatten(tuned).items()}, net.shapes
    if unknown := [path for path, shape in found.items() if known.get(path) != shape]:
        raise InputError(f"tuned: {unknown[0]} is not in this network, or has another shape there")
    return tuned


def get_default_preset(net: Weights) -> Preset:
    """Return the default preset of a network."""
    return config.get_preset(config.find_default_preset(net.name))


def choose_preset(settings: AdaptConfig | Preset | None, net: Weights) -> Preset:
    """Return a preset with these settings of the adaptation; the network's defaults replace None.

    Raises:
      InputError: the settings are of another type, or the network has no such strategy.
    """
    preset = settings if isinstance(settings, Preset) else get_default_preset(net)
    chosen = choose_settings(settings, AdaptConfig, preset)
    return dataclasses.replace(preset, adapt=plan.fill_defaults(chosen, net))


def choose_settings(given: Settings | Preset | None, kind: type[Settings], preset: Preset) -> Settings:
    """Return settings of one kind.

    Args:
      given: the settings, a preset that holds them, or None for those of `preset`.
      kind: their class.
      preset: the default preset of the network.

    Raises:
      InputError: they are of another type.
    """
    if given is None or isinstance(given, Preset):
        return getattr(given or preset, _PARTS[kind])
    check_type("settings", given, kind, f"{kind.__name__} or Preset")
    return given


def _describe(value: object) -> str:
    return "an array" if isinstance(value, np.ndarray) else type(value).__name__
