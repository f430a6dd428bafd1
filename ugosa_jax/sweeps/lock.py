"""The lock of a results directory, so that only one process, the driver, runs the sweep at a time.

    .lock          locked by the operating system while the driver runs
    driver.json    describes the driver

A killed driver leaves driver.json behind, which is ignored if the lock is free.
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
"""Time that a driver waits for the lock, because `find_driver` holds it for a moment to check whether it is free."""


@dataclasses.dataclass(frozen=True)
class Driver:
    """The process that works on a results directory.

    Attributes:
      host: name of its machine.
      pid: its process ID.
      since_s: its start time as a Unix timestamp.
    """

    host: str
    pid: int
    since_s: float

    def __str__(self) -> str:
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since_s))
        return f"process {self.pid} on {self.host}, since {began}"


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a results directory during the block; create the directory if it does not exist.

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
    except (filelock.Timeout, OSError, NotImplementedError):  # locked, or cannot be locked: rely on driver.json
        return driver


def _read_driver(folder: Path) -> Driver | None:
    try:
        return msgspec.json.decode((folder / "driver.json").read_bytes(), type=Driver)
    except (OSError, ValueError):  # errors of msgspec are ValueErrors
        return None
