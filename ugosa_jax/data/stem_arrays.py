"""Reading of songs whose stems are one .npy array (S, C, T) of float16 or float32, as `scripts/training` uses them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ugosa_jax.errors import InputError

SOURCES = ("drums", "bass", "other", "vocals")
"""The sources along the first axis of the arrays."""
RATE_HZ = 44100
"""Sample rate of the arrays."""


def read(path: Path, sources: Sequence[str]) -> tuple[np.ndarray, np.ndarray, int]:
    """Read the mixture, which is the sum of all stems, and the stems of the given sources.

    Returns:
      Float32 (C, T) and (S, C, T), and the sample rate.

    Raises:
      InputError: the file is not such an array, or lacks a source.
    """
    array = _open_array(path)
    rows = find_positions(path, sources, SOURCES)
    stems_SxCxT = np.empty((len(rows), *array.shape[1:]), np.float32)
    mix_CxT = np.zeros(array.shape[1:], np.float32)
    for row, stored_CxT in enumerate(array):
        stem_CxT = stored_CxT.astype(np.float32)
        if not np.isfinite(stem_CxT).all():
            raise InputError(f"{path}: {SOURCES[row]} holds values that are not finite (NaN or infinite)")
        mix_CxT += stem_CxT
        if row in rows:
            stems_SxCxT[rows.index(row)] = stem_CxT
    return mix_CxT, stems_SxCxT, RATE_HZ


def find_positions(path: Path, sources: Sequence[str], held: Sequence[str]) -> list[int]:
    """Return the position of each source in a file.

    Args:
      path: the file, for messages.
      sources: the sources to find.
      held: the sources of the file, in order.

    Raises:
      InputError: it lacks a source.
    """
    for source in sources:
        if source not in held:
            raise InputError(f"{path}: has no {source!r}; such files hold {', '.join(held)}")
    return [held.index(source) for source in sources]


def _open_array(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy parses the header as Python source, which may raise anything
        raise InputError(f"{path}: cannot be read as an array ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.dtype.itemsize > 4:
        found = array.dtype if isinstance(array, np.ndarray) else "an archive"
        raise InputError(f"{path}: expected an array of float16 or float32, not {found}")
    if array.ndim != 3 or array.shape[0] != len(SOURCES) or array.size == 0:
        names = ", ".join(SOURCES)
        raise InputError(f"{path}: expected shape (4, channels, samples), 4 for {names}; not {array.shape}")
    return array
