"""The jobs of the worker, with a tiny network and a few seconds of noise; and its end with the server."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from tests.helpers.networks import QUARTET
from ugosa_jax.bench import flops
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.song_job.output_names import ADAPTED_LAYERS
from ugosa_jax.studio import network_info, tasks
from ugosa_jax.studio.library import Library
from ugosa_jax.studio.runs import Runs
from ugosa_jax.weights import adapted_layers

SOURCES = list(QUARTET.sources)
SILENT = [
    {"start": 0.0, "end": 2.0, "source": "drums", "state": "silent"},
    {"start": 2.0, "end": 4.5, "source": "vocals", "state": "silent"},
]


@pytest.fixture(scope="module")
def root(tmp_path_factory, tiny):
    """Return a work folder with one song of noise; a network called `tiny` is in the cache."""
    root = tmp_path_factory.mktemp("studio")
    noise = np.random.default_rng(0).normal(0, 0.1, (int(4.5 * 44100), 2))
    soundfile.write(root / "noise.wav", noise, 44100)
    Library(root).add_file(root / "noise.wav", "noise")
    return root


def order(root, kind="adapt", **fields):
    """Return an order as the server sends it."""
    (song,) = Library(root).list_songs()
    settings = AdaptConfig(epochs=2, learning_rate=1e-3, segment_s=2.0)
    fields_ = {"id": "1" * 16, "kind": kind, "song": song.id, "root": str(root), "network": "tiny", "start": "anew"}
    fields_ |= {"marks": {"marks": SILENT}, "adapt": vars(settings), "separate": vars(SeparateConfig())}
    return fields_ | fields


def runs(root):
    library = Library(root)
    return Runs(library.find_folder(library.list_songs()[0].id))


def read_layers(root, id):
    return adapted_layers.load(runs(root).find_folder(id) / ADAPTED_LAYERS, tasks.load_network("tiny"))


@pytest.fixture
def without_report(monkeypatch):
    """Leave out the report, whose figures take longer than the adaptation; the first run has one."""
    run = tasks.song_job.run
    monkeypatch.setattr(tasks.song_job, "run", lambda *args, **options: run(*args, **options | {"report": False}))


@pytest.fixture(scope="module")
def adapted(root):
    """Adapt once; return the progress messages and the result."""
    messages = []
    result = tasks.run_job(order(root), messages.append)
    return messages, result


def test_adaptation_reports_each_epoch(adapted):
    progress, result = adapted
    stages = list(dict.fromkeys(one["stage"] for one in progress if "stage" in one))
    assert stages == ["reading", "separating, not adapted", "writing", "adapting", "separating", "writing the report"]
    epochs = [one for one in progress if "loss" in one]
    assert [(one["done"], one["total"]) for one in epochs] == [(1, 2), (2, 2)]
    assert all(len(one["steps"]) == 3 and len(one["loss"]) == 3 for one in epochs)
    assert result["run"] == "1" * 16
    assert all(value > 0 for value in result["measured"].values())


def test_stems_and_residual_add_up_to_the_mixture(root, adapted):
    found = runs(root)
    plain, tuned = found.list_runs()
    assert (plain.strategy, tuned.strategy, tuned.id) == ("B0", "P-L3:M", "1" * 16)
    mixture = soundfile.read(root / "noise.wav", dtype="float32")[0]
    for run in (plain, tuned):
        parts = [
            soundfile.read(found.find_file(run.id, name, "wav"), dtype="float32")[0] for name in [*SOURCES, "residual"]
        ]
        loudest = max(np.abs(part).max() for part in parts)  # random weights are loud: float32 rounds what they give
        np.testing.assert_allclose(sum(parts), mixture, atol=1e-6 * loudest)
        for name in [*SOURCES, "residual"]:
            assert found.find_file(run.id, name, "spectrum").stat().st_size % 128 == 0
            assert found.find_file(run.id, name, "peaks").stat().st_size == 2 * 2 * 900
    report = found.find_folder(tuned.id) / "report.html"
    assert report.read_text("utf-8").startswith("<!DOCTYPE html>")


def test_run_has_silence_losses_and_levels(root, adapted):
    run = runs(root).load_run("1" * 16)
    assert run.silent_s == {"drums": 2.0, "bass": 0.0, "other": 0.0, "vocals": 2.5}
    assert len(run.losses) == 2 and run.stopped_at is None
    vocals = soundfile.read(runs(root).find_file("1" * 16, "vocals", "wav"))[0][2 * 44100 :]
    assert run.levels["vocals"].silent == pytest.approx(10 * np.log10(np.mean(vocals**2)), abs=1e-3)
    level = run.levels["vocals"]
    assert level.leakage == pytest.approx(level.silent, abs=1e-3)  # nothing was muted
    assert level.unadapted is not None and level.unadapted.leakage is not None
    assert run.levels["bass"].silent is run.levels["bass"].leakage is None
    record = json.loads((runs(root).find_folder("1" * 16) / "record.json").read_text())
    assert record["settings"]["adapt"]["learning_rate"] == 1e-3
    assert record["annotation"]["intervals"] == [[0.0, 2.0, "drums", "silent"], [2.0, 4.5, "vocals", "silent"]]


def test_adapting_from_a_run_starts_at_its_weights(root, adapted, without_report):
    """A second run that starts from the first moves the weights further than the first alone."""
    tasks.run_job(order(root, id="2" * 16, start="1" * 16), lambda _: None)
    net = tasks.load_network("tiny")
    first, second = (read_layers(root, id) for id in ("1" * 16, "2" * 16))
    flat_first, flat_second, flat_net = (tree.flatten(params) for params in (first, second, net.params))
    assert flat_first.keys() == flat_second.keys()
    moved = sum(np.abs(flat_second[path] - flat_net[path]).sum() for path in flat_first)
    assert moved > 1.2 * sum(np.abs(flat_first[path] - flat_net[path]).sum() for path in flat_first)
    assert runs(root).load_run("2" * 16).start == "1" * 16


def test_later_run_keeps_layers_tuned_earlier(root, adapted, without_report):
    """A run that tunes fewer layers keeps the other layers as the earlier run left them."""
    settings = vars(AdaptConfig(strategy="P-L4:M", epochs=1, segment_s=2.0))
    tasks.run_job(order(root, id="3" * 16, start="1" * 16, adapt=settings), lambda _: None)
    net = tasks.load_network("tiny")
    first, third = (
        tree.flatten(adapted_layers.load(runs(root).find_folder(id) / ADAPTED_LAYERS, net))
        for id in ("1" * 16, "3" * 16)
    )
    assert first.keys() == third.keys()
    kept = [path for path in first if path.startswith("repeat4")]
    assert kept and all(np.array_equal(first[path], third[path]) for path in kept)
    assert not all(np.array_equal(first[path], third[path]) for path in first)


def test_cancel_ends_after_the_epoch_and_leaves_no_run(root, adapted):
    epochs = []

    def tell(progress):
        if "loss" in progress:
            epochs.append(progress["done"])
            raise tasks.Cancelled

    with pytest.raises(tasks.Cancelled):
        tasks.run_job(order(root, id="4" * 16), tell)
    assert epochs == [1]
    assert not (runs(root).root / ("4" * 16)).exists()


def test_suggestions_are_silences_of_the_song(root, adapted):
    found = tasks.run_job(order(root, "suggest", id="5" * 16), lambda _: None)
    assert runs(root).load_run(found["run"]).strategy == "B0"
    assert all(mark["state"] == "silent" and 0 <= mark["start"] < mark["end"] <= 4.5 for mark in found["marks"])


def test_impossible_jobs_raise_input_errors(root):
    with pytest.raises(InputError, match="less than one segment"):
        tasks.run_job(order(root, id="6" * 16, adapt=vars(AdaptConfig(segment_s=60.0))), lambda _: None)
    with pytest.raises(InputError, match="nothere"):
        tasks.run_job(order(root, network="nothere"), lambda _: None)
    with pytest.raises(InputError, match="'dance' is not one of"):
        tasks.run_job(order(root, "dance"), lambda _: None)


def test_network_descriptions_list_sources_and_strategies(root):
    tiny = next(one for one in network_info.describe_networks()["networks"] if one["name"] == "tiny")
    assert tiny["sources"] == SOURCES and "L3:M" in tiny["strategies"] and "L5:M" not in tiny["strategies"]
    assert 1 > tiny["shares"]["L1:D"] > tiny["shares"]["L4:D"] > 0
    assert (tiny["default_strategy"], tiny["segment_s"], tiny["members"]) == ("P-L3:M", 4.0, 1)
    assert network_info.count_forward_flops("tiny") == flops.count_forward(QUARTET, QUARTET.sample_rate_hz)
    assert network_info.count_forward_flops("nothere") is None
    assert network_info.measure_flops_per_s() > 1e8


def test_the_worker_ends_with_its_server(root):
    """The worker exits when its input closes, as it does when the server is killed."""
    command = [sys.executable, "-m", "ugosa_jax.studio.worker_process"]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}, text=True)
    assert worker.stdin is not None and worker.stdout is not None
    assert json.loads(worker.stdout.readline())["event"] == "ready"
    worker.stdin.write(
        json.dumps(order(root, id="7" * 16, adapt=vars(AdaptConfig(epochs=10_000, segment_s=2.0)))) + "\n"
    )
    worker.stdin.flush()
    while "loss" not in json.loads(worker.stdout.readline()):
        pass
    worker.stdin.close()
    assert worker.wait(120) == 0
    time.sleep(0.1)
    assert not (runs(root).root / ("7" * 16)).exists()


def test_baseline_differs_by_the_adaptation_alone(root, adapted, without_report):
    """A run with a learning rate of almost 0 equals its baseline; leakage is measured before muting."""
    refine = vars(SeparateConfig(refine="wiener"))
    still = vars(AdaptConfig(epochs=1, learning_rate=1e-12, segment_s=2.0))
    tasks.run_job(order(root, id="8" * 16, adapt=still, separate=refine), lambda _: None)
    found = runs(root)
    run = found.load_run("8" * 16)
    assert run.baseline is not None
    baseline = found.load_run(run.baseline)
    assert baseline.strategy == "B0" and baseline.settings["separate"]["refine"] == "wiener"
    for source in SOURCES:
        stems = [soundfile.read(found.find_file(id, source, "wav"))[0] for id in (run.id, baseline.id)]
        np.testing.assert_allclose(*stems, atol=1e-5 * np.abs(stems[1]).max())
    for source in ("drums", "vocals"):
        level = run.levels[source]
        assert level.unadapted is not None and level.leakage is not None and level.silent is not None
        assert level.leakage == pytest.approx(level.unadapted.leakage, abs=1e-3)
        assert level.silent < level.leakage - 20  # muted by the marks
    own = next(one for one in found.list_runs() if one.strategy == "B0" and not one.settings)
    (drums,) = (soundfile.read(found.find_file(own.id, "drums", "wav"))[0][: 2 * 44100],)
    assert run.levels["drums"].leakage == pytest.approx(10 * np.log10(np.mean(drums**2)), abs=1e-3)
    tasks.run_job(order(root, id="9" * 16, adapt=still, separate=refine), lambda _: None)
    assert found.load_run("9" * 16).baseline == baseline.id  # reused
