"""Which format a file of an annotation has, and who reads it.

Content decides; the suffix does where content could be either. `content` alone touches the disk. Readers take a file's
text and its path, and raise InputError with `path:line: field …` at what they cannot read.
"""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from ugosa_jax.annotations.formats import (
    audio_editors,
    content,
    jams,
    json_lists,
    medleydb,
    sonic_visualiser,
    speech_tools,
    text_lists,
)
from ugosa_jax.annotations.formats.label import LabelFile, is_time, to_seconds
from ugosa_jax.annotations.formats.table import (
    TableRow,
    content_lines,
    find_delimiter,
    number_lines,
    read_table,
    split_lines,
)
from ugosa_jax.errors import InputError

SUFFIXES = (".csv", ".tsv", ".txt", ".lab", ".jams", ".json", ".svl", ".sv", ".textgrid", ".eaf", ".rttm")
"""What files of annotations end in; only where a whole folder is read does it matter."""
_COPIES = re.compile(
    r"(?:[\s_-]*(?:\([0-9]+\)|copy|kopie|copie|v[0-9]+|final|edit(?:ed)?|labels?|annotations?))+$", re.IGNORECASE
)
_SUFFIXES = re.compile(
    r"(?:\.(?:csv|tsv|txt|lab|jams|json|svl?|textgrid|rttm|eaf|wav|flac|mp3|aiff?|ogg|m4a))+$", re.IGNORECASE
)
# fmt: off
Format = Literal["csv", "audacity", "lab", "starts", "jams", "json", "sonic-table", "sonic-layers", "activation-conf",
                 "sourceid", "reaper", "audition", "rx", "rttm", "textgrid", "elan"]
# fmt: on
FORMATS: tuple[Format, ...] = get_args(Format)
READERS: dict[Format, Callable[[str, str], LabelFile]] = {
    "csv": text_lists.read_csv,
    "audacity": text_lists.read_audacity,
    "lab": text_lists.read_lab,
    "starts": text_lists.read_starts,
    "jams": jams.read_jams,
    "json": json_lists.read_json_lists,
    "sonic-table": sonic_visualiser.read_sonic_table,
    "sonic-layers": sonic_visualiser.read_sonic_layers,
    "activation-conf": medleydb.read_activation_conf,
    "sourceid": medleydb.read_sourceid,
    "reaper": audio_editors.read_reaper,
    "audition": audio_editors.read_audition,
    "rx": audio_editors.read_rx,
    "rttm": speech_tools.read_rttm,
    "textgrid": speech_tools.read_textgrid,
    "elan": speech_tools.read_elan,
}
KNOWN_UNIT = ("sonic-table", "sonic-layers", "activation-conf", "reaper", "audition", "rx", "elan")
"""Formats whose numbers are what they are; those of others could be samples or milliseconds as well as seconds."""


def read(path: str | Path, format: Format | None = None, counted: str | None = None) -> LabelFile:
    """Read what stands in a file.

    Args:
      path: the file.
      format: its format; recognised by content, then by suffix, if not given.
      counted: what its numbers count, see `unit`; seconds, if that is possible, if not given.

    Raises:
      InputError: the file cannot be read, a line of it not be understood, or its numbers not be seconds.
    """
    text = content.read_text(path)
    format = format or recognise(text, path)
    reading = READERS[format](text, str(path))
    if format not in KNOWN_UNIT:
        reading = reading._replace(labels=to_seconds(reading.labels, counted, str(path)))
    elif counted not in (None, "s"):
        what = f"the times of its format ({format}) are what they are; leave it out"
        raise InputError(f"{path}: --unit {counted}: {what}")
    open_ended = [label for label in reading.labels if not math.isfinite(label.end_s)]
    if open_ended:
        last = open_ended[-1]
        how = f"{path}:{last.line}: no end: taken to be the end of the song"
        reading = reading._replace(warnings=(*reading.warnings, how))
    return reading


