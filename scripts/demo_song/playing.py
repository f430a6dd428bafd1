# pyright: reportMissingImports=false
"""Rendering of the song from notes to unmixed stems.

As if played by musicians, notes have varying loudness and are a little late. They are never early, so that nothing
sounds before its bar line.
"""

from pathlib import Path

import numpy as np
from pretty_midi import Instrument
from pretty_midi import Note as MidiNote

import river
from effects import RATE_HZ, SOURCES, scale_to_level
from instruments import Soundfont, set_pan
from mixing import WORKING_DBFS, effects, mix_stems
from notes import Note
from singer import sing, speak
from singing import Style

SEED = 3
LATE_S, LATEST_S = 0.004, 0.010
VELOCITY_SPREAD = 4.0
PROGRAMS = {"acoustic": 25, "electric": 27, "overdriven": 29, "keys": 4, "piano": 0, "pad": 89, "bass": 33}
PAN = {"acoustic": 34, "electric": 92, "overdriven": 44, "keys": 78, "piano": 64, "pad": 64}
PART_DB = {"acoustic": -21, "electric": -24, "overdriven": -23, "keys": -23, "piano": -20, "pad": -25}
LEAD = Style(vibrato_hz=5.4, vibrato_cent=24, glide_s=0.05, formant=1.0, breath=0.1, dynamics_db=0.0)
DOUBLE = Style(vibrato_hz=5.1, vibrato_cent=18, glide_s=0.06, formant=0.96, breath=0.3, dynamics_db=0.0)
DOUBLE_GAIN, DOUBLE_LATE_S = 0.28, 0.018


def render(soundfont: Path) -> np.ndarray:
    """Return the mixed stems of the song, float32 [4, 2, T] in the order drums, bass, other, vocals."""
    font = Soundfont(soundfont)
    rng = np.random.default_rng(SEED)
    drums = perform(river.drums(), rng, 0, is_drum=True)
    bass = perform(river.bass(), rng, PROGRAMS["bass"])
    stems = {
        "drums": play_part(font, "drums", drums, WORKING_DBFS),
        "bass": play_part(font, "bass", bass, WORKING_DBFS),
        "other": accompaniment(font, rng),
        "vocals": sung(),
    }
    return mix_stems(np.stack([stems[source] for source in SOURCES]))


def perform(notes: list[Note], rng: np.random.Generator, program: int, is_drum: bool = False) -> Instrument:
    """Return the notes in seconds, as a musician plays them, for an instrument of the soundfont."""
    part = Instrument(program, is_drum)
    for note in sorted(notes, key=lambda n: (n.beat, n.pitch)):
        start_s = note.beat * river.BEAT_S + min(abs(rng.normal(0, LATE_S)), LATEST_S)
        end_s = max(start_s + 0.03, (note.beat + note.beats) * river.BEAT_S)
        velocity = int(np.clip(note.velocity + rng.normal(0, VELOCITY_SPREAD), 1, 127))
        part.notes.append(MidiNote(velocity, note.pitch, start_s, end_s))
    return part


def play_part(font: Soundfont, name: str, part: Instrument, level_dbfs: float) -> np.ndarray:
    """Play one part, at a level before and after its effects; float32 [2, T]."""
    dry_2xT = font.play([part], river.SECONDS, kit=0, detune=0.0)
    return scale_to_level(effects(name)(scale_to_level(dry_2xT, WORKING_DBFS), RATE_HZ), level_dbfs)


def accompaniment(font: Soundfont, rng: np.random.Generator) -> np.ndarray:
    """Play guitars and keyboards; float32 [2, T]."""
    parts = {
        "acoustic": river.acoustic_guitar(),
        "electric": river.electric_guitar(),
        "overdriven": river.overdriven_guitar(),
        "keys": river.keys(),
        "piano": river.piano(),
        "pad": river.pad(),
    }
    total_2xT = np.zeros((2, round(river.SECONDS * RATE_HZ)), np.float32)
    for name, notes in parts.items():
        part = set_pan(perform(notes, rng, PROGRAMS[name]), PAN[name])
        total_2xT += play_part(font, name, part, PART_DB[name])
    return total_2xT


def sung() -> np.ndarray:
    """Return the sung melody in the centre, with a quiet second take on both sides; float32 [2, T]."""
    notes = river.vocals()
    spoken = speak([note.syllable for note in notes], SEED)
    lead_T, second_T, third_T = (
        sing(notes, spoken, river.SECONDS, river.BEAT_S, style, SEED + k)
        for k, style in enumerate((LEAD, DOUBLE, DOUBLE))
    )
    late = round(DOUBLE_LATE_S * RATE_HZ)
    stereo_2xT = np.stack([lead_T, lead_T])
    stereo_2xT[0, late:] += DOUBLE_GAIN * second_T[:-late]
    stereo_2xT[1, late:] += DOUBLE_GAIN * third_T[:-late]
    return effects("vocals")(scale_to_level(stereo_2xT, WORKING_DBFS), RATE_HZ)
