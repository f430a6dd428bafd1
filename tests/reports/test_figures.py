"""Figures: the values that are drawn, names with characters of markup, and reproducible files."""

import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex

from tests.helpers.score_rows import scores, sweep
from ugosa_jax.errors import InputError
from ugosa_jax.reports import style
from ugosa_jax.reports.sweep import rows, sweep_figures

HOSTILE = ["<b>& \"x\" 'y' -- ]]>", "$\\frac{1$ _^", "日本語の歌", "a\\b\n\tc", "x" * 300]


@pytest.fixture(scope="module")
def table():
    found = rows.check_rows(sweep())
    return found[found.rule == "target"]


@pytest.fixture(scope="module")
def study_table():
    return rows.check_rows(
        scores(song=["a", "b", "c", "d"], value_db=[1.0, 2, 3, 5], lam=[0.1, 1.0, 10.0], source=["drums", "bass"])
    )


def bars(axis, colour):
    return [bar.get_height() for bar in axis.patches if to_hex(bar.get_facecolor()) == colour]


def test_bars_are_medians_and_the_line_is_b0(table):
    figure = sweep_figures.draw_strategies(table)
    drums, bass = figure.axes
    assert [axis.get_title() for axis in (drums, bass)] == ["drums", "bass"]
    assert [label.get_text() for label in drums.get_xticklabels()] == ["L1:D", "L3:M"]
    # Songs score 3 … 9 under B0; P adds 1 and a tenth of the song's number, B adds 0.4.
    np.testing.assert_allclose(bars(drums, sweep_figures.COLOURS["P"]), [7.3, 7.3], atol=1e-9)
    np.testing.assert_allclose(bars(drums, sweep_figures.COLOURS["B"]), [6.4], atol=1e-9)
    line = next(line for line in drums.lines if line.get_color() == sweep_figures.COLOURS["B0"])
    assert set(line.get_ydata()) == {6.0}
    dots = [line for line in drums.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots[0].get_ydata(), [3 + i + 1 + i / 10 for i in range(7)], atol=1e-9)


def test_a_song_without_a_score_leaves_its_place_empty(table):
    gap = table[~((table.song == "c") & (table.strategy == "P-L1:D"))]
    places = [
        next(line.get_xdata() for line in sweep_figures.draw_strategies(t).axes[0].lines if line.get_marker() == "o")
        for t in (table, gap)
    ]
    np.testing.assert_array_equal(*places)


def test_medians_and_quartiles_against_the_setting(study_table):
    figure = sweep_figures.draw_study(study_table, "lam", 1.0)
    axis = figure.axes[0]
    assert axis.get_xscale() == "log"
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0.1", "1", "10"]
    np.testing.assert_array_equal(axis.lines[0].get_xdata(), [0.1, 1, 10])
    np.testing.assert_array_equal(axis.lines[0].get_ydata(), [2.5] * 3)
    edges = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert (edges.min(), edges.max()) == (1.75, 3.5)  # quartiles of 1, 2, 3, 5
    assert list(axis.lines[1].get_xdata()) == [1.0, 1.0]


def test_zero_has_a_place_on_a_logarithmic_axis():
    table = rows.check_rows(scores(song=["a", "b"], lam=[0.0, 0.1, 1.0]))
    axis = sweep_figures.draw_study(table, "lam", 1.0).axes[0]
    assert axis.get_xscale() == "symlog"
    places = axis.transData.transform([(x, 0) for x in (0.0, 0.1, 1.0)])[:, 0]
    assert np.isfinite(places).all()
    assert (np.diff(places) > 0).all()


def test_gains_are_paired_differences_in_order(table):
    axis = sweep_figures.draw_gains(table, "L3:M").axes[0]
    p, b = (c.get_offsets() for c in axis.collections if len(c.get_offsets()) == 7)
    np.testing.assert_allclose(p[:, 0], [1 + i / 10 for i in range(7)], atol=1e-9)
    np.testing.assert_allclose(b[:, 0], 0.4, atol=1e-9)
    assert [label.get_text() for label in axis.get_yticklabels()] == list("abcdefg")


def test_gains_without_b(table):
    axis = sweep_figures.draw_gains(table, "L1:D").axes[0]
    assert len([c for c in axis.collections if len(c.get_offsets()) == 7]) == 1


def test_gains_of_sources_that_were_not_all_adapted(table):
    part = table[(table.source == "drums") | (table.strategy == "B0")]
    assert [axis.get_title() for axis in sweep_figures.draw_gains(part, "L3:M").axes] == ["drums"]


def test_figures_refuse_rows_without_scores(table, study_table):
    with pytest.raises(InputError, match="no song has a score SDR under B0 and under a strategy that tunes L2:D"):
        sweep_figures.draw_gains(table, "L2:D")
    with pytest.raises(InputError, match="no score SDR"):
        sweep_figures.draw_strategies(table[table.metric == "SIR"])
    with pytest.raises(InputError, match="no score"):
        sweep_figures.draw_study(study_table.assign(value_db=np.nan), "lam", 1.0)
    with pytest.raises(InputError, match="several scores"):
        sweep_figures.draw_strategies(rows.check_rows(sweep()))  # both rules


def test_svg_parses_and_is_the_same_again(table, study_table):
    for draw in (
        lambda: sweep_figures.draw_strategies(table),
        lambda: sweep_figures.draw_gains(table, "L3:M"),
        lambda: sweep_figures.draw_study(study_table, "lam", 1.0),
    ):
        text = style.to_svg(draw())
        assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert text == style.to_svg(draw())
        assert "<dc:date>" not in text


def test_svg_of_another_process_is_the_same(tmp_path, table):
    table.to_csv(tmp_path / "scores.csv", index=False)
    (tmp_path / "draw.py").write_text(
        "import sys; from ugosa_jax.reports import style; from ugosa_jax.reports.sweep import sweep_figures, rows\n"
        "sys.stdout.reconfigure(encoding='utf-8')\n"
        "print(style.to_svg(sweep_figures.draw_strategies(rows.read_rows(sys.argv[1]))), end='')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsvg.fonttype: path\n")  # the user's own style
    command = [sys.executable, "draw.py", "scores.csv"]
    environment = {"PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == style.to_svg(sweep_figures.draw_strategies(table))


def test_names_are_text(table):
    found = table.copy()
    for plain, name in zip("abcde", HOSTILE, strict=True):
        found.loc[found.song == plain, "song"] = name
    found.loc[found.source == "bass", "source"] = "<i>$&"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = style.to_svg(sweep_figures.draw_gains(found, "L3:M"))
    shown = {
        "".join(element.itertext()).strip() for element in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}text")
    }
    assert {*HOSTILE[:3], "a\\b c", "x" * 31 + "…", "<i>$&"} <= shown


def test_settings_of_matplotlib_are_left_alone(table):
    before = dict(matplotlib.rcParams)
    style.to_svg(sweep_figures.draw_strategies(table))
    assert dict(matplotlib.rcParams) == before
