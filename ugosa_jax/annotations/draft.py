"""First drafts of annotations: a source is silent where a network's estimate of it is very quiet.

A draft is a guess that a listener has to correct. It contains silence only where the estimate is far below its own loud
passages and far below the mixture; everything else is unknown.
"""

import numpy as np

from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval, merge_overlaps
from ugosa_jax.annotations.silences import find_runs
from ugosa_jax.errors import require

WINDOW_S = 0.5
"""Length of the windows whose levels are compared."""
HOP_S = 0.1
"""Time from the start of a window to the start of the next."""
LOUD = 95
"""Percentile of the levels of a source that counts as the level of its loud passages."""
BELOW_DB = 25.0
"""Level of a silent source relative to its own loud passages, and to the mixture, is at least this much lower.

It was chosen on validation songs, so that 95 % of the silence in a draft is true (docs/annotations.md)."""
MIN_SILENCE_S = 2.0
"""Shortest silence in a draft. Shorter ones are less certain, and a network learns little from them.

It was chosen like `BELOW_DB`."""


def draft_annotation(
    est_SxCxT: np.ndarray,
    mix_CxT: np.ndarray,
    rate_hz: float,
    sources: tuple[str, ...],
    below_db: float = BELOW_DB,
    shortest_s: float = MIN_SILENCE_S,
) -> Annotation:
    """Return an annotation of the silence in a network's estimates; everything else is unknown.

    Args:
      est_SxCxT: estimates of a network that was not adapted.
      mix_CxT: the mixture.
      rate_hz: sample rate of both.
      sources: names of the estimates.
      below_db: see BELOW_DB.
      shortest_s: see MIN_SILENCE_S.

    Raises:
      InputError: the song is shorter than a window.
    """
    window, hop = round(WINDOW_S * rate_hz), round(HOP_S * rate_hz)
    require(mix_CxT.shape[1] >= window, "length of the song", f"at least {WINDOW_S} s", mix_CxT.shape[1] / rate_hz)
    mix_K = compute_levels_db(mix_CxT, window, hop)
    intervals = []
    for source, est_CxT in zip(sources, est_SxCxT, strict=True):
        est_K = compute_levels_db(est_CxT, window, hop)
        below_K = np.minimum(mix_K, np.percentile(est_K, LOUD)) - below_db
        for first, end in find_runs(est_K < below_K):
            start_s, end_s = first * hop / rate_hz, ((end - 1) * hop + window) / rate_hz
            if end_s - start_s >= shortest_s:
                intervals.append(Interval(start_s, end_s, source, "silent"))
    return Annotation(merge_overlaps(intervals), sources, "unknown")


def compute_levels_db(samples_CxT: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Compute the level of each window, 10 log10 of its mean square; at least −120 dB.

    Args:
      samples_CxT: sound.
      window: length of a window in samples.
      hop: samples from the start of one window to the start of the next.

    Returns:
      (K,), one level for each window that ends within the sound.
    """
    energy_T = np.cumsum(np.square(samples_CxT, dtype=np.float64).mean(0))
    ends = np.arange(window - 1, samples_CxT.shape[1], hop)
    before_K = np.where(ends >= window, energy_T[ends - window], 0.0)
    return 10 * np.log10(np.maximum(energy_T[ends] - before_K, 0) / window + 1e-12)
