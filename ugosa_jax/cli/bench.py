"""The command `ugosa-jax bench`: a table of speed with a row for each number of lanes, and its record as JSON."""

import dataclasses
import os
import re
from typing import Any

import jax

from ugosa_jax import device, files
from ugosa_jax.adaptation import strategy
from ugosa_jax.bench import chips, compiled, timing
from ugosa_jax.bench.timing import Measurement
from ugosa_jax.cli import options
from ugosa_jax.cli.output import print_line
from ugosa_jax.config import MAX_PIECE_S
from ugosa_jax.errors import InputError, require
from ugosa_jax.networks import protocol
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.networks.htdemucs import HTDemucs
from ugosa_jax.networks.protocol import Architecture, Params
from ugosa_jax.song_job import record
from ugosa_jax.weights import hub
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.weights import list_networks


def bench(args: options.Bench) -> int:
    """Measure, print the table row by row and write the record; return 1 if there was not enough memory, else 0.

    Raises:
      InputError: an argument, the network or the file of the record cannot be used.
    """
    lanes = parse_lanes(args.lanes)
    require(args.repeats >= 1, "--repeats", "at least 1", args.repeats)
    require(0 < args.seconds <= MAX_PIECE_S, "--seconds", f"above 0, at most {MAX_PIECE_S:g}", args.seconds)
    if args.json is not None and args.json.is_dir():
        raise InputError(f"{args.json}: is a folder, but must be a file")
    config, params, network = load_network(args)
    args = dataclasses.replace(args, adapt=strategy.fill_defaults(args.adapt, config))
    if args.compile_only is not None:
        return estimate_for_chips(args, config, network, lanes)
    print_head(args, network)
    rows = []
    for n_lanes in lanes:
        try:
            rows.append(timing.measure_lanes(config, params, args.adapt, n_lanes, args.seconds, args.repeats))
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            print_line(f"| {n_lanes} | not enough memory on the device |")
            break
        print_row(rows[-1])
    if args.json is not None:
        files.write_json(make_record(args, network, config, rows), args.json)
    return 0 if len(rows) == len(lanes) else 1


def estimate_for_chips(args: options.Bench, net: Architecture, network: dict[str, Any], lanes: list[int]) -> int:
    """Compile for a device topology, print a row for each program and write the record; return 0.

    Raises:
      InputError: the topology is not available, or its chips are unknown.
    """
    devices = compiled.describe_topology(str(args.compile_only))
    chip = chips.get_chip(devices[0].device_kind)
    print(describe_task(args, network))
    print_line(
        f"compiled for {len(devices)} devices {chip.name} ({args.compile_only}); the row of an epoch is for one step."
    )
    print("Nothing was run: estimates from compiled programs and published peak rates; memory ms is an upper bound.\n")
    columns = ("program", "lanes", "devices", "compile s", "GFLOP", "GB accessed", "GB held", "of them temporary",
               "compute ms", "memory ms", "lanes that fit a device", "collectives")  # fmt: skip
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns), flush=True)
    rows = []
    for n_lanes in lanes:
        for row in compiled.compile_programs(devices, net, args.adapt, n_lanes, args.seconds):
            rows.append(row)
            exchanged = ", ".join(f"{count} {kind}" for kind, count in row.collectives.items()) or "none"
            memory_s = row.estimate_memory_s(chip)
            accessed = "–" if row.bytes_accessed is None else f"{row.bytes_accessed / 1e9:.3g}"
            memory_ms = "–" if memory_s is None else f"{1e3 * memory_s:.3g}"
            values = (row.name, f"{row.lanes}", f"{row.devices}", f"{row.compile_s:.0f}", f"{row.flops / 1e9:.3g}",
                      accessed, f"{row.memory_bytes / 1e9:.3g}", f"{row.temporary_bytes / 1e9:.3g}",
                      f"{1e3 * row.estimate_compute_s(chip):.3g}", memory_ms, f"{row.count_lanes_that_fit(chip)}",
                      exchanged)  # fmt: skip
            print("| " + " | ".join(values) + " |", flush=True)
    if args.json is not None:
        content = {
            "topology": args.compile_only,
            "chip": dataclasses.asdict(chip),
            "environment": record.describe_environment(),
        }
        content |= {"network": network, "adapt": dataclasses.asdict(args.adapt), "seconds": args.seconds}
        files.write_json(content | {"rows": [dataclasses.asdict(row) for row in rows]}, args.json)
    return 0


