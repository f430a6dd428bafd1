"""The comparison of sweeps with a first one, computed by hand."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "experiments"))
import recommended_report

pytestmark = pytest.mark.slow  # scripts are not part of the package


def sweep(strategy, values):
    """Return SDRs of songs a, b, c …: a column for each source."""
    columns = {(strategy, source): row for source, row in values.items()}
    return pd.DataFrame(columns, index=pd.Index(list("abcdefgh")[: len(next(iter(values.values())))], name="song"))


def test_table_pairs_songs_and_corrects_over_all_rows():
    """Eight songs that all gain have p = 2 / 2⁸; of two tests Holm doubles the smaller one."""
    before = sweep("B0", {"drums": np.arange(8.0), "bass": np.arange(8.0)})
    rises = 1 + np.arange(8.0) / 10
    after = sweep("R-L3:M", {"drums": np.arange(8.0) + rises, "bass": np.arange(8.0)})
    after.iloc[7, 1] = np.nan
    rows = recommended_report.make_table(before, {"new": after})
    drums, bass = rows.itertuples(index=False)
    assert (drums.sweep, drums.strategy, drums.source, drums.songs) == ("new", "R-L3:M", "drums", 8)
    assert (drums.base, drums.difference, drums.effect) == (3.5, pytest.approx(1.35), 1.0)
    assert drums.p == pytest.approx(2 * 2 / 2**8)
    assert (bass.songs, bass.difference, bass.p) == (7, 0.0, 1.0)
    text = recommended_report.to_markdown(rows)
    assert "| new | R-L3:M | drums | 8 | 4.85 | 3.50 | 1.35 |" in text
