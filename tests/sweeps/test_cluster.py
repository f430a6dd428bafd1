"""Sweeps on a Ray cluster of several node processes: the same results, also when processes are killed."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import psutil
import pytest
import soundfile

from tests.helpers.networks import DUO
from ugosa_jax.config import AdaptConfig, EvaluateConfig, SeparateConfig
from ugosa_jax.errors import InputError
from ugosa_jax.sweeps import cluster, results
from ugosa_jax.sweeps.cell import make_cell
from ugosa_jax.sweeps.ray_worker import RayWorker
from ugosa_jax.weights import checkpoint

GRID = """
[adapt]
strategy = "P-L1:M"
lam = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
epochs = 2
segment_s = 0.5
learning_rate = 1e-3

[evaluate]
window_s = 0.5
hop_s = 0.25
"""
RATE_HZ = 8000
WORKER = f"ray::{RayWorker.__name__}"
"""How Ray names the processes of workers."""
VARYING = ("timing", "separation_s", "evaluation_s", "process_peak_bytes", "device")


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A folder with a grid, a network and two songs of noise."""
    root = tmp_path_factory.mktemp("ground")
    (root / "mine.toml").write_text(GRID)
    checkpoint.save(checkpoint.Checkpoint(DUO, jax.tree.map(np.asarray, DUO.init())), root / "duo.safetensors")
    for seed, name in enumerate("ab"):
        stems_SxT = np.random.default_rng(seed).normal(size=(2, RATE_HZ)) * 0.1
        stems_SxT[0, RATE_HZ // 2 :] = 0
        (root / "songs" / name).mkdir(parents=True)
        for stem, sound_T in zip(("voice", "rest", "mixture"), [*stems_SxT, stems_SxT.sum(0)], strict=True):
            soundfile.write(root / "songs" / name / f"{stem}.wav", sound_T, RATE_HZ, subtype="FLOAT")
        (root / "songs" / name / "annotation.csv").write_text("start,end,source\n0,0.5,voice\n0,1,rest\n")
    return root


@pytest.fixture(scope="module")
def nodes():
    """A head without a core, and two nodes with one each, as processes on the loopback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # or other tests at work beside it starve the workers
        patch.setenv("JAX_PLATFORMS", "cpu")
        cluster_utils = pytest.importorskip("ray.cluster_utils")
        here = {"node_ip_address": "127.0.0.1", "include_dashboard": False}
        started = cluster_utils.Cluster(initialize_head=True, head_node_args=here | {"num_cpus": 0})
        for _ in range(2):
            started.add_node(num_cpus=1, **here)
        yield started
        started.shutdown()


def start(ground: Path, folder: Path, *more: str) -> subprocess.Popen:
    program = Path(sys.executable).parent / "ugosa-jax"
    options = ["--weights", ground / "duo.safetensors", "--songs", ground / "songs", "--results", folder, *more]
    command = [*map(str, [program, "sweep", "run", ground / "mine.toml", *options])]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # as Ray's workers have it; LAPACK's last bits depend on it
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def run(ground: Path, folder: Path, *more: str) -> str:
    process = start(ground, folder, *more)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def comparable(folder: Path) -> dict[str, dict]:
    """Return what the cells of a store found, without when and where and how long."""
    cells = results.read_cells(folder)
    for record in cells.values():
        del record["environment"]
        record["adaptation"] = {key: value for key, value in record["adaptation"].items() if key not in VARYING}
    return cells


@pytest.fixture(scope="module")
def whole(ground):
    run(ground, ground / "local")
    return comparable(ground / "local")


def workers() -> list[psutil.Process]:
    """Return the workers of sweeps; the nodes are children of this process."""
    return [one for one in psutil.Process().children(recursive=True) if one.name().startswith(WORKER)]


def n_cells(folder: Path) -> int:
    return len([path for path in (folder / "cells").glob("*.json") if not path.name.startswith(".")])


def wait_for_cells(process: subprocess.Popen, folder: Path, cells: int) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and n_cells(folder) < cells and time.monotonic() < deadline:
        time.sleep(0.01)


def test_units_keep_cells_of_one_song_together():
    def cell(song, lam, strategy="P-L1:M"):
        settings = AdaptConfig(strategy=strategy, lam=lam)
        return make_cell(song, "", "", settings, SeparateConfig(), EvaluateConfig())

    cells = [cell(song, lam) for song in "ab" for lam in (1, 2, 3)] + [cell(song, 1, "B-L1:M") for song in "ab"]
    found = [
        [(one.song, one.adapt.strategy[0], one.adapt.lam) for one in unit]
        for unit in cluster.group_into_units(cells, 2)
    ]
    of_song = [[(song, "P", 1), (song, "P", 2)] for song in "ab"]
    assert found == [of_song[0], [("a", "P", 3)], of_song[1], [("b", "P", 3)], [("a", "B", 1), ("b", "B", 1)]]


def test_devices_of_machines():
    def of(**resources):
        return cluster.list_devices({"Alive": True, "Resources": {"node:ip": 1.0, **resources}})

    assert of() == []
    assert of(CPU=4.0) == [("CPU", 4, {"num_cpus": 4})]
    assert of(CPU=4.0, GPU=2.0) == [("GPU", 4, {"num_gpus": 1, "num_cpus": 0})] * 2
    assert of(CPU=4.0, TPU=4.0) == [("TPU", 4, {"resources": {"TPU": 4.0}, "num_cpus": 0})]
    assert cluster.list_devices({"Alive": False, "Resources": {"CPU": 4.0}}) == []


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:1e9", "nowhere.invalid:6379", "localhost"])
def test_a_missing_cluster_is_an_input_error(address):
    pytest.importorskip("ray")
    with pytest.raises(InputError, match=f"^--ray: {re.escape(address)}: there is no Ray cluster that can be used"):
        cluster.RayExecutor(address)


def test_a_cluster_gives_the_results_of_one_process(nodes, ground, whole, tmp_path):
    run(ground, tmp_path / "store", "--ray", nodes.address)
    assert len(whole) == 18
    assert comparable(tmp_path / "store") == whole


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced(nodes, ground, whole, tmp_path):
    process = start(ground, tmp_path / "store", "--ray", nodes.address)
    wait_for_cells(process, tmp_path / "store", 2)
    workers()[0].kill()
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert comparable(tmp_path / "store") == whole


@pytest.mark.slow
def test_a_sweep_continues_when_a_machine_is_gone(nodes, ground, whole, tmp_path):
    more = nodes.add_node(num_cpus=1, node_ip_address="127.0.0.1", include_dashboard=False)
    process = start(ground, tmp_path / "store", "--ray", nodes.address)
    wait_for_cells(process, tmp_path / "store", 2)
    more.kill_raylet()
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert comparable(tmp_path / "store") == whole


@pytest.mark.slow
def test_sweep_continues_after_its_driver_was_killed(nodes, ground, whole, tmp_path):
    process = start(ground, tmp_path / "store", "--ray", nodes.address)
    wait_for_cells(process, tmp_path / "store", 2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert 2 <= n_cells(tmp_path / "store") < 18
    run(ground, tmp_path / "store", "--ray", nodes.address)
    assert comparable(tmp_path / "store") == whole


def test_a_cluster_without_a_free_device_says_so_and_waits(nodes, ground, tmp_path):
    """All cores of the cluster are another job's: the driver says what it waits for, and goes on when they are free."""
    import ray

    class Holder:  # workers cannot import this module: what is defined here travels with the call
        def is_there(self) -> bool:
            return True

    ray.init(address=nodes.address, log_to_driver=False)
    try:
        holders = [ray.remote(num_cpus=1)(Holder).remote() for _ in range(2)]
        ray.get([holder.is_there.remote() for holder in holders])
        one = ("--set", "adapt.lam=1.0", "--set", "songs.limit=1")
        process = start(ground, tmp_path / "store", "--ray", nodes.address, *one)
        assert process.stdout is not None
        said = ""
        while "no device is free" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        assert f"--ray: {nodes.address}: no device is free: other jobs use all devices of the Ray cluster" in said
        for holder in holders:
            ray.kill(holder)
    finally:
        ray.shutdown()
    more, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said + more
    assert n_cells(tmp_path / "store") == 1


def test_a_cluster_without_devices_names_what_it_waits_for():
    """No machine has a core for work, as in a cluster that adds machines when they are needed."""
    found = object.__new__(cluster.RayExecutor)
    found.address, found.slots = "auto", []
    assert "the Ray cluster has no CPU, GPU or TPU for a worker; waiting for a machine" in found._why_idle()
    found.slots = [cluster.WorkerSlot("node", 0, None, is_queued=True)]
    assert "other jobs use all devices of the Ray cluster" in found._why_idle()
    found.slots.append(cluster.WorkerSlot("node", 1, None))
    assert "waiting for 2 worker(s) to start" in found._why_idle()
    assert cluster.list_resources({"num_gpus": 1, "num_cpus": 0}) == {"GPU": 1}
    assert cluster.list_resources({"resources": {"TPU": 4.0}, "num_cpus": 0}) == {"TPU": 4.0}
