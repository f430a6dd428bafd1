"""Measure the overhead of sweeps on Ray clusters of this machine, and check that no result is lost when one is killed.

    python scripts/bench_ray.py driver                     # 1,000 cells that sleep 10 ms: cells per second
    python scripts/bench_ray.py compare GRID SONGS WORK    # one process; one worker, and two, with a core each
    python scripts/bench_ray.py kills GRID SONGS WORK      # rounds of kill -9 at random moments; --rounds 20

Every sweep is a separate process. Its time runs from the first to the last record, so that starting and stopping the
cluster does not count.
"""

import argparse
import contextlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from ugosa_jax.config import AdaptConfig, EvaluateConfig, SeparateConfig
from ugosa_jax.errors import exit_status
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.sweeps import grid, results
from ugosa_jax.sweeps.cell import make_cell
from ugosa_jax.sweeps.cluster import RayExecutor, import_ray
from ugosa_jax.sweeps.processing import CellOutcome
from ugosa_jax.sweeps.ray_worker import RayWorker
from ugosa_jax.sweeps.sweep import Sweep
from ugosa_jax.weights.checkpoint import Checkpoint

N_CELLS, CELL_S = 1000, 0.01
HERE = {"node_ip_address": "127.0.0.1", "include_dashboard": False}
WORKER = f"ray::{RayWorker.__name__}"
"""How Ray names the processes of workers."""


def main(arguments: list[str] | None = None) -> int | None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("driver")
    command.add_argument("--workers", type=int, default=8)
    command.set_defaults(run=lambda args: time_driver(args.workers))
    for name, run in (("compare", compare), ("kills", kill_randomly)):
        command = commands.add_parser(name)
        command.add_argument("grid")
        command.add_argument("songs", type=Path)
        command.add_argument("work", type=Path, help="folder for results; those of earlier runs are removed")
        command.add_argument("--weights", default="mini")
        command.add_argument("--rounds", type=int, default=20 if run is kill_randomly else 3)
        command.add_argument("--seed", type=int, default=0, help="seed for what is killed, and when")
        command.set_defaults(run=run)
    args = parser.parse_args(arguments)
    return exit_status(lambda: args.run(args))


class Sleeper:
    """A worker whose cells take 10 ms and compute nothing."""

    def __init__(self, *_):
        pass

    def run_unit(self, cells, *_):
        time.sleep(CELL_S * len(cells))
        return [CellOutcome(one, {"status": "failed", "error": "slept", "environment": {}}) for one in cells]


@contextlib.contextmanager
def start_cluster(n_workers: int) -> Iterator[Any]:
    """Yield a cluster with a head node without cores and `n_workers` nodes with one core each."""
    import_ray("local")
    from ray.cluster_utils import Cluster as Nodes

    nodes = Nodes(initialize_head=True, head_node_args=HERE | {"num_cpus": 0})
    try:
        for _ in range(n_workers):
            nodes.add_node(num_cpus=1, **HERE)
        yield nodes
    finally:
        nodes.shutdown()


def time_driver(n_workers: int) -> None:
    """Print how many short cells per second a driver assigns and stores."""
    settings = AdaptConfig(), SeparateConfig(), EvaluateConfig()
    cells = [make_cell(f"song {n}", "", "", *settings) for n in range(N_CELLS)]
    net = ConvTasNet(N=6, L=4, B=5, H=7, P=3, X=2, R=3)
    arrived = []
    with start_cluster(n_workers) as nodes, tempfile.TemporaryDirectory() as folder:
        sweep = Sweep(grid.parse("", "short"), Checkpoint(net, net.init()), {}, Path(folder), lanes=1)

        def on_outcome(one: CellOutcome) -> None:
            results.write_cell(sweep.folder, one.cell, one.record)
            arrived.append(time.perf_counter())

        with contextlib.closing(RayExecutor(nodes.address, worker=Sleeper)) as ray:
            ray.run(sweep, cells, on_outcome)
    per_s = (len(arrived) - 1) / (arrived[-1] - arrived[0])
    print(f"{per_s:.0f} cells per second with {n_workers} workers")


def compare(args: argparse.Namespace) -> None:
    """Print the time of the same sweep in one process with one core, and on one and two workers."""
    core = ["taskset", "-c", "0"]
    for number in range(args.rounds):
        local_s = time_sweep(args, args.work / "local", core)
        with start_cluster(1) as nodes:
            one_s = time_sweep(args, args.work / "one", [], "--ray", nodes.address)
        with start_cluster(2) as nodes:
            two_s = time_sweep(args, args.work / "two", [], "--ray", nodes.address)
        print(
            f"{number}: local {local_s:.1f} s, Ray {one_s / local_s:.3f} of it, two workers {one_s / two_s:.2f} as fast"
        )


def time_sweep(args: argparse.Namespace, folder: Path, first: list[str], *more: str) -> float:
    """Run a sweep from the start; return the seconds between its first and its last record."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(
        [*first, *command(args, folder, *more)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    times = [path.stat().st_mtime for path in (folder / "cells").iterdir()]
    return max(times) - min(times)


def command(args: argparse.Namespace, folder: Path, *more: str) -> list[str]:
    options = ["--songs", str(args.songs), "--weights", args.weights, "--results", str(folder), *more]
    return [sys.executable, "-m", "ugosa_jax", "sweep", "run", args.grid, *options]


def kill_randomly(args: argparse.Namespace) -> int:
    """Kill a random worker, node or driver at a random moment of each round; return 1 if a result is lost."""
    moments, n_wrong = random.Random(args.seed), 0
    for number in range(args.rounds):
        folder = args.work / "kills"
        shutil.rmtree(folder, ignore_errors=True)
        victim = moments.choice(("worker", "node", "driver"))
        with start_cluster(2) as nodes:
            running = subprocess.Popen(
                command(args, folder, "--ray", nodes.address), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            while running.poll() is None and not any(folder.glob("cells/*.json")):
                time.sleep(0.05)
            time.sleep(moments.uniform(0, 5))
            n_before = len([*folder.glob("cells/[!.]*.json")])
            kill(victim, nodes, running, moments)
            running.communicate()
            if victim == "driver":
                subprocess.run(command(args, folder, "--ray", nodes.address), check=True, capture_output=True)
        planned = {one["id"] for one in results.read_plan(folder)["cells"]}
        found = results.read_cells(folder)
        half_written = [path for path in folder.rglob("*.part*")]
        right = planned == found.keys() and {one["status"] for one in found.values()} == {"done"} and not half_written
        n_wrong += not right
        print(
            f"{number}: {victim} killed after {n_before} of {len(planned)} cells: {'all there' if right else 'WRONG'}"
        )
    print(f"{args.rounds - n_wrong} of {args.rounds} rounds with every cell stored once and nothing half-written")
    return int(n_wrong > 0)


def kill(victim: str, nodes: Any, running: subprocess.Popen, moments: random.Random) -> None:
    """Kill the driver (`running`), a random node, or a random worker."""
    if victim == "driver":
        running.kill()
    elif victim == "node":
        moments.choice([*nodes.worker_nodes]).kill_raylet()
    else:
        workers = [one for one in psutil.Process().children(recursive=True) if one.name().startswith(WORKER)]
        if workers:
            moments.choice(workers).kill()


if __name__ == "__main__":
    sys.exit(main())
