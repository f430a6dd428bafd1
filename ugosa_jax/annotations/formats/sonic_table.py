"""Sonic Visualiser's layers of regions, notes and boxes as it exports them to text: time,value,duration,label.

Format: Sonic Visualiser reference manual, "Annotation Layer Export". The third column is a duration, not an end; notes
have a level before the label, boxes begin with start and end. Times and values without a duration are refused. A header
is optional since version 4; without one, the file is told from a native table by its times, which always have a decimal
point.
"""

import re

from ugosa_jax.annotations.formats.label import Label, Reading
from ugosa_jax.annotations.formats.rows import Row, is_number, table_of
from ugosa_jax.errors import InputError

HEADER = ["time", "value", "duration", "label"]
NOTES = ["time", "value", "duration", "level", "label"]
BOXES = ["start", "end", "extent start", "extent end", "label"]
NO_DURATIONS = (["time", "value", "label"], ["time", "height", "label"])
_NO_DURATIONS = (
    "is a layer of times and values of Sonic Visualiser's, which does not say until when: mark regions in a Regions "
    "layer and export that (Layer > Add New Regions Layer)"
)
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
_NINE = re.compile(r"[0-9]+\.[0-9]{9}")


def is_header(fields: list[str]) -> bool:
    """Return whether a table that begins with these fields is an export of a layer, in seconds or in frames."""
    names = [field.lower().replace("frame", "") for field in fields]
    seconds = [[name.replace("time", "") for name in header] for header in (HEADER, NOTES, BOXES, *NO_DURATIONS)]
    return len(fields) > 1 and [name.replace("time", "") for name in names] in seconds


def is_region(fields: list[str]) -> bool:
    """Return whether a line without header can only be a region or a note: start and duration have decimal points."""
    return (
        len(fields) in (4, 5)
        and _DECIMAL.fullmatch(fields[0]) is not None
        and is_number(fields[1])
        and _DECIMAL.fullmatch(fields[2]) is not None
        and (len(fields) == 4 or is_number(fields[3]))
    )


def is_values(table: list[Row]) -> bool:
    """Return whether lines without header are times and values: only the first number has nine decimals."""
    return all(
        len(row.fields) in (2, 3)
        and _NINE.fullmatch(row.fields[0]) is not None
        and is_number(row.fields[1])
        and _NINE.fullmatch(row.fields[1]) is None
        for row in table
    )


def read(text: str, path: str) -> Reading:
    """Read regions.

    Raises:
      InputError: a line is none, or the times are in sample frames.
    """
    table = table_of(text, path)
    header = HEADER
    if table and is_header(table[0].fields):
        if "frame" in table[0].fields[0].lower():
            raise table[0].error("column", table[0].fields[0], "counts sample frames: export times in seconds")
        header = [field.lower() for field in table[0].fields]
        table = table[1:]
    if header in NO_DURATIONS:
        raise InputError(f"{path}: {_NO_DURATIONS}")
    if table and header == HEADER and is_values(table):
        raise InputError(f"{path}: {_NO_DURATIONS}")
    if header == BOXES:
        return Reading([_box(row) for row in table])
    return Reading([_label(row) for row in table])


def _box(row: Row) -> Label:
    if len(row.fields) not in (4, 5):
        raise InputError(f"{row.path}:{row.line}: is not {','.join(BOXES)}, as of a box layer")
    return Label(*row.stretch(), (*row.fields, "")[4], row.path, row.line)


def _label(row: Row) -> Label:
    if len(row.fields) == 5 and is_number(row.fields[3]):  # a note, which has a level before its label
        row = row._replace(fields=[*row.fields[:3], row.fields[4]])
    if len(row.fields) not in (3, 4) or not is_number(row.fields[1]):
        raise InputError(f"{row.path}:{row.line}: is not time,value,duration,label, as of a region layer")
    start_s, duration_s = row.seconds("time", 0), row.seconds("duration", 2)
    return Label(start_s, start_s + duration_s, (*row.fields, "")[3], row.path, row.line)
