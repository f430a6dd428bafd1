"""Sweeps on a small network: what is run, what is stored, what a killed process leaves, what lanes share."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
import soundfile
from networks import DUO

from ugosa_jax import cli, evaluation, grid, model, published, song, store, sweep, weights
from ugosa_jax.config import EvaluateConfig
from ugosa_jax.errors import InputError

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
RATE_HZ = 8000


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "duo.safetensors"
    weights.save(weights.Checkpoint(DUO, jax.tree.map(np.asarray, model.init(DUO))), path)
    return path


def write_song(folder: Path, seed: int, seconds: float) -> None:
    """A song of noise: the voice is silent in its second half, the rest in its first quarter."""
    random_SxTx2 = np.random.default_rng(seed).normal(size=(2, round(seconds * RATE_HZ), 2)) * 0.1
    n = random_SxTx2.shape[1]
    random_SxTx2[0, n // 2 :] = 0
    random_SxTx2[1, : n // 4] = 0
    folder.mkdir(parents=True)
    for name, samples_TxC in zip(("voice", "rest", "mixture"), [*random_SxTx2, random_SxTx2.sum(0)], strict=True):
        soundfile.write(folder / f"{name}.wav", samples_TxC, RATE_HZ, subtype="FLOAT")
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
    arguments = ["sweep", "run", written, "--weights", network, "--songs", songs, "--store", folder, *more]
    return cli.main([str(argument) for argument in arguments])


def comparable(folder: Path) -> dict[str, dict]:
    """Return what the cells of a store found, without when and how long."""
    cells = store.read_cells(folder)
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
    """B0 and B do not look at λ: 1 + 2 + 1 settings, three songs."""
    cells = store.read_cells(whole)
    assert len(cells) == 12
    assert sorted(cells) == sorted(cell["id"] for cell in store.plan(whole)["cells"])
    assert {cell["status"] for cell in cells.values()} == {"done"}
    assert (whole / "grid.toml").read_text() == GRID


def test_the_same_command_again_does_nothing(whole, written, network, songs):
    before = {path: path.stat().st_mtime_ns for path in (whole / "cells").iterdir()}
    assert run(written, network, songs, whole) == 0
    assert {path: path.stat().st_mtime_ns for path in (whole / "cells").iterdir()} == before


def test_values_that_are_added_later_run_alone(whole, written, network, songs, tmp_path):
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
    base = published.load(network)
    asked = grid.parse(GRID, "g")
    wanted = next(settings for settings in asked.adapt if settings.strategy == "P-L1:M")
    tracks = sweep.tracks(grid.SongsConfig(folder=str(songs)))
    one = evaluation.load(tracks["b"], base.config.sources)
    result = song.adapt_song(base, one.mixture, one.labels, wanted)
    estimates = song.separate_song(base, one.mixture, asked.separate, result.tuned)
    rows = evaluation.scores(one, estimates, asked.evaluate)
    stored = [cell for cell in store.read_cells(whole).values() if cell["song"] == "b"]
    (cell,) = [c for c in stored if c["adapt"]["strategy"] == "P-L1:M" and c["adapt"]["lam"] == wanted.lam]
    assert cell["scores"] == rows
    assert len(rows) == 2 * (2 * 4 * 2 + 2 * 2)  # gated or not: rules × metrics × sources, PES and EPS × sources


def test_gated_estimates_are_silent_where_annotated_silent(whole):
    rows = store.table(whole)
    pes = rows[(rows.metric == "PES") & (rows.source == "voice")]
    assert (pes[pes.gated].value_db == -120).all()
    assert (pes[~pes.gated].value_db > -60).all()


def test_lanes_give_what_single_cells_give(whole, written, network, songs, tmp_path):
    """Two values of λ share a song; songs of one length run side by side. Batched matmuls round otherwise."""
    assert run(written, network, songs, tmp_path / "store", "--lanes", "2") == 0
    found, expected = comparable(tmp_path / "store"), comparable(whole)
    assert found.keys() == expected.keys()
    for id, cell in found.items():
        scores, others = (pd.DataFrame(c["scores"]) for c in (cell, expected[id]))
        pd.testing.assert_frame_equal(scores, others, atol=1e-3, rtol=1e-5)
    lanes = {(cell["song"], cell["adapt"]["strategy"]): cell["adaptation"]["lanes"] for cell in found.values()}
    assert [lanes[name, "P-L1:M"] for name in "abc"] == [2, 2, 2]
    assert [lanes[name, "B-L2:D"] for name in "abc"] == [2, 1, 2]


def test_shards_share_the_work(whole, written, network, songs, tmp_path):
    counts = []
    for part in ("1/2", "2/2"):
        assert run(written, network, songs, tmp_path / "store", "--shard", part) == 0
        counts.append(len(list((tmp_path / "store" / "cells").iterdir())))
    assert counts == [6, 12]
    assert comparable(tmp_path / "store") == comparable(whole)


def test_a_song_that_cannot_be_read_fails_alone(written, network, songs, tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("a", "b"):
        (mine / name).symlink_to(songs / name)
    write_song(mine / "broken", 9, 1.0)
    (mine / "broken" / "rest.wav").write_bytes(b"no sound")
    assert run(written, network, mine, tmp_path / "store") == 1
    cells = store.read_cells(tmp_path / "store").values()
    assert {cell["song"] for cell in cells if cell["status"] == "failed"} == {"broken"}
    assert sum(cell["status"] == "done" for cell in cells) == 8
    assert "rest.wav" in capsys.readouterr().out

    # It is left alone until it is asked for again.
    (mine / "broken" / "rest.wav").write_bytes((mine / "broken" / "voice.wav").read_bytes())
    assert run(written, network, mine, tmp_path / "store") == 0


def test_estimates_that_are_not_finite_fail_alone(written, songs, tmp_path, capsys):
    """Weights of 1e30 are finite, what they give is not; adapting stops at the first step, and B0 has none."""
    params = jax.tree.map(lambda leaf: np.full_like(leaf, 1e30), model.init(DUO))
    weights.save(weights.Checkpoint(DUO, params), tmp_path / "absurd.safetensors")
    assert run(written, tmp_path / "absurd.safetensors", songs, tmp_path / "store") == 1
    assert {cell["status"] for cell in store.read_cells(tmp_path / "store").values()} == {"failed"}
    assert "failed 4 times: a: what the network gives is not finite" in capsys.readouterr().out


def test_a_song_shorter_than_a_segment_fails_alone(written, network, tmp_path):
    write_song(tmp_path / "songs" / "short", 0, 0.4)
    write_song(tmp_path / "songs" / "long", 1, 1.0)
    assert run(written, network, tmp_path / "songs", tmp_path / "store") == 1
    cells = store.read_cells(tmp_path / "store").values()
    failed = {(cell["song"], cell["adapt"]["strategy"]) for cell in cells if cell["status"] == "failed"}
    assert failed == {("short", "P-L1:M"), ("short", "B-L2:D")}
    assert run(written, network, tmp_path / "songs", tmp_path / "store", "--retry") == 1


def test_tables_of_several_stores_are_collected(whole, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(whole, other)
    planned = json.loads((other / "plan.json").read_text())
    (other / "plan.json").write_text(json.dumps(planned | {"grid": "other"}))
    assert cli.main(["sweep", "collect", str(whole), str(other), "--out", str(tmp_path / "t.csv")]) == 0
    table = pd.read_csv(tmp_path / "t.csv")
    assert tuple(table.columns) == store.COLUMNS
    assert len(table) == 2 * 12 * 40
    assert set(table.sweep) == {"mine", "other"}
    b0, b = table[table.strategy == "B0"], table[table.strategy == "B-L2:D"]
    assert (b0.epochs == 10).all() and (b.lam == 1).all() and (b.epochs == 2).all()


def test_cells_that_are_missing_have_rows_without_a_value(whole, tmp_path, capsys):
    """So that a report of a sweep that is not done does not look like a report of one that is."""
    shutil.copytree(whole, tmp_path / "store")
    lost = next(cell for cell in store.read_cells(whole).values() if cell["adapt"]["strategy"] == "P-L1:M")
    (tmp_path / "store" / "cells" / f"{lost['id']}.json").unlink()
    table, everything = store.table(tmp_path / "store"), store.table(whole)
    rows = (table.song == lost["song"]) & (table.strategy == "P-L1:M") & (table.lam == lost["adapt"]["lam"])
    assert rows.sum() == 40 and table[rows].value_db.isna().all()
    pd.testing.assert_frame_equal(table[~rows], everything[~rows])
    assert cli.main(["report", str(tmp_path / "store"), "--out", str(tmp_path / "report")]) == 0
    assert "1 of 12 cells missing or failed" in (tmp_path / "report" / "report.md").read_text()


def test_the_same_scores_twice_are_refused(whole, tmp_path, capsys):
    assert cli.main(["sweep", "collect", str(whole), str(whole), "--out", str(tmp_path / "t.csv")]) == 2
    assert "hold the same cells" in capsys.readouterr().err
    assert cli.main(["sweep", "collect", str(whole), "--out", str(tmp_path / "t.xlsx")]) == 2
    assert "written as .csv or .parquet" in capsys.readouterr().err


def test_deltas_and_stems_are_kept_when_asked_for(written, network, songs, tmp_path):
    written.write_text(GRID.replace('["B0", "P-L1:M", "B-L2:D"]', '["B0", "P-L1:M"]').replace("[0.5, 2.0]", "2.0"))
    one = tmp_path / "songs"
    one.mkdir()
    (one / "a").symlink_to(songs / "a")
    assert run(written, network, one, tmp_path / "store", "--keep-deltas", "--keep-stems") == 0
    base = published.load(network)
    for id, cell in store.read_cells(tmp_path / "store").items():
        delta = tmp_path / "store" / "deltas" / f"{id}.safetensors"
        assert delta.exists() == (cell["adapt"]["strategy"] != "B0")
        if delta.exists():
            assert set(weights.load_delta(delta, base)) == {"repeat2", "repeat3", "mask"}
        stems = sorted(path.name for path in (tmp_path / "store" / "stems" / id).iterdir())
        assert stems == ["rest.wav", "voice.wav"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--lanes", "0"), "--lanes: must be at least 1"),
        (("--shard", "3/2"), "--shard: '3/2' is not i/n"),
        (("--songs", "nowhere"), "nowhere"),
        (("--weights", "nothing"), "nothing"),
    ],
)
def test_bad_arguments_say_which(written, network, songs, tmp_path, capsys, change, said):
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
    assert "neither empty nor the store of a sweep" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["thesis.txt"]


def test_a_store_of_another_version_is_refused(whole, written, network, songs, tmp_path, capsys):
    folder = tmp_path / "store"
    shutil.copytree(whole, folder)
    planned = json.loads((whole / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps(planned | {"version": "0.0.0"}))
    assert cli.main(["sweep", "status", str(folder)]) == 0  # to look at it does no harm
    assert run(written, network, songs, folder) == 2
    assert "was written by ugosa_jax 0.0.0" in capsys.readouterr().err
    (folder / "plan.json").write_text(json.dumps(planned | {"format": 99}))
    assert cli.main(["sweep", "status", str(folder)]) == 2
    assert "is a store of format 99" in capsys.readouterr().err


def test_a_damaged_cell_is_named(whole, tmp_path, capsys):
    shutil.copytree(whole, tmp_path / "store")
    victim = next((tmp_path / "store" / "cells").iterdir())
    for text in ("", "{}", '{"id": "x", "status": "done"}', '{"id": "x", "status": "lost"}'):
        victim.write_text(text)
        assert cli.main(["sweep", "status", str(tmp_path / "store")]) == 2
        assert f"{victim}: is not the record of a cell" in capsys.readouterr().err


def test_a_write_that_fails_ends_the_sweep_with_an_error(written, network, songs, tmp_path, monkeypatch, capsys):
    """The third cell cannot be written by the second thread; the two before are there."""
    write_cell, written_cells = store.write_cell, []

    def until_the_disk_is_full(*arguments):
        if len(written_cells) == 2:
            raise InputError("cells: cannot be written (No space left on device)")
        written_cells.append(arguments)
        write_cell(*arguments)

    monkeypatch.setattr(store, "write_cell", until_the_disk_is_full)
    assert run(written, network, songs, tmp_path / "store") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert len(store.read_cells(tmp_path / "store")) == 2


def test_as_many_lanes_as_fit_run_on_an_accelerator(whole, written, network, songs, tmp_path, monkeypatch):
    """Two lanes fit: songs of one length run together, and so do the values of λ of one song."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(sweep, "lanes_that_fit", lambda *_: 2)
    assert run(written, network, songs, tmp_path / "store") == 0
    found = comparable(tmp_path / "store")
    assert found.keys() == comparable(whole).keys()
    assert {cell["adaptation"]["lanes"] for cell in found.values()} == {1, 2}


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_damaged_plan_is_an_input_error(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(InputError):
        store.table(tmp_path)


def test_museval_and_ours_fill_the_same_rows(songs, network):
    base = published.load(network)
    one = evaluation.load(sweep.tracks(grid.SongsConfig(folder=str(songs)))["a"], base.config.sources)
    noisy = np.random.default_rng(0).normal(size=one.stems_SxCxT.shape).astype(np.float32) * 0.02 + one.stems_SxCxT
    estimates = dict(zip(base.config.sources, noisy, strict=True))
    settings = EvaluateConfig(window_s=0.5, hop_s=0.25)
    ours, theirs = (
        pd.DataFrame(evaluation.scores(one, estimates, chosen))
        for chosen in (settings, EvaluateConfig(window_s=0.5, hop_s=0.25, engine="museval"))
    )
    same = ours[ours.rule != "target"].reset_index(drop=True)  # museval drops a frame for all targets at once
    pd.testing.assert_frame_equal(same, theirs, atol=1e-4, rtol=0)


def test_batches_that_do_not_fit_are_halved(whole, written, network, songs, tmp_path, monkeypatch):
    sizes = []
    run_lanes = sweep.run_lanes

    def with_memory_for_one(base, lanes):
        sizes.append(len(lanes))
        if len(lanes) > 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return run_lanes(base, lanes)

    monkeypatch.setattr(sweep, "run_lanes", with_memory_for_one)
    assert run(written, network, songs, tmp_path / "store", "--lanes", "2") == 0
    assert sizes.count(1) == 12 and sizes.count(2) == 5
    assert comparable(tmp_path / "store").keys() == comparable(whole).keys()


def test_a_cell_that_does_not_fit_alone_fails_alone(written, network, songs, tmp_path, monkeypatch, capsys):
    run_lanes = sweep.run_lanes

    def without_memory(base, lanes):
        if lanes[0].cell.song == "b":
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes")
        return run_lanes(base, lanes)

    monkeypatch.setattr(sweep, "run_lanes", without_memory)
    assert run(written, network, songs, tmp_path / "store") == 1
    assert "failed 4 times: RESOURCE_EXHAUSTED" in capsys.readouterr().out


def test_tensorboard_gets_losses_and_scores(written, network, songs, tmp_path):
    """The numbers stand in the files as 32-bit floats."""
    written.write_text(GRID.replace('["B0", "P-L1:M", "B-L2:D"]', '"P-L1:M"').replace("[0.5, 2.0]", "2.0"))
    assert run(written, network, songs, tmp_path / "store", "--tensorboard") == 0
    for id, cell in store.read_cells(tmp_path / "store").items():
        (events,) = (tmp_path / "store" / "tensorboard" / f"{cell['song']} P-L1-M {id}").iterdir()
        stored = events.read_bytes()
        for losses in cell["adaptation"]["losses"]:
            assert np.float32(losses["total"]).tobytes() in stored


def command(written, network, songs, folder, first: str) -> list[str]:
    """Return a command that runs a line of Python before it becomes `ugosa-jax sweep run`."""
    program = Path(sys.executable).parent / "ugosa-jax"
    code = f"import os, resource, signal, sys; {first}; os.execv(sys.argv[1], sys.argv[1:])"
    options = [written, "--weights", network, "--songs", songs, "--store", folder]
    return [sys.executable, "-c", code, *map(str, [program, "sweep", "run", *options])]


def test_a_full_disk_is_said_and_leaves_nothing_half_written(written, network, songs, tmp_path):
    """Files may grow to 1000 bytes: the grid fits, the plan of twelve cells does not."""
    first = "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    limited = command(written, network, songs, tmp_path / "store", first)
    done = subprocess.run(limited, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file() and path.name != "grid.toml"]
    assert run(written, network, songs, tmp_path / "store", "--shard", "1/12") == 0  # and there is no need to clean up


def start(written, network, songs, folder) -> subprocess.Popen:
    first = "signal.signal(signal.SIGINT, signal.SIG_DFL)"  # shells have background jobs ignore it
    started = command(written, network, songs, folder, first)
    return subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def n_cells(folder: Path) -> int:
    return len([path for path in (folder / "cells").glob("*.json") if not path.name.startswith(".")])


def killed_after(process: subprocess.Popen, folder: Path, cells: int, how: signal.Signals) -> None:
    """Kill a process once so many cells are stored."""
    deadline = time.monotonic() + 120
    while process.poll() is None and n_cells(folder) < cells and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(how)


def test_what_is_killed_goes_on_and_ends_the_same(whole, written, network, songs, tmp_path):
    folder = tmp_path / "store"
    process = start(written, network, songs, folder)
    killed_after(process, folder, 2, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 2 <= n_cells(folder) < 12
    assert all(cell["status"] == "done" for cell in store.read_cells(folder).values())
    assert run(written, network, songs, folder) == 0
    assert comparable(folder) == comparable(whole)


def test_ctrl_c_says_how_to_go_on(written, network, songs, tmp_path):
    process = start(written, network, songs, tmp_path / "store")
    killed_after(process, tmp_path / "store", 1, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from here" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(whole, written, network, songs, tmp_path):
    moments = random.Random(0)
    for _ in range(8):
        process = start(written, network, songs, tmp_path / "store")
        time.sleep(moments.uniform(2, 9))
        process.kill()
        process.wait()
        if (tmp_path / "store" / "cells").exists():
            store.read_cells(tmp_path / "store")
    assert run(written, network, songs, tmp_path / "store") == 0
    assert comparable(tmp_path / "store") == comparable(whole)


@pytest.mark.slow
def test_two_processes_on_one_store(whole, written, network, songs, tmp_path):
    processes = [start(written, network, songs, tmp_path / "store") for _ in range(2)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    assert comparable(tmp_path / "store") == comparable(whole)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_is_said(written, network, songs, tmp_path, capsys):
    (tmp_path / "store").mkdir(mode=0o500)
    assert run(written, network, songs, tmp_path / "store") == 2
    assert "cannot be written" in capsys.readouterr().err
