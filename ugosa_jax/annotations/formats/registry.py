"""The formats of annotation files: their readers, and recognition of the format of a file.

The format follows from the content of a file, and from the suffix if the content fits several formats. Only `content`
reads from the disk. A reader takes the text and the path of a file; its InputErrors begin with `path:line: field`.
"""

import contextlib
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
    split_table,
)
from ugosa_jax.errors import InputError

SUFFIXES = (".csv", ".tsv", ".txt", ".lab", ".jams", ".json", ".svl", ".sv", ".textgrid", ".eaf", ".rttm")
"""Suffixes of the files that are read from a folder."""
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
"""Formats that define the unit of their times; in other formats, times may be seconds, samples or milliseconds."""


def read(path: str | Path, format: Format | None = None, unit: str | None = None) -> LabelFile:
    """Read the labels of a file.

    Args:
      path: the file.
      format: format of the file; by default recognised by content, then by suffix.
      unit: unit of the times, see `label.parse_unit`; by default seconds, if the numbers can be seconds.

    Raises:
      InputError: the file or one of its lines cannot be read, or its numbers cannot be seconds.
    """
    text = content.read_text(path)
    format = format or recognise(text, path)
    reading = READERS[format](text, str(path))
    if format not in KNOWN_UNIT:
        reading = reading._replace(labels=to_seconds(reading.labels, unit, str(path)))
    elif unit not in (None, "s"):
        reason = f"the format {format} defines the unit of its times; omit the option"
        raise InputError(f"{path}: --unit {unit}: {reason}")
    open_ended = [label for label in reading.labels if not math.isfinite(label.end_s)]
    if open_ended:
        last = open_ended[-1]
        how = f"{path}:{last.line}: no end: read as the end of the song"
        reading = reading._replace(warnings=(*reading.warnings, how))
    return reading


def read_folder(
    folder: Path, is_wanted: Callable[[Path], bool], format: Format | None = None, unit: str | None = None
) -> LabelFile:
    """Read the labels of all files in a folder.

    A file that cannot be read is left out with a warning unless it is named after a source. Hidden files and lock files
    of office programs are ignored.

    Args:
      folder: the folder.
      is_wanted: returns whether a file is named after a source.
      format: format of all files; by default recognised for each file.
      unit: unit of the times; see `read`.

    Raises:
      InputError: there are no files, no file can be read, or a file named after a source cannot be read.
    """
    content.refuse_suffix(folder)
    visible = (path for path in folder.iterdir() if not path.name.startswith((".", "~")))
    paths = sorted(path for path in visible if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise InputError(f"{folder}: cannot be read (a folder without files of annotations)")
    readings, warnings = [], []
    for path in paths:
        try:
            reading = read(path, format, unit)
        except InputError as error:
            if is_wanted(path) or (path == paths[-1] and not readings):
                raise
            warnings.append(f"{error}; left out: the file is not named after a source")
        else:
            readings.append(reading)
            if not reading.labels and not reading.left_out:
                warnings.append(f"{path}: has no labels")
    return LabelFile(
        [label for reading in readings for label in reading.labels],
        tuple(warnings) + tuple(warning for reading in readings for warning in reading.warnings),
        left_out=tuple(part for reading in readings for part in reading.left_out),
    )


def clean_file_name(path: str) -> str:
    """Return the name of a file without suffixes and without the marks of copies and versions, such as (1) or _v2."""
    stem = _SUFFIXES.sub("", Path(path).name)
    return _COPIES.sub("", stem) or stem


def recognise(text: str, path: str | Path) -> Format:
    """Return the format of a file."""
    suffix, start = Path(path).suffix.lower(), text.lstrip()[:64]
    if suffix == ".jams":
        return "jams"
    if start.startswith(("{", "[")) and not _begins_with_heading(text):
        return _recognise_json(text)
    if suffix == ".textgrid" or "ooTextFile" in start:
        return "textgrid"
    if suffix == ".eaf" or "<ANNOTATION_DOCUMENT" in text[:1000]:
        return "elan"
    if suffix in (".sv", ".svl") or start.startswith("<"):
        return "sonic-layers"
    return _recognise_table(text, str(path), suffix)


def _begins_with_heading(text: str) -> bool:
    """Return whether a bracket at the beginning of the text is a heading such as [Section], not JSON."""
    first = text.lstrip().partition("\n")[0]
    return first.startswith("[") and first.rstrip().endswith("]") and not first.startswith(("[{", "[[", '["', "[]"))


def _recognise_json(text: str) -> Format:
    """Return the format of a JSON file; "jams" for invalid JSON, because its reader reports the error."""
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


def _recognise_table(text: str, path: str, suffix: str) -> Format:
    """Return the format of a table."""
    raw = number_lines(text)
    if raw and audio_editors.is_rx(raw[0][1]):
        return "rx"
    first = _split_first(text, path, comments=False)
    if audio_editors.is_reaper(first):
        return "reaper"
    if audio_editors.is_audition(first):
        return "audition"
    lines = content_lines(text)
    line = lines[0][1] if lines else ""
    fields = _split_first(text, path)
    if any(speech_tools.is_rttm_line(line) for _, line in raw[:100]):
        return "rttm"
    if medleydb.is_activation_conf(fields) or medleydb.is_wide(fields):
        return "activation-conf"
    if [field.lower() for field in fields] == medleydb.SOURCEID_HEADER:
        return "sourceid"
    if sonic_visualiser.is_sonic_header(fields) or sonic_visualiser.is_sonic_region(fields):
        return "sonic-table"
    if sonic_visualiser.is_sonic_values([TableRow(path, 0, fields)]) and sonic_visualiser.is_sonic_values(
        _split_all(text, path)
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


def _split_all(text: str, path: str) -> list[TableRow]:
    """Return all lines split into fields; an empty list if a line cannot be split."""
    try:
        return read_table(text, path)
    except InputError:
        return []


def _split_first(text: str, path: str, comments: bool = True) -> list[str]:
    """Return the fields of the first line; one empty field if it cannot be split."""
    with contextlib.suppress(InputError):
        return next((row.fields for row in split_table(text, path, comments)), [""])
    return [""]


def read_stem_names(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Return a dict from each stem of MedleyDB's METADATA.yaml to its instruments."""
    return medleydb.parse_stem_names(content.read_text(path), str(path))


def choose_format(path: str | Path) -> Format:
    """Return the format in which a file with this suffix is written; raise InputError for unknown suffixes."""
    suffix = Path(path).suffix.lower()
    known: dict[str, Format] = {".csv": "csv", ".txt": "audacity", ".jams": "jams"}
    if suffix not in known:
        raise InputError(f"{path}: annotations are written as .csv, .txt (Audacity) or .jams")
    return known[suffix]
