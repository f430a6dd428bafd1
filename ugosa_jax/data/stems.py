"""Folders of stems: a sound file for each source, named after the source.

S sources, C channels, T samples.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ugosa_jax.data import musdb, sound
from ugosa_jax.data.sound import Audio
from ugosa_jax.errors import InputError

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".w64", ".caf", ".m4a", ".wma")
"""Suffixes of sound files."""
LOSSY = (".ogg", ".opus", ".mp3", ".m4a", ".wma")
"""Suffixes of lossy formats, whose encoders remove the highest frequencies."""
MIXTURE = "mixture"
"""Name of the mixture's file, without suffix."""


def read(paths: Mapping[str, Path]) -> tuple[np.ndarray, int]:
    """Read the stems of a song, which may be silent; those from lossy files are rounded to 16 bits.

    Args:
      paths: the files, at least one, as `find_stems` returns them.

    Returns:
      Float32 (S, C, T) in the order of `paths`, and the sample rate.

    Raises:
      InputError: a file cannot be read as sound, or has another rate, length or number of channels than the first.
    """
    first_path, *others = paths.values()
    first = sound.read(first_path, may_be_silent=True)
    sounds_SxCxT = np.empty((len(paths), *first.samples_CxT.shape), np.float32)
    sounds_SxCxT[0] = _round_if_lossy(first, first_path)
    for s, path in enumerate(others, 1):
        other = sound.read(path, may_be_silent=True)
        if _describe_format(other) != _describe_format(first):
            raise InputError(
                f"{path}: {_describe_format(other)} do not fit those of {first_path.name}: {_describe_format(first)}"
            )
        sounds_SxCxT[s] = _round_if_lossy(other, path)
    return sounds_SxCxT, first.rate_hz


def read_estimates(
    paths: Mapping[str, Path], rate_hz: int, shape_CxT: tuple[int, int]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Read estimates for comparison with true stems.

    Args:
      paths: the files, as `find_stems` returns them.
      rate_hz: sample rate of the true stems.
      shape_CxT: shape of a true stem.

    Returns:
      {source: (C, T)}, cut or padded with silence to the length of the true stems, as in museval; and a note on each
      estimate whose length was changed.

    Raises:
      InputError: a file cannot be read as sound, or its rate or channels are not those of the true stems.
    """
    n_channels, n_samples = shape_CxT
    found, notes = {}, []
    for source, path in paths.items():
        estimate = sound.read(path, may_be_silent=True)
        if (estimate.rate_hz, estimate.n_channels) != (rate_hz, n_channels):
            own = f"{estimate.rate_hz} Hz and {estimate.n_channels} channels"
            raise InputError(f"{path}: has {own}; the true stems have {rate_hz} Hz and {n_channels} channels")
        if (longer := estimate.n_samples - n_samples) > 0:
            notes.append(f"{path}: the last {longer / rate_hz:.3f} s are not used: it is longer than the true stems")
        elif longer < 0:
            notes.append(f"{path}: ends {-longer / rate_hz:.3f} s before the true stems; the rest is scored as silence")
        found[source] = fit_length(estimate.samples_CxT, n_samples)
    return found, notes


def _round_if_lossy(stem: Audio, path: Path) -> np.ndarray:
    return sound.round_to_16_bits(stem.samples_CxT) if path.suffix.lower() in LOSSY else stem.samples_CxT


def fit_length(samples_CxT: np.ndarray, n_samples: int) -> np.ndarray:
    """Return samples cut, or padded with silence, to a given length."""
    missing = n_samples - samples_CxT.shape[1]
    return np.pad(samples_CxT[:, :n_samples], ((0, 0), (0, max(0, missing))))


def find_stems(folder: Path, sources: Sequence[str]) -> dict[str, Path]:
    """Return the file of each source in a folder, which may hold other files too.

    Raises:
      InputError: a stem is missing or ambiguous, or the folder cannot be read.
    """
    return _choose_files(_group_by_name(folder), sources, folder)


def find_with_mixture(folder: Path, sources: Sequence[str]) -> dict[str, Path]:
    """Return the files of the mixture, if there is one, and of each source.

    Raises:
      InputError: as `find_stems`; or there is no mixture, but other sound files that may also be a part of it.
    """
    sounds = _group_by_name(folder)
    found = _choose_files(sounds, sources, folder)
    if MIXTURE in sounds:
        return {MIXTURE: _require_one(sounds[MIXTURE], MIXTURE, folder)} | found
    everything = (path for paths in sounds.values() for path in paths)
    if others := ", ".join(path.name for path in everything if path not in found.values()):
        raise InputError(f"{folder}: no mixture.wav, and the stems may not add up to it because of {others}")
    return found


def list_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the stems in a folder: first those of MUSDB18 in its order, then the others sorted.

    Raises:
      InputError: there are no stems, or the folder cannot be read.
    """
    found = {path.stem for path in list_sounds(folder) if path.stem.casefold() != MIXTURE}
    if not found:
        raise InputError(f"{folder}: holds no stems; expected a sound file for each source, such as vocals.wav")
    first = [name for name in musdb.STREAMS if name in found]
    return (*first, *sorted(found.difference(first)))


def list_sounds(folder: Path) -> list[Path]:
    """Return the sound files in a folder in alphabetical order.

    Raises:
      InputError: it cannot be read.
    """
    return [path for path in list_visible(folder) if path.suffix.lower() in SUFFIXES]


def list_visible(folder: Path) -> list[Path]:
    """Return the files and folders in a folder in alphabetical order, without hidden ones.

    Raises:
      InputError: it cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read as a folder ({error.strerror or error})") from error


def _group_by_name(folder: Path) -> dict[str, list[Path]]:
    """Return the sound files in a folder by their names without suffix, case-folded."""
    found: dict[str, list[Path]] = {}
    for path in list_sounds(folder):
        found.setdefault(path.stem.casefold(), []).append(path)
    return found


def _choose_files(found: dict[str, list[Path]], sources: Sequence[str], folder: Path) -> dict[str, Path]:
    return {source: _require_one(found.get(source.casefold(), []), source, folder) for source in sources}


def _require_one(paths: list[Path], source: str, folder: Path) -> Path:
    if not paths:
        raise InputError(f"{folder}: no {source}.wav (nor .flac, .ogg …)")
    if len(paths) > 1:
        raise InputError(f"{folder}: {' and '.join(path.name for path in paths)}: which one is the {source}?")
    return paths[0]


def _describe_format(audio: Audio) -> str:
    return f"{audio.rate_hz} Hz, {audio.n_channels} channels, {audio.n_samples} samples"
