"""The states of one annotated source over time, at the resolution of a picture or a terminal.

A picture has N columns. If an annotation has more intervals than columns, each column shows the state that it has for
the longest time.
"""

from collections.abc import Sequence

import numpy as np

from ugosa_jax.annotations.interval import STATES, Interval, State
from ugosa_jax.annotations.silences import find_runs

Spans = dict[State, list[tuple[float, float]]]
"""Begin and length, in seconds, of the time spans of each state."""
N_COLUMNS = 1000


def find_spans(intervals: Sequence[Interval], duration_s: float, n_columns: int = N_COLUMNS) -> Spans:
    """Return the time spans in which a source has each state.

    Args:
      intervals: disjoint intervals of one source, as `annotation.make_explicit` returns them.
      duration_s: length of the song.
      n_columns: columns of the picture; spans are exact if there are at most as many intervals.
    """
    if len(intervals) <= n_columns:
        times_s = [(i.state, i.start_s, min(i.end_s, duration_s) - i.start_s) for i in intervals]
        return {state: [(start, length) for of, start, length in times_s if of == state] for state in STATES}
    edges_s = np.linspace(0, duration_s, n_columns + 1)
    most_N = measure_shares(intervals, edges_s).argmax(0)
    return {
        state: [(edges_s[first], edges_s[end] - edges_s[first]) for first, end in find_runs(most_N == k)]
        for k, state in enumerate(STATES)
    }


def measure_shares(intervals: Sequence[Interval], edges_s: np.ndarray) -> np.ndarray:
    """Return for how many seconds of each column a source has each of STATES; gaps between intervals are unknown.

    If F(t) is the time up to t for which the source has a state, it has the state for F(end) − F(start) of a column.

    Args:
      intervals: disjoint intervals of one source.
      edges_s: limits of the columns (N + 1,), ascending.

    Returns:
      Seconds (3, N).
    """
    share_3xN = np.zeros((len(STATES), len(edges_s) - 1))
    for k, state in enumerate(STATES):
        times_s = np.array([(i.start_s, i.end_s) for i in intervals if i.state == state], float).reshape(-1, 2)
        times_s = np.clip(times_s[np.argsort(times_s[:, 0], kind="stable")], edges_s[0], edges_s[-1])
        if len(times_s):
            ends_s = np.cumsum(times_s[:, 1] - times_s[:, 0])
            summed_s = np.stack([np.concatenate([[0], ends_s[:-1]]), ends_s], 1)
            share_3xN[k] = np.diff(np.interp(edges_s, times_s.ravel(), summed_s.ravel()))
    share_3xN[STATES.index("unknown")] += np.maximum(np.diff(edges_s) - share_3xN.sum(0), 0)
    return share_3xN
