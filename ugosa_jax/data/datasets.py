"""Data sets: folders of songs with their true stems. `ugosa_jax.data.loading` reads the songs.

Four kinds of folders are recognised by their content:

| kind | content |
|---|---|
| folder | ROOT/SONG/{mixture,drums,bass,other,vocals}.wav (or .flac, .ogg …), as `ugosa-jax prepare` writes it |
| musdb18hq | ROOT/{train,test}/SONG/ with the same files |
| musdb18 | ROOT/{train,test}/SONG.stem.mp4 |
| arrays | ROOT/SONG.npy, arrays (S, C, T) of float16 or float32: drums, bass, other, vocals at 44.1 kHz |
"""

import dataclasses
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from ugosa_jax.config import Subset
from ugosa_jax.data import musdb, stems
from ugosa_jax.errors import InputError, require

Kind = Literal["folder", "musdb18hq", "musdb18", "arrays"]


@dataclasses.dataclass(frozen=True)
class Track:
    """A song of a data set on disk; `loading` reads it as a `Song`."""

    name: str
    kind: Kind
    path: Path
    """The song's folder, .stem.mp4 or .npy file."""
    subset: Subset | None = None
    """The subset of MUSDB18 that it belongs to."""

    @property
    def annotation(self) -> Path | None:
        """The annotation beside the stems, or None."""
        path = self.path / "annotation.csv"
        return path if path.is_file() else None


def list_tracks(
    root: str | Path, subset: Subset | None = None, limit: int | None = None, names: Sequence[str] | None = None
) -> list[Track]:
    """Return the songs of a data set in alphabetical order, the training songs of MUSDB18 before the test songs.

    Args:
      root: a folder of one of the kinds above.
      subset: subset of MUSDB18; both if not given.
      limit: largest number of songs.
      names: names of songs; all if not given.

    Returns:
      At least one track.

    Raises:
      InputError: the folder is not a data set, or has no such songs.
    """
    root = Path(root)
    require(limit is None or limit >= 1, "limit", "at least 1", limit)
    require(subset in (None, *get_args(Subset)), "subset", "train or test", subset)
    kind = recognise_kind(root)
    if kind in ("musdb18", "musdb18hq"):
        found = [track for part in get_args(Subset) if subset in (None, part) for track in _list_part(root, kind, part)]
    else:
        if subset is not None:
            raise InputError(f"{root}: has no subset {subset!r}: it is not MUSDB18 with its folders train and test")
        paths = _list_song_folders(root) if kind == "folder" else _list_arrays(root)
        found = [Track(path.name.removesuffix(".npy"), kind, path) for path in paths]
    if not found:
        raise InputError(f"{root / str(subset)}: holds no songs (the other subset does)")
    return (found if names is None else [_find_track(found, name, root) for name in names])[:limit]


def recognise_kind(root: Path) -> Kind:
    """Return the kind of a data set.

    Raises:
      InputError: the folder is not a data set, or cannot be read.
    """
    parts = [root / part for part in get_args(Subset) if (root / part).is_dir()]
    if any(_list_stem_files(part) for part in parts):
        return "musdb18"
    if any(_list_song_folders(part) for part in parts):
        return "musdb18hq"
    if _list_arrays(root):
        return "arrays"
    if _list_song_folders(root):
        return "folder"
    if _list_stem_files(root):
        raise InputError(f"{root}: is one half of MUSDB18; name the folder that holds train and test")
    expected = f"SONG/mixture.wav, SONG/drums.wav …, MUSDB18's {{train,test}}/SONG{musdb.SUFFIX}, or SONG.npy"
    raise InputError(f"{root}: holds no songs; expected {expected}")


def list_inputs(track: Track, sources: Sequence[str]) -> dict[str, Path]:
    """Return the files of a song by content: each source and the mixture, or "song" for one file with all of them.

    Raises:
      InputError: as `stems.find_with_mixture`.
    """
    if track.kind in ("arrays", "musdb18"):
        return {"song": track.path}
    return stems.find_with_mixture(track.path, sources)


def _list_part(root: Path, kind: Kind, part: Subset) -> list[Track]:
    """Return the songs of one subset of MUSDB18."""
    folder = root / part
    if not folder.is_dir():
        return []
    paths = _list_stem_files(folder) if kind == "musdb18" else _list_song_folders(folder)
    return [Track(path.name.removesuffix(musdb.SUFFIX), kind, path, part) for path in paths]


def _find_track(found: list[Track], name: str, root: Path) -> Track:
    for track in found:
        if track.name == name:
            return track
    near = difflib.get_close_matches(name, [track.name for track in found], 1, cutoff=0.4)
    raise InputError(f"{root}: has no song {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def _list_song_folders(folder: Path) -> list[Path]:
    return [path for path in stems.list_visible(folder) if path.is_dir() and stems.list_sounds(path)]


def _list_stem_files(folder: Path) -> list[Path]:
    return [path for path in stems.list_visible(folder) if path.name.endswith(musdb.SUFFIX)]


def _list_arrays(folder: Path) -> list[Path]:
    return [path for path in stems.list_visible(folder) if path.suffix == ".npy"]
