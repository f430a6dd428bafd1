"""Measure HTDemucs here and in the PyTorch package demucs 4.1 side by side, and each of its stages by itself.

    python scripts/bench_htdemucs.py --torch-python ~/torch-env/bin/python
    python scripts/bench_htdemucs.py --torch-python ~/torch-env/bin/python --rows forward D1:D --repeats 5
    python scripts/bench_htdemucs.py --torch-python ~/torch-env/bin/python --kinds plain cached "cached compiled"
    python scripts/bench_htdemucs.py --stages                                # needs no PyTorch
    python scripts/bench_htdemucs.py --stages encoder1 layer1

scripts/golden_htdemucs.py explains how to make ~/torch-env. The method is that of scripts/bench_peer.py: one process
per side, on all cores, in turns, with the same random weights and noise; their losses are compared. A step is forward,
loss, backward and optimizer on one segment of 7.8 s. The output of the frozen stages is stored here; in PyTorch, the
kind "plain" runs the whole network in a step, "cached" stores it too, and "compiled" uses `torch.compile`. Each row
starts new processes, so that their peak memory is that of the row. Before them, an extra process with JAX compiles the
programs, into JAX_COMPILATION_CACHE_DIR if it is set.

With --stages, each stage is a program of its own: forward, and forward with the gradients of parameters and inputs.
Times are processor times, which other programs disturb less; with `taskset -c 0` and OMP_NUM_THREADS=1 they are those
of one core. Temporary memory is that of XLA's buffer assignment.
"""

import argparse
import functools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from bench_peer import (
    Commands,
    Sizes,
    alternate,
    compare_answers,
    format_spread,
    label_row,
    make_request,
    start_process,
    write_temporary_case,
)

from ugosa_jax.errors import exit_status, require
from ugosa_jax.networks.htdemucs import HTDemucs, network

