"""Workers of a Ray cluster as what runs the cells of a sweep: a worker a device.

The driver deals out units: cells that share a song and what the frozen stages make of it, or else a compiled program.
A worker keeps weights and compiled programs; while it adapts one unit, it loads the songs of the next one and scores
the one before. Ray places workers, carries what they need, and notices when one is gone, or its machine: its units go
to others, and a new worker starts where a device is free.
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
from ugosa_jax.sweeps import work
from ugosa_jax.sweeps.cell import Cell, compiled_alike
from ugosa_jax.sweeps.sweep import Sweep, song_of
from ugosa_jax.sweeps.work import Settled
from ugosa_jax.sweeps.worker import Worker
from ugosa_jax.weights.weights import with_params

IN_FLIGHT = 3
"""Units that a worker has at once: one is loaded, one adapted, one scored. What it holds is lost with it."""
UNIT = {"CPU": 4, "GPU": 64, "TPU": 64}
"""Cells of a unit, at most. A CPU runs them one by one; GPU and TPU run as many side by side as their memory holds."""
MAX_LOSSES = 4
"""Workers that die over a unit before it counts as what kills them."""
CONNECT_S = 10.0
"""How long a cluster may take to answer at all."""
PATIENCE_S = 3.0
"""How long nothing may run before the user is told why."""
POLL_S = 2.0
"""How often the driver looks for machines that have joined, or are gone."""

Unit = tuple[Cell, ...]


@dataclasses.dataclass(eq=False)
class Place:
    """A device of the cluster, with its worker.

    Attributes:
      node: the machine's name in Ray.
      number: the device's number there.
      worker: the actor.
      is_queued: whether the device was in use by others when it was asked for.
      is_ready: whether it has started.
      sends_songs: whether it cannot read them where the driver does.
      n_units: that it has now.
      is_alone: whether what it has now may have killed other workers, and so gets no company.
    """

    node: str
    number: int
    worker: Any
    is_queued: bool = False
    is_ready: bool = False
    sends_songs: bool = False
    n_units: int = 0
    is_alone: bool = False


class Cluster:
    """An executor on a Ray cluster; see `Executor`.

    Args:
      address: of the cluster: HOST:PORT, "auto" for the one that runs on this machine, or "local" to start one here.
      say: prints a line for the user.
      worker: class of the workers.

    Raises:
      InputError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, address: str, say: Callable[[str], None] = print, worker: type = Worker):
        ray = imported(address)
        own = {"include_dashboard": False} if address == "local" else {}
        try:
            probe(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            said = (str(error) or type(error).__name__).splitlines()[0]
            raise InputError(f"--ray: {address}: there is no Ray cluster that can be used ({said})") from error
        interrupts.install_again()  # Ray has replaced the handler of SIGTERM
        self.ray, self.address, self.say = ray, address, say
        self.actor = self.ray.remote(max_concurrency=IN_FLIGHT, max_restarts=0)(worker)
        self.on_node = functools.partial(self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy, soft=False)
        self.places: list[Place] = []
        self.flights: dict[Any, tuple[Place, Unit]] = {}
        self.losses: collections.Counter = collections.Counter()
        self.failed_starts: collections.Counter = collections.Counter()
        self.shared: Any = None

    def close(self) -> None:
        """End the workers, and the cluster if it is our own."""
        self.ray.shutdown()

    def run(self, sweep: Sweep, cells: Sequence[Cell], settle: Callable[[Settled], None]) -> None:
        """See `Executor`. When interrupted, what the workers have in hand is lost."""
        if self.shared is None:
            base = with_params(sweep.base, jax.tree.map(np.asarray, sweep.base.params))
            tracks = {
                name: dataclasses.replace(track, path=track.path.absolute()) for name, track in sweep.tracks.items()
            }
            self.shared = self.ray.put(dataclasses.replace(sweep, base=base, tracks=tracks))
        kinds = {kind for node in self.ray.nodes() for kind, _, _ in devices(node)}
        size = sweep.lanes or max([UNIT[kind] for kind in kinds], default=1)
        waiting = collections.deque(units(cells, size))

        @functools.lru_cache(maxsize=8)
        def sent(name: str) -> Any:
            return self.ray.put(song_of(sweep.tracks[name], sweep.base))

        looked_s, idle_since_s, told = -POLL_S, time.monotonic(), ""
        while waiting or any(unit for _, unit in self.flights.values()):
            if time.monotonic() - looked_s > POLL_S:
                looked_s = time.monotonic()
                self._staff()
            if any(place.is_ready for place in self.places):
                idle_since_s = time.monotonic()
            elif time.monotonic() - idle_since_s > PATIENCE_S and (why := self._why_idle()) != told:
                self.say(told := why)
            while waiting and (place := self._free(waiting[0])):
                unit = waiting.popleft()
                try:
                    songs = {one.song: sent(one.song) for one in unit} if place.sends_songs else {}
                except (InputError, MemoryError) as error:
                    for one in unit:
                        settle(work.failed(one, error))
                    continue
                self._give(place, unit, songs)
            if not self.flights:
                time.sleep(POLL_S)
                continue
            ready, _ = self.ray.wait([*self.flights], timeout=POLL_S)
            for ref in ready:
                again, done = self._land(ref)
                waiting.extendleft(again)
                for one in done:
                    settle(one)
                looked_s = looked_s if done or not again else -POLL_S

    def _staff(self) -> None:
        """Start a worker on every device that has none."""
        staffed = {(place.node, place.number) for place in self.places}
        for node in self.ray.nodes():
            for number, (kind, threads, needed) in enumerate(devices(node)):
                if (node["NodeID"], number) in staffed:
                    continue
                if self.failed_starts[node["NodeID"]] >= MAX_LOSSES:
                    continue
                here = self.actor.options(scheduling_strategy=self.on_node(node["NodeID"]), **needed)
                free = self.ray.available_resources()
                is_queued = any(free.get(what, 0) < much for what, much in required(needed).items())
                worker = here.remote(self.shared, kind, threads)
                place = Place(node["NodeID"], number, worker, is_queued)
                self.places.append(place)
                self.flights[worker.__ray_ready__.remote()] = place, ()

    def _why_idle(self) -> str:
        """Return what is waited for while no worker is ready."""
        goes_on = "Ctrl-C ends, and the same command goes on"
        if not self.places:
            lacks = "the Ray cluster has no CPU, GPU or TPU for a worker; waiting for a machine that joins it"
            return f"--ray: {self.address}: no device is free: {lacks} ({goes_on})"
        if all(place.is_queued for place in self.places):
            used = "others use all that the Ray cluster has; waiting until they release it"
            return f"--ray: {self.address}: no device is free: {used} ({goes_on})"
        return f"--ray: {self.address}: waiting for {len(self.places)} worker(s) to start"

    def _free(self, unit: Unit) -> Place | None:
        """Return the worker with the least to do that takes a unit now."""
        is_suspect = self.losses[unit] > 1
        most = 1 if is_suspect else IN_FLIGHT
        able = [p for p in self.places if p.is_ready and p.n_units < (1 if p.is_alone else most)]
        return min(able, key=lambda place: place.n_units, default=None)

    def _give(self, place: Place, unit: Unit, songs: dict[str, Any]) -> None:
        place.n_units += 1
        place.is_alone = self.losses[unit] > 1
        self.flights[place.worker.work.remote(unit, [*songs], *songs.values())] = place, unit

    def _land(self, ref: Any) -> tuple[list[Unit], list[Settled]]:
        """Take what a worker has brought back; return units that are to be run again, and what became of others."""
        place, unit = self.flights.pop(ref)
        place.n_units -= bool(unit)
        try:
            done = self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self.ray.exceptions.RayError as error:
            if place in self.places:
                self.places.remove(place)
            return self._lost(place, unit, error)
        if not unit:
            place.is_ready = True
            return [], []
        if done is None:  # it cannot read the songs
            place.sends_songs = True
            return [unit], []
        return [], done

    def _lost(self, place: Place, unit: Unit, error: Exception) -> tuple[list[Unit], list[Settled]]:
        """Return what is to be done with a unit whose worker is gone."""
        if not unit:
            self.failed_starts[place.node] += 1
            alive = {node["NodeID"] for node in self.ray.nodes() if node["Alive"]}
            if all(self.failed_starts[node] >= MAX_LOSSES for node in alive):
                said = str(error).strip().splitlines()[-1]
                raise InputError(f"--ray: no worker starts on any machine ({said})") from error
            return [], []
        self.losses[unit] += 1
        if self.losses[unit] < MAX_LOSSES:
            return [unit], []
        if len(unit) > 1:
            return [(one,) for one in unit], []
        gone = RuntimeError(f"{MAX_LOSSES} workers died that had it in hand")
        return [], [work.failed(one, gone) for one in unit]


def imported(address: str) -> Any:
    """Return the module `ray`, which tells nobody that it is used, and of which `local` clusters have no network.

    Raises:
      InputError: it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address == "local":
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # everything listens on the loopback, on Linux too
    with require_extra("ray"):
        import ray
        import ray.exceptions
        import ray.util.scheduling_strategies
    return ray


def probe(address: str) -> None:
    """Raise an OSError unless something listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()


def units(cells: Sequence[Cell], size: int) -> Iterator[Unit]:
    """Yield units of at most `size` cells: of one song if several share it and a program, else of one program."""
    by_song: dict[Any, list[Cell]] = collections.defaultdict(list)
    for one in cells:
        by_song[one.song, compiled_alike(one.adapt)].append(one)
    by_program: dict[Any, list[Cell]] = collections.defaultdict(list)
    for (_, alike), its in by_song.items():
        if len(its) > 1:
            yield from chunks(its, size)
        else:
            by_program[alike] += its
    for its in by_program.values():
        yield from chunks(its, size)


def chunks(cells: Sequence[Cell], size: int) -> Iterator[Unit]:
    """Yield cells in their order, `size` at a time."""
    for start in range(0, len(cells), size):
        yield tuple(cells[start : start + size])


def required(options: dict[str, Any]) -> dict[str, float]:
    """Return what a worker takes of a machine, by Ray's names of resources."""
    named = {"CPU": options.get("num_cpus", 0), "GPU": options.get("num_gpus", 0)}
    return {what: much for what, much in (named | options.get("resources", {})).items() if much}


def devices(node: dict[str, Any]) -> list[tuple[str, int, dict[str, Any]]]:
    """Return kind, threads and resources of each device of a machine, as Ray describes it.

    Each GPU is a device. All TPU chips of a machine are one, and so are all cores of a machine that has neither.
    """
    has = node["Resources"] if node["Alive"] else {}
    threads = int(has.get("CPU", 0))
    if n_gpus := int(has.get("GPU", 0)):
        return [("GPU", threads, {"num_gpus": 1, "num_cpus": 0})] * n_gpus
    if chips := has.get("TPU"):
        return [("TPU", threads, {"resources": {"TPU": chips}, "num_cpus": 0})]
    return [("CPU", threads, {"num_cpus": threads})] if threads else []
