"""Measure what adaptation gains in a chain of two networks, with complete, partial and inexact annotations.

    python scripts/experiments/chain_recipes.py run prepared/test --out chain.jsonl
    python scripts/experiments/chain_recipes.py table chain.jsonl

`ugosa-jax prepare` writes prepared/test. The first network separates a song once; the second one is then adapted to
the rest. All stems are refined with Wiener masks, which use the same annotation. The score is SDR with the rule
"target", as `ugosa-jax sweep run` computes it. OUT holds one line per song, recipe and annotation; the same command
continues an interrupted run. `table` compares each recipe with `masks` (no adaptation) for the same annotation, song by
song: Wilcoxon's test, with Holm's correction over the table. With `--base`, it compares each recipe with the same
recipe of another chain.

S sources, C channels, T samples.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from imprecision import Condition, degrade

from ugosa_jax import device
from ugosa_jax.adaptation import bag_adaptation, chain_adaptation, engine, plan, song_adaptation, strategy
from ugosa_jax.adaptation.chain_adaptation import ChainInput
from ugosa_jax.annotations import annotation as annotations
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data import datasets, loading
from ugosa_jax.data.song import Song
from ugosa_jax.data.standardisation import restore_level, standardise_by
from ugosa_jax.errors import InputError, exit_status
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Params
from ugosa_jax.reports.sweep import render, significance
from ugosa_jax.separation import bag_separation, refine
from ugosa_jax.weights import hub
from ugosa_jax.weights.chain import Chain

BASE = "masks"
"""The recipe that all others are compared with."""
RECIPES = {
    BASE: AdaptConfig("B0"),
    "R, 10 epochs at 1e-3": AdaptConfig("R-L3:M", learning_rate=1e-3, shuffle_seed=1),
    "R, 5 epochs at 3e-3": AdaptConfig("R-L3:M", epochs=5, learning_rate=3e-3, shuffle_seed=1),
}
"""Settings with which `mini` is adapted."""
CONDITIONS = {
    one.name: one
    for one in (
        Condition("none", "no annotation", shortest_s=0.0, share_kept=0.0),
        Condition("quarter", "a quarter of each rest", shortest_s=0.0, share_kept=0.25),
        Condition("half", "half of each rest", shortest_s=0.0, share_kept=0.5),
        Condition("exact", "every rest", shortest_s=0.0),
        Condition("jitter-0.25", "boundaries off by up to 0.25 s", shortest_s=0.0, jitter_s=0.25),
        Condition("wrong-10", "10 % of the silence is wrong", shortest_s=0.0, share_wrong=0.1),
    )
}
"""Changes of the exact annotation."""
FRAME_S, HOP_S = 2.0, 1.5
"""Length of the frames that are scored, and distance between their starts; the defaults of `EvaluateConfig`."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("run")
    command.add_argument("songs", type=Path, help="folder of songs with stems and annotations")
    command.add_argument("--chain", default="spleeter+mini", help="two networks; the second one is adapted")
    command.add_argument("--names", nargs="+", help="only these songs")
    command.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES), metavar="RECIPE")
    command.add_argument("--annotations", nargs="+", choices=list(CONDITIONS), default=list(CONDITIONS))
    command.add_argument("--out", type=Path, required=True, help="file that holds the scores")
    command = commands.add_parser("table")
    command.add_argument("scores", type=Path, nargs="+", help="files that `run` has written")
    command.add_argument("--base", type=Path, help="scores of another chain, with which each recipe is compared")
    args = parser.parse_args(arguments)
    if args.command == "run":
        cells = [(recipe, condition) for condition in args.annotations for recipe in args.recipes]
        run(args.chain, args.songs, args.names, cells, args.out)
    else:
        rows = [row for path in args.scores for row in read_rows(path)]
        print("\n".join(write_table(rows, read_rows(args.base) if args.base else None)))


