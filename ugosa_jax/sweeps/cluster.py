"""Execution of a sweep's cells on a Ray cluster, with one worker for each device.

The driver, which is the process of the command, sends units to workers. A unit is a group of cells that share a song
and the output of its frozen stages, or at least a compiled program. A worker keeps weights and compiled programs; while
it adapts one unit, it loads the songs of the next one and scores the previous one. Ray places workers, transfers data,
and reports when a worker or its machine is lost. The units of a lost worker go to other workers, and a new worker
starts where a device is free.
"""

import collections
import dataclasses
import functools
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from ugosa_jax import interrupts
from ugosa_jax.errors import InputError, require_extra
from ugosa_jax.sweeps import processing
from ugosa_jax.sweeps.cell import Cell, drop_lane_settings
from ugosa_jax.sweeps.processing import CellOutcome
from ugosa_jax.sweeps.ray_worker import RayWorker
from ugosa_jax.sweeps.sweep import Sweep, load_song
from ugosa_jax.weights.weights import replace_params

IN_FLIGHT = 3
"""Number of units that are assigned to a worker at a time: it loads one, adapts another and scores the third."""
UNIT = {"CPU": 4, "GPU": 64, "TPU": 64}
"""Largest number of cells in a unit. A CPU runs them one by one, a GPU or TPU side by side if they fit into memory."""
MAX_LOSSES = 4
"""Number of workers that may die while they run a unit before its cells are recorded as failed."""
CONNECT_S = 10.0
"""Time after which a cluster that does not accept a connection counts as unreachable."""
PATIENCE_S = 3.0
"""Time without a ready worker after which the reason is printed."""
POLL_S = 2.0
"""Interval at which the driver checks which machines have joined or left the cluster."""

Unit = tuple[Cell, ...]


@dataclasses.dataclass(eq=False)
class WorkerSlot:
    """A device of the cluster, with its worker.

    Attributes:
      node: the machine's ID in Ray.
      number: the device's number on that machine.
      worker: the actor.
      is_queued: whether other jobs used the device when it was requested.
      is_ready: whether the worker has started.
      sends_songs: whether the driver sends songs, because the worker cannot read them from the same paths.
      n_units: number of units that are assigned to the worker.
      is_isolated: whether its unit may have killed other workers, so that no other unit is assigned to it.
    """

    node: str
    number: int
    worker: Any
    is_queued: bool = False
    is_ready: bool = False
    sends_songs: bool = False
    n_units: int = 0
    is_isolated: bool = False


