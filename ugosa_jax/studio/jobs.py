"""The queue of jobs, which one worker process runs one after the other.

Each job is a file, so that the queue survives a killed server: waiting jobs remain in the queue, and the running one is
marked as interrupted and can be tried again.
"""

import datetime
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from ugosa_jax import files
from ugosa_jax.errors import InputError

Kind = Literal["adapt", "separate", "suggest", "rhythm"]
State = Literal["waiting", "running", "stopping", "done", "failed", "cancelled", "interrupted"]
OPEN: tuple[State, ...] = ("waiting", "running", "stopping")
MAX_KEPT = 20
"""Largest number of finished jobs of a song that are kept."""


class QueuedJob(msgspec.Struct):
    """One job of one song."""

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
    """Time at which the stage began, in seconds since 1970."""
    first_s: float | None = None
    """Time at which the first epoch or chunk of the stage was done, which includes compilation."""
    heard_s: float | None = None
    """Time at which the last one was done. The page extrapolates the remaining time from these three times."""
    losses: list[list[float | None]] = msgspec.field(default_factory=list)
    steps: list[float | None] = msgspec.field(default_factory=list)


class Queue:
    """All jobs of a work folder, the oldest first."""

    def __init__(self, songs: Path, on_change: Callable[[QueuedJob], None]):
        """Load the jobs that are on disk.

        Args:
          songs: the folder of songs.
          on_change: called with a job whenever one of its fields changes.
        """
        self.songs, self.on_change = songs, on_change
        self.jobs: dict[str, QueuedJob] = {}
        for path in songs.glob("*/jobs/*.json"):
            try:
                job = files.read_json(path, QueuedJob)
            except InputError:
                continue
            if (job.song, job.id) == (path.parent.parent.name, path.stem):
                self.jobs[job.id] = job
        self.jobs = dict(sorted(self.jobs.items(), key=lambda item: item[1].created))
        for job in self.jobs.values():
            if job.state in ("running", "stopping"):
                job.state = "interrupted"
                self._write(job)

    def add(self, **fields: Any) -> QueuedJob:
        """Append a job to the queue."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        job = QueuedJob(id=secrets.token_hex(8), created=now, **fields)
        self.jobs[job.id] = job
        self._write(job)
        self._remove_old(job.song)
        self.on_change(job)
        return job

    def select(self, song: str) -> list[QueuedJob]:
        """Return the jobs of a song, the oldest first."""
        return [job for job in self.jobs.values() if job.song == song]

    def get(self, song: str, id: str) -> QueuedJob:
        """Return a job of a song.

        Raises:
          KeyError: the song has no such job.
        """
        job = self.jobs[id]
        if job.song != song:
            raise KeyError(id)
        return job

    def find_running(self) -> QueuedJob | None:
        """Return the job that the worker is running, or None."""
        return next((job for job in self.jobs.values() if job.state in ("running", "stopping")), None)

    def find_next(self) -> QueuedJob | None:
        """Return the job to run next; None while another job is running, or if none is waiting."""
        if self.find_running() is not None:
            return None
        return next((job for job in self.jobs.values() if job.state == "waiting"), None)

    def count_ahead(self, job: QueuedJob) -> int:
        """Return the number of open jobs before this one."""
        before = [other for other in self.jobs.values() if other.state in OPEN]
        return before.index(job) if job in before else 0

    def change(self, job: QueuedJob, **fields: Any) -> None:
        """Set fields of a job; write it to disk when its state changes."""
        is_new_state = fields.get("state", job.state) != job.state
        for name, value in fields.items():
            setattr(job, name, value)
        if is_new_state:
            self._write(job)
        self.on_change(job)
        if is_new_state:  # the positions of the jobs behind it have changed
            for other in self.jobs.values():
                if other.state == "waiting" and other is not job:
                    self.on_change(other)

    def remove(self, job: QueuedJob) -> None:
        """Delete a finished job."""
        del self.jobs[job.id]
        self._path(job).unlink(missing_ok=True)

    def _remove_old(self, song: str) -> None:
        finished = [job for job in self.select(song) if job.state not in OPEN]
        for job in finished[: max(0, len(finished) - MAX_KEPT)]:
            self.remove(job)

    def _write(self, job: QueuedJob) -> None:
        files.write_json(msgspec.to_builtins(job), self._path(job))

    def _path(self, job: QueuedJob) -> Path:
        return self.songs / job.song / "jobs" / f"{job.id}.json"
