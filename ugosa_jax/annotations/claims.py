"""What labels claim of a network's sources.

A label is of a source as a whole, or of one instrument (a part) of it. What follows for the source, at one moment:

| the whole is said to be | parts are said to be | the source is |
|---|---|---|
| active | anything | active |
| silent | one is active | a contradiction, which is refused |
| silent | silent, unknown, or nothing is said | silent |
| unknown, or nothing is said | one is active | active |
| unknown | none is active | unknown |
| nothing is said | all are silent | silent if they are complete, or the whole is silent outside; else unknown |
| nothing is said | some are silent, nothing is said of others | the same if outside is silent; else unknown |
| nothing is said | one is unknown, none active | unknown |
| nothing is said | nothing is said | outside |

Outside, where nothing is said, is silent or unknown. It is unknown for a source of which only parts are named, unless
they are complete, and for one that is never said to be active: there, only silence is marked. Whatever is less than
even odds is unknown.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import NamedTuple

from ugosa_jax.annotations.formats.label import Label, LabelFile
from ugosa_jax.annotations.interval import (
    Interval,
    Outside,
    State,
    combine_confidences,
    list_gaps,
    make_contradiction_error,
    merge_overlaps,
)
from ugosa_jax.annotations.statements import Statement, interpret
from ugosa_jax.annotations.vocabulary import Meaning, NameRules

EVEN = 0.5
"""Labels that are less sure than this say nothing."""


class Claims(NamedTuple):
    """What labels say of sources; see `ugosa_jax.annotations.annotation.Annotation`."""

    intervals: tuple[Interval, ...]
    outside: Outside
    open_sources: frozenset[str]
    warnings: tuple[str, ...]
    names: dict[str, Meaning]
    left_out: tuple[str, ...]
    """What says nothing, and why, in a few words each."""


def resolve(
    reading: LabelFile, sources: Sequence[str], outside: Outside | None, names: NameRules | None, path: str
) -> Claims:
    """Return what the labels of a file claim.

    Args:
      reading: what stands in the file.
      sources: the network's.
      outside: what holds for a source where nothing is said of it; if not given, what the file tells, or else silent
        if it marks activity only.
      names: how names are understood; if None, only the sources' own are.
      path: the file, for messages.
    """
    statements = interpret(reading.labels, sources, names, path)
    complete = names is not None and names.complete
    stated = _share_stems(statements.stated) if complete else [s for s in statements.stated if s.name.source]
    warnings = [*reading.warnings, *statements.warnings]
    default = "silent" if all(s.state == "active" or s.by_word for s in stated) else "unknown"
    given, outside = outside, outside or reading.outside or default
    by_source: dict[str, list[Statement]] = {}
    for s in stated:
        by_source.setdefault(s.name.source, []).append(s)
    intervals: list[Interval] = []
    opened = set(reading.open_sources)
    for source in filter(by_source.__contains__, sources):
        of_it = by_source[source]
        of_source = _combine(source, of_it, complete, outside, path)
        if not complete and all(s.name.instrument for s in of_it):
            opened.add(source)
            warnings += _warn_one_instrument(source, of_it, outside)
        of_its_own_accord = outside == "silent" and given is None and reading.outside is None
        if of_its_own_accord and not any(s.state == "active" for s in of_it):
            opened.add(source)  # only silence is marked
        if outside == "silent" and source not in opened and (span_s := _find_span(of_it)):
            of_source = _fill_silence(of_source, source, span_s, of_it[0].label)
            opened.add(source)
        intervals += of_source
    if opened >= {interval.source for interval in intervals}:
        outside, opened = "unknown", set()
    warnings += _warn_unsure(stated)
    left_out = (*reading.left_out, *statements.left_out)
    return Claims(
        merge_overlaps(intervals, path), outside, frozenset(opened), tuple(warnings), statements.names, left_out
    )


def _share_stems(stated: list[Statement]) -> list[Statement]:
    """Return the same with, for a stem that may be of several sources, one label of each: unknown where it plays."""
    known = [s for s in stated if not s.name.perhaps]
    named = {s.name.source for s in known}
    shared = [
        s._replace(name=Meaning(source, s.name.instrument), state="silent" if s.state == "silent" else "unknown")
        for s in stated
        for source in s.name.perhaps
        if source in named
    ]
    return known + shared


def _combine(source: str, stated: list[Statement], complete: bool, outside: Outside, path: str) -> list[Interval]:
    """Return what is said of one source, by labels of all of it and of its instruments."""
    tracks: dict[str, list[Interval]] = {"": []}
    for i, name, state, _ in stated:
        state = "unknown" if _is_unsure(i) else state
        interval = Interval(i.start_s, i.end_s, name.instrument or source, state, i.line, i.confidence, i.path)
        tracks.setdefault(name.instrument, []).append(interval)
    whole, *parts = (merge_overlaps(track, path) for track in tracks.values())
    if not parts:
        return list(whole)
    edges = sorted({time_s for track in (whole, *parts) for i in track for time_s in (i.start_s, i.end_s)})
    may_be_silent = complete or (bool(whole) and outside == "silent")
    pieces: list[Interval] = []
    cursors = [_Cursor(track) for track in (whole, *parts)]
    for start_s, end_s in itertools.pairwise(edges):
        here, *here_parts = (cursor.at(start_s) for cursor in cursors)
        piece = _decide(here, here_parts, may_be_silent, outside, start_s, path)
        if piece is not None:
            _append(pieces, dataclasses.replace(piece, start_s=start_s, end_s=end_s, source=source))
    return pieces


class _Cursor:
    """Walks along disjoint intervals in order."""

    def __init__(self, track: Sequence[Interval]):
        self.track, self.n = track, 0

    def at(self, time_s: float) -> Interval | None:
        """Return the interval in which a time is that is not before the last one that was asked for."""
        while self.n < len(self.track) and self.track[self.n].end_s <= time_s:
            self.n += 1
        here = self.track[self.n] if self.n < len(self.track) else None
        return here if here is not None and here.start_s <= time_s else None


def _decide(
    whole: Interval | None,
    parts: list[Interval | None],
    may_be_silent: bool,
    outside: Outside,
    at_s: float,
    path: str,
) -> Interval | None:
    """Return what is said where nothing changes, as one of the intervals that say it; None if nothing is."""
    said = [i for i in parts if i is not None]
    playing = [i for i in said if i.state == "active"]
    if whole is not None and whole.state == "silent" and playing:
        raise make_contradiction_error(whole, dataclasses.replace(playing[0], start_s=at_s), path)
    if whole is not None and (whole.state != "unknown" or not playing):
        return whole
    if playing:
        return dataclasses.replace(playing[0], confidence=combine_confidences(*(i.confidence for i in playing)))
    if not said:
        return None
    silent = all(i.state == "silent" for i in said) and (outside == "silent" or len(said) == len(parts))
    state: State = "silent" if silent and may_be_silent else "unknown"
    return dataclasses.replace(said[0], state=state, confidence=combine_confidences(*(i.confidence for i in said)))


def _append(pieces: list[Interval], piece: Interval) -> None:
    """Append a piece, or lengthen the last one if it touches it and says the same."""
    last = pieces[-1] if pieces else None
    if last is not None and last.end_s == piece.start_s and last.state == piece.state:
        pieces[-1] = dataclasses.replace(
            last, end_s=piece.end_s, confidence=combine_confidences(last.confidence, piece.confidence)
        )
    else:
        pieces.append(piece)


def _find_span(stated: list[Statement]) -> tuple[float, float] | None:
    """Return the time span that all annotators covered, or None if no file states one."""
    spans_s = [s.label.span_s for s in stated if s.label.span_s is not None]
    return (max(start for start, _ in spans_s), min(end for _, end in spans_s)) if spans_s else None


def _fill_silence(intervals: list[Interval], source: str, span_s: tuple[float, float], label: Label) -> list[Interval]:
    """Return the intervals of a source and, between them, silence as far as somebody looked."""
    gaps_s = list_gaps(intervals, *span_s)
    return [*intervals, *(Interval(a, b, source, "silent", label.line, path=label.path) for a, b in gaps_s)]


def _warn_one_instrument(source: str, stated: list[Statement], outside: Outside) -> list[str]:
    """Return a warning where silence of instruments would have been silence of the source, had it been complete."""
    if outside != "silent" and all(s.state == "active" for s in stated):
        return []
    named = ", ".join(dict.fromkeys(s.name.instrument for s in stated))
    first = stated[0].label
    return [
        f"{first.path}:{first.line}: {named}: one of the instruments of {source}; where it rests, {source} counts as "
        "unknown (--complete if all its instruments are annotated)"
    ]


def _is_unsure(label: Label) -> bool:
    return label.confidence is not None and label.confidence < EVEN


def _warn_unsure(stated: list[Statement]) -> list[str]:
    unsure = [s.label for s in stated if _is_unsure(s.label)]
    how = f"labels less sure than {EVEN}, which count as unknown: {len(unsure)}"
    return [f"{unsure[0].path}:{unsure[0].line}: {how}"] if unsure else []