class RayExecutor:
    """Runs cells on a Ray cluster; see `Executor`.

    Args:
      address: address of the cluster: HOST:PORT, "auto" for the cluster of this machine, or "local" to start one.
      say: prints a line for the user.
      worker: class of the workers.

    Raises:
      InputError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, address: str, say: Callable[[str], None] = print, worker: type = RayWorker):
        ray = import_ray(address)
        own = {"include_dashboard": False} if address == "local" else {}
        try:
            check_listening(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise InputError(f"--ray: {address}: there is no Ray cluster that can be used ({reason})") from error
        interrupts.restore_handlers()  # Ray has replaced the handler of SIGTERM
        self.ray, self.address, self.say = ray, address, say
        self.actor = self.ray.remote(max_concurrency=IN_FLIGHT, max_restarts=0)(worker)
        self.on_node = functools.partial(self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy, soft=False)
        self.slots: list[WorkerSlot] = []
        self.in_flight: dict[Any, tuple[WorkerSlot, Unit]] = {}
        self.losses: collections.Counter = collections.Counter()
        self.failed_starts: collections.Counter = collections.Counter()
        self.shared: Any = None

    def close(self) -> None:
        """Stop the workers, and the cluster if this process has started it."""
        self.ray.shutdown()

    def run(self, sweep: Sweep, cells: Sequence[Cell], on_outcome: Callable[[CellOutcome], None]) -> None:
        """Run cells; see `Executor`. An interrupt discards the units that are assigned to workers."""
        if self.shared is None:
            base = replace_params(sweep.base, jax.tree.map(np.asarray, sweep.base.params))
            tracks = {
                name: dataclasses.replace(track, path=track.path.absolute()) for name, track in sweep.tracks.items()
            }
            self.shared = self.ray.put(dataclasses.replace(sweep, base=base, tracks=tracks))
        kinds = {kind for node in self.ray.nodes() for kind, _, _ in list_devices(node)}
        size = sweep.lanes or max([UNIT[kind] for kind in kinds], default=1)
        waiting = collections.deque(group_into_units(cells, size))

        @functools.lru_cache(maxsize=8)
        def send_song(name: str) -> Any:
            return self.ray.put(load_song(sweep.tracks[name], sweep.base))

        looked_s, idle_since_s, told = -POLL_S, time.monotonic(), ""
        while waiting or any(unit for _, unit in self.in_flight.values()):
            if time.monotonic() - looked_s > POLL_S:
                looked_s = time.monotonic()
                self._start_workers()
            if any(slot.is_ready for slot in self.slots):
                idle_since_s = time.monotonic()
            elif time.monotonic() - idle_since_s > PATIENCE_S and (why := self._why_idle()) != told:
                self.say(told := why)
            while waiting and (slot := self._choose_slot(waiting[0])):
                unit = waiting.popleft()
                try:
                    songs = {one.song: send_song(one.song) for one in unit} if slot.sends_songs else {}
                except (InputError, MemoryError) as error:
                    for one in unit:
                        on_outcome(processing.record_failure(one, error))
                    continue
                self._submit(slot, unit, songs)
            if not self.in_flight:
                time.sleep(POLL_S)
                continue
            ready, _ = self.ray.wait([*self.in_flight], timeout=POLL_S)
            for ref in ready:
                again, outcomes = self._collect(ref)
                waiting.extendleft(again)
                for outcome in outcomes:
                    on_outcome(outcome)
                looked_s = looked_s if outcomes or not again else -POLL_S

    def _start_workers(self) -> None:
        """Start a worker on every device that has none."""
        taken = {(slot.node, slot.number) for slot in self.slots}
        for node in self.ray.nodes():
            for number, (kind, threads, needed) in enumerate(list_devices(node)):
                if (node["NodeID"], number) in taken:
                    continue
                if self.failed_starts[node["NodeID"]] >= MAX_LOSSES:
                    continue
                here = self.actor.options(scheduling_strategy=self.on_node(node["NodeID"]), **needed)
                free = self.ray.available_resources()
                is_queued = any(free.get(resource, 0) < amount for resource, amount in list_resources(needed).items())
                worker = here.remote(self.shared, kind, threads)
                slot = WorkerSlot(node["NodeID"], number, worker, is_queued)
                self.slots.append(slot)
                self.in_flight[worker.__ray_ready__.remote()] = slot, ()

    def _why_idle(self) -> str:
        """Return why no worker is ready."""
        goes_on = "Ctrl-C ends the sweep; run the same command again to continue"
        if not self.slots:
            lacks = "the Ray cluster has no CPU, GPU or TPU for a worker; waiting for a machine that joins it"
            return f"--ray: {self.address}: no device is free: {lacks} ({goes_on})"
        if all(slot.is_queued for slot in self.slots):
            used = "other jobs use all devices of the Ray cluster; waiting until one is released"
            return f"--ray: {self.address}: no device is free: {used} ({goes_on})"
        return f"--ray: {self.address}: waiting for {len(self.slots)} worker(s) to start"

    def _choose_slot(self, unit: Unit) -> WorkerSlot | None:
        """Return the worker with the fewest units among those that can accept this one now; None if there is none."""
        is_suspect = self.losses[unit] > 1
        most = 1 if is_suspect else IN_FLIGHT
        able = [slot for slot in self.slots if slot.is_ready and slot.n_units < (1 if slot.is_isolated else most)]
        return min(able, key=lambda slot: slot.n_units, default=None)

    def _submit(self, slot: WorkerSlot, unit: Unit, songs: dict[str, Any]) -> None:
        slot.n_units += 1
        slot.is_isolated = self.losses[unit] > 1
        self.in_flight[slot.worker.run_unit.remote(unit, [*songs], *songs.values())] = slot, unit

    def _collect(self, ref: Any) -> tuple[list[Unit], list[CellOutcome]]:
        """Fetch the result of a worker; return units to run again, and outcomes."""
        slot, unit = self.in_flight.pop(ref)
        slot.n_units -= bool(unit)
        try:
            outcomes = self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self.ray.exceptions.RayError as error:
            if slot in self.slots:
                self.slots.remove(slot)
            return self._handle_loss(slot, unit, error)
        if not unit:
            slot.is_ready = True
            return [], []
        if outcomes is None:  # the worker cannot read the songs
            slot.sends_songs = True
            return [unit], []
        return [], outcomes

    def _handle_loss(self, slot: WorkerSlot, unit: Unit, error: Exception) -> tuple[list[Unit], list[CellOutcome]]:
        """Count the loss of a worker; return units to run again, and outcomes of cells that have failed."""
        if not unit:
            self.failed_starts[slot.node] += 1
            alive = {node["NodeID"] for node in self.ray.nodes() if node["Alive"]}
            if all(self.failed_starts[node] >= MAX_LOSSES for node in alive):
                reason = str(error).strip().splitlines()[-1]
                raise InputError(f"--ray: no worker starts on any machine ({reason})") from error
            return [], []
        self.losses[unit] += 1
        if self.losses[unit] < MAX_LOSSES:
            return [unit], []
        if len(unit) > 1:
            return [(one,) for one in unit], []
        gone = RuntimeError(f"{MAX_LOSSES} workers died while they ran this cell or others of its unit")
        return [], [processing.record_failure(one, gone) for one in unit]


def import_ray(address: str) -> Any:
    """Import Ray with usage statistics disabled, and return it; `local` clusters use only the loopback interface.

    Raises:
      InputError: Ray is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address == "local":
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # everything listens on the loopback, on Linux too
    with require_extra("ray"):
        import ray
        import ray.exceptions
        import ray.util.scheduling_strategies
    return ray


