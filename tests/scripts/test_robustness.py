"""Degraded annotations, and all commands of scripts/experiments/robustness.py on a small network."""

import itertools
import json
import sys
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
import soundfile

from tests.helpers.networks import DUO

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "experiments"))
import imprecision
import robustness
import robustness_report
from imprecision import CONDITIONS, Condition

from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.config import EvaluateConfig
from ugosa_jax.data import loading
from ugosa_jax.evaluation import scoring
from ugosa_jax.weights import checkpoint

pytestmark = pytest.mark.slow  # scripts are not part of the package

DURATION_S = 20.0
TRUTH = Annotation(
    (
        Interval(0, 4, "voice", "silent"),
        Interval(4, 9, "voice"),
        Interval(9, 9.2, "voice", "silent"),
        Interval(9.2, 14, "voice"),
        Interval(14, 20, "voice", "silent"),
        Interval(0, 6, "rest"),
        Interval(6, 8, "rest", "silent"),
        Interval(8, 20, "rest"),
    ),
    ("voice", "rest"),
    "unknown",
)
RESTS = [(0, 4, "voice"), (6, 8, "rest"), (9, 9.2, "voice"), (14, 20, "voice")]
RATE_HZ = 8000


def silent(rests) -> list[tuple[float, float, str]]:
    return [(i.start_s, i.end_s, i.source) for i in rests if i.state == "silent"]


def degrade(song="song", **how) -> list[tuple[float, float, str]]:
    return silent(imprecision.degrade(TRUTH, DURATION_S, Condition("", "", **how), song).intervals)


def test_exact_condition_keeps_every_rest():
    annotated = imprecision.degrade(TRUTH, DURATION_S, Condition("", "", shortest_s=0.0), "song")
    assert silent(annotated.intervals) == RESTS == silent(imprecision.list_rests(TRUTH, DURATION_S))
    masks = [annotation.compute_active_mask(one, 20 * RATE_HZ, RATE_HZ) for one in (annotated, TRUTH)]
    np.testing.assert_array_equal(*masks)


def test_rests_include_time_outside_active_intervals():
    marked = Annotation((Interval(3, 7, "voice"),), ("voice", "rest"), "silent")
    assert silent(imprecision.list_rests(marked, DURATION_S)) == [(0, 3, "voice"), (7, 20, "voice")]


def test_conditions_drop_short_rests():
    assert degrade() == [rest for rest in RESTS if rest[0] != 9]


def test_jitter_scales_one_draw_per_boundary():
    exact = degrade()
    small, large = (np.array([rest[:2] for rest in degrade(jitter_s=jitter_s)]) for jitter_s in (0.25, 0.5))
    moved = small - np.array([rest[:2] for rest in exact])
    assert (np.abs(moved) <= 0.25).all()
    np.testing.assert_array_equal(moved == 0, [[True, False], [False, False], [False, True]])  # the song's ends stay
    assert len(set(moved[moved != 0])) == 4
    np.testing.assert_allclose(large - np.array([rest[:2] for rest in exact]), 2 * moved, rtol=0, atol=1e-12)
    assert degrade(jitter_s=0.25) == degrade(jitter_s=0.25) != degrade("another song", jitter_s=0.25)


def test_jitter_is_uniform():
    rests = [Interval(3 * k + 1, 3 * k + 2, "voice", "silent") for k in range(1000)]
    moved = imprecision.move_boundaries(rests, 3001.0, 0.4, "song")
    offsets = np.array([[m.start_s - r.start_s, m.end_s - r.end_s] for m, r in zip(moved, rests, strict=True)])
    # 2000 draws: the mean is off by 0.4/√3/√2000 = 0.005 (one sigma), a quartile of ±0.2 by 0.008.
    np.testing.assert_allclose(np.quantile(offsets, [0.25, 0.5, 0.75]), [-0.2, 0, 0.2], atol=0.04)
    assert 0.39 < np.abs(offsets).max() <= 0.4
    assert abs(np.corrcoef(offsets.T)[0, 1]) < 0.12


def test_jitter_drops_inverted_rests_and_joins_overlapping_ones():
    rests = [Interval(5 + 0.02 * k, 5 + 0.02 * k + 0.01, "voice", "silent") for k in range(50)]
    moved = imprecision.move_boundaries(rests, DURATION_S, 0.5, "song")
    assert 1 <= len(moved) < 50
    assert all(i.start_s < i.end_s for i in moved)
    assert all(one.end_s < next_one.start_s for one, next_one in itertools.pairwise(moved))


