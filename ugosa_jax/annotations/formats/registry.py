"""Which format a file of an annotation has, and who reads it.

Content decides; the suffix does where content could be either. `text` alone touches the disk.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from ugosa_jax.annotations.formats import (
    audacity,
    elan,
    jams,
    json_lists,
    lab,
    markers,
    medleydb,
    native,
    reaper,
    rttm,
    sonic_layers,
    sonic_table,
    starts,
    textgrid,
    unit,
)
from ugosa_jax.annotations.formats.label import Reading
from ugosa_jax.annotations.formats.rows import Row, delimiter_of, is_time, numbered, rows, said, table_of
from ugosa_jax.annotations.formats.text import text_of
from ugosa_jax.errors import InputError

Format = Literal[
    "csv",
    "audacity",
    "lab",
    "starts",
    "jams",
    "json",
    "sonic-table",
    "sonic-layers",
    "activation-conf",
    "sourceid",
    "reaper",
    "audition",
    "rx",
    "rttm",
    "textgrid",
    "elan",
]

FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES = (".csv", ".tsv", ".txt", ".lab", ".jams", ".json", ".svl", ".sv", ".textgrid", ".eaf", ".rttm")
"""What files of annotations end in; only where a whole folder is read does it matter."""


class _Reader(NamedTuple):
    """How a format is read."""

    read: Callable[[str, str], Reading]
    counts_anything: bool = False
    """Whether its numbers could be samples or milliseconds as well as seconds."""


READERS: dict[Format, _Reader] = {
    "csv": _Reader(native.read, counts_anything=True),
    "audacity": _Reader(audacity.read, counts_anything=True),
    "lab": _Reader(lab.read, counts_anything=True),
    "starts": _Reader(starts.read, counts_anything=True),
    "jams": _Reader(jams.read, counts_anything=True),
    "json": _Reader(json_lists.read, counts_anything=True),
    "sonic-table": _Reader(sonic_table.read),
    "sonic-layers": _Reader(sonic_layers.read),
    "activation-conf": _Reader(medleydb.read_activation_conf),
    "sourceid": _Reader(medleydb.read_sourceid, counts_anything=True),
    "reaper": _Reader(reaper.read),
    "audition": _Reader(markers.read_audition),
    "rx": _Reader(markers.read_rx),
    "rttm": _Reader(rttm.read, counts_anything=True),
    "textgrid": _Reader(textgrid.read, counts_anything=True),
    "elan": _Reader(elan.read),
}


def read(path: str | Path, format: Format | None = None, counted: str | None = None) -> Reading:
    """Read what stands in a file.

    Args:
      path: the file.
      format: its format; recognised by content, then by suffix, if not given.
      counted: what its numbers count, see `unit`; seconds, if that is possible, if not given.

    Raises:
      InputError: the file cannot be read, a line of it not be understood, or its numbers not be seconds.
    """
    text = text_of(path)
    format = format or recognised(text, path)
    reader = READERS[format]
    reading = reader.read(text, str(path))
    if not reader.counts_anything and counted not in (None, "s"):
        raise InputError(
            f"{path}: --unit {counted}: the times of its format ({format}) are what they are; leave it out"
        )
    if reader.counts_anything:
        reading = reading._replace(labels=unit.checked(reading.labels, counted, str(path)))
    open_ended = [label for label in reading.labels if not math.isfinite(label.end_s)]
    if open_ended:
        last = open_ended[-1]
        how = f"{path}:{last.line}: no end: taken to be the end of the song"
        reading = reading._replace(warnings=(*reading.warnings, how))
    return reading


def recognised(text: str, path: str | Path) -> Format:
    """Return the format of a file.

    Raises:
      InputError: the first line cannot be cut into fields.
    """
    suffix, start = Path(path).suffix.lower(), text.lstrip()[:64]
    if suffix == ".jams":
        return "jams"
    if start.startswith(("{", "[")) and not _is_lrc_or_section(text):
        return _json(text)
    if suffix == ".textgrid" or "ooTextFile" in start:
        return "textgrid"
    if suffix == ".eaf" or "<ANNOTATION_DOCUMENT" in text[:1000]:
        return "elan"
    if suffix in (".sv", ".svl") or start.startswith("<"):
        return "sonic-layers"
    return _table(text, str(path), suffix)


def _is_lrc_or_section(text: str) -> bool:
    """Return whether brackets at the beginning of a text are a heading's, not JSON's."""
    first = text.lstrip().partition("\n")[0]
    return first.startswith("[") and first.rstrip().endswith("]") and not first.startswith(("[{", "[[", '["', "[]"))


def _json(text: str) -> Format:
    """Return which of the formats it is that are JSON; JAMS if it is none, whose reader says what is wrong with it."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        return "json" if error.msg == "Extra data" else "jams"
    except (ValueError, RecursionError):
        return "jams"
    if not isinstance(content, dict):
        return "json"
    entries = content.get("annotations")
    is_jams = isinstance(entries, list) and not any(
        isinstance(e, dict) and {"result", "start"} & e.keys() for e in entries
    )
    return "jams" if is_jams or "file_metadata" in content else "json"


