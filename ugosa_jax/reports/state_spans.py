"""The states of one annotated source over time, at the resolution of a picture or a terminal.

A picture has N columns. Where an annotation has more intervals than that, each column shows the state that holds for
most of it.
"""

from collections.abc import Sequence

import numpy as np

from ugosa_jax.annotations.interval import STATES, Interval, State
from ugosa_jax.annotations.silences import find_runs

Spans = dict[State, list[tuple[float, float]]]
"""Begin and length of every stretch in seconds, by state."""
N_COLUMNS = 1000


def find_spans(intervals: Sequence[Interval], duration_s: float, n_columns: int = N_COLUMNS) -> Spans:
    """Return the stretches in which each state holds.

    Args:
      intervals: disjoint intervals of one source, as `annotation.make_explicit` returns them.
      duration_s: length of the song.
      n_columns: columns of the picture; stretches are exact if there are at most as many intervals.
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
    """Return for how many seconds of each column each state of STATES holds; gaps between intervals are unknown.

    With F(t) the seconds up to t in which a state holds, a column has F(end) − F(start).

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
