"""A song with its true stems, loaded: one song at a time, from any kind of data set.

S sources, C channels, T samples.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from ugosa_jax.config import ModelConfig
from ugosa_jax.data import datasets, sound
from ugosa_jax.data.datasets import STEM_MP4, Track
from ugosa_jax.data.sound import Audio
from ugosa_jax.errors import InputError

MUSDB_STREAMS = ("mixture", "drums", "bass", "other", "vocals")
"""What the streams of a .stem.mp4 file hold."""
POOL_SOURCES = ("drums", "bass", "other", "vocals")
"""What the first axis of a pool's arrays stands for."""
POOL_RATE_HZ = 44100
"""Sample rate of a pool's arrays, which do not tell it."""
OFF_DB = -60.0
"""How far below the mixture its difference from the sum of the stems may lie; rounding to 16 bits stays under it."""


class Multitrack(NamedTuple):
    """A song that is loaded: its mixture, its stems at the same rate and of the same shape, and what to know of it."""

    mixture: Audio
    stems_SxCxT: np.ndarray
    notes: tuple[str, ...]


def load(track: Track, sources: Sequence[str] = ModelConfig.sources) -> Multitrack:
    """Read a song's mixture and stems. A mixture that is missing is the sum of the stems.

    Args:
      track: one of `dataset.tracks`.
      sources: names of the stems, in the order that is wanted.

    Returns:
      Mixture and float32 stems, and notes in plain words: what was done, what does not fit.

    Raises:
      InputError: a file is missing or cannot be read as sound, stems differ in length, rate or channels, or the
        mixture is silent.
    """
    if track.kind == "pool":
        mixture, stems_SxCxT = _read_array(track, sources)
    elif track.kind == "musdb18":
        mixture, stems_SxCxT = _read_stem_mp4(track, sources)
    else:
        mixture, stems_SxCxT = _read_folder(track, sources)
    rate_hz, mix_CxT = mixture
    if mix_CxT is None:
        notes, mix_CxT = ("no mixture file: the sum of the stems is taken",), stems_SxCxT.sum(axis=0)
    else:
        notes = _what_is_off(mix_CxT, stems_SxCxT)
    if not mix_CxT.any():
        raise InputError(f"{track.path}: is silent throughout (every sample of the mixture is zero)")
    return Multitrack(Audio(mix_CxT, rate_hz, track.name), stems_SxCxT, notes)


class _Mixture(NamedTuple):
    rate_hz: int
    samples_CxT: np.ndarray | None


def _read_folder(track: Track, sources: Sequence[str]) -> tuple[_Mixture, np.ndarray]:
    """Read a folder of sound files, which must agree with each other."""
    files = datasets.inputs(track, sources)
    first = sound.read(files[sources[0]], may_be_silent=True)
    stems_SxCxT = np.empty((len(sources), *first.samples_CxT.shape), np.float32)
    stems_SxCxT[0] = first.samples_CxT
    for s, source in enumerate(sources[1:], 1):
        stems_SxCxT[s] = _read_like(first, files[sources[0]], files[source]).samples_CxT
    mix_CxT = _read_like(first, files[sources[0]], files["mixture"]).samples_CxT if "mixture" in files else None
    return _Mixture(first.rate_hz, mix_CxT), stems_SxCxT


def _read_like(first: Audio, first_path: Path, path: Path) -> Audio:
    """Read a sound that must be shaped like the first one."""
    stem = sound.read(path, may_be_silent=True)
    formats = [f"{a.rate_hz} Hz, {a.n_channels} channels, {a.n_samples} samples" for a in (stem, first)]
    if formats[0] != formats[1]:
        raise InputError(f"{path}: {formats[0]} do not fit those of {first_path.name}: {formats[1]}")
    return stem