def run(
    chain_name: str, folder: Path, names: Sequence[str] | None, cells: Sequence[tuple[str, str]], out: Path
) -> None:
    """Score pairs of a recipe and an annotation on each song, and append a line for each to `out`."""
    device.cache_compiled_programs()
    chain = hub.load_network(chain_name)
    if not isinstance(chain, Chain) or len(chain.links) != 2 or len(chain.links[0].takes) != 1:
        raise InputError(f"--chain {chain_name}: must be two networks, of which the first takes one source")
    done = {(row["recipe"], row["annotation"], row["song"]) for row in read_rows(out)}
    for track in datasets.list_tracks(folder, names=names):
        missing = [cell for cell in cells if (*cell, track.name) not in done]
        if not missing:
            continue
        original = loading.load_annotated(track, chain.sources)
        prepared = song_adaptation.prepare(chain, original, None, AdaptConfig("B0"))
        assert isinstance(prepared, ChainInput)
        accompaniment = chain_adaptation.remove_sources(chain.links[0], prepared, {})
        for recipe, condition in missing:
            truth, duration_s = original.require_annotation(), original.mixture.duration_s
            annotated = dataclasses.replace(
                accompaniment, annotation=degrade(truth, duration_s, CONDITIONS[condition], track.name)
            )
            began_s = time.process_time()
            tuned = adapt(chain, annotated, RECIPES[recipe])
            seconds = time.process_time() - began_s
            est_SxCxT = estimate(chain, prepared, annotated, tuned)
            row = {"recipe": recipe, "annotation": condition, "song": track.name, "seconds": round(seconds, 1)}
            row["sdr_db"] = dict(zip(chain.sources, score(original, est_SxCxT), strict=True))
            with out.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
            print(f"{track.name}: {recipe}, {condition}", flush=True)


def adapt(chain: Chain, accompaniment: ChainInput, settings: AdaptConfig) -> Params:
    """Return the tuned weights of the last network, adapted to the accompaniment of the first one."""
    link = chain.links[-1]
    own = plan.split_settings(chain, settings)[link.name]
    chosen = strategy.parse(own.strategy, link.network.architecture)
    if not chosen.tuned:
        return {}
    cut = chain_adaptation.cut_song(link, accompaniment, own)
    (result,) = bag_adaptation.adapt_lanes(link.network, [cut], chosen, engine.make_hyper(own, 1), own)
    return result.tuned


def estimate(chain: Chain, prepared: ChainInput, accompaniment: ChainInput, tuned: Params) -> np.ndarray:
    """Return est_SxCxT of a chain of two networks, whose last one is adapted, refined with an annotation.

    Args:
      chain: the networks; the first takes one source.
      prepared: input of the first network.
      accompaniment: input of the last network, with the annotation.
      tuned: tuned weights of the last network.
    """
    first, last = chain.links
    (taken,) = first.takes
    scaling, network = accompaniment.scalings[last.name], last.network
    params = tree.merge(tuned, network.params)
    est_SxCxT = bag_separation.separate(
        network, params, standardise_by(accompaniment.mix_CxT, scaling), SeparateConfig()
    )
    estimates = dict(zip(network.sources, restore_level(est_SxCxT, scaling), strict=True))
    estimates[taken] = prepared.mix_CxT - accompaniment.mix_CxT
    settings = SeparateConfig(refine="wiener")
    gain_SxT = annotations.compute_gains(
        accompaniment.annotation, prepared.mix_CxT.shape[1], chain.sample_rate_hz, settings.fade_s
    )
    every_SxCxT = np.stack([estimates[source] for source in chain.sources])
    return refine.refine(every_SxCxT, prepared.mix_CxT, gain_SxT.astype(np.float32), settings)


def score(song: Song, est_SxCxT: np.ndarray) -> list[float | None]:
    """Return the SDR of each source in dB: the median over frames in which its stem sounds, None if there are none."""
    stems_SxCxT, rate_hz = song.require_stems(), song.mixture.rate_hz
    n, hop = round(FRAME_S * rate_hz), round(HOP_S * rate_hz)
    starts = range(0, stems_SxCxT.shape[-1] - n + 1, hop)
    frames = [np.s_[..., start : start + n] for start in starts]
    signal_KxS = np.array([np.square(stems_SxCxT[frame], dtype=float).sum((1, 2)) for frame in frames])
    error_SxCxT = est_SxCxT - stems_SxCxT
    error_KxS = np.array([np.square(error_SxCxT[frame], dtype=float).sum((1, 2)) for frame in frames])
    counts_KxS = (signal_KxS > 0) & (error_KxS > 0)
    columns = zip(signal_KxS.T, error_KxS.T, counts_KxS.T, strict=True)
    sdr_db = [10 * np.log10(signal[counts] / error[counts]) for signal, error, counts in columns]
    return [round(float(np.median(each)), 4) if len(each) else None for each in sdr_db]


