"""Measure how exact an annotation must be: adapt with the recommended settings and degraded annotations.

    python scripts/experiments/robustness.py prepare prepared/test work   # songs with other annotations, as links
    python scripts/experiments/robustness.py run work                     # a sweep per condition; can be continued
    python scripts/experiments/robustness.py report work
    python scripts/experiments/robustness.py threshold prepared/valid

`ugosa-jax prepare` writes prepared/test and prepared/valid. WORK/songs/CONDITION/SONG holds links to a song's sound
and its degraded annotation (imprecision.py). WORK/results/CONDITION holds the results of a sweep over these songs
(robustness.toml), WORK/results/unadapted the scores of the network without any annotation. Estimates are scored as they
are, not muted by the true annotation. `threshold` measures precision and recall of the silence that `ugosa-jax
annotation suggest` drafts, for several thresholds.
"""

import argparse
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import imprecision
import numpy as np
import pandas as pd
import robustness_report
from imprecision import CONDITIONS

from ugosa_jax import device, files
from ugosa_jax.annotations import annotation, draft
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.api import separate
from ugosa_jax.cli.main import main as ugosa_jax
from ugosa_jax.data import datasets, loading
from ugosa_jax.data.datasets import Track
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError, exit_status
from ugosa_jax.sweeps import grid
from ugosa_jax.weights import hub
from ugosa_jax.weights.weights import Weights

HERE = Path(__file__).parent
ADAPTED = HERE / "robustness.toml"
UNADAPTED = ("--set", "adapt.strategy=B0", "--set", "separate.refine=none")
"""Options of the sweep without adaptation, whose scores do not depend on the annotation."""
BELOW_DB = (10.0, 20.0, 22.0, 25.0, 30.0)
MIN_SILENCE_S = (1.0, 2.0)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, first in (("prepare", "prepared"), ("run", "work"), ("report", "work"), ("threshold", "prepared")):
        command = commands.add_parser(name)
        command.add_argument(first, type=Path)
        if name == "prepare":
            command.add_argument("work", type=Path)
        if name == "report":
            command.add_argument("--out", type=Path, default=Path("results"), help="folder for table and figure")
    args = parser.parse_args(arguments)
    commanded = {
        "prepare": lambda: prepare(args.prepared, args.work),
        "run": lambda: run(args.work),
        "report": lambda: robustness_report.write(args.work, args.out),
        "threshold": lambda: print_thresholds(measure_thresholds(args.prepared)),
    }
    return exit_status(commanded[args.command])


def prepare(prepared: Path, work: Path) -> None:
    """Write WORK/songs/CONDITION/SONG for every condition and song.

    Raises:
      InputError: a song has no annotation or cannot be read, or WORK cannot be written.
    """
    asked = grid.read(str(ADAPTED))
    base = hub.load_network(str(asked.weights))
    device.cache_compiled_programs()
    claims = []
    for track in datasets.list_tracks(prepared, limit=asked.songs.limit):
        song = load_exact(track, base)
        duration_s, sources = song.mixture.duration_s, base.sources
        for condition in CONDITIONS:
            if condition.drafted:
                (annotated,) = iterate_drafts(song, base, [(draft.BELOW_DB, draft.MIN_SILENCE_S)])
                annotated = imprecision.to_annotation(
                    imprecision.list_rests(annotated, duration_s), duration_s, sources
                )
            else:
                annotated = imprecision.degrade(song.require_annotation(), duration_s, condition, track.name)
            link_song(track, annotated, work / "songs" / condition.name / track.name)
            claims.append(
                (
                    condition.name,
                    track.name,
                    *imprecision.measure_claims(annotated, song.require_annotation(), duration_s),
                )
            )
        print(f"{track.name}: {len(CONDITIONS)} annotations", flush=True)
    with files.replace_when_done(work / robustness_report.CLAIMS) as temporary:
        columns = ["condition", "song", "intervals", "silent_s", "wrong_s"]
        pd.DataFrame(claims, columns=columns).to_csv(temporary, index=False, lineterminator="\n")


