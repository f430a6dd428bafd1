# pyright: reportMissingImports=false
"""Recipes: the random choices for a song before it is rendered (excerpt, key, tempo, instruments, singer, rests)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pretty_midi import Instrument

from instruments import ACOUSTIC_KITS, DRUM_KITS, set_pan
from melody import SungNote, compose_walk, drop_phrases, extract_lead_melody
from songs import BASS_PROGRAMS, Song, cut_excerpt, find_lead, find_sounding_seconds, insert_rest
from split import BANKS, Split

RENDERING = 4  # Raise this when the same recipe would sound different; older renderings are then replaced.
MIN_ACTIVE = 0.35  # share of seconds in which a source must sound
BANK_WEIGHTS = {"OPL3": 0.3}  # FM synthesis, used seldom
FAMILIES = {"guitar": range(24, 32), "keys": range(0, 8), "organ": range(16, 24), "strings": range(48, 52)}
DISTORTED = (29, 30)


@dataclass(frozen=True)
class Recipe:
    """The choices for one rendering of a song; all values are plain, so that the manifest can contain them."""

    name: str
    song: str
    split: Split
    seconds: float
    start_s: float
    stretch: float
    transpose: int
    drum_bank: str
    drum_kit: int
    drum_detune: float
    bass_bank: str
    other_bank: str
    speaker: str
    melody: str  # "lead": a part of the song, "walk": composed
    seed: int
    rendering: int = RENDERING


@dataclass(frozen=True)
class Score:
    """The notes of a recipe: parts for drums, bass and other, and the melody of the voice."""

    drums: list[Instrument]
    bass: list[Instrument]
    other: list[Instrument]
    vocals: list[SungNote]


def draw_recipe(name: str, song: Song, split: Split, speakers: list[str], seconds: float, seed: int) -> Recipe:
    """Draw a recipe; only songs for training are transposed and changed in tempo."""
    rng = np.random.default_rng(seed)
    varied = split == "train"
    stretch = float(np.exp(rng.uniform(-0.15, 0.15))) if varied else 1.0
    drum_banks = [*BANKS[split], *(ACOUSTIC_KITS if varied else ())]
    drum_bank = draw_bank(drum_banks, rng)
    return Recipe(
        name=name,
        song=song.name,
        split=split,
        seconds=seconds,
        start_s=draw_start(song, seconds, stretch, rng),
        stretch=stretch,
        transpose=int(rng.integers(-4, 5)) if varied else 0,
        drum_bank=drum_bank,
        drum_kit=int(rng.choice(DRUM_KITS[drum_bank])),
        drum_detune=float(rng.uniform(-1.5, 1.5)) if varied else 0.0,
        bass_bank=draw_bank(list(BANKS[split]), rng),
        other_bank=draw_bank(list(BANKS[split]), rng),
        speaker=str(rng.choice(speakers)),
        melody="lead" if find_lead(song) is not None and rng.random() < 0.7 else "walk",
        seed=seed,
    )


def draw_bank(banks: list[str], rng: np.random.Generator) -> str:
    """Draw a bank by its weight."""
    weights = np.array([BANK_WEIGHTS.get(bank, 1.0) for bank in banks])
    return str(rng.choice(banks, p=weights / weights.sum()))


def draw_start(song: Song, seconds: float, stretch: float, rng: np.random.Generator) -> float:
    """Draw the start of the excerpt: the first of twelve random starts with enough of every source, or the best one."""
    latest_s = max(0.0, song.seconds - seconds / stretch)
    starts_s = rng.uniform(0, latest_s, 12)

    def find_least_activity(start_s: float) -> float:
        return min(
            find_sounding_seconds(parts, start_s, int(seconds), stretch).mean() for parts in song.list_parts().values()
        )

    enough = [s for s in starts_s if find_least_activity(s) >= MIN_ACTIVE]
    return float(enough[0] if enough else max(starts_s, key=find_least_activity))


def write_score(recipe: Recipe, song: Song) -> Score:
    """Return the notes of a recipe: cut the excerpt, extract or compose the melody, change instruments, add rests.

    Each source rests with a probability of one half, for 10–30 % of the excerpt, so that the annotations have silence.
    """
    rng = np.random.default_rng([recipe.seed, 1])
    lead = find_lead(song) if recipe.melody == "lead" else None
    cut = cut_excerpt(song, recipe.start_s, recipe.seconds, recipe.stretch, recipe.transpose)
    stems = cut.list_parts()
    melody: list[SungNote] = []
    if lead is not None:
        alone = Song(song.name, song.seconds, song.beats_s, other=[lead])
        led = cut_excerpt(alone, recipe.start_s, recipe.seconds, recipe.stretch, recipe.transpose).other
        melody = extract_lead_melody(led[0]) if led else []
    if sum(note.end_s - note.start_s for note in melody) < 0.2 * recipe.seconds:
        melody = compose_walk([*cut.bass, *cut.other], cut.beats_s, recipe.seconds, rng)
    elif lead is not None:
        remaining = cut_excerpt(
            remove_part(song, lead), recipe.start_s, recipe.seconds, recipe.stretch, recipe.transpose
        )
        stems["other"] = remaining.other or stems["other"]
    melody = drop_phrases(melody, recipe.seconds, rng.uniform(0.45, 0.75), rng)
    for source in stems:
        if rng.random() < 0.5:
            length_s = rng.uniform(0.1, 0.3) * recipe.seconds
            from_s = rng.choice([0.0, recipe.seconds - length_s, rng.uniform(0, recipe.seconds - length_s)])
            stems[source] = insert_rest(stems[source], from_s, from_s + length_s) or stems[source]
    if recipe.split == "train":
        change_programs(stems["bass"], rng, lambda p: int(rng.choice(BASS_PROGRAMS)))
        change_programs(stems["other"], rng, lambda p: draw_related_program(p, rng))
    for part in stems["other"]:
        set_pan(part, int(np.clip(rng.normal(64, 26), 8, 119)))
    return Score(stems["drums"], stems["bass"], stems["other"], melody)


def remove_part(song: Song, lead: Instrument) -> Song:
    """Return the song without one part of "other"."""
    other = [part for part in song.other if part is not lead]
    return Song(song.name, song.seconds, song.beats_s, song.drums, song.bass, other)


def change_programs(parts: list[Instrument], rng: np.random.Generator, draw: Callable[[int], int]) -> None:
    """Give half of the parts another program."""
    for part in parts:
        if rng.random() < 0.5:
            part.program = draw(part.program)


def draw_related_program(program: int, rng: np.random.Generator) -> int:
    """Draw a program of the same General MIDI family (eight each), or sometimes a common one of another family."""
    if rng.random() < 0.25:
        return int(rng.choice(FAMILIES[str(rng.choice(list(FAMILIES)))]))
    family = [p for p in range(program // 8 * 8, program // 8 * 8 + 8) if p not in (47, 52, 53, 54, 55)]
    return int(rng.choice(family))