def check_listening(address: str) -> None:
    """Raise OSError unless a server listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()


def group_into_units(cells: Sequence[Cell], size: int) -> Iterator[Unit]:
    """Yield units of at most `size` cells that share song and program, or for songs with one cell, the program."""
    by_song: dict[Any, list[Cell]] = collections.defaultdict(list)
    for one in cells:
        by_song[one.song, drop_lane_settings(one.adapt)].append(one)
    by_program: dict[Any, list[Cell]] = collections.defaultdict(list)
    for (_, shared), group in by_song.items():
        if len(group) > 1:
            yield from split_cells(group, size)
        else:
            by_program[shared] += group
    for group in by_program.values():
        yield from split_cells(group, size)


def split_cells(cells: Sequence[Cell], size: int) -> Iterator[Unit]:
    """Yield cells in their order, `size` at a time."""
    for start in range(0, len(cells), size):
        yield tuple(cells[start : start + size])


def list_resources(options: dict[str, Any]) -> dict[str, float]:
    """Return the resources of a machine that a worker uses, by Ray's names."""
    named = {"CPU": options.get("num_cpus", 0), "GPU": options.get("num_gpus", 0)}
    return {name: amount for name, amount in (named | options.get("resources", {})).items() if amount}


def list_devices(node: dict[str, Any]) -> list[tuple[str, int, dict[str, Any]]]:
    """Return kind, number of threads and Ray's options for each device of a machine.

    Each GPU is a device. All TPU chips of a machine are one device, and so are all cores of a machine without either.
    """
    has = node["Resources"] if node["Alive"] else {}
    threads = int(has.get("CPU", 0))
    if n_gpus := int(has.get("GPU", 0)):
        return [("GPU", threads, {"num_gpus": 1, "num_cpus": 0})] * n_gpus
    if chips := has.get("TPU"):
        return [("TPU", threads, {"resources": {"TPU": chips}, "num_cpus": 0})]
    return [("CPU", threads, {"num_cpus": threads})] if threads else []
