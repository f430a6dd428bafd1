"""Score what needs no network: a quarter of the mixture as the estimate of every source, and silence.

    python scripts/experiments/baselines.py --songs prepared/test --limit 10

Frames and rule are those of the sweeps beside this file; activations are applied to the outputs. Medians over songs.
"""

import argparse
import statistics
from collections import defaultdict

import numpy as np

from ugosa_jax import dataset, evaluation
from ugosa_jax.config import EvaluateConfig, ModelConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", required=True, help="as ugosa-jax prepare writes them")
    parser.add_argument("--limit", type=int, help="only the first so many")
    args = parser.parse_args()
    sources = ModelConfig.sources
    scores = defaultdict(list)
    for track in dataset.tracks(args.songs, limit=args.limit):
        song = evaluation.load(track, sources)
        for name, share in (("mixture / 4", 1 / len(sources)), ("silence", 0.0)):
            estimates = dict.fromkeys(sources, song.mixture.samples_CxT * np.float32(share))
            for row in evaluation.scores(song, estimates, EvaluateConfig(outputs="gated")):
                if row["rule"] == "target" and row["value_db"] is not None:
                    scores[name, row["metric"], row["source"]].append(row["value_db"])
    print("| estimate | metric | " + " | ".join(sources) + " |\n" + "|---" * (2 + len(sources)) + "|")
    for name, metric in dict.fromkeys((name, metric) for name, metric, _ in scores):
        medians = [statistics.median(scores[name, metric, source] or [np.nan]) for source in sources]
        print(f"| {name} | {metric} | " + " | ".join(f"{median:.2f}" for median in medians) + " |")


if __name__ == "__main__":
    main()
