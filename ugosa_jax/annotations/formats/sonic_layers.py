"""Sonic Visualiser's layers (.svl) and, unpacked, its sessions (.sv): XML.

Format: what Sonic Visualiser 2 to 5 writes. A region layer is a `layer` element that names a `model` of subtype
region, whose `dataset` holds points with frame, duration and label; frames are samples at the model's sampleRate.
"""

import dataclasses
from xml.parsers import expat

from ugosa_jax.annotations.formats.label import Label, Reading, shown
from ugosa_jax.errors import InputError


@dataclasses.dataclass
class _Layers:
    """What has been met in the file so far."""

    models: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """Attributes of the sparse models, by the dataset that holds their points."""
    names: dict[str, str] = dataclasses.field(default_factory=dict)
    """Names of layers, by the model that they show."""
    points: list[tuple[int, str, dict[str, str]]] = dataclasses.field(default_factory=list)
    """Line, dataset and attributes of each point."""


def read(text: str, path: str) -> Reading:
    """Read the regions of all region layers; what other layers hold is left out with a warning.

    Raises:
      InputError: the file is no well-formed XML of Sonic Visualiser, or a region's attributes cannot be used.
    """
    layers = _parsed(text, path)
    labels, left_out = [], {}
    for line, dataset, point in layers.points:
        model = layers.models.get(dataset)
        if model is None or model.get("subtype") != "region":
            left_out.setdefault(dataset, line)
        else:
            labels.append(_label(path, line, point, model, layers.names.get(model.get("id", ""), "")))
    warnings = (f"{path}:{line}: left out: a layer that is none of regions" for line in left_out.values())
    return Reading(labels, tuple(warnings))


def _parsed(text: str, path: str) -> _Layers:
    """Return what the file holds. Entities, which could blow up a small file, are refused."""
    layers = _Layers()
    parser = expat.ParserCreate("utf-8")
    dataset = ""

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal dataset
        if name == "model" and "dataset" in attributes:
            layers.models[attributes["dataset"]] = attributes
        elif name == "dataset":
            dataset = attributes.get("id", "")
        elif name == "point":
            layers.points.append((parser.CurrentLineNumber, dataset, attributes))
        elif name == "layer" and "model" in attributes:
            # A session mentions a layer again in each pane, without its names.
            called = attributes.get("presentationName") or attributes.get("name")
            layers.names.setdefault(attributes["model"], called or "")

    def refuse(name: str, *_: object) -> None:
        raise InputError(f"{path}:{parser.CurrentLineNumber}: entity {shown(name)} is not expected in such a file")

    parser.StartElementHandler = start
    parser.EntityDeclHandler = refuse
    body = text.partition("?>")[2] if text.lstrip().startswith("<?xml") else text  # it may name another encoding
    declaration_lines = text[: len(text) - len(body)].count("\n")
    try:
        parser.Parse("\n" * declaration_lines + body.lstrip(" \t"), True)
    except expat.ExpatError as error:
        raise InputError(f"{path}:{error.lineno}: is not well-formed XML ({expat.ErrorString(error.code)})") from error
    if not layers.models:
        raise InputError(f"{path}: holds no layers of Sonic Visualiser")
    return layers


def _label(path: str, line: int, point: dict[str, str], model: dict[str, str], layer: str) -> Label:
    rate_hz = _whole(path, line, "sampleRate", model.get("sampleRate", ""))
    if rate_hz == 0:
        raise InputError(f"{path}:{line}: sampleRate '0' is none")
    start = _whole(path, line, "frame", point.get("frame", ""))
    end = start + _whole(path, line, "duration", point.get("duration", ""))
    return Label(start / rate_hz, end / rate_hz, point.get("label", "").strip(), path, line, container=layer)


def _whole(path: str, line: int, field: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise InputError(f"{path}:{line}: {field} {shown(value)} is not a whole number of samples")
    return int(value)
