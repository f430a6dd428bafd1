"""The one process that owns JAX: takes orders line by line, does one after the other, and tells how far it is.

Orders and what is told are JSON, a line each, on standard input and output. When the input ends, the server is gone,
and so is the worker at once; what it was doing leaves nothing half-written.
"""

import json
import os
import queue
import sys
import threading
import traceback
from typing import Any, TextIO

from ugosa_jax.errors import InputError


class Desk:
    """What has been ordered and what has been called off."""

    def __init__(self, out: TextIO):
        """Begin with nothing ordered."""
        self.out, self.lock = out, threading.Lock()
        self.orders: queue.Queue[dict[str, Any]] = queue.Queue()
        self.cancelled: set[str] = set()

    def say(self, **message: Any) -> None:
        """Send a line to the server."""
        with self.lock:
            self.out.write(json.dumps(message) + "\n")
            self.out.flush()

    def listen(self, lines: TextIO) -> None:
        """Take orders until there is nobody any more who gives them."""
        for line in lines:
            order = json.loads(line)
            if "cancel" in order:
                self.cancelled.add(order["cancel"])
            else:
                self.orders.put(order)
        os._exit(0)


def main() -> None:
    """Work until the server is gone."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever libraries print is no message
    desk = Desk(out)
    threading.Thread(target=desk.listen, args=(sys.stdin,), daemon=True).start()
    from ugosa_jax import device
    from ugosa_jax.studio import networks, work  # these take seconds to import, and the server may go meanwhile

    device.keep_compiled_programs()
    desk.say(event="ready", **networks.described())
    while True:
        order = desk.orders.get()
        if "count" in order:
            name = order["count"]
            desk.say(event="counted", network=name, forward_flops=networks.forward_flops(name))
            continue
        id = order["id"]

        def tell(progress: dict[str, Any], id: str = id) -> None:
            if id in desk.cancelled:
                raise work.Cancelled
            desk.say(event="progress", job=id, **progress)

        try:
            tell({"stage": "starting"})
            desk.say(event="done", job=id, result=work.do(order, tell))
        except work.Cancelled:
            desk.say(event="cancelled", job=id)
        except InputError as error:
            desk.say(event="failed", job=id, error=str(error))
        except Exception as error:  # the next job is to be done whatever became of this one
            traceback.print_exc()
            desk.say(event="failed", job=id, error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
