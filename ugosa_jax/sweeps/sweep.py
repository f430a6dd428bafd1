"""A sweep: a grid, the network and the songs that it is run on, and its cells."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from ugosa_jax import files
from ugosa_jax.adaptation import plan
from ugosa_jax.config import AdaptConfig, SongsConfig
from ugosa_jax.data import datasets, loading
from ugosa_jax.data.datasets import Track
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError
from ugosa_jax.sweeps.cell import Cell, cell
from ugosa_jax.sweeps.grid import Grid
from ugosa_jax.weights.weights import Weights


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What a sweep works on.

    Attributes:
      grid: what to do.
      base: the network to start from.
      tracks: the songs by name.
      folder: of the results.
      lanes: cells that run side by side; None: as many as fit into the memory of a GPU or TPU, one on a CPU, whose
        cores one lane keeps busy.
      keep_deltas: store tuned layers too.
      keep_stems: store estimates too.
    """

    grid: Grid
    base: Weights
    tracks: dict[str, Track]
    folder: Path
    lanes: int | None = None
    keep_deltas: bool = False
    keep_stems: bool = False


def tracks(songs: SongsConfig) -> dict[str, Track]:
    """Return the songs that a grid speaks of, by name.

    Raises:
      InputError: no folder is named, or it does not hold them.
    """
    if songs.folder is None:
        raise InputError("songs: no folder is named; write folder = … under [songs], or say --songs FOLDER")
    root = Path(songs.folder)
    subset = songs.subset if datasets.recognise(root).startswith("musdb") else None
    return {track.name: track for track in datasets.list_tracks(root, subset, songs.limit, songs.names or None)}


def cells_of(sweep: Sweep) -> list[Cell]:
    """Return all cells of a sweep, song by song.

    Raises:
      InputError: a strategy does not exist for the network.
    """
    return cells_with(sweep, sweep.grid.adapt, hashes(sweep))


def cells_with(sweep: Sweep, settings: Sequence[AdaptConfig], sha256: Mapping[str, str]) -> list[Cell]:
    """Return the cells of settings and all songs, song by song.

    Args:
      sweep: whose songs they are.
      settings: of the adaptation.
      sha256: what `hashes` returns.

    Raises:
      InputError: a strategy does not exist for the network.
    """
    grid, fingerprint = sweep.grid, sweep.base.fingerprint
    every = dict.fromkeys(plan.fill_defaults(one, sweep.base) for one in settings)
    return [
        cell(name, sha256[name], fingerprint, one, grid.separate, grid.evaluate)
        for name in sweep.tracks
        for one in every
    ]


def song_of(track: Track, base: Weights) -> Song:
    """Return a song with the stems that a network has, and its annotation.

    Raises:
      InputError: it cannot be used.
    """
    return loading.load_annotated(track, base.sources)


def hashes(sweep: Sweep) -> dict[str, str]:
    """Return the hash of each song's files, by its name."""
    return {name: hash_of(track, sweep.base) for name, track in sweep.tracks.items()}


def hash_of(track: Track, base: Weights) -> str:
    """Return the hashes of a song's files, its annotation among them; "unreadable" if they cannot be read."""
    with contextlib.suppress(InputError):
        paths = [*datasets.list_inputs(track, base.sources).values(), *filter(None, [track.annotation])]
        return " ".join(files.sha256_of(path) for path in paths)
    return "unreadable"
