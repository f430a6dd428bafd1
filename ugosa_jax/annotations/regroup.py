"""An annotation for other sources than it was written for: sums of its own, or none of them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from ugosa_jax.annotations.annotation import Annotation, make_explicit
from ugosa_jax.annotations.interval import Interval, merge_overlaps


def regroup(annotation: Annotation, parts: Mapping[str, Sequence[str]]) -> Annotation:
    """Return what an annotation says of sources that are sums of its own.

    A sum is active where any of its parts is, silent where all of them are silent, and unknown elsewhere. So a source
    without parts is silent throughout.

    Args:
      annotation: what is said.
      parts: for each new source, in order, those of the annotation that it is the sum of.

    Returns:
      An annotation that says all that it says in intervals: outside of them it claims nothing.
    """
    said = make_explicit(annotation, math.inf)
    intervals = [interval for source, its in parts.items() for interval in _intervals_of_sum(said, its, source)]
    return dataclasses.replace(
        said,
        intervals=merge_overlaps(intervals, annotation.path),
        sources=tuple(parts),
        outside="unknown",
        open_sources=frozenset(),
    )


def _intervals_of_sum(said: Annotation, parts: Sequence[str], name: str) -> list[Interval]:
    """Return when the sum of sources is active and when it is silent, from the beginning to the end of time."""
    if not parts:
        return [Interval(0.0, math.inf, name, "silent")]
    own = [interval for interval in said.intervals if interval.source in parts]
    edges_s = np.unique([0.0, math.inf, *(i.start_s for i in own), *(i.end_s for i in own)])
    n_active, n_silent = np.zeros((2, len(edges_s)), int)
    for counts, state in ((n_active, "active"), (n_silent, "silent")):
        for interval in own:
            if interval.state == state:  # up at its start, down at its end: the running sum counts the sources
                first, end = np.searchsorted(edges_s, (interval.start_s, interval.end_s))
                counts[first] += 1
                counts[end] -= 1
    is_active = np.cumsum(n_active) > 0
    is_silent = np.cumsum(n_silent) == len(parts)
    states = np.select([is_active, is_silent], ["active", "silent"], "")[:-1]
    changes = np.flatnonzero(np.diff(np.unique(states, return_inverse=True)[1])) + 1
    spans = zip([0, *changes], [*changes, len(states)], strict=True)
    return [
        Interval(float(edges_s[first]), float(edges_s[end]), name, str(states[first]))  # pyright: ignore[reportArgumentType]
        for first, end in spans
        if states[first]
    ]
