"""Gives the queue's jobs to the worker process, listens to it, and starts another one where it ends."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ugosa_jax.studio.estimate import Measured, Timings
from ugosa_jax.studio.events import Events
from ugosa_jax.studio.jobs import Job, Queue

WORKER = (sys.executable, "-m", "ugosa_jax.studio.worker")
MAX_LINE_BYTES = 16_000_000
ORDERED = ("id", "song", "kind", "network", "marks", "adapt", "separate", "start")
"""What the worker needs to know of a job."""
MAX_PAUSE_S = 30.0


class Foreman:
    """The server's side of the worker."""

    def __init__(self, root: Path, queue: Queue, events: Events, timings: Timings, command: Sequence[str] = WORKER):
        """Prepare; `run` does the work.

        Args:
          root: the work folder.
          queue: the jobs.
          events: tells the pages.
          timings: remembers how long things took.
          command: starts a worker.
        """
        self.command = tuple(command)
        self.root, self.queue, self.events, self.timings = root, queue, events, timings
        self.process: asyncio.subprocess.Process | None = None
        self.ready: dict[str, Any] | None = None
        """What the worker told of networks and device; None while it starts."""
        self.counting: set[str] = set()
        """Networks whose operations the worker was asked to count."""
        self.failures = 0
        """How often in a row it ended before it was ready."""

    async def run(self) -> None:
        """Keep a worker going until cancelled; it ends with the server, for its input does."""
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
            job = self.queue.running()
            if job is not None and job.state == "stopping":
                self.queue.change(job, state="cancelled")
            elif job is not None:
                died = "the worker ended in the midst of it; perhaps the memory was not enough (try shorter segments)"
                self.queue.change(job, state="failed", error=died)
            self.events.tell_all("worker", self.described())
            await asyncio.sleep(min(MAX_PAUSE_S, 2**self.failures))

    def described(self) -> dict[str, Any]:
        """Return what pages are told of the worker."""
        return {"ready": self.ready is not None, "failed": self.failures > 1, **(self.ready or {})}

    def network(self, name: str) -> dict[str, Any] | None:
        """Return what is known of a network, None if there is none of that name."""
        return next((n for n in (self.ready or {}).get("networks", ()) if n["name"] == name), None)

    def count(self, network: str) -> None:
        """Have the worker count a network's operations; the pages are told when it has."""
        if self.ready is not None and network not in self.counting:
            self.counting.add(network)
            self._send({"count": network})

    def give(self) -> None:
        """Give the worker the next job, if it is free."""
        job = self.queue.next()
        if job is None or self.ready is None:
            return
        self._send({"root": str(self.root), **{name: getattr(job, name) for name in ORDERED}})
        self.queue.change(job, state="running", stage="starting", began_s=time.time())

    def cancel(self, job: Job, at_once: bool = False) -> None:
        """Call a job off: one that waits at once, one that runs after the step in flight.

        Args:
          job: the job.
          at_once: end the worker rather than wait for it; another one is started.
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
                self.events.tell_all("worker", self.described())
            elif message["event"] == "counted":
                (self.network(message["network"]) or {})["forward_flops"] = message["forward_flops"]
                self.events.tell_all("worker", self.described())
            else:
                self._heard(message)
            self.give()

    def _heard(self, message: dict[str, Any]) -> None:
        job = self.queue.jobs.get(message["job"])
        if job is None:
            return
        if message["event"] == "progress":
            self._progress(job, message)
        elif message["event"] == "done":
            result = message["result"]
            if "measured" in result:
                self.timings.keep(job.network, result.pop("strategy"), Measured(**result.pop("measured")))
            self.queue.change(job, state="done", result=result)
        else:
            self.queue.change(job, state=message["event"], error=message.get("error"))

    def _progress(self, job: Job, message: dict[str, Any]) -> None:
        if "run" in message:
            self.events.tell(job.song, "runs", None)
            return
        now = time.time()
        news: dict[str, Any] = {"done": message.get("done", 0), "total": message.get("total", 0), "heard_s": now}
        if message["stage"] != job.stage:
            news |= {"stage": message["stage"], "began_s": now, "first_s": None}
        if news["done"] == 1:
            news["first_s"] = now
        if "loss" in message:
            news |= {"losses": [*job.losses, message["loss"]], "steps": [*job.steps, *message["steps"]]}
        self.queue.change(job, **news)
