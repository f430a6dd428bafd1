"""What people write down: when each source plays, when it is silent.

An annotation is a list of intervals, each with a source and a state: active, silent, or unknown (no claim).
Time that no interval of a source covers is `outside`: silent, or unknown. A source without any interval is
unknown throughout under both: a list of where the vocals sing says nothing about the drums.

Two text formats are read: the native one, `start,end,source[,state]` in seconds, and Audacity's label tracks,
whose labels are `source`, `source state` or `source:state`.
"""

import csv
import dataclasses
import difflib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast

import numpy as np

from ugosa_jax import files
from ugosa_jax.errors import InputError

State = Literal["active", "silent", "unknown"]
Outside = Literal["silent", "unknown"]

STATES: tuple[State, ...] = ("active", "silent", "unknown")
PAST_END_S = 0.5
"""How far an interval may reach past the end of its song: exports round times, players round durations."""
LARGEST_BYTES = 16_000_000
"""No annotation is larger; a song given in its place is."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """What is said of one source from `start_s` up to, not including, `end_s`."""

    start_s: float
    end_s: float
    source: str
    state: State = "active"
    line: int = dataclasses.field(default=0, compare=False)
    """Line of the file that says so, for messages; 0 if no file does."""


@dataclasses.dataclass(frozen=True)
class Annotation:
    """What is said of a song. Intervals of one source do not overlap: `disjoint` makes it so."""

    intervals: tuple[Interval, ...]
    sources: tuple[str, ...]
    """All sources of the model, in its order."""
    outside: Outside
    path: str = dataclasses.field(default="annotation", compare=False)
    """Where it was read from, for messages."""

    def of(self, source: str) -> list[Interval]:
        """Return the intervals of one source."""
        return [interval for interval in self.intervals if interval.source == source]

    def silent_outside(self, source: str) -> bool:
        """Return whether a source is silent wherever none of its intervals is."""
        return self.outside == "silent" and bool(self.of(source))


def read(path: str | Path, sources: Sequence[str], outside: Outside | None = None) -> Annotation:
    """Read an annotation; its format is recognised by its content.

    Args:
      path: native CSV or Audacity labels, in UTF-8 or UTF-16.
      sources: names of the model's sources; capitals do not matter in the file.
      outside: what holds for a source where none of its intervals is. If not given: silent if the file marks
        activity only, unknown if it marks silence or the unknown itself.

    Returns:
      The annotation; overlapping intervals that say the same are one.

    Raises:
      InputError: the file cannot be read, is empty, or has a line that is no interval or contradicts another;
        the message is `path:line: field …`.
    """
    rows = _rows(str(path), _text(path))
    intervals = disjoint([_interval(row, sources) for row in rows], str(path))
    if not intervals:
        raise InputError(f"{path}: has no intervals (a line is start,end,source or start,end,source,state)")
    if outside is None:
        outside = "silent" if all(i.state == "active" for i in intervals) else "unknown"
    return Annotation(intervals, tuple(sources), outside, str(path))


def write(annotation: Annotation, path: str | Path) -> None:
    """Write native CSV from which `read` gives the same intervals; the file is complete or absent.

    `outside` is not in the file: it is the reader's choice.

    Raises:
      InputError: the file cannot be written.
    """
    with (
        files.replaced_when_done(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as out,
    ):
        table = csv.writer(out, lineterminator="\n")
        table.writerow(("start", "end", "source", "state"))
        for i in annotation.intervals:
            table.writerow((repr(float(i.start_s)), repr(float(i.end_s)), i.source, i.state))


def disjoint(intervals: Iterable[Interval], path: str = "annotation") -> tuple[Interval, ...]:
    """Return intervals in order of time, in which those that overlap and say the same have become one.

    Raises:
      InputError: two intervals of a source overlap and say different things.
    """
    merged: list[Interval] = []
    for interval in sorted(intervals, key=lambda i: (i.source, i.start_s, i.end_s)):
        before = merged[-1] if merged else interval
        if before.source != interval.source or before.end_s <= interval.start_s or not merged:
            merged.append(interval)
        elif before.state != interval.state:
            raise _contradiction(before, interval, path)
        else:
            furthest = max(before, interval, key=lambda i: i.end_s)
            merged[-1] = dataclasses.replace(furthest, start_s=before.start_s)
    return tuple(sorted(merged, key=lambda i: (i.start_s, i.end_s, i.source)))


def check_against(annotation: Annotation, duration_s: float) -> None:
    """Refuse intervals that lie past the end of the song; up to PAST_END_S is forgiven, and cut by the mask.

    Raises:
      InputError: naming the line, the time and the song's duration.
    """
    for i in annotation.intervals:
        if i.start_s < duration_s and i.end_s <= duration_s + PAST_END_S:
            continue
        field, time_s = ("start", i.start_s) if i.start_s >= duration_s else ("end", i.end_s)
        where = f"{annotation.path}:{i.line}: {field} {time_s:g} s"
        raise InputError(f"{where} is past the end of the song, which lasts {duration_s:.3f} s")


def active_mask(annotation: Annotation, n_samples: int, rate_hz: float) -> np.ndarray:
    """Return h of eq. (1): False where a source is annotated silent, True where it is active or unknown.

    Times are rounded to the nearest sample, halves upwards; then sample n is in an interval if
    start ≤ n / rate_hz < end.

    Args:
      annotation: what is said of the song.
      n_samples: the song's length, T.
      rate_hz: its sample rate.

    Returns:
      Boolean (S, T), in the order of `annotation.sources`.
    """
    active_SxT = np.ones((len(annotation.sources), n_samples), bool)
    for active_T, source in zip(active_SxT, annotation.sources, strict=True):
        active_T[:] = not annotation.silent_outside(source)
        for i in annotation.of(source):
            start, end = (int(min(time_s * rate_hz, n_samples) + 0.5) for time_s in (i.start_s, i.end_s))
            active_T[start:end] = i.state != "silent"
    return active_SxT


def gate(annotation: Annotation, n_samples: int, rate_hz: float, fade_s: float) -> np.ndarray:
    """Return gains that mute each source where it is annotated silent: 0 there, 1 elsewhere.

    Muted stretches fade linearly at their ends, inside: gain = max(0, 1 − d / fade), where d is the distance
    to the nearest sample that is not muted. So nothing fades at the song's own ends, and a stretch shorter
    than two fades is a dip that does not reach 0.

    Args:
      annotation: what is said of the song.
      n_samples: the song's length, T.
      rate_hz: its sample rate.
      fade_s: length of a fade in seconds.

    Returns:
      Float32 (S, T), in the order of `annotation.sources`.
    """
    fade = max(1, round(fade_s * rate_hz))
    ramp = 1 - np.arange(1, fade + 1, dtype=np.float32) / fade
    active_SxT = active_mask(annotation, n_samples, rate_hz)
    gain_SxT = active_SxT.astype(np.float32)
    for gain_T, active_T in zip(gain_SxT, active_SxT, strict=True):
        for start, end in _runs(~active_T):
            n = min(fade, end - start)
            if start > 0:
                gain_T[start : start + n] = ramp[:n]
            if end < n_samples:
                gain_T[end - n : end] = np.maximum(gain_T[end - n : end], ramp[:n][::-1])
    return gain_SxT


def silent_seconds(annotation: Annotation, duration_s: float) -> dict[str, float]:
    """Return how many seconds each source is annotated silent: what an adaptation can learn from."""
    return {source: _silent_seconds_of(annotation, source, duration_s) for source in annotation.sources}


def from_mask(active_SxT: np.ndarray, rate_hz: float, sources: Sequence[str]) -> Annotation:
    """Return active and silent intervals that cover the song; `active_mask` makes the same mask of them.

    Args:
      active_SxT: Boolean.
      rate_hz: sample rate of the mask.
      sources: name of each row.
    """
    intervals = [
        Interval(start / rate_hz, end / rate_hz, source, STATES[silent])
        for source, active_T in zip(sources, active_SxT, strict=True)
        for silent in (False, True)
        for start, end in _runs(active_T != silent)
    ]
    return Annotation(disjoint(intervals), tuple(sources), "unknown")


def _runs(flags_T: np.ndarray) -> list[tuple[int, int]]:
    """Return (start, end) of each stretch of True."""
    edges = np.flatnonzero(np.diff(flags_T, prepend=False, append=False))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _silent_seconds_of(annotation: Annotation, source: str, duration_s: float) -> float:
    outside = annotation.silent_outside(source)
    total_s = duration_s if outside else 0.0
    for i in annotation.of(source):
        length_s = max(0.0, min(i.end_s, duration_s) - i.start_s)
        total_s += ((i.state == "silent") - outside) * length_s
    return max(0.0, total_s)


def _contradiction(before: Interval, interval: Interval, path: str) -> InputError:
    return InputError(
        f"{path}:{interval.line}: state {interval.state!r} of {interval.source} contradicts {before.state!r} "
        f"of line {before.line}: they overlap from {interval.start_s:g} s on"
    )


class _Row(NamedTuple):
    """One line of a file, cut into fields; it makes the errors that point at them."""

    path: str
    line: int
    fields: list[str]

    def error(self, field: str, value: str, problem: str) -> InputError:
        shown = value if len(value) <= 40 else value[:40] + "…"
        return InputError(f"{self.path}:{self.line}: {field} {shown!r} {problem}")

    def seconds(self, field: str, position: int) -> float:
        value = self.fields[position]
        number = value.replace(",", ".")
        if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", number):
            raise self.error(field, value, "is not a number of seconds")
        if not 0 <= float(number) < math.inf:
            raise self.error(field, value, "is negative" if float(number) < 0 else "is not finite")
        return float(number)


def _interval(row: _Row, sources: Sequence[str]) -> Interval:
    if len(row.fields) not in (3, 4):
        hint = "start,end,source or start,end,source,state (decimal commas need semicolons between fields)"
        raise InputError(f"{row.path}:{row.line}: fields: {len(row.fields)} instead of {hint}")
    start_s, end_s = row.seconds("start", 0), row.seconds("end", 1)
    if end_s == start_s:
        raise row.error("end", row.fields[1], "is the start too: a point label says nothing about any time")
    if end_s < start_s:
        raise row.error("end", row.fields[1], f"is before the start, {start_s:g}")
    return Interval(start_s, end_s, *_source_and_state(row, sources), row.line)


def _source_and_state(row: _Row, sources: Sequence[str]) -> tuple[str, State]:
    """Return what the fields after the times say; the state may stand in the source's field, after it."""
    names = {name.casefold(): name for name in sources}
    source, state = (*row.fields[2:], "active")[:2]
    if len(row.fields) == 3 and source.casefold() not in names:
        first, _, last = source.replace(":", " ").rpartition(" ")
        if first.strip().casefold() in names or last.casefold() in STATES:
            source, state = first.strip(), last
    if source.casefold() not in names:
        near = difflib.get_close_matches(source.casefold(), names, 1, cutoff=0.4)
        suggestion = f"; did you mean {names[near[0]]!r}?" if near else ""
        raise row.error("source", source, f"is not one of {', '.join(sources)}{suggestion}")
    if state.casefold() not in STATES:
        raise row.error("state", state, f"is not one of {', '.join(STATES)}")
    return names[source.casefold()], cast(State, state.casefold())


