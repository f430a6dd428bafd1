"""Output files that are either complete or absent."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs

from ugosa_jax.errors import InputError


@contextlib.contextmanager
def replaced_when_done(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` if the block ends well, else delete it.

    The temporary name keeps the suffix, so that writers that look at it (soundfile) choose the same format.

    Raises:
      InputError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner may read
        temporary.replace(path)
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
    with replaced_when_done(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")


@contextlib.contextmanager
def folder_when_done(folder: str | Path) -> Iterator[Path]:
    """Yield an empty folder inside `folder`; if the block ends well, move its files up, else delete it.

    Other files in `folder` stay. If the block fails, folders that had to be made for it are removed again.

    Raises:
      InputError: the folder cannot be written.
    """
    folder = Path(folder)
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    scratch = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
        yield scratch
        results = sorted(scratch.iterdir())
        for result in results:
            if (folder / result.name).is_dir():
                raise InputError(f"{folder / result.name}: is a folder, where a file is to be written")
        for result in results:
            result.replace(folder / result.name)
        made.clear()
    except InputError as error:
        raise InputError(str(error).replace(str(scratch), str(folder))) from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()


def cache_folder() -> Path:
    """Return the folder of what can be made again: $UGOSA_JAX_CACHE, or the user's cache folder."""
    return Path(os.environ.get("UGOSA_JAX_CACHE") or platformdirs.user_cache_dir("ugosa_jax"))


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal.

    Raises:
      InputError: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
