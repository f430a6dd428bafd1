"""Annotations as people write them: which format a file has, and what stands in it.

Each module reads one tool's files: a pure function from text to labels. `text` alone touches the disk.
"""

import csv
from pathlib import Path
from typing import Literal, get_args

from ugosa_jax.annotations.formats import (
    audacity,
    jams,
    lab,
    medleydb,
    native,
    reaper,
    sonic_layers,
    sonic_table,
    textgrid,
)
from ugosa_jax.annotations.formats.label import Reading
from ugosa_jax.annotations.formats.rows import delimiter_of, is_number, said
from ugosa_jax.annotations.formats.text import text_of
from ugosa_jax.errors import InputError

Format = Literal[
    "csv",
    "audacity",
    "lab",
    "jams",
    "sonic-table",
    "sonic-layers",
    "activation-conf",
    "sourceid",
    "reaper",
    "textgrid",
]

FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES = (".csv", ".tsv", ".txt", ".lab", ".jams", ".svl", ".sv", ".textgrid")
"""What files of annotations end in; only where a whole folder is read does it matter."""

_READERS = {
    "csv": native.read,
    "audacity": audacity.read,
    "lab": lab.read,
    "jams": jams.read,
    "sonic-table": sonic_table.read,
    "sonic-layers": sonic_layers.read,
    "activation-conf": medleydb.read_activation_conf,
    "sourceid": medleydb.read_sourceid,
    "reaper": reaper.read,
    "textgrid": textgrid.read,
}


def read(path: str | Path, format: Format | None = None) -> Reading:
    """Read what stands in a file.

    Args:
      path: the file.
      format: its format; recognised by content, then by suffix, if not given.

    Raises:
      InputError: the file cannot be read, or a line of it not be understood.
    """
    text = text_of(path)
    return _READERS[format or recognised(text, path)](text, str(path))


def recognised(text: str, path: str | Path) -> Format:
    """Return the format of a file. Content decides; the suffix does where content could be either.

    Raises:
      InputError: the first line cannot be cut into fields.
    """
    suffix, start = Path(path).suffix.lower(), text.lstrip()[:64]
    if suffix == ".jams" or start.startswith("{"):
        return "jams"
    if suffix == ".textgrid" or "ooTextFile" in start:
        return "textgrid"
    if suffix in (".sv", ".svl") or start.startswith(("<?xml", "<!DOCTYPE", "<sv")):
        return "sonic-layers"
    return _table(text, str(path), suffix)


def _table(text: str, path: str, suffix: str) -> Format:
    """Return which of the formats it is that are tables."""
    if reaper.is_header(_fields(text.lstrip().partition("\n")[0])):
        return "reaper"
    lines = said(text)
    first = lines[0][1] if lines else ""
    by_commas = _fields(first)
    if medleydb.is_activation_conf(by_commas):
        return "activation-conf"
    if [field.lower() for field in by_commas] == medleydb.SOURCEID_HEADER:
        return "sourceid"
    tabs = first.split("\t")
    if any(sonic_table.is_header(fields) or sonic_table.is_region(fields) for fields in (by_commas, tabs)):
        return "sonic-table"
    if suffix == ".lab":
        return "lab"
    if len(tabs) in (2, 3) and is_number(tabs[0].strip()):
        return "audacity"
    blanks = first.split()
    if len(by_commas) == 1 and delimiter_of(lines) == "," and len(blanks) >= 3 and all(map(is_number, blanks[:2])):
        return "lab"
    return "csv"


def _fields(line: str) -> list[str]:
    """Return a line's fields between commas; the whole line where it cannot be cut."""
    try:
        return [field.strip() for field in next(csv.reader([line]), [""])]
    except csv.Error:
        return [line]


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
