"""Sonic Visualiser's region layers as it exports them to text: time,value,duration,label.

Format: Sonic Visualiser reference manual, "Annotation Layer Export". The third column is a duration, not an end. A
header is optional since version 4; without one, the file is told from a native table by its times, which always have
a decimal point.
"""

import re

from ugosa_jax.annotations.formats.label import Label, Reading
from ugosa_jax.annotations.formats.rows import Row, is_number, rows, said
from ugosa_jax.errors import InputError

HEADER = ["time", "value", "duration", "label"]


def is_header(fields: list[str]) -> bool:
    """Return whether a table that begins with these fields is an export of regions, in seconds or in frames."""
    return [field.lower() for field in fields] in (HEADER, ["frame", *HEADER[1:]])


def is_region(fields: list[str]) -> bool:
    """Return whether a line without header can only be a region: its start and its duration have decimal points."""
    decimal = re.compile(r"[0-9]+\.[0-9]+")
    return (
        len(fields) == 4
        and decimal.fullmatch(fields[0]) is not None
        and is_number(fields[1])
        and decimal.fullmatch(fields[2]) is not None
    )


def read(text: str, path: str) -> Reading:
    """Read regions.

    Raises:
      InputError: a line is none, or the times are in sample frames.
    """
    lines = said(text)
    table = list(rows(path, lines, "\t" if lines and "\t" in lines[0][1] else ","))
    if table and is_header(table[0].fields):
        if table[0].fields[0].lower() == "frame":
            raise table[0].error("column", table[0].fields[0], "counts sample frames: export times in seconds")
        table = table[1:]
    return Reading([_label(row) for row in table])


def _label(row: Row) -> Label:
    if len(row.fields) not in (3, 4) or not is_number(row.fields[1]):
        raise InputError(f"{row.path}:{row.line}: is not time,value,duration,label, as of a region layer")
    start_s, duration_s = row.seconds("time", 0), row.seconds("duration", 2)
    return Label(start_s, start_s + duration_s, (*row.fields, "")[3], row.path, row.line)
