"""Searches: ranges in grids, rungs of epochs, and a search that is interrupted."""

import math

import pytest

from ugosa_jax.config import AdaptConfig, EvaluateConfig, SearchConfig, SeparateConfig
from ugosa_jax.errors import InputError
from ugosa_jax.sweeps import grid, results, search, search_space
from ugosa_jax.sweeps.cell import make_cell

GRID = """
[adapt]
strategy = ["P-L3:M", "B-L3:M"]
lam = {low = 0.01, high = 100, log = true}
epochs = {low = 1, high = 4}

[search]
settings = 12
together = 4
"""
pytest.importorskip("optuna")


class Bench:
    """Stands in for the songs: scores are highest at λ = 1, after two epochs, with P."""

    def __init__(self, folder):
        self.folder, self.ran = folder, []

    def run_settings(self, settings):
        cells = [
            [make_cell(song, "", "", one, SeparateConfig(), EvaluateConfig()) for song in "ab"] for one in settings
        ]
        for its in cells:
            for one in its:
                if results.is_done(self.folder, one):
                    continue
                self.ran.append(one)
                results.write_cell(self.folder, one, self.outcome(one))
        return cells

    @staticmethod
    def outcome(one):
        off = abs(math.log10(one.adapt.lam)) + (one.adapt.epochs != 2) + (one.adapt.strategy != "P-L3:M")
        rows = [
            {"metric": "SDR", "rule": rule, "gated": gated, "source": "voice", "value_db": value, "n_frames": 1}
            for rule, gated, value in (("target", True, -off), ("target", False, 0.0), ("museval", True, 0.0))
        ]
        timing = {"compile_s": 0.0, "prefix_s": 0.0, "steps_s": 0.0}
        took = {"separation_s": 0.0, "evaluation_s": 0.0, "lanes": 1, "process_peak_bytes": None}
        adaptation = {"losses": [], "stopped_at": None, "timing": timing, "device": "none"} | took
        done = {"status": "done", "error": None, "environment": {}, "n_tuned": 0, "notes": []}
        return done | {"adaptation": adaptation, "scores": rows}


def searched(bench, **more):
    asked = grid.parse(GRID, "g")
    return search.find_best(
        asked.space, SearchConfig(settings=12, together=4, **more), bench.folder, bench.run_settings
    )


def test_a_grid_with_ranges_is_a_space():
    asked = grid.parse(GRID, "g")
    assert asked.adapt == ()
    assert asked.search == SearchConfig(settings=12, together=4)
    assert asked.space == search_space.SearchSpace(
        AdaptConfig(), {"strategy": ("P-L3:M", "B-L3:M")}, {"lam": search_space.Range(0.01, 100.0, True)}, (1, 2, 4)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[search]", "[songs]\n[notes]"), "there is no such key"),
        (("[search]\nsettings = 12\ntogether = 4", ""), "adapt.lam: ranges are for searches"),
        (("low = 0.01", "low = 0"), "adapt.lam: low must be above 0"),
        (("low = 0.01", "low = 1000"), "adapt.lam: high must be above low"),
        (("low = 0.01, ", ""), "adapt.lam: is not a range"),
        (("log = true", "step = 1"), "adapt.lam: a range has low, high and log, not step"),
        (("settings = 12", "settings = 0"), "settings must be"),
        (("low = 1, high = 4", "low = 1, high = 1.5"), "adapt.epochs"),
        (("low = 1, high = 4", "low = 0, high = 4"), "epochs must be at least 1"),
    ],
)
def test_bad_searches_say_what_is_wrong(change, said):
    with pytest.raises(InputError, match=said):
        grid.parse(GRID.replace(*change), "g")


def test_changes_can_set_the_search():
    changes = [grid.parse_change("search.settings=5"), grid.parse_change("adapt.lam={low = 1, high = 2}")]
    asked = grid.parse(GRID, "g", changes)
    assert (asked.search.settings, asked.space.ranges["lam"]) == (5, search_space.Range(1.0, 2.0))


def test_a_search_finds_the_best_settings_and_drops_weak_ones(tmp_path):
    bench = Bench(tmp_path)
    best = searched(bench)
    assert best.adapt.strategy == "P-L3:M"
    assert best.adapt.epochs == 2
    assert best.score_db == pytest.approx(-abs(math.log10(best.adapt.lam)))
    assert best.n_tried == 12
    assert 0 < best.n_dropped < 12
    assert {one.adapt.epochs for one in bench.ran} == {1, 2, 4}


def test_repeated_search_runs_nothing_and_has_the_same_result(tmp_path):
    first = searched(Bench(tmp_path))
    again = Bench(tmp_path)
    assert searched(again) == first
    assert not again.ran


def test_settings_whose_cells_fail_are_left_out(tmp_path, monkeypatch):
    bench = Bench(tmp_path)
    of = bench.outcome
    fails = {"status": "failed", "error": "no", "environment": {}}
    monkeypatch.setattr(bench, "outcome", lambda one: fails if one.adapt.strategy == "P-L3:M" else of(one))
    assert searched(bench).adapt == AdaptConfig(strategy="B-L3:M", epochs=2)
    nothing = Bench(tmp_path / "other")
    monkeypatch.setattr(nothing, "outcome", lambda one: fails)
    with pytest.raises(InputError, match="no setting could be scored"):
        searched(nothing)
