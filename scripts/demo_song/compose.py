# pyright: reportMissingImports=false
"""Rebuild the demo song: compose, play, sing, mix, write its stems and annotation.

    apt-get install libfluidsynth3
    pip install -e . -r scripts/demo_song/requirements.txt
    PYTHONPATH=scripts/material python scripts/demo_song/compose.py

It needs Debian's or Ubuntu's apt-get and dpkg-deb for the soundfont (Debian's fluid-soundfont-gm, 120 MB, kept in
the folder of scripts/material). No randomness is without seed: the same versions on the same kind of processor
make the same sound, though not the same bytes, as Ogg files carry a random serial number.
"""

import argparse
import subprocess
from pathlib import Path

import numpy as np
import soundfile
from ugosa_jax import annotation

import river
from effects import RATE_HZ, SOURCES
from fetch import Package, deb_file, download, material_folder, unpacked
from playing import render

SHIPPED = Path(__file__).parents[2] / "ugosa_jax" / "demo_song"
FLUID = Package("fluid-soundfont-gm", "MIT", "instruments (demo song)")
QUALITY = 0.45  # libsndfile's compression level, 0 best, 1 smallest
BLOCK = 4096  # libvorbis works on the stack: long blocks overflow it
ANNOTATION_HZ = 100


def soundfont() -> Path:
    """Return FluidR3_GM.sf2, fetched and unpacked if need be."""
    path = unpacked("usr/share/sounds/sf2/FluidR3_GM.sf2")
    if not path.exists():
        debs = material_folder() / "debs"
        debs.mkdir(parents=True, exist_ok=True)
        unpacked().mkdir(parents=True, exist_ok=True)
        if deb_file(FLUID) is None:
            download(FLUID, debs)
        subprocess.run(["dpkg-deb", "-x", str(deb_file(FLUID)), str(unpacked())], check=True, timeout=300)
    return path


def annotated() -> annotation.Annotation:
    """Return when each source rests and plays, by the score."""
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


def main() -> None:
    """Compose and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder for the stems and the annotation")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for source, stem_2xT in zip(SOURCES, render(soundfont()), strict=True):
        write_stem(out / f"{source}.ogg", stem_2xT)
    annotation.write(annotated(), out / "annotation.csv")
    size = sum(path.stat().st_size for path in out.glob("*.ogg"))
    print(f"{river.TITLE}: {river.SECONDS:g} s, {size / 1e6:.2f} MB in {out}")


if __name__ == "__main__":
    main()
