# pyright: reportMissingImports=false
"""Melodies for the voice: a part of the song, split into phrases, or a random walk on the song's pitch classes."""

from dataclasses import dataclass, replace

import numpy as np
from pretty_midi import Instrument

MIN_NOTE_S = 0.11
LEGATO_GAP_S = 0.15
PHRASE_GAP_S = 0.35
MAX_PHRASE_S = 6.0
BREATH_S = 0.4
LOWEST, CENTRE, HIGHEST = 55, 66, 77


@dataclass(frozen=True)
class SungNote:
    """A note of a melody: seconds and a MIDI pitch."""

    start_s: float
    end_s: float
    pitch: int


def extract_lead_melody(lead: Instrument) -> list[SungNote]:
    """Return the highest line of a part: one note at a time, small gaps closed, ornaments dropped."""
    notes = sorted(lead.notes, key=lambda note: (note.start, -note.pitch))
    melody: list[SungNote] = []
    for note in notes:
        if melody and note.start < melody[-1].start_s + MIN_NOTE_S:
            continue
        if melody:
            gap_s = note.start - melody[-1].end_s
            if gap_s < LEGATO_GAP_S:
                melody[-1] = replace(melody[-1], end_s=note.start)
        melody.append(SungNote(note.start, note.end, note.pitch))
    return [note for note in melody if note.end_s - note.start_s >= MIN_NOTE_S]


def split_phrases(melody: list[SungNote]) -> list[list[SungNote]]:
    """Split a melody at its rests; a phrase that is too long for one breath ends early."""
    parts: list[list[SungNote]] = []
    for note in melody:
        new = not parts or note.start_s - parts[-1][-1].end_s > PHRASE_GAP_S
        if not new and note.end_s - parts[-1][0].start_s > MAX_PHRASE_S:
            last = parts[-1][-1]
            shortened_s = max(last.start_s + MIN_NOTE_S, last.end_s - BREATH_S)
            parts[-1][-1] = replace(last, end_s=shortened_s)
            new = True
        parts.append([note]) if new else parts[-1].append(note)
    return parts


def drop_phrases(melody: list[SungNote], seconds: float, share: float, rng: np.random.Generator) -> list[SungNote]:
    """Drop random phrases until the voice sings at most `share` of the excerpt; at least one phrase stays."""
    kept = split_phrases(melody)
    while len(kept) > 1 and count_sung_seconds(kept) > share * seconds:
        kept.pop(int(rng.integers(len(kept))))
    return [note for phrase in kept for note in phrase]


def count_sung_seconds(parts: list[list[SungNote]]) -> float:
    """Return the seconds sung in all phrases together."""
    return sum(note.end_s - note.start_s for phrase in parts for note in phrase)


def measure_pitch_classes(parts: list[Instrument], from_s: float = 0.0, to_s: float = np.inf) -> np.ndarray:
    """Return how long each of the 12 pitch classes sounds between two times; seconds [12]."""
    weights = np.zeros(12)
    for part in parts:
        for note in part.notes:
            weights[note.pitch % 12] += max(0.0, min(note.end, to_s) - max(note.start, from_s))
    return weights


def compose_walk(
    parts: list[Instrument], beats_s: np.ndarray, seconds: float, rng: np.random.Generator
) -> list[SungNote]:
    """Compose a melody: phrases of 4–8 beats with rests, mostly steps, chord tones on long notes.

    The scale is the seven pitch classes that sound longest in `parts`; a chord tone is one that sounds while the
    note is sung.
    """
    grid_s = make_beat_grid(beats_s, seconds)
    scale = np.sort(np.argsort(measure_pitch_classes(parts))[-7:])
    ladder = np.array([p for p in range(LOWEST, HIGHEST + 1) if p % 12 in scale])
    position = int(np.argmin(np.abs(ladder - CENTRE - rng.integers(-4, 5))))
    melody: list[SungNote] = []
    beat = int(rng.integers(0, 5))
    while beat < len(grid_s) - 5:
        end = min(beat + int(rng.integers(4, 9)), len(grid_s) - 1)
        at = float(beat)
        while at < end:
            length = float(rng.choice([0.5, 1.0, 1.5, 2.0, 3.0], p=[0.42, 0.33, 0.1, 0.11, 0.04]))
            start_s, end_s = np.interp([at, min(at + length, end)], np.arange(len(grid_s)), grid_s)
            chord = measure_pitch_classes(parts, start_s, end_s)
            position = draw_next_position(ladder, position, chord, rng)
            melody.append(SungNote(float(start_s), float(end_s), int(ladder[position])))
            at += length
        beat = end + int(rng.integers(1, 5))
    return [note for note in melody if note.end_s - note.start_s >= MIN_NOTE_S]


def make_beat_grid(beats_s: np.ndarray, seconds: float) -> np.ndarray:
    """Return beats of 0.35–0.9 s (halved or doubled where the song's are not); 0.5 s where there are none."""
    if len(beats_s) < 8:
        return np.arange(0, seconds, 0.5)
    length_s = float(np.median(np.diff(beats_s)))
    if length_s < 0.35:
        return beats_s[::2]
    if length_s > 0.9:
        return np.sort(np.concatenate([beats_s, (beats_s[1:] + beats_s[:-1]) / 2]))
    return beats_s


def draw_next_position(ladder: np.ndarray, position: int, chord: np.ndarray, rng: np.random.Generator) -> int:
    """Draw the next place on the scale: small steps are likely, as are chord tones and the middle range."""
    steps = np.abs(np.arange(len(ladder)) - position)
    weight = np.exp(-0.75 * steps) * np.where(steps == 0, 0.5, 1.0)
    in_chord = chord[ladder % 12] > 0.25 * chord.max(initial=0)
    weight = weight * np.where(in_chord, 2.5, 1.0) * np.exp(-(((ladder - CENTRE) / 9.0) ** 2))
    return int(rng.choice(len(ladder), p=weight / weight.sum()))
