"""Annotated silence as sample positions, and the masks and gains computed from it for any part of a song.

S sources, T samples.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

Runs = np.ndarray
"""Integers (R, 2): the first sample of each run and the first sample after it, in time order; runs are not adjacent."""


@dataclasses.dataclass(frozen=True, eq=False)
class Silences:
    """The runs of silent samples of each source, in a song of `n_samples`."""

    runs: tuple[Runs, ...]
    n_samples: int

    def compute_active(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return where sources are active or unknown, Boolean (S, stop − start); by default of the whole song."""
        stop = self.n_samples if stop is None else stop
        active_SxT = np.ones((len(self.runs), stop - start), bool)
        for active_T, runs in zip(active_SxT, self.runs, strict=True):
            for first, end in select_runs(runs, start, stop):
                active_T[max(0, first - start) : end - start] = False
        return active_SxT

    def compute_gains(self, fade: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return gains, float32 (S, stop − start): 0 in silence, 1 elsewhere, with fades inside each silence.

        The gain is max(0, 1 − d / fade), where d is the distance to the nearest sample that is not silent. Hence there
        is no fade at the ends of the song, and in a run shorter than two fades the gain does not reach 0.
        """
        stop = self.n_samples if stop is None else stop
        gain_SxT = np.ones((len(self.runs), stop - start), np.float32)
        for gain_T, runs in zip(gain_SxT, self.runs, strict=True):
            for first, end in select_runs(runs, start, stop):
                here = np.arange(max(first, start), min(end, stop))
                before = here - first if first > 0 else fade
                behind = end - 1 - here if end < self.n_samples else fade
                nearest = 1 + np.minimum(np.minimum(before, behind), fade - 1)
                gain_T[here[0] - start : here[-1] + 1 - start] = 1 - nearest.astype(np.float32) / np.float32(fade)
        return gain_SxT


def select_runs(runs: Runs, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield the runs that overlap the samples from `start` to `stop`."""
    begin = int(np.searchsorted(runs[:, 1], start, "right"))
    end = int(np.searchsorted(runs[:, 0], stop, "left"))
    for first, last in runs[begin:end] if start < stop else ():
        yield int(first), int(last)


def join_runs(runs: Runs) -> Runs:
    """Return runs in time order, without empty ones; adjacent and overlapping runs are joined."""
    runs = runs[runs[:, 0] < runs[:, 1]]
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    if not len(runs):
        return runs
    ends = np.maximum.accumulate(runs[:, 1])
    is_first = np.concatenate([[True], runs[1:, 0] > ends[:-1]])
    is_last = np.concatenate([is_first[1:], [True]])
    return np.stack([runs[is_first, 0], ends[is_last]], 1)


def find_gaps(runs: Runs, n_samples: int) -> Runs:
    """Return the runs between the given ones in a song of `n_samples`."""
    edges = np.concatenate([[0], join_runs(runs).ravel(), [n_samples]])
    return join_runs(edges.reshape(-1, 2))


def find_runs(flags_T: np.ndarray) -> list[tuple[int, int]]:
    """Return (start, end) of each run of True values; the end is the first position after it."""
    edges = np.flatnonzero(np.diff(flags_T, prepend=False, append=False))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
