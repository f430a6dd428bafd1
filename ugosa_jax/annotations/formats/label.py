"""Labels as written in a file, with times and text; `annotations.statements` interprets the text.

Times are seconds, or hours, minutes and seconds separated by colons. If plain numbers are too large for seconds, the
user has to specify their unit.
"""

import dataclasses
import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ugosa_jax.annotations.interval import Outside
from ugosa_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Label:
    """A label. It is a point if its end equals its start; an infinite end stands for the end of the song."""

    start_s: float
    end_s: float
    text: str
    """Text of the label: the name of a source or an instrument, a state, or a name followed by a state."""
    path: str
    line: int | str
    """Line of the file; in JSON, the path of the entry, such as annotations[0].data[3]."""
    state: str | None = None
    """State as written in a separate column; None if there is no such column."""
    confidence: float | None = None
    """Confidence of the annotator, in [0, 1]; None if the file does not state it."""
    container: str = ""
    """Name of the tier or layer that contains the label; empty if there is none."""
    own_words: bool = False
    """Whether labels in a tier that is named after a source may be any words, such as lyrics."""
    span_s: tuple[float, float] | None = None
    """Start and end of the annotated time span; None if the file does not state it."""
    perhaps_sections: bool = False
    """Whether the container holds sections of the song (verse, chorus) if none of its labels names a source."""
    beside: str = ""
    """If the text is empty: the names of columns that were not read, for the error about the missing source."""
    whole: bool = False
    """Whether the times are whole numbers, which may be samples or milliseconds."""

    def make_error(self, field: str, value: str, problem: str) -> InputError:
        """Return the error for a field of this label."""
        return InputError(f"{self.path}:{self.line}: {field} {quote(value)} {problem}")


class LabelFile(NamedTuple):
    """Labels of a file, or of all files of a folder."""

    labels: list[Label]
    warnings: tuple[str, ...] = ()
    """One line, which begins with file and line, for each label that was left out."""
    outside: Outside | None = None
    """State of sources outside of their labels; None if the file does not specify it."""
    open_sources: tuple[str, ...] = ()
    """Sources that are unknown outside of their labels even if `outside` is silent."""
    left_out: tuple[str, ...] = ()
    """Parts of the file without usable labels, for the error if nothing else is left."""


def quote(value: str) -> str:
    """Return a string in quotes, shortened for use in messages."""
    return repr(value if len(value) <= 40 else value[:40] + "…")


def quote_first(texts: Iterable[str]) -> str:
    """Return the first three different, non-empty strings in quotes, and an ellipsis if there are more."""
    different = [text for text in dict.fromkeys(texts) if text]
    return ", ".join(map(quote, different[:3])) + (" …" if len(different) > 3 else "")


def refuse_several(path: str, recordings: Iterable[str]) -> None:
    """Raise InputError if a file holds the labels of several recordings."""
    names = set(recordings := list(recordings)) - {""}
    if len(names) > 1:
        raise InputError(f"{path}: holds {len(names)} recordings ({quote_first(recordings)}): keep the labels of one")


def check_stretch(where: str, start_s: float, end_s: float) -> tuple[float, float]:
    """Return the start and the end of a label; raise InputError if they are invalid."""
    if not is_stretch(start_s, end_s):
        raise InputError(f"{where}: from {start_s:g} to {end_s:g} s is not a valid time span")
    return start_s, end_s


def is_stretch(start_s: float, end_s: float) -> bool:
    """Return whether two times can be the start and the end of a label."""
    return 0 <= start_s <= end_s < math.inf


_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_CLOCK = re.compile(r"(?:([0-9]{1,6}):)?([0-9]{1,6}):([0-9]{1,2}(?:\.[0-9]*)?)")


def is_number(value: str) -> bool:
    """Return whether a field is a decimal number, with a point or a comma."""
    return _NUMBER.fullmatch(value.replace(",", ".")) is not None


def is_time(value: str) -> bool:
    """Return whether a field is a time; see `parse_time`."""
    return parse_time(value) is not None


def parse_time(value: str) -> float | None:
    """Parse a time such as 62.5, 62,5 s, 1:02.5 or 0:01:02.5 into seconds; return None for other strings."""
    plain = value.replace(",", ".")
    if _NUMBER.fullmatch(plain):
        return float(plain)
    plain = re.sub(r"\s*s(?:ec)?$", "", plain)
    if _NUMBER.fullmatch(plain):
        return float(plain)
    clock = _CLOCK.fullmatch(plain)
    if clock is None or float(clock[3]) >= 60 or (clock[1] is not None and int(clock[2]) >= 60):
        return None
    return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3])


UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "100ns": 1e-7}
HOURS = 2
"""Whole numbers above this number of hours are most likely not seconds."""
DAY_S = 86_400.0
"""Longer than any song: larger numbers cannot be seconds."""


class UnknownUnit(InputError):
    """The times of an annotation cannot be seconds."""


def to_seconds(labels: Sequence[Label], unit: str | None, path: str) -> list[Label]:
    """Convert the times of labels to seconds.

    Args:
      labels: labels of a format that does not define a unit.
      unit: see `parse_unit`; None for seconds, if the numbers can be seconds.
      path: the file, for messages.

    Raises:
      UnknownUnit: no unit is given, and the numbers cannot be seconds.
    """
    if unit is not None:
        length_s = parse_unit(unit)
        return [_scale(label, length_s) for label in labels] if length_s != 1 else list(labels)
    finite = [label for label in labels if math.isfinite(label.end_s)]
    last = max(finite, key=lambda label: label.end_s, default=None)
    if last is None:
        return list(labels)
    whole = all(label.whole for label in labels)
    if last.end_s > DAY_S or (whole and last.end_s > HOURS * 3600):
        kind = "whole numbers" if whole else "numbers"
        raise UnknownUnit(
            f"{path}:{last.line}: end {last.end_s:.12g}: {kind} up to {last.end_s / 3600:.3g} hours, if seconds;"
            " give their unit: --unit ms, --unit 44100 (samples per second), --unit 100ns (HTK) or --unit s"
        )
    return list(labels)


def parse_unit(unit: str) -> float:
    """Return the length in seconds of a unit: s, ms, us, 100ns, or a number of samples per second."""
    if unit in UNITS:
        return UNITS[unit]
    if unit.isascii() and unit.isdigit() and len(unit) < 8 and int(unit) > 1:
        return 1 / int(unit)
    raise InputError(f"unit must be {', '.join(UNITS)} or a number of samples per second such as 44100, not {unit!r}")


def _scale(label: Label, length_s: float) -> Label:
    rate = round(1 / length_s)  # x / 1000 is exact more often than x * 0.001
    span_s = None if label.span_s is None else (label.span_s[0] / rate, label.span_s[1] / rate)
    return dataclasses.replace(label, start_s=label.start_s / rate, end_s=label.end_s / rate, span_s=span_s)
