"""Measure this package and the PyTorch package demucs side by side, and write docs/performance/peer.md.

    python scripts/bench_peer.py --torch-python ~/torch-env/bin/python
    python scripts/bench_peer.py --torch-python ~/torch-env/bin/python --model mini --rows forward L3:M --repeats 5
    python scripts/bench_peer.py --torch-python ~/torch-env/bin/python --quick      # does it work? writes nothing

scripts/bench_pytorch.py says how ~/torch-env is made. Each of the two is one process on all cores; they take turns
(A B A B …), so that only one works at a time, and a first turn of each is not counted. Nothing else should run then:
PyTorch's threads wait for each other by spinning, and with other work beside them its small products take many times
as long (OMP_WAIT_POLICY=PASSIVE in the environment avoids that; it is recorded). Both have the same weights and must
find the same losses. Weights are random for the full-size network, the song is noise: they cost what others cost. Rows
are measured one by one; a row that is measured again takes the place of the one before in peer.json, from which
the table is made. Row "song" needs "forward" and "L3:M" before it.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from bench_adaptation import noise_case, write_case
from peer_table import table

from ugosa_jax import files
from ugosa_jax.adaptation import strategy
from ugosa_jax.config import ModelConfig, SeparateConfig, require
from ugosa_jax.errors import InputError
from ugosa_jax.networks import apply, convtasnet_torch

HERE = Path(__file__).parent
ROWS = ("forward", "blocks", "L1:D", "L3:M", "L5:D", "song", "compile", "memory")
LAM = 1.0
SAME = 1e-4  # relative difference of losses: single precision, summed in another order through some forty layers

Ask = Callable[[dict], dict]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How long things are: a segment, the songs of the rows song and memory, and how often is repeated."""

    repeats: int
    segment_s: float = 4.0
    segments: int = 3
    song_s: float = 60.0
    epochs: int = 10
    long_song_s: float = 240.0


QUICK = Sizes(repeats=1, segment_s=0.5, segments=2, song_s=3.0, epochs=1, long_song_s=5.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", type=Path, required=True, help="Python that has torch and demucs 2.0.3")
    parser.add_argument("--model", choices=["demucs", "mini"], default="demucs", help="full-size, or the bundled one")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="short pieces, one repeat, nothing written")
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "performance", help="folder of the table")
    args = parser.parse_args()
    try:
        require(args.repeats >= 1, "--repeats", "at least 1", args.repeats)
        record = measure(args, QUICK if args.quick else Sizes(args.repeats))
    except InputError as error:
        sys.exit(f"error: {error}")
    print(table(record))


def measure(args: argparse.Namespace, sizes: Sizes) -> dict:
    """Measure the rows that are asked for and return the record that they became part of."""
    path = args.out / "peer.json"
    record = json.loads(path.read_text("utf-8")) if path.is_file() and not args.quick else {}

    def keep(name: str, row: dict) -> None:
        record.setdefault(args.model, {})[name] = row
        print(name, row, file=sys.stderr, flush=True)
        if not args.quick:
            files.write_json(record, path)
            with files.replaced_when_done(path.with_suffix(".md")) as temporary:
                temporary.write_text(table(record), "utf-8")

    with tempfile.TemporaryDirectory() as scratch:
        commands = Commands(Path(scratch), args.torch_python)
        config, case = written_case(commands, args.model, sizes.segments * sizes.segment_s, sizes)
        with serving(*commands.peer(case)) as peer, serving(*commands.ours(case)) as ours:
            lengths = {key: value for key, value in dataclasses.asdict(sizes).items() if key != "repeats"}
            about = {"do": "about"}
            check_setting(record, {"ours": ours(about), "peer": peer(about), "lengths": lengths})
            for name in (name for name in ROWS[:5] if name in args.rows):
                request, busy = request_of(name, config, sizes), busy_percent()
                row = compared(name, *alternate(peer, ours, request, sizes.repeats))
                keep(name, row | busy | (ours(request | {"do": "limit"}) if name.startswith("L") else {}))
        for name, measured in {"song": song_row, "compile": compile_row, "memory": memory_row}.items():
            if name in args.rows:
                keep(name, busy_percent() | measured(commands, args.model, sizes, record))
    return record


def busy_percent() -> dict:
    """Return how much of the processors other programs use, measured for a second in which we do nothing."""
    return {"busy_percent": psutil.cpu_percent(1.0)}


@dataclasses.dataclass(frozen=True)
class Commands:
    """Where cases and compiled programs are put, and the Python that has torch."""

    scratch: Path
    torch_python: Path

    def ours(self, case: Path, programs: Path | None = None) -> tuple[list[str], dict[str, str]]:
        """Return command and environment of our program; compiled programs are kept in a folder of this run."""
        command = [sys.executable, str(HERE / "bench_adaptation.py"), str(case)]
        return command, {"JAX_COMPILATION_CACHE_DIR": str(programs or self.scratch / "programs")}

    def peer(self, case: Path) -> tuple[list[str], dict[str, str]]:
        """Return command and environment of the peer's."""
        return [str(self.torch_python.expanduser()), str(HERE / "bench_pytorch.py"), str(case)], {}


# Processes


@contextlib.contextmanager
def serving(command: list[str], environment: dict[str, str]) -> Iterator[Ask]:
    """Start a process that answers a JSON object with a JSON object, line by line, and yield what asks it.

    Raises:
      InputError: it cannot be started, or ends instead of answering.
    """
    slowing = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # where they are set, numpy and torch may use older kernels
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
        with contextlib.suppress(BrokenPipeError):  # what an ended process did not read
            process.communicate()


