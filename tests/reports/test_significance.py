"""Paired tests: values that can be computed by hand, and what cannot be computed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugosa_jax.reports.sweep import significance

EXACT = 1e-12  # closed forms: only rounding may differ


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 2, 3], 2 / 2**3),  # the two most extreme of 2³ ways to choose signs
        ([0, 1, 2, 3], 2 / 2**3),  # a zero is left out
        ([1, 1, 1, 1], 2 / 2**4),  # ties
        ([0, 0], 1.0),  # no song differs
    ],
)
def test_wilcoxon_by_hand(differences, p):
    assert significance.wilcoxon(np.array(differences, float)) == pytest.approx(p, abs=EXACT)


@pytest.mark.parametrize(
    ("differences", "effect"),
    [
        ([1, 2, 3], 1.0),
        ([-5, -1], -1.0),
        ([3, -1, 2], (5 - 1) / 6),
        ([1, -1, 2], 3 / 6),  # ranks 1.5, 1.5, 3
        ([0, 0, 1, -2], (1 - 2) / 3),  # zeros have no rank
        ([0, 0], 0.0),
    ],
)
def test_rank_biserial_by_hand(differences, effect):
    assert significance.rank_biserial(np.array(differences, float)) == pytest.approx(effect, abs=EXACT)


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # .005·4, .01·3, .03·2, then .04·1 is raised to .06
        ([0.01, math.nan, 0.03], [0.02, math.nan, 0.03]),  # a family of two
        ([0.6, 0.7], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([math.nan], [math.nan]),
        ([], []),
    ],
)
def test_holm_by_hand(p, adjusted):
    np.testing.assert_allclose(significance.holm(np.array(p)), adjusted, rtol=0, atol=EXACT)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_never_lowers(p):
    adjusted = significance.holm(np.array(p))
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def test_interval_of_two_songs():
    # The median of a resample is 0, 1 or 2 with probabilities ¼, ½, ¼: both tails hold far more than 2.5 %.
    assert significance.median_interval(np.array([0.0, 2.0])) == (0, 2)


def test_interval_of_equal_differences_is_a_point():
    assert significance.median_interval(np.full(7, 0.4)) == pytest.approx((0.4, 0.4), abs=EXACT)


def test_interval_is_the_same_again():
    d = np.random.default_rng(1).normal(size=9)
    assert significance.median_interval(d) == significance.median_interval(d)


def test_paired_leaves_out_songs_without_a_score():
    found = significance.compare_pairs(np.array([1.0, 2.0, 3.5, np.nan, 9.0]), np.array([0.5, 1.0, 2.0, 1.0, np.nan]))
    assert (found.n, found.median, found.effect) == (3, 1.0, 1.0)
    assert found.p == pytest.approx(0.25, abs=EXACT)
    assert (found.low, found.high) == (0.5, 1.5)


def test_rounding_errors_are_no_difference():
    found = significance.compare_pairs(np.array([0.1 + 0.2, 1.0]), np.array([0.3, 1.0]))
    assert (found.median, found.p, found.effect) == (0, 1, 0)


def test_one_song():
    found = significance.compare_pairs(np.array([2.0]), np.array([1.0]))
    assert (found.n, found.median, found.effect) == (1, 1, 1)
    assert all(map(math.isnan, (found.p, found.low, found.high)))


def test_no_song():
    found = significance.compare_pairs(np.array([2.0, np.nan]), np.array([np.nan, 1.0]))
    assert found.n == 0
    assert all(map(math.isnan, (found.median, found.p, found.low, found.high, found.effect)))


def test_friedman_of_songs_that_agree():
    score_NxV = np.array([[1.0, 2, 3], [4, 5, 9], [0, 1, 2], [7, 8, 8.5], [np.nan, 1, 2]])
    found = significance.friedman(score_NxV)
    assert (found.n, found.n_values) == (4, 3)
    assert found.chi2 == pytest.approx(4 * (3 - 1), abs=EXACT)  # N (V − 1): the largest there is
    assert found.p == pytest.approx(math.exp(-8 / 2), abs=EXACT)  # χ² of two degrees of freedom


def test_friedman_without_a_difference():
    found = significance.friedman(np.tile([[2.0], [5.0], [3.0]], 4))
    assert (found.chi2, found.p) == (0, 1)


@pytest.mark.parametrize("shape", [(1, 3), (4, 2), (0, 4)])
def test_friedman_of_too_little(shape):
    found = significance.friedman(np.random.default_rng(0).normal(size=shape))
    assert (found.n, found.n_values) == shape
    assert math.isnan(found.p)


def test_infinite_scores_are_equal_or_left_out():
    """Perfect under both settings: no difference. Perfect under one: a difference that no median can hold."""
    first, second = np.array([np.inf, np.inf, 3.0, 4.0]), np.array([np.inf, 2.0, 1.0, 2.0])
    found = significance.compare_pairs(first, second)
    assert (found.n, found.median) == (3, 2.0)
    assert significance.compare_pairs(np.array([np.inf]), np.array([1.0])).n == 0
