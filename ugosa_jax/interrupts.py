"""Ctrl-C and termination signals: they are never lost, and are delayed while code must not be interrupted.

Python runs a signal's handler in the main thread, between any two of its instructions. An exception raised by the
handler can do harm in two ways.

- It is raised where nothing can catch it: in a finalizer, or in a callback of the garbage collector, of which JAX has
  one. Python prints or drops it, and the program goes on as if nobody had pressed Ctrl-C. `Interrupt` is raised again.
- It is raised when `Condition.__enter__`, which is Python code, has acquired its lock and not yet returned. The lock is
  never released, and a thread that waits for it never returns. For example, an interrupt in ``future.done()`` leaves
  a worker of a pool waiting for ever. Code that shares futures with threads therefore runs under `defer`.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

CODE = 130
"""Exit code of a process that was interrupted."""
AGAIN_S = 0.05
"""Seconds before a lost interrupt is raised again; by then the finalizer that lost it has returned."""
MAX_SIGNALS = 3
"""Number of signals after which the process exits at once, without cleaning up."""

_state = {"signals": 0, "heeded": False}


class Interrupt(KeyboardInterrupt):
    """Ctrl-C or a termination signal; raised again until `heed` is called.

    If some code drops the exception, Python deletes it, and `__del__` starts a timer whose signal raises it again.
    """

    def __del__(self) -> None:
        if not _state["heeded"]:
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)


def install_again() -> None:
    """Install the handlers again if `install` was called before; libraries replace them, as Ray does for SIGTERM."""
    if signal.getsignal(signal.SIGALRM) is _raise:
        install()


def install() -> None:
    """Raise Interrupt in the main thread on SIGINT and SIGTERM, for the rest of the process."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # shells have background jobs ignore Ctrl-C
        signal.signal(signal.SIGINT, _on_signal)
    signal.signal(signal.SIGTERM, _on_signal)
    signal.signal(signal.SIGALRM, _raise)  # sent by a timer, not by users
    sys.unraisablehook = _silent_about_interrupts


def heed() -> None:
    """Stop raising lost interrupts again, because the process is about to end."""
    _state["heeded"] = True
    signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def defer() -> Iterator[Callable[[], None]]:
    """Delay the first interrupt until the block ends or calls the yielded function; raise the second one at once.

    Only the main thread is interrupted; in other threads, `defer` has no effect.

    Yields:
      A function to call where it is safe to stop: it raises KeyboardInterrupt if a signal has come.
    """
    asked: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            before[number](number, frame)

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(number)):  # not where it is ignored, or ends the process
                before[number] = handler
                signal.signal(number, note)
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    check()


def _on_signal(_number: int, _frame: FrameType | None) -> NoReturn:
    _state["signals"] += 1
    if _state["signals"] >= MAX_SIGNALS:
        os.write(2, b"interrupted\n")
        os._exit(CODE)
    raise Interrupt


def _raise(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupt


def _silent_about_interrupts(lost: "sys.UnraisableHookArgs") -> None:
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
