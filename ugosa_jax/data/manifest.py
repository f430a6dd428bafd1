"""The manifest of a prepared data set, OUT/manifest.json: the settings, and the inputs and outputs of each song.

It is rewritten after each song, so that an interrupted preparation can be continued.
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
    """The entry of a song in the manifest.

    Attributes:
      inputs: SHA-256 of each input file, by name.
      outputs: SHA-256 of each output file, by name.
      rate_hz: sample rate.
      channels: number of channels.
      samples: length in samples.
      seed: seed of `order`; None if no source was silenced.
      order: the sources in the order in which they were silenced; None if none was.
      silent_s: duration of the silence of each source.
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
    """The contents of a manifest.

    Attributes:
      format: version of the manifest's format.
      made_with: versions of the packages that were used.
      settings: fields of `PrepareConfig`, the same for all songs.
      songs: entries by name of the song.
    """

    format: int
    made_with: dict[str, str]
    settings: dict[str, Any]
    songs: dict[str, PreparedSong]


class _Head(msgspec.Struct):
    """The field that manifests of all formats have; it is read first."""

    format: int


def open_manifest(out: Path, settings: dict[str, Any]) -> Manifest:
    """Read the manifest of a folder, or create one if the folder is new or empty.

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
    """Raise InputError if the songs of a manifest were prepared with other settings."""
    for name, value in settings.items():
        if before.get(name) != value:
            found = f"songs were prepared with {name} {before.get(name)!r}, not {value!r}"
            raise InputError(f"{path}: {found}; name another folder")


def read(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
      InputError: the file cannot be read, or has another format.
    """
    if (found := files.read_json(path, _Head).format) != FORMAT:
        raise InputError(f"{path}: expected a manifest of a prepared data set with format {FORMAT}, not {found}")
    return files.read_json(path, Manifest)


def write(manifest: Manifest, out: Path) -> None:
    """Write a manifest, with its songs in alphabetical order."""
    manifest.songs = dict(sorted(manifest.songs.items()))
    files.write_json(msgspec.to_builtins(manifest), out / MANIFEST)


def is_complete(out: Path, manifest: Manifest, track: Track, sha256: dict[str, str]) -> bool:
    """Return whether a song has been prepared and its files exist; whether they have been edited is not checked.

    Raises:
      InputError: a song of this name was prepared from other files.
    """
    song = manifest.songs.get(track.name)
    if song is None:
        return False
    if song.inputs != sha256:
        raise InputError(f"{out / track.name}: was prepared from other files than {track.path}; name another folder")
    return all((out / track.name / name).is_file() for name in song.outputs)
