"""Notes in musical time, and functions that write figures, drum patterns and strummed chords.

Time is in beats from the beginning of the song; bars, and beats in a bar, are counted from 1, as in music.
"""

from dataclasses import dataclass

BEATS_A_BAR = 4
STEPS_A_BEAT = 4


@dataclass(frozen=True)
class Note:
    """A note: its pitch is a MIDI number or a General MIDI drum, `syllable` the text that a singer sings on it."""

    beat: float
    beats: float
    pitch: int
    velocity: int = 90
    syllable: str = ""


def at(bar: int, beat: float = 1.0) -> float:
    """Return beats from the beginning: `at(1)` is 0, `at(2, 2.5)` is 5.5."""
    return (bar - 1) * BEATS_A_BAR + beat - 1


def line(bar: int, figure: list[tuple[float, float, int]], velocity: int = 90) -> list[Note]:
    """Return a figure of (beat, beats, pitch), its beats counted from `bar`; on-beat notes are accented."""
    return [Note(at(bar, b), beats, pitch, velocity + (6 if b % 1 == 0 else -4)) for b, beats, pitch in figure]


def steps(bar: int, pattern: str, pitch: int, loudness: dict[str, int]) -> list[Note]:
    """Return one drum's bar, written as sixteen signs: "x...x..." with a velocity for each sign, "." a rest."""
    return [
        Note(at(bar) + k / STEPS_A_BEAT, 1 / STEPS_A_BEAT, pitch, loudness[sign])
        for k, sign in enumerate(pattern.replace(" ", ""))
        if sign != "."
    ]


def strum(beat: float, beats: float, strings: tuple[int, ...], velocity: int, spread: float = 0.02) -> list[Note]:
    """Return a chord whose strings sound one after the other, `spread` beats apart."""
    return [Note(beat + k * spread, beats - k * spread, pitch, velocity) for k, pitch in enumerate(strings)]
