"""Score two trivial estimates of every source: a quarter of the mixture, and silence.

    python scripts/experiments/baselines.py scripts/experiments/gain.toml --songs prepared/test

The grid (a TOML file) defines songs and frames. Frames in which the true source is silent are dropped (rule "target"),
and estimates are muted where their source is annotated silent. Prints medians over songs.
"""

import argparse
import dataclasses
import statistics
from collections import defaultdict

import numpy as np

from ugosa_jax.config import SOURCES
from ugosa_jax.data import loading
from ugosa_jax.errors import exit_status
from ugosa_jax.evaluation import scoring
from ugosa_jax.sweeps import grid, sweep


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", help="TOML file; only its sections [songs] and [evaluate] are used")
    parser.add_argument("--songs", required=True, help="folder of songs that ugosa-jax prepare has written")
    args = parser.parse_args()
    settings = grid.read(args.grid)
    plain = dataclasses.replace(settings.evaluate, outputs="gated")
    sources = SOURCES
    scores = defaultdict(list)
    for track in sweep.find_tracks(dataclasses.replace(settings.songs, folder=args.songs)).values():
        song = loading.load_annotated(track, sources)
        for name, share in (("mixture / 4", 1 / len(sources)), ("silence", 0.0)):
            estimates = {source: song.mixture.samples_CxT * np.float32(share) for source in sources}
            for score in scoring.evaluate(song, estimates, plain).scores:
                if score.rule == "target" and score.value_db is not None:
                    scores[name, score.metric, score.source].append(score.value_db)
    print("| estimate | metric | " + " | ".join(sources) + " |\n" + "|---" * (2 + len(sources)) + "|")
    for name, metric in dict.fromkeys((name, metric) for name, metric, _ in scores):
        medians = [statistics.median(scores[name, metric, source] or [np.nan]) for source in sources]
        print(f"| {name} | {metric} | " + " | ".join(f"{median:.2f}" for median in medians) + " |")


if __name__ == "__main__":
    raise SystemExit(exit_status(main))
