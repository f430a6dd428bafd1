"""The worker process, the only one that uses JAX: it receives jobs, runs them in turn and reports its progress.

Orders and messages are lines of JSON on standard input and output. When the input ends, the server has ended, and the
worker exits at once; the current job leaves no incomplete run.
"""

import json
import os
import queue
import sys
import threading
import traceback
from typing import Any, TextIO

from ugosa_jax.errors import InputError


class Mailbox:
    """The worker's connection to the server: waiting orders, cancelled jobs, and messages."""

    def __init__(self, out: TextIO):
        """Initialise without orders; messages are written to `out`."""
        self.out, self.lock = out, threading.Lock()
        self.orders: queue.Queue[dict[str, Any]] = queue.Queue()
        self.cancelled: set[str] = set()

    def send(self, **message: Any) -> None:
        """Send a line to the server."""
        with self.lock:
            self.out.write(json.dumps(message) + "\n")
            self.out.flush()

    def receive(self, lines: TextIO) -> None:
        """Collect orders until the input ends, then exit the process."""
        for line in lines:
            order = json.loads(line)
            if "cancel" in order:
                self.cancelled.add(order["cancel"])
            else:
                self.orders.put(order)
        os._exit(0)


def main() -> None:
    """Run jobs until the server ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries may print to standard output, which must not be mixed with messages
    mailbox = Mailbox(out)
    threading.Thread(target=mailbox.receive, args=(sys.stdin,), daemon=True).start()
    from ugosa_jax import device
    from ugosa_jax.studio import network_info, tasks  # slow to import; the mailbox already notices if the server ends

    device.cache_compiled_programs()
    mailbox.send(event="ready", **network_info.describe_networks())
    while True:
        order = mailbox.orders.get()
        if "count" in order:
            name = order["count"]
            mailbox.send(event="counted", network=name, forward_flops=network_info.count_forward_flops(name))
            continue
        id = order["id"]

        def send_progress(progress: dict[str, Any], id: str = id) -> None:
            if id in mailbox.cancelled:
                raise tasks.Cancelled
            mailbox.send(event="progress", job=id, **progress)

        try:
            send_progress({"stage": "starting"})
            mailbox.send(event="done", job=id, result=tasks.run_job(order, send_progress))
        except tasks.Cancelled:
            mailbox.send(event="cancelled", job=id)
        except InputError as error:
            mailbox.send(event="failed", job=id, error=str(error))
        except Exception as error:  # a bug in one job must not stop the waiting jobs
            traceback.print_exc()
            mailbox.send(event="failed", job=id, error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
