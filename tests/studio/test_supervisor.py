"""The supervisor with a small script as worker: jobs, progress, cancelling, and dying workers."""

import asyncio
import sys

import pytest

from ugosa_jax.studio.estimate import Timings
from ugosa_jax.studio.events import Events
from ugosa_jax.studio.jobs import Queue
from ugosa_jax.studio.supervisor import Supervisor

WORKER = """
import json, sys, threading, time
cancelled = set()
orders = []
def say(**message):
    print(json.dumps(message), flush=True)
def listen():
    for line in sys.stdin:
        order = json.loads(line)
        if "count" in order:
            say(event="counted", network=order["count"], forward_flops=7.0)
            continue
        cancelled.add(order["cancel"]) if "cancel" in order else orders.append(order)
threading.Thread(target=listen, daemon=True).start()
say(event="ready", networks=[{"name": "net", "sources": ["one"]}], device="here", flops_per_s=1e9)
while True:
    time.sleep(0.005)
    if not orders:
        continue
    order = orders.pop(0)
    id, kind = order["id"], order["network"]
    say(event="progress", job=id, stage="adapting", done=1, total=2, loss=[1.0, 0.5, None], steps=[1.0, 2.0])
    if kind == "dies":
        sys.exit(1)
    if kind == "fails":
        say(event="failed", job=id, error="it cannot be done")
        continue
    while kind == "endless" and id not in cancelled or kind == "deaf":
        time.sleep(0.005)
    if id in cancelled:
        say(event="cancelled", job=id)
    else:
        measured = {"fixed": 1.0, "step_per_s": 2.0, "separate_per_s": 3.0}
        say(event="done", job=id, result={"run": id, "strategy": "P-L3:M", "measured": measured})
"""


@pytest.fixture
def worked(tmp_path):
    """Return a function that runs a scenario beside a supervisor: scenario(queue, supervisor, until)."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    (tmp_path / "songs" / "s").mkdir(parents=True)

    def run(scenario):
        async def all_of_it():
            events = Events()
            heard = events.stream("s")
            await anext(heard)
            queue = Queue(tmp_path / "songs", lambda job: supervisor.give_next() if job.state == "waiting" else None)
            supervisor = Supervisor(tmp_path, queue, events, Timings(tmp_path), [sys.executable, str(script)])

            async def until(holds):
                async with asyncio.timeout(120):
                    while not holds():
                        await asyncio.sleep(0.005)

            task = asyncio.create_task(supervisor.run())
            try:
                await until(lambda: supervisor.ready is not None)
                return await scenario(queue, supervisor, until)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        return asyncio.run(all_of_it())

    return run


def add(queue, network="net"):
    return queue.add(song="s", kind="adapt", network=network, marks={}, adapt={}, separate={}, start="anew")


def test_jobs_run_one_after_the_other(worked, tmp_path):
    async def scenario(queue, supervisor, until):
        first, second = add(queue), add(queue)
        assert (first.state, second.state, queue.count_ahead(second)) == ("running", "waiting", 1)
        await until(lambda: second.state == "done")
        assert first.state == "done"
        return first

    job = worked(scenario)
    assert (job.losses, job.steps, job.done, job.total) == ([[1.0, 0.5, None]], [1.0, 2.0], 1, 2)
    assert job.result == {"run": job.id}
    assert Timings(tmp_path).find("net", "B-L3:M").step_per_s == 2.0


def test_a_failed_job_keeps_its_error_and_the_next_one_runs(worked):
    async def scenario(queue, supervisor, until):
        first, second = add(queue, "fails"), add(queue)
        await until(lambda: second.state == "done")
        return first

    job = worked(scenario)
    assert (job.state, job.error) == ("failed", "it cannot be done")


def test_operations_are_counted_on_request(worked):
    async def scenario(queue, supervisor, until):
        assert "forward_flops" not in supervisor.find_network("net")
        supervisor.count_operations("net")
        supervisor.count_operations("unknown")
        await until(lambda: "forward_flops" in supervisor.find_network("net"))
        return supervisor.describe()["networks"][0]

    assert worked(scenario)["forward_flops"] == 7.0


def test_running_and_waiting_jobs_are_cancelled(worked):
    async def scenario(queue, supervisor, until):
        job, waiting = add(queue, "endless"), add(queue)
        await until(lambda: job.done == 1)
        supervisor.cancel(waiting)
        assert waiting.state == "cancelled"
        supervisor.cancel(job)
        assert job.state == "stopping"
        await until(lambda: job.state == "cancelled")
        return supervisor.process.pid

    assert worked(scenario)


def test_stop_at_once_restarts_a_hanging_worker(worked):
    """The worker is killed; its successor continues with the queue."""

    async def scenario(queue, supervisor, until):
        job, waiting = add(queue, "deaf"), add(queue)
        await until(lambda: job.done == 1)
        before = supervisor.process.pid
        supervisor.cancel(job)
        await asyncio.sleep(0.05)
        assert job.state == "stopping"
        supervisor.cancel(job, at_once=True)
        await until(lambda: job.state == "cancelled")
        await until(lambda: waiting.state == "done")
        return before != supervisor.process.pid

    assert worked(scenario)


def test_a_dying_worker_fails_its_job_alone(worked):
    async def scenario(queue, supervisor, until):
        job, waiting = add(queue, "dies"), add(queue)
        await until(lambda: waiting.state == "done")
        return job

    job = worked(scenario)
    assert job.state == "failed" and "the worker process ended" in job.error


def test_a_worker_that_never_starts_is_reported(tmp_path):
    async def scenario():
        supervisor = Supervisor(
            tmp_path, Queue(tmp_path, lambda job: None), Events(), Timings(tmp_path), [sys.executable, "-c", "1"]
        )
        task = asyncio.create_task(supervisor.run())
        async with asyncio.timeout(120):
            while supervisor.failures < 2:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return supervisor.describe()

    assert asyncio.run(scenario()) == {"ready": False, "failed": True}
