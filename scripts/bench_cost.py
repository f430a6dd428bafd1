"""Measure how time and memory of an adaptation grow, beside what the operations and the shapes predict.

    python scripts/bench_cost.py                 # the bundled network, minutes on two cores
    python scripts/bench_cost.py --size demucs   # the full-size one

Every point is a `ugosa-jax bench` in a process of its own, so that its peak memory is its own. Two rates, that of the
frozen stages and that of the steps, are measured at the first point; all other times are predicted from them.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from publish import publish

from ugosa_jax.adaptation import memory, strategy
from ugosa_jax.bench import flops
from ugosa_jax.bench.timing import noise
from ugosa_jax.cli import bench
from ugosa_jax.config import AdaptConfig, ModelConfig
from ugosa_jax.networks import checkpoint, convtasnet, hub


@dataclasses.dataclass(frozen=True)
class Point:
    """What a process measures. The defaults are the point that the others are predicted from."""

    config: ModelConfig
    seconds: float = 16.0
    segment_s: float = 4.0
    lanes: int = 1
    strategy: str = "P-L3:M"

    def settings(self, epochs: int) -> AdaptConfig:
        """Return the settings of the adaptation."""
        return AdaptConfig(self.strategy, epochs=epochs, segment_s=self.segment_s, features="float32")


class Cost(NamedTuple):
    """Operations of the frozen stages and of the steps, and bytes as `memory.estimate` has them."""

    prefix: int
    steps: int
    bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="mini", choices=["demucs", "mini"])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="headings of some of the tables: song segment lanes depth size")
    parser.add_argument("--out", type=Path, help="write the tables to this file too")
    args = parser.parse_args()
    publish(report(args), args.out)


def tables(base: Point) -> dict[str, list[tuple[str, Point]]]:
    """Return the points of each table by its heading."""
    vary = lambda field, values: [(f"{v}", dataclasses.replace(base, **{field: v})) for v in values]  # noqa: E731
    sizes = [dataclasses.replace(base.config, B=base.config.B * n // 2, H=base.config.H * n // 2) for n in (1, 2, 3)]
    return {
        "song, seconds": vary("seconds", (8.0, 16.0, 32.0, 64.0)),
        "segment, seconds": vary("segment_s", (1.0, 2.0, 4.0, 8.0)),
        "lanes": vary("lanes", (1, 2, 4)),
        "depth": vary("strategy", ("P-L1:M", "P-L2:M", "P-L3:M", "P-L4:M", "P-L5:D")),
        "size": [(f"B {c.B}, H {c.H}", dataclasses.replace(base, config=c)) for c in sizes],
    }


def report(args: argparse.Namespace) -> Iterator[str]:
    """Measure, and yield the report line by line."""
    base = Point(hub.load("mini").config if args.size == "mini" else ModelConfig())
    measured: dict[Point, dict[str, Any]] = {base: measure(base, args)}
    first, cost = measured[base], cost_of(base, args.epochs)
    rates = cost.prefix / first["prefix_s"], cost.steps / median_steps_s(first)
    yield "# Cost of an adaptation\n"
    yield f"`{' '.join(['python scripts/bench_cost.py', *sys.argv[1:]])}`, on {bench.describe_device()}.\n"
    at = f"{base.strategy}, a song of {base.seconds:g} s, segments of {base.segment_s:g} s, one lane"
    yield f"{args.size}, {args.epochs} epochs; where a table does not vary them: {at}."
    frozen, a_step = (f"{rate / 1e9:.1f} GFLOP/s" for rate in rates)
    yield f"Predicted time = operations of the frozen stages / {frozen} + operations of the steps / {a_step}, both"
    yield "measured there. Memory = the peak measured there + what `memory.estimate` adds. Compiling is extra."
    for heading, points in tables(base).items():
        if args.only and heading.split(",")[0] not in args.only:
            continue
        yield f"\n| {heading} | GFLOP | s | predicted | ratio | compile s | peak GB | predicted | ratio |"
        yield "|---|---|---|---|---|---|---|---|---|"
        for name, point in points:
            if point not in measured:
                measured[point] = measure(point, args)
            yield row(name, measured[point], cost_of(point, args.epochs), rates, first["peak_bytes"] - cost.bytes)


def row(name: str, found: dict[str, Any], cost: Cost, rates: tuple[float, float], fixed_bytes: float) -> str:
    """Return a row: what was measured beside what is predicted."""
    seconds, predicted_s = found["prefix_s"] + median_steps_s(found), cost.prefix / rates[0] + cost.steps / rates[1]
    peak_gb, predicted_gb = found["peak_bytes"] / 1e9, (fixed_bytes + cost.bytes) / 1e9
    time = f"{seconds:.2f} | {predicted_s:.2f} | {seconds / predicted_s:.2f} | {found['compile_s']:.1f}"
    peak = f"{peak_gb:.2f} | {predicted_gb:.2f} | {peak_gb / predicted_gb:.2f}"
    return f"| {name} | {(cost.prefix + cost.steps) / 1e9:.0f} | {time} | {peak} |"


def cost_of(point: Point, epochs: int) -> Cost:
    """Return what a point costs by operations and shapes."""
    settings, config = point.settings(epochs), point.config
    song = noise(config, settings, point.seconds)
    plan, shape = strategy.parse(point.strategy, config), song.mix_GxVxCxT.shape
    prefix = song.n * flops.prefix(config, plan.since(config), shape[-1])
    steps = epochs * song.n * flops.step(config, plan, shape[-1])
    program = memory.plan(config, shape, settings, point.lanes)
    held = memory.estimate(program, shape if point.lanes == 1 else (point.lanes, *shape), point.lanes)
    return Cost(point.lanes * prefix, point.lanes * steps, sum(held))


def median_steps_s(found: dict[str, Any]) -> float:
    """Return the median seconds of all steps of a run."""
    return float(np.median(found["steps_s"]))


def measure(point: Point, args: argparse.Namespace) -> dict[str, Any]:
    """Run `ugosa-jax bench` on random weights of the point's network; return the row of its record."""
    with tempfile.TemporaryDirectory() as folder:
        network, out = Path(folder) / "random.safetensors", Path(folder) / "record.json"
        params = jax.tree.map(np.asarray, convtasnet.init(point.config))
        checkpoint.save(checkpoint.Checkpoint(point.config, params, {}), network)
        flags: Sequence[object] = (
            "--weights", network, "--lanes", point.lanes, "--strategy", point.strategy, "--seconds", point.seconds,
            "--segment-s", point.segment_s, "--epochs", args.epochs, "--repeats", args.repeats,
            "--features", "float32", "--json", out,
        )  # fmt: skip
        program = Path(sys.executable).parent / "ugosa-jax"
        subprocess.run([program, "bench", *map(str, flags)], check=True, stdout=subprocess.DEVNULL)
        return json.loads(out.read_text())["rows"][0]


if __name__ == "__main__":
    main()
