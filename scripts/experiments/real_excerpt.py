"""Write the real recording that the stempeg package ships, six seconds with stems, as a folder of WAVs.

    python scripts/experiments/real_excerpt.py OUT

It is MUSDB18 material under non-commercial terms: it is read from the installed package (musdb needs it), for
your own measurements, and must not be redistributed. The clicks at both ends of its streams are cut off. The shipped
mixture was mastered and differs from the sum of the stems by 15 dB; it is left out, and the sum takes its place.
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np

from ugosa_jax import files
from ugosa_jax.data import musdb, sound
from ugosa_jax.errors import InputError, exit_status

RATE_HZ = 44100
FIRST_S, LAST_S = 0.12, 5.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    song = parser.parse_args().out / "Falcon"
    with files.replace_folder_when_done(song) as unfinished:
        for stream, name in enumerate(musdb.STREAMS):
            if name != "mixture":
                sound.write_audio(unfinished / f"{name}.wav", read(stream), RATE_HZ)
    print(f"written    {song}")


def read(stream: int) -> np.ndarray:
    """Return the samples (C, T) of one stream of the file that stempeg ships."""
    package = importlib.util.find_spec("stempeg")
    if package is None or package.origin is None or importlib.util.find_spec("av") is None:
        raise InputError("stempeg or av is not installed: pip install stempeg av")
    import av

    (path,) = (Path(package.origin).parent / "data").glob("*.stem.mp4")
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=stream)]
    return np.concatenate(frames, axis=1)[:, int(FIRST_S * RATE_HZ) : int(LAST_S * RATE_HZ)]


if __name__ == "__main__":
    raise SystemExit(exit_status(main))
