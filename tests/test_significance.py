"""Paired tests: values that can be computed by hand, an enumeration of all signs, what cannot be computed."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from ugosa_jax.reports.sweep import significance

EXACT = 1e-12  # closed forms: only rounding may differ


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 2, 3], 2 / 2**3),  # the two most extreme of 2³ ways to choose signs
        ([1, 2, 3, 4, 5, 6], 2 / 2**6),
        ([1, 2, -3], 1.0),  # W₊ = W₋
        ([-1, 2, 3, 4], 4 / 2**4),  # W₋ ∈ {0, 1}: no sign changed, or that of the smallest, on either side
        ([0, 1, 2, 3], 2 / 2**3),  # a zero is left out
        ([1, 1, 1, 1], 2 / 2**4),  # ties
        ([0, 0], 1.0),  # no song differs
    ],
)
def test_wilcoxon_by_hand(differences, p):
    assert significance.wilcoxon(np.array(differences, float)) == pytest.approx(p, abs=EXACT)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=8))
def test_wilcoxon_is_the_share_of_signs_at_least_as_extreme(differences):
    d = np.array([x for x in differences if x], float)
    ranks = scipy.stats.rankdata(np.abs(d))
    signed = [np.dot(signs, ranks) for signs in itertools.product((-1, 1), repeat=len(d))]
    expected = np.mean(np.abs(signed) >= abs((ranks * np.sign(d)).sum()) - 1e-9)
    assert significance.wilcoxon(np.array(differences, float)) == pytest.approx(expected, abs=EXACT)


def test_wilcoxon_does_not_depend_on_order_or_direction():
    d = np.random.default_rng(0).normal(0.3, 1, 30)
    p = significance.wilcoxon(d)
    assert 0 < p < 1
    assert significance.wilcoxon(-d[::-1]) == pytest.approx(p, abs=EXACT)


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


def test_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(3)
    covers = [
        low <= 0 <= high for low, high in (significance.median_interval(random.normal(size=20)) for _ in range(60))
    ]
    # 57 of 60 are expected, with a standard deviation of 1.7; the percentile interval of a median is a little wide.
    assert sum(covers) >= 51


def test_interval_is_the_same_again():
    d = np.random.default_rng(1).normal(size=9)
    assert significance.median_interval(d) == significance.median_interval(d)


def test_paired_leaves_out_songs_without_a_score():
    found = significance.paired(np.array([1.0, 2.0, 3.5, np.nan, 9.0]), np.array([0.5, 1.0, 2.0, 1.0, np.nan]))
    assert (found.n, found.median, found.effect) == (3, 1.0, 1.0)
    assert found.p == pytest.approx(0.25, abs=EXACT)
    assert (found.low, found.high) == (0.5, 1.5)


def test_rounding_errors_are_no_difference():
    found = significance.paired(np.array([0.1 + 0.2, 1.0]), np.array([0.3, 1.0]))
    assert (found.median, found.p, found.effect) == (0, 1, 0)


def test_one_song():
    found = significance.paired(np.array([2.0]), np.array([1.0]))
    assert (found.n, found.median, found.effect) == (1, 1, 1)
    assert all(map(math.isnan, (found.p, found.low, found.high)))


def test_no_song():
    found = significance.paired(np.array([2.0, np.nan]), np.array([np.nan, 1.0]))
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
