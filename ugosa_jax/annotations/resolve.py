"""What labels claim of a network's sources.

A label names a source, or one instrument of it, and a state. A source is active where any of its instruments is. It
is silent where it is said to be silent itself, or, if all its instruments are annotated, where all of them are.
Whatever is less than even odds is unknown.
"""

import bisect
import dataclasses
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

from ugosa_jax.annotations import instruments
from ugosa_jax.annotations.formats.label import Label, Reading, shown
from ugosa_jax.annotations.instruments import Name, Names
from ugosa_jax.annotations.interval import STATES, Interval, Outside, State, contradiction, disjoint, least

EVEN = 0.5
"""Labels that are less sure than this say nothing."""


class Claims(NamedTuple):
    """What labels say of sources; see `ugosa_jax.annotations.annotation.Annotation`."""

    intervals: tuple[Interval, ...]
    outside: Outside
    open: frozenset[str]
    warnings: tuple[str, ...]
    names: dict[str, Name]


class _Stated(NamedTuple):
    """A label, understood."""

    label: Label
    written: str
    """The name as it is written, without its state."""
    name: Name
    state: State


def of(reading: Reading, sources: Sequence[str], outside: Outside | None, names: Names | None, path: str) -> Claims:
    """Return what the labels of a file claim.

    Args:
      reading: what stands in the file.
      sources: the network's.
      outside: what holds for a source where nothing is said of it; if not given, what the file tells, or else silent
        if it marks activity only.
      names: how names are understood; if None, only the sources' own are.
      path: the file, for messages.

    Raises:
      InputError: a label names no source, has a state that is none, is a point, or contradicts another.
    """
    warnings = list(reading.warnings)
    stated = [s for label in reading.labels if (s := _stated(label, sources, names, warnings)) is not None]
    default = "silent" if all(s.state == "active" for s in stated) else "unknown"
    outside = outside or reading.outside or default
    complete = names is not None and names.complete
    intervals: list[Interval] = []
    opened = set(reading.open)
    for source in sources:
        of_it = [s for s in stated if s.name.source == source]
        if not of_it:
            continue
        of_source = _combined(source, of_it, complete, outside, path)
        if not complete and all(s.name.instrument for s in of_it):
            opened.add(source)
            warnings += _one_instrument_warning(source, of_it, outside)
        if outside == "silent" and source not in opened and (span_s := _span_s(of_it)):
            of_source = _filled(of_source, source, span_s, of_it[0].label)
            opened.add(source)
        intervals += of_source
    if opened >= {interval.source for interval in intervals}:
        outside, opened = "unknown", set()
    warnings += _unsure_warning(stated)
    understood = {s.written: s.name for s in stated}
    return Claims(disjoint(intervals, path), outside, frozenset(opened), tuple(warnings), understood)


def _stated(label: Label, sources: Sequence[str], names: Names | None, warnings: list[str]) -> _Stated | None:
    """Return what a label says; None if it is left out, with a warning where nobody asked for that."""
    written, name, state = _understood(label, sources, names)
    is_point = label.start_s == label.end_s
    if name is None and is_point:
        warnings.append(f"{label.path}:{label.line}: left out: point label {shown(label.text)}")
        return None
    if name is None:
        raise label.error("source", written, instruments.suggestion(written, sources))
    if not name.source:
        return None
    if state is not None and state.casefold() not in STATES:
        raise label.error("state", state, f"is not one of {', '.join(STATES)}")
    if is_point:
        problem = "is the start too: a point label says nothing about any time"
        raise label.error("end", f"{label.end_s:g}", problem)
    if name.negated and state is not None:
        raise label.error("state", state, "stands beside a name that says silent by itself")
    default = "silent" if name.negated else "active"
    return _Stated(label, written, name, cast(State, (state or default).casefold()))


def _understood(label: Label, sources: Sequence[str], names: Names | None) -> tuple[str, Name | None, str | None]:
    """Return the name as it is written, what it stands for if that is known, and the state if one is written."""

    def found(text: str) -> Name | None:
        return instruments.found(text, sources, names)

    home = _named_after(label, sources, names)
    name, meaning, state = label.text, found(label.text), label.state
    if home is not None and meaning is None and (not name or name.casefold() in STATES):
        return label.container or Path(label.path).stem, home, state or name or None
    if meaning is None and state is None:
        first, _, last = name.replace(":", " ").rpartition(" ")
        first = first.strip()
        if found(first) is not None or last.casefold() in STATES:
            name, meaning, state = first, found(first), last
    if not label.own_words or home is None:
        return name, meaning, state
    if meaning is None or meaning._replace(negated=False) != home:
        return label.container, home, None
    return label.container, meaning, state if state and state.casefold() in STATES else None


def _named_after(label: Label, sources: Sequence[str], names: Names | None) -> Name | None:
    """Return the source that a label's tier or layer is named after, or else its file, or the end of its name."""
    stem = Path(label.path).stem
    last = re.split(r"[-_ .]", stem)[-1]
    candidates = (label.container,) if label.own_words else (label.container, stem, last)
    found = (instruments.found(name, sources, names) for name in candidates if name)
    return next((name for name in found if name is not None), None)


