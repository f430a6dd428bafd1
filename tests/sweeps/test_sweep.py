"""Sweeps on a small network: what is run, what is stored, what a killed process leaves, what lanes share."""

import dataclasses
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import psutil
import pytest
import soundfile

from tests.helpers.networks import DUO
from ugosa_jax import api
from ugosa_jax.adaptation import engine, strategy
from ugosa_jax.adaptation import song_adaptation as adaptation
from ugosa_jax.cli.main import main
from ugosa_jax.config import AdaptConfig, EvaluateConfig, SeparateConfig
from ugosa_jax.data import loading
from ugosa_jax.errors import InputError
from ugosa_jax.evaluation import scoring
from ugosa_jax.sweeps import batch, grid, lock, processing, results, score_table, sweep
from ugosa_jax.sweeps.cell import make_cell
from ugosa_jax.weights import adapted_layers, checkpoint, hub

GRID = """
[adapt]
strategy = ["B0", "P-L1:M", "B-L2:D"]
lam = [0.5, 2.0]
epochs = 2
segment_s = 0.5
learning_rate = 1e-3

[evaluate]
window_s = 0.5
hop_s = 0.25
"""
UNADAPTED = GRID.replace('["B0", "P-L1:M", "B-L2:D"]', '"B0"')
"""Three cells, which take the least time."""
RATE_HZ = 8000


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "duo.safetensors"
    checkpoint.save(checkpoint.Checkpoint(DUO, jax.tree.map(np.asarray, DUO.init())), path)
    return path


