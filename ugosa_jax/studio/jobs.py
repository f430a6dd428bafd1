"""What pages have asked for: a queue, kept on disk, of which one worker process does one job after the other.

A job is a file, so that whoever kills the server finds the queue again: jobs that waited wait on, and the one that ran
is called interrupted and can be asked for again.
"""

import datetime
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from ugosa_jax import files

Kind = Literal["adapt", "separate", "suggest"]
State = Literal["waiting", "running", "stopping", "done", "failed", "cancelled", "interrupted"]
OPEN: tuple[State, ...] = ("waiting", "running", "stopping")
MAX_KEPT = 20
"""Jobs of a song that are over and still shown."""


class Job(msgspec.Struct):
    """One job."""

    id: str
    song: str
    kind: Kind
    network: str
    marks: dict[str, Any]
    adapt: dict[str, Any]
    separate: dict[str, Any]
    start: str
    created: str
    state: State = "waiting"
    error: str | None = None
    result: dict[str, Any] | None = None
    stage: str | None = None
    done: int = 0
    total: int = 0
    began_s: float | None = None
    """When the stage began, in seconds since the epoch …"""
    first_s: float | None = None
    """… when its first part was done …"""
    heard_s: float | None = None
    """… and when its last one was: the time that is left follows from these."""
    losses: list[list[float | None]] = msgspec.field(default_factory=list)
    steps: list[float | None] = msgspec.field(default_factory=list)


class Queue:
    """All jobs of a work folder, in the order in which they were asked for."""

    def __init__(self, songs: Path, on_change: Callable[[Job], None]):
        """Read the jobs that are on disk.

        Args:
          songs: the folder of songs.
          on_change: called with a job whenever something about it is new.
        """
        self.songs, self.on_change = songs, on_change
        self.jobs: dict[str, Job] = {}
        for path in songs.glob("*/jobs/*.json"):
            try:
                job = msgspec.json.decode(path.read_bytes(), type=Job)
            except (OSError, msgspec.DecodeError):
                continue
            if (job.song, job.id) == (path.parent.parent.name, path.stem):
                self.jobs[job.id] = job
        self.jobs = dict(sorted(self.jobs.items(), key=lambda item: item[1].created))
        for job in self.jobs.values():
            if job.state in ("running", "stopping"):
                job.state = "interrupted"
                self._write(job)

    def add(self, **fields: Any) -> Job:
        """Put a job at the end of the queue."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        job = Job(id=secrets.token_hex(8), created=now, **fields)
        self.jobs[job.id] = job
        self._write(job)
        self._forget_old(job.song)
        self.on_change(job)
        return job

    def select(self, song: str) -> list[Job]:
        """Return the jobs of a song, the oldest first."""
        return [job for job in self.jobs.values() if job.song == song]

    def get(self, song: str, id: str) -> Job:
        """Return a job of a song.

        Raises:
          KeyError: it has no such job.
        """
        job = self.jobs[id]
        if job.song != song:
            raise KeyError(id)
        return job

    def running(self) -> Job | None:
        """Return the job that the worker has, if it has any."""
        return next((job for job in self.jobs.values() if job.state in ("running", "stopping")), None)

    def next(self) -> Job | None:
        """Return the job whose turn it is, if no other one runs."""
        if self.running() is not None:
            return None
        return next((job for job in self.jobs.values() if job.state == "waiting"), None)

    def ahead(self, job: Job) -> int:
        """Return how many jobs are done before this one."""
        before = [other for other in self.jobs.values() if other.state in OPEN]
        return before.index(job) if job in before else 0

    def change(self, job: Job, **fields: Any) -> None:
        """Set fields of a job, and keep them where they matter after a restart."""
        moved = fields.get("state", job.state) != job.state
        for name, value in fields.items():
            setattr(job, name, value)
        if moved:
            self._write(job)
        self.on_change(job)
        if moved:  # others have moved up
            for other in self.jobs.values():
                if other.state == "waiting" and other is not job:
                    self.on_change(other)

    def remove(self, job: Job) -> None:
        """Forget a job that is over."""
        del self.jobs[job.id]
        self._path(job).unlink(missing_ok=True)

    def _forget_old(self, song: str) -> None:
        over = [job for job in self.select(song) if job.state not in OPEN]
        for job in over[: max(0, len(over) - MAX_KEPT)]:
            self.remove(job)

    def _write(self, job: Job) -> None:
        files.write_json(msgspec.to_builtins(job), self._path(job))

    def _path(self, job: Job) -> Path:
        return self.songs / job.song / "jobs" / f"{job.id}.json"
