"""A sweep: a grid, a network, songs, and the cells that result from them."""

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
from ugosa_jax.sweeps.cell import Cell, make_cell
from ugosa_jax.sweeps.grid import Grid
from ugosa_jax.weights.weights import Weights


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A grid with its network and its songs.

    Attributes:
      grid: the settings.
      base: the network before adaptation.
      tracks: the songs by name.
      folder: the results directory.
      lanes: number of cells that run side by side; None: as many as fit into the memory of a GPU or TPU, and one on a
        CPU, because one lane keeps its cores busy.
      keep_deltas: whether adapted layers are stored too.
      keep_stems: whether stems are stored too.
    """

    grid: Grid
    base: Weights
    tracks: dict[str, Track]
    folder: Path
    lanes: int | None = None
    keep_deltas: bool = False
    keep_stems: bool = False


def find_tracks(songs: SongsConfig) -> dict[str, Track]:
    """Return the songs of a grid by name.

    Raises:
      InputError: no folder is given, or it does not contain the songs.
    """
    if songs.folder is None:
        raise InputError("songs: no folder is given; write folder = … under [songs], or use --songs FOLDER")
    root = Path(songs.folder)
    subset = songs.subset if datasets.recognise_kind(root).startswith("musdb") else None
    return {track.name: track for track in datasets.list_tracks(root, subset, songs.limit, songs.names or None)}


def list_cells(sweep: Sweep) -> list[Cell]:
    """Return all cells of a sweep, song by song.

    Raises:
      InputError: a strategy does not exist for the network.
    """
    return make_cells(sweep, sweep.grid.adapt, hash_songs(sweep))


def make_cells(sweep: Sweep, settings: Sequence[AdaptConfig], sha256: Mapping[str, str]) -> list[Cell]:
    """Return the cells of some settings and all songs, song by song.

    Args:
      sweep: the sweep.
      settings: settings of the adaptation.
      sha256: hashes of the songs, as `hash_songs` returns them.

    Raises:
      InputError: a strategy does not exist for the network.
    """
    grid, fingerprint = sweep.grid, sweep.base.fingerprint
    every = dict.fromkeys(plan.fill_defaults(one, sweep.base) for one in settings)
    return [
        make_cell(name, sha256[name], fingerprint, one, grid.separate, grid.evaluate)
        for name in sweep.tracks
        for one in every
    ]


def load_song(track: Track, base: Weights) -> Song:
    """Load a song with its annotation and the stems of a network's sources.

    Raises:
      InputError: the song cannot be used.
    """
    return loading.load_annotated(track, base.sources)


def hash_songs(sweep: Sweep) -> dict[str, str]:
    """Return the hashes of the files of each song, by name."""
    return {name: hash_song(track, sweep.base) for name, track in sweep.tracks.items()}


def hash_song(track: Track, base: Weights) -> str:
    """Return the hashes of a song's files, including its annotation; "unreadable" if they cannot be read."""
    with contextlib.suppress(InputError):
        paths = [*datasets.list_inputs(track, base.sources).values(), *filter(None, [track.annotation])]
        return " ".join(files.compute_sha256(path) for path in paths)
    return "unreadable"
