"""Handling of Ctrl-C and termination signals: none is lost, and sensitive code can delay them.

Python runs a signal handler in the main thread, between any two instructions. An exception raised by the handler can do
harm in two ways.

- It may be raised where nothing can catch it: in a finalizer, or in a callback of the garbage collector (JAX has one).
  Python prints or drops it, and the program goes on as if nobody had pressed Ctrl-C. `Interrupt` is therefore raised
  again until the program acknowledges it.
- It may be raised inside `Condition.__enter__`, which is Python code, after it has acquired its lock. The lock is then
  never released, and threads that wait for it hang. For example, an interrupt in ``future.done()`` leaves a worker of a
  pool waiting for ever. Code that shares futures with threads therefore runs under `defer`.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

EXIT_CODE = 130
"""Exit code of a process that was interrupted."""
RAISE_AGAIN_AFTER_S = 0.05
"""Seconds after which a lost interrupt is raised again; by then the finalizer that dropped it has returned."""
MAX_SIGNALS = 3
"""Number of signals after which the process exits at once, without cleaning up."""

_state = {"signals": 0, "acknowledged": False}


class Interrupt(KeyboardInterrupt):
    """The exception for Ctrl-C or a termination signal; it is raised again until `acknowledge` is called.

    If some code drops the exception, Python deletes it, and `__del__` starts a timer whose signal raises it again.
    """

    def __del__(self) -> None:
        if not _state["acknowledged"]:
            signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN_AFTER_S)


def restore_handlers() -> None:
    """Install the handlers again, if they were installed before, after a library has replaced them, as Ray does."""
    if signal.getsignal(signal.SIGALRM) is _raise_interrupt:
        install_handlers()


def install_handlers() -> None:
    """Raise Interrupt in the main thread on SIGINT and SIGTERM, for the rest of the process."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # it is ignored in background jobs of a shell
        signal.signal(signal.SIGINT, _on_signal)
    signal.signal(signal.SIGTERM, _on_signal)
    signal.signal(signal.SIGALRM, _raise_interrupt)  # sent by a timer, not by users
    sys.unraisablehook = _report_unraisable


def acknowledge() -> None:
    """Confirm that the process is about to end, so that lost interrupts are no longer raised again."""
    _state["acknowledged"] = True
    signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def defer() -> Iterator[Callable[[], None]]:
    """Delay the first interrupt until the block ends or calls the yielded function; raise the second one at once.

    Only the main thread is interrupted; in other threads, `defer` has no effect.

    Yields:
      A function to call where it is safe to stop: it raises KeyboardInterrupt if a signal has arrived.
    """
    arrived: list[int] = []
    handlers: dict[int, Any] = {}

    def record(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        if len(arrived) > 1:
            handlers[number](number, frame)

    def check() -> None:
        if arrived:
            raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(number)):  # not SIG_IGN or SIG_DFL
                handlers[number] = handler
                signal.signal(number, record)
    try:
        yield check
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    check()


def _on_signal(_number: int, _frame: FrameType | None) -> NoReturn:
    _state["signals"] += 1
    if _state["signals"] >= MAX_SIGNALS:
        os.write(2, b"interrupted\n")
        os._exit(EXIT_CODE)
    raise Interrupt


def _raise_interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupt


def _report_unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """Print an exception that could not be raised, as Python does, unless it is an interrupt."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
