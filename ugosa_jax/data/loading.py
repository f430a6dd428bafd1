"""Reading of songs: from a sound file, from any kind of data set, or the demo song."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ugosa_jax.annotations import activation, annotation
from ugosa_jax.data import musdb, sound, stem_arrays, stems
from ugosa_jax.data.datasets import Track
from ugosa_jax.data.song import Song
from ugosa_jax.data.sound import Audio
from ugosa_jax.errors import InputError

DEMO_SONG = Path(__file__).parent / "demo_song"
"""Folder of the song that comes with the package."""
MAX_DIFFERENCE_DB = -60.0
"""Largest difference between mixture and sum of stems, relative to the mixture; rounding to 16 bits makes less."""


def read_audio(path: str | Path, may_be_cut: bool = False) -> Song:
    """Read a song's mixture.

    Args:
      path: the file.
      may_be_cut: whether to accept a file that was cut short.

    Raises:
      InputError: as `sound.read`.
    """
    return Song(sound.read(path, may_be_cut=may_be_cut))


def load_with_stems(track: Track, sources: Sequence[str]) -> Song:
    """Read a song's mixture and stems; without a mixture file, the mixture is the sum of the stems.

    Args:
      track: one of `datasets.list_tracks`.
      sources: names of the stems, in the order of the result.

    Returns:
      The song without annotation; its notes describe conversions and inconsistencies.

    Raises:
      InputError: a file is missing or cannot be read as sound, stems differ in length, rate or channels, or the
        mixture is silent.
    """
    read = {"arrays": stem_arrays.read, "musdb18": musdb.read}.get(track.kind, _read_folder)
    mix_CxT, stems_SxCxT, rate_hz = read(track.path, sources)
    if mix_CxT is None:
        notes, mix_CxT = ("no mixture file: the mixture is the sum of the stems",), stems_SxCxT.sum(axis=0)
    else:
        notes = _compare_mixture(mix_CxT, stems_SxCxT)
    if not mix_CxT.any():
        raise InputError(f"{track.path}: is silent throughout (every sample of the mixture is zero)")
    return Song(Audio(mix_CxT, rate_hz, track.name), stems_SxCxT, tuple(sources), notes=notes)


def load_annotated(track: Track, sources: Sequence[str]) -> Song:
    """Read a song's mixture and stems, and its annotation, which is computed from the stems if there is no file.

    Raises:
      InputError: as `load_with_stems`; or the annotation is invalid.
    """
    song = load_with_stems(track, sources)
    if track.annotation is not None:
        found = annotation.read_annotation(track.annotation, sources)
    else:
        active_SxT = activation.detect_activity(song.require_stems(), song.mixture.rate_hz)
        found = annotation.from_mask(active_SxT, song.mixture.rate_hz, sources)
    return dataclasses.replace(song, annotation=found)


def load_demo(sources: Sequence[str]) -> Song:
    """Read the demo song: its stems, their sum as the mixture, and its annotation."""
    return load_annotated(Track("demo song", "folder", DEMO_SONG), sources)


def _read_folder(folder: Path, sources: Sequence[str]) -> tuple[np.ndarray | None, np.ndarray, int]:
    """Read the stems, and if it exists the mixture, in a folder of sound files; return them and the sample rate."""
    files = stems.find_with_mixture(folder, sources)
    mixture = files.pop(stems.MIXTURE, None)
    sounds_SxCxT, rate_hz = stems.read(files if mixture is None else files | {stems.MIXTURE: mixture})
    return None if mixture is None else sounds_SxCxT[-1], sounds_SxCxT[: len(sources)], rate_hz


def _compare_mixture(mix_CxT: np.ndarray, stems_SxCxT: np.ndarray) -> tuple[str, ...]:
    """Return a note if the mixture is not the sum of the stems, else none."""
    difference_CxT = stems_SxCxT.sum(axis=0)
    difference_CxT -= mix_CxT
    off_db = sound.measure_level_db(difference_CxT) - sound.measure_level_db(mix_CxT)
    if off_db <= MAX_DIFFERENCE_DB:
        return ()
    return (f"the mixture is not the sum of the stems: their difference is {off_db:+.1f} dB relative to the mixture",)
