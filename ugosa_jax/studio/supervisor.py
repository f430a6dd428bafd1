"""The supervisor, which sends jobs to the worker process, handles its messages, and restarts it when it ends."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ugosa_jax.studio.estimate import MeasuredSpeed, Timings
from ugosa_jax.studio.events import Events
from ugosa_jax.studio.jobs import Queue, QueuedJob

WORKER = (sys.executable, "-m", "ugosa_jax.studio.worker_process")
MAX_LINE_BYTES = 16_000_000
ORDER_FIELDS = ("id", "song", "kind", "network", "marks", "adapt", "separate", "start")
"""Fields of a job that are sent to the worker."""
MAX_PAUSE_S = 30.0
"""Longest pause before a worker that fails to start is started again."""


class Supervisor:
    """The server's side of the worker process."""

    def __init__(self, root: Path, queue: Queue, events: Events, timings: Timings, command: Sequence[str] = WORKER):
        """Initialise the supervisor; `run` starts the worker.

        Args:
          root: the work folder.
          queue: the jobs.
          events: sends events to the pages.
          timings: stores measurements of the speed of this machine.
          command: command line of a worker.
        """
        self.command = tuple(command)
        self.root, self.queue, self.events, self.timings = root, queue, events, timings
        self.process: asyncio.subprocess.Process | None = None
        self.ready: dict[str, Any] | None = None
        """Description of networks and device; None while the worker starts."""
        self.counting: set[str] = set()
        """Networks whose operations the worker has been asked to count."""
        self.failures = 0
        """Number of consecutive times that the worker ended before it was ready."""

    async def run(self) -> None:
        """Keep a worker running until cancelled. A worker whose server is killed exits when its input closes."""
        while True:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=MAX_LINE_BYTES,
            )
            try:
                await self._listen(self.process)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    self.process.kill()
                await self.process.wait()
            self.failures = 0 if self.ready else self.failures + 1
            self.ready = None
            self.counting.clear()
            job = self.queue.find_running()
            if job is not None and job.state == "stopping":
                self.queue.change(job, state="cancelled")
            elif job is not None:
                died = "the worker process ended during this job, perhaps out of memory; try shorter training segments"
                self.queue.change(job, state="failed", error=died)
            self.events.send_to_all("worker", self.describe())
            await asyncio.sleep(min(MAX_PAUSE_S, 2**self.failures))

    def describe(self) -> dict[str, Any]:
        """Return the description of the worker for the pages."""
        return {"ready": self.ready is not None, "failed": self.failures > 1, **(self.ready or {})}

    def find_network(self, name: str) -> dict[str, Any] | None:
        """Return the description of a network, or None if the worker has no network of that name."""
        return next((n for n in (self.ready or {}).get("networks", ()) if n["name"] == name), None)

    def count_operations(self, network: str) -> None:
        """Ask the worker to count a network's operations; pages get an event when it is done."""
        if self.ready is not None and network not in self.counting:
            self.counting.add(network)
            self._send({"count": network})

    def give_next(self) -> None:
        """Send the next job to the worker if it is free."""
        job = self.queue.find_next()
        if job is None or self.ready is None:
            return
        self._send({"root": str(self.root), **{name: getattr(job, name) for name in ORDER_FIELDS}})
        self.queue.change(job, state="running", stage="starting", began_s=time.time())

    def cancel(self, job: QueuedJob, at_once: bool = False) -> None:
        """Cancel a job: a waiting job immediately, a running one after its current epoch or chunk.

        Args:
          job: the job.
          at_once: whether to kill the worker instead of waiting for it; a new worker is then started.
        """
        if job.state == "waiting":
            self.queue.change(job, state="cancelled")
        elif job.state in ("running", "stopping"):
            self.queue.change(job, state="stopping")
            if at_once and self.process is not None:
                self.process.kill()
            else:
                self._send({"cancel": job.id})

    def _send(self, message: dict[str, Any]) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            message = json.loads(line)
            if message["event"] == "ready":
                self.ready = {name: value for name, value in message.items() if name != "event"}
                self.events.send_to_all("worker", self.describe())
            elif message["event"] == "counted":
                (self.find_network(message["network"]) or {})["forward_flops"] = message["forward_flops"]
                self.events.send_to_all("worker", self.describe())
            else:
                self._handle(message)
            self.give_next()

    def _handle(self, message: dict[str, Any]) -> None:
        job = self.queue.jobs.get(message["job"])
        if job is None:
            return
        if message["event"] == "progress":
            self._handle_progress(job, message)
        elif message["event"] == "done":
            result = message["result"]
            if "measured" in result:
                self.timings.remember(job.network, result.pop("strategy"), MeasuredSpeed(**result.pop("measured")))
            self.queue.change(job, state="done", result=result)
        else:
            self.queue.change(job, state=message["event"], error=message.get("error"))

    def _handle_progress(self, job: QueuedJob, message: dict[str, Any]) -> None:
        if "run" in message:
            self.events.send(job.song, "runs", None)
            return
        now = time.time()
        fields: dict[str, Any] = {"done": message.get("done", 0), "total": message.get("total", 0), "heard_s": now}
        if message["stage"] != job.stage:
            fields |= {"stage": message["stage"], "began_s": now, "first_s": None}
        if fields["done"] == 1:
            fields["first_s"] = now
        if "loss" in message:
            fields |= {"losses": [*job.losses, message["loss"]], "steps": [*job.steps, *message["steps"]]}
        self.queue.change(job, **fields)