def _table(text: str, path: str, suffix: str) -> Format:
    """Return which of the formats it is that are tables."""
    raw = numbered(text)
    if raw and markers.is_rx(raw[0][1]):
        return "rx"
    first = _first(text, path, comments=False)
    if reaper.is_header(first):
        return "reaper"
    if markers.is_audition(first):
        return "audition"
    lines = said(text)
    line = lines[0][1] if lines else ""
    fields = _first(text, path, comments=True)
    if any(rttm.is_line(line) for _, line in raw[:100]):
        return "rttm"
    if medleydb.is_activation_conf(fields) or medleydb.is_wide(fields):
        return "activation-conf"
    if [field.lower() for field in fields] == medleydb.SOURCEID_HEADER:
        return "sourceid"
    if sonic_table.is_header(fields) or sonic_table.is_region(fields):
        return "sonic-table"
    if sonic_table.is_values([Row(path, 0, fields)]) and sonic_table.is_values(_all(text, path)):
        return "sonic-table"
    if starts.pairs(text, path):
        return "starts"
    if suffix == ".lab":
        return "lab"
    tabs = line.split("\t")
    if len(tabs) in (2, 3) and is_time(tabs[0].strip()):
        return "audacity"
    blanks = line.split()
    is_one_field = len(fields) == 1 and delimiter_of(lines) == ","
    if is_one_field and len(blanks) >= 3 and (all(map(is_time, blanks[:2])) or all(map(is_time, blanks[1:3]))):
        return "lab"
    return "csv"


def _all(text: str, path: str) -> list[Row]:
    """Return all lines cut into fields; none if one cannot be cut."""
    try:
        return table_of(text, path)
    except InputError:
        return []


def _first(text: str, path: str, comments: bool) -> list[str]:
    """Return the fields of the first line; the whole line where it cannot be cut."""
    lines = said(text) if comments else numbered(text)
    if lines and lines[0][1].strip().strip('"').startswith("sep=") and len(lines) > 1:
        declared, lines = lines[0][1].strip().strip('"')[4:5] or ",", lines[1:]
    else:
        declared = delimiter_of(lines)
    try:
        return next(rows(path, lines[:1], declared)).fields if lines else [""]
    except InputError:
        return [lines[0][1]]


def stem_names(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Return {stem: its instruments} of a METADATA.yaml of MedleyDB.

    Raises:
      InputError: the file cannot be read, or is none.
    """
    return medleydb.stem_names(text_of(path), str(path))


def written_as(path: str | Path) -> Format:
    """Return the format that is written to a file of this name.

    Raises:
      InputError: none is.
    """
    suffix = Path(path).suffix.lower()
    known: dict[str, Format] = {".csv": "csv", ".txt": "audacity", ".jams": "jams"}
    if suffix not in known:
        raise InputError(f"{path}: annotations are written as .csv, .txt (Audacity) or .jams")
    return known[suffix]
