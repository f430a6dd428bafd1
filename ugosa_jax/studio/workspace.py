"""The work folder of the server: songs, queue, worker, pages, trials."""

import asyncio
import contextlib
import dataclasses
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from ugosa_jax.config import SOURCES, AdaptConfig, SeparateConfig, find_default_preset, get_preset, require
from ugosa_jax.errors import InputError
from ugosa_jax.song_job.output_names import ADAPTED_LAYERS
from ugosa_jax.studio import job_request, marks, trials
from ugosa_jax.studio.estimate import Timings, estimate_seconds
from ugosa_jax.studio.events import Events
from ugosa_jax.studio.jobs import Queue, QueuedJob
from ugosa_jax.studio.library import Library
from ugosa_jax.studio.remembered_names import RememberedNames
from ugosa_jax.studio.runs import Runs
from ugosa_jax.studio.supervisor import Supervisor
from ugosa_jax.studio.titles import Titles
from ugosa_jax.studio.trials import Trials

SUGGESTED = {
    name: {
        part: dataclasses.asdict(getattr(get_preset(find_default_preset(name)), part)) for part in ("adapt", "separate")
    }
    for name in ("mini", "spleeter", "spleeter_4stems", "spleeter_5stems", "spleeter+mini")
}
"""Initial settings of the page for networks with measured settings; those of other networks are the paper's."""
MAX_WAITING = 50
"""Largest number of waiting jobs."""
NOTHING_SILENT = (
    "Nothing is marked silent yet. Mark a silence, set a source to “unmarked = silent”, or press Suggest silences."
)


