"""What is said of one source during one stretch of time."""

import dataclasses
import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from ugosa_jax.errors import InputError, require

State = Literal["active", "silent", "unknown"]
Outside = Literal["silent", "unknown"]

STATES: tuple[State, ...] = ("active", "silent", "unknown")
TOUCH_S = 1e-6
"""Intervals that overlap by no more only touch: ends that are sums of a start and a duration are off by roundings."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """What is said of one source from `start_s` up to, not including, `end_s`."""

    start_s: float
    end_s: float
    source: str
    state: State = "active"
    line: int | str = dataclasses.field(default=0, compare=False)
    """Line of the file that says so, or the place in it where lines mean nothing; 0 if no file does."""
    confidence: float | None = None
    """How sure whoever said so is, in [0, 1]; None if that is not told."""
    path: str = dataclasses.field(default="", compare=False)
    """The file that says so; empty if it is the annotation's own."""


def parse_interval(item: Sequence[Any], sources: Sequence[str], where: str) -> Interval:
    """Return the interval that a tuple (source, start_s, end_s, state) stands for; the state may be missing.

    Raises:
      InputError: it stands for none; the message begins with `where`.
    """
    require(len(item) in (3, 4), where, "(source, start_s, end_s) or (source, start_s, end_s, state)", item)
    source, start_s, end_s, *state = item
    require(source in sources, f"{where}: source", f"one of {', '.join(sources)}", source)
    require(not state or state[0] in STATES, f"{where}: state", f"one of {', '.join(STATES)}", *state or [""])
    are_numbers = all(isinstance(time_s, numbers.Real) for time_s in (start_s, end_s))
    fits = are_numbers and 0 <= start_s < end_s < math.inf
    require(fits, f"{where}: times", "seconds, the start at least 0 and the end after it", (start_s, end_s))
    return Interval(float(start_s), float(end_s), source, *state)


def merge_overlaps(intervals: Iterable[Interval], path: str = "annotation") -> tuple[Interval, ...]:
    """Return intervals in order of time, in which those that overlap and say the same have become one.

    The confidence of two that have become one is that of the less sure.

    Raises:
      InputError: two intervals of a source overlap and say different things.
    """
    merged: list[Interval] = []
    for interval in sorted(intervals, key=lambda i: (i.source, i.start_s, i.end_s)):
        before = merged[-1] if merged else interval
        if before.source != interval.source or before.end_s <= interval.start_s or not merged:
            merged.append(interval)
        elif before.state != interval.state and _touch(before, interval):
            merged[-1] = dataclasses.replace(before, end_s=interval.start_s)
            merged.append(interval)
        elif before.state != interval.state:
            raise make_contradiction_error(before, interval, path)
        else:
            furthest = max(before, interval, key=lambda i: i.end_s)
            merged[-1] = dataclasses.replace(
                furthest, start_s=before.start_s, confidence=combine_confidences(before.confidence, interval.confidence)
            )
    return tuple(sorted(merged, key=lambda i: (i.start_s, i.end_s, i.source)))


def _touch(before: Interval, interval: Interval) -> bool:
    in_order = before.start_s < interval.start_s and before.end_s < interval.end_s
    return in_order and before.end_s - interval.start_s <= TOUCH_S


def list_gaps(intervals: Iterable[Interval], first_s: float, last_s: float) -> list[tuple[float, float]]:
    """Return (start, end) of each gap between intervals that do not overlap, from one time to another."""
    times_s = [time_s for i in sorted(intervals, key=lambda i: i.start_s) for time_s in (i.start_s, i.end_s)]
    edges_s = [min(max(time_s, first_s), last_s) for time_s in (first_s, *times_s, last_s)]
    return [(start, end) for start, end in zip(edges_s[::2], edges_s[1::2], strict=True) if start < end]


def combine_confidences(*confidences: float | None) -> float | None:
    """Return the smallest of those that are told; None if none is."""
    return min((c for c in confidences if c is not None), default=None)


def make_contradiction_error(before: Interval, interval: Interval, path: str) -> InputError:
    """Return the error that says that two overlapping intervals say different things."""
    place = f"line {before.line}" if isinstance(before.line, int) else before.line
    if before.path != interval.path:
        place += f" of {before.path or path}"
    return InputError(
        f"{interval.path or path}:{interval.line}: state {interval.state!r} of {interval.source} contradicts "
        f"{before.state!r} of {place}: they overlap from {interval.start_s:g} s on"
    )
