"""The one place that turns what PyAV and soundfile raise over a file of sound into one line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import soundfile
from av.error import FFmpegError

from ugosa_jax.errors import InputError


@contextlib.contextmanager
def refuse_unreadable(path: Path, to: str = "read as sound") -> Iterator[None]:
    """Raise InputError in one line for whatever PyAV, soundfile or Python raise over a file of sound in the block.

    PyAV's errors have one base class and are otherwise of all kinds: some are an OSError, others a ValueError, an
    EOFError, a LookupError or none of these.
    """
    try:
        yield
    except MemoryError as error:
        raise InputError(f"{path}: is more sound than fits into the memory") from error
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: cannot be {to} ({_one_line(error.error_string)})") from error
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
        raise InputError(f"{path}: cannot be {to} ({_one_line(reason)})") from error


def _one_line(reason: str) -> str:
    return " ".join(reason.split())[:200]