def test_few_rests_are_a_subset_of_more_rests():
    one, two, all_of_them = (set(degrade(max_rests=most)) for most in (1, 2, 4))
    assert one < two < all_of_them == set(degrade())
    assert len(one) == 1 and len(two) == 2
    assert len({min(degrade(f"song {k}", max_rests=1)) for k in range(20)}) == 3  # the one that is kept is random


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_false_rests_make_up_the_share_of_each_source(share):
    for song in ("a", "b", "c"):
        annotated = imprecision.degrade(TRUTH, DURATION_S, Condition("", "", share_wrong=share), song)
        assert set(degrade()) <= set(silent(annotated.intervals))  # true rests are kept
        claimed, truly = (~annotation.compute_active_mask(one, 20 * RATE_HZ, RATE_HZ) for one in (annotated, TRUTH))
        wrong = (claimed & ~truly).sum(1) / claimed.sum(1)
        np.testing.assert_allclose(wrong, share, atol=1e-3)  # ends are rounded to samples: 4 of 40,000 at most


def test_false_rests_continue_after_a_true_rest():
    rests = [Interval(4, 6, "voice", "silent")]
    # The voice plays for 10 s, and a share of 0.9 needs 18 s of false rests: so all of it is marked, around the rest.
    assert silent(imprecision.draw_false_rests(rests, rests, 12.0, 0.9, "song")) == [(0, 4, "voice"), (6, 12, "voice")]


def test_claims_count_intervals_and_seconds():
    annotated = Annotation(
        (Interval(3, 5, "voice", "silent"), Interval(6, 8, "rest", "silent")), TRUTH.sources, "unknown"
    )
    assert imprecision.measure_claims(annotated, TRUTH, DURATION_S) == (2, 4.0, 1.0)


def test_annotation_without_rests_can_be_written(tmp_path):
    annotation.write_annotation(imprecision.to_annotation([], 3.0, ("voice", "rest")), tmp_path / "a.csv")
    assert annotation.compute_active_mask(
        annotation.read_annotation(tmp_path / "a.csv", ("voice", "rest")), 10, 1
    ).all()


def test_conditions_have_unique_names():
    assert len(CONDITIONS) == len({condition.name for condition in CONDITIONS})


