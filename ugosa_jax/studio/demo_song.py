"""Adding of the bundled demo song, with its annotation as marks."""

import hashlib
from pathlib import Path

import ugosa_jax
from ugosa_jax.annotations import annotation
from ugosa_jax.config import SOURCES
from ugosa_jax.data import loading
from ugosa_jax.data.datasets import Track
from ugosa_jax.studio import marks
from ugosa_jax.studio.library import Library, SongEntry

FOLDER = Path(ugosa_jax.__file__).parent / "data" / "demo_song"
NAME = "demo song"


def add_demo_song(library: Library) -> SongEntry:
    """Add the demo song with its annotation; if it was added before, return it with its current marks."""
    demo = loading.load_with_stems(Track(NAME, "folder", FOLDER), SOURCES)
    song = library.add_sound(demo.mixture, hashlib.sha256(demo.mixture.samples_CxT.tobytes()).hexdigest())
    folder = library.find_folder(song.id)
    if marks.load(folder).revision == 0:
        labels = annotation.read_annotation(FOLDER / "annotation.csv", SOURCES)
        marks.save(folder, marks.from_annotation(labels, song.duration_s))
    return song
