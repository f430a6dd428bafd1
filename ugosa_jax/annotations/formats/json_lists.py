"""Reader of JSON lists of labels: Label Studio's exports, and lists of objects with a start, an end and a name.

Format: Label Studio documentation, "Label Studio JSON format of annotated tasks", and its JSON_MIN export. Files of
other programs (diarisation, transcription, waveform players) are read if their keys are known column names.
"""

from collections.abc import Iterator
from typing import Any

from ugosa_jax.annotations.formats.content import parse_json, to_number
from ugosa_jax.annotations.formats.label import (
    Label,
    LabelFile,
    check_stretch,
    parse_time,
    quote,
    refuse_several,
)
from ugosa_jax.annotations.formats.table import find_columns, is_known_column
from ugosa_jax.annotations.vocabulary import WORDS
from ugosa_jax.errors import InputError

Entry = tuple[str, dict[str, Any]]
"""The path of an object in the file, for messages, and the object."""
TYPES = ("labels", "timeserieslabels", "choices")


def read_json_lists(text: str, path: str) -> LabelFile:
    """Read all labels of one song."""
    content = parse_json(text, path)
    tasks = content if isinstance(content, list) else [content]
    if any(isinstance(task, dict) and _is_task(task) for task in tasks):
        found = [(n, list(_list_results(task))) for n, task in enumerate(tasks) if isinstance(task, dict)]
        filled = [(n, results) for n, results in found if results]
        if len(filled) > 1:
            raise InputError(f"{path}: holds the labels of {len(filled)} songs: export the task of one song")
        regions = [(f"[{n}].{where}", entry) for n, results in filled for where, entry in results]
        entries, warnings = _drop_unfinished(regions, path)
    else:
        entries, warnings = list(_list_objects(content, "")), []
    named = [value for _, entry in entries for key, value in entry.items() if is_known_column(str(key), "recording")]
    refuse_several(path, (name for name in named if isinstance(name, str)))
    labels = [label for where, entry in entries for label in _read_entry(entry, path, where)]
    if not labels:
        nothing = "holds no labels: neither JAMS nor Label Studio nor a list of objects with start, end and label"
        raise InputError(f"{path}: {nothing}{f' ({len(warnings)} unfinished regions)' if warnings else ''}")
    return LabelFile(labels, tuple(warnings))


def _drop_unfinished(entries: list[Entry], path: str) -> tuple[list[Entry], list[str]]:
    """Return the regions that have times and, if any region has labels, labels; and warnings about the others."""
    any_named = any(map(_find_labels, (entry for _, entry in entries)))
    finished, warnings = [], []
    for where, entry in entries:
        missing = [key for key in ("start", "end") if entry.get(key) is None]
        missing += ["labels"] if any_named and not _find_labels(entry) else []
        if missing:
            warnings.append(f"{path}:{where}: left out: a region without {' and '.join(missing)}")
        else:
            finished.append((where, entry))
    return finished, warnings


def _is_task(task: dict[str, Any]) -> bool:
    holders = [value for key in ("annotations", "completions") for value in [task.get(key)] if isinstance(value, list)]
    is_export = any(isinstance(a, dict) and "result" in a for holder in holders for a in holder)
    return is_export or any(key in task for key in ("audio", "lead_time", "annotation_id"))


def _list_results(task: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the regions of a task in a full export or in JSON_MIN.

    If a region has several results, such as labels and a transcript, those without labels are skipped.
    """
    full = task.get("annotations") or task.get("completions") or []
    for n, annotation in enumerate(full if isinstance(full, list) else []):
        is_valid = isinstance(annotation, dict) and not annotation.get("was_cancelled")
        results = annotation.get("result") if is_valid else None
        regions = {
            k: result
            for k, result in enumerate(results if isinstance(results, list) else [])
            if isinstance(result, dict) and isinstance(result.get("value"), dict) and "start" in result["value"]
        }
        named = {str(result["id"]) for result in regions.values() if "id" in result and _find_labels(result["value"])}
        for k, result in regions.items():
            if _find_labels(result["value"]) or str(result.get("id")) not in named:
                yield f"annotations[{n}].result[{k}]", result["value"]
    for key, values in task.items():
        for k, value in enumerate(values if isinstance(values, list) else []):
            if isinstance(value, dict) and "start" in value and {"end", "channel", *TYPES} & value.keys():
                yield f"{key}[{k}]", value


def _find_labels(entry: dict[str, Any]) -> Any:
    """Return the labels of an entry; None if it has none."""
    return next((entry[key] for key in (*TYPES, "label") if entry.get(key)), None)


def _list_objects(content: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects with a start and an end in a list, or in a list below a known key."""
    if isinstance(content, list):
        for n, entry in enumerate(content):
            if isinstance(entry, dict) and find_columns([str(key) for key in entry]):
                yield f"{where}[{n}]", entry
    elif isinstance(content, dict) and all(_are_pairs(value) for value in content.values()):
        for name, pairs in content.items():
            for n, (start, end) in enumerate(pairs):
                yield f"{name}[{n}]", {"start": start, "end": end, "label": name}
    elif isinstance(content, dict):
        for key in WORDS["holders"]:
            if isinstance(content.get(key), list):
                yield from _list_objects(content[key], f"{where}{'.' if where else ''}{key}")


def _are_pairs(value: Any) -> bool:
    """Return whether a value is a list of pairs."""
    return isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value)


def _read_entry(entry: dict[str, Any], path: str, where: str) -> Iterator[Label]:
    """Yield a label for each name of an entry."""
    keys = list(entry)
    found = {role: entry[keys[position]] for role, position in find_columns([str(key) for key in keys]).items()}
    start_s = _to_seconds(found.get("start"), path, f"{where}.start")
    key = "end" if "end" in found else "duration"
    end_s = _to_seconds(found[key], path, f"{where}.{key}") + (0.0 if key == "end" else start_s)
    check_stretch(f"{path}:{where}", start_s, end_s)
    named = _find_labels(entry) or found.get("source") or _find_inner_name(entry)
    names = named if isinstance(named, list) else [named]
    sure = found.get("confidence")
    is_sure = isinstance(sure, int | float) and not isinstance(sure, bool) and 0 <= sure <= 1
    state = None if found.get("state") is None else str(found["state"]).lower()
    whole = isinstance(found.get("start"), int) and isinstance(found.get("end", 0), int)
    for name in names:
        if not isinstance(name, str | int):
            raise InputError(f"{path}:{where}: label {quote(str(name))} is not a string that names a source")
        text = " ".join(str(name).split())
        yield Label(start_s, end_s, text, path, where, state, sure if is_sure else None, whole=whole)


def _find_inner_name(entry: dict[str, Any]) -> Any:
    """Return the name in an object inside an entry, where waveform players store labels of regions."""
    inner = (item for key in ("data", "attributes") if isinstance(entry.get(key), dict) for item in entry[key].items())
    return next((value for key, value in inner if value and is_known_column(str(key), "source")), "")


def _to_seconds(value: Any, path: str, where: str) -> float:
    seconds = parse_time(value) if isinstance(value, str) else None
    return to_number(value if seconds is None else seconds, path, where)
