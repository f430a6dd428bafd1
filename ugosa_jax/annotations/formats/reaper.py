"""REAPER's regions, as its Region/Marker Manager exports them: #,Name,Start,End,Length in the ruler's units.

Seconds, minutes:seconds, hours:minutes:seconds and hours:minutes:seconds:frames are read. Bars and samples are not:
a file does not tell the tempo or the rate.
"""

import re

from ugosa_jax.annotations.formats.label import Label, Reading
from ugosa_jax.annotations.formats.rows import Row, table_of, trimmed
from ugosa_jax.errors import InputError

FRAMES_HZ = 30
"""REAPER's frame rate unless a project sets another."""
_FIX = "set the ruler to Seconds or Minutes:Seconds in REAPER and export again"


def is_header(fields: list[str]) -> bool:
    """Return whether a file that begins with these fields is an export of REAPER's."""
    return [field.casefold() for field in fields[:4]] == ["#", "name", "start", "end"]


def read(text: str, path: str) -> Reading:
    """Read regions; markers are points.

    Raises:
      InputError: the header is another one, a time cannot be read, or is in units that cannot be converted.
    """
    table = table_of(text, path, comments=False, trim=False)
    if not table or not is_header(table[0].fields):
        raise InputError(f"{path}: does not begin with #,Name,Start,End")
    body = [_joined(row, len(table[0].fields)) for row in table[1:]]
    labels = [_label(row) for row in body]
    frames = next((row for row in body if any(field.count(":") == 3 for field in row.fields[2:4])), None)
    if frames is None:
        return Reading(labels)
    how = f"{path}:{frames.line}: times in frames: taken as {FRAMES_HZ} a second; export in seconds if they are not"
    return Reading(labels, (how,))


def _joined(row: Row, n_columns: int) -> Row:
    """Return a line whose name holds commas, which REAPER writes without quotes, with the name in one field."""
    more = len(row.fields) - n_columns
    if more <= 0:
        return row._replace(fields=trimmed(row.fields))
    return row._replace(fields=trimmed([row.fields[0], ", ".join(row.fields[1 : 2 + more]), *row.fields[2 + more :]]))


def _label(row: Row) -> Label:
    if len(row.fields) < 3:
        raise InputError(f"{row.path}:{row.line}: fields: {len(row.fields)} instead of #,Name,Start,End")
    start_s = _seconds(row, "start", row.fields[2])
    end = row.fields[3] if len(row.fields) > 3 else ""
    is_marker = row.fields[0].upper().startswith("M")
    if not end and not is_marker:
        raise row.error("end", end, "is missing")
    end_s = _seconds(row, "end", end) if end else start_s
    if end_s < start_s:
        raise row.error("end", end, f"is before the start, {row.fields[2]}")
    return Label(start_s, end_s, row.fields[1], row.path, row.line)


def _seconds(row: Row, field: str, value: str) -> float:
    """Return a time in seconds, whichever unit the ruler had."""
    value = value.replace(",", ".")  # of a spreadsheet that saved it
    if re.fullmatch(r"-?[0-9]+\.[0-9]+\.[0-9]+", value):
        raise row.error(field, value, f"is in bars and beats: {_FIX}")
    if re.fullmatch(r"[0-9]+", value):
        raise row.error(field, value, f"is a whole number, as of samples or frames: {_FIX}")
    if re.fullmatch(r"[0-9]{1,9}\.[0-9]+", value):
        return float(value)
    clock = re.fullmatch(r"(?:([0-9]{1,6}):)?([0-9]{1,6}):([0-9]{2}(?:\.[0-9]+)?)", value)
    if clock and float(clock[3]) < 60 and (clock[1] is None or int(clock[2]) < 60):
        return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3])
    frames = re.fullmatch(r"([0-9]{1,6}):([0-5][0-9]):([0-5][0-9]):([0-9]{2}(?:\.[0-9]+)?)", value)
    if frames and float(frames[4]) < FRAMES_HZ:
        return int(frames[1]) * 3600 + int(frames[2]) * 60 + int(frames[3]) + float(frames[4]) / FRAMES_HZ
    if frames:
        raise row.error(field, value, f"counts more than {FRAMES_HZ} frames a second: {_FIX}")
    raise row.error(field, value, "is no time such as 62.5, 1:02.500 or 0:01:02:15")
