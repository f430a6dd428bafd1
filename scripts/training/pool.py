"""Pools of songs with stems, and the random mixtures of stems that a network is trained on.

A pool is a folder of ``SONG.npy`` files with the stems of a song, float16 or float32 arrays of shape (S, C, T), with
the sources in the network's order and at its sample rate. The files are memory-mapped, so that a pool may be larger
than the memory.
"""

import itertools
import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ugosa_jax.errors import InputError

COHERENT = 0.4
"""Fraction of examples with stems of the same part of one song; other examples mix stems of different songs."""
SILENT = 0.06
"""Probability that a stem is left out of an example."""


def open_pool(folder: Path, n_sources: int, n_channels: int) -> list[np.memmap]:
    """Return the songs of a pool, memory-mapped, in the order of their names.

    Raises:
      InputError: there are none, or one of them is damaged or of another shape or type.
    """
    songs = [open_song(path, n_sources, n_channels) for path in sorted(folder.glob("*.npy"))]
    if not songs:
        raise InputError(f"{folder}: no SONG.npy files")
    return songs


def require_scorable(folder: Path, songs: list[np.memmap], n_samples: int) -> None:
    """Check all samples of a pool: every song and every source must have a score.

    Raises:
      InputError: a song is shorter than `n_samples`, silent or not finite, or a source is silent in all of them.
    """
    peak_NxS = np.array([np.abs(stems_SxCxT).max((1, 2)) for stems_SxCxT in songs])
    for peak_S, stems_SxCxT in zip(peak_NxS, songs, strict=True):
        if stems_SxCxT.shape[2] < n_samples:
            raise InputError(f"{stems_SxCxT.filename}: shorter than an example, {n_samples} samples")
        if not 0 < peak_S.max() < np.inf:
            raise InputError(f"{stems_SxCxT.filename}: silent throughout, or not finite")
    silent = np.flatnonzero(peak_NxS.max(0) == 0)
    if silent.size:
        raise InputError(f"{folder}: no song in which source {silent[0] + 1} of {len(peak_NxS[0])} is heard")


def open_song(path: Path, n_sources: int, n_channels: int) -> np.memmap:
    """Return the stems of a song, memory-mapped; only the header and the size of the file are checked.

    Raises:
      InputError: the file is damaged, or its stems are of another shape or type.
    """
    try:
        stems_SxCxT = np.load(path, mmap_mode="r")
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path}: not a whole .npy file of numbers") from error
    right = (n_sources, n_channels)
    if stems_SxCxT.dtype not in (np.float16, np.float32) or stems_SxCxT.ndim != 3 or stems_SxCxT.shape[:2] != right:
        found = f"{stems_SxCxT.dtype} of shape {stems_SxCxT.shape}"
        raise InputError(f"{path}: {found}, where float16 or float32 of shape {right} + (samples,) is expected")
    if stems_SxCxT.shape[2] == 0:
        raise InputError(f"{path}: no samples")
    return stems_SxCxT


def draw_example(songs: Sequence[np.ndarray], n_samples: int, random: np.random.Generator) -> np.ndarray:
    """Return stems_SxCxT of a random mixture: gains N(0, 3) dB, swapped channels, flipped polarity, missing stems."""
    n_sources = songs[0].shape[0]
    if random.random() < COHERENT:
        stems_SxCxT = draw_excerpt(songs[int(random.integers(len(songs)))], slice(None), n_samples, random)
    else:
        picks = random.integers(len(songs), size=n_sources)
        stems_SxCxT = np.stack(
            [draw_excerpt(songs[pick], s, n_samples, random) for s, pick in enumerate(picks.tolist())]
        )
    gain_db = random.normal(0, 3, n_sources)
    sign = random.choice([-1, 1], n_sources) * (random.random(n_sources) >= SILENT)
    stems_SxCxT = stems_SxCxT * (10 ** (gain_db / 20) * sign).astype(np.float32)[:, None, None]
    return stems_SxCxT[:, ::-1] if random.random() < 0.5 else stems_SxCxT


def draw_excerpt(song: np.ndarray, sources, n_samples: int, random: np.random.Generator) -> np.ndarray:
    """Return a random excerpt of some sources of a song as float32."""
    start = random.integers(max(1, song.shape[-1] - n_samples + 1))
    stretch = np.asarray(song[sources, :, start : start + n_samples], np.float32)
    missing = n_samples - stretch.shape[-1]
    return np.pad(stretch, [(0, 0)] * (stretch.ndim - 1) + [(0, missing)]) if missing else stretch


def draw_standard_example(songs: Sequence[np.ndarray], n_samples: int, random: np.random.Generator) -> np.ndarray:
    """Return an example whose mixture has the standard deviation 1, ± 2 dB at random.

    In a separation, songs are standardised as a whole, so that the levels of their loud and quiet parts differ.
    """
    stems_SxCxT = draw_example(songs, n_samples, random)
    std = stems_SxCxT.sum(0).mean(0).std()
    level = 10 ** (random.normal(0, 2) / 20)
    return stems_SxCxT * np.float32(level / max(std, 1e-3))


def iterate_batches(
    songs: Sequence[np.ndarray], batch: int, n_samples: int, seed: int, start: int
) -> Iterator[np.ndarray]:
    """Yield batches (batch, S, C, T) for ever, computed in a thread; the i-th batch depends only on the seed and i.

    Exceptions of the thread are raised here, because the caller would otherwise wait for ever.
    """
    ready: queue.Queue[np.ndarray | Exception] = queue.Queue(maxsize=4)

    def produce() -> None:
        try:
            for i in itertools.count(start):
                random = np.random.default_rng((seed, i))
                ready.put(np.stack([draw_standard_example(songs, n_samples, random) for _ in range(batch)]))
        except Exception as error:
            ready.put(error)

    threading.Thread(target=produce, daemon=True).start()
    while True:
        made = ready.get()
        if isinstance(made, Exception):
            raise made
        yield made
