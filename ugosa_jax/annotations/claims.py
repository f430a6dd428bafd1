"""Derivation of the states of a network's sources from the labels of a file.

A label is about a whole source, or about one instrument (a part) of it. At any time, the state of the source follows
from the labels of the whole and of the parts:

| the whole is | its parts are | the source is |
|---|---|---|
| active | anything | active |
| silent | one active | refused: a contradiction |
| silent | silent, unknown or not labelled | silent |
| unknown or not labelled | one active | active |
| unknown | none active | unknown |
| not labelled | all silent | silent if the parts are complete, or the whole is silent outside; else unknown |
| not labelled | some silent, others not labelled | the same if outside is silent; else unknown |
| not labelled | one unknown, none active | unknown |
| not labelled | not labelled | outside |

`outside` is the state of a source where it has no label, silent or unknown. It is unknown if the file labels only parts
of the source that are not complete, or if it never labels the source active, because it then marks silence only. Labels
with a confidence below 0.5 count as unknown.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from ugosa_jax.annotations.formats.label import Label, LabelFile
from ugosa_jax.annotations.interval import (
    Interval,
    Outside,
    State,
    append_merged,
    combine_confidences,
    list_gaps,
    make_contradiction_error,
    merge_overlaps,
    split_at_changes,
)
from ugosa_jax.annotations.statements import Statement, interpret
from ugosa_jax.annotations.vocabulary import Meaning, NameRules

MIN_CONFIDENCE = 0.5
"""Labels with a lower confidence count as unknown."""


class Claims(NamedTuple):
    """The states of sources according to labels; see `ugosa_jax.annotations.annotation.Annotation`."""

    intervals: tuple[Interval, ...]
    outside: Outside
    open_sources: frozenset[str]
    warnings: tuple[str, ...]
    names: dict[str, Meaning]
    left_out: tuple[str, ...]
    """Short descriptions of labels that were ignored, with the reason."""


def resolve(
    file: LabelFile, sources: Sequence[str], outside: Outside | None, names: NameRules | None, path: str
) -> Claims:
    """Return the states of a network's sources according to the labels of a file.

    Args:
      file: labels as read from the file.
      sources: sources of the network.
      outside: state of a source where it has no label; if None, the state that the file specifies, or else silent if it
        marks activity only, and unknown otherwise.
      names: how to interpret names; if None, only the sources' own names are known.
      path: the file, for messages.

    Raises:
      InputError: labels contradict each other, or have unknown names.
    """
    statements = interpret(file.labels, sources, names, path)
    complete = names is not None and names.complete
    stated = _share_stems(statements.stated) if complete else [s for s in statements.stated if s.name.source]
    warnings = [*file.warnings, *statements.warnings]
    default = "silent" if all(s.state == "active" or s.by_word for s in stated) else "unknown"
    is_default = outside is None and file.outside is None
    outside = outside or file.outside or default
    by_source: dict[str, list[Statement]] = {}
    for s in stated:
        by_source.setdefault(s.name.source, []).append(s)
    intervals: list[Interval] = []
    open_sources = set(file.open_sources)
    for source in filter(by_source.__contains__, sources):
        own = by_source[source]
        own_intervals = _combine(source, own, complete, outside, path)
        if not complete and all(s.name.instrument for s in own):
            open_sources.add(source)
            warnings += _warn_one_instrument(source, own, outside)
        if outside == "silent" and is_default and not any(s.state == "active" for s in own):
            open_sources.add(source)  # only silence is marked
        if outside == "silent" and source not in open_sources and (span_s := _find_span(own)):
            own_intervals += _list_silence(own_intervals, source, span_s, own[0].label)
            open_sources.add(source)
        intervals += own_intervals
    if open_sources >= {interval.source for interval in intervals}:
        outside, open_sources = "unknown", set()
    warnings += _warn_unsure(stated)
    return Claims(
        merge_overlaps(intervals, path),
        outside,
        frozenset(open_sources),
        tuple(warnings),
        statements.names,
        (*file.left_out, *statements.left_out),
    )


def _share_stems(stated: list[Statement]) -> list[Statement]:
    """Replace each statement about a stem that may belong to several sources by one statement for each of them.

    Where the stem plays, these sources are unknown.
    """
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
    """Return the intervals of one source that follow from labels for the whole of it and for its instruments."""
    tracks: dict[str, list[Interval]] = {"": []}
    for i, name, state, _ in stated:
        state = "unknown" if _is_unsure(i) else state
        interval = Interval(i.start_s, i.end_s, name.instrument or source, state, i.line, i.confidence, i.path)
        tracks.setdefault(name.instrument, []).append(interval)
    whole, *parts = (merge_overlaps(track, path) for track in tracks.values())
    if not parts:
        return list(whole)
    may_be_silent = complete or (bool(whole) and outside == "silent")
    combined: list[Interval] = []
    for start_s, end_s, (of_whole, *of_parts) in split_at_changes((whole, *parts)):
        decided = _decide(of_whole, of_parts, may_be_silent, outside, start_s, path)
        if decided is not None:
            piece = dataclasses.replace(decided, start_s=start_s, end_s=end_s, source=source)
            append_merged(combined, piece)
    return combined


def _decide(
    whole: Interval | None,
    parts: list[Interval | None],
    may_be_silent: bool,
    outside: Outside,
    start_s: float,
    path: str,
) -> Interval | None:
    """Return the state of a source in a time span within which no label begins or ends; None if there is no label."""
    labelled = [i for i in parts if i is not None]
    playing = [i for i in labelled if i.state == "active"]
    if whole is not None and whole.state == "silent" and playing:
        raise make_contradiction_error(whole, dataclasses.replace(playing[0], start_s=start_s), path)
    if whole is not None and (whole.state != "unknown" or not playing):
        return whole
    if playing:
        return dataclasses.replace(playing[0], confidence=combine_confidences(*(i.confidence for i in playing)))
    if not labelled:
        return None
    silent = all(i.state == "silent" for i in labelled) and (outside == "silent" or len(labelled) == len(parts))
    state: State = "silent" if silent and may_be_silent else "unknown"
    sure = combine_confidences(*(i.confidence for i in labelled))
    return dataclasses.replace(labelled[0], state=state, confidence=sure)


def _find_span(stated: list[Statement]) -> tuple[float, float] | None:
    """Return the time span that all annotators have listened to; None if no file specifies one."""
    spans_s = [s.label.span_s for s in stated if s.label.span_s is not None]
    return (max(start for start, _ in spans_s), min(end for _, end in spans_s)) if spans_s else None


def _list_silence(intervals: list[Interval], source: str, span_s: tuple[float, float], label: Label) -> list[Interval]:
    """Return the silence between the intervals of a source, within the annotated time span."""
    gaps_s = list_gaps(intervals, *span_s)
    return [Interval(start, end, source, "silent", label.line, path=label.path) for start, end in gaps_s]


def _warn_one_instrument(source: str, stated: list[Statement], outside: Outside) -> list[str]:
    """Return a warning if the source would be silent somewhere, if its annotated instruments were complete."""
    if outside != "silent" and all(s.state == "active" for s in stated):
        return []
    named = ", ".join(dict.fromkeys(s.name.instrument for s in stated))
    first = stated[0].label
    return [
        f"{first.path}:{first.line}: {named}: one instrument of {source}; where it is silent, {source} counts as "
        "unknown (--complete if all its instruments are annotated)"
    ]


def _is_unsure(label: Label) -> bool:
    return label.confidence is not None and label.confidence < MIN_CONFIDENCE


def _warn_unsure(stated: list[Statement]) -> list[str]:
    unsure = [s.label for s in stated if _is_unsure(s.label)]
    how = f"labels with a confidence below {MIN_CONFIDENCE}, which count as unknown: {len(unsure)}"
    return [f"{unsure[0].path}:{unsure[0].line}: {how}"] if unsure else []