def read_rows(path: Path) -> list[dict]:
    """Return the lines of a file of scores, an empty list if there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


Scores = dict[tuple[str, str, str], list[float]]
"""The scores of the sources and their mean, for an annotation, a recipe and a song."""


def write_table(rows: list[dict], base_rows: list[dict] | None = None) -> Iterator[str]:
    """Yield the lines of a Markdown table: the scores of each recipe and annotation, and differences.

    Args:
      rows: the scores of a chain.
      base_rows: the scores of another chain. Each recipe is compared with the same recipe there, if given, and else
        with `BASE` in `rows`.
    """
    heads = [*rows[0]["sdr_db"], "mean"]
    scores = index_scores(rows, heads)
    cells = sorted({(row["annotation"], row["recipe"]) for row in rows}, key=_order)
    if base_rows is None:
        paired = {cell: compare(scores, cell, scores, (cell[0], BASE)) for cell in cells if cell[1] != BASE}
    else:
        base = index_scores(base_rows, heads)
        paired = {cell: compare(scores, cell, base, cell) for cell in cells}
    corrected = iter(significance.holm(np.array([each.p for every in paired.values() for each in every])))
    yield "| annotation | recipe | songs | s | | " + " | ".join(heads) + " |"
    yield "| :-- | :-- | --: | --: | :-- |" + " --: |" * len(heads)
    for condition, recipe in cells:
        own = np.array([score for (*cell, _), score in scores.items() if cell == [condition, recipe]])
        seconds = np.median(
            [row["seconds"] for row in rows if (row["annotation"], row["recipe"]) == (condition, recipe)]
        )
        mean = " | ".join(render.format_decibels(value) for value in np.nanmean(own, 0))
        yield f"| {CONDITIONS[condition].label} | {recipe} | {len(own)} | {seconds:.0f} | mean SDR | {mean} |"
        if (condition, recipe) not in paired:
            continue
        every = paired[condition, recipe]
        intervals = [f"{render.format_decibels(one.low)} … {render.format_decibels(one.high)}" for one in every]
        yield "| | | | | median difference | " + " | ".join(render.format_decibels(one.median) for one in every) + " |"
        yield "| | | | | 95 % interval | " + " | ".join(intervals) + " |"
        yield "| | | | | p, Holm | " + " | ".join(render.format_probability(next(corrected)) for _ in every) + " |"


def index_scores(rows: list[dict], heads: Sequence[str]) -> Scores:
    """Return the scores of rows; the columns are sources and their mean, NaN where there is no score."""
    found = {}
    for row in rows:
        sdr_db = [np.nan if (value := row["sdr_db"][source]) is None else value for source in heads[:-1]]
        found[row["annotation"], row["recipe"], row["song"]] = [*sdr_db, float(np.nanmean(sdr_db))]
    return found


def compare(
    scores: Scores, cell: tuple[str, str], base: Scores, base_cell: tuple[str, str]
) -> list[significance.PairedComparison]:
    """Compare two pairs of an annotation and a recipe for the songs scored with both: each source, then the mean."""
    songs = [song for *own, song in scores if tuple(own) == cell and (*base_cell, song) in base]
    pairs = [np.array([each[*one, song] for song in songs]) for each, one in ((scores, cell), (base, base_cell))]
    return [significance.compare_pairs(*columns) for columns in zip(*(pair.T for pair in pairs), strict=True)]


def _order(cell: tuple[str, str]) -> tuple[int, int]:
    return list(CONDITIONS).index(cell[0]), list(RECIPES).index(cell[1])


if __name__ == "__main__":
    sys.exit(exit_status(main))
