"""Measure time and peak memory of adapting to one song and separating it.

    python scripts/measure_song.py --seconds 240 --epochs 1 --out measured.json

Weights are random and the song is noise, which cost what real ones cost. Peak memory is that of the whole process up
to the end of each phase.
"""

import argparse
import json
import platform
import resource
import time
from pathlib import Path

import numpy as np

from ugosa_jax import adapt, device, memory, model, published, segments, separate, strategy
from ugosa_jax.config import AdaptConfig, ModelConfig, SeparateConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--strategy", default="P-L3:M")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--weights", help="name or file; random weights of the full-size network if not given")
    parser.add_argument("--features", default="auto", choices=["auto", "float32", "bfloat16", "recompute"])
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()

    rows = measure(args)
    print(f"{'phase':24}{'seconds':>10}{'peak RSS':>12}")
    for row in rows:
        print(f"{row['phase']:24}{row['seconds']:10.1f}{row['peak_rss_gb']:9.2f} GB")
    if args.out:
        settings = {"seconds": args.seconds, "strategy": args.strategy, "epochs": args.epochs}
        about = settings | {"device": device.describe(), "platform": platform.platform(), "rows": rows}
        args.out.write_text(json.dumps(about, indent=2) + "\n")


def measure(args: argparse.Namespace) -> list[dict]:
    """Run the phases one after the other and return a row for each."""
    config, params = network(args.weights)
    random = np.random.default_rng(0)
    n_samples = round(args.seconds * config.sample_rate_hz)
    mix_CxT = random.standard_normal((config.C, n_samples), np.float32)
    active_SxT = np.repeat(random.random((config.S, -(-n_samples // 44100))) > 0.25, 44100, 1)[:, :n_samples]
    settings = AdaptConfig(strategy=args.strategy, epochs=args.epochs, features=args.features)
    rows = [row("set-up", 0.0)]

    song = segments.cut(mix_CxT, active_SxT, settings, config)
    shape = song.mix_GxVxCxT.shape
    estimate = memory.estimate(memory.plan(config, shape, settings), shape)
    print(f"{song.n} segments; estimated bytes: {estimate}", flush=True)
    result = adapt.adapt(config, params, song, settings)
    timing = result.timing
    rows += [
        row("compile", timing.compile_s),
        row("prefix", timing.prefix_s),
        row(f"{args.epochs} epoch(s)", timing.steps_s),
    ]
    adapted = strategy.merge(result.tuned, params)
    started = time.perf_counter()
    separate.separate(config, adapted, mix_CxT, SeparateConfig())
    return [*rows, row("separate (with compile)", time.perf_counter() - started)]


def network(weights: str | None) -> tuple[ModelConfig, model.Params]:
    """Return architecture and parameters."""
    if weights is None:
        return ModelConfig(), model.init(ModelConfig())
    checkpoint = published.load(weights)
    return checkpoint.config, checkpoint.params


def row(phase: str, seconds: float) -> dict:
    """Return a phase's time and the process's peak memory so far."""
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"phase": phase, "seconds": seconds, "peak_rss_gb": peak_gb}


if __name__ == "__main__":
    main()