class Workspace:
    """One work folder and the jobs in it."""

    def __init__(self, root: Path):
        """Open a work folder, and remove temporary files of a server that was killed."""
        self.root = root
        self.library = Library(root)
        remove_leftovers(self.library.songs)
        self.events, self.timings, self.names = Events(), Timings(root), RememberedNames(root)
        self.queue = Queue(self.library.songs, self._announce_job)
        self.supervisor = Supervisor(root, self.queue, self.events, self.timings)
        self._trials: dict[str, Trials] = {}

    @contextlib.asynccontextmanager
    async def run_worker(self) -> AsyncIterator[None]:
        """Run the worker process inside the block."""
        task = asyncio.create_task(self.supervisor.run())
        try:
            yield
        finally:
            self.events.close()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def open_trials(self, song: str) -> Trials:
        """Return the blind comparisons of a song."""
        folder = self.library.find_folder(song)
        return self._trials.setdefault(song, Trials(folder))

    def list_sources(self, network: str) -> tuple[str, ...]:
        """Return the sources of a network, or the usual four while the worker starts."""
        return tuple((self.supervisor.find_network(network) or {}).get("sources", SOURCES))

    def describe_song(self, song: str) -> dict[str, Any]:
        """Return everything that the page of a song needs to start."""
        folder = self.library.find_folder(song)
        runs = Runs(folder).list_runs()
        return {
            "song": msgspec.to_builtins(self.library.load_song(song)),
            "marks": msgspec.to_builtins(marks.load(folder)),
            "runs": msgspec.to_builtins(runs),
            "titles": msgspec.to_builtins(Titles(folder).update(runs)),
            "page": self.library.load_page(song),
            "suffixes": list(marks.SUFFIXES),
            "jobs": [self.describe_job(job) for job in self.queue.select(song)],
            "votes": trials.count_votes(self.open_trials(song).load_votes()),
            "worker": self.supervisor.describe(),
            "sources": list(SOURCES),
            "defaults": {
                "adapt": dataclasses.asdict(AdaptConfig()),
                "separate": dataclasses.asdict(SeparateConfig()),
                "suggested": SUGGESTED,
            },
        }

    def describe_job(self, job: QueuedJob) -> dict[str, Any]:
        """Return the description of a job for pages."""
        hidden = ("marks", "song")
        return {name: value for name, value in msgspec.to_builtins(job).items() if name not in hidden} | {
            "ahead": self.queue.count_ahead(job)
        }

    def add_job(self, song: str, asked: dict[str, Any]) -> QueuedJob:
        """Add a job to the queue, or return an equal one that is open.

        Args:
          song: ID of the song.
          asked: kind, network, and for an adaptation adapt, separate and start.

        Raises:
          InputError: the job cannot be done.
        """
        folder = self.library.find_folder(song)
        require("kind" in asked, "kind", "adapt, separate, suggest or rhythm", None)
        request, saved = job_request.parse_request(asked), marks.load(folder)
        self._check(request, song)
        if request.kind == "adapt" and not (request.adapt.strategy or "P").startswith("B"):
            duration_s = self.library.load_song(song).duration_s
            labels = marks.to_annotation(saved, self.list_sources(request.network), duration_s)
            if not any(i.state == "silent" for i in labels.intervals):
                raise InputError(NOTHING_SILENT)
        if request.start != "anew":
            require(
                (Runs(folder).find_folder(request.start) / ADAPTED_LAYERS).is_file(),
                "start",
                "an adapted run",
                request.start,
            )
        fields = {"song": song, "marks": msgspec.to_builtins(saved), **dataclasses.asdict(request)}
        for job in self.queue.select(song):
            if job.state in ("waiting", "running") and all(getattr(job, name) == fields[name] for name in fields):
                return job
        waiting = sum(job.state == "waiting" for job in self.queue.jobs.values())
        require(waiting < MAX_WAITING, "queue", f"shorter than {MAX_WAITING} jobs", waiting)
        return self.queue.add(**fields)

    def estimate_time(self, song: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Return the estimated time of an adaptation, or None while the worker counts operations.

        Raises:
          InputError: the adaptation cannot be done.
        """
        request = job_request.parse_request(asked)
        self._check(request, song)
        network = self.supervisor.find_network(request.network)
        measured = self.timings.find(request.network, request.adapt.strategy or "")
        if network is not None and measured is None and "forward_flops" not in network:
            self.supervisor.count_operations(request.network)
        speed, duration_s = (self.supervisor.ready or {}).get("flops_per_s"), self.library.load_song(song).duration_s
        runs = Runs(self.library.find_folder(song)).list_runs()
        is_first = not any(run.network == request.network for run in runs)
        return estimate_seconds(request.adapt, request.separate, duration_s, measured, network, speed, is_first)

    def estimate_costs(self, song: str) -> dict[str, Any]:
        """Return the estimated time of an adaptation with each network and its suggested settings, None if unknown."""
        costs: dict[str, Any] = {}
        for network in (self.supervisor.ready or {}).get("networks", ()):
            name = network["name"]
            settings = SUGGESTED.get(name, {})
            adapt = settings.get("adapt", {}) or {"strategy": network.get("default_strategy")}
            try:
                asked = {"network": name, "adapt": adapt, "separate": settings.get("separate", {})}
                costs[name] = self.estimate_time(song, asked)
            except InputError:  # an unreadable network, or a song shorter than its segment
                costs[name] = None
        return costs

    def remove_song(self, song: str) -> None:
        """Delete a song and its folder.

        Raises:
          InputError: one of its jobs is running.
        """
        jobs = self.queue.select(song)
        require(
            all(job.state not in ("running", "stopping") for job in jobs), "song", "one without a running job", song
        )
        self.library.find_folder(song)
        for job in jobs:
            self.queue.remove(job)
        self._trials.pop(song, None)
        self.library.remove(song)

    def _check(self, request: job_request.JobRequest, song: str) -> None:
        if self.supervisor.ready is not None:  # otherwise the job waits for the worker, which checks it again
            network, duration_s = self.supervisor.find_network(request.network), self.library.load_song(song).duration_s
            job_request.check_network(request, network, duration_s)

    def _announce_job(self, job: QueuedJob) -> None:
        self.events.send(job.song, "job", self.describe_job(job))
        if job.state in ("done", "cancelled"):
            self.events.send(job.song, "runs", None)
        if job.state == "waiting":
            asyncio.get_running_loop().call_soon(self.supervisor.give_next)


def remove_leftovers(songs: Path) -> None:
    """Remove the temporary files of a server that was killed."""
    for pattern in (".arriving-*", ".zip-*", "*/.unfinished-*", "*/runs/*/.unfinished-*"):
        for left in songs.glob(pattern):
            shutil.rmtree(left, ignore_errors=True)
    for run in songs.glob("*/runs/*"):
        if not (run / "run.json").is_file():
            shutil.rmtree(run, ignore_errors=True)
    for song in songs.glob("[0-9a-f]*"):
        if not (song / "song.json").is_file():
            shutil.rmtree(song, ignore_errors=True)
