"""The manifest of a prepared data set: its songs, their inputs and the settings.

OUT/manifest.json is rewritten after each song, so that an interrupted preparation can continue.
"""

import importlib.metadata
from pathlib import Path
from typing import Any

import msgspec

from ugosa_jax import __version__, files
from ugosa_jax.data import stems
from ugosa_jax.data.datasets import Track
from ugosa_jax.errors import InputError

MANIFEST = "manifest.json"
FORMAT = 1
"""Version of the manifest's format."""

_PACKAGES = ("numpy", "scipy", "soundfile", "soxr")


class PreparedSong(msgspec.Struct):
    """The entry of a song.

    Attributes:
      inputs: SHA-256 of each input, by name.
      outputs: SHA-256 of each file that was written.
      rate_hz: sample rate.
      channels: number of channels.
      samples: length.
      seed: seed of the order of silences; None if nothing was silenced.
      order: the sources in the order of their silences.
      silent_s: seconds of silence of each source.
      notes: remarks for the user.
    """

    inputs: dict[str, str]
    outputs: dict[str, str]
    rate_hz: int
    channels: int
    samples: int
    seed: int | None
    order: list[str] | None
    silent_s: dict[str, float]
    notes: list[str]


class Manifest(msgspec.Struct):
    """The contents of a prepared data set.

    Attributes:
      format: version of the manifest's format.
      made_with: versions of packages.
      settings: those of all songs.
      songs: entries by name.
    """

    format: int
    made_with: dict[str, str]
    settings: dict[str, Any]
    songs: dict[str, PreparedSong]


class _Head(msgspec.Struct):
    """The fields that manifests of every format have."""

    format: int


def open_manifest(out: Path, settings: dict[str, Any]) -> Manifest:
    """Return the manifest of a folder; write one if the folder is new or empty.

    Raises:
      InputError: the folder holds other files, or songs that were prepared with other settings.
    """
    path = out / MANIFEST
    files.remove_leftovers(out)
    if path.is_file():
        manifest = read(path)
        if manifest.songs:
            check_settings(path, manifest.settings, settings)
            return manifest
    elif out.exists() and stems.list_visible(out):
        raise InputError(f"{out}: is not empty and has no {MANIFEST} of a prepared data set; name another folder")
    versions = {"ugosa_jax": __version__} | {package: importlib.metadata.version(package) for package in _PACKAGES}
    manifest = Manifest(FORMAT, versions, settings, {})
    write(manifest, out)
    return manifest


def check_settings(path: Path, before: dict[str, Any], settings: dict[str, Any]) -> None:
    """Raise InputError if songs were prepared with other settings before."""
    for name, value in settings.items():
        if before.get(name) != value:
            found = f"songs were prepared with {name} {before.get(name)!r}, not {value!r}"
            raise InputError(f"{path}: {found}; name another folder")


def read(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
      InputError: it cannot be read, or has another format.
    """
    if (found := files.read_json(path, _Head).format) != FORMAT:
        raise InputError(f"{path}: expected a manifest of a prepared data set with format {FORMAT}, not {found}")
    return files.read_json(path, Manifest)


def write(manifest: Manifest, out: Path) -> None:
    """Write a manifest with its songs in the order of their names."""
    manifest.songs = dict(sorted(manifest.songs.items()))
    files.write_json(msgspec.to_builtins(manifest), out / MANIFEST)


def is_complete(out: Path, manifest: Manifest, track: Track, sha256: dict[str, str]) -> bool:
    """Return whether the files of a song exist; they may have been edited since.

    Raises:
      InputError: a song of that name was prepared from other files.
    """
    song = manifest.songs.get(track.name)
    if song is None:
        return False
    if song.inputs != sha256:
        raise InputError(f"{out / track.name}: was prepared from other files than {track.path}; name another folder")
    return all((out / track.name / name).is_file() for name in song.outputs)
