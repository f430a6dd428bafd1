"""JAMS: JSON with annotations, each of a namespace, over a stretch of the song.

Format: Humphrey et al., "JAMS: a JSON annotated music specification for reproducible MIR research", ISMIR 2014, and
the documentation of the jams package. Read are the namespaces in which a value names who plays: tag_open,
segment_open, tag_medleydb_instruments. What is written says all that an annotation says: the values are `source
state`, and outside and sources stand in the sandbox; ends, which are durations here, may be one rounding early.
"""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any, cast

from ugosa_jax.annotations.formats.content import parse_json, to_number
from ugosa_jax.annotations.formats.label import Label, Reading, is_confidence, is_stretch, quote
from ugosa_jax.annotations.interval import Interval, Outside
from ugosa_jax.errors import InputError

NAMESPACES = ("tag_open", "segment_open", "tag_medleydb_instruments")
SECTIONS = "segment_open"
"""The namespace that holds a song's sections as well as who plays."""
COLUMNS = ("time", "duration", "value", "confidence")
VERSION = "0.3.4"


def read_jams(text: str, path: str) -> Reading:
    """Read all annotations of the namespaces that name who plays."""
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
            labels += _labels(annotation, path, where)
            known += 1
        else:
            namespace = str(annotation.get("namespace"))
            warnings.append(f"{path}:{where}: left out: namespace {quote(namespace)} does not name who plays")
    if not known:
        there = ", ".join(dict.fromkeys(str(annotation.get("namespace")) for annotation in annotations))
        what = f" (it has {there[:200]})" if there else ""
        raise InputError(f"{path}: has no annotation in a namespace of {', '.join(NAMESPACES)}{what}")
    outside, of_sources = _sandbox(content, path)
    return Reading(labels, tuple(warnings), outside, of_sources)


def _labels(annotation: dict[str, Any], path: str, where: str) -> list[Label]:
    data = annotation.get("data")
    if isinstance(data, dict):  # the dense form: a list for each column
        columns = [data.get(column) for column in COLUMNS]
        if not all(isinstance(column, list) and len(column) == len(columns[0] or []) for column in columns):
            raise InputError(f"{path}:{where}.data: is not lists of one length for {', '.join(COLUMNS)}")
        data = [dict(zip(COLUMNS, entry, strict=True)) for entry in zip(*cast(list, columns), strict=True)]
    if not isinstance(data, list):
        raise InputError(f"{path}:{where}.data: is not a list")
    span_s = _span_s(annotation, path, where)
    labels = [_label(entry, path, f"{where}.data[{n}]", span_s) for n, entry in enumerate(data)]
    if annotation["namespace"] == SECTIONS:
        return [dataclasses.replace(label, container=SECTIONS, perhaps_sections=True) for label in labels]
    return labels


def _span_s(annotation: dict[str, Any], path: str, where: str) -> tuple[float, float] | None:
    """Return from where to where an annotation is valid; None, which is everywhere, if it does not say."""
    if annotation.get("duration") is None:
        return None
    start_s = 0.0 if annotation.get("time") is None else to_number(annotation["time"], path, f"{where}.time")
    end_s = start_s + to_number(annotation["duration"], path, f"{where}.duration")
    if not is_stretch(start_s, end_s):
        raise InputError(f"{path}:{where}: time and duration: {start_s:g} to {end_s:g} s is no stretch of a song")
    return start_s, end_s


def _label(entry: Any, path: str, where: str, span_s: tuple[float, float] | None) -> Label:
    if not isinstance(entry, dict) or not isinstance(entry.get("value"), str):
        raise InputError(f"{path}:{where}: value: is not a text that names who plays")
    start_s = to_number(entry.get("time"), path, f"{where}.time")
    end_s = start_s + to_number(entry.get("duration"), path, f"{where}.duration")
    if not is_stretch(start_s, end_s):
        raise InputError(f"{path}:{where}: time and duration: {start_s:g} to {end_s:g} s is no stretch of a song")
    confidence = entry.get("confidence")
    if isinstance(confidence, float) and math.isnan(confidence):
        confidence = None  # as pandas writes what is not told
    if confidence is not None:
        confidence = to_number(confidence, path, f"{where}.confidence")
        if not is_confidence(confidence):
            raise InputError(f"{path}:{where}.confidence: {confidence:g} is not between 0 and 1")
    return Label(start_s, end_s, " ".join(entry["value"].split()), path, where, None, confidence, span_s=span_s)


def _sandbox(content: dict[str, Any], path: str) -> tuple[Outside | None, tuple[str, ...]]:
    """Return what this project's own files tell beyond the format: outside, and the sources it does not hold for."""
    sandbox = content.get("sandbox")
    ours = sandbox.get("ugosa_jax") if isinstance(sandbox, dict) else None
    if ours is None:
        return None, ()
    if not isinstance(ours, dict) or ours.get("outside") not in ("silent", "unknown"):
        raise InputError(f"{path}: sandbox.ugosa_jax.outside: is not silent or unknown")
    opened = ours.get("open", [])
    if not isinstance(opened, list) or not all(isinstance(source, str) for source in opened):
        raise InputError(f"{path}: sandbox.ugosa_jax.open: is not a list of sources")
    return cast(Outside, ours["outside"]), tuple(opened)


def format_jams(
    intervals: Sequence[Interval], sources: Sequence[str], outside: Outside, opened: Sequence[str] = ()
) -> str:
    """Return the text of a JAMS file in namespace tag_open, from which `read` gives the same again."""
    if unbounded := [i for i in intervals if not math.isfinite(i.end_s)]:
        source = unbounded[0].source
        raise InputError(f"source {source!r}: plays to the end of the song, which JAMS cannot say: give --song")
    data = [
        {
            "time": float(i.start_s),
            "duration": _duration_s(float(i.start_s), float(i.end_s)),
            "value": f"{i.source} {i.state}",
            "confidence": None if i.confidence is None else float(i.confidence),
        }
        for i in intervals
    ]
    annotation = {
        "namespace": "tag_open",
        "data": data,
        "annotation_metadata": {"annotation_tools": "ugosa_jax"},
        "sandbox": {},
        "time": 0.0,
        "duration": None,
    }
    content = {
        "file_metadata": {"jams_version": VERSION, "duration": max((float(i.end_s) for i in intervals), default=0.0)},
        "annotations": [annotation],
        "sandbox": {"ugosa_jax": {"sources": list(sources), "outside": outside, "open": sorted(opened)}},
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _duration_s(start_s: float, end_s: float) -> float:
    """Return the longest duration that, added to the start, does not pass the end.

    For some pairs no duration gives the end itself, only the numbers next to it. With the later one, an interval would
    overlap with the one that begins at its end.
    """
    duration_s = end_s - start_s
    while start_s + duration_s < end_s:
        duration_s = math.nextafter(duration_s, math.inf)
    while start_s + duration_s > end_s:
        duration_s = math.nextafter(duration_s, 0.0)
    return duration_s
