"""Songs with their true stems, wherever they lie. Nothing is loaded here: `ugosa_jax.data.loading` does that.

Four kinds of root are recognised by what is in them:

| kind | what is there |
|---|---|
| folder | ROOT/SONG/{mixture,drums,bass,other,vocals}.wav (or .flac, .ogg …), as `ugosa-jax prepare` writes it |
| musdb18hq | ROOT/{train,test}/SONG/ with the same files |
| musdb18 | ROOT/{train,test}/SONG.stem.mp4 |
| pool | ROOT/SONG.npy, arrays (S, C, T) of float16 or float32: drums, bass, other, vocals at 44.1 kHz |
"""

import dataclasses
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from ugosa_jax.config import Subset
from ugosa_jax.data import musdb, stems
from ugosa_jax.errors import InputError, require

Kind = Literal["folder", "musdb18hq", "musdb18", "pool"]


@dataclasses.dataclass(frozen=True)
class Track:
    """A song and where it is; nothing of it is loaded.

    A type of its own because a data set has more songs than fit into the memory: it is listed, hashed and dealt out as
    tracks, and `loading` makes a `Song` of one at a time.
    """

    name: str
    kind: Kind
    path: Path
    """The song's folder, .stem.mp4 or .npy file."""
    subset: Subset | None = None
    """Which part of MUSDB18 it belongs to."""

    @property
    def annotation(self) -> Path | None:
        """The annotation that lies beside the stems, if one does."""
        path = self.path / "annotation.csv"
        return path if path.is_file() else None


def tracks(
    root: str | Path, subset: Subset | None = None, limit: int | None = None, names: Sequence[str] | None = None
) -> list[Track]:
    """List the songs of a data set in the order of their names, MUSDB18's training songs first.

    Args:
      root: folder of one of the kinds above.
      subset: only this part of MUSDB18.
      limit: only so many, the first ones.
      names: only these.

    Returns:
      At least one track.

    Raises:
      InputError: the root is of no kind, or holds no such songs.
    """
    root = Path(root)
    require(limit is None or limit >= 1, "limit", "at least 1", limit)
    require(subset in (None, *get_args(Subset)), "subset", "train or test", subset)
    kind = recognise(root)
    if kind in ("musdb18", "musdb18hq"):
        found = [track for part in get_args(Subset) if subset in (None, part) for track in _part(root, kind, part)]
    else:
        if subset is not None:
            raise InputError(f"{root}: has no subset {subset!r}: it is not MUSDB18 with its folders train and test")
        paths = _song_folders(root) if kind == "folder" else _arrays(root)
        found = [Track(path.name.removesuffix(".npy"), kind, path) for path in paths]
    if not found:
        raise InputError(f"{root / str(subset)}: holds no songs (the other subset does)")
    return (found if names is None else [_named(found, name, root) for name in names])[:limit]


def recognise(root: Path) -> Kind:
    """Return what kind of data set a folder is.

    Raises:
      InputError: it is none, or cannot be read.
    """
    parts = [root / part for part in get_args(Subset) if (root / part).is_dir()]
    if any(_stem_files(part) for part in parts):
        return "musdb18"
    if any(_song_folders(part) for part in parts):
        return "musdb18hq"
    if _arrays(root):
        return "pool"
    if _song_folders(root):
        return "folder"
    if _stem_files(root):
        raise InputError(f"{root}: is one half of MUSDB18; name the folder that holds train and test")
    expected = f"SONG/mixture.wav, SONG/drums.wav …, MUSDB18's {{train,test}}/SONG{musdb.SUFFIX}, or SONG.npy"
    raise InputError(f"{root}: holds no songs; expected {expected}")


def inputs(track: Track, sources: Sequence[str]) -> dict[str, Path]:
    """Return the files that a song is read from, by what they hold: sources and mixture, or all in one.

    Raises:
      InputError: a stem is missing or there twice, or the mixture is missing and cannot be had from the stems.
    """
    if track.kind in ("pool", "musdb18"):
        return {"song": track.path}
    return stems.find_with_mixture(track.path, sources)


def _part(root: Path, kind: Kind, part: Subset) -> list[Track]:
    """Return the songs of one half of MUSDB18."""
    folder = root / part
    if not folder.is_dir():
        return []
    paths = _stem_files(folder) if kind == "musdb18" else _song_folders(folder)
    return [Track(path.name.removesuffix(musdb.SUFFIX), kind, path, part) for path in paths]


def _named(found: list[Track], name: str, root: Path) -> Track:
    for track in found:
        if track.name == name:
            return track
    near = difflib.get_close_matches(name, [track.name for track in found], 1, cutoff=0.4)
    raise InputError(f"{root}: has no song {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def _song_folders(folder: Path) -> list[Path]:
    return [path for path in stems.visible(folder) if path.is_dir() and stems.sounds(path)]


def _stem_files(folder: Path) -> list[Path]:
    return [path for path in stems.visible(folder) if path.name.endswith(musdb.SUFFIX)]


def _arrays(folder: Path) -> list[Path]:
    return [path for path in stems.visible(folder) if path.suffix == ".npy"]
