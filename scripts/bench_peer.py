"""Measure this package and the PyTorch package demucs side by side.

    python scripts/bench_peer.py --torch-python ~/torch-env/bin/python
    python scripts/bench_peer.py --torch-python ~/torch-env/bin/python --model mini --rows forward L3:M --repeats 5
    python scripts/bench_peer.py --torch-python ~/torch-env/bin/python --rows L3:M --kinds plain cached "cached matmul"
    python scripts/bench_peer.py --torch-python ~/torch-env/bin/python --quick      # a short check

scripts/peer_torch.py explains how to make ~/torch-env. Each package runs in one process, on all cores. The two take
turns (A B A B …), so that only one works at a time, and their first turns are not counted. Nothing else should run
meanwhile: PyTorch's threads wait for each other by spinning, and beside other programs its small matrix products take
many times as long. Both have the same weights and must compute the same losses. The weights of the full-size network
are random, and the song is noise; this does not change the times.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import psutil
from peer_jax import make_noise_case, write_case

from ugosa_jax.adaptation import strategy
from ugosa_jax.config import Precision, SeparateConfig
from ugosa_jax.errors import InputError, exit_status, require
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.networks.htdemucs import HTDemucs
from ugosa_jax.networks.protocol import Architecture
from ugosa_jax.separation import chunks
from ugosa_jax.weights import convtasnet_torch, htdemucs_torch

HERE = Path(__file__).parent
STEPS = ("L1:D", "L3:M", "L5:D")
ROWS = ("forward", *STEPS, "song")
LAM = 1.0
MAX_DIFFERENCE_BFLOAT16 = 0.05
MAX_DIFFERENCE = 1e-4  # relative, of losses: rounding of single precision through some forty layers

Ask = Callable[[dict], dict]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Numbers of repetitions, and lengths."""

    repeats: int
    segment_s: float = 4.0
    segments: int = 3
    song_s: float = 60.0
    epochs: int = 10


QUICK = Sizes(repeats=1, segment_s=0.5, segments=2, song_s=3.0, epochs=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", type=Path, required=True, help="Python that has torch and demucs 2.0.3")
    parser.add_argument("--model", choices=["demucs", "mini"], default="demucs", help="full-size, or the bundled one")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--kinds", nargs="+", default=["plain"], help="optimisations of the steps in PyTorch")
    parser.add_argument(
        "--precision", choices=get_args(Precision), default="float32", help="precision of the steps here"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="short pieces, one repeat")
    args = parser.parse_args()
    require(args.repeats >= 1, "--repeats", "at least 1", args.repeats)
    sizes = QUICK if args.quick else Sizes(args.repeats)
    with tempfile.TemporaryDirectory() as scratch:
        commands = Commands(Path(scratch), args.torch_python)
        for line in report(commands, args.model, args.rows, sizes, args.kinds, args.precision):
            print(line, flush=True)


def report(
    commands: "Commands",
    model: str,
    names: Sequence[str],
    sizes: Sizes,
    kinds: Sequence[str] = ("plain",),
    precision: Precision = "float32",
) -> Iterator[str]:
    """Measure, and yield the lines of the table."""
    config, case = write_temporary_case(commands, model, sizes.segments * sizes.segment_s)
    rows = {}
    with start_process(*commands.peer(case)) as peer, start_process(*commands.ours(case)) as ours:
        about = {"do": "about"}
        yield ", ".join(f"{name} {value}" for name, value in (ours(about) | peer(about)).items())
        busy = psutil.cpu_percent(1.0)  # both processes are idle now
        yield f"segments of {sizes.segment_s:g} s; other programs used {busy:.0f} % of the processors at the start\n"
        yield "| | PyTorch s | here s | times faster | losses differ by |"
        yield "|---|---|---|---|---|"
        for name in (name for name in ROWS if name in names and name != "song"):
            for kind in kinds if name in STEPS else ("plain",):
                request = make_request(name, config, sizes) | {"kind": kind, "precision": precision}
                row = compare_answers(name, *alternate(peer, ours, request, sizes.repeats), f"{kind} {precision}")
                rows.setdefault(name, row)
                yield format_row(name, row, kind)
    if "song" in names:
        yield from format_song(measure_song(commands, model, sizes), rows, sizes)


@dataclasses.dataclass(frozen=True)
class Commands:
    """Folders of cases and compiled programs, and the Python interpreter with torch."""

    scratch: Path
    torch_python: Path

    def ours(self, case: Path, programs: Path | None = None) -> tuple[list[str], dict[str, str]]:
        """Return command and environment of our process; its compiled programs are stored in a folder of this run."""
        command = [sys.executable, str(HERE / "peer_jax.py"), str(case)]
        return command, {"JAX_COMPILATION_CACHE_DIR": str(programs or self.scratch / "programs")}

    def peer(self, case: Path) -> tuple[list[str], dict[str, str]]:
        """Return command and environment of the peer's process."""
        return [str(self.torch_python.expanduser()), str(HERE / "peer_torch.py"), str(case)], {}


# Processes


@contextlib.contextmanager
def start_process(command: list[str], environment: dict[str, str]) -> Iterator[Ask]:
    """Start a process that answers each line of JSON with a line of JSON, and yield a function that asks it.

    Raises:
      InputError: it cannot be started, or ends instead of answering.
    """
    slowing = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # if these are set, numpy and torch may use older kernels
    inherited = {name: value for name, value in os.environ.items() if name not in slowing}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": inherited | environment}
    try:
        process = subprocess.Popen(command, **pipes)
    except OSError as error:
        raise InputError(f"{command[0]}: cannot be started ({error.strerror})") from error

    def ask(request: dict) -> dict:
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(request), file=process.stdin, flush=True)
        answer = process.stdout.readline()  # pyright: ignore[reportOptionalMemberAccess]
        if not answer:
            raise InputError(f"{' '.join(command[:2])}: ended with code {process.wait()} instead of answering")
        return json.loads(answer)

    try:
        yield ask
    finally:
        process.kill()
        with contextlib.suppress(BrokenPipeError):  # raised if the process has ended already
            process.communicate()


