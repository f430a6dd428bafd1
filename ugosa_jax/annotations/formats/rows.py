"""Lines of a text file cut into fields."""

import csv
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from ugosa_jax.annotations.formats import clock
from ugosa_jax.annotations.formats.clock import is_number, is_time
from ugosa_jax.annotations.formats.label import is_confidence, shown
from ugosa_jax.errors import InputError

__all__ = ["Row", "delimiter_of", "is_number", "is_time", "numbered", "rows", "said", "table_of", "trimmed"]


class Row(NamedTuple):
    """One line of a file, cut into fields; it makes the errors that point at them."""

    path: str
    line: int
    fields: list[str]

    def error(self, field: str, value: str, problem: str) -> InputError:
        """Return an error that points at a field of this line."""
        return InputError(f"{self.path}:{self.line}: {field} {shown(value)} {problem}")

    def seconds(self, field: str, position: int) -> float:
        """Return a time; its decimal sign may be a comma, and minutes and hours may stand before it.

        Raises:
          InputError: the field is no time, negative or not finite.
        """
        value = self.fields[position]
        number = clock.seconds(value)
        if number is None:
            raise self.error(field, value, "is not a number of seconds, nor a time such as 1:02.5")
        if not 0 <= number < math.inf:
            raise self.error(field, value, "is negative" if number < 0 else "is not finite")
        return number

    def stretch(self, start: int = 0, end: int = 1) -> tuple[float, float]:
        """Return the two times of a stretch, which may be a point, or reach from or to an end of the song.

        Raises:
          InputError: a time cannot be used, or the end is before the start.
        """
        open_start, open_end = not self.fields[start], not self.fields[end]
        start_s = 0.0 if open_start and not open_end else self.seconds("start", start)
        end_s = math.inf if open_end else self.seconds("end", end)
        if end_s < start_s:
            raise self.error("end", self.fields[end], f"is before the start, {start_s:g}")
        return start_s, end_s

    def is_whole(self, position: int) -> bool:
        """Return whether a field is a whole number, or nothing."""
        return re.fullmatch("[0-9]*", self.fields[position]) is not None

    def confidence(self, position: int) -> float | None:
        """Return a confidence; None if there is none, or not a number.

        Raises:
          InputError: the field is no number between 0 and 1.
        """
        value = self.fields[position]
        if value.casefold() in ("", "nan", "none", "null", "n/a", "<na>"):
            return None
        if not is_number(value) or not is_confidence(float(value.replace(",", "."))):
            raise self.error("confidence", value, "is not a number between 0 and 1")
        return float(value.replace(",", "."))


def numbered(text: str) -> list[tuple[int, str]]:
    """Return the lines that are not empty, with their numbers; lines end as on any system."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(n, line) for n, line in enumerate(lines, 1) if not re.match(r"[\s,;]*$", line)]


def said(text: str) -> list[tuple[int, str]]:
    """Return the lines that are neither empty nor comments, with their numbers."""
    return [(n, line) for n, line in numbered(text) if not line.lstrip().startswith("#")]


def rows(path: str, lines: list[tuple[int, str]], delimiter: str, trim: bool = True) -> Iterator[Row]:
    """Yield lines cut into fields, each stripped.

    Raises:
      InputError: a line cannot be cut.
    """
    for number, line in lines:
        try:
            fields = next(csv.reader([line], delimiter=delimiter))
        except csv.Error as error:
            raise InputError(f"{path}:{number}: line cannot be cut into fields ({error})") from error
        fields = [field.strip() for field in fields]
        yield Row(path, number, trimmed(fields) if trim else fields)


def table_of(text: str, path: str, comments: bool = True, trim: bool = True) -> list[Row]:
    """Return all lines of a table cut into fields, whatever stands between them.

    Args:
      text: the file's.
      path: the file, for messages.
      comments: whether lines that begin with # are comments.
      trim: whether empty fields at the end count for nothing.

    Raises:
      InputError: a line cannot be cut.
    """
    lines = said(text) if comments else numbered(text)
    declared = re.fullmatch(r"\"?sep=(.)\"?", lines[0][1].strip()) if lines else None
    if declared:
        return list(rows(path, lines[1:], declared[1], trim))
    return list(rows(path, lines, delimiter_of(lines), trim))


def trimmed(fields: list[str]) -> list[str]:
    """Return fields without the empty ones behind the third, with which a spreadsheet pads lines."""
    while len(fields) > 3 and not fields[-1]:
        fields = fields[:-1]
    return fields


def delimiter_of(lines: list[tuple[int, str]]) -> str:
    """Return what cuts a table's lines into fields: the tab or semicolon of its first line, or else the comma."""
    first = lines[0][1] if lines else ""
    return next((d for d in "\t;" if first.count(d) >= 2 or (d in first and "," not in first)), ",")
