"""The manifest of a prepared data set: what its songs were made from, and how.

OUT/manifest.json is written anew after each song, so that a preparation that was interrupted goes on where it was.
"""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

from ugosa_jax import __version__, files
from ugosa_jax.data import stems
from ugosa_jax.data.datasets import Track
from ugosa_jax.errors import InputError

MANIFEST = "manifest.json"
FORMAT = 1
"""Version of the manifest's format."""

_PACKAGES = ("numpy", "scipy", "soundfile", "soxr")


def opened(out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of a folder; a folder that is new or empty gets one.

    Raises:
      InputError: the folder holds something else, or songs that were prepared with other settings.
    """
    path = out / MANIFEST
    files.remove_leftovers(out)
    if path.is_file():
        manifest = read(path)
        if manifest["songs"]:
            refuse_other_settings(path, manifest["settings"], settings)
            return manifest
    elif out.exists() and stems.visible(out):
        raise InputError(f"{out}: is not empty and has no {MANIFEST} of a prepared data set; name another folder")
    versions = {"ugosa_jax": __version__} | {package: importlib.metadata.version(package) for package in _PACKAGES}
    manifest = {"format": FORMAT, "made_with": versions, "settings": settings, "songs": {}}
    write(manifest, out)
    return manifest


def refuse_other_settings(path: Path, before: dict[str, Any], settings: dict[str, Any]) -> None:
    """Raise InputError if songs prepared with `settings` would not belong to those prepared before."""
    for name, value in settings.items():
        if before.get(name) != value:
            said = f"songs were prepared with {name} {before.get(name)!r}, not {value!r}"
            raise InputError(f"{path}: {said}; name another folder")


def read(path: Path) -> dict[str, Any]:
    """Read a manifest.

    Raises:
      InputError: it cannot be read, or is none of this version.
    """
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path}: expected a manifest of a prepared data set with format {FORMAT}")
    songs = manifest.get("songs")
    if not isinstance(manifest.get("settings"), dict) or not isinstance(songs, dict):
        raise InputError(f"{path}: expected tables of settings and songs")
    for name, song in songs.items():
        if not isinstance(song, dict) or not {"inputs", "outputs"} <= set(song):
            raise InputError(f"{path}: song {name!r}: expected inputs and outputs")
    return manifest


def write(manifest: dict[str, Any], out: Path) -> None:
    """Write a manifest with its songs in the order of their names."""
    manifest["songs"] = dict(sorted(manifest["songs"].items()))
    files.write_json(manifest, out / MANIFEST)


def is_there(out: Path, manifest: dict[str, Any], track: Track, sha256: dict[str, str]) -> bool:
    """Return whether a song is complete. Its files may have been edited since, as annotations are.

    Raises:
      InputError: a song of that name was prepared from other files.
    """
    song = manifest["songs"].get(track.name)
    if song is None:
        return False
    if song["inputs"] != sha256:
        raise InputError(f"{out / track.name}: was prepared from other files than {track.path}; name another folder")
    return all((out / track.name / name).is_file() for name in song["outputs"])