ROWS = ("forward", "E1:D", "T1:D", "T5:D", "D1:D")
NOTHING_FROZEN = ("forward", "E1:D")
"""Rows without frozen stages whose output could be stored."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", type=Path, help="Python that has torch and demucs 4.1")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--kinds", nargs="+", default=["plain"], help="optimisations in PyTorch")
    parser.add_argument("--stages", nargs="*", help="measure stages: all, or those whose names begin with these")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    require(args.repeats >= 1, "--repeats", "at least 1", args.repeats)
    if args.stages is not None:
        for line in report_stages(HTDemucs(), args.stages, args.repeats):
            print(line, flush=True)
        return
    require(args.torch_python is not None, "--torch-python", "given, or --stages", args.torch_python)
    with tempfile.TemporaryDirectory() as scratch:
        commands = Commands(Path(scratch), args.torch_python)
        for line in report(commands, args.rows, args.kinds, args.repeats):
            print(line, flush=True)


def report(commands: Commands, names: Sequence[str], kinds: Sequence[str], repeats: int) -> Iterator[str]:
    """Measure, and yield the table line by line."""
    # Several steps in each epoch: an epoch allocates gigabytes anew, and the first access to a page takes time.
    sizes = Sizes(repeats, segment_s=7.8)
    config, case = write_temporary_case(commands, "htdemucs", sizes.segments * sizes.segment_s)
    programs = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR", commands.scratch / "programs"))
    yield "| | PyTorch s | here s | times faster | PyTorch GB | here GB | losses differ by | compile s |"
    yield "|---|---|---|---|---|---|---|---|"
    for name in names:
        request = make_request(name, config, sizes)
        with start_process(*commands.ours(case, programs)) as ours:
            compile_s = ours(request).get("compile_s")
        for kind in kinds:
            if "cached" in kind and name in NOTHING_FROZEN:
                continue
            with start_process(*commands.peer(case)) as peer, start_process(*commands.ours(case, programs)) as ours:
                line = row_line(name, kind, *alternate(peer, ours, request | {"kind": kind}, repeats))
            yield f"{line} {'' if compile_s is None else f'{compile_s:.0f}'} |"


def row_line(name: str, kind: str, peer: list[dict], ours: list[dict]) -> str:
    """Return a row of the table: medians, with minimum and maximum in brackets."""
    row = compare_answers(name, peer, ours)
    ratio = statistics.median(row["peer_s"]) / statistics.median(row["ours_s"])
    gigabytes = " | ".join(f"{max(answer['peak_bytes'] for answer in side) / 1e9:.2f}" for side in (peer, ours))
    times = f"{format_spread(row['peer_s'])} | {format_spread(row['ours_s'])} | {ratio:.2f}"
    return f"| {label_row(name, kind)} | {times} | {gigabytes} | {row['difference']:.0e} |"


# Stages


def report_stages(config: HTDemucs, names: Sequence[str], repeats: int) -> Iterator[str]:
    """Measure the stages whose names begin with one of `names`, or all stages; yield the table line by line."""
    yield "| stage | forward ms | with gradient ms | temporary MB | with gradient MB | compile s | with gradient s |"
    yield "|---|---|---|---|---|---|---|"
    total_ms = np.zeros(2)
    for name, function, arguments in stage_functions(config):
        if names and not name.startswith(tuple(names)):
            continue
        results = jax.eval_shape(function, *arguments)
        toward = jax.tree.map(lambda leaf: noise(leaf.shape), results)
        columns = (
            measure_program(function, arguments, repeats),
            measure_program(functools.partial(value_and_gradient, function), (arguments, toward), repeats),
        )
        total_ms += [column[0] for column in columns]
        cells = (
            f"{value:.{digits}f}"
            for pair, digits in zip(zip(*columns, strict=True), (0, 0, 1), strict=True)
            for value in pair
        )
        yield f"| {name} | {' | '.join(cells)} |"
    yield f"| together | {total_ms[0]:.0f} | {total_ms[1]:.0f} | | | | |"


def stage_functions(config: HTDemucs) -> Iterator[tuple[str, Callable, tuple]]:
    """Yield name, function and arguments of each stage; encoders and decoders have one for each branch."""
    n_samples, params = round(config.segment_s * config.sample_rate_hz), noise_params(config)
    for name, (x, skip) in stage_inputs(config, params, n_samples).items():
        own = {name: params[name]} if name in params else {}
        if not name.startswith(("encoder", "decoder")):
            yield name, functools.partial(run_stage, config, name, n_samples), (own, x)
            continue
        level = config.depth + 1 - int(name[7:])
        for branch, length in zip(("freq", "time"), config.list_lengths(n_samples)[level - 1], strict=True):
            arguments = (own, x[branch]) if name.startswith("encoder") else (own, x[branch], skip[branch])
            yield f"{name}, {branch}", functools.partial(run_layer, config, name, branch, length), arguments


def stage_inputs(config: HTDemucs, params: Any, n_samples: int) -> dict[str, tuple[Any, Any]]:
    """Return noise in the shapes of the inputs of each stage: both branches, and for decoders the skip."""
    shapes = {}

    def record(params, mix_CxT):
        net = network.bind(config, params)
        x, skips = net.prepare_inputs(mix_CxT), {}
        for name in network.list_steps(config):
            level = config.depth + 1 - int(name[7:]) if name.startswith("decoder") else 0
            skip = skips.get(f"encoder{level}")
            x = {"freq": x["freq"], "time": x["time"]}
            shapes[name] = jax.tree.map(lambda leaf: leaf.shape, (x, skip))
            x = net.run_step(name, x, skips, n_samples)
            if name.startswith("encoder") or name == "frequency_embedding":
                skips[name if name.startswith("encoder") else "encoder1"] = x
        return x

    jax.eval_shape(record, params, jax.ShapeDtypeStruct((config.channels, n_samples), jnp.float32))
    return jax.tree.map(noise, shapes, is_leaf=lambda leaf: isinstance(leaf, tuple) and isinstance(leaf[0], int))


def run_stage(config: HTDemucs, name: str, n_samples: int, params: Any, x: Any) -> Any:
    x = network.bind(config, params).run_step(name, x, {}, n_samples)
    return {"freq": x["freq"], "time": x["time"]}


def run_layer(config: HTDemucs, name: str, branch: str, length: int, params: Any, *inputs: jax.Array) -> jax.Array:
    layer = getattr(getattr(network.bind(config, params), name), branch)
    return layer(*inputs) if name.startswith("encoder") else layer(*inputs, length)[0]


def value_and_gradient(function: Callable, arguments: tuple, toward: Any) -> tuple[Any, Any]:
    value, pull = jax.vjp(function, *arguments)
    return value, pull(toward)


def measure_program(function: Callable, arguments: tuple, repeats: int) -> tuple[float, float, float]:
    """Return the smallest processor time in ms, the temporary memory in MB, and the compile time in s."""
    started = time.perf_counter()
    program = jax.jit(function).lower(*arguments).compile()
    compile_s, times_s = time.perf_counter() - started, []
    for _ in range(1 + repeats):
        started = time.process_time()
        jax.block_until_ready(program(*arguments))
        times_s.append(time.process_time() - started)
    temporary_bytes = getattr(program.memory_analysis(), "temp_size_in_bytes", 0)
    return 1e3 * min(times_s[1:]), temporary_bytes / 1e6, compile_s


def noise_params(config: HTDemucs) -> Any:
    """Return random parameters, small enough that values do not grow from layer to layer."""
    return jax.tree.map(lambda leaf: 0.05 * noise(leaf.shape), jax.eval_shape(config.init))


def noise(shape: tuple[int, ...]) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape, np.float32))


if __name__ == "__main__":
    raise SystemExit(exit_status(main))
