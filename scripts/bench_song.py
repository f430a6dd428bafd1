"""Measure how long a user waits for `ugosa-jax separate` on a song of four minutes, stage by stage.

    python scripts/bench_song.py
    python scripts/bench_song.py --networks mini --repeats 3
    python scripts/bench_song.py --networks htdemucs --seconds 60 --options --epochs 1

The song is the bundled demo song with its annotation, repeated. The first run of each network compiles all programs,
the following ones find them in the cache. The full-size ConvTasNet and HTDemucs have random weights, which take the
same time as trained ones. A cell of the table holds wall time and, in brackets, the processor time of all cores, which
other programs disturb less. The stages, which end when the command prints its next line:

    start      importing the command
    read       reading and checking weights, song and annotation
    compile    preparing segments, and compiling the adaptation; strategies R also separate the song once for remixes
    adapt      frozen stages and steps
    separate   the adapted network on the whole song, its compilation, refinement, writing stems
    report     the unadapted network on the whole song, for the comparison, and the page
"""

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import psutil

from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import merge_overlaps
from ugosa_jax.data import loading, sound
from ugosa_jax.data.sound import Sound
from ugosa_jax.errors import exit_status, require
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.networks.htdemucs import HTDemucs
from ugosa_jax.networks.protocol import Architecture
from ugosa_jax.weights import checkpoint
from ugosa_jax.weights.checkpoint import Checkpoint

RANDOM: dict[str, Architecture] = {"tasnet": ConvTasNet(), "htdemucs": HTDemucs()}
"""Networks that get random weights."""
NETWORKS = ("mini", "spleeter+mini", *RANDOM)
STAGES = {
    "start": b"imported",
    "read": b"device  ",
    "compile": b"adapting: ",
    "adapt": b"separating: ",
    "separate": b"separating, not adapted: ",
    "report": b"written  ",
}
"""Text that the command prints at the end of each stage."""
PROGRAM = """import sys, ugosa_jax.__main__, ugosa_jax.cli.main, ugosa_jax.cli.separate
print("imported")
ugosa_jax.__main__.program()
"""


class Cost(NamedTuple):
    """Seconds of wall time and of processor time."""

    wall_s: float
    cpu_s: float

    def less(self, other: "Cost") -> "Cost":
        """Return the difference."""
        return Cost(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)

    def __str__(self) -> str:
        return f"{self.wall_s:.1f} ({self.cpu_s:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="names or files of weights")
    parser.add_argument("--seconds", type=float, default=240, help="length of the song")
    parser.add_argument("--repeats", type=int, default=1, help="number of runs with compiled programs")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=(), help="further options of `separate`")
    args = parser.parse_args()
    require(args.repeats >= 1, "--repeats", "at least 1", args.repeats)
    with tempfile.TemporaryDirectory() as folder:
        for line in report(Path(folder), args.networks, args.seconds, args.repeats, args.options):
            print(line, flush=True)


def report(
    scratch: Path, networks: Sequence[str], seconds: float, repeats: int, options: Sequence[str]
) -> Iterator[str]:
    """Measure, and yield the table line by line; the row of runs with compiled programs holds their medians."""
    song = write_song(scratch, seconds)
    yield f"| | {' | '.join((*STAGES, 'in all'))} |"
    yield f"|---|{'---|' * (len(STAGES) + 1)}"
    for name in networks:
        weights = write_random_weights(scratch, name) if name in RANDOM else name
        programs = scratch / f"programs of {name}"
        command = ["separate", *song, "--weights", weights, "--out", str(scratch / name), *options]
        runs = [measure_run(command, programs) for _ in range(1 + repeats)]
        for label, part in (("cold", runs[:1]), ("warm", runs[1:])):
            medians = [Cost(*map(statistics.median, zip(*costs, strict=True))) for costs in zip(*part, strict=True)]
            yield f"| {name}, {label} | {' | '.join(map(str, medians))} |"


def measure_run(command: Sequence[str], programs: Path) -> list[Cost]:
    """Run the command line and return the cost of each of `STAGES`, and of all together."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(programs), "PYTHONUNBUFFERED": "1"}
    started, reached, output = time.perf_counter(), {}, b""
    with psutil.Popen(
        [sys.executable, "-c", PROGRAM, *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        while part := os.read(process.stdout.fileno(), 1 << 16):
            output += part
            cpu = process.cpu_times()
            for mark in STAGES.values():
                if mark in output:
                    reached.setdefault(mark, Cost(time.perf_counter() - started, cpu.user + cpu.system))
        code = process.wait()
    require(code == 0, "ugosa-jax separate", "to succeed", output.decode(errors="replace")[-2000:])
    ends = [reached[mark] for mark in STAGES.values()]
    return [end.less(begin) for begin, end in zip([Cost(0, 0), *ends], ends, strict=False)] + [ends[-1]]


def write_song(folder: Path, seconds: float) -> tuple[str, str, str]:
    """Write the demo song, repeated up to a length, and its annotation; return their arguments of `separate`."""
    song = loading.load_demo(("drums", "bass", "other", "vocals"))
    mixture, labels = song.mixture, song.require_annotation()
    n_samples = round(seconds * mixture.rate_hz)
    repeats = -(-n_samples // mixture.n_samples)
    mix_CxT = np.tile(mixture.samples_CxT, (1, repeats))[:, :n_samples]
    sound.write_audio(folder / "song.wav", mix_CxT, mixture.rate_hz)
    annotation.write_annotation(repeat_annotation(labels, mixture, repeats, seconds), folder / "song.csv")
    return str(folder / "song.wav"), "--annotation", str(folder / "song.csv")


def repeat_annotation(labels: Annotation, mixture: Sound, repeats: int, seconds: float) -> Annotation:
    """Return an annotation for as many repetitions of its song, which end after `seconds`."""
    shifted = [
        dataclasses.replace(interval, start_s=interval.start_s + begin_s, end_s=min(interval.end_s + begin_s, seconds))
        for begin_s in np.arange(repeats) * mixture.duration_s
        for interval in labels.intervals
        if interval.start_s + begin_s < seconds
    ]
    return dataclasses.replace(labels, intervals=merge_overlaps(shifted))


def write_random_weights(folder: Path, name: str) -> str:
    """Write a file of random weights and return its path."""
    net, path = RANDOM[name], folder / f"{name}.safetensors"
    checkpoint.save(Checkpoint(net, jax.device_get(net.init())), path)
    return str(path)


if __name__ == "__main__":
    raise SystemExit(exit_status(main))
