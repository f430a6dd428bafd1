"""Annotations for sums of sources: active where any part is, silent where all are."""

import math

import numpy as np
import pytest

from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.annotations.regroup import regroup

BAND = ("drums", "bass", "vocals")
PARTS = {"vocals": ("vocals",), "accompaniment": ("drums", "bass")}


def list_states(result, source):
    return [(i.start_s, i.end_s, i.state) for i in result.select(source)]


def test_a_sum_is_active_where_any_part_is_and_silent_where_all_are():
    result = Annotation(
        (
            Interval(0, 2, "drums", "active"),
            Interval(2, 6, "drums", "silent"),
            Interval(0, 4, "bass", "silent"),
            Interval(5, 7, "bass", "active"),
            Interval(1, 3, "vocals", "silent"),
        ),
        BAND,
        "unknown",
    )
    regrouped = regroup(result, PARTS)
    assert regrouped.sources == ("vocals", "accompaniment") and regrouped.outside == "unknown"
    assert list_states(regrouped, "accompaniment") == [(0, 2, "active"), (2, 4, "silent"), (5, 7, "active")]
    assert list_states(regrouped, "vocals") == [(1, 3, "silent")]


def test_silence_outside_of_intervals_is_written_out():
    result = Annotation((Interval(1, 2, "drums"), Interval(3, 4, "bass")), BAND, "silent")
    regrouped = regroup(result, PARTS)
    expected = [(0, 1, "silent"), (1, 2, "active"), (2, 3, "silent"), (3, 4, "active"), (4, math.inf, "silent")]
    assert list_states(regrouped, "accompaniment") == expected
    assert list_states(regrouped, "vocals") == []  # it has no interval: unknown throughout


def test_a_sum_with_an_unknown_part_is_never_silent():
    result = Annotation((Interval(1, 2, "drums"),), BAND, "silent")
    assert list_states(regroup(result, PARTS), "accompaniment") == [(1, 2, "active")]


def test_a_source_without_parts_is_silent_throughout():
    result = Annotation((Interval(1, 2, "drums"),), BAND, "silent")
    regrouped = regroup(result, {"drums": ("drums",), "vocals": ()})
    assert not annotation.compute_active_mask(regrouped, 100, 10)[1].any()
    annotation.check_against(regrouped, 10.0)


@pytest.mark.parametrize("outside", ["silent", "unknown"])
def test_masks_of_sums_are_the_union_of_the_parts_masks(outside):
    random = np.random.default_rng(0)
    intervals = []
    for source in BAND:
        edges_s = np.sort(random.choice(np.arange(1, 400), 40, replace=False)) / 4
        states = random.choice(["active", "silent", "unknown"], len(edges_s) // 2)
        intervals += [
            Interval(first, end, source, state)
            for first, end, state in zip(edges_s[::2], edges_s[1::2], states, strict=True)
        ]
    result = Annotation(tuple(intervals), BAND, outside)
    drums, bass, vocals = annotation.compute_active_mask(result, 1000, 8)
    found = annotation.compute_active_mask(regroup(result, PARTS), 1000, 8)
    np.testing.assert_array_equal(found, [vocals, drums | bass])
