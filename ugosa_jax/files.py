"""Output files that are either complete or absent.

Until it is complete, a file or folder has a temporary name that includes the host and the process that writes it,
``.NAME.HOST-PID-XXXX.part.SUFFIX``. If that process dies, the next process that writes into the same folder removes
its temporary files.
"""

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import platformdirs
import psutil

from ugosa_jax.errors import InputError, error_context

T = TypeVar("T")


@contextlib.contextmanager
def replace_when_done(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file beside `path`; rename it to `path` if the block succeeds, else delete it.

    The temporary name keeps the suffix, from which libraries such as soundfile choose the format.

    Raises:
      InputError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        handle, name = tempfile.mkstemp(prefix=_make_prefix(path.stem), suffix=f".part{path.suffix}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with contextlib.suppress(OSError):  # SMB, exFAT and S3 have no permissions
            temporary.chmod(0o666 & ~_get_umask())  # mkstemp creates files that only their owner may read
        temporary.replace(path)
    except BrokenPipeError:
        raise  # standard output is closed, which does not concern this file
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(value: dict[str, Any], path: str | Path) -> None:
    """Write an object as JSON, indented, in UTF-8, without NaN.

    Raises:
      InputError: the file cannot be written.
    """
    with replace_when_done(path) as temporary:
        text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        temporary.write_text(text, "utf-8", errors="replace")  # file names may contain bytes that are not text


def read_json(path: str | Path, kind: type[T]) -> T:
    """Read a JSON file as a given type.

    Args:
      path: the file.
      kind: a type that msgspec can decode: a Struct, a TypedDict, or a built-in type such as dict[str, str].

    Raises:
      InputError: the file cannot be read or is not of this type; the message names the field and the expected type.
    """
    with error_context(path):
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror or error})") from error
        return decode(data, kind)


def decode(data: bytes | str, kind: type[T]) -> T:
    """Decode JSON as a given type.

    Raises:
      InputError: it is not JSON or not of this type; the message names the field and the expected type.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).replace("`", "").partition(" - at $")
        field = f"{where.removeprefix('.')}: " if where else ""
        raise InputError(f"{field}{problem[:1].lower()}{problem[1:]}") from error
    except (ValueError, RecursionError) as error:  # msgspec's other errors, and text that is not UTF-8
        raise InputError(f"is not JSON ({error})") from error


@contextlib.contextmanager
def replace_folder_when_done(folder: str | Path, last: str = "record.json") -> Iterator[Path]:
    """Yield an empty folder inside `folder`; if the block succeeds, move its files into `folder`, else delete it.

    Other files in `folder` are kept. If the block fails, `folder` and its parents are removed if they did not exist
    before. The file `last` marks the folder as complete: an older one is removed before any file is moved, and the new
    one is moved after all others.

    Raises:
      InputError: the folder cannot be written.
    """
    folder = Path(folder)
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    scratch = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = make_scratch_folder(folder, "results")
        yield scratch
        _move_up(scratch, folder, last)
        made.clear()
    except InputError as error:
        raise InputError(str(error).replace(str(scratch), str(folder))) from error
    except BrokenPipeError:
        raise  # standard output is closed, which does not concern this folder
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()


def check_writable(folder: str | Path) -> None:
    """Check that `replace_folder_when_done` can write to a folder, and leave the folder unchanged.

    Raises:
      InputError: the folder cannot be written.
    """
    with contextlib.suppress(_CanBeWritten), replace_folder_when_done(folder):
        raise _CanBeWritten


class _CanBeWritten(Exception):
    """Raised by `check_writable` to undo the attempt."""


def make_scratch_folder(folder: Path, name: str) -> Path:
    """Create an empty, hidden folder inside `folder`; if this process is killed, `remove_leftovers` deletes it later.

    Raises:
      OSError: the folder cannot be written.
    """
    remove_leftovers(folder)
    return Path(tempfile.mkdtemp(prefix=_make_prefix(name), suffix=".part", dir=folder))


def _move_up(scratch: Path, folder: Path, last: str) -> None:
    results = sorted(scratch.iterdir(), key=lambda path: (path.name == last, path.name))
    for result in results:
        if (folder / result.name).is_dir():
            raise InputError(f"{folder / result.name}: is a folder, but a file of this name is to be written")
    if results and results[-1].name == last:
        (folder / last).unlink(missing_ok=True)
    for result in results:
        result.replace(folder / result.name)


@functools.cache
def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of dead processes of this host from a folder, once per process and folder."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            match = re.search(r"\.([0-9a-f]{8})-(\d{1,10})-\w{8}\.part(\.|$)", path.name)
            if match and match[1] == _get_host() and not _is_writing(int(match[2]), path):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _is_writing(pid: int, path: Path) -> bool:
    """Return whether the process that writes a file still runs, rather than a later process with the same number."""
    try:
        return psutil.Process(pid).create_time() <= path.stat().st_ctime + 1
    except (psutil.Error, OSError):
        return False


def _make_prefix(name: str) -> str:
    return f".{name[:100]}.{_get_host()}-{os.getpid()}-"


@functools.cache
def _get_host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def name_folder(path: Path) -> str:
    """Return a file's name without its suffix, for use as the name of a folder: never "", "." or ".."."""
    return path.stem.strip(". ") or "song"


def get_cache_folder() -> Path:
    """Return the folder for files that can be downloaded or computed again: $UGOSA_JAX_CACHE, or the user's cache."""
    return Path(os.environ.get("UGOSA_JAX_CACHE") or platformdirs.user_cache_dir("ugosa_jax"))


def compute_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal.

    Raises:
      InputError: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _get_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
