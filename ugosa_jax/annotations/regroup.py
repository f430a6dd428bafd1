"""Conversion of an annotation to other sources, each of which is a sum of the annotated sources."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from ugosa_jax.annotations.annotation import Annotation, make_explicit
from ugosa_jax.annotations.interval import Interval, append_merged, merge_overlaps, split_at_changes


def regroup(annotation: Annotation, parts: Mapping[str, Sequence[str]]) -> Annotation:
    """Return an annotation of sources that are sums of the sources of another annotation.

    A sum is active where any of its parts is active, silent where all of them are silent, and unknown elsewhere. A
    source without parts is therefore silent throughout.

    Args:
      annotation: annotation of the parts.
      parts: for each new source, in order, the sources whose sum it is.

    Returns:
      An annotation with explicit intervals for all active and silent times; outside, its sources are unknown.
    """
    of_parts = make_explicit(annotation, math.inf)
    intervals = [interval for source, its in parts.items() for interval in _add_up(of_parts, its, source)]
    return dataclasses.replace(
        of_parts,
        intervals=merge_overlaps(intervals, annotation.path),
        sources=tuple(parts),
        outside="unknown",
        open_sources=frozenset(),
    )


def _add_up(of_parts: Annotation, parts: Sequence[str], name: str) -> list[Interval]:
    """Return when a sum of sources is active and when it is silent, from 0 s to infinity."""
    intervals: list[Interval] = []
    for start_s, end_s, here in split_at_changes([of_parts.select(part) for part in parts], 0.0, math.inf):
        states = {"unknown" if interval is None else interval.state for interval in here}
        if "active" in states:
            append_merged(intervals, Interval(start_s, end_s, name, "active"))
        elif states <= {"silent"}:
            append_merged(intervals, Interval(start_s, end_s, name, "silent"))
    return intervals