def _combined(source: str, stated: list[_Stated], complete: bool, outside: Outside, path: str) -> list[Interval]:
    """Return what is said of one source, by labels of all of it and of its instruments.

    Raises:
      InputError: labels contradict each other.
    """
    tracks: dict[str, list[Interval]] = {"": []}
    for label, _, name, state in stated:
        sure = label.confidence is None or label.confidence >= EVEN
        tracks.setdefault(name.instrument, []).append(
            Interval(
                label.start_s,
                label.end_s,
                name.instrument or source,
                state if sure else "unknown",
                label.line,
                label.confidence,
                label.path,
            )
        )
    whole, *parts = (disjoint(track, path) for track in tracks.values())
    if not parts:
        return list(whole)
    edges = sorted({time_s for track in (whole, *parts) for i in track for time_s in (i.start_s, i.end_s)})
    may_be_silent = complete or (bool(whole) and outside == "silent")
    pieces: list[Interval] = []
    for start_s, end_s in itertools.pairwise(edges):
        here, *here_parts = (_at(track, start_s) for track in (whole, *parts))
        piece = _piece(here, here_parts, may_be_silent, outside, start_s, path)
        if piece is not None:
            _append(pieces, dataclasses.replace(piece, start_s=start_s, end_s=end_s, source=source))
    return pieces


def _at(track: Sequence[Interval], time_s: float) -> Interval | None:
    """Return the interval, of disjoint ones in order, in which a time is."""
    n = bisect.bisect_right(track, time_s, key=lambda i: i.start_s) - 1
    return track[n] if n >= 0 and time_s < track[n].end_s else None


def _piece(
    whole: Interval | None,
    parts: list[Interval | None],
    may_be_silent: bool,
    outside: Outside,
    start_s: float,
    path: str,
) -> Interval | None:
    """Return what is said where nothing changes, as one of the intervals that say it; None if nothing is."""
    said = [i for i in parts if i is not None]
    playing = [i for i in said if i.state == "active"]
    if whole is not None and whole.state == "silent" and playing:
        raise contradiction(whole, dataclasses.replace(playing[0], start_s=start_s), path)
    if whole is not None and (whole.state != "unknown" or not playing):
        return whole
    if playing:
        return dataclasses.replace(playing[0], confidence=least(*(i.confidence for i in playing)))
    if not said:
        return None
    silent = all(i.state == "silent" for i in said) and (outside == "silent" or len(said) == len(parts))
    state: State = "silent" if silent and may_be_silent else "unknown"
    return dataclasses.replace(said[0], state=state, confidence=least(*(i.confidence for i in said)))


def _append(pieces: list[Interval], piece: Interval) -> None:
    """Append a piece, or lengthen the last one if it touches it and says the same."""
    last = pieces[-1] if pieces else None
    if last is not None and last.end_s == piece.start_s and last.state == piece.state:
        pieces[-1] = dataclasses.replace(last, end_s=piece.end_s, confidence=least(last.confidence, piece.confidence))
    else:
        pieces.append(piece)


def _span_s(stated: list[_Stated]) -> tuple[float, float] | None:
    """Return from where to where everybody looked who said something; None if nobody tells."""
    spans_s = [s.label.span_s for s in stated if s.label.span_s is not None]
    if not spans_s:
        return None
    return max(start for start, _ in spans_s), min(end for _, end in spans_s)


def _filled(intervals: list[Interval], source: str, span_s: tuple[float, float], label: Label) -> list[Interval]:
    """Return the intervals of a source and, between them, silence as far as somebody looked."""
    edges = [span_s[0], *(t for i in sorted(intervals, key=lambda i: i.start_s) for t in (i.start_s, i.end_s))]
    edges.append(span_s[1])
    gaps = [(max(a, span_s[0]), min(b, span_s[1])) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    silence = [Interval(a, b, source, "silent", label.line, path=label.path) for a, b in gaps if a < b]
    return [*intervals, *silence]


def _one_instrument_warning(source: str, stated: list[_Stated], outside: Outside) -> list[str]:
    """Return a warning where silence of instruments would have been silence of the source, had it been complete."""
    if outside != "silent" and all(s.state == "active" for s in stated):
        return []
    named = ", ".join(dict.fromkeys(s.name.instrument for s in stated))
    first = stated[0].label
    return [
        f"{first.path}:{first.line}: {named}: one of the instruments of {source}; where it rests, {source} counts as "
        "unknown (--complete if all its instruments are annotated)"
    ]


def _unsure_warning(stated: list[_Stated]) -> list[str]:
    unsure = [s.label for s in stated if s.label.confidence is not None and s.label.confidence < EVEN]
    if not unsure:
        return []
    first = unsure[0]
    return [f"{first.path}:{first.line}: labels less sure than {EVEN}, which count as unknown: {len(unsure)}"]
