"""The folder that a studio works in: one server at a time."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ugosa_jax.errors import InputError


@contextlib.contextmanager
def locked(work: Path) -> Iterator[None]:
    """Hold a work folder; the system lets go of it however the process ends.

    Raises:
      InputError: another server holds it, or it cannot be written.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
        handle = os.open(work / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise InputError(f"{work}: cannot be written ({error.strerror or error})") from error
    try:
        _take(handle, work)
        yield
    finally:
        os.close(handle)


def _take(handle: int, work: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: the port is what keeps a second server away
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(f"{work}: another studio works there; close it, or name another --work") from error
