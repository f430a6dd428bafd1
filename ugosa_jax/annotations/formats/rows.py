"""Lines of a text file cut into fields."""

import csv
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from ugosa_jax.annotations.formats.label import is_confidence, shown
from ugosa_jax.errors import InputError

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Row(NamedTuple):
    """One line of a file, cut into fields; it makes the errors that point at them."""

    path: str
    line: int
    fields: list[str]

    def error(self, field: str, value: str, problem: str) -> InputError:
        """Return an error that points at a field of this line."""
        return InputError(f"{self.path}:{self.line}: {field} {shown(value)} {problem}")

    def seconds(self, field: str, position: int) -> float:
        """Return a time; its decimal sign may be a comma.

        Raises:
          InputError: the field is no number, negative or not finite.
        """
        value = self.fields[position]
        if not is_number(value):
            raise self.error(field, value, "is not a number of seconds")
        number = float(value.replace(",", "."))
        if not 0 <= number < math.inf:
            raise self.error(field, value, "is negative" if number < 0 else "is not finite")
        return number

    def stretch(self, start: int = 0, end: int = 1) -> tuple[float, float]:
        """Return the two times of a stretch, which may be a point.

        Raises:
          InputError: a time cannot be used, or the end is before the start.
        """
        start_s, end_s = self.seconds("start", start), self.seconds("end", end)
        if end_s < start_s:
            raise self.error("end", self.fields[end], f"is before the start, {start_s:g}")
        return start_s, end_s

    def confidence(self, position: int) -> float:
        """Return a confidence.

        Raises:
          InputError: the field is no number between 0 and 1.
        """
        value = self.fields[position]
        if not is_number(value) or not is_confidence(float(value.replace(",", "."))):
            raise self.error("confidence", value, "is not a number between 0 and 1")
        return float(value.replace(",", "."))


def is_number(value: str) -> bool:
    """Return whether a field is a decimal number, with a point or a comma; finite or not."""
    return _NUMBER.fullmatch(value.replace(",", ".")) is not None


def numbered(text: str) -> list[tuple[int, str]]:
    """Return the lines that are not empty, with their numbers; lines end as on any system."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(n, line) for n, line in enumerate(lines, 1) if not re.match(r"[\s,;]*$", line)]


def said(text: str) -> list[tuple[int, str]]:
    """Return the lines that are neither empty nor comments, with their numbers."""
    return [(n, line) for n, line in numbered(text) if not line.lstrip().startswith("#")]


def rows(path: str, lines: list[tuple[int, str]], delimiter: str) -> Iterator[Row]:
    """Yield lines cut into fields, each stripped.

    Raises:
      InputError: a line cannot be cut.
    """
    for number, line in lines:
        try:
            fields = next(csv.reader([line], delimiter=delimiter))
        except csv.Error as error:
            raise InputError(f"{path}:{number}: line cannot be cut into fields ({error})") from error
        yield Row(path, number, trimmed([field.strip() for field in fields]))


def trimmed(fields: list[str]) -> list[str]:
    """Return fields without the empty ones behind the third, with which a spreadsheet pads lines."""
    while len(fields) > 3 and not fields[-1]:
        fields = fields[:-1]
    return fields


def delimiter_of(lines: list[tuple[int, str]]) -> str:
    """Return what cuts a table's lines into fields: the tab or semicolon of its first line, or else the comma."""
    return next((d for d in "\t;" if lines and lines[0][1].count(d) >= 2), ",")
