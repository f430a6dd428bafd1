"""A lock on the work folder: one server at a time."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ugosa_jax.errors import InputError


@contextlib.contextmanager
def lock_folder(work: Path) -> Iterator[None]:
    """Lock a work folder during the block; if the process is killed, the operating system releases the lock.

    Raises:
      InputError: another server has the lock, or the folder cannot be written.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
        handle = os.open(work / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise InputError(f"{work}: cannot be written ({error.strerror or error})") from error
    try:
        _lock(handle, work)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, work: Path) -> None:
    try:
        import fcntl
    except ImportError:  # on Windows, a second server only fails if the port is the same
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(f"{work}: another studio uses this folder; close it, or choose another with --work") from error
