"""The bundled song, opened with its annotation as marks to look at, to change and to learn from."""

import hashlib
from pathlib import Path

import ugosa_jax
from ugosa_jax.annotations import annotation
from ugosa_jax.config import SOURCES
from ugosa_jax.data import loading
from ugosa_jax.data.datasets import Track
from ugosa_jax.studio import marks
from ugosa_jax.studio.library import Library, Song

FOLDER = Path(ugosa_jax.__file__).parent / "data" / "demo_song"
NAME = "demo song"


def added(library: Library) -> Song:
    """Add the bundled song, or return it if it was added before, with what was marked in it since."""
    found = loading.load_with_stems(Track(NAME, "folder", FOLDER), SOURCES)
    song = library.added_audio(found.mixture, hashlib.sha256(found.mixture.samples_CxT.tobytes()).hexdigest())
    folder = library.folder(song.id)
    if marks.load(folder).revision == 0:
        said = annotation.read(FOLDER / "annotation.csv", SOURCES)
        marks.save(folder, marks.of_annotation(said, song.duration_s))
    return song
