"""The manifest of a prepared data set: what its songs were made from, and how.

OUT/manifest.json is written anew after each song, so that a preparation that was interrupted goes on where it was.
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


class Prepared(msgspec.Struct):
    """One song.

    Attributes:
      inputs: name and SHA-256 of what it was made from.
      outputs: file and SHA-256 of what was written.
      rate_hz: sample rate.
      channels: how many.
      samples: length.
      seed: what decided which source is silent when; None: nothing was silenced.
      order: the sources in the order of their silences.
      silent_s: seconds of silence of each source.
      notes: what its user should know.
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
    """What is in a folder.

    Attributes:
      format: version of the manifest's format.
      made_with: versions of packages.
      settings: how all songs were prepared.
      songs: by name.
    """

    format: int
    made_with: dict[str, str]
    settings: dict[str, Any]
    songs: dict[str, Prepared]


class _Head(msgspec.Struct):
    """What manifests of every format have."""

    format: int


def open_manifest(out: Path, settings: dict[str, Any]) -> Manifest:
    """Return the manifest of a folder; a folder that is new or empty gets one.

    Raises:
      InputError: the folder holds something else, or songs that were prepared with other settings.
    """
    path = out / MANIFEST
    files.remove_leftovers(out)
    if path.is_file():
        manifest = read(path)
        if manifest.songs:
            refuse_other_settings(path, manifest.settings, settings)
            return manifest
    elif out.exists() and stems.visible(out):
        raise InputError(f"{out}: is not empty and has no {MANIFEST} of a prepared data set; name another folder")
    versions = {"ugosa_jax": __version__} | {package: importlib.metadata.version(package) for package in _PACKAGES}
    manifest = Manifest(FORMAT, versions, settings, {})
    write(manifest, out)
    return manifest


def refuse_other_settings(path: Path, before: dict[str, Any], settings: dict[str, Any]) -> None:
    """Raise InputError if songs prepared with `settings` would not belong to those prepared before."""
    for name, value in settings.items():
        if before.get(name) != value:
            said = f"songs were prepared with {name} {before.get(name)!r}, not {value!r}"
            raise InputError(f"{path}: {said}; name another folder")


def read(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
      InputError: it cannot be read, or is none of this version.
    """
    if (found := files.read_json(path, _Head).format) != FORMAT:
        raise InputError(f"{path}: expected a manifest of a prepared data set with format {FORMAT}, not {found}")
    return files.read_json(path, Manifest)


def write(manifest: Manifest, out: Path) -> None:
    """Write a manifest with its songs in the order of their names."""
    manifest.songs = dict(sorted(manifest.songs.items()))
    files.write_json(msgspec.to_builtins(manifest), out / MANIFEST)


def is_there(out: Path, manifest: Manifest, track: Track, sha256: dict[str, str]) -> bool:
    """Return whether a song is complete. Its files may have been edited since, as annotations are.

    Raises:
      InputError: a song of that name was prepared from other files.
    """
    song = manifest.songs.get(track.name)
    if song is None:
        return False
    if song.inputs != sha256:
        raise InputError(f"{out / track.name}: was prepared from other files than {track.path}; name another folder")
    return all((out / track.name / name).is_file() for name in song.outputs)
