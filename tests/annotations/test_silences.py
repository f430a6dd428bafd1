"""Masks and gains of a stretch of a song equal that stretch of the whole song's masks and gains."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import STATES, Interval
from ugosa_jax.annotations.silences import Silences, find_gaps, join_runs

SOURCES = ("a", "b", "c")


def compute_gain_naively(active_T, fade):
    """1 − d / fade, at least 0, with d counted sample by sample to the nearest one that is not silent."""
    heard = np.flatnonzero(active_T)
    if not len(heard):
        return np.zeros(len(active_T), np.float32)
    distance = np.abs(np.arange(len(active_T))[:, None] - heard).min(1)
    return np.maximum(0, 1 - distance / fade)


def test_join_runs_joins_touching_runs_and_drops_empty_ones():
    found = join_runs(np.array([[5, 9], [0, 2], [2, 3], [4, 4], [6, 7], [12, 13]]))
    np.testing.assert_array_equal(found, [[0, 3], [5, 9], [12, 13]])
    np.testing.assert_array_equal(find_gaps(found, 13), [[3, 5], [9, 12]])
    np.testing.assert_array_equal(find_gaps(join_runs(np.zeros((0, 2), int)), 4), [[0, 4]])


edges = st.lists(st.integers(0, 40), max_size=8, unique=True).map(sorted)


@given(edges, st.integers(1, 9), st.integers(0, 40), st.integers(0, 40))
def test_any_part_equals_that_of_the_whole_song(times, fade, start, stop):
    runs = np.array(times[: len(times) // 2 * 2], int).reshape(-1, 2)
    found = Silences((join_runs(runs),), 40)
    start, stop = sorted((start, stop))
    whole = found.compute_active()
    np.testing.assert_allclose(found.compute_gains(fade)[0], compute_gain_naively(whole[0], fade), atol=1e-6)  # float32
    np.testing.assert_array_equal(found.compute_active(start, stop), whole[:, start:stop])
    np.testing.assert_array_equal(found.compute_gains(fade, start, stop), found.compute_gains(fade)[:, start:stop])


@pytest.mark.parametrize("outside", ["silent", "unknown"])
def test_the_mask_equals_intervals_set_one_by_one(outside):
    random = np.random.default_rng(3)
    times_s = np.sort(random.uniform(0, 50, 2 * 999)).reshape(-1, 2)
    states = random.choice(STATES, 999)
    names = random.choice(SOURCES[:2], 999)
    intervals = [Interval(a, b, str(n), str(s)) for (a, b), n, s in zip(times_s, names, states, strict=True)]
    result = Annotation(tuple(intervals), SOURCES, outside)
    expected = np.full((3, 4600), outside != "silent")
    expected[2] = True  # it is not mentioned
    for i in intervals:
        start, end = int(min(i.start_s * 100, 4600) + 0.5), int(min(i.end_s * 100, 4600) + 0.5)
        expected[SOURCES.index(i.source), start:end] = i.state != "silent"
    np.testing.assert_array_equal(annotation.compute_active_mask(result, 4600, 100), expected)
