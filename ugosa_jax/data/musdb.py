"""A song of MUSDB18: one .stem.mp4 file of five streams, read by the musdb package, which needs ffmpeg."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from ugosa_jax.data.pool import positions
from ugosa_jax.errors import InputError

SUFFIX = ".stem.mp4"
"""How names of the files end."""
STREAMS = ("mixture", "drums", "bass", "other", "vocals")
"""What the streams of a file hold."""


def read(path: Path, sources: Sequence[str]) -> tuple[np.ndarray, np.ndarray, int]:
    """Read a file stream by stream: musdb decodes to float64, and all at once would fill the memory.

    Returns:
      The mixture, float32 (C, T), the stems (S, C, T), and the sample rate.

    Raises:
      InputError: the file cannot be read, lacks a source, or ffmpeg is missing.
    """
    streams = positions(path, sources, STREAMS)
    missing = [program for program in ("ffmpeg", "ffprobe") if shutil.which(program) is None]
    if missing:  # checked before the import, which fails without them
        programs = " and ".join(missing)
        raise InputError(f"{path}: {programs} not found; {SUFFIX} needs ffmpeg (MUSDB18-HQ's WAV does not)")
    import ffmpeg
    from musdb.audio_classes import MultiTrack, Source

    name = str(path)
    try:
        song = MultiTrack(path=name, name=path.name.removesuffix(SUFFIX), stem_id=0)
        first_CxT = _channels_first(Source(song, path=name, stem_id=streams[0]).audio)
        stems_SxCxT = np.empty((len(streams), *first_CxT.shape), np.float32)
        stems_SxCxT[0] = first_CxT
        for s, stream in enumerate(streams[1:], 1):
            stems_SxCxT[s] = _channels_first(Source(song, path=name, stem_id=stream).audio)
        mix_CxT = np.empty_like(first_CxT)
        mix_CxT[:] = _channels_first(song.audio)
        return mix_CxT, stems_SxCxT, int(cast(int, song.rate))
    except (ffmpeg.Error, Warning, RuntimeError, ValueError, LookupError, OSError) as error:
        raise InputError(f"{path}: cannot be read as five streams of sound ({type(error).__name__})") from error


def _channels_first(samples_TxC: np.ndarray) -> np.ndarray:
    """Return float32 (C, T); mono comes without its axis, a stream that is not there without samples."""
    return np.ascontiguousarray(samples_TxC.reshape(len(samples_TxC), -1).T, np.float32)
