# pyright: reportMissingImports=false
"""Compose accompaniments: random chord progressions, played by the grooves of MMA.

MMA (Musical MIDI Accompaniment) turns a chord for each bar and the name of a groove into drums, bass and chords.
"""

import io
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pretty_midi

from songs import BASS_PROGRAMS, Song, sort_parts

LIBRARY = Path("/usr/share/mma/lib")
SONG_S = 75
FINGER_BASS = 33
TRIES = 12
MMA_LIMIT_S = 30
KEYS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
# One chord per bar: semitones above the key, and the quality of the chord.
LOOPS: tuple[tuple[tuple[int, str], ...], ...] = (
    ((0, ""), (7, ""), (9, "m"), (5, "")),
    ((9, "m"), (5, ""), (0, ""), (7, "")),
    ((0, ""), (9, "m"), (5, ""), (7, "7")),
    ((0, "m"), (10, ""), (8, ""), (7, "7")),
    ((0, "m"), (8, ""), (3, ""), (10, "")),
    ((0, "m"), (5, "m"), (0, "m"), (7, "7")),
    ((0, ""), (10, ""), (5, ""), (0, "")),
    ((2, "m7"), (7, "7"), (0, "maj7"), (9, "m7")),
    ((0, "maj7"), (5, "maj7"), (4, "m7"), (9, "m7")),
    ((0, "m7"), (5, "7"), (0, "m7"), (5, "7")),
    ((0, ""), (4, "m"), (5, ""), (5, "m")),
    ((5, ""), (7, ""), (4, "m"), (9, "m")),
)
BLUES = tuple((k, "7") for k in (0, 0, 0, 0, 5, 5, 0, 0, 7, 5, 0, 7))


@cache
def list_grooves() -> tuple[tuple[str, ...], ...]:
    """Return the grooves of each library file, which are variants of one style; intros and endings are left out.

    Raises:
        RuntimeError: there are none.
    """
    files = []
    for path in sorted(LIBRARY.rglob("*.mma")):
        text = path.read_text(encoding="latin-1")
        names = re.findall(r"^\s*DefGroove\s+([\w-]+)", text, flags=re.MULTILINE | re.IGNORECASE)
        kept = tuple(n for n in names if not re.search(r"intro|end|fill|metronome", n, flags=re.IGNORECASE))
        if kept:
            files.append(kept)
    if not files:
        raise RuntimeError(f"no MMA grooves in {LIBRARY}, where Debian's mma has them")
    return tuple(files)


def draw_bars(rng: np.random.Generator, bars: int) -> list[str]:
    """Draw the chord of each bar: 16 bars of verse and 8 of chorus, each from one loop, repeated; or a blues."""
    key = int(rng.integers(12))
    if rng.random() < 0.1:
        form = list(BLUES)
    else:
        verse, chorus = (LOOPS[int(k)] for k in rng.integers(len(LOOPS), size=2))
        form = [*verse, *verse, *verse, *verse, *chorus, *chorus]
    return [KEYS[(key + root) % 12] + quality for root, quality in (form[k % len(form)] for k in range(bars))]


def draw_song_text(rng: np.random.Generator) -> str:
    """Draw an MMA song of about `SONG_S` seconds that changes between two grooves of one file."""
    styles = list_grooves()[int(rng.integers(len(list_grooves())))]
    pair = [str(rng.choice(styles)) for _ in range(2)]
    tempo = int(rng.uniform(75, 165))
    bars = int(SONG_S * tempo / 240) + 1
    lines = [f"RndSeed {int(rng.integers(10**6))}", f"Tempo {tempo}"]
    for k, chord in enumerate(draw_bars(rng, bars)):
        if k % 8 == 0:
            lines.append(f"Groove {pair[(k // 8) % 2]}")
        lines.append(f"{k + 1} {chord}")
    return "\n".join(lines) + "\n"


def run_mma(text: str) -> bytes | None:
    """Render a song text with MMA, which takes a tenth of a second; return None if MMA rejects the text.

    Raises:
        RuntimeError: MMA hangs. That is not a rejection: the songs must not depend on the load of the machine.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "song.mma", Path(folder) / "song.mid"
        source.write_text(text)
        try:
            result = subprocess.run(["mma", "-f", str(target), str(source)], capture_output=True, timeout=MMA_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"mma was not done after {MMA_LIMIT_S} s") from None
        return target.read_bytes() if result.returncode == 0 and target.exists() else None


def compose(name: str, seed: int) -> Song:
    """Compose a song that has drums, bass and at least one other part.

    Raises:
        RuntimeError: MMA hangs, or every try failed, which means that MMA does not work on this machine.
    """
    rng = np.random.default_rng(seed)
    for _ in range(TRIES):
        data = run_mma(draw_song_text(rng))
        if data is None:
            continue
        midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
        for part in midi.instruments:
            if part.name.startswith(("Bass", "Walk")) and part.program not in BASS_PROGRAMS:
                part.program = FINGER_BASS
        song = sort_parts(name, midi)
        if song.is_complete():
            return song
    raise RuntimeError(f"MMA gave no usable song in {TRIES} tries; does `mma -V` work?")
