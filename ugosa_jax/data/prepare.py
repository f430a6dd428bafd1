"""Preparation of data sets for experiments: songs with stems become songs with annotated silences.

OUT/SONG/ holds the stems, their mixture and annotation.csv; OUT/manifest.json lists the songs.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ugosa_jax import files
from ugosa_jax.annotations import activation, annotation
from ugosa_jax.config import PrepareConfig, Subset
from ugosa_jax.data import controlled, datasets, loading, manifest, sound
from ugosa_jax.data.datasets import Track
from ugosa_jax.data.manifest import PreparedSong
from ugosa_jax.errors import InputError, error_context


def prepare(
    root: Path, out: Path, subset: Subset | None, limit: int | None, settings: PrepareConfig
) -> Iterator[tuple[str, PreparedSong | None]]:
    """Prepare the songs of a data set one after the other, except those that have been prepared before.

    Args:
      root: the data set.
      out: folder to write to.
      subset: subset of MUSDB18; both if not given.
      limit: largest number of songs.
      settings: how songs are prepared.

    Yields:
      The name of a song, and its entry in the manifest, or None if it had been prepared before.

    Raises:
      InputError: a song cannot be used, or OUT holds other files. The songs prepared so far remain.
    """
    if out.resolve() == root.resolve():
        raise InputError(f"{out}: is the folder of the input; choose another one for the output")
    tracks = datasets.list_tracks(root, subset, limit)
    check_names(tracks)
    made = {"root": tracks[0].kind, "subset": subset} | dataclasses.asdict(settings)
    made["sources"] = list(settings.sources)  # a list, as in decoded JSON
    account = manifest.open_manifest(out, made)
    for track in tracks:
        sha256 = {
            name: files.compute_sha256(path) for name, path in datasets.list_inputs(track, settings.sources).items()
        }
        if manifest.is_complete(out, account, track, sha256):
            yield track.name, None
            continue
        account.songs[track.name] = entry = write_song(track, sha256, out, settings)
        manifest.write(account, out)
        yield track.name, entry


def write_song(track: Track, sha256: dict[str, str], out: Path, settings: PrepareConfig) -> PreparedSong:
    """Prepare a song and write its folder; return its entry in the manifest, with the hashes of its inputs.

    Raises:
      InputError: the song cannot be used, or the folder cannot be written.
    """
    sources = settings.sources
    song = loading.load_with_stems(track, sources)
    mix_CxT, stems_SxCxT, rate_hz, order = song.mixture.samples_CxT, song.require_stems(), song.mixture.rate_hz, None
    if not settings.as_is:
        order = controlled.draw_order(len(sources), settings.seed, track.name)
        with error_context(track.path):
            mix_CxT, stems_SxCxT = None, controlled.silence_stretches(stems_SxCxT, order)
    with files.replace_folder_when_done(out / track.name) as folder:
        above = write_sound(folder, mix_CxT, stems_SxCxT, rate_hz, settings)
        with error_context(track.path):
            active_SxT = activation.detect_activity(stems_SxCxT, rate_hz, settings.threshold)
        labels = annotation.from_mask(active_SxT, rate_hz, sources)
        annotation.write_annotation(labels, folder / "annotation.csv")
        outputs = {path.name: files.compute_sha256(path) for path in sorted(folder.iterdir())}
    n_channels, n_samples = stems_SxCxT.shape[1:]
    loud = (f"{name}: {count} samples above full scale" for name, count in above.items() if count)
    return PreparedSong(
        inputs=sha256,
        outputs=outputs,
        rate_hz=rate_hz,
        channels=n_channels,
        samples=n_samples,
        seed=None if order is None else settings.seed,
        order=None if order is None else [sources[source] for source in order],
        silent_s=annotation.count_silent_seconds(labels, n_samples / rate_hz),
        notes=[*song.notes, *loud],
    )


def write_sound(
    folder: Path,
    mix_CxT: np.ndarray | None,
    stems_SxCxT: np.ndarray,
    rate_hz: int,
    settings: PrepareConfig,
) -> dict[str, int]:
    """Write the stems and the mixture, by default the sum of the stems.

    `stems_SxCxT` is overwritten by the stems as they are in the files, rounded, so that their sum and activations are
    those of the files.

    Returns:
      Number of samples above full scale in each file, by name.
    """
    above = {}
    for source, stem_CxT in zip(settings.sources, stems_SxCxT, strict=True):
        path = folder / f"{source}.wav"
        above[path.name] = sound.write_audio(path, stem_CxT, rate_hz, settings.encoding)
        stem_CxT[:] = sound.read(path, may_be_silent=True).samples_CxT
    mixture_CxT = np.sum(stems_SxCxT, axis=0) if mix_CxT is None else mix_CxT
    above["mixture.wav"] = sound.write_audio(folder / "mixture.wav", mixture_CxT, rate_hz, settings.encoding)
    return above


def check_names(tracks: list[Track]) -> None:
    """Raise InputError if two songs have the same name and would be written to the same folder."""
    paths: dict[str, Path] = {}
    for track in tracks:
        if track.name in paths:
            raise InputError(f"{track.path}: has the name of {paths[track.name]}; choose one --subset")
        paths[track.name] = track.path
