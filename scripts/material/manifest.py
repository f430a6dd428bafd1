"""The manifest of a pool (a folder of rendered songs): recipe, hash and levels of each song, and the packages used."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from fetch import describe_sources
from problems import Problem

POOL = Path.home() / ".cache/ugosa_jax/minimus"
NAME = "manifest.json"
LIBRARIES = ("numpy", "scipy", "pretty_midi", "pyfluidsynth", "pyworld", "pedalboard", "soundfile")


def read_manifest(path: Path) -> dict:
    """Return a manifest.

    Raises:
        Problem: the file is not a manifest.
    """
    try:
        manifest = json.loads(path.read_text("utf-8"))
        whole = all(isinstance(song["name"], str) and song["sha256"] for song in manifest["songs"])
    except (ValueError, TypeError, KeyError):
        whole = False
    if not whole:
        raise Problem(f"{path}: not a manifest as build.py writes it; delete it, and its songs are rendered again")
    return manifest


def read_songs(folder: Path) -> dict[str, dict]:
    """Return the songs of a pool by name; none if it has no manifest yet.

    Raises:
        Problem: the manifest is damaged.
    """
    path = folder / NAME
    return {song["name"]: song for song in read_manifest(path)["songs"]} if path.exists() else {}


def write_manifest(folder: Path, songs: dict[str, dict]) -> None:
    """Write the manifest: packages with licences, versions of libraries, and recipe and hash of every song."""
    manifest = {
        "sources": ["drums", "bass", "other", "vocals"],
        "sample_rate_hz": 44100,
        "songs": sorted(songs.values(), key=lambda song: song["name"]),
        "packages": describe_sources(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    write_whole(folder / NAME, manifest)


def write_whole(path: Path, manifest: dict) -> None:
    """Write a manifest as JSON; if this is interrupted, the old file is unchanged."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(manifest, indent=1) + "\n")
    unfinished.replace(path)


def compute_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
