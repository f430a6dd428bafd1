"""The lock of a results directory: one process, the driver, runs a sweep at a time.

    .lock          locked by the operating system while the driver lives
    driver.json    describes the driver

A killed driver leaves driver.json behind; it is ignored, because the lock is free.
"""

import contextlib
import dataclasses
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import msgspec

from ugosa_jax import files
from ugosa_jax.errors import InputError

WAIT_S = 1.0
"""How long a driver waits for the lock, which `find_driver` takes for an instant to see whether it is free."""


@dataclasses.dataclass(frozen=True)
class Driver:
    """The process that works on a results directory.

    Attributes:
      host: name of its machine.
      pid: its number there.
      since_s: its start, in seconds of Unix time.
    """

    host: str
    pid: int
    since_s: float

    def __str__(self) -> str:
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since_s))
        return f"process {self.pid} on {self.host}, since {began}"


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a results directory while the block lasts; make the directory if it is missing.

    Raises:
      InputError: another process holds it, or the folder cannot be written.
    """
    lock = filelock.FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=WAIT_S)
    except filelock.Timeout:
        who = _read_driver(folder) or "another process"
        raise InputError(f"{folder}: {who}, is working on it; wait until it ends") from None
    except (OSError, NotImplementedError) as error:  # the latter from file systems without locks
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{folder / '.lock'}: cannot be locked ({reason})") from error
    try:
        driver = Driver(socket.gethostname(), os.getpid(), time.time())
        files.write_json(dataclasses.asdict(driver), folder / "driver.json")
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / "driver.json").unlink(missing_ok=True)
        lock.release()


def find_driver(folder: Path) -> Driver | None:
    """Return the process that works on a results directory, or None."""
    driver = _read_driver(folder)
    if driver is None:
        return None
    try:
        with filelock.FileLock(folder / ".lock", timeout=0):
            return None
    except (filelock.Timeout, OSError, NotImplementedError):  # without the right to write, the note is all there is
        return driver


def _read_driver(folder: Path) -> Driver | None:
    try:
        return msgspec.json.decode((folder / "driver.json").read_bytes(), type=Driver)
    except (OSError, ValueError):  # what msgspec raises is a ValueError
        return None
