"""Intervals: the state of one source during one time span."""

import dataclasses
import itertools
import math
import numbers
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from ugosa_jax.errors import InputError, require

State = Literal["active", "silent", "unknown"]
Outside = Literal["silent", "unknown"]

STATES: tuple[State, ...] = ("active", "silent", "unknown")
TOUCH_S = 1e-6
"""Intervals that overlap by less than this count as adjacent, because ends computed from durations are rounded."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """The state of one source from `start_s` up to `end_s`, exclusive."""

    start_s: float
    end_s: float
    source: str
    state: State = "active"
    line: int | str = dataclasses.field(default=0, compare=False)
    """Line of the file, or in JSON the path of the entry; 0 if there is no file."""
    confidence: float | None = None
    """Confidence of the annotator, in [0, 1]; None if the file does not state it."""
    path: str = dataclasses.field(default="", compare=False)
    """The file; empty if it is `Annotation.path`."""


def parse_interval(item: Sequence[Any], sources: Sequence[str], where: str) -> Interval:
    """Return the interval for a tuple (source, start_s, end_s) or (source, start_s, end_s, state).

    Raises:
      InputError: the tuple is not an interval of one of the sources; the message begins with `where`.
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
    """Return intervals in order of time; overlapping intervals of a source with the same state are merged.

    A merged interval has the lower one of both confidences.

    Raises:
      InputError: two intervals of a source overlap and have different states.
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


def split_at_changes(
    tracks: Sequence[Sequence[Interval]], *bounds_s: float
) -> Iterator[tuple[float, float, list[Interval | None]]]:
    """Yield (start, end, the interval or None of each track) for each time span in which no interval begins or ends.

    Args:
      tracks: intervals in order of time; those of one track do not overlap.
      bounds_s: times that the spans must include even if no interval does.
    """
    edges_s = sorted({*bounds_s, *(time_s for track in tracks for i in track for time_s in (i.start_s, i.end_s))})
    positions = [0] * len(tracks)
    for start_s, end_s in itertools.pairwise(edges_s):
        here: list[Interval | None] = []
        for k, track in enumerate(tracks):
            while positions[k] < len(track) and track[positions[k]].end_s <= start_s:
                positions[k] += 1
            interval = track[positions[k]] if positions[k] < len(track) else None
            here.append(interval if interval is not None and interval.start_s <= start_s else None)
        yield start_s, end_s, here


def append_merged(intervals: list[Interval], interval: Interval) -> None:
    """Append an interval, or extend the last one if they are adjacent and have the same state."""
    last = intervals[-1] if intervals else None
    if last is not None and last.end_s == interval.start_s and last.state == interval.state:
        sure = combine_confidences(last.confidence, interval.confidence)
        intervals[-1] = dataclasses.replace(last, end_s=interval.end_s, confidence=sure)
    else:
        intervals.append(interval)


def list_gaps(intervals: Iterable[Interval], first_s: float, last_s: float) -> list[tuple[float, float]]:
    """Return (start, end) of each gap between intervals, which do not overlap, from `first_s` to `last_s`."""
    times_s = [time_s for i in sorted(intervals, key=lambda i: i.start_s) for time_s in (i.start_s, i.end_s)]
    edges_s = [min(max(time_s, first_s), last_s) for time_s in (first_s, *times_s, last_s)]
    return [(start, end) for start, end in zip(edges_s[::2], edges_s[1::2], strict=True) if start < end]


def combine_confidences(*confidences: float | None) -> float | None:
    """Return the lowest of the known confidences, or None."""
    return min((c for c in confidences if c is not None), default=None)


def make_contradiction_error(before: Interval, interval: Interval, path: str) -> InputError:
    """Return the error for two overlapping intervals with different states."""
    place = f"line {before.line}" if isinstance(before.line, int) else before.line
    if before.path != interval.path:
        place += f" of {before.path or path}"
    return InputError(
        f"{interval.path or path}:{interval.line}: state {interval.state!r} of {interval.source} contradicts "
        f"{before.state!r} of {place}: they overlap from {interval.start_s:g} s on"
    )
