"""Markers of Adobe Audition and of iZotope RX, as they export them.

Format: files that they write. Audition has a header and tabs: Name, Start, Duration, Time Format, Type, Description.
RX has two lines, `Marker file version: 1` and `Time format: Time`, then name, start and, of a region, end between tabs.
"""

from ugosa_jax.annotations.formats.label import Label, Reading
from ugosa_jax.annotations.formats.rows import Row, numbered, rows, table_of
from ugosa_jax.errors import InputError

AUDITION_HEADER = ["name", "start", "duration", "time format"]


def is_audition(fields: list[str]) -> bool:
    """Return whether a table that begins with these fields is an export of Audition's."""
    return [field.casefold() for field in fields[:4]] == AUDITION_HEADER


def is_rx(line: str) -> bool:
    """Return whether a file that begins with this line is an export of RX's."""
    return line.casefold().startswith("marker file version")


def read_audition(text: str, path: str) -> Reading:
    """Read ranges; markers without a duration are points.

    Raises:
      InputError: the header is another one, or a time is in another format than decimal.
    """
    table = table_of(text, path, comments=False)
    if not table or not is_audition(table[0].fields):
        raise InputError(f"{path}: does not begin with Name, Start, Duration, Time Format")
    return Reading([_range(row) for row in table[1:]])


def _range(row: Row) -> Label:
    if len(row.fields) < 3:
        raise InputError(
            f"{row.path}:{row.line}: fields: {len(row.fields)} instead of Name, Start, Duration, Time Format"
        )
    unit = row.fields[3] if len(row.fields) > 3 else "decimal"
    if unit.casefold() != "decimal":
        raise row.error(
            "time format", unit, "is not decimal: set the time display to Decimal (mm:ss.ddd) and export again"
        )
    start_s = row.seconds("start", 1)
    return Label(start_s, start_s + row.seconds("duration", 2), row.fields[0], row.path, row.line)


def read_rx(text: str, path: str) -> Reading:
    """Read regions; markers without an end are points.

    Raises:
      InputError: the times are not clock times, or a line is none.
    """
    lines = numbered(text)
    header = [line for _, line in lines[:2]]
    if not header or not is_rx(header[0]):
        raise InputError(f"{path}: does not begin with Marker file version")
    unit = header[1].partition(":")[2].strip() if len(header) > 1 else "Time"
    if unit.casefold() != "time":
        raise InputError(
            f"{path}:2: time format {unit[:40]!r} is not Time: set the ruler to Time in RX and export again"
        )
    return Reading([_region(row) for row in rows(path, lines[2:], "\t")])


def _region(row: Row) -> Label:
    if len(row.fields) < 2:
        raise InputError(f"{row.path}:{row.line}: fields: {len(row.fields)} instead of name, start and end")
    start_s = row.seconds("start", 1)
    end_s = row.seconds("end", 2) if len(row.fields) > 2 and row.fields[2] else start_s
    if end_s < start_s:
        raise row.error("end", row.fields[2], f"is before the start, {row.fields[1]}")
    return Label(start_s, end_s, row.fields[0], row.path, row.line)
