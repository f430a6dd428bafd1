"""Measure what adaptation gains on songs with stems: SDR of B0, B and P for each source.

    python scripts/adaptation_gain.py --pool POOL/test --weights mini --learning-rate 1e-4

A pool is a folder of SONG.npy as scripts/material renders them. As in the paper, each song is cut into quarters and
each source is silenced in one of them, chosen at random; the mixture is the sum of what remains, the activations are
computed from the stems (θ = 0.15), and they are applied to the output of all models, B0 included. SDR is over the whole
song, unfiltered (`ugosa_jax.scores`); silence scores 0 dB, and a quarter of the mixture stands beside. The table gives
medians over songs and two-sided Wilcoxon tests against B0.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import scipy.stats

from ugosa_jax import activation, annotation, published, scores, song
from ugosa_jax.audio import Audio
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.weights import Checkpoint

FADE_S = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--weights", default="mini")
    parser.add_argument("--learning-rate", type=float, nargs="+", default=[1e-5])
    parser.add_argument("--strategy", nargs="+", default=["B-L3:M", "P-L3:M"])
    parser.add_argument("--songs", type=int, help="only the first so many")
    parser.add_argument("--out", type=Path, help="write the scores of every song as JSON")
    args = parser.parse_args()
    weights = published.load(args.weights)
    paths = sorted(args.pool.glob("*.npy"))[: args.songs]
    if not paths:
        raise SystemExit(f"error: {args.pool}: no SONG.npy files")
    runs = {"B0": AdaptConfig(strategy="B0")}
    for strategy, rate in itertools.product(args.strategy, args.learning_rate):
        runs[f"{strategy}, learning rate {rate:g}"] = AdaptConfig(strategy=strategy, learning_rate=rate)
    results = {}
    for i, path in enumerate(paths):
        results[path.stem] = measure(np.load(path).astype(np.float32), weights, runs, seed=i)
        print(f"{i + 1}/{len(paths)} {path.stem}", flush=True)
        if args.out:
            args.out.write_text(json.dumps({"sources": weights.config.sources, "sdr_db": results}, indent=1) + "\n")
    show(results, weights.config.sources)


def measure(
    stems_SxCxT: np.ndarray, weights: Checkpoint, runs: dict[str, AdaptConfig], seed: int
) -> dict[str, list[float]]:
    """Return the SDR of each source in dB, for each run."""
    rate_hz = weights.config.sample_rate_hz
    stems_SxCxT = with_silent_quarters(stems_SxCxT, rate_hz, seed)
    mixture = Audio(stems_SxCxT.sum(0), rate_hz, "mixture")
    active_SxT = activation.active_from_stems(stems_SxCxT, rate_hz)
    labels = annotation.from_mask(active_SxT, rate_hz, weights.config.sources)
    quarter_CxT = mixture.samples_CxT / len(stems_SxCxT)
    scored = {"mixture / 4": [scores.sdr_db(stem_CxT, quarter_CxT) for stem_CxT in stems_SxCxT]}
    for run, settings in runs.items():
        tuned = song.adapt_song(weights, mixture, labels, settings).tuned
        estimates = song.separate_song(weights, mixture, SeparateConfig(gate=True), tuned, labels)
        scored[run] = [scores.sdr_db(*pair) for pair in zip(stems_SxCxT, estimates.values(), strict=True)]
    return scored


def with_silent_quarters(stems_SxCxT: np.ndarray, rate_hz: int, seed: int) -> np.ndarray:
    """Silence each source in a quarter of its own, with short fades."""
    n_sources, _, n_samples = stems_SxCxT.shape
    order = np.random.default_rng(seed).permutation(n_sources)
    bounds = np.linspace(0, n_samples, n_sources + 1).astype(int)
    ramp = np.ones(int(FADE_S * rate_hz)) / int(FADE_S * rate_hz)
    silenced = []
    for source, stem_CxT in enumerate(stems_SxCxT):
        gain_T = np.ones(n_samples)
        gain_T[bounds[order[source]] : bounds[order[source] + 1]] = 0
        silenced.append(stem_CxT * np.convolve(np.pad(gain_T, len(ramp), "edge"), ramp, "same")[len(ramp) : -len(ramp)])
    return np.stack(silenced).astype(np.float32)


def show(results: dict[str, dict[str, list[float]]], sources: tuple[str, ...]) -> None:
    """Print a Markdown table of medians over songs, with the p-value of each difference from B0."""
    runs = list(next(iter(results.values())))
    sdr_db = {run: np.array([scored[run] for scored in results.values()]) for run in runs}
    print(f"\n{len(results)} songs, median SDR in dB (p against B0)\n")
    print("| run | " + " | ".join(sources) + " | mean of medians |")
    print("|---" * (len(sources) + 2) + "|")
    for run, values_NxS in sdr_db.items():
        medians_S = np.median(values_NxS, axis=0)
        cells = [f"{m:.2f}{against(*v)}" for m, *v in zip(medians_S, values_NxS.T, sdr_db["B0"].T, strict=True)]
        print(f"| {run} | " + " | ".join(cells) + f" | {medians_S.mean():.2f} |")


def against(values_N: np.ndarray, baseline_N: np.ndarray) -> str:
    """Return the two-sided p-value of a paired Wilcoxon test in brackets; nothing for the baseline itself."""
    if np.array_equal(values_N, baseline_N):
        return ""
    _, p_value = scipy.stats.wilcoxon(values_N, baseline_N)
    return f" ({p_value:.3f})"


if __name__ == "__main__":
    main()
