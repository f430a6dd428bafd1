# pyright: reportMissingImports=false
"""The files of the song: a compressed stem for each source, and the annotation."""

from pathlib import Path

import numpy as np
import soundfile
from ugosa_jax.annotations import annotation

import river
from effects import RATE_HZ, SOURCES
from playing import render

QUALITY = 0.45  # libsndfile's compression level, 0 best, 1 smallest
BLOCK = 4096  # libvorbis works on the stack: long blocks overflow it
ANNOTATION_HZ = 100


def write_song(folder: Path, soundfont: Path) -> str:
    """Render the song and write its stems and annotation; return title, length and size."""
    for source, stem_2xT in zip(SOURCES, render(soundfont), strict=True):
        write_stem(folder / f"{source}.ogg", stem_2xT)
    annotation.write_annotation(annotate(), folder / "annotation.csv")
    size = sum(path.stat().st_size for path in folder.glob("*.ogg"))
    return f"{river.TITLE}: {river.SECONDS:g} s, {size / 1e6:.2f} MB"


def annotate() -> annotation.Annotation:
    """Return the annotation of each source, from the score."""
    active_SxT = np.ones((len(SOURCES), round(river.SECONDS * ANNOTATION_HZ)), bool)
    for active_T, source in zip(active_SxT, SOURCES, strict=True):
        for first, last in river.SILENT[source]:
            active_T[round(first * river.BEAT_S * ANNOTATION_HZ) : round(last * river.BEAT_S * ANNOTATION_HZ)] = False
    return annotation.from_mask(active_SxT, ANNOTATION_HZ, SOURCES)


def write_stem(path: Path, stem_2xT: np.ndarray) -> None:
    """Write Ogg Vorbis."""
    with soundfile.SoundFile(
        path, "w", RATE_HZ, 2, format="OGG", subtype="VORBIS", compression_level=QUALITY
    ) as stream:
        for start in range(0, stem_2xT.shape[1], BLOCK):
            stream.write(stem_2xT[:, start : start + BLOCK].T)
