# pyright: reportMissingImports=false
"""Render a recipe: play, sing, process, balance; and write the stems."""

from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
from pretty_midi import Instrument

from effects import RATE_HZ, SOURCES, balance, draw_levels, process, widen
from guitars import Guitar, read_guitar
from instruments import play
from manifest import compute_sha256
from recipe import DISTORTED, Recipe, write_score
from singing import sing
from songs import Song
from voices import Voice, load_voice

SILENT_PEAK = 1e-3


@cache
def load_analysed_voice(speaker: str) -> Voice | None:
    """Return the analysed voice of a speaker."""
    return load_voice(speaker)


def render(recipe: Recipe, song: Song) -> np.ndarray:
    """Render a recipe; float32 [4, 2, T]."""
    rng = np.random.default_rng([recipe.seed, 2])
    score = write_score(recipe, song)
    voice = load_analysed_voice(recipe.speaker)
    assert voice is not None, recipe.speaker
    drums = play(recipe.drum_bank, score.drums, recipe.seconds, recipe.drum_kit, recipe.drum_detune)
    bass = play(recipe.bass_bank, score.bass, recipe.seconds)
    other = render_other(recipe, score.other, rng)
    vocals = widen(sing(voice, score.vocals, recipe.seconds, rng), rng)
    stems = [process("drums", drums, rng), process("bass", bass, rng), other, process("vocals", vocals, rng)]
    return balance(np.stack(stems), draw_levels(rng))


def render_other(recipe: Recipe, parts: list[Instrument], rng: np.random.Generator) -> np.ndarray:
    """Render "other": a recorded guitar, or its instruments, of which distorted guitars have effects of their own."""
    if guitar := Guitar.parse(recipe.other_bank):
        return process("other", read_guitar(guitar, recipe.seconds), rng)
    guitars = [part for part in parts if part.program in DISTORTED]
    rest = [part for part in parts if part.program not in DISTORTED]
    groups = [(source, group) for source, group in (("guitars", guitars), ("other", rest)) if group]
    return sum(
        (process(source, play(recipe.other_bank, group, recipe.seconds), rng) for source, group in groups),
        np.zeros((2, round(recipe.seconds * RATE_HZ)), np.float32),
    )


def render_to(path: Path, recipe: Recipe, song: Song) -> dict | str:
    """Render a recipe into a file of float16 stems; return its entry in the manifest, or why there is none."""
    stems_SxCxT = render(recipe, song)
    if silent := [s for s, x in zip(SOURCES, stems_SxCxT, strict=True) if np.abs(x).max() < SILENT_PEAK]:
        return f"no sound in {', '.join(silent)}"
    with path.open("wb") as file:
        np.save(file, stems_SxCxT.astype(np.float16))
    return asdict(recipe) | {"sha256": compute_sha256(path), "dbfs": measure_levels(stems_SxCxT)}


def measure_levels(stems_SxCxT: np.ndarray) -> dict[str, float]:
    """Return the RMS of the stems and the mix in dBFS and the peak of the mix, rounded."""

    def db(audio: np.ndarray) -> float:
        return round(float(10 * np.log10((audio.astype(np.float64) ** 2).mean() + 1e-12)), 1)

    mix = stems_SxCxT.sum(axis=0)
    return {s: db(x) for s, x in zip(SOURCES, stems_SxCxT, strict=True)} | {
        "mix": db(mix), "peak": round(float(np.abs(mix).max()), 3)}  # fmt: skip
