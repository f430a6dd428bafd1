"""Errors of PyAV and soundfile as InputErrors."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import soundfile
from av.error import FFmpegError

from ugosa_jax.errors import InputError


@contextlib.contextmanager
def refuse_unreadable(path: Path, to: str = "read as sound") -> Iterator[None]:
    """Raise InputError for any error of PyAV, soundfile or the operating system in the block.

    PyAV's errors share a base class; some are also an OSError, a ValueError, an EOFError or a LookupError.
    """
    try:
        yield
    except MemoryError as error:
        raise InputError(f"{path}: is more sound than fits into the memory") from error
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: cannot be {to} ({_to_one_line(error.error_string)})") from error
    except (
        FFmpegError,
        soundfile.SoundFileError,
        OSError,
        ValueError,
        RuntimeError,
        EOFError,
        LookupError,
    ) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(f"{path}: cannot be {to} ({_to_one_line(reason)})") from error


def _to_one_line(reason: str) -> str:
    return " ".join(reason.split())[:200]
