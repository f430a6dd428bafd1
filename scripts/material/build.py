# pyright: reportMissingImports=false
"""Render songs of one split as stems for training or testing.

    python scripts/material/build.py --split train --seconds 40 --limit 200

Each song becomes `NAME.npy`: float16 [4, 2, T], drums, bass, other, vocals at 44.1 kHz.  A song that is already
there is kept, so an interrupted run goes on where it stopped.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np
from pretty_midi import Instrument

from accompany import compose
from effects import RATE_HZ, SOURCES, balance, draw_levels, process, widen
from fetch import fetch, provenance, unpacked
from guitars import Guitar, draw_guitar, read_guitar
from instruments import play
from recipe import DISTORTED, Recipe, draw_recipe, write_score
from singing import sing
from songs import Song, load_song, midi_files
from split import SPLITS, Split, seed_of, side_of_song, side_of_speaker
from voices import Voice, load_voice, speaker_folders

POOL = Path.home() / ".cache/ugosa_jax/minimus"
SILENT_PEAK = 1e-3
LIBRARIES = ("numpy", "scipy", "pretty_midi", "pyfluidsynth", "pyworld", "pedalboard", "soundfile")


class SilentStem(ValueError):
    """A rendered song lacks a source."""


@cache
def voice_of(speaker: str) -> Voice | None:
    """Return the analysed voice of a speaker."""
    return load_voice(speaker)


def speakers_of(split: Split) -> list[str]:
    """Return the speakers of a split whose recordings can be used."""
    mine = [s for s in speaker_folders() if side_of_speaker(s) == split]
    return [s for s in mine if voice_of(s) is not None]


def render(recipe: Recipe, song: Song) -> np.ndarray:
    """Render a recipe; float32 [4, 2, T]."""
    rng = np.random.default_rng([recipe.seed, 2])
    score = write_score(recipe, song)
    voice = voice_of(recipe.speaker)
    assert voice is not None, recipe.speaker
    drums = play(recipe.drum_bank, score.drums, recipe.seconds, recipe.drum_kit, recipe.drum_detune)
    bass = play(recipe.bass_bank, score.bass, recipe.seconds)
    other = render_other(recipe, score.other, rng)
    vocals = widen(sing(voice, score.vocals, recipe.seconds, rng), rng)
    stems = [process("drums", drums, rng), process("bass", bass, rng), other, process("vocals", vocals, rng)]
    stems_SxCxT = balance(np.stack(stems), draw_levels(rng))
    if silent := [s for s, x in zip(SOURCES, stems_SxCxT, strict=True) if np.abs(x).max() < SILENT_PEAK]:
        raise SilentStem(f"{recipe.name}: {', '.join(silent)}")
    return stems_SxCxT


def render_other(recipe: Recipe, parts: list[Instrument], rng: np.random.Generator) -> np.ndarray:
    """Render "other": a recorded guitar, or its parts with the distorted guitars among them on their own."""
    if guitar := Guitar.parse(recipe.other_bank):
        return process("other", read_guitar(guitar, recipe.seconds), rng)
    guitars = [part for part in parts if part.program in DISTORTED]
    rest = [part for part in parts if part.program not in DISTORTED]
    groups = [(source, group) for source, group in (("guitars", guitars), ("other", rest)) if group]
    return sum(
        (process(source, play(recipe.other_bank, group, recipe.seconds), rng) for source, group in groups),
        np.zeros((2, round(recipe.seconds * RATE_HZ)), np.float32),
    )


@dataclass(frozen=True)
class Plan:
    """How many songs of each kind to render, and how."""

    split: Split
    seconds: float
    takes: int
    composed: int
    guitars: int
    seed: int


def recipes(plan: Plan) -> Iterator[tuple[Recipe, Song]]:
    """Yield recipes: one take of every written song, composed ones, guitars, then the further takes.

    A recipe depends on its name and the seed alone, so that the numbers may grow later.
    """
    speakers = speakers_of(plan.split)
    songs = written_songs(plan.split)

    def draw(name: str, song: Song) -> Recipe:
        return draw_recipe(name, song, plan.split, speakers, plan.seconds, seed_of(plan.seed, name))

    def take(number: int) -> Iterator[tuple[Recipe, Song]]:
        for k in np.random.default_rng(seed_of(plan.seed, plan.split, number)).permutation(len(songs)):
            yield draw(f"{songs[k].name}-{number}", songs[k]), songs[k]

    yield from take(0)
    for number in range(plan.composed):
        song = compose(name := f"mma-{number:04d}", seed_of(plan.seed, name, "song"))
        yield draw(name, song), song
    for number in range(plan.guitars):
        song = compose(name := f"guitar-{number:04d}", seed_of(plan.seed, name, "song"))
        guitar = draw_guitar(plan.seconds, np.random.default_rng(seed_of(plan.seed, name, "guitar")))
        yield replace(draw(name, song), other_bank=str(guitar)), song
    for number in range(1, plan.takes):
        yield from take(number)


def written_songs(split: Split) -> list[Song]:
    """Return the MIDI songs of a split that have all sources, by name."""
    mine = ((name, data) for name, data in midi_files(unpacked()) if side_of_song(name) == split)
    return [song for name, data in mine if (song := load_song(name, data))]


def write_stems(path: Path, stems_SxCxT: np.ndarray) -> None:
    """Write float16 stems so that a file of this name is always whole."""
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        np.save(file, stems_SxCxT.astype(np.float16))
    unfinished.replace(path)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def levels(stems_SxCxT: np.ndarray) -> dict[str, float]:
    """Return the RMS of the stems and the mix in dBFS and the peak of the mix, rounded."""

    def db(audio: np.ndarray) -> float:
        return round(float(10 * np.log10((audio.astype(np.float64) ** 2).mean() + 1e-12)), 1)

    mix = stems_SxCxT.sum(axis=0)
    return {s: db(x) for s, x in zip(SOURCES, stems_SxCxT, strict=True)} | {
        "mix": db(mix), "peak": round(float(np.abs(mix).max()), 3)}  # fmt: skip


def write_manifest(folder: Path, entries: list[dict]) -> None:
    """Write sources, licences, library versions and every song's recipe and hash."""
    manifest = {
        "sources": list(SOURCES),
        "sample_rate_hz": 44100,
        "songs": sorted(entries, key=lambda entry: entry["name"]),
        "packages": provenance(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    unfinished = folder / "manifest.unfinished"
    unfinished.write_text(json.dumps(manifest, indent=1) + "\n")
    unfinished.replace(folder / "manifest.json")


def read_plan() -> tuple[Plan, Path, int | None]:
    """Read the command line: plan, folder, and the most songs to render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--seconds", type=float, default=40.0, help="length of each song")
    parser.add_argument("--takes", type=int, default=1, help="different renderings of each written song")
    parser.add_argument("--composed", type=int, default=0, help="composed accompaniments (train only)")
    parser.add_argument("--guitars", type=int, default=0, help="songs with a recorded guitar (train only)")
    parser.add_argument("--limit", type=int, default=None, help="render at most this many songs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None, help=f"folder (default {POOL}/SPLIT)")
    args = parser.parse_args()
    if args.split != "train" and (args.composed or args.guitars):
        parser.error("validation and test consist of written songs only")
    if not 5 <= args.seconds <= 600:
        parser.error("--seconds must be between 5 and 600")
    plan = Plan(args.split, args.seconds, args.takes, args.composed, args.guitars, args.seed)
    return plan, args.out or POOL / args.split, args.limit


def main() -> None:
    """Render the songs asked for; report a line for each."""
    plan, folder, limit = read_plan()
    fetch()
    folder.mkdir(parents=True, exist_ok=True)
    old = folder / "manifest.json"
    known = json.loads(old.read_text())["songs"] if old.exists() else []
    entries = {e["name"]: e for e in known if (folder / f"{e['name']}.npy").exists()}
    for number, (recipe, song) in enumerate(islice(recipes(plan), limit)):
        path = folder / f"{recipe.name}.npy"
        if asdict(recipe).items() <= entries.get(recipe.name, {}).items():
            continue  # rendered before, from this very recipe
        began_s = time.perf_counter()
        try:
            stems_SxCxT = render(recipe, song)
        except SilentStem as error:
            print(f"{number:4d} skipped, a source is silent: {error}", flush=True)
            continue
        write_stems(path, stems_SxCxT)
        entries[recipe.name] = asdict(recipe) | {"sha256": sha256(path), "dbfs": levels(stems_SxCxT)}
        write_manifest(folder, list(entries.values()))  # after each song, so that little is lost
        took_s = time.perf_counter() - began_s
        print(f"{number:4d} {recipe.name:44s} {took_s:5.1f} s  {entries[recipe.name]['dbfs']}", flush=True)
    write_manifest(folder, list(entries.values()))


if __name__ == "__main__":
    main()
