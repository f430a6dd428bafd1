"""Splitting of tables into lines and fields, and the meaning of column headers."""

import csv
import math
import re
import unicodedata
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

from ugosa_jax.annotations.formats.label import Label, is_number, parse_time, quote
from ugosa_jax.annotations.vocabulary import VOCABULARY, split_names
from ugosa_jax.errors import InputError

BEFORE_S = 0.5
"""Largest time by which a label may begin before the song, as some editors allow; the excess is cut off."""
SLIP_S = 0.05
"""Largest time by which an end may precede its start, as rounding in a last label may cause; the label is a point."""


class TableRow(NamedTuple):
    """One line of a file, split into fields."""

    path: str
    line: int
    fields: list[str]

    def make_error(self, field: str, value: str, problem: str) -> InputError:
        """Return the error for a field of this line."""
        return InputError(f"{self.path}:{self.line}: {field} {quote(value)} {problem}")

    def check_width(self, allowed: Container[int], columns: str) -> None:
        """Raise InputError if the line has another number of fields."""
        if len(self.fields) not in allowed:
            raise InputError(f"{self.path}:{self.line}: fields: {len(self.fields)} instead of {columns}")

    def parse_seconds(self, field: str, position: int) -> float:
        """Return a time in seconds; see `parse_time` for its forms."""
        value = self.fields[position]
        number = parse_time(value)
        if number is None:
            raise self.make_error(field, value, "is not a number of seconds, nor a time such as 1:02.5")
        if not 0 <= number < math.inf:
            raise self.make_error(field, value, "is negative" if number < 0 else "is not finite")
        return number

    def parse_stretch(self, start: int = 0, end: int = 1) -> tuple[float, float]:
        """Return start and end; an empty field stands for the start or the end of the song."""
        open_start, open_end = not self.fields[start], not self.fields[end]
        first_s = parse_time(self.fields[start]) or 0.0
        is_cut = -BEFORE_S <= first_s < 0
        start_s = 0.0 if is_cut or (open_start and not open_end) else self.parse_seconds("start", start)
        end_s = math.inf if open_end else self.parse_seconds("end", end)
        if end_s < start_s - SLIP_S:
            raise self.make_error("end", self.fields[end], f"is before the start, {start_s:g}")
        return start_s, max(start_s, end_s)

    def make_label(self, text: str, start: int = 0, end: int = 1, state: str | None = None) -> Label:
        """Return a label with a start and an end."""
        whole = self.is_whole(start) and self.is_whole(end)
        return Label(*self.parse_stretch(start, end), text, self.path, self.line, state, whole=whole)

    def make_point(self, text: str, position: int) -> Label:
        """Return a label without length."""
        time_s = self.parse_seconds("start", position)
        return Label(time_s, time_s, text, self.path, self.line)

    def is_whole(self, position: int) -> bool:
        """Return whether a field is a whole number or empty."""
        return re.fullmatch("[0-9]*", self.fields[position]) is not None

    def parse_confidence(self, position: int) -> float | None:
        """Return a confidence; None if the field is empty, NaN or the like."""
        value = self.fields[position]
        if value.casefold() in ("", "nan", "none", "null", "n/a", "<na>"):
            return None
        if not is_number(value) or not 0 <= float(value.replace(",", ".")) <= 1:
            raise self.make_error("confidence", value, "is not a number between 0 and 1")
        return float(value.replace(",", "."))


def number_lines(text: str) -> list[tuple[int, str]]:
    """Return the numbered lines of a text that are not empty, with line ends of any system."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(n, line) for n, line in enumerate(lines, 1) if not re.match(r"[\s,;]*$", line)]


def content_lines(text: str) -> list[tuple[int, str]]:
    """Return the numbered lines of a text that are neither empty nor comments."""
    return [(n, line) for n, line in number_lines(text) if not line.lstrip().startswith("#")]


def split_lines(path: str, lines: list[tuple[int, str]], delimiter: str, trim: bool = True) -> Iterator[TableRow]:
    """Yield lines split into stripped fields."""
    for number, line in lines:
        try:
            fields = next(csv.reader([line], delimiter=delimiter))
        except csv.Error as error:
            raise InputError(f"{path}:{number}: line cannot be split into fields ({error})") from error
        fields = [field.strip() for field in fields]
        yield TableRow(path, number, drop_empty(fields) if trim else fields)


def read_table(text: str, path: str, comments: bool = True, trim: bool = True) -> list[TableRow]:
    """Return all lines of a table, split at its delimiter.

    Args:
      text: content of the file.
      path: the file, for messages.
      comments: whether lines that begin with # are comments.
      trim: whether to drop empty fields at the end.
    """
    return list(split_table(text, path, comments, trim))


def split_table(text: str, path: str, comments: bool = True, trim: bool = True) -> Iterator[TableRow]:
    """Yield the lines of a table one by one; see `read_table`."""
    lines = content_lines(text) if comments else number_lines(text)
    declared = re.fullmatch(r"\"?sep=(.)\"?", lines[0][1].strip()) if lines else None
    if declared:
        return split_lines(path, lines[1:], declared[1], trim)
    return split_lines(path, lines, find_delimiter(lines), trim)


def drop_empty(fields: list[str]) -> list[str]:
    """Return fields without empty ones at the end, after the third; spreadsheets pad lines with them."""
    while len(fields) > 3 and not fields[-1]:
        fields = fields[:-1]
    return fields


def find_delimiter(lines: list[tuple[int, str]]) -> str:
    """Return the delimiter of a table: the tab or the semicolon in its first line, or else the comma."""
    first = lines[0][1] if lines else ""
    return next((d for d in "\t;" if first.count(d) >= 2 or (d in first and "," not in first)), ",")


def fold_header(field: str) -> str:
    """Return a header in lower case, without accents, with blanks instead of punctuation."""
    plain = unicodedata.normalize("NFD", field.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^\w]+|_", " ", plain).split())


COLUMNS = {role: [fold_header(name) for name in split_names(called)] for role, called in VOCABULARY["columns"].items()}
"""The names of each role of a column; earlier names take precedence."""
_MS = " (?:ms|msec|millis|milliseconds|millisekunden)"
_CLOCK = " (?:hh mm )?ss(?: ms| msec| f+)?"
"""Units in ELAN's headers of columns with hours, minutes and seconds, or with seconds."""


def find_columns(header: Sequence[str]) -> dict[str, int]:
    """Return the position of each known role; an empty dict if there is no start, or neither an end nor a duration."""
    positions = {
        _drop_unit(field): n for n, field in reversed(list(enumerate(header)))
    }  # the first of equal names wins
    found = {
        role: next(positions[name] for name in called if name in positions)
        for role, called in COLUMNS.items()
        if not positions.keys().isdisjoint(called)
    }
    return found if "start" in found and ("end" in found or "duration" in found) else {}


def is_known_column(field: str, *roles: str) -> bool:
    """Return whether a header names a column with one of these roles; with any role if none is given."""
    return any(_drop_unit(field) in COLUMNS[role] for role in roles or COLUMNS)


def find_unit_s(field: str) -> float:
    """Return the length in seconds of the unit in a header: 0.001 for milliseconds, else 1."""
    name = fold_header(field)
    return 1e-3 if re.search(f"{_MS}$", name) and not re.search(f"{_CLOCK}$", name) else 1.0


def _drop_unit(field: str) -> str:
    """Return a folded header without the unit at its end."""
    return re.sub(rf"(?<=\w)(?:{_CLOCK}| (?:s|sec|secs|seconds|sekunden)|{_MS})$", "", fold_header(field))