def parse_lanes(text: str) -> list[int]:
    """Parse a list of numbers such as "1,2,4".

    Raises:
      InputError: the text is not a list of numbers above 0.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"0*[1-9]\d{0,5}", part, re.ASCII) for part in parts):
        raise InputError(f"--lanes: {text!r} is not a list of numbers of lanes, such as 1,2,4")
    return [int(part) for part in parts]


def load_network(args: options.Bench) -> tuple[Architecture, Params, dict[str, Any]]:
    """Return architecture, parameters, and their description for the record."""
    if args.size is None:
        loaded = hub.load_network(args.weights)
        if isinstance(loaded, Chain):
            raise InputError(f"--weights {args.weights}: is a chain; measure its networks one by one")
        first = next(iter(list_networks(loaded).values()))  # the networks of a bag have the same architecture
        return first.architecture, first.params, {"name": args.weights, "fingerprint": first.fingerprint}
    config = {"demucs": ConvTasNet, "htdemucs": HTDemucs}[args.size]()
    return config, config.init(), {"name": f"{args.size}, random weights"}


def describe_task(args: options.Bench, network: dict[str, Any]) -> str:
    """Return a description of network, settings and songs."""
    adapt = args.adapt
    songs = f"songs of {args.seconds:g} s in segments of {adapt.segment_s:g} s"
    return f"{network['name']}, {adapt.strategy}, {adapt.precision}, {songs},"


def print_head(args: options.Bench, network: dict[str, Any]) -> None:
    """Print the description of the task, and the header of the table."""
    print(describe_task(args, network))
    print(f"{args.adapt.epochs} epochs, median of {args.repeats} runs, on {device.describe_all()}\n")
    columns = ("lanes", "steps/s", "× real time", "compile s", "prefix s", "steps s", "peak GB so far",
               "GFLOP/s", "matmul GFLOP/s", "share")  # fmt: skip
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns), flush=True)


def print_row(row: Measurement) -> None:
    """Print the row for a number of lanes."""
    spread = f"{min(row.steps_s):.3g}–{max(row.steps_s):.3g}"
    values = (f"{row.lanes}", f"{row.steps_per_second:.3g}", f"{row.times_real_time:.3g}", f"{row.compile_s:.1f}",
              f"{row.prefix_s:.3g}", spread, f"{row.peak_bytes / 1e9:.2f}", f"{row.flops_per_second / 1e9:.4g}",
              f"{row.matmul.together / 1e9:.4g}", f"{row.share:.0%}")  # fmt: skip
    print("| " + " | ".join(values) + " |", flush=True)


def make_record(
    args: options.Bench, network: dict[str, Any], config: Architecture, rows: list[Measurement]
) -> dict[str, Any]:
    """Return the record: device, versions, settings and rows."""
    return {
        "device": {
            "description": device.describe(),
            "platform": jax.default_backend(),
            "kind": jax.devices()[0].device_kind,
            "devices": len(jax.local_devices()),
            "matmul_precision": device.get_matmul_precision(),
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
        },
        "environment": record.describe_environment(),
        "network": network | {"architecture": protocol.describe(config)},
        "adapt": dataclasses.asdict(args.adapt),
        "seconds": args.seconds,
        "repeats": args.repeats,
        "rows": [describe_row(row) for row in rows],
    }


def describe_row(row: Measurement) -> dict[str, Any]:
    """Return the measurements of a row for the record; times are in seconds, rates in FLOP/s."""
    return dataclasses.asdict(row) | {
        "steps_per_second": row.steps_per_second,
        "times_real_time": row.times_real_time,
        "flops_per_second": row.flops_per_second,
        "matmul_flops_per_second": row.matmul.together,
        "share": row.share,
    }