def load_exact(track: Track, base: Weights) -> Song:
    """Return a song with its own annotation.

    Raises:
      InputError: it has no annotation.
    """
    if track.annotation is None:
        raise InputError(f"{track.path}: has no annotation.csv; name a folder that ugosa-jax prepare has written")
    return loading.load_annotated(track, base.sources)


def iterate_drafts(song: Song, base: Weights, thresholds: Sequence[tuple[float, float]]) -> Iterator[Annotation]:
    """Yield the draft of `annotation suggest` for each pair of thresholds: level in dB, shortest silence in s."""
    estimates = separate(base, song)
    est_SxCxT = np.stack([estimates[source] for source in base.sources])
    for pair in thresholds:
        yield draft.draft_annotation(est_SxCxT, song.mixture.samples_CxT, song.mixture.rate_hz, base.sources, *pair)


def link_song(track: Track, annotated: Annotation, folder: Path) -> None:
    """Write a song's folder: links to its sound, and an annotation."""
    with files.replace_folder_when_done(folder) as scratch:
        for path in datasets.list_inputs(track, annotated.sources).values():
            try:
                os.link(path, scratch / path.name)
            except OSError:  # another file system, or one without hard links
                (scratch / path.name).symlink_to(path.resolve())
        annotation.write_annotation(annotated, scratch / "annotation.csv")


def run(work: Path) -> int:
    """Run one sweep per condition; return 1 if cells failed, 2 if a sweep cannot run, else 0.

    All sweeps use the programs that the first one compiles.
    """
    sweeps = [("unadapted", "exact", UNADAPTED), *((one.name, one.name, ()) for one in CONDITIONS)]
    failed = 0
    for name, songs, change in sweeps:
        paths = {"--songs": work / "songs" / songs, "--results": work / "results" / name}
        options = [str(part) for pair in paths.items() for part in pair]
        code = ugosa_jax(["sweep", "run", str(ADAPTED), *change, *options])
        if code > 1:
            return code
        failed |= code
    return failed


def measure_thresholds(prepared: Path) -> pd.DataFrame:
    """Return the precision and recall of drafted silence for each pair of thresholds.

    Raises:
      InputError: a song has no annotation or cannot be read.
    """
    base = hub.load_network(str(grid.read(str(ADAPTED)).weights))
    device.cache_compiled_programs()
    pairs = list(itertools.product(MIN_SILENCE_S, BELOW_DB))
    claimed_P, right_P, true_s = np.zeros(len(pairs)), np.zeros(len(pairs)), 0.0
    for track in datasets.list_tracks(prepared):
        song = load_exact(track, base)
        n_samples, rate_hz = song.mixture.n_samples, song.mixture.rate_hz
        silent_SxT = ~annotation.compute_active_mask(song.require_annotation(), n_samples, rate_hz)
        true_s += silent_SxT.sum() / rate_hz
        for p, annotated in enumerate(
            iterate_drafts(song, base, [(below_db, shortest_s) for shortest_s, below_db in pairs])
        ):
            claimed_SxT = ~annotation.compute_active_mask(annotated, n_samples, rate_hz)
            claimed_P[p] += claimed_SxT.sum() / rate_hz
            right_P[p] += (claimed_SxT & silent_SxT).sum() / rate_hz
        print(f"{track.name}: {len(pairs)} drafts", file=sys.stderr, flush=True)
    table = pd.DataFrame(pairs, columns=["shortest_s", "below_db"])
    with np.errstate(invalid="ignore"):  # precision is 0 / 0 if no silence is drafted
        return table.assign(claimed_s=claimed_P, true=right_P / claimed_P, found=right_P / true_s)


def print_thresholds(table: pd.DataFrame) -> None:
    """Print the table in Markdown."""
    print("| shortest (s) | below (dB) | claimed (s) | true | found |\n|---|---|---|---|---|")
    for shortest_s, below_db, claimed_s, true, found in table.itertuples(index=False):
        print(f"| {shortest_s:g} | {below_db:g} | {claimed_s:.0f} | {true:.1%} | {found:.1%} |")


if __name__ == "__main__":
    sys.exit(main())
