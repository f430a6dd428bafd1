"""Compilation of an adaptation's programs for accelerators that need not be present, and estimates of their time.

Given a description of the devices, libtpu compiles for TPUs and JAX's CUDA plugin for GPUs. Operations are counted in
the traced program; bytes and memory are XLA's own counts. Times are estimates from these counts and the chip's
published peak rates; they neglect elementwise arithmetic, and count accesses to on-chip memory as accesses to the main
memory.
"""

import dataclasses
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ugosa_jax.adaptation import engine, lane, memory, programs, segments
from ugosa_jax.adaptation import strategy as strategies
from ugosa_jax.bench import flops
from ugosa_jax.bench.chips import GPUS, Chip, describe_gpu
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.errors import InputError, require, require_extra
from ugosa_jax.networks.protocol import Architecture
from ugosa_jax.separation import chunks

COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "reduce-scatter", "collective-permute")
_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}
"""Environment variables that keep libtpu from querying the metadata server of a cloud."""


@dataclasses.dataclass(frozen=True)
class CompiledProgram:
    """A compiled program and its counts.

    Attributes:
      name: prefix (the frozen stages, for a segment), epoch (for a step), separation (for a chunk).
      lanes: number of lanes on all devices together.
      devices: number of devices.
      compile_s: time of the compilation on this machine.
      flops: operations in matrix products on one device.
      bytes_accessed: bytes read and written on one device, with a loop's body counted once; None if XLA does not know.
      memory_bytes: arguments, results and temporary arrays on one device at their peak.
      temporary_bytes: the part of `memory_bytes` for temporary arrays.
      collectives: number of operations between devices in the program, by kind.
    """

    name: str
    lanes: int
    devices: int
    compile_s: float
    flops: float
    bytes_accessed: float | None
    memory_bytes: int
    temporary_bytes: int
    collectives: dict[str, int]

    def estimate_compute_s(self, chip: Chip) -> float:
        """Return the time of the operations at a chip's peak rate."""
        return self.flops / chip.flops_per_s

    def estimate_memory_s(self, chip: Chip) -> float | None:
        """Return the time to access all bytes in a chip's main memory."""
        return None if self.bytes_accessed is None else self.bytes_accessed / chip.bytes_per_s

    def count_lanes_that_fit(self, chip: Chip) -> int:
        """Return the number of lanes of this kind that fit into a chip's memory."""
        per_lane = self.memory_bytes / math.ceil(self.lanes / self.devices)
        return int(chip.memory_bytes // per_lane)


def describe_topology(name: str) -> Sequence[Any]:
    """Return the devices of a topology such as "v5e:2x2" or "h100:4", which need not be present.

    Afterwards, programs of this process run on the CPU; libtpu and the CUDA plugin only compile.

    Raises:
      InputError: the compiler is not installed, is in use by another process, or does not know the topology.
    """
    from jax.experimental import topologies

    jax.config.update("jax_platforms", "cpu")
    kind, _, number = name.partition(":")
    if kind in GPUS:
        require(re.fullmatch("[1-9][0-9]?", number) is not None, "--compile-only", f"as {kind}:4", name[:40])
        with require_extra("cuda"):
            import jax_plugins.xla_cuda12  # noqa: F401  # pyright: ignore[reportMissingImports]
        asked = {"topology": f"1x1x{number}", "target_config": describe_gpu(kind)}
        return topologies.get_topology_desc("", "cuda", **asked).devices
    with require_extra("tpu"):
        import libtpu  # noqa: F401  # pyright: ignore[reportMissingImports]
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    try:
        return topologies.get_topology_desc(platform="tpu", topology_name=name).devices
    except (jax.errors.JaxRuntimeError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        problem = f"topology {name[:40]!r}: libtpu cannot describe it ({reason})"
        raise InputError(f"{problem}; try v5e:2x2, or GPUs as {next(iter(GPUS))}:4") from error


def compile_programs(
    devices: Sequence[Any], net: Architecture, settings: AdaptConfig, n_lanes: int, seconds: float
) -> Iterator[CompiledProgram]:
    """Compile prefix and epoch for `n_lanes` songs of `seconds`, and for one lane also separation.

    Lanes are divided among the devices as in an adaptation. With the storage "auto", features are stored in float32.
    """
    jax.config.update("jax_enable_compilation_cache", False)  # a cached program could only be loaded on its device
    place = programs.place_lanes(n_lanes, devices)
    strategy = strategies.parse(settings.strategy, net)
    if strategy.loss == "R":
        raise InputError(f"strategy {strategy.name!r}: only programs of P and B can be compiled without running them")
    program = lane.make_program(net, strategy, settings, devices[0].platform)
    program = program._replace(features=memory.list_candidates(program.features)[0])
    inputs, params = engine.describe_inputs(net, strategy, infer_segments_shape(net, settings, seconds), place, n_lanes)
    features = programs.infer_feature_shapes(program, params, inputs.song, place)
    n_devices, T = len(place.by_lane.device_set), inputs.song.mix_GxVxCxT.shape[-1]
    on_each = n_lanes // n_devices
    if features is not None:
        lowered = programs.compute_features.lower(program, params, inputs.song)
        yield _compile("prefix", n_lanes, n_devices, on_each * flops.count_prefix(net, program.since, T), lowered)
    counted = on_each * flops.count_step(net, strategy, T, features is not None)
    yield _compile("epoch", n_lanes, n_devices, counted, programs.lower_epoch(program, inputs, features, place))
    if n_lanes == 1:
        mix_CxT = jax.ShapeDtypeStruct(
            (net.channels, chunks.choose_chunk_samples(net, SeparateConfig())), jnp.float32, sharding=place.shared
        )
        separation = chunks.estimate_tile if net.tiling else chunks.estimate
        counted = flops.count_separation(net, SeparateConfig(), 1)
        yield _compile("separation", 1, n_devices, counted, separation.lower(net, params, mix_CxT))


def infer_segments_shape(net: Architecture, settings: AdaptConfig, seconds: float) -> tuple[int, ...]:
    """Return the shape (G, V, C, T) of the segments of a song; a song shorter than a segment is padded."""
    length = net.segment_samples or round((settings.segment_s or net.segment_s) * net.sample_rate_hz)
    hop = length if settings.hop_s is None else round(settings.hop_s * net.sample_rate_hz)
    starts = segments.list_starts(max(length, round(seconds * net.sample_rate_hz)), length, hop)
    return segments.find_bucket(len(starts)), 1 + settings.pitch_shifts, net.channels, length


def _compile(name: str, n_lanes: int, n_devices: int, counted: float, lowered: jax.stages.Lowered) -> CompiledProgram:
    started = time.perf_counter()
    program = lowered.compile()
    compile_s = time.perf_counter() - started
    memory, text = program.memory_analysis(), program.as_text() or ""
    if memory is None:
        raise InputError(f"{name}: this backend does not report the memory of its programs")
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    # XLA's analyses do not include communication between devices.
    counts = {kind: len(re.findall(rf"= [^=\n]*\b{kind}(?:-start)?\(", text)) for kind in COLLECTIVES}
    return CompiledProgram(
        name,
        n_lanes,
        n_devices,
        compile_s,
        counted,
        (program.cost_analysis() or {}).get("bytes accessed"),
        held + memory.temp_size_in_bytes,
        memory.temp_size_in_bytes,
        {kind: count for kind, count in counts.items() if count},
    )
