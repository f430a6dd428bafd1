# pyright: reportMissingImports=false
"""The songs of a pool (a folder of rendered songs): their order and their recipes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from accompany import compose
from fetch import get_unpacked_path
from guitars import draw_guitar
from recipe import Recipe, draw_recipe
from rendering import load_analysed_voice
from songs import Song, iterate_midi_files, load_song
from split import Split, find_split_of_song, find_split_of_speaker, make_seed
from voices import list_speaker_folders

Draw = Callable[[], tuple[Recipe, Song]]


@dataclass(frozen=True)
class Plan:
    """The numbers of songs of each kind, and their length."""

    split: Split
    seconds: float
    takes: int
    composed: int
    guitars: int
    seed: int


def iterate_draws(plan: Plan) -> Iterator[tuple[str, Draw]]:
    """Yield each song's name and a function that draws its recipe.

    The order is: one take of every written song, composed songs, songs with guitars, more takes. A recipe depends only
    on its name and the seed, so that more songs can be added later.
    """
    speakers = list_speakers(plan.split)
    songs = list_written_songs(plan.split)

    def take(number: int) -> Iterator[tuple[str, Draw]]:
        for k in np.random.default_rng(make_seed(plan.seed, plan.split, number)).permutation(len(songs)):
            name = f"{songs[k].name}-{number}"
            yield name, partial(draw_written, plan, name, songs[k], speakers)

    yield from take(0)
    for number in range(plan.composed):
        name = f"mma-{number:04d}"
        yield name, partial(draw_composed, plan, name, speakers)
    for number in range(plan.guitars):
        name = f"guitar-{number:04d}"
        yield name, partial(draw_with_guitar, plan, name, speakers)
    for number in range(1, plan.takes):
        yield from take(number)


def draw_written(plan: Plan, name: str, song: Song, speakers: list[str]) -> tuple[Recipe, Song]:
    """Draw the recipe of a song."""
    return draw_recipe(name, song, plan.split, speakers, plan.seconds, make_seed(plan.seed, name)), song


def draw_composed(plan: Plan, name: str, speakers: list[str]) -> tuple[Recipe, Song]:
    """Draw a song and its recipe."""
    return draw_written(plan, name, compose(name, make_seed(plan.seed, name, "song")), speakers)


def draw_with_guitar(plan: Plan, name: str, speakers: list[str]) -> tuple[Recipe, Song]:
    """Draw a song, its recipe, and the recorded guitar that is its "other"."""
    recipe, song = draw_composed(plan, name, speakers)
    guitar = draw_guitar(plan.seconds, np.random.default_rng(make_seed(plan.seed, name, "guitar")))
    return replace(recipe, other_bank=str(guitar)), song


def list_written_songs(split: Split) -> list[Song]:
    """Return the MIDI songs of a split that have all sources, by name."""
    mine = ((name, data) for name, data in iterate_midi_files(get_unpacked_path()) if find_split_of_song(name) == split)
    return [song for name, data in mine if (song := load_song(name, data))]


def list_speakers(split: Split) -> list[str]:
    """Return the speakers of a split with usable recordings; report each analysis, because it takes seconds."""
    usable = []
    for speaker in (s for s in list_speaker_folders() if find_split_of_speaker(s) == split):
        began_s = time.perf_counter()
        if load_analysed_voice(speaker) is not None:
            usable.append(speaker)
        if (took_s := time.perf_counter() - began_s) > 1:
            print(f"     voice {speaker:38s} {took_s:5.1f} s", flush=True)
    return usable
