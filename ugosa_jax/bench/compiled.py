"""The real programs, compiled for accelerators that are not there, and what can be told from them.

libtpu compiles for TPUs that are only described, and JAX's CUDA plugin for GPUs. Operations are counted in the traced
program, bytes in the optimised one, memory is what XLA plans. The times that follow from them and from a chip's
published peaks are estimates: neither the chip's inner memory nor elementwise arithmetic takes time in them.
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
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ugosa_jax.adaptation import engine, memory, segments, strategy
from ugosa_jax.adaptation.lane import Lane, Program
from ugosa_jax.bench import flops, traffic
from ugosa_jax.bench.chips import GPUS, Chip, gpu_description
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.errors import InputError, require, require_extra
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Architecture
from ugosa_jax.separation import chunks

COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "reduce-scatter", "collective-permute")
_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}
"""Keeps libtpu from asking a cloud's servers what machine this is."""


@dataclasses.dataclass(frozen=True)
class Compiled:
    """One program.

    Attributes:
      name: prefix (what the frozen stages give, a segment), epoch (a step), separation (a chunk).
      lanes: how many run side by side, on all devices together.
      devices: how many they are dealt over.
      compile_s: seconds that compiling took here.
      flops: operations in matrix products, of one device.
      bytes_moved: read from and written to one device's memory, a loop's body once.
      bytes_accessed: XLA's count of the same, with what stays on the chip; None where it has none.
      memory_bytes: arguments, results and temporary arrays of one device at their peak.
      temporary_bytes: the last of them.
      collectives: kind of exchange between devices → how many stand in the program; none are left out.
    """

    name: str
    lanes: int
    devices: int
    compile_s: float
    flops: float
    bytes_moved: float
    bytes_accessed: float | None
    memory_bytes: int
    temporary_bytes: int
    collectives: dict[str, int]

    def compute_s(self, chip: Chip) -> float:
        """Return the least time that a chip's arithmetic needs."""
        return self.flops / chip.flops_per_s

    def memory_s(self, chip: Chip) -> float:
        """Return the least time that a chip's memory needs."""
        return self.bytes_moved / chip.bytes_per_s

    def lanes_that_fit(self, chip: Chip) -> int:
        """Return how many lanes a device's memory holds if each takes what these take."""
        per_lane = self.memory_bytes / math.ceil(self.lanes / self.devices)
        return int(chip.memory_bytes // per_lane)


def topology(name: str) -> Sequence[Any]:
    """Return the devices of a topology such as "v5e:2x2" or "h100:4", which need not exist.

    Programs of this process run on the CPU from then on: libtpu and the CUDA plugin are there to compile.

    Raises:
      InputError: what compiles is not installed or is in use, or does not know the topology.
    """
    from jax.experimental import topologies

    jax.config.update("jax_platforms", "cpu")
    kind, _, number = name.partition(":")
    if kind in GPUS:
        require(re.fullmatch("[1-9][0-9]?", number) is not None, "--compile-only", f"as {kind}:4", name[:40])
        with require_extra("cuda"):
            import jax_plugins.xla_cuda12  # noqa: F401  # pyright: ignore[reportMissingImports]
        asked = {"topology": f"1x1x{number}", "target_config": gpu_description(kind)}
        return topologies.get_topology_desc("", "cuda", **asked).devices
    with require_extra("tpu"):
        import libtpu  # noqa: F401  # pyright: ignore[reportMissingImports]
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    try:
        return topologies.get_topology_desc(platform="tpu", topology_name=name).devices
    except (jax.errors.JaxRuntimeError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        said = f"topology {name[:40]!r}: libtpu cannot describe it ({reason})"
        raise InputError(f"{said}; try v5e:2x2, or GPUs as {next(iter(GPUS))}:4") from error


def compile_for(
    devices: Sequence[Any], net: Architecture, settings: AdaptConfig, n_lanes: int, seconds: float
) -> Iterator[Compiled]:
    """Compile prefix, epoch and separation for `n_lanes` songs of a length; one lane has no lane axis.

    Lanes are dealt over all devices if they can be dealt evenly, as an adaptation does. Features that are to be kept
    "auto" are kept in float32.
    """
    jax.config.update("jax_enable_compilation_cache", False)  # it would keep programs that no device can read back
    dealt = devices if n_lanes % len(devices) == 0 else devices[:1]
    mesh = Mesh(np.array(dealt), ("lane",))
    by_lane, everywhere = (NamedSharding(mesh, spec) for spec in (PartitionSpec("lane"), PartitionSpec()))
    of_lanes = everywhere if n_lanes == 1 else by_lane
    plan = strategy.parse(settings.strategy, net)
    if plan.loss == "R":
        raise InputError(f"strategy {plan.name!r}: only programs of P and B are compiled without being run")
    features = "float32" if settings.features == "auto" else settings.features
    program = Program(net, plan.since(net), features, settings.centralise_gradients)
    program = memory.rounded(program, settings, devices[0].platform)
    axes = None if n_lanes == 1 else engine.OWN_SONGS

    params = _placed(jax.eval_shape(net.init), everywhere)
    tuned, frozen = tree.split(params, strategy.labels(plan, net, params))
    shapes = lanes_of(net, settings, n_lanes, seconds)
    lanes = _placed(shapes, of_lanes)._replace(order_G=_placed(shapes.order_G, everywhere))
    kept = _placed(jax.eval_shape(lambda p, x: engine.features_of_lanes(program, axes, p, x), params, lanes), of_lanes)
    state = jax.eval_shape(lambda t: engine.start_lanes(program, None if n_lanes == 1 else n_lanes, t), tuned)
    chunk = chunks.chunk_samples(net, SeparateConfig())
    mix_CxT = jax.ShapeDtypeStruct((net.channels, chunk), jnp.float32, sharding=everywhere)

    on_each = math.ceil(n_lanes / len(dealt))
    T = lanes.mix_GxVxCxT.shape[-1]
    if kept is not None:
        counted = on_each * flops.prefix(net, program.since, T)
        yield _compiled("prefix", n_lanes, dealt, counted, engine.features_of_lanes, program, axes, params, lanes)
    counted = on_each * flops.step(net, plan, T, kept is not None)
    arguments = (program, axes, frozen, kept, lanes, _placed(state, of_lanes))
    yield _compiled("epoch", n_lanes, dealt, counted, engine.epoch_lanes, *arguments)
    if n_lanes == 1:
        counted = flops.separation(net, SeparateConfig(), 1)
        program = chunks.estimate_tile if net.tiling else chunks.estimate
        yield _compiled("separation", 1, dealt, counted, program, net, params, mix_CxT)


def lanes_of(net: Architecture, settings: AdaptConfig, n_lanes: int, seconds: float) -> Lane:
    """Return the shapes of lanes with songs of their own."""
    length = net.segment_samples or round((settings.segment_s or net.segment_s) * net.sample_rate_hz)
    hop = length if settings.hop_s is None else round(settings.hop_s * net.sample_rate_hz)
    n_samples = max(length, round(seconds * net.sample_rate_hz))
    G, V = segments.bucket(len(segments.starts_of(n_samples, length, hop))), 1 + settings.pitch_shifts
    outer = () if n_lanes == 1 else (n_lanes,)
    shapes = (*outer, G, V, net.channels, length), (*outer, G, len(net.sources), length), (G,), outer, outer, outer
    dtypes = (jnp.float32, jnp.bool_, jnp.int32, jnp.int32, jnp.float32, jnp.float32)
    return Lane(*(jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)))  # pyright: ignore[reportArgumentType]


def _placed(shapes: Any, sharding: NamedSharding) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), shapes)


def _compiled(
    name: str, n_lanes: int, devices: Sequence[Any], counted: float, function: Any, *arguments: Any
) -> Compiled:
    lowered = function.lower(*arguments)
    started = time.perf_counter()
    program = lowered.compile()
    compile_s = time.perf_counter() - started
    memory, text = program.memory_analysis(), program.as_text()
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    found = {kind: len(re.findall(rf"= [^=\n]*\b{kind}(?:-start)?\(", text)) for kind in COLLECTIVES}
    return Compiled(
        name,
        n_lanes,
        len(devices),
        compile_s,
        counted,
        traffic.bytes_moved(text),
        (program.cost_analysis() or {}).get("bytes accessed"),
        held + memory.temp_size_in_bytes,
        memory.temp_size_in_bytes,
        {kind: count for kind, count in found.items() if count},
    )
