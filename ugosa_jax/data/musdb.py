"""Reading of songs of MUSDB18: .stem.mp4 files with five streams.

The musdb package is not used, because it runs the programs ffmpeg and ffprobe, and decodes to 64 bits, which takes four
times the memory. The result here is the same in all 16 bits (a test compares them).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ugosa_jax.data import sound
from ugosa_jax.data.stem_arrays import find_positions
from ugosa_jax.data.stream import open_stream
from ugosa_jax.errors import InputError

SUFFIX = ".stem.mp4"
"""Suffix of the files."""
STREAMS = ("mixture", "drums", "bass", "other", "vocals")
"""Names of a file's streams, in order."""


def read(path: Path, sources: Sequence[str]) -> tuple[np.ndarray, np.ndarray, int]:
    """Read the mixture and stems, rounded to 16 bits, as MUSDB18 defines them.

    Returns:
      The mixture, float32 (C, T), the stems (S, C, T), and the sample rate.

    Raises:
      InputError: the file cannot be read, lacks a source, or its streams differ in length, rate or channels.
    """
    indices = find_positions(path, sources, STREAMS)
    mix_CxT, rate_hz = _read_stream(path, 0)
    stems_SxCxT = np.empty((len(indices), *mix_CxT.shape), np.float32)
    for s, index in enumerate(indices):
        stem_CxT, stem_rate_hz = _read_stream(path, index)
        if (stem_CxT.shape, stem_rate_hz) != (mix_CxT.shape, rate_hz):
            raise InputError(f"{path}: the {STREAMS[index]} differ from the mixture in length, rate or channels")
        stems_SxCxT[s] = stem_CxT
    return mix_CxT, stems_SxCxT, rate_hz


def _read_stream(path: Path, index: int) -> tuple[np.ndarray, int]:
    stream = open_stream(path, index=index, keep_padding=True)  # as the musdb package does
    return sound.round_to_16_bits(np.concatenate([*stream.blocks_Cxn], axis=1)), stream.rate_hz
