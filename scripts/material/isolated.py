"""Run work in a child process that may fail, crash or hang without harm to the parent."""

import ctypes
import errno
import multiprocessing
import os
import resource
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TypeVar

from problems import Problem

Result = TypeVar("Result")
FORK = multiprocessing.get_context("fork")  # the child has what the parent loaded: soundfonts, voices
MAX_FILE_BYTES = 2**31  # bytes; a song of ten minutes takes 423 MB
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """The work failed; the message gives the reason in one line."""


def run_isolated(work: Callable[[], Result], limit_s: float) -> Result:
    """Return what `work` returns in a child process.

    When it ends, however it ends, every program that it started is killed and its temporary files are removed.

    Raises:
        Failed: it raised an exception, died, or took longer than `limit_s`.
        Problem: it raised a `Problem`, or the disk is full; later work would fail as well.
    """
    with tempfile.TemporaryDirectory(prefix="material-") as scratch:
        receiver, sender = FORK.Pipe(duplex=False)
        child = FORK.Process(target=report, args=(work, scratch, sender))
        child.start()
        sender.close()
        try:
            if not receiver.poll(limit_s):
                raise Failed(f"not done after {limit_s:g} s, stopped")
            outcome = receiver.recv()
        except EOFError:
            raise Failed("its process died (a crash in a library, or no memory left)") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.kill()
            child.join()
            receiver.close()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def report(work: Callable[[], Result], scratch: str, sender: Connection) -> None:
    """Run `work` as the leader of a process group, with limits, and send its result or exception."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # kill -9 of the parent ends the child too
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    tempfile.tempdir = scratch
    try:
        sender.send(work())
    except Problem as problem:
        sender.send(problem)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        sender.send(Problem(f"the disk is full ({error.filename or error})") if full else Failed(describe_error(error)))
    except Exception as error:
        sender.send(Failed(describe_error(error)))


def describe_error(error: Exception) -> str:
    """Return an exception as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
