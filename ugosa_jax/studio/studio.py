"""Everything that the server holds: songs, queue, worker, listeners, trials."""

import asyncio
import contextlib
import dataclasses
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from ugosa_jax.config import SOURCES, AdaptConfig, SeparateConfig, recommended, require
from ugosa_jax.errors import InputError
from ugosa_jax.song_job.names import ADAPTED_LAYERS
from ugosa_jax.studio import marks, trials
from ugosa_jax.studio.estimate import Timings, seconds
from ugosa_jax.studio.events import Events
from ugosa_jax.studio.foreman import Foreman
from ugosa_jax.studio.jobs import Job, Queue
from ugosa_jax.studio.library import Library
from ugosa_jax.studio.names import KnownNames
from ugosa_jax.studio.runs import Runs
from ugosa_jax.studio.trials import Trials

SUGGESTED = {
    "mini": {
        "adapt": dataclasses.asdict(recommended().adapt),
        "separate": dataclasses.asdict(recommended().separate),
    }
}
"""What the page sets at first where something better than the paper's settings is known."""
MAX_WAITING = 50
"""Jobs that may wait at once."""


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
        return {
            "song": msgspec.to_builtins(self.library.song(song)),
            "marks": msgspec.to_builtins(marks.load(folder)),
            "runs": msgspec.to_builtins(Runs(folder).listing()),
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
        """Put a job into the queue.

        Args:
          song: whose.
          asked: kind, network, and for an adaptation adapt, separate and start.

        Raises:
          InputError: it cannot be done.
        """
        folder = self.library.folder(song)
        waiting = sum(job.state == "waiting" for job in self.queue.jobs.values())
        require(waiting < MAX_WAITING, "queue", f"shorter than {MAX_WAITING} jobs", waiting)
        kind, network = asked.get("kind"), asked.get("network")
        require(kind in ("adapt", "separate", "suggest"), "kind", "adapt, separate or suggest", kind)
        require(isinstance(network, str), "network", "a name", network)
        if self.foreman.ready is not None:  # a job may wait for the worker, which looks at it again
            known = self.foreman.network(str(network))
            require(known is not None and "error" not in known, "network", "one of those that are there", network)
        adapt, separate = settings(asked)
        plans = (self.foreman.network(str(network)) or {}).get("strategies", ())
        fits = adapt.strategy is None or not plans or adapt.strategy[2:] in plans
        require(fits, "strategy", f"one of R-, P- or B- and {', '.join(plans)}", adapt.strategy)
        said = marks.load(folder)
        duration_s = self.library.song(song).duration_s
        if kind == "adapt" and not (adapt.strategy or "P").startswith("B"):
            labels = marks.annotation_of(said, self.sources(str(network)), duration_s)
            silent = any(i.state == "silent" for i in labels.intervals)
            require(silent, "marks", "silence of at least one source (or choose a strategy that begins with B)", "none")
        start = asked.get("start", "anew")
        if start != "anew":
            require((Runs(folder).folder(str(start)) / ADAPTED_LAYERS).is_file(), "start", "an adapted run", start)
        return self.queue.add(
            song=song,
            kind=kind,
            network=network,
            marks=msgspec.to_builtins(said),
            adapt=dataclasses.asdict(adapt),
            separate=dataclasses.asdict(separate),
            start=str(start),
        )

    def estimate(self, song: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Return how long an adaptation will take here; None if that is yet to be found out."""
        adapt, separate = settings(asked)
        name, duration_s = str(asked.get("network")), self.library.song(song).duration_s
        network, measured = self.foreman.network(name), self.timings.find(name, adapt.strategy or "")
        if network is not None and measured is None and "forward_flops" not in network:
            self.foreman.count(name)
        speed = (self.foreman.ready or {}).get("flops_per_s")
        return seconds(adapt, separate, duration_s, measured, network, speed)

    def _changed(self, job: Job) -> None:
        self.events.tell(job.song, "job", self.shown(job))
        if job.state in ("done", "cancelled"):
            self.events.tell(job.song, "runs", None)
        if job.state == "waiting":
            asyncio.get_running_loop().call_soon(self.foreman.give)


def settings(asked: dict[str, Any]) -> tuple[AdaptConfig, SeparateConfig]:
    """Return the settings that a page asks for.

    Raises:
      InputError: one is unknown, or has a value that it cannot have.
    """
    return _settings(asked.get("adapt", {}), AdaptConfig), _settings(asked.get("separate", {}), SeparateConfig)


def _settings(asked: Any, kind: Any) -> Any:
    require(isinstance(asked, dict), "settings", "an object", type(asked).__name__)
    unknown = asked.keys() - {field.name for field in dataclasses.fields(kind)}
    require(not unknown, "settings", "known ones", sorted(unknown)[:3])
    try:
        return msgspec.json.decode(json.dumps(asked), type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise InputError(f"settings: {error}") from error


def tidy(songs: Path) -> None:
    """Remove what was half-written when a server was killed."""
    for pattern in (".arriving-*", ".zip-*", "*/.unfinished-*", "*/runs/*/.unfinished-*"):
        for left in songs.glob(pattern):
            shutil.rmtree(left, ignore_errors=True)
    for run in songs.glob("*/runs/*"):
        if not (run / "run.json").is_file():
            shutil.rmtree(run, ignore_errors=True)
