"""Readers of regions and markers that audio editors export as tables: REAPER, Adobe Audition, iZotope RX.

REAPER's Region/Marker Manager writes #,Name,Start,End,Length in the units of the ruler. Bars and samples cannot be
read, because the file states neither tempo nor sample rate. Audition writes a table, separated by tabs, with the header
Name, Start, Duration, Time Format. RX writes the lines `Marker file version: 1` and `Time format: Time`, followed by
lines with name, start and, for a region, end.
"""

import math
import re

from ugosa_jax.annotations.formats.label import Label, LabelFile, parse_time
from ugosa_jax.annotations.formats.table import TableRow, drop_empty, number_lines, read_table, split_lines
from ugosa_jax.errors import InputError

FRAMES_HZ = 30
"""Default frame rate of REAPER's projects."""
_FIX = "set the ruler to Seconds or Minutes:Seconds in REAPER and export again"


def is_reaper(fields: list[str]) -> bool:
    """Return whether the fields in the first line of a file are those of an export from REAPER."""
    return [field.casefold() for field in fields[:4]] == ["#", "name", "start", "end"]


def read_reaper(text: str, path: str) -> LabelFile:
    """Read regions; markers are points."""
    table = read_table(text, path, comments=False, trim=False)
    if not table or not is_reaper(table[0].fields):
        raise InputError(f"{path}: does not begin with #,Name,Start,End")
    body = [_join_name(row, len(table[0].fields)) for row in table[1:]]
    labels = [_parse_reaper(row) for row in body]
    frames = next((row for row in body if any(field.count(":") == 3 for field in row.fields[2:4])), None)
    if frames is None:
        return LabelFile(labels)
    how = f"{path}:{frames.line}: times in frames: read as {FRAMES_HZ} frames per second; if wrong, export in seconds"
    return LabelFile(labels, (how,))


def _join_name(row: TableRow, n_columns: int) -> TableRow:
    """Return a line with the name in one field; REAPER writes names with commas without quotes."""
    fields, more = row.fields, len(row.fields) - n_columns
    if more > 0:
        fields = [fields[0], ", ".join(fields[1 : 2 + more]), *fields[2 + more :]]
    return row._replace(fields=drop_empty(fields))


def _parse_reaper(row: TableRow) -> Label:
    row.check_width(range(3, 99), "#,Name,Start,End")
    start_s = _parse_ruler_time(row, "start", row.fields[2])
    end = (*row.fields, "")[3]
    if not end and not row.fields[0].upper().startswith("M"):
        raise row.make_error("end", end, "is missing")
    end_s = _parse_ruler_time(row, "end", end) if end else start_s
    if end_s < start_s:
        raise row.make_error("end", end, f"is before the start, {row.fields[2]}")
    return Label(start_s, end_s, row.fields[1], row.path, row.line)


def _parse_ruler_time(row: TableRow, field: str, value: str) -> float:
    """Parse a time in one of the units of REAPER's ruler, and return it in seconds."""
    value = value.replace(",", ".")  # a spreadsheet may have saved the file
    if re.fullmatch(r"-?[0-9]+\.[0-9]+\.[0-9]+", value):
        raise row.make_error(field, value, f"is in bars and beats: {_FIX}")
    if re.fullmatch(r"[0-9]+", value):
        raise row.make_error(field, value, f"is a whole number, which may be samples or frames: {_FIX}")
    frames = re.fullmatch(r"([0-9]{1,6}:[0-5][0-9]:[0-5][0-9]):([0-9]{2}(?:\.[0-9]+)?)", value)
    if frames and float(frames[2]) >= FRAMES_HZ:
        raise row.make_error(field, value, f"counts more than {FRAMES_HZ} frames per second: {_FIX}")
    time_s = parse_time(frames[1] if frames else value)
    if time_s is None or not 0 <= time_s < math.inf:
        raise row.make_error(field, value, "is not a time such as 62.5, 1:02.500 or 0:01:02:15")
    return time_s + (float(frames[2]) / FRAMES_HZ if frames else 0.0)


AUDITION_HEADER = ["name", "start", "duration", "time format"]


def is_audition(fields: list[str]) -> bool:
    """Return whether the fields in the first line of a table are those of an export from Audition."""
    return [field.casefold() for field in fields[:4]] == AUDITION_HEADER


def is_rx(line: str) -> bool:
    """Return whether the first line of a file is that of an export from RX."""
    return line.casefold().startswith("marker file version")


def read_audition(text: str, path: str) -> LabelFile:
    """Read ranges; markers without a duration are points."""
    table = read_table(text, path, comments=False)
    if not table or not is_audition(table[0].fields):
        raise InputError(f"{path}: does not begin with Name, Start, Duration, Time Format")
    return LabelFile([_parse_range(row) for row in table[1:]])


def _parse_range(row: TableRow) -> Label:
    row.check_width(range(3, 99), "Name, Start, Duration, Time Format")
    unit = (*row.fields, "decimal")[3]
    if unit.casefold() != "decimal":
        how = "is not decimal: set the time display to Decimal (mm:ss.ddd) and export again"
        raise row.make_error("time format", unit, how)
    start_s = row.parse_seconds("start", 1)
    return Label(start_s, start_s + row.parse_seconds("duration", 2), row.fields[0], row.path, row.line)


def read_rx(text: str, path: str) -> LabelFile:
    """Read regions; markers without an end are points."""
    lines = number_lines(text)
    header = [line for _, line in lines[:2]]
    if not header or not is_rx(header[0]):
        raise InputError(f"{path}: does not begin with Marker file version")
    unit = header[1].partition(":")[2].strip() if len(header) > 1 else "Time"
    if unit.casefold() != "time":
        what = "is not Time: set the ruler to Time in RX and export again"
        raise InputError(f"{path}:2: time format {unit[:40]!r} {what}")
    return LabelFile([_parse_region(row) for row in split_lines(path, lines[2:], "\t")])


def _parse_region(row: TableRow) -> Label:
    row.check_width(range(2, 99), "name, start and end")
    return row.make_label(row.fields[0], 1, 2) if (*row.fields, "")[2] else row.make_point(row.fields[0], 1)
