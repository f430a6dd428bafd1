"""Measure HTDemucs here and in the PyTorch package demucs 4.1 side by side: time and memory.

    python scripts/bench_htdemucs.py --torch-python ~/torch-env/bin/python
    python scripts/bench_htdemucs.py --torch-python ~/torch-env/bin/python --rows forward D1:D --repeats 5

scripts/golden_htdemucs.py says how ~/torch-env is made. It goes as in scripts/bench_peer.py: one process each on all
cores, in turns, the same random weights and the same noise, losses compared. A step is forward, loss, backward and
optimizer on one segment of 7.8 s. PyTorch runs the whole network in a step; here the output of the frozen stages is
kept. For each row both are started anew, so that their peak is that row's; another process of ours compiles before.
Compiled programs are kept where JAX_COMPILATION_CACHE_DIR says, if it says something.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench_peer import Commands, Sizes, alternate, compare_answers, request_for, serving, spread, written_case

from ugosa_jax.errors import exit_status, require

ROWS = ("forward", "E1:D", "T1:D", "T5:D", "D1:D")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", type=Path, required=True, help="Python that has torch and demucs 4.1")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    require(args.repeats >= 1, "--repeats", "at least 1", args.repeats)
    with tempfile.TemporaryDirectory() as scratch:
        commands = Commands(Path(scratch), args.torch_python)
        for line in report(commands, args.rows, args.repeats):
            print(line, flush=True)


def report(commands: Commands, names: Sequence[str], repeats: int) -> Iterator[str]:
    """Measure, and yield the table line by line."""
    sizes = Sizes(repeats, segment_s=7.8, segments=1)
    config, case = written_case(commands, "htdemucs", sizes.segment_s)
    programs = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR", commands.scratch / "programs"))
    yield "| | PyTorch s | here s | times faster | PyTorch GB | here GB | losses differ by |"
    yield "|---|---|---|---|---|---|---|"
    for name in names:
        request = request_for(name, config, sizes)
        with serving(*commands.ours(case, programs)) as ours:
            ours(request)
        with serving(*commands.peer(case)) as peer, serving(*commands.ours(case, programs)) as ours:
            yield row_line(name, *alternate(peer, ours, request, repeats))


def row_line(name: str, peer: list[dict], ours: list[dict]) -> str:
    """Return a row of the table: medians, and in brackets the least and the most."""
    row = compare_answers(name, peer, ours)
    ratio = statistics.median(row["peer_s"]) / statistics.median(row["ours_s"])
    label = name if name == "forward" else f"one step of P-{name}"
    gigabytes = " | ".join(f"{max(answer['peak_bytes'] for answer in side) / 1e9:.2f}" for side in (peer, ours))
    times = f"{spread(row['peer_s'])} | {spread(row['ours_s'])} | {ratio:.2f}"
    return f"| {label} | {times} | {gigabytes} | {row['difference']:.0e} |"


if __name__ == "__main__":
    raise SystemExit(exit_status(main))
