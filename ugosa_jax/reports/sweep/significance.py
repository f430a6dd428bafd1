"""Paired significance tests over songs.

N songs, V values of a setting, M tests of a family. Every song is scored with both settings, and the tests use the N
differences. Songs without a score (NaN), or with an infinite score (a perfect estimate) in only one setting, are left
out. Results that cannot be computed are NaN; p is 1 if all songs have equal scores.
"""

import dataclasses
import math

import numpy as np
import scipy.stats

LEVEL = 0.95
"""Confidence level of the intervals."""
SEED = 0
"""Seed of the bootstrap: the same scores give the same interval."""
RESAMPLES = 9999
DECIMALS = 9
"""Decimals to which differences in dB are rounded, so that ties and zeros are exact."""


@dataclasses.dataclass(frozen=True)
class PairedComparison:
    """Comparison of two settings over songs.

    Attributes:
      n: number of songs with both scores.
      median: median over these songs of the difference, first minus second.
      low: lower end of the bootstrap interval of the median.
      high: upper end of this interval.
      effect: matched-pairs rank-biserial correlation, −1 … 1.
      p: two-sided Wilcoxon signed-rank test.
    """

    n: int
    median: float
    low: float
    high: float
    effect: float
    p: float


@dataclasses.dataclass(frozen=True)
class Friedman:
    """Comparison of many settings at once: n songs that have all scores, n_values settings, χ² and its p."""

    n: int
    n_values: int
    chi2: float
    p: float


def compare_pairs(first_N: np.ndarray, second_N: np.ndarray) -> PairedComparison:
    """Compare two settings, song by song.

    Args:
      first_N: a score of every song, NaN where there is none.
      second_N: the same under the other setting.

    Returns:
      The comparison; all fields except n are NaN if no song has both scores.
    """
    difference_N = np.subtract(first_N, second_N, out=np.zeros(len(first_N)), where=np.not_equal(first_N, second_N))
    difference_N = np.round(difference_N[np.isfinite(difference_N)], DECIMALS)
    n = len(difference_N)
    if n == 0:
        return PairedComparison(0, math.nan, math.nan, math.nan, math.nan, math.nan)
    low, high = median_interval(difference_N)
    median = float(np.median(difference_N))
    return PairedComparison(n, median, low, high, rank_biserial(difference_N), wilcoxon(difference_N))


def wilcoxon(difference_N: np.ndarray) -> float:
    """Return p of the two-sided Wilcoxon signed-rank test; NaN for fewer than two songs.

    Zero differences are left out, as in Wilcoxon's paper. The distribution is exact for up to 50 songs without ties and
    up to 13 songs with ties (by enumeration), otherwise normal with the variance corrected for ties.
    """
    if len(difference_N) < 2:
        return math.nan
    nonzero = difference_N[difference_N != 0]
    if len(nonzero) == 0:
        return 1.0
    return float(scipy.stats.wilcoxon(nonzero).pvalue)  # pyright: ignore[reportAttributeAccessIssue]


def rank_biserial(difference_N: np.ndarray) -> float:
    """Return the matched-pairs rank-biserial correlation r = (W₊ − W₋) / (W₊ + W₋).

    W₊ and W₋ are the sums of the ranks of |difference| over the positive and the negative differences, without zeros.
    The result is 1 if the first setting is better in every song, and 0 if neither is better, or if no song differs.

    Source: Kerby, "The simple difference formula", Comprehensive Psychology 2014.
    """
    nonzero = difference_N[difference_N != 0]
    if len(nonzero) == 0:
        return 0.0
    ranks = scipy.stats.rankdata(np.abs(nonzero))
    return float((ranks * np.sign(nonzero)).sum() / ranks.sum())


def median_interval(difference_N: np.ndarray) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the median, over songs; NaN for fewer than two songs.

    BCa intervals are not used, because their acceleration relies on the jackknife, which fails for the median.
    """
    if len(difference_N) < 2:
        return math.nan, math.nan
    interval = scipy.stats.bootstrap(
        (difference_N,),
        np.median,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def holm(p_M: np.ndarray) -> np.ndarray:
    """Return Holm's step-down adjusted p of a family of tests; NaN remains NaN and is not counted as a test.

    p̃₍ᵢ₎ = max over j ≤ i of min(1, (M − j + 1) p₍ⱼ₎), with p₍₁₎ ≤ p₍₂₎ ≤ …

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 1979.
    """
    p_M = np.asarray(p_M, np.float64)
    adjusted_M = np.full_like(p_M, math.nan)
    order = np.argsort(p_M)  # NaN is last
    order = order[: np.isfinite(p_M).sum()]
    factors = np.arange(len(order), 0, -1)
    adjusted_M[order] = np.maximum.accumulate(np.minimum(1, factors * p_M[order]))
    return adjusted_M


def friedman(score_NxV: np.ndarray) -> Friedman:
    """Return Friedman's test of whether scores differ between settings; NaN for fewer than two songs or three settings.

    Args:
      score_NxV: a score of every song under every setting; songs with a missing score are left out.
    """
    score_NxV = np.asarray(score_NxV, np.float64)
    score_NxV = np.round(score_NxV[np.isfinite(score_NxV).all(axis=1)], DECIMALS)
    n, n_values = score_NxV.shape
    if n < 2 or n_values < 3:
        return Friedman(n, n_values, math.nan, math.nan)
    if (score_NxV == score_NxV[:, :1]).all():
        return Friedman(n, n_values, 0.0, 1.0)
    result = scipy.stats.friedmanchisquare(*score_NxV.T)
    return Friedman(n, n_values, float(result.statistic), float(result.pvalue))