def _read_array(track: Track, sources: Sequence[str]) -> tuple[_Mixture, np.ndarray]:
    """Read an array of a pool; only what is asked for is taken into memory."""
    rows = _positions(track, sources, POOL_SOURCES)
    try:
        array = np.load(track.path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy parses the header as Python source and lets out whatever that raises
        raise InputError(f"{track.path}: cannot be read as an array ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.dtype.itemsize > 4:
        found = array.dtype if isinstance(array, np.ndarray) else "an archive"
        raise InputError(f"{track.path}: expected an array of float16 or float32, not {found}")
    if array.ndim != 3 or array.shape[0] != len(POOL_SOURCES) or array.size == 0:
        names = ", ".join(POOL_SOURCES)
        raise InputError(f"{track.path}: expected shape (4, channels, samples), 4 for {names}; not {array.shape}")
    stems_SxCxT = np.empty((len(rows), *array.shape[1:]), np.float32)
    mix_CxT = np.zeros(array.shape[1:], np.float32)
    for row, stored_CxT in enumerate(array):
        stem_CxT = stored_CxT.astype(np.float32)
        if not np.isfinite(stem_CxT).all():
            raise InputError(f"{track.path}: {POOL_SOURCES[row]} holds values that are not finite (NaN or infinite)")
        mix_CxT += stem_CxT
        if row in rows:
            stems_SxCxT[rows.index(row)] = stem_CxT
    return _Mixture(POOL_RATE_HZ, mix_CxT), stems_SxCxT


def _read_stem_mp4(track: Track, sources: Sequence[str]) -> tuple[_Mixture, np.ndarray]:
    """Read a file of MUSDB18 stream by stream: musdb decodes to float64, and all at once would fill the memory."""
    streams = _positions(track, sources, MUSDB_STREAMS)
    missing = [program for program in ("ffmpeg", "ffprobe") if shutil.which(program) is None]
    if missing:  # checked before the import, which fails without them
        programs = " and ".join(missing)
        raise InputError(f"{track.path}: {programs} not found; {STEM_MP4} needs ffmpeg (MUSDB18-HQ's WAV does not)")
    import ffmpeg
    from musdb.audio_classes import MultiTrack, Source

    path = str(track.path)
    try:
        song = MultiTrack(path=path, name=track.name, stem_id=0)
        first_CxT = _channels_first(Source(song, path=path, stem_id=streams[0]).audio)
        stems_SxCxT = np.empty((len(streams), *first_CxT.shape), np.float32)
        stems_SxCxT[0] = first_CxT
        for s, stream in enumerate(streams[1:], 1):
            stems_SxCxT[s] = _channels_first(Source(song, path=path, stem_id=stream).audio)
        mix_CxT = np.empty_like(first_CxT)
        mix_CxT[:] = _channels_first(song.audio)
        return _Mixture(int(cast(int, song.rate)), mix_CxT), stems_SxCxT
    except (ffmpeg.Error, Warning, RuntimeError, ValueError, LookupError, OSError) as error:
        raise InputError(f"{path}: cannot be read as five streams of sound ({type(error).__name__})") from error


def _channels_first(samples_TxC: np.ndarray) -> np.ndarray:
    """Return float32 (C, T); mono comes without its axis, a stream that is not there without samples."""
    return np.ascontiguousarray(samples_TxC.reshape(len(samples_TxC), -1).T, np.float32)


def _what_is_off(mix_CxT: np.ndarray, stems_SxCxT: np.ndarray) -> tuple[str, ...]:
    """Return a note if the mixture is not the sum of the stems."""
    difference_CxT = stems_SxCxT.sum(axis=0)
    difference_CxT -= mix_CxT
    off_db = sound.level_db(difference_CxT) - sound.level_db(mix_CxT)
    if off_db <= OFF_DB:
        return ()
    return (f"the mixture is not the sum of the stems: the difference is at {off_db:+.1f} dB of the mixture's level",)


def _positions(track: Track, sources: Sequence[str], held: Sequence[str]) -> list[int]:
    """Return where in a file each source is."""
    for source in sources:
        if source not in held:
            raise InputError(f"{track.path}: has no {source!r}; such files hold {', '.join(held)}")
    return [held.index(source) for source in sources]
