"""Readers of Sonic Visualiser's layers of regions, notes and boxes: exported tables, .svl files and .sv sessions.

Tables (reference manual, "Annotation Layer Export") are time,value,duration,label; notes have a level before the label,
boxes begin with start and end. Since version 4, a header is optional. Without a header, such a table is recognised by
its times, which always have a decimal point.

In the XML of versions 2 to 5, a `layer` refers to a `model`, whose `dataset` holds points with frame, duration and
label; frames are samples at the sampleRate of the model. Layers without durations are left out.
"""

import re
from collections import Counter

from ugosa_jax.annotations.formats.content import parse_xml
from ugosa_jax.annotations.formats.label import Label, LabelFile, is_number, quote
from ugosa_jax.annotations.formats.table import TableRow, read_table
from ugosa_jax.errors import InputError

HEADER = ["time", "value", "duration", "label"]
NOTES = ["time", "value", "duration", "level", "label"]
BOXES = ["start", "end", "extent start", "extent end", "label"]
NO_DURATIONS = (["time", "value", "label"], ["time", "height", "label"])
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
_NINE = re.compile(r"[0-9]+\.[0-9]{9}")


def is_sonic_header(fields: list[str]) -> bool:
    """Return whether the fields in the first line of a table are those of an exported layer, in seconds or frames."""
    names = [field.lower().replace("frame", "") for field in fields]
    seconds = [[name.replace("time", "") for name in header] for header in (HEADER, NOTES, BOXES, *NO_DURATIONS)]
    return len(fields) > 1 and [name.replace("time", "") for name in names] in seconds


def is_sonic_region(fields: list[str]) -> bool:
    """Return whether a line can only be a region or a note: start and duration have decimal points."""
    points = len(fields) in (4, 5) and all(_DECIMAL.fullmatch(field) for field in (fields[0], fields[2]))
    return points and is_number(fields[1]) and (len(fields) == 4 or is_number(fields[3]))


def is_sonic_values(table: list[TableRow]) -> bool:
    """Return whether lines are times and values, without durations: only the first number has nine decimals."""
    rows = [row.fields for row in table]
    if any(len(fields) not in (2, 3) or not is_number(fields[1]) for fields in rows):
        return False
    return all(_NINE.fullmatch(fields[0]) and not _NINE.fullmatch(fields[1]) for fields in rows)


def read_sonic_table(text: str, path: str) -> LabelFile:
    """Read an exported table of regions, notes or boxes."""
    table = read_table(text, path)
    header = HEADER
    if table and is_sonic_header(table[0].fields):
        if "frame" in table[0].fields[0].lower():
            raise table[0].make_error("column", table[0].fields[0], "counts sample frames: export times in seconds")
        header = [field.lower() for field in table[0].fields]
        table = table[1:]
    if header in NO_DURATIONS or (table and header == HEADER and is_sonic_values(table)):
        what = "is a time-value layer of Sonic Visualiser, which has no durations"
        how = "mark regions in a Regions layer instead, and export it (Layer > Add New Regions Layer)"
        raise InputError(f"{path}: {what}: {how}")
    return LabelFile([_parse_box(row) if header == BOXES else _parse_region(row) for row in table])


def _parse_box(row: TableRow) -> Label:
    if len(row.fields) not in (4, 5):
        raise InputError(f"{row.path}:{row.line}: is not {','.join(BOXES)}, as of a box layer")
    return Label(*row.parse_stretch(), (*row.fields, "")[4], row.path, row.line)


def _parse_region(row: TableRow) -> Label:
    if len(row.fields) == 5 and is_number(row.fields[3]):  # a note, which has a level before its label
        row = row._replace(fields=[*row.fields[:3], row.fields[4]])
    if len(row.fields) not in (3, 4) or not is_number(row.fields[1]):
        raise InputError(f"{row.path}:{row.line}: is not time,value,duration,label, as of a region layer")
    start_s, duration_s = row.parse_seconds("time", 0), row.parse_seconds("duration", 2)
    return Label(start_s, start_s + duration_s, (*row.fields, "")[3], row.path, row.line)


STRETCHES = ("region", "note", "flexinote", "box")
"""Subtypes of models whose points have a duration."""


def read_sonic_layers(text: str, path: str) -> LabelFile:
    """Read all layers whose points have durations; leave other layers out with a warning."""
    models: dict[str, dict[str, str]] = {}  # dataset with the points → attributes of the model
    names: dict[str, str] = {}  # model → name of the layer that shows it
    points: list[tuple[int, str, dict[str, str]]] = []
    dataset = ""
    elements = parse_xml(text, path)
    for element in elements:
        name, attributes = element.name, element.attributes
        if name == "model" and "dataset" in attributes:
            models[attributes["dataset"]] = attributes
        elif name == "dataset":
            dataset = attributes.get("id", "")
        elif name in ("point", "event"):
            points.append((element.line, dataset, attributes))
        elif name == "layer" and "model" in attributes:
            # A session lists a layer again for each pane, without its name.
            names.setdefault(attributes["model"], attributes.get("presentationName") or attributes.get("name") or "")
    if not models and elements[0].name != "sv":
        what = f"is XML of {quote(elements[0].name)}: neither Sonic Visualiser layers nor an ELAN document"
        raise InputError(f"{path}: {what}")
    if not models:
        raise InputError(f"{path}: holds no layers of Sonic Visualiser")
    labels, left_out = [], {}
    for line, dataset, point in points:
        model = models.get(dataset)
        if model is None or model.get("subtype") not in STRETCHES:
            left_out.setdefault(dataset, line)
        else:
            labels.append(_point_label(path, line, point, model, names.get(model.get("id", ""), "")))
    kinds = {dataset: _describe_kind(models.get(dataset)) for dataset in left_out}
    warnings = (f"{path}:{line}: left out: a layer of {kinds[d]}, not of regions" for d, line in left_out.items())
    counts = Counter(kinds.values())
    kinds_left = (f"{n} layer{'s' if n > 1 else ''} of {kind}, not of regions" for kind, n in counts.items())
    return LabelFile(labels, tuple(warnings), left_out=tuple(kinds_left))


def _describe_kind(model: dict[str, str] | None) -> str:
    """Return a description of the content of a layer without durations, for warnings."""
    if model is None:
        return "something unknown"
    if model.get("subtype") == "text":
        return "texts"
    return {"1": "time instants", "2": "time values", "3": "notes"}.get(model.get("dimensions", ""), "points")


def _point_label(path: str, line: int, point: dict[str, str], model: dict[str, str], layer: str) -> Label:
    rate_hz = _parse_samples(path, line, "sampleRate", model.get("sampleRate", ""))
    if rate_hz == 0:
        raise InputError(f"{path}:{line}: sampleRate '0' is not positive")
    start = _parse_samples(path, line, "frame", point.get("frame", ""))
    end = start + _parse_samples(path, line, "duration", point.get("duration", ""))
    return Label(start / rate_hz, end / rate_hz, point.get("label", "").strip(), path, line, container=layer)


def _parse_samples(path: str, line: int, field: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise InputError(f"{path}:{line}: {field} {quote(value)} is not a whole number of samples")
    return int(value)