# All commands, one after the other


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Two songs of noise: the voice rests in the last third, the rest in the first."""
    root = tmp_path_factory.mktemp("prepared")
    for seed, name in enumerate("ab"):
        random_SxTx2 = np.random.default_rng(seed).normal(size=(2, 3 * RATE_HZ, 2)) * 0.1
        random_SxTx2[0, 2 * RATE_HZ :] = 0
        random_SxTx2[1, :RATE_HZ] = 0
        (root / name).mkdir()
        for what, samples_TxC in zip(("voice", "rest", "mixture"), [*random_SxTx2, random_SxTx2.sum(0)], strict=True):
            soundfile.write(root / name / f"{what}.wav", samples_TxC, RATE_HZ, subtype="FLOAT")
        (root / name / "annotation.csv").write_text(
            "start,end,source,state\n0,2,voice,active\n2,3,voice,silent\n0,1,rest,silent\n1,3,rest,active\n"
        )
    return root


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A grid as the real one, for a small network and short segments, and fewer conditions."""
    folder = tmp_path_factory.mktemp("grids")
    checkpoint.save(checkpoint.Checkpoint(DUO, jax.tree.map(np.asarray, DUO.init())), folder / "duo.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        text = robustness.ADAPTED.read_text()
        text = text.replace('"mini"', json.dumps(str(folder / "duo.safetensors")))
        text = text.replace("[evaluate]", "[evaluate]\nwindow_s = 0.5\nhop_s = 0.5")
        text = text.replace("learning_rate", "segment_s = 0.5\nepochs = 2\nlearning_rate")
        (folder / "adapted.toml").write_text(text)
        patch.setattr(robustness, "ADAPTED", folder / "adapted.toml")
        few = tuple(one for one in CONDITIONS if one.name in ("exact", "long", "jitter-0.5", "few-1"))
        patch.setattr(robustness, "CONDITIONS", few)
        patch.setattr(robustness_report, "CONDITIONS", few)
        yield


@pytest.fixture(scope="module")
def work(prepared, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    assert robustness.main(["prepare", str(prepared), str(folder)]) == 0
    assert robustness.main(["run", str(folder)]) == 0
    return folder


def test_prepare_links_sound_and_writes_annotations(prepared, work):
    for name in ("exact", "jitter-0.5"):
        assert (work / "songs" / name / "a" / "voice.wav").samefile(prepared / "a" / "voice.wav")
    texts = [(work / "songs" / name / "a" / "annotation.csv").read_text() for name in ("exact", "long", "jitter-0.5")]
    assert texts[0] == texts[1] != texts[2]
    assert "active" in (prepared / "a" / "annotation.csv").read_text()  # the original is unchanged
    claims = pd.read_csv(work / "claims.csv").set_index(["condition", "song"])
    assert claims.loc["exact", "a"].tolist() == [2, 2.0, 0.0]
    assert claims.loc["few-1", "a"].tolist() == [1, 1.0, 0.0]
    assert claims.loc["jitter-0.5", "a"].wrong_s > 0


def test_run_computes_nothing_twice(work):
    before = {path: path.stat().st_mtime_ns for path in work.glob("results/*/cells/*")}
    assert len(before) == 2 * 5  # two songs, four conditions, and B0 once
    assert robustness.main(["run", str(work)]) == 0
    assert {path: path.stat().st_mtime_ns for path in work.glob("results/*/cells/*")} == before


def test_plain_scores_ignore_the_annotation(prepared, work):
    songs = [
        loading.load_annotated(robustness.datasets.list_tracks(work / "songs" / name, names=["a"])[0], DUO.sources)
        for name in ("exact", "jitter-0.5")
    ]
    noise = np.random.default_rng(5).normal(size=songs[0].stems_SxCxT.shape).astype(np.float32)
    estimates = dict(zip(DUO.sources, songs[0].stems_SxCxT + 0.03 * noise, strict=True))
    rows = [scoring.evaluate(song, estimates, EvaluateConfig(outputs="plain")) for song in songs]
    assert rows[0] == rows[1]
    both = [scoring.evaluate(song, estimates, EvaluateConfig(outputs="gated")) for song in songs]
    assert both[0] != both[1]  # scores of gated estimates depend on it


def test_report_matches_a_computation_by_hand(work, tmp_path):
    assert robustness.main(["report", str(work), "--out", str(tmp_path / "out")]) == 0
    gains = robustness_report.compute_gains(work)
    table = robustness_report.make_table(gains, robustness_report.read_claims(work), robustness.CONDITIONS)
    assert list(table.annotation) == [condition.label for condition in robustness.CONDITIONS]
    table.index = pd.Index([condition.name for condition in robustness.CONDITIONS])
    by_hand = []
    for song in "ab":
        values = {}
        for store in ("unadapted", "jitter-0.5"):
            records = [json.loads(path.read_text()) for path in (work / "results" / store / "cells").iterdir()]
            (record,) = (one for one in records if one["song"] == song)
            assert not any(row["gated"] for row in record["scores"])
            chosen = (row for row in record["scores"] if (row["metric"], row["rule"]) == ("SDR", "target"))
            values[store] = np.array([row["value_db"] for row in chosen])
        by_hand.append(np.mean(values["jitter-0.5"] - values["unadapted"]))
    assert table.SDR["jitter-0.5"] == pytest.approx(np.median(by_hand), abs=1e-9)
    assert (gains.value_db.abs() > 0).any()
    assert table.difference_db["exact"] == 0  # the same rests: the same numbers
    assert np.isnan(table.difference_db["long"])  # the one that the others are compared with
    text = (tmp_path / "out" / "robustness.md").read_text()
    assert "| boundaries off by up to 0.5 s | 2.0 | 2.3 |" in text
    assert (tmp_path / "out" / "robustness.svg").read_text().count("<svg") == 1


def test_commands_refuse_unusable_folders_in_one_line(work, prepared, settings, tmp_path, capsys):
    assert robustness.main(["report", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    bare = tmp_path / "bare" / "a"
    bare.mkdir(parents=True)
    for name in ("voice", "rest", "mixture"):
        (bare / f"{name}.wav").symlink_to(prepared / "a" / f"{name}.wav")
    assert robustness.main(["prepare", str(bare.parent), str(tmp_path / "work")]) == 2
    assert "has no annotation.csv" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_thresholds_of_perfect_estimates_find_all_silence(prepared, settings, tmp_path, monkeypatch, capsys):
    """Estimates equal to the stems give drafts without errors, which miss only the edges of a silence."""

    def stems(base, mixture):
        samples_SxCxT = [soundfile.read(prepared / "a" / f"{name}.wav", dtype="float32")[0].T for name in DUO.sources]
        return dict(zip(DUO.sources, samples_SxCxT, strict=True))

    monkeypatch.setattr(robustness, "separate", stems)
    monkeypatch.setattr(robustness, "BELOW_DB", (20.0,))
    monkeypatch.setattr(robustness, "MIN_SILENCE_S", (0.8, 1.5))
    (tmp_path / "a").symlink_to(prepared / "a")
    table = robustness.measure_thresholds(tmp_path)
    assert table["true"][0] == 1
    assert table["found"][0] > 0.89  # a window of 0.5 s begins every 0.1 s: less than 0.1 s is lost of 1 s
    assert table.claimed_s[1] == 0 and np.isnan(table["true"][1]) and table["found"][1] == 0
    assert robustness.main(["threshold", str(tmp_path)]) == 0
    assert "| 0.8 | 20 | " in capsys.readouterr().out