def read_folder(
    folder: Path, is_wanted: Callable[[Path], bool], format: Format | None = None, counted: str | None = None
) -> LabelFile:
    """Return what stands in all files of a folder.

    A file that cannot be read is left out with a warning if it is not named after a source: lyrics, notes to oneself.
    Hidden files, and those with which an office program locks others, are no one's annotations.

    Raises:
      InputError: there are no files, none can be read, or one of a source cannot.
    """
    content.refuse_suffix(folder)
    visible = (path for path in folder.iterdir() if not path.name.startswith((".", "~")))
    paths = sorted(path for path in visible if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise InputError(f"{folder}: cannot be read (a folder without files of annotations)")
    readings, warnings = [], []
    for path in paths:
        try:
            reading = read(path, format, counted)
        except InputError as error:
            if is_wanted(path) or (path == paths[-1] and not readings):
                raise
            warnings.append(f"{error}; left out: the file is not named after a source")
        else:
            readings.append(reading)
            if not reading.labels and not reading.left_out:
                warnings.append(f"{path}: has no labels: it says nothing")
    return LabelFile(
        [label for reading in readings for label in reading.labels],
        tuple(warnings) + tuple(warning for reading in readings for warning in reading.warnings),
        left_out=tuple(what for reading in readings for what in reading.left_out),
    )


def clean_file_name(path: str) -> str:
    """Return the name of a file without suffixes and without what marks copies and versions."""
    stem = _SUFFIXES.sub("", Path(path).name)
    return _COPIES.sub("", stem) or stem


def recognise(text: str, path: str | Path) -> Format:
    """Return the format of a file."""
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
        parsed = json.loads(text)
    except json.JSONDecodeError as error:
        return "json" if error.msg == "Extra data" else "jams"
    except (ValueError, RecursionError):
        return "jams"
    if not isinstance(parsed, dict):
        return "json"
    entries = parsed.get("annotations")
    is_jams = isinstance(entries, list) and not any(
        isinstance(e, dict) and {"result", "start"} & e.keys() for e in entries
    )
    return "jams" if is_jams or "file_metadata" in parsed else "json"


def _table(text: str, path: str, suffix: str) -> Format:
    """Return which of the formats it is that are tables."""
    raw = number_lines(text)
    if raw and audio_editors.is_rx(raw[0][1]):
        return "rx"
    first = _first(text, path, comments=False)
    if audio_editors.is_reaper(first):
        return "reaper"
    if audio_editors.is_audition(first):
        return "audition"
    lines = content_lines(text)
    line = lines[0][1] if lines else ""
    fields = _first(text, path, comments=True)
    if any(speech_tools.is_rttm_line(line) for _, line in raw[:100]):
        return "rttm"
    if medleydb.is_activation_conf(fields) or medleydb.is_wide(fields):
        return "activation-conf"
    if [field.lower() for field in fields] == medleydb.SOURCEID_HEADER:
        return "sourceid"
    if sonic_visualiser.is_sonic_header(fields) or sonic_visualiser.is_sonic_region(fields):
        return "sonic-table"
    if sonic_visualiser.is_sonic_values([TableRow(path, 0, fields)]) and sonic_visualiser.is_sonic_values(
        _all(text, path)
    ):
        return "sonic-table"
    if text_lists.find_pairs(text, path):
        return "starts"
    if suffix == ".lab":
        return "lab"
    tabs = line.split("\t")
    if (len(tabs) in (2, 3) or (len(tabs) == 4 and not tabs[2].strip())) and is_time(tabs[0].strip()):
        return "audacity"
    blanks = line.split()
    is_one_field = len(fields) == 1 and find_delimiter(lines) == ","
    if is_one_field and len(blanks) >= 3 and (all(map(is_time, blanks[:2])) or all(map(is_time, blanks[1:3]))):
        return "lab"
    return "csv"


def _all(text: str, path: str) -> list[TableRow]:
    """Return all lines cut into fields; none if one cannot be cut."""
    try:
        return read_table(text, path)
    except InputError:
        return []


def _first(text: str, path: str, comments: bool) -> list[str]:
    """Return the fields of the first line; the whole line where it cannot be cut."""
    lines = content_lines(text) if comments else number_lines(text)
    if lines and lines[0][1].strip().strip('"').startswith("sep=") and len(lines) > 1:
        declared, lines = lines[0][1].strip().strip('"')[4:5] or ",", lines[1:]
    else:
        declared = find_delimiter(lines)
    try:
        return next(split_lines(path, lines[:1], declared)).fields if lines else [""]
    except InputError:
        return [lines[0][1]]


def read_stem_names(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Return {stem: its instruments} of a METADATA.yaml of MedleyDB."""
    return medleydb.parse_stem_names(content.read_text(path), str(path))


def choose_format(path: str | Path) -> Format:
    """Return the format that is written to a file of this name; an InputError says which names there are."""
    suffix = Path(path).suffix.lower()
    known: dict[str, Format] = {".csv": "csv", ".txt": "audacity", ".jams": "jams"}
    if suffix not in known:
        raise InputError(f"{path}: annotations are written as .csv, .txt (Audacity) or .jams")
    return known[suffix]
