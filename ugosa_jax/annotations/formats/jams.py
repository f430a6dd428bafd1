"""Reader and writer of JAMS: JSON files with annotations in namespaces.

Format: Humphrey et al., "JAMS: a JSON annotated music specification for reproducible MIR research", ISMIR 2014, and
the documentation of the jams package. Only namespaces whose values name sources are read: tag_open, segment_open,
tag_medleydb_instruments.

Files written here store the whole annotation. Values are `source state`. JAMS has a free field, the sandbox, which
holds `sources`, `outside` and `open`. `open` lists the sources that are unknown outside of their intervals
(`Annotation.open_sources`). JAMS stores durations instead of ends, so that an end may be rounded once.
"""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any, cast

from ugosa_jax.annotations.formats.content import parse_json, to_number
from ugosa_jax.annotations.formats.label import Label, LabelFile, check_stretch, quote
from ugosa_jax.annotations.interval import Interval, Outside
from ugosa_jax.errors import InputError

NAMESPACES = ("tag_open", "segment_open", "tag_medleydb_instruments")
SECTIONS = "segment_open"
"""A namespace for the sections of a song (verse, chorus), which some files use for sources."""
COLUMNS = ("time", "duration", "value", "confidence")
VERSION = "0.3.4"


def read_jams(text: str, path: str) -> LabelFile:
    """Read all annotations in NAMESPACES."""
    content = parse_json(text, path)
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list):
        raise InputError(f"{path}: annotations: is not a list, as in a JAMS file")
    labels, warnings, known = [], [], 0
    for n, annotation in enumerate(annotations):
        where = f"annotations[{n}]"
        if not isinstance(annotation, dict):
            raise InputError(f"{path}:{where}: is not an object")
        if annotation.get("namespace") in NAMESPACES:
            labels += _read_annotation(annotation, path, where)
            known += 1
        else:
            namespace = str(annotation.get("namespace"))
            warnings.append(f"{path}:{where}: left out: namespace {quote(namespace)} does not name sources")
    if not known:
        there = ", ".join(dict.fromkeys(str(annotation.get("namespace")) for annotation in annotations))
        found = f" (it has {there[:200]})" if there else ""
        raise InputError(f"{path}: has no annotation in a namespace of {', '.join(NAMESPACES)}{found}")
    outside, of_sources = _read_sandbox(content, path)
    return LabelFile(labels, tuple(warnings), outside, of_sources)


def _read_annotation(annotation: dict[str, Any], path: str, where: str) -> list[Label]:
    data = annotation.get("data")
    if isinstance(data, dict):  # JAMS' dense form: a list for each column
        columns = [data.get(column) for column in COLUMNS]
        if not all(isinstance(column, list) and len(column) == len(columns[0] or []) for column in columns):
            raise InputError(f"{path}:{where}.data: needs lists of the same length for {', '.join(COLUMNS)}")
        data = [dict(zip(COLUMNS, entry, strict=True)) for entry in zip(*cast(list, columns), strict=True)]
    if not isinstance(data, list):
        raise InputError(f"{path}:{where}.data: is not a list")
    span_s = _read_span(annotation, path, where)
    labels = [_read_entry(entry, path, f"{where}.data[{n}]", span_s) for n, entry in enumerate(data)]
    if annotation["namespace"] == SECTIONS:
        return [dataclasses.replace(label, container=SECTIONS, perhaps_sections=True) for label in labels]
    return labels


def _read_span(annotation: dict[str, Any], path: str, where: str) -> tuple[float, float] | None:
    """Return start and end of the time span for which an annotation is valid; None if it is valid throughout."""
    if annotation.get("duration") is None:
        return None
    return _read_stretch({"time": annotation.get("time") or 0, "duration": annotation["duration"]}, path, where)


def _read_stretch(entry: dict[str, Any], path: str, where: str) -> tuple[float, float]:
    start_s = to_number(entry.get("time"), path, f"{where}.time")
    end_s = start_s + to_number(entry.get("duration"), path, f"{where}.duration")
    return check_stretch(f"{path}:{where}: time and duration", start_s, end_s)


def _read_entry(entry: Any, path: str, where: str, span_s: tuple[float, float] | None) -> Label:
    if not isinstance(entry, dict) or not isinstance(entry.get("value"), str):
        raise InputError(f"{path}:{where}: value: is not a string that names a source")
    times_s, sure = _read_stretch(entry, path, where), entry.get("confidence")
    if isinstance(sure, float) and math.isnan(sure):
        sure = None  # pandas writes NaN for missing values
    if sure is not None and not 0 <= to_number(sure, path, f"{where}.confidence") <= 1:
        raise InputError(f"{path}:{where}.confidence: {sure:g} is not between 0 and 1")
    return Label(*times_s, " ".join(entry["value"].split()), path, where, None, sure, span_s=span_s)


def _read_sandbox(content: dict[str, Any], path: str) -> tuple[Outside | None, tuple[str, ...]]:
    """Return `outside` and `open_sources` from the sandbox; (None, ()) if ugosa_jax did not write the file."""
    sandbox = content.get("sandbox")
    ours = sandbox.get("ugosa_jax") if isinstance(sandbox, dict) else None
    if ours is None:
        return None, ()
    if not isinstance(ours, dict) or ours.get("outside") not in ("silent", "unknown"):
        raise InputError(f"{path}: sandbox.ugosa_jax.outside: is not silent or unknown")
    open_sources = ours.get("open", [])
    if not isinstance(open_sources, list) or not all(isinstance(source, str) for source in open_sources):
        raise InputError(f"{path}: sandbox.ugosa_jax.open: is not a list of sources")
    return cast(Outside, ours["outside"]), tuple(open_sources)


def format_jams(
    intervals: Sequence[Interval], sources: Sequence[str], outside: Outside, open_sources: Sequence[str] = ()
) -> str:
    """Format intervals as a JAMS file in namespace tag_open, which `read_jams` reads without loss."""
    if unbounded := [i for i in intervals if not math.isfinite(i.end_s)]:
        source = unbounded[0].source
        raise InputError(f"source {source!r}: lasts to the end of the song, which JAMS cannot express: give --song")
    data = [
        {
            "time": float(i.start_s),
            "duration": _find_duration(float(i.start_s), float(i.end_s)),
            "value": f"{i.source} {i.state}",
            "confidence": None if i.confidence is None else float(i.confidence),
        }
        for i in intervals
    ]
    annotation = {"namespace": "tag_open", "data": data, "annotation_metadata": {"annotation_tools": "ugosa_jax"}}
    last_s = max((float(i.end_s) for i in intervals), default=0.0)
    content = {
        "file_metadata": {"jams_version": VERSION, "duration": last_s},
        "annotations": [annotation | {"sandbox": {}, "time": 0.0, "duration": None}],
        "sandbox": {"ugosa_jax": {"sources": list(sources), "outside": outside, "open": sorted(open_sources)}},
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _find_duration(start_s: float, end_s: float) -> float:
    """Return the longest duration for which start + duration does not exceed the end.

    For some pairs, rounding makes no duration give exactly the end. A sum above the end would overlap with an interval
    that begins there.
    """
    duration_s = end_s - start_s
    while start_s + duration_s < end_s:
        duration_s = math.nextafter(duration_s, math.inf)
    while start_s + duration_s > end_s:
        duration_s = math.nextafter(duration_s, 0.0)
    return duration_s
