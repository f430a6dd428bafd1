"""The command `ugosa-jax prepare`: songs with stems in, a data set with activations and silent stretches out.

OUT/SONG/ holds the stems, their mixture and annotation.csv; OUT/manifest.json what they were made from, and how. The
manifest is written anew after each song, so that a preparation that was interrupted goes on where it was.
"""

import importlib.metadata
import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ugosa_jax import __version__, files
from ugosa_jax.annotations import activation, annotation
from ugosa_jax.config import ModelConfig, require
from ugosa_jax.data import controlled, datasets, loading, sound, stems
from ugosa_jax.data.datasets import Track
from ugosa_jax.errors import InputError, naming

if TYPE_CHECKING:
    from ugosa_jax.cli.main import Prepare

MANIFEST = "manifest.json"
FORMAT = 1
"""Version of the manifest's format."""
SOURCES = ModelConfig.sources

_PACKAGES = ("numpy", "scipy", "soundfile", "soxr")


def prepare(args: "Prepare") -> int:
    """Prepare the songs that are not there yet, one after the other; return 0.

    Raises:
      InputError: a song cannot be used, or OUT holds something else. Songs prepared before stay.
    """
    require(args.seed >= 0, "seed", "at least 0", args.seed)
    require(0 < args.threshold < math.inf, "threshold", "above 0 and finite", args.threshold)
    if args.out.resolve() == args.root.resolve():
        raise InputError(f"{args.out}: is the folder that is read from; name another one to write to")
    tracks = datasets.tracks(args.root, args.subset, args.limit)
    refuse_same_names(tracks)
    manifest = opened(args.out, settings_of(args, tracks[0].kind))
    for track in tracks:
        sha256 = {what: files.sha256_of(path) for what, path in datasets.inputs(track, SOURCES).items()}
        if is_there(args.out, manifest, track, sha256):
            print(f"{track.name}: is there")
            continue
        entry = prepare_song(track, args)
        manifest["songs"][track.name] = {"inputs": sha256} | entry
        write(manifest, args.out)
        print(said_of(track, entry), flush=True)
    print(f"written    {args.out} ({len(manifest['songs'])} songs)")
    return 0


def settings_of(args: "Prepare", kind: str) -> dict[str, Any]:
    """Return what the prepared songs depend on, besides their names and files."""
    return {
        "root": kind,
        "subset": args.subset,
        "sources": list(SOURCES),
        "as_is": args.as_is,
        "seed": args.seed,
        "threshold": args.threshold,
        "encoding": args.encoding,
    }


def opened(out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of a folder; a folder that is new or empty gets one.

    Raises:
      InputError: the folder holds something else, or songs that were prepared with other settings.
    """
    path = out / MANIFEST
    forget_unfinished(out)
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


def prepare_song(track: Track, args: "Prepare") -> dict[str, Any]:
    """Write a song's folder; return what the manifest says of it, besides its inputs.

    Raises:
      InputError: the song cannot be used, or the folder cannot be written.
    """
    song = loading.with_stems(track, SOURCES)
    mix_CxT, stems_SxCxT, rate_hz, order = song.mixture.samples_CxT, song.known_stems(), song.mixture.rate_hz, None
    if not args.as_is:
        order = controlled.draw_order(len(SOURCES), args.seed, track.name)
        with naming(track.path):
            mix_CxT, stems_SxCxT = None, controlled.silence(stems_SxCxT, order)
    out = args.out / track.name
    forget_unfinished(out)
    with files.folder_when_done(out) as folder:
        above = write_sound(folder, mix_CxT, stems_SxCxT, rate_hz, args.encoding)
        with naming(track.path):
            active_SxT = activation.active_from_stems(stems_SxCxT, rate_hz, args.threshold)
        labels = annotation.from_mask(active_SxT, rate_hz, SOURCES)
        annotation.write(labels, folder / "annotation.csv")
        outputs = {path.name: files.sha256_of(path) for path in sorted(folder.iterdir())}
    n_channels, n_samples = stems_SxCxT.shape[1:]
    return {
        "outputs": outputs,
        "rate_hz": rate_hz,
        "channels": n_channels,
        "samples": n_samples,
        "seed": None if order is None else args.seed,
        "order": None if order is None else [SOURCES[source] for source in order],
        "silent_s": annotation.silent_seconds(labels, n_samples / rate_hz),
        "notes": [
            *song.notes,
            *(f"{name}: {count} samples above full scale" for name, count in above.items() if count),
        ],
    }


def write_sound(
    folder: Path,
    mix_CxT: np.ndarray | None,
    stems_SxCxT: np.ndarray,
    rate_hz: int,
    encoding: Literal["float", "16"],
) -> dict[str, int]:
    """Write stems and mixture, which is their sum unless one is given.

    `stems_SxCxT` is overwritten by the stems as they were written, rounding included: their sum, and what is found
    out about them later, then holds for the files.

    Returns:
      File → number of its samples above full scale.
    """
    above = {}
    for source, stem_CxT in zip(SOURCES, stems_SxCxT, strict=True):
        path = folder / f"{source}.wav"
        above[path.name] = sound.write(path, stem_CxT, rate_hz, encoding)
        stem_CxT[:] = sound.read(path, may_be_silent=True).samples_CxT
    mixture_CxT = np.sum(stems_SxCxT, axis=0) if mix_CxT is None else mix_CxT
    above["mixture.wav"] = sound.write(folder / "mixture.wav", mixture_CxT, rate_hz, encoding)
    return above


def said_of(track: Track, entry: dict[str, Any]) -> str:
    """Return the line that is printed of a song, and a line for each note."""
    silent = ", ".join(f"{source} {silent_s:.1f}" for source, silent_s in entry["silent_s"].items())
    line = f"{track.name}: {entry['samples'] / entry['rate_hz']:.1f} s; silent for {silent} s"
    return "\n".join([line, *(f"warning: {track.name}: {note}" for note in entry["notes"])])


def refuse_same_names(tracks: list[Track]) -> None:
    """Raise InputError if two songs would be written to one folder."""
    paths: dict[str, Path] = {}
    for track in tracks:
        if track.name in paths:
            raise InputError(f"{track.path}: has the name of {paths[track.name]}; choose one --subset")
        paths[track.name] = track.path


def forget_unfinished(folder: Path) -> None:
    """Remove what a preparation that was killed left behind in OUT or in a song's folder."""
    for leftover in folder.glob(".unfinished-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for leftover in folder.glob(".manifest-*.json"):
        leftover.unlink(missing_ok=True)
