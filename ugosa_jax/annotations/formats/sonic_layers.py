"""Sonic Visualiser's layers (.svl) and, unpacked, its sessions (.sv): XML.

Format: what Sonic Visualiser 2 to 5 writes. A layer of regions, notes or boxes is a `layer` element that names a
`model` of that subtype, whose `dataset` holds points with frame, duration and label; frames are samples at the model's
sampleRate. Other layers have no durations.
"""

import dataclasses
from collections import Counter

from ugosa_jax.annotations.formats import xml
from ugosa_jax.annotations.formats.label import Label, Reading, shown
from ugosa_jax.errors import InputError

STRETCHES = ("region", "note", "flexinote", "box")
"""Subtypes of models whose points have a duration."""


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
    """Read all layers whose points have durations; what other layers hold is left out with a warning.

    Raises:
      InputError: the file is no well-formed XML of Sonic Visualiser, or a region's attributes cannot be used.
    """
    layers = _parsed(text, path)
    labels, left_out = [], {}
    for line, dataset, point in layers.points:
        model = layers.models.get(dataset)
        if model is None or model.get("subtype") not in STRETCHES:
            left_out.setdefault(dataset, line)
        else:
            labels.append(_label(path, line, point, model, layers.names.get(model.get("id", ""), "")))
    kinds = {dataset: _kind(layers.models.get(dataset)) for dataset in left_out}
    warnings = (f"{path}:{line}: left out: a layer of {kinds[d]}, not of regions" for d, line in left_out.items())
    counts = Counter(kinds.values())
    kinds_left = (f"{n} layer{'s' if n > 1 else ''} of {kind}, not of regions" for kind, n in counts.items())
    return Reading(labels, tuple(warnings), left_out=tuple(kinds_left))


def _kind(model: dict[str, str] | None) -> str:
    """Return what a layer without durations holds."""
    if model is None:
        return "something unknown"
    if model.get("subtype") == "text":
        return "texts"
    return {"1": "time instants", "2": "time values", "3": "notes"}.get(model.get("dimensions", ""), "points")


def _parsed(text: str, path: str) -> _Layers:
    layers = _Layers()
    dataset, root = "", ""

    def start(name: str, attributes: dict[str, str], line: int) -> None:
        nonlocal dataset, root
        root = root or name
        if name == "model" and "dataset" in attributes:
            layers.models[attributes["dataset"]] = attributes
        elif name == "dataset":
            dataset = attributes.get("id", "")
        elif name in ("point", "event"):
            layers.points.append((line, dataset, attributes))
        elif name == "layer" and "model" in attributes:
            # A session mentions a layer again in each pane, without its names.
            called = attributes.get("presentationName") or attributes.get("name")
            layers.names.setdefault(attributes["model"], called or "")

    xml.parse(text, path, xml.Handlers(start))
    if not layers.models and root != "sv":
        raise InputError(
            f"{path}: is XML of {shown(root)}: neither layers of Sonic Visualiser nor a document of ELAN's"
        )
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
