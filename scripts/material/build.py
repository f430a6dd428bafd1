"""Render songs of one split as stems for training or testing.

    python scripts/material/build.py --split train --seconds 40 --limit 200

Each song becomes `NAME.npy`: float16 [4, 2, T], drums, bass, other, vocals at 44.1 kHz. Songs that exist already are
kept, so that the same command continues after an interruption. A song that fails or hangs is reported, and the others
are rendered; the same command tries it again. Exit status: 0 if all songs are rendered, 1 if some failed, 2 if
something that all songs need is missing, 130 if interrupted.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path

import needs
from fetch import fetch
from isolated import Failed, run_isolated
from manifest import POOL, compute_sha256, read_songs, write_manifest
from problems import exit_status
from split import SPLITS

MIN_S, PER_SECOND = 120.0, 5.0  # time limit of a song: seconds, plus seconds for each second of the song

Make = Callable[[Path, dict], dict | str]
"""A function that writes the stems of a song into a file, given its path and its entry in the manifest. It returns the
new entry, or the reason why the song is left out; if the entry has the same recipe, it is returned unchanged."""


def main() -> int:
    """Render the requested songs; print a line for each."""
    args = parse_arguments()
    needs.check(needs.REQUIREMENTS)
    fetch()
    folder = args.out or POOL / args.split
    folder.mkdir(parents=True, exist_ok=True)
    songs = islice(list_songs(args), args.limit)
    failed = build(folder, songs, MIN_S + PER_SECOND * args.seconds)
    if failed:
        print(f"{len(failed)} failed: {', '.join(failed)}; the same command tries them again", file=sys.stderr)
    return int(bool(failed))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
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
    if args.limit is not None and args.limit < 1:
        parser.error("--limit must be at least 1")
    return args


def list_songs(args: argparse.Namespace) -> Iterable[tuple[str, Make]]:
    """Return the name and maker of each requested song."""
    from instruments import load_banks  # not at the top: they need packages that `check` must find first
    from plan import Plan, iterate_draws

    plan = Plan(args.split, args.seconds, args.takes, args.composed, args.guitars, args.seed)
    load_banks(plan.split)
    return ((name, partial(make, draw)) for name, draw in iterate_draws(plan))


def make(draw: Callable, path: Path, entry: dict) -> dict | str:
    """Draw a recipe and render it, unless `entry` has the same recipe; with `draw` given, this is a `Make`."""
    from rendering import render_to

    recipe, song = draw()
    if asdict(recipe).items() <= entry.items():
        return entry
    return render_to(path, recipe, song)


def build(folder: Path, songs: Iterable[tuple[str, Make]], limit_s: float) -> list[str]:
    """Render songs, each in its own process for at most `limit_s`; return the names of the songs that failed.

    Raises:
        Problem: the manifest is damaged, or the disk is full.
    """
    entries = {name: entry for name, entry in read_songs(folder).items() if (folder / f"{name}.npy").exists()}
    failed = []
    for number, (name, make_song) in enumerate(songs):
        began_s = time.perf_counter()
        path, unfinished = folder / f"{name}.npy", folder / f"{name}.unfinished"
        kept = entries[name] if is_whole(path, entries.get(name)) else {}
        try:
            made = run_isolated(partial(make_song, unfinished, kept), limit_s)
            if isinstance(made, str):  # the song is left out; one of an earlier recipe with this name is removed
                path.unlink(missing_ok=True)
                entries.pop(name, None)
                print(f"{number:4d} {name:44s} left out: {made}", flush=True)
            elif made != kept:
                unfinished.replace(path)
                entries[name] = made
                write_manifest(folder, entries)  # after each song, so that little is lost
                took_s = time.perf_counter() - began_s
                print(f"{number:4d} {name:44s} {took_s:5.1f} s  {made['dbfs']}", flush=True)
        except Failed as reason:
            failed.append(name)
            print(f"{number:4d} {name:44s} failed: {reason}", flush=True)
        finally:
            unfinished.unlink(missing_ok=True)
    write_manifest(folder, entries)
    return failed


def is_whole(path: Path, entry: dict | None) -> bool:
    """Return whether a song's file exists and has the hash of its entry in the manifest."""
    return entry is not None and compute_sha256(path) == entry["sha256"]


if __name__ == "__main__":
    raise SystemExit(exit_status(main))