def alternate(peer: Ask, ours: Ask, request: dict, repeats: int) -> tuple[list[dict], list[dict]]:
    """Ask both in turn, once more than is counted, and return the answers that count."""
    rounds = [(peer(request), ours(request)) for _ in range(1 + repeats)][1:]
    first, second = zip(*rounds, strict=True)
    return list(first), list(second)


# Rows


def request_of(name: str, config: ModelConfig, sizes: Sizes) -> dict:
    """Return what both are asked for a row."""
    request = {"lam": LAM, "segment_samples": round(sizes.segment_s * config.sample_rate_hz)}
    if name in ("forward", "blocks"):
        return request | {"do": name}
    return request | step_request(f"P-{name}", config) | {"segments": sizes.segments, "epochs": 1}


def step_request(name: str, config: ModelConfig) -> dict:
    """Return what asks for a strategy's step: its name for us, torch's names of the tuned tensors for the peer."""
    stages = strategy.parse(name, config).tuned
    tuned = [row.name for path, row in convtasnet_torch.table(config).items() if path.split(".")[0] in stages]
    return {"do": "step", "strategy": name, "tuned": tuned}


def compared(name: str, peer: list[dict], ours: list[dict]) -> dict:
    """Return a row of two lists of answers.

    Raises:
      InputError: they do not compute the same.
    """
    pairs = [(a, b) for x, y in zip(peer, ours, strict=True) for a, b in zip(x["losses"], y["losses"], strict=True)]
    difference = max(abs(a - b) / abs(a) if a else abs(b) for a, b in pairs)
    if not difference <= SAME:
        raise InputError(f"{name}: losses differ by {difference:.1e} of their size: {pairs}")
    if (found := peer[0].get("n_tuned")) != (expected := ours[0].get("n_tuned")):
        raise InputError(f"{name}: PyTorch tunes {found} numbers, this package {expected}")
    row = {side: [answer["seconds"] for answer in answers] for side, answers in (("peer_s", peer), ("ours_s", ours))}
    prefix = {"prefix_s": [answer["prefix_s"] for answer in ours]} if "prefix_s" in ours[0] else {}
    return row | {"loss_difference": difference} | prefix


def song_row(commands: Commands, name: str, sizes: Sizes, record: dict) -> dict:
    """Measure a song from the start of the process to its stems, once; the table extrapolates the peer's time."""
    if not {"forward", "L3:M"} <= record.get(name, {}).keys():
        raise InputError("row song: extrapolates the rows forward and L3:M, which have not been measured")
    config, path = written_case(commands, name, sizes.song_s, sizes)
    request = request_of("L3:M", config, sizes) | {"do": "song", "epochs": sizes.epochs}
    started = time.perf_counter()
    with serving(*commands.ours(path, commands.scratch / "song")) as ours:
        answer = ours(request)
        ours_s = time.perf_counter() - started
    return {"ours_s": [ours_s], "separated_s": chunked_s(sizes.song_s, config, SeparateConfig()), **answer}


def chunked_s(song_s: float, config: ModelConfig, settings: SeparateConfig) -> float:
    """Return how many seconds of sound the network sees when a song is separated in overlapping chunks."""
    n_samples, chunk = (round(seconds * config.sample_rate_hz) for seconds in (song_s, settings.chunk_s))
    starts = apply.offsets(n_samples, chunk, settings.overlap)
    return sum(min(chunk, n_samples - start) for start in starts) / config.sample_rate_hz


def compile_row(commands: Commands, name: str, sizes: Sizes, record: dict) -> dict:
    """Measure compiling in new processes: without a cache, and with what the one before left there."""
    config, path = written_case(commands, name, sizes.segments * sizes.segment_s, sizes)
    request = request_of("L3:M", config, sizes) | {"segments": 1}
    times: dict[str, list[float]] = {"cold_s": [], "cached_s": []}
    for i in range(sizes.repeats):
        for kind in times:
            with serving(*commands.ours(path, commands.scratch / f"programs{i}")) as ours:
                times[kind].append(ours(request)["compile_s"])
    return times


def memory_row(commands: Commands, name: str, sizes: Sizes, record: dict) -> dict:
    """Measure the peak memory of a process that adapts to a long song, after each of three epochs of two steps."""
    config, path = written_case(commands, name, sizes.long_song_s, sizes)
    with serving(*commands.ours(path)) as ours:
        answer = ours(request_of("L3:M", config, sizes) | {"segments": 2, "epochs": 3})
    return {"peak_bytes_E": answer["peak_bytes_E"]}


def written_case(commands: Commands, name: str, seconds: float, sizes: Sizes) -> tuple[ModelConfig, Path]:
    """Write a case with a song so long; return its network's sizes and its path."""
    path = commands.scratch / f"{name}-{seconds:g}.npz"
    case = noise_case(name, seconds, round(sizes.segment_s * ModelConfig.sample_rate_hz))
    write_case(case, path)
    return case.config, path


def check_setting(record: dict, setting: dict) -> None:
    """Put the setting into a record that has none.

    Raises:
      InputError: the record holds rows of another machine, version or length.
    """
    known = record.setdefault("setting", setting)
    if changed := [key for key in setting if known[key] != setting[key]]:
        said = "; ".join(f"{key} was {known[key]} and is {setting[key]}" for key in changed)
        raise InputError(f"peer.json: holds rows of another setting, move it away ({said})")


if __name__ == "__main__":
    main()