def _rows(path: str, text: str) -> Iterator[_Row]:
    """Yield the lines that say something, cut into fields; a header is skipped."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    said = [(n, line) for n, line in enumerate(lines, 1) if not re.match(r"\s*#|[\s,;]*$", line)]
    delimiter = next((d for d in "\t;" if said and said[0][1].count(d) >= 2), ",")
    if delimiter == "\t":  # Audacity writes a region's frequencies on a line of their own
        said = [(n, line) for n, line in said if not line.startswith("\\")]
    for index, (number, line) in enumerate(said):
        try:
            row = _Row(path, number, _fields(line, delimiter))
        except csv.Error as error:
            raise InputError(f"{path}:{number}: line cannot be cut into fields ({error})") from error
        if index > 0 or [field.lower() for field in row.fields[:3]] != ["start", "end", "source"]:
            yield row


def _fields(line: str, delimiter: str) -> list[str]:
    """Cut a line; empty fields behind the third are padding of a spreadsheet."""
    fields = [field.strip() for field in next(csv.reader([line], delimiter=delimiter))]
    while len(fields) > 3 and not fields[-1]:
        fields.pop()
    return fields


def _text(path: str | Path) -> str:
    """Return a file's text: UTF-8, UTF-16 with its mark, or else Windows' western code page."""
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(content) > LARGEST_BYTES:
        raise InputError(f"{path}: is too large for an annotation")
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not re.search(r"[\0-\x08\x0e-\x1f]", text):
            return text
    raise InputError(f"{path}: is not a text file")
