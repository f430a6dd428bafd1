"""Lanes of an annotation: few intervals are exact; of many, each column of pixels shows its longest state."""

import numpy as np

from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import STATES, Interval
from ugosa_jax.reports import state_spans, style, timeline
from ugosa_jax.reports.song import song_figures
from ugosa_jax.reports.song.summary import SoundSummary

EDGES_S = np.array([0.0, 1, 2, 3])


def test_shares_of_columns():
    """Column 2 holds 0.25 s of activity, 0.5 s of silence and 0.25 s without a mark."""
    said = [Interval(0.5, 1.25, "a"), Interval(1.25, 1.75, "a", "silent"), Interval(2.5, 9, "a", "unknown")]
    shares_3xN = state_spans.measure_shares(said, EDGES_S)
    np.testing.assert_allclose(shares_3xN, [[0.5, 0.25, 0], [0, 0.5, 0], [0.5, 0.25, 1]], rtol=1e-12)


def test_nothing_is_unknown():
    np.testing.assert_array_equal(state_spans.measure_shares([], EDGES_S), [[0] * 3, [0] * 3, [1] * 3])


def test_few_intervals_are_exact():
    said = [Interval(0.125, 0.25, "a"), Interval(0.5, 7, "a", "silent")]
    assert state_spans.find_spans(said, 2.0) == {"active": [(0.125, 0.125)], "silent": [(0.5, 1.5)], "unknown": []}


def test_a_column_of_many_intervals_shows_its_longest_state():
    """In the first second, 70 % of each millisecond are active, in the next one 20 %; the rest is silent."""
    said = []
    for n in range(2000):
        middle = (n + (0.7 if n < 1000 else 0.2)) / 1000
        said += [Interval(n / 1000, middle, "a"), Interval(middle, (n + 1) / 1000, "a", "silent")]
    spans = state_spans.find_spans(said, 2.0, 20)
    assert spans == {"active": [(0.0, 1.0)], "silent": [(1.0, 1.0)], "unknown": []}


def test_figures_of_many_intervals_are_small(tmp_path):
    """10⁵ intervals of four sources: ten stretches of 50 s in which a source is active 0.6 of the time, or silent."""
    sources = ("drums", "bass", "other", "vocals")
    intervals = [
        Interval(n / 50, (n + 0.6) / 50, source, STATES[n // 2500 % 2]) for n in range(25_000) for source in sources
    ]
    crowded = Annotation(tuple(intervals), sources, "unknown")
    assert timeline.render_text(crowded, 500.0, 10) == [f"{source:10} |{'#.' * 5}|" for source in sources]
    timeline.write_picture(tmp_path / "lanes.svg", crowded, 500.0)
    glimpse = SoundSummary(np.ones(1000), np.zeros((4, 1000)), 0.0, b"")
    waves = song_figures.draw_waves(crowded, 500.0, glimpse, {"B0": dict.fromkeys(sources, glimpse)})
    assert len((tmp_path / "lanes.svg").read_text()) < 100_000
    assert len(style.to_svg(waves)) < 700_000  # most of it outlines
