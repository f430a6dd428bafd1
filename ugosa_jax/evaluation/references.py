"""True stems, as files or arrays, and what they are compared with.

C channels, T samples, S sources.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ugosa_jax.data import loading, stems
from ugosa_jax.data.datasets import Track
from ugosa_jax.data.song import Song
from ugosa_jax.data.sound import Audio
from ugosa_jax.errors import InputError, require


def read_references(references: Song | str | Path | Mapping[str, np.ndarray], rate_hz: int | None = None) -> Song:
    """Return a song with its true stems; see `api.evaluate`.

    Raises:
      InputError: there are none, they cannot be read, or differ in shape.
    """
    if isinstance(references, Song):
        return references
    if not isinstance(references, Mapping):
        folder = Path(references)
        return loading.load_with_stems(Track(folder.resolve().name, "folder", folder), stems.list_names(folder))
    if rate_hz is None or not references:
        raise InputError("references: arrays need a sample rate (rate_hz), and at least one source")
    found = dict(iterate_sounds("references", references))
    if len(shapes := {stem_CxT.shape for stem_CxT in found.values()}) > 1:
        raise InputError(f"references: stems must be of one shape (channels, samples), not {sorted(shapes)}")
    stems_SxCxT = np.stack([*found.values()])
    return Song(Audio(stems_SxCxT.sum(0), rate_hz, "references"), stems_SxCxT, tuple(found))


def iterate_sounds(what: str, given: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and samples of each sound, float32 (C, T)."""
    for source, samples_CxT in given.items():
        found_CxT = np.asarray(samples_CxT, np.float32)
        require(found_CxT.ndim == 2, f"{what}: {source}", "an array (channels, samples)", found_CxT.shape)
        yield source, found_CxT