def write_song(folder: Path, seed: int, seconds: float) -> None:
    """A song of noise: the voice is silent in its second half, the rest in its first quarter.

    It is mono, because BSSEval takes several times as long for two channels.
    """
    random_SxT = np.random.default_rng(seed).normal(size=(2, round(seconds * RATE_HZ))) * 0.1
    n = random_SxT.shape[1]
    random_SxT[0, n // 2 :] = 0
    random_SxT[1, : n // 4] = 0
    folder.mkdir(parents=True)
    for name, samples_T in zip(("voice", "rest", "mixture"), [*random_SxT, random_SxT.sum(0)], strict=True):
        soundfile.write(folder / f"{name}.wav", samples_T, RATE_HZ, subtype="FLOAT")
    halves = f"start,end,source\n0,{seconds / 2},voice\n{seconds / 4},{seconds},rest\n"
    (folder / "annotation.csv").write_text(halves)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Three songs of 4, 3 and 4 segments."""
    root = tmp_path_factory.mktemp("songs")
    for seed, (name, seconds) in enumerate({"a": 2.0, "b": 1.5, "c": 2.0}.items()):
        write_song(root / name, seed, seconds)
    return root


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GRID)
    return path


def run(written, network, songs, folder, *more) -> int:
    arguments = ["sweep", "run", written, "--weights", network, "--songs", songs, "--results", folder, *more]
    return main([str(argument) for argument in arguments])


def comparable(folder: Path) -> dict[str, dict]:
    """Return what the cells of a store found, without when and how long."""
    cells = results.read_cells(folder)
    for record in cells.values():
        del record["environment"]
        for what in ("timing", "separation_s", "evaluation_s", "process_peak_bytes"):
            del record["adaptation"][what]
    return cells


@pytest.fixture(scope="module")
def whole(network, songs, tmp_path_factory):
    """The store of an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "mine.toml").write_text(GRID)
    assert run(folder / "mine.toml", network, songs, folder / "store") == 0
    return folder / "store"


def test_every_cell_of_the_grid_is_done_once(whole):
    """B0 and B do not use λ: 1 + 2 + 1 settings, three songs."""
    cells = results.read_cells(whole)
    assert len(cells) == 12
    assert sorted(cells) == sorted(cell["id"] for cell in results.read_plan(whole)["cells"])
    assert {cell["status"] for cell in cells.values()} == {"done"}
    assert (whole / "grid.toml").read_text() == GRID


def test_the_same_command_again_does_nothing(whole, written, network, songs):
    before = {path: path.stat().st_mtime_ns for path in (whole / "cells").iterdir()}
    assert run(written, network, songs, whole) == 0
    assert {path: path.stat().st_mtime_ns for path in (whole / "cells").iterdir()} == before


def test_only_values_added_later_are_run(whole, written, network, songs, tmp_path):
    folder = tmp_path / "store"
    written.write_text(GRID.replace("[0.5, 2.0]", "[2.0]"))
    assert run(written, network, songs, folder) == 0
    few = {path.name: path.stat().st_mtime_ns for path in (folder / "cells").iterdir()}
    written.write_text(GRID)
    assert run(written, network, songs, folder) == 0
    assert len(few) == 9
    assert {name: (folder / "cells" / name).stat().st_mtime_ns for name in few} == few
    assert comparable(folder) == comparable(whole)


def test_scores_are_those_of_the_song_by_itself(whole, network, songs):
    base = hub.load_network(network)
    asked = grid.parse(GRID, "g")
    wanted = next(settings for settings in asked.adapt if settings.strategy == "P-L1:M")
    tracks = sweep.find_tracks(grid.SongsConfig(folder=str(songs)))
    one = loading.load_annotated(tracks["b"], base.architecture.sources)
    result = api.adapt(base, one, settings=wanted)
    estimates = api.separate(base, one, settings=asked.separate, tuned=result.tuned)
    rows = scoring.evaluate(one, estimates, asked.evaluate).rows()
    stored = [cell for cell in results.read_cells(whole).values() if cell["song"] == "b"]
    (cell,) = [c for c in stored if c["adapt"]["strategy"] == "P-L1:M" and c["adapt"]["lam"] == wanted.lam]
    assert cell["scores"] == rows
    assert len(rows) == 2 * (2 * 4 * 2 + 2 * 2)  # gated or not: rules × metrics × sources, PES and EPS × sources


def test_gated_estimates_are_silent_where_annotated_silent(whole):
    rows = score_table.read_table(whole)
    pes = rows[(rows.metric == "PES") & (rows.source == "voice")]
    assert (pes[pes.gated].value_db == -120).all()
    assert (pes[~pes.gated].value_db > -60).all()


def test_lanes_give_the_results_of_single_cells(whole, written, network, songs, tmp_path):
    """Two values of λ share a song; songs of one length run side by side. Batched matmuls round differently."""
    assert run(written, network, songs, tmp_path / "store", "--lanes", "2") == 0
    found, expected = comparable(tmp_path / "store"), comparable(whole)
    assert found.keys() == expected.keys()
    for id, cell in found.items():
        scores, others = (pd.DataFrame(c["scores"]) for c in (cell, expected[id]))
        pd.testing.assert_frame_equal(scores, others, atol=1e-3, rtol=1e-5)
    lanes = {(cell["song"], cell["adapt"]["strategy"]): cell["adaptation"]["lanes"] for cell in found.values()}
    assert [lanes[name, "P-L1:M"] for name in "abc"] == [2, 2, 2]
    assert [lanes[name, "B-L2:D"] for name in "abc"] == [2, 1, 2]


def test_a_song_that_cannot_be_read_fails_alone(written, network, songs, tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("a", "b"):
        (mine / name).symlink_to(songs / name)
    write_song(mine / "broken", 9, 1.0)
    (mine / "broken" / "rest.wav").write_bytes(b"no sound")
    assert run(written, network, mine, tmp_path / "store") == 1
    cells = results.read_cells(tmp_path / "store").values()
    assert {cell["song"] for cell in cells if cell["status"] == "failed"} == {"broken"}
    assert sum(cell["status"] == "done" for cell in cells) == 8
    assert "rest.wav" in capsys.readouterr().out

    # It is left alone until it is asked for again.
    (mine / "broken" / "rest.wav").write_bytes((mine / "broken" / "voice.wav").read_bytes())
    assert run(written, network, mine, tmp_path / "store") == 0


def test_a_cell_with_estimates_that_are_not_finite_fails_alone(written, songs, tmp_path, capsys):
    """Weights of 1e30 are finite, but estimates are not; adaptation stops at the first step, and B0 has no steps."""
    params = jax.tree.map(lambda leaf: np.full_like(leaf, 1e30), DUO.init())
    checkpoint.save(checkpoint.Checkpoint(DUO, params), tmp_path / "absurd.safetensors")
    assert run(written, tmp_path / "absurd.safetensors", songs, tmp_path / "store") == 1
    assert {cell["status"] for cell in results.read_cells(tmp_path / "store").values()} == {"failed"}
    assert "failed 4 times: a: the network produced NaN or infinity" in capsys.readouterr().out


def test_a_song_shorter_than_a_segment_fails_alone(written, network, tmp_path):
    write_song(tmp_path / "songs" / "short", 0, 0.4)
    write_song(tmp_path / "songs" / "long", 1, 1.0)
    assert run(written, network, tmp_path / "songs", tmp_path / "store") == 1
    cells = results.read_cells(tmp_path / "store").values()
    failed = {(cell["song"], cell["adapt"]["strategy"]) for cell in cells if cell["status"] == "failed"}
    assert failed == {("short", "P-L1:M"), ("short", "B-L2:D")}
    assert run(written, network, tmp_path / "songs", tmp_path / "store", "--retry") == 1


def test_tables_of_several_directories_are_collected(whole, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(whole, other)
    planned = json.loads((other / "plan.json").read_text())
    (other / "plan.json").write_text(json.dumps(planned | {"grid": "other"}))
    assert main(["sweep", "collect", str(whole), str(other), "--out", str(tmp_path / "t.csv")]) == 0
    table = pd.read_csv(tmp_path / "t.csv")
    assert tuple(table.columns) == score_table.COLUMNS
    assert len(table) == 2 * 12 * 40
    assert set(table.sweep) == {"mine", "other"}
    b0, b = table[table.strategy == "B0"], table[table.strategy == "B-L2:D"]
    assert (b0.epochs == 10).all() and (b.lam == 1).all() and (b.epochs == 2).all()


def test_cells_that_are_missing_have_rows_without_a_value(whole, tmp_path, capsys):
    """So that a report of a sweep that is not done does not look like a report of one that is."""
    shutil.copytree(whole, tmp_path / "store")
    lost = next(cell for cell in results.read_cells(whole).values() if cell["adapt"]["strategy"] == "P-L1:M")
    (tmp_path / "store" / "cells" / f"{lost['id']}.json").unlink()
    table, everything = score_table.read_table(tmp_path / "store"), score_table.read_table(whole)
    rows = (table.song == lost["song"]) & (table.strategy == "P-L1:M") & (table.lam == lost["adapt"]["lam"])
    assert rows.sum() == 40 and table[rows].value_db.isna().all()
    pd.testing.assert_frame_equal(table[~rows], everything[~rows])
    assert main(["report", str(tmp_path / "store"), "--out", str(tmp_path / "report")]) == 0
    assert "1 of 12 cells missing or failed" in (tmp_path / "report" / "report.md").read_text()


def test_the_same_scores_twice_are_refused(whole, tmp_path, capsys):
    assert main(["sweep", "collect", str(whole), str(whole), "--out", str(tmp_path / "t.csv")]) == 2
    assert "hold the same cells" in capsys.readouterr().err
    assert main(["sweep", "collect"]) == main(["report"]) == 2
    assert capsys.readouterr().err.count("RESULTS: give at least one results directory") == 2
    assert main(["sweep", "collect", str(whole), "--out", str(tmp_path / "t.xlsx")]) == 2
    assert "must be a .csv or .parquet file" in capsys.readouterr().err


def test_parquet_without_its_package_is_reported(whole, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["sweep", "collect", str(whole), "--out", str(tmp_path / "t.parquet")]) == 2
    assert "this needs pyarrow: pip install 'ugosa_jax[parquet]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_deltas_and_stems_are_kept_when_asked_for(written, network, songs, tmp_path):
    written.write_text(GRID.replace('["B0", "P-L1:M", "B-L2:D"]', '["B0", "P-L1:M"]').replace("[0.5, 2.0]", "2.0"))
    one = tmp_path / "songs"
    one.mkdir()
    (one / "a").symlink_to(songs / "a")
    keeping = written, network, one, tmp_path / "store", "--keep-deltas", "--keep-stems"
    assert run(*keeping) == 0
    base = hub.load_network(network)
    for id, cell in results.read_cells(tmp_path / "store").items():
        delta = tmp_path / "store" / "deltas" / f"{id}.safetensors"
        assert delta.exists() == (cell["adapt"]["strategy"] != "B0")
        if delta.exists():
            assert set(adapted_layers.load(delta, base)) == {"repeat2", "repeat3", "mask"}
        stems = sorted(path.name for path in (tmp_path / "store" / "stems" / id).iterdir())
        assert stems == ["rest.wav", "voice.wav"]
    made = times_of(tmp_path / "store" / "stems")
    assert run(*keeping) == 0
    assert times_of(tmp_path / "store" / "stems") == made


def times_of(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_cells_that_lack_what_is_to_be_kept_run_again(written, network, songs, tmp_path, capsys):
    """All three at first, none of which has stems; then the one whose stem got lost."""
    written.write_text(UNADAPTED)
    folder = tmp_path / "store"
    assert run(written, network, songs, folder) == 0
    found = comparable(folder)
    assert run(written, network, songs, folder, "--keep-stems", "--keep-deltas") == 0
    assert (
        "3 cells are done, but some of the requested files are missing; they are run again" in capsys.readouterr().out
    )
    assert comparable(folder) == found
    made = times_of(folder / "stems")
    assert len(made) == 6
    lost = folder / "stems" / next(iter(found)) / "voice.wav"
    lost.unlink()
    assert run(written, network, songs, folder, "--keep-stems") == 0
    again = times_of(folder / "stems")
    assert {path.parent for path in made if again[path] != made[path]} == {lost.parent}


def test_a_done_cell_that_fails_again_keeps_its_record(written, network, songs, tmp_path, monkeypatch, capsys):
    """Cells that run again for their stems, and fail, keep their scores; but stems are missing."""
    written.write_text(UNADAPTED)
    assert run(written, network, songs, tmp_path / "store") == 0

    def without_memory(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr(processing, "run_lanes", without_memory)
    assert run(written, network, songs, tmp_path / "store", "--keep-stems") == 1
    assert "failed: a, B0: RESOURCE_EXHAUSTED" in capsys.readouterr().out
    assert {record["status"] for record in results.read_cells(tmp_path / "store").values()} == {"done"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--lanes", "0"), "--lanes: must be at least 1"),
        (("--songs", "nowhere"), "nowhere"),
        (("--weights", "nothing"), "nothing"),
    ],
)
def test_sweep_run_names_the_bad_argument(written, network, songs, tmp_path, capsys, change, said):
    assert run(written, network, songs, tmp_path / "store", *change) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_strategy_that_the_network_has_not_is_refused(written, network, songs, tmp_path, capsys):
    written.write_text('[adapt]\nstrategy = "P-L5:M"')
    assert run(written, network, songs, tmp_path / "store") == 2
    assert "P-L5:M" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_foreign_folder_is_left_alone(written, network, songs, tmp_path, capsys):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.txt").write_text("years of work")
    assert run(written, network, songs, tmp_path / "store") == 2
    assert "neither empty nor a results directory of a sweep" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["thesis.txt"]


def test_results_of_another_version_are_refused(whole, written, network, songs, tmp_path, capsys):
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    planned = json.loads((whole / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps(planned | {"results_version": 0}))
    assert main(["sweep", "status", str(folder)]) == 0  # to look at it does no harm
    assert run(written, network, songs, folder) == 2
    assert (
        "its results have version 0, which cannot be compared with version 2; name another folder"
        in capsys.readouterr().err
    )
    for format in (1, 99):
        (folder / "plan.json").write_text(json.dumps(planned | {"format": format}))
        assert main(["sweep", "status", str(folder)]) == 2
        assert f"has results of format {format}, of another version of ugosa_jax" in capsys.readouterr().err


def test_only_another_results_version_renames_cells(whole, written, network, songs, tmp_path, monkeypatch):
    cells = results.read_cells(whole)
    assert {record["results_version"] for record in cells.values()} == {2}
    monkeypatch.setattr("ugosa_jax.__version__", "99.0")
    before = {path: path.stat().st_mtime_ns for path in (whole / "cells").iterdir()}
    assert run(written, network, songs, whole) == 0
    assert {path: path.stat().st_mtime_ns for path in (whole / "cells").iterdir()} == before
    monkeypatch.setattr("ugosa_jax.sweeps.cell.RESULTS_VERSION", 3)
    wanted = sweep.Sweep(
        grid.read(str(written)), hub.load_network(network), sweep.find_tracks(grid.SongsConfig(str(songs))), tmp_path
    )
    assert not cells.keys() & {cell.id for cell in sweep.list_cells(wanted)}


def test_a_grid_with_a_change_is_a_sweep_of_its_own(network, songs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(GRID)
    arguments = ["sweep", "run", "mine.toml", "--weights", network, "--songs", songs, "--set", "adapt.strategy=B0"]
    assert main([str(part) for part in [*arguments, "--set", "songs.limit=1"]]) == 0
    (store,) = Path("sweeps").iterdir()
    assert store.name == "mine,adapt.strategy=B0,songs.limit=1"
    (cell,) = results.read_plan(store)["cells"]
    assert cell["adapt"]["strategy"] == "B0"
    assert (store / "grid.toml").read_text() == f"# changed: adapt.strategy=B0\n# changed: songs.limit=1\n{GRID}"
    assert main([str(part) for part in [*arguments, "--set", "adapt.epoch=3"]]) == 2
    said = "error: --set: adapt.epoch=3: adapt.epoch: there is no such key; did you mean adapt.epochs?\n"
    assert capsys.readouterr().err.endswith(said)


def test_a_damaged_cell_is_named(whole, tmp_path, capsys):
    shutil.copytree(whole, tmp_path / "store")
    victim = next((tmp_path / "store" / "cells").iterdir())
    record = json.loads(victim.read_text())
    wrong = {"status": "lost", "scores": [{"metric": "SDR"}], "adapt": [], "n_tuned": "many"}
    texts = ["", "{}", *(json.dumps(record | {field: value}) for field, value in wrong.items())]
    for text, field in zip(texts, ["", "", *wrong], strict=True):
        victim.write_text(text)
        assert main(["sweep", "status", str(tmp_path / "store")]) == 2
        said = capsys.readouterr().err
        assert f"{victim}: {field}" in said and "delete it, and its cell is run again" in said


def test_a_damaged_plan_is_named(whole, tmp_path, capsys):
    shutil.copytree(whole, tmp_path / "store")
    plan = json.loads((tmp_path / "store" / "plan.json").read_text())
    plan["cells"][1]["adapt"]["lam"] = "1"
    (tmp_path / "store" / "plan.json").write_text(json.dumps(plan))
    for command in (["sweep", "status"], ["sweep", "collect"]):
        assert main([*command, str(tmp_path / "store")]) == 2
        assert "plan.json: cells[1].adapt.lam: expected float, got str" in capsys.readouterr().err


def test_a_write_that_fails_ends_the_sweep_with_an_error(written, network, songs, tmp_path, monkeypatch, capsys):
    """The third cell cannot be written by the second thread; the two before are there."""
    write_cell, written_cells = results.write_cell, []

    def until_the_disk_is_full(*arguments):
        if len(written_cells) == 2:
            raise InputError("cells: cannot be written (No space left on device)")
        written_cells.append(arguments)
        write_cell(*arguments)

    monkeypatch.setattr(results, "write_cell", until_the_disk_is_full)
    assert run(written, network, songs, tmp_path / "store") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert len(results.read_cells(tmp_path / "store")) == 2


def test_as_many_lanes_as_fit_run_on_an_accelerator(whole, written, network, songs, tmp_path, monkeypatch):
    """Two lanes fit: songs of one length run together, and so do the values of λ of one song."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(batch, "count_lanes_that_fit", lambda *_: 2)
    assert run(written, network, songs, tmp_path / "store") == 0
    found = comparable(tmp_path / "store")
    assert found.keys() == comparable(whole).keys()
    assert {cell["adaptation"]["lanes"] for cell in found.values()} == {1, 2}


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_damaged_plan_is_an_input_error(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(InputError):
        score_table.read_table(tmp_path)


def test_museval_and_ours_fill_the_same_rows(songs, network):
    base = hub.load_network(network)
    one = loading.load_annotated(sweep.find_tracks(grid.SongsConfig(folder=str(songs)))["a"], base.architecture.sources)
    noisy = np.random.default_rng(0).normal(size=one.stems_SxCxT.shape).astype(np.float32) * 0.02 + one.stems_SxCxT
    estimates = dict(zip(base.architecture.sources, noisy, strict=True))
    settings = EvaluateConfig(window_s=0.5, hop_s=0.25)
    ours, theirs = (
        pd.DataFrame(scoring.evaluate(one, estimates, chosen).scores)
        for chosen in (settings, EvaluateConfig(window_s=0.5, hop_s=0.25, engine="museval"))
    )
    same = ours[ours.rule != "target"].reset_index(drop=True)  # museval drops a frame for all targets at once
    pd.testing.assert_frame_equal(same, theirs, atol=1e-4, rtol=0)


def test_batches_that_do_not_fit_are_halved(whole, written, network, songs, tmp_path, monkeypatch):
    sizes = []
    run_lanes = processing.run_lanes

    def with_memory_for_one(base, lanes, on_epoch=None):
        sizes.append(len(lanes))
        if len(lanes) > 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return run_lanes(base, lanes, on_epoch)

    monkeypatch.setattr(processing, "run_lanes", with_memory_for_one)
    assert run(written, network, songs, tmp_path / "store", "--lanes", "2") == 0
    assert sizes.count(1) == 12 and sizes.count(2) == 5
    assert comparable(tmp_path / "store").keys() == comparable(whole).keys()


def test_a_cell_that_does_not_fit_alone_fails_alone(written, network, songs, tmp_path, monkeypatch, capsys):
    run_lanes = processing.run_lanes

    def without_memory(base, lanes, on_epoch=None):
        if lanes[0].cell.song == "b":
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes")
        return run_lanes(base, lanes, on_epoch)

    monkeypatch.setattr(processing, "run_lanes", without_memory)
    assert run(written, network, songs, tmp_path / "store") == 1
    assert "failed 4 times: RESOURCE_EXHAUSTED" in capsys.readouterr().out


def test_tensorboard_gets_losses_and_scores(written, network, songs, tmp_path):
    """The numbers stand in the files as 32-bit floats."""
    written.write_text(GRID.replace('["B0", "P-L1:M", "B-L2:D"]', '"P-L1:M"').replace("[0.5, 2.0]", "2.0"))
    assert run(written, network, songs, tmp_path / "store", "--tensorboard") == 0
    for id, cell in results.read_cells(tmp_path / "store").items():
        (events,) = (tmp_path / "store" / "tensorboard" / f"{cell['song']} P-L1-M {id}").iterdir()
        stored = events.read_bytes()
        for losses in cell["adaptation"]["losses"]:
            assert np.float32(losses["total"]).tobytes() in stored


def test_tensorboard_gets_what_was_done_before_without_running_it(written, network, songs, tmp_path):
    written.write_text(UNADAPTED)
    folder = tmp_path / "store"
    assert run(written, network, songs, folder) == 0
    cells = times_of(folder / "cells")
    assert run(written, network, songs, folder, "--tensorboard") == 0
    assert times_of(folder / "cells") == cells
    for id, record in results.read_cells(folder).items():
        (events,) = (folder / "tensorboard" / f"{record['song']} B0 {id}").iterdir()
        stored = events.read_bytes()
        scores = [row["value_db"] for row in record["scores"] if row["rule"] == "target"]
        assert scores
        assert all(np.float32(value).tobytes() in stored for value in scores if value is not None)
    made = times_of(folder / "tensorboard")
    assert run(written, network, songs, folder, "--tensorboard", "--keep-stems") == 0  # runs them, and adds no points
    assert times_of(folder / "tensorboard") == made


def test_the_next_song_is_loaded_while_one_is_adapted(written, network, songs, tmp_path, monkeypatch):
    """Each song but the last waits, where it is to be adapted, for the next one to be loaded: one ahead, not more."""
    written.write_text(UNADAPTED)
    load, run_lanes = loading.load_annotated, processing.run_lanes
    loaded, arrived = [], threading.Condition()

    def noted(track, sources):
        with arrived:
            loaded.append((track.name, threading.current_thread() is threading.main_thread()))
            arrived.notify_all()
        return load(track, sources)

    def waiting_for_the_next(base, lanes, on_epoch=None):
        due = {"a": 2, "b": 3, "c": 3}[lanes[0].cell.song]
        with arrived:
            assert arrived.wait_for(lambda: len(loaded) >= due, timeout=60)
            assert len(loaded) == due
        return run_lanes(base, lanes, on_epoch)

    monkeypatch.setattr(loading, "load_annotated", noted)
    monkeypatch.setattr(processing, "run_lanes", waiting_for_the_next)
    assert run(written, network, songs, tmp_path / "store") == 0
    assert loaded == [("a", False), ("b", False), ("c", False)]


def test_prefetch_keeps_the_order_and_raises_errors():
    def items():
        yield from (1, 2)
        raise InputError("there is no third")

    coming = batch.prefetch(items())
    assert [next(coming), next(coming)] == [1, 2]
    with pytest.raises(InputError, match="no third"):
        next(coming)
    assert list(batch.prefetch(iter([]))) == []


def test_number_of_lanes_that_fit_by_hand(songs, network):
    """Free memory is what it was at first: the batch that runs meanwhile is not in it."""
    base = hub.load_network(network)
    tracks = sweep.find_tracks(grid.SongsConfig(folder=str(songs)))
    one = loading.load_annotated(tracks["a"], base.architecture.sources)
    settings = AdaptConfig(strategy="P-L1:M", segment_s=0.5)
    wanted = sweep.Sweep(grid.parse(GRID, "g"), base, tracks, Path("store"))
    its = make_cell("a", "", "", settings, SeparateConfig(), EvaluateConfig())
    lane = batch.LoadedCell(its, one, adaptation.prepare(base, one, None, settings))
    plan = strategy.parse(settings.strategy, base.architecture)
    kept, recomputed = (
        sum(engine.compile_epoch(base.architecture, plan, dataclasses.replace(settings, features=how), shape)[1])
        for how, shape in (("float32", lane.material.mix_GxVxCxT.shape), ("recompute", lane.material.mix_GxVxCxT.shape))
    )
    assert recomputed < kept
    expected = {4 * kept: 3, 4 * kept / 3: 1, 4 * recomputed / 3: 1, 0: 1, 1e15: batch.MAX_LANES}
    found = {free: batch.count_lanes_that_fit(wanted.base, lane, free) for free in expected}
    assert found == {free: n * jax.local_device_count() for free, n in expected.items()}


def command(written, network, songs, folder, first: str) -> list[str]:
    """Return a command that runs a line of Python before it becomes `ugosa-jax sweep run`."""
    program = Path(sys.executable).parent / "ugosa-jax"
    code = f"import os, resource, signal, sys; {first}; os.execv(sys.argv[1], sys.argv[1:])"
    options = [written, "--weights", network, "--songs", songs, "--results", folder]
    return [sys.executable, "-c", code, *map(str, [program, "sweep", "run", *options])]


def test_a_full_disk_is_an_input_error_and_leaves_no_partial_file(written, network, songs, tmp_path):
    """Files may grow to 1000 bytes: the grid fits, the plan of twelve cells does not."""
    first = "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    limited = command(written, network, songs, tmp_path / "store", first)
    done = subprocess.run(limited, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [
        path for path in (tmp_path / "store").rglob("*") if path.is_file() and path.name not in ("grid.toml", ".lock")
    ]
    written.write_text(UNADAPTED)
    assert run(written, network, songs, tmp_path / "store") == 0  # and there is no need to clean up


@pytest.mark.slow  # the whole process; `test_a_write_that_fails_ends_the_sweep_with_an_error` shows the same inside one
def test_a_disk_that_fills_up_in_the_middle_ends_the_sweep(written, network, songs, tmp_path):
    """Files may grow to 4000 bytes: the plan of three cells fits, the record of a cell with its scores does not."""
    written.write_text(UNADAPTED)
    first = "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))"
    done = subprocess.run(
        command(written, network, songs, tmp_path / "store", first), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "cannot be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "store" / "cells").iterdir())
    assert not (tmp_path / "store" / "driver.json").exists()
    assert (tmp_path / "store" / "plan.json").exists()


def start(written, network, songs, folder, *more) -> subprocess.Popen:
    first = "signal.signal(signal.SIGINT, signal.SIG_DFL)"  # shells have background jobs ignore it
    started = [*command(written, network, songs, folder, first), *more]
    return subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def n_cells(folder: Path) -> int:
    return len([path for path in (folder / "cells").glob("*.json") if not path.name.startswith(".")])


def killed_after(process: subprocess.Popen, folder: Path, cells: int, how: signal.Signals) -> None:
    """Kill a process once so many cells are stored."""
    deadline = time.monotonic() + 600
    while process.poll() is None and n_cells(folder) < cells and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(how)
    while (
        how == signal.SIGSTOP
        and process.poll() is None
        and psutil.Process(process.pid).status() != psutil.STATUS_STOPPED
    ):
        time.sleep(0.01)


def test_a_killed_sweep_continues_and_ends_with_the_same_results(whole, written, network, songs, tmp_path, capsys):
    """A stopped driver holds the lock; a killed one does not, whatever files it left.

    Results are equal bit for bit because both processes see the same cores: the last bits of scores depend on the
    numbers of threads of LAPACK and XLA, which `tests/conftest.py` therefore settles before either is loaded.
    """
    folder = tmp_path / "store"
    process = start(written, network, songs, folder)
    killed_after(process, folder, 2, signal.SIGSTOP)
    n_done = n_cells(folder)
    assert 2 <= n_done < 12
    who = f"process {process.pid} on {socket.gethostname()}, since 2"
    assert main(["sweep", "status", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"{n_done} of 12 cells done, 0 failed, {12 - n_done} missing" in said
    assert f"running: {who}" in said
    assert run(written, network, songs, folder) == 2
    assert f"{folder}: {who}" in capsys.readouterr().err

    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert (folder / "driver.json").exists()
    assert main(["sweep", "status", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"{n_done} of 12 cells done, 0 failed, {12 - n_done} missing" in said
    assert "running" not in said
    assert all(cell["status"] == "done" for cell in results.read_cells(folder).values())
    assert run(written, network, songs, folder) == 0
    assert not (folder / "driver.json").exists()
    assert comparable(folder) == comparable(whole)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"host": 1}', '{"host": "h", "pid": 1, "since_s": 1e999}'])
def test_a_damaged_driver_file_is_ignored(tmp_path, text):
    with lock.lock_folder(tmp_path):
        assert lock.find_driver(tmp_path).pid == os.getpid()
        (tmp_path / "driver.json").write_text(text)
        assert lock.find_driver(tmp_path) is None
        with (
            pytest.raises(InputError, match="another process, is working on it; wait until it ends"),
            lock.lock_folder(tmp_path),
        ):
            pass
    assert lock.find_driver(tmp_path) is None


def test_ctrl_c_prints_how_to_continue(written, network, songs, tmp_path):
    """It comes after the first cell, in a sweep that would go on for minutes."""
    written.write_text(GRID.replace("epochs = 2", "epochs = 100_000"))
    process = start(written, network, songs, tmp_path / "store")
    killed_after(process, tmp_path / "store", 1, signal.SIGINT)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "run the same command again to continue" in said
    assert "Traceback" not in said
    assert not (tmp_path / "store" / "driver.json").exists()


def test_cells_adapted_before_an_interrupt_are_stored(written, network, songs, tmp_path, monkeypatch):
    """It comes at once where the third song is to be adapted; the second may not be scored yet."""
    written.write_text(UNADAPTED)
    run_lanes = processing.run_lanes

    def interrupted(base, lanes, on_epoch=None):
        if lanes[0].cell.song == "c":
            raise KeyboardInterrupt
        return run_lanes(base, lanes, on_epoch)

    monkeypatch.setattr(processing, "run_lanes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(written, network, songs, tmp_path / "store")
    assert {record["song"] for record in results.read_cells(tmp_path / "store").values()} == {"a", "b"}
    assert not (tmp_path / "store" / "driver.json").exists()


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(whole, written, network, songs, tmp_path):
    moments = random.Random(0)
    for _ in range(8):
        process = start(written, network, songs, tmp_path / "store")
        time.sleep(moments.uniform(2, 9))
        process.kill()
        process.wait()
        if (tmp_path / "store" / "cells").exists():
            results.read_cells(tmp_path / "store")
    assert run(written, network, songs, tmp_path / "store") == 0
    assert comparable(tmp_path / "store") == comparable(whole)


@pytest.mark.skipif(sys.platform != "linux", reason="takes root's right to write anywhere away in Linux's way")
def test_a_read_only_results_directory_is_an_input_error(whole, written, network, songs, tmp_path, capsys):
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    next((folder / "cells").iterdir()).unlink()
    before = times_of(folder)
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        path.chmod(0o500)
    drop_capability = "import ctypes; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)"  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE
    limited = command(written, network, songs, folder, drop_capability)
    done = subprocess.run(limited, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert f"{folder / 'driver.json'}: cannot be written (Permission denied)" in done.stderr
    assert "Traceback" not in done.stderr
    assert main(["sweep", "status", str(folder)]) == 0
    assert "11 of 12 cells done" in capsys.readouterr().out
    assert times_of(folder) == before
