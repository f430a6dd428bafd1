"""Sound of containers that libsndfile does not know: m4a, mp4 and other video, wma, read through PyAV."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ugosa_jax.errors import InputError, require_extra

MAX_PADDING_SAMPLES = 4096
"""Length of the longest frame of usual encoders: so much may follow the end that a container tells."""
SUFFIXES = (".m4a", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wma", ".aac", ".ac3", ".3gp", ".mka", ".amr")
"""Names that such files usually have."""


def opened(path: Path) -> tuple[int, int, int, Iterator[np.ndarray]]:
    """Open the first stream of sound in a file.

    What an encoder puts before and after the sound is left out where the container tells it, as players do.

    Returns:
      Sample rate, number of channels, 0 for the unknown number of samples, and blocks (C, n), float32.

    Raises:
      InputError: PyAV is not installed, the file cannot be read, has no sound, or is damaged.
    """
    try:
        with require_extra("ffmpeg"):
            import av
    except InputError as error:
        raise InputError(f"{path}: is not a format of libsndfile; {error}") from error
    try:
        container = av.open(str(path))
    except (OSError, ValueError, UnicodeError) as error:
        raise _unreadable(path, error) from error
    if not container.streams.audio:
        found = ", ".join(stream.type for stream in container.streams) or "nothing"
        container.close()
        raise InputError(f"{path}: has no sound, only {found}")
    stream = container.streams.audio[0]
    duration_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    rate_hz = int(stream.rate or 0)
    blocks = _without_padding(_decoded(path, container, stream), round(duration_s * rate_hz))
    return rate_hz, int(stream.channels or 0), 0, blocks


def _decoded(path: Path, container: Any, stream: Any) -> Iterator[np.ndarray]:
    import av

    try:
        with container:
            planar = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
            for frame in container.decode(stream):
                yield from (part.to_ndarray() for part in planar.resample(frame))
            yield from (part.to_ndarray() for part in planar.resample(None))
    except (OSError, ValueError, UnicodeError) as error:  # what PyAV raises for files is an OSError or a ValueError
        raise _unreadable(path, error) from error


def _without_padding(blocks_Cxn: Iterator[np.ndarray], told: int) -> Iterator[np.ndarray]:
    """Yield blocks without the rest of an encoder's last frame, which follows the end that a container tells.

    If more follows than that, the container told nonsense, and all of it is sound.
    """
    n_samples, behind = 0, []
    for block in blocks_Cxn:
        within = min(block.shape[1], max(0, told - n_samples)) if told else block.shape[1]
        n_samples += block.shape[1]
        behind.append(block[:, within:])
        if not told or n_samples > told + MAX_PADDING_SAMPLES:
            yield np.concatenate([block[:, :within], *behind], axis=1)
            told, behind = 0, []
        elif within:
            yield block[:, :within]


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: cannot be read as sound ({' '.join(str(error).split())[:200]})")
