"""Everything that the server holds: songs, queue, worker, listeners, trials."""

import asyncio
import contextlib
import dataclasses
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from ugosa_jax.config import PRESETS, SOURCES, AdaptConfig, SeparateConfig, find_usual_preset, require
from ugosa_jax.errors import InputError
from ugosa_jax.song_job.names import ADAPTED_LAYERS
from ugosa_jax.studio import marks, orders, trials
from ugosa_jax.studio.estimate import Timings, seconds
from ugosa_jax.studio.events import Events
from ugosa_jax.studio.foreman import Foreman
from ugosa_jax.studio.jobs import Job, Queue
from ugosa_jax.studio.library import Library
from ugosa_jax.studio.names import KnownNames
from ugosa_jax.studio.runs import Runs
from ugosa_jax.studio.titles import Titles
from ugosa_jax.studio.trials import Trials

SUGGESTED = {
    name: {
        part: dataclasses.asdict(getattr(PRESETS[find_usual_preset(name)](), part)) for part in ("adapt", "separate")
    }
    for name in ("mini", "spleeter", "spleeter_4stems", "spleeter_5stems", "spleeter+mini")
}
"""What the page sets at first where something better than the paper's settings is known."""
MAX_WAITING = 50
"""Jobs that may wait at once."""
NOTHING_SILENT = (
    "Nothing is marked silent yet. Mark a silence, set a source to “unmarked = silent”, or press Suggest silences."
)


class Studio:
    """One work folder and what is done in it."""

    def __init__(self, root: Path):
        """Read what is there, and clear away what was half done when a server was killed."""
        self.root = root
        self.library = Library(root)
        tidy(self.library.songs)
        self.events, self.timings, self.names = Events(), Timings(root), KnownNames(root)
        self.queue = Queue(self.library.songs, self._changed)
        self.foreman = Foreman(root, self.queue, self.events, self.timings)
        self._trials: dict[str, Trials] = {}

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Keep the worker going."""
        task = asyncio.create_task(self.foreman.run())
        try:
            yield
        finally:
            self.events.close()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def trials(self, song: str) -> Trials:
        """Return the blind comparisons of a song."""
        folder = self.library.folder(song)
        return self._trials.setdefault(song, Trials(folder))

    def sources(self, network: str) -> tuple[str, ...]:
        """Return the sources of a network; those of the published ones while the worker has not told."""
        known = self.foreman.network(network) or {}
        return tuple(known.get("sources", SOURCES))

    def described(self, song: str) -> dict[str, Any]:
        """Return all that a page shows of a song at first."""
        folder = self.library.folder(song)
        runs = Runs(folder).listing()
        return {
            "song": msgspec.to_builtins(self.library.song(song)),
            "marks": msgspec.to_builtins(marks.load(folder)),
            "runs": msgspec.to_builtins(runs),
            "titles": msgspec.to_builtins(Titles(folder).of(runs)),
            "page": self.library.page(song),
            "suffixes": list(marks.SUFFIXES),
            "jobs": [self.shown(job) for job in self.queue.select(song)],
            "votes": trials.tally(self.trials(song).votes()),
            "worker": self.foreman.described(),
            "sources": list(SOURCES),
            "defaults": {
                "adapt": dataclasses.asdict(AdaptConfig()),
                "separate": dataclasses.asdict(SeparateConfig()),
                "suggested": SUGGESTED,
            },
        }

    def shown(self, job: Job) -> dict[str, Any]:
        """Return what pages see of a job."""
        hidden = ("marks", "song")
        return {name: value for name, value in msgspec.to_builtins(job).items() if name not in hidden} | {
            "ahead": self.queue.ahead(job)
        }

    def order(self, song: str, asked: dict[str, Any]) -> Job:
        """Put a job into the queue; an equal one that is there already is not done twice.

        Args:
          song: whose.
          asked: kind, network, and for an adaptation adapt, separate and start.

        Raises:
          InputError: it cannot be done.
        """
        folder = self.library.folder(song)
        require("kind" in asked, "kind", "adapt, separate or suggest", None)
        order, said = orders.parse(asked), marks.load(folder)
        self._check(order, song)
        if order.kind == "adapt" and not (order.adapt.strategy or "P").startswith("B"):
            duration_s = self.library.song(song).duration_s
            labels = marks.annotation_of(said, self.sources(order.network), duration_s)
            if not any(i.state == "silent" for i in labels.intervals):
                raise InputError(NOTHING_SILENT)
        if order.start != "anew":
            require(
                (Runs(folder).folder(order.start) / ADAPTED_LAYERS).is_file(), "start", "an adapted run", order.start
            )
        fields = {"song": song, "marks": msgspec.to_builtins(said), **dataclasses.asdict(order)}
        for job in self.queue.select(song):
            if job.state in ("waiting", "running") and all(getattr(job, name) == fields[name] for name in fields):
                return job
        waiting = sum(job.state == "waiting" for job in self.queue.jobs.values())
        require(waiting < MAX_WAITING, "queue", f"shorter than {MAX_WAITING} jobs", waiting)
        return self.queue.add(**fields)

    def estimate(self, song: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Return how long an adaptation will take here; None if that is yet to be found out.

        Raises:
          InputError: it cannot be done.
        """
        order = orders.parse(asked)
        self._check(order, song)
        network = self.foreman.network(order.network)
        measured = self.timings.find(order.network, order.adapt.strategy or "")
        if network is not None and measured is None and "forward_flops" not in network:
            self.foreman.count(order.network)
        speed, duration_s = (self.foreman.ready or {}).get("flops_per_s"), self.library.song(song).duration_s
        runs = Runs(self.library.folder(song)).listing()
        is_first = not any(run.network == order.network for run in runs)
        return seconds(order.adapt, order.separate, duration_s, measured, network, speed, is_first)

    def remove(self, song: str) -> None:
        """Delete a song with all its work.

        Raises:
          InputError: a job of it is running.
        """
        jobs = self.queue.select(song)
        require(all(job.state not in ("running", "stopping") for job in jobs), "song", "one that no job works on", song)
        self.library.folder(song)
        for job in jobs:
            self.queue.remove(job)
        self._trials.pop(song, None)
        self.library.remove(song)

    def _check(self, order: orders.Order, song: str) -> None:
        if self.foreman.ready is not None:  # a job may wait for the worker, which looks at it again
            network, duration_s = self.foreman.network(order.network), self.library.song(song).duration_s
            orders.check_network(order, network, duration_s)

    def _changed(self, job: Job) -> None:
        self.events.tell(job.song, "job", self.shown(job))
        if job.state in ("done", "cancelled"):
            self.events.tell(job.song, "runs", None)
        if job.state == "waiting":
            asyncio.get_running_loop().call_soon(self.foreman.give)


def tidy(songs: Path) -> None:
    """Remove what was half-written when a server was killed."""
    for pattern in (".arriving-*", ".zip-*", "*/.unfinished-*", "*/runs/*/.unfinished-*"):
        for left in songs.glob(pattern):
            shutil.rmtree(left, ignore_errors=True)
    for run in songs.glob("*/runs/*"):
        if not (run / "run.json").is_file():
            shutil.rmtree(run, ignore_errors=True)
    for song in songs.glob("[0-9a-f]*"):
        if not (song / "song.json").is_file():
            shutil.rmtree(song, ignore_errors=True)
