"""Measure a sweep over λ whose values run side by side against the same sweep, one cell at a time.

    python scripts/bench_sweep.py --songs-folder prepared --limit 3

The middle of each song is swept as `ugosa-jax sweep run` does it: loaded, adapted, separated, scored, stored. Every
sweep is a process of its own, so that the peak of its memory is its own, and that it compiles all it needs. Both
ways alternate; figures are medians. Programs of the step are counted by the events that JAX sends when it compiles.
"""

import argparse
import collections
import concurrent.futures
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from ugosa_jax import device
from ugosa_jax.data import datasets, multitrack, sound
from ugosa_jax.networks import hub
from ugosa_jax.sweeps import engine, grid, results
from ugosa_jax.sweeps.engine import Sweep
from ugosa_jax.sweeps.grid import Grid

GRID = """
weights = "{weights}"

[songs]
folder = "{folder}"

[adapt]
strategy = "{strategy}"
lam = {lam}
learning_rate = 1e-3
epochs = {epochs}
"""


class Measured(NamedTuple):
    """What one sweep took: seconds compiling, adapting (prefix and steps), altogether; bytes; programs of the step."""

    compile_s: float
    adapt_s: float
    whole_s: float
    peak_gb: float
    programs: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs-folder", type=Path, required=True, help="songs with stems, as of a sweep")
    parser.add_argument("--limit", type=int, default=3, help="how many of them")
    parser.add_argument("--seconds", type=float, default=12.0, help="length of what is taken from each")
    parser.add_argument("--weights", default="mini")
    parser.add_argument("--strategy", default="P-L3:M")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--values", type=int, default=9, help="of λ, from 1e-4 to 1e4")
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    lam = [float(value) for value in np.logspace(-4, 4, args.values)]
    with tempfile.TemporaryDirectory() as scratch:
        songs = Path(scratch, "songs")
        sources = hub.load(args.weights).config.sources
        for track in datasets.tracks(args.songs_folder, limit=args.limit):
            write_excerpt(track, sources, args.seconds, songs / track.name)
        text = GRID.format(weights=args.weights, folder=songs, strategy=args.strategy, lam=lam, epochs=args.epochs)
        ways = {f"{args.values} side by side": args.values, "one at a time": 1}
        found: dict[str, list[Measured]] = {way: [] for way in ways}
        for i in range(args.repeats):
            for way, n_lanes in ways.items():
                found[way].append(in_a_process_of_its_own(text, Path(scratch, f"store-{i}-{n_lanes}"), n_lanes))
    cells = f"{args.values} λ × {args.limit} songs of {args.seconds:g} s"
    print(f"{args.weights}, {args.strategy}, {args.epochs} epochs, {cells}, on {device.describe()}\n")
    print("| lanes | compiling s | adapting s | whole sweep s | peak GB | programs of the step |")
    print("|---|---|---|---|---|---|")
    for way, measured in found.items():
        middle = Measured(*map(statistics.median, zip(*measured, strict=True)))
        times = " | ".join(f"{value:.1f}" for value in middle[:3])
        print(f"| {way} | {times} | {middle.peak_gb:.2f} | {middle.programs:g} |")


def write_excerpt(track: datasets.Track, sources: tuple[str, ...], seconds: float, folder: Path) -> None:
    """Write the middle of a song, stems and mixture, as a song of its own."""
    loaded = multitrack.load(track, sources)
    rate_hz, n_samples = loaded.mixture.rate_hz, loaded.mixture.n_samples
    first = max(0, n_samples - round(seconds * rate_hz)) // 2
    middle = slice(first, first + round(seconds * rate_hz))
    for source, stem_CxT in zip(sources, loaded.stems_SxCxT, strict=True):
        sound.write(folder / f"{source}.wav", stem_CxT[:, middle], rate_hz)
    sound.write(folder / "mixture.wav", loaded.mixture.samples_CxT[:, middle], rate_hz)


def in_a_process_of_its_own(text: str, folder: Path, n_lanes: int) -> Measured:
    """Run `measure` in a fresh process."""
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        return other.submit(measure, grid.parse(text, "bench"), folder, n_lanes).result()


def measure(asked: Grid, folder: Path, n_lanes: int) -> Measured:
    """Run the sweep of a grid and return what it took; no compiled program is taken from a cache."""
    programs: collections.Counter[str] = collections.Counter()

    def on_event(event: str, duration_secs: float, **more: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            programs[str(more.get("fun_name"))] += 1

    jax.monitoring.register_event_duration_secs_listener(on_event)
    jax.config.update("jax_enable_compilation_cache", False)
    started = time.perf_counter()
    wanted = Sweep(asked, hub.load(asked.weights), engine.tracks(asked.songs), folder, n_lanes)
    engine.run(wanted, engine.cells_of(wanted), lambda *_: None)
    whole_s = time.perf_counter() - started
    timings = []
    for record in results.read_cells(folder).values():
        if record["status"] != "done":
            raise SystemExit(f"{record['song']}: {record['error']}")
        adaptation = record["adaptation"]
        timings.append({name: seconds / adaptation["lanes"] for name, seconds in adaptation["timing"].items()})
    compile_s, prefix_s, steps_s = (sum(one[name] for one in timings) for name in ("compile_s", "prefix_s", "steps_s"))
    n_programs = sum(n for name, n in programs.items() if "epoch_lanes" in name)
    return Measured(compile_s, prefix_s + steps_s, whole_s, device.peak_bytes() / 1e9, n_programs)


if __name__ == "__main__":
    main()
