"""Measure lanes side by side against lanes one at a time, on the device that JAX finds.

    python scripts/bench_lanes.py --weights mini --seconds 16 --repeats 3
    python scripts/bench_lanes.py --devices 1 2 4 8      # simulated CPU devices, a process each

The songs are noise, whose numbers cost what music's cost. "one at a time" and "side by side" alternate; times are
medians of the steps alone, compiling apart. Programs are counted by what the jitted epoch has in its cache.
"""

import argparse
import os
import statistics
import subprocess
import sys

import jax
import numpy as np

from ugosa_jax import device
from ugosa_jax.adaptation import engine, segments
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.config import AdaptConfig
from ugosa_jax.networks import hub
from ugosa_jax.networks.checkpoint import Checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="mini")
    parser.add_argument("--strategy", default="P-L3:M")
    parser.add_argument("--seconds", type=float, default=16.0, help="length of a song")
    parser.add_argument("--lanes", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--devices", type=int, nargs="+", help="numbers of simulated CPU devices to compare")
    args = parser.parse_args()
    if args.devices:
        compare_devices(args)
        return
    base = hub.load(args.weights)
    settings = AdaptConfig(strategy=args.strategy, epochs=args.epochs, learning_rate=1e-3)
    songs = [noise(base, settings, args.seconds, seed) for seed in range(args.lanes)]
    lam = np.logspace(-4, 4, args.lanes)
    print(f"{args.weights}, {args.strategy}, {args.seconds:g} s, {args.epochs} epochs, {args.lanes} lanes, on")
    print(f"{device.describe()} ({len(jax.local_devices())} devices)\n")
    print("| lanes | one at a time s | side by side s | ratio | programs | peak GB so far |")
    print("|---|---|---|---|---|---|")
    row(
        "λ of one song",
        args,
        lambda: alone(base, songs[:1] * args.lanes, settings, lam),
        lambda: together(base, songs[0], settings, lam),
    )
    row("songs", args, lambda: alone(base, songs, settings, lam), lambda: together(base, songs, settings, lam))


def noise(base: Checkpoint, settings: AdaptConfig, seconds: float, seed: int) -> Segments:
    """Return a song of noise with random activations."""
    random = np.random.default_rng(seed)
    n_samples = round(seconds * base.config.sample_rate_hz)
    mix_CxT, _ = segments.standardise(random.standard_normal((base.config.C, n_samples)).astype(np.float32))
    return segments.cut(mix_CxT, random.random((base.config.S, n_samples)) > 0.3, settings, base.config)


def alone(base: Checkpoint, songs: list[Segments], settings: AdaptConfig, lam: np.ndarray) -> float:
    """Return the seconds that lanes take one after the other."""
    total_s = 0.0
    for song, one in zip(songs, lam, strict=True):
        one_lane = AdaptConfig(strategy=settings.strategy, epochs=settings.epochs, learning_rate=1e-3, lam=float(one))
        timing = engine.adapt(base.config, base.params, song, one_lane).timing
        total_s += timing.prefix_s + timing.steps_s
    return total_s


def together(base: Checkpoint, songs: Segments | list[Segments], settings: AdaptConfig, lam: np.ndarray) -> float:
    """Return the seconds that lanes take in one program."""
    timing = engine.adapt_lanes(base.config, base.params, songs, settings, lam=list(lam))[0].timing
    return timing.prefix_s + timing.steps_s


def row(name: str, args: argparse.Namespace, first, second) -> None:
    """Alternate two ways of doing the same, and print a row of the table."""
    before = n_programs()
    for way in (first, second):
        way()  # compiles
    programs = n_programs() - before
    times = [(first(), second()) for _ in range(args.repeats)]
    a_s, b_s = (statistics.median(column) for column in zip(*times, strict=True))
    peak = device.peak_bytes() / 1e9
    print(f"| {args.lanes} {name} | {a_s:.2f} | {b_s:.2f} | {a_s / b_s:.2f} | {programs} | {peak:.2f} |", flush=True)


def n_programs() -> int:
    """Return how many programs of an epoch have been compiled."""
    return engine.epoch_lanes._cache_size()  # pyright: ignore[reportAttributeAccessIssue]


def compare_devices(args: argparse.Namespace) -> None:
    """Run this script once for each number of simulated devices."""
    for n in args.devices:
        flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={n}", "JAX_PLATFORMS": "cpu"}
        options = [
            f"--{key}={getattr(args, key)}" for key in ("weights", "strategy", "seconds", "lanes", "epochs", "repeats")
        ]
        subprocess.run([sys.executable, __file__, *options], env=os.environ | flags, check=True)


if __name__ == "__main__":
    main()
