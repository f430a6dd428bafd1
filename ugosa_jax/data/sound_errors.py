"""Conversion of errors of PyAV and soundfile to InputErrors."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import soundfile
from av.error import FFmpegError

from ugosa_jax.errors import InputError


@contextlib.contextmanager
def refuse_unreadable(path: Path, action: str = "read as sound") -> Iterator[None]:
    """Turn errors of PyAV, soundfile and the operating system in the block into an InputError.

    The message is "PATH: cannot be ACTION (REASON)". Errors of PyAV have a common base class; some are also an OSError,
    ValueError, EOFError or LookupError.
    """
    try:
        yield
    except MemoryError as error:
        raise InputError(f"{path}: is too long to fit into memory") from error
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: cannot be {action} ({_to_one_line(error.error_string)})") from error
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
        raise InputError(f"{path}: cannot be {action} ({_to_one_line(reason)})") from error


def _to_one_line(reason: str) -> str:
    return " ".join(reason.split())[:200]