def alternate(peer: Ask, ours: Ask, request: dict, repeats: int) -> tuple[list[dict], list[dict]]:
    """Send a request to both processes in turn, and return their answers except the first."""
    rounds = [(peer(request), ours(request)) for _ in range(1 + repeats)][1:]
    first, second = zip(*rounds, strict=True)
    return list(first), list(second)


# Rows


def make_request(name: str, config: Architecture, sizes: Sizes) -> dict:
    """Return the request for a row; tuned tensors have their names in PyTorch."""
    request = {"lam": LAM, "segment_samples": round(sizes.segment_s * config.sample_rate_hz)}
    if name == "forward":
        return request | {"do": "forward"}
    stages = strategy.parse(f"P-{name}", config).tuned
    if isinstance(config, HTDemucs):
        table = htdemucs_torch.build_table(config)
    else:
        assert isinstance(config, ConvTasNet)
        table = convtasnet_torch.build_table(config)
    tuned = [row.name for path, row in table.items() if path.split(".")[0] in stages]
    step = {"do": "step", "strategy": f"P-{name}", "tuned": tuned}
    return request | step | {"segments": sizes.segments, "epochs": 1}


def compare_answers(name: str, peer: list[dict], ours: list[dict], kind: str = "plain") -> dict:
    """Return the row for two lists of answers.

    Raises:
      InputError: their losses or numbers of tuned parameters differ.
    """
    pairs = [(a, b) for x, y in zip(peer, ours, strict=True) for a, b in zip(x["losses"], y["losses"], strict=True)]
    difference = max(abs(a - b) / abs(a) if a else abs(b) for a, b in pairs)
    if not difference <= (MAX_DIFFERENCE_BFLOAT16 if "bfloat16" in kind else MAX_DIFFERENCE):
        raise InputError(f"{name}: losses differ by {difference:.1e} of their size: {pairs}")
    if (found := peer[0].get("n_tuned")) != (expected := ours[0].get("n_tuned")):
        raise InputError(f"{name}: PyTorch tunes {found} numbers, this package {expected}")
    row = {side: [answer["seconds"] for answer in answers] for side, answers in (("peer_s", peer), ("ours_s", ours))}
    return row | {"difference": difference}


def measure_song(commands: Commands, model: str, sizes: Sizes) -> dict:
    """Measure one song, from the start of the process to its stems."""
    config, path = write_temporary_case(commands, model, sizes.song_s)
    request = make_request("L3:M", config, sizes) | {"do": "song", "epochs": sizes.epochs}
    started = time.perf_counter()
    with start_process(*commands.ours(path, commands.scratch / "song")) as ours:
        answer = ours(request)
        whole_s = time.perf_counter() - started
    return {"whole_s": whole_s, "separated_s": count_chunked_seconds(sizes.song_s, config, SeparateConfig()), **answer}


def count_chunked_seconds(song_s: float, config: Architecture, settings: SeparateConfig) -> float:
    """Return the total length in seconds of the overlapping chunks in which a song is separated."""
    n_samples, chunk = round(song_s * config.sample_rate_hz), chunks.choose_chunk_samples(config, settings)
    (starts,) = chunks.list_starts(config, n_samples, settings)
    return sum(min(chunk, n_samples - start) for start in starts) / config.sample_rate_hz


def write_temporary_case(commands: Commands, model: str, seconds: float) -> tuple[Architecture, Path]:
    """Write a case with a song of a given length; return the sizes of its network and its path."""
    path = commands.scratch / f"{model}-{seconds:g}.npz"
    case = make_noise_case(model, seconds)
    write_case(case, path)
    return case.config, path


# Lines


def label_row(name: str, kind: str) -> str:
    """Return the label of a row, with the optimisations in PyTorch if there are any."""
    label = name if name == "forward" else f"one step of P-{name}"
    return label if kind == "plain" else f"{label}, {kind}"


def format_row(name: str, row: dict, kind: str = "plain") -> str:
    """Return a row of the table: medians, with minimum and maximum in brackets."""
    ratio = statistics.median(row["peer_s"]) / statistics.median(row["ours_s"])
    ratios = [a / b for a, b in zip(row["peer_s"], row["ours_s"], strict=True)]
    times = f"{format_spread(row['peer_s'])} | {format_spread(row['ours_s'])}"
    label, spread = label_row(name, kind), f"{ratio:.1f} ({min(ratios):.1f}–{max(ratios):.1f})"
    return f"| {label} | {times} | {spread} | {row['difference']:.0e} |"


def format_song(song: dict, rows: dict, sizes: Sizes) -> Iterator[str]:
    """Yield the row for a whole song; the peer's time is extrapolated from its medians, if they were measured."""
    label, n_steps = f"a song of {sizes.song_s:g} s, {sizes.epochs} epochs", sizes.epochs * song["n_segments"]
    peer, ratio = "–", "–"
    if {"forward", "L3:M"} <= rows.keys():
        forward_s, step_s = (statistics.median(rows[name]["peer_s"]) for name in ("forward", "L3:M"))
        peer_s = n_steps * step_s + song["separated_s"] / sizes.segment_s * forward_s
        peer, ratio = f"{peer_s:.0f}, extrapolated", f"{peer_s / song['whole_s']:.1f}"
    yield f"| {label} | {peer} | {song['whole_s']:.0f} | {ratio} | – |"
    parts = ", ".join(f"{name} {song[name + '_s']:.1f} s" for name in ("compile", "prefix", "steps", "separate"))
    yield f"\nThe song, P-L3:M, from the start of the process to its stems: {parts}; the rest is starting and loading."
    yield f"Extrapolated: {n_steps} steps, and forward for {song['separated_s']:g} s of overlapping chunks."


def format_spread(values: list[float]) -> str:
    """Return the median, with minimum and maximum in brackets if there are several values."""
    middle = f"{statistics.median(values):.2f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.2f}–{max(values):.2f})"


if __name__ == "__main__":
    raise SystemExit(exit_status(main))
