"""Measure each phase of an adaptation by itself, against this device's rate of matrix products.

    python scripts/bench_phases.py --size demucs mini --repeats 3
    python scripts/bench_phases.py --size demucs --passes

Weights are random and the song is noise, which does not change the times. Every phase is a separate program that runs
over and over inside one call (`timing.measure_median_s`); times are medians.

`--passes` counts how often the compiled program of one block reads and writes an array of [K, H], its largest.
"""

import argparse
import functools
import re
import statistics
import sys
import time as clock
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ugosa_jax import device
from ugosa_jax.adaptation import lane, loss, strategy
from ugosa_jax.adaptation.packing import pack
from ugosa_jax.adaptation.ranger import ranger
from ugosa_jax.bench import flops, timing
from ugosa_jax.bench.timing import MatmulRates
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.networks import convtasnet, tcn, tree
from ugosa_jax.networks.convtasnet import ConvTasNet, Params
from ugosa_jax.separation import chunks
from ugosa_jax.weights import hub, weights

N_SEGMENTS = 4


class Phase(NamedTuple):
    """A phase: its name, number of operations, and time."""

    name: str
    operations: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", default=["demucs", "mini"], choices=["demucs", "mini"])
    parser.add_argument("--strategy", default="P-L3:M", help="a strategy that tunes at least one repeat")
    parser.add_argument("--segment-s", type=float, default=4.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--passes", action="store_true", help="count the passes of a block over its arrays")
    args = parser.parse_args()
    for line in (report_passes if args.passes else report)(args):
        print(line, flush=True)


def report(args: argparse.Namespace) -> Iterator[str]:
    """Measure, and yield the report line by line."""
    yield "# Phases of an adaptation\n"
    yield f"`{' '.join(['python scripts/bench_phases.py', *sys.argv[1:]])}`, on {device.describe_all()}.\n"
    yield f"{args.strategy}, one segment of {args.segment_s:g} s, median of {args.repeats}. Operations are those of the"
    yield "matrix products alone (`bench/flops.py`); the share is of the rate of the same products by themselves."
    for size in args.size:
        config = choose_architecture(size)
        n_samples = round(args.segment_s * config.sample_rate_hz)
        rates = timing.measure_matmul_rates(config, n_samples, repeats=args.repeats)
        yield f"\n## {size}: N {config.N}, L {config.L}, B {config.B}, H {config.H}, X {config.X}, R {config.R}\n"
        expand, project, gradient = (rate / 1e9 for rate in (rates.expand, rates.project, rates.weights))
        yield f"Products in GFLOP/s: [K, B] @ [B, H] {expand:.0f}, [K, H] @ [H, B] {project:.0f}, [B, K] @ [K, H]"
        yield f"{gradient:.0f}, one after the other {rates.together / 1e9:.0f}.\n"
        params = config.init()
        yield from format_phases(args, config, params, n_samples, rates)


def choose_architecture(size: str) -> ConvTasNet:
    """Return the architecture of the bundled network, or the full-size one."""
    config = weights.list_networks(hub.load_network("mini"))[""].architecture if size == "mini" else ConvTasNet()
    assert isinstance(config, ConvTasNet)
    return config


def format_phases(
    args: argparse.Namespace, config: ConvTasNet, params: Params, n_samples: int, rates: MatmulRates
) -> Iterator[str]:
    """Yield the table of phases."""
    yield "| phase | GFLOP | s | GFLOP/s | share |"
    yield "|---|---|---|---|---|"
    together = 0.0
    for phase in time_phases(config, params, args.strategy, n_samples, args.repeats):
        if phase.name in PARTS_OF_A_STEP:
            together += phase.seconds
        yield format_phase(phase, rates)
    settings = AdaptConfig(args.strategy, epochs=1, segment_s=args.segment_s, features="float32")
    row = timing.measure_lanes(config, params, settings, 1, N_SEGMENTS * args.segment_s, args.repeats)
    yield format_phase(Phase("a step as it runs", row.flops_a_step, 1 / row.steps_per_second), rates)
    yield f"\nThe parts of a step, each alone, take {together:.3g} s together. The step as it runs is of an epoch of"
    yield f"{N_SEGMENTS} segments."


def format_phase(phase: Phase, rates: MatmulRates) -> str:
    """Return a row of the table of phases."""
    rate = phase.operations / phase.seconds
    shares = f"{rate / 1e9:.0f} | {rate / rates.together:.0%}" if phase.operations else "– | –"
    return f"| {phase.name} | {phase.operations / 1e9:.2f} | {phase.seconds:.3g} | {shares} |"


FORWARD, BACKWARD = "tuned stages, forward", "tuned stages, backward"
DECODER, OPTIMIZER = "encoder again, decoder and loss, with gradient", "optimizer"
PARTS_OF_A_STEP = (FORWARD, BACKWARD, DECODER, OPTIMIZER)


def time_phases(config: ConvTasNet, params: Params, name: str, n_samples: int, repeats: int) -> Iterator[Phase]:
    """Measure phase by phase, and yield each."""
    plan = strategy.parse(name, config)
    since = plan.find_cut(config)
    tuned, frozen = tree.split(params, strategy.label_params(plan, params))
    random = np.random.default_rng(0)
    mix_CxT = jnp.asarray(random.standard_normal((config.C, n_samples), np.float32))
    active_SxT = jnp.asarray(random.random((config.S, n_samples)) > 0.3)
    time = functools.partial(timing.measure_median_s, repeats=repeats)

    encoder = functools.partial(encode, config)
    yield Phase("encoder", flops.count_flops(encoder, params, mix_CxT), time(encoder, params, mix_CxT))
    ahead = functools.partial(run_frozen_stages, config, since)
    prefix_s = time(ahead, params, mix_CxT)
    yield Phase("frozen stages, once", flops.count_prefix(config, since, n_samples), prefix_s)

    hidden_KxB = jax.jit(ahead)(params, mix_CxT)
    forward, both = (functools.partial(f, config, since) for f in (compute_scores, compute_scores_and_gradient))
    forward_s = time(forward, tuned, frozen, hidden_KxB)
    score = jax.jit(forward)(tuned, frozen, hidden_KxB)
    both_s = time(both, tuned, frozen, hidden_KxB, score)
    counted = flops.count_flops(forward, tuned, frozen, hidden_KxB)
    yield Phase(FORWARD, counted, forward_s)
    # The gradient adds the backward pass, and the storing of inner values in the forward pass.
    backward = flops.count_flops(both, tuned, frozen, hidden_KxB, score) - counted
    yield Phase(BACKWARD, backward, max(both_s - forward_s, 1e-9))
    ends = functools.partial(value_and_gradient, config, "decoder" in plan.tuned)
    ends_s = time(ends, params, score, mix_CxT, active_SxT)
    yield Phase(DECODER, flops.count_flops(ends, params, score, mix_CxT, active_SxT), ends_s)
    state = lane.init_state(tuned)
    step = functools.partial(lane.update_if_finite, ranger(1e-5, centralise=False), is_due=True)
    yield Phase(OPTIMIZER, 0, time(step, jnp.float32(0), pack(tuned), state))
    yield time_separation(config, params, repeats)


def encode(config: ConvTasNet, params: Params, mix_CxT: jax.Array) -> jax.Array:
    """Return w_KxN."""
    return convtasnet.bind(config, params).encoder(mix_CxT)


def run_frozen_stages(config: ConvTasNet, since: str, params: Params, mix_CxT: jax.Array) -> jax.Array:
    """Return hidden_KxB, the output of the frozen stages."""
    return convtasnet.bind(config, params).prefix(mix_CxT, since)


def compute_scores(config: ConvTasNet, since: str, tuned: Params, frozen: Params, hidden_KxB: jax.Array) -> jax.Array:
    """Return the output of the mask's product, from the output of the frozen stages."""
    net, stages = convtasnet.bind(config, tree.merge(tuned, frozen)), config.repeats
    for stage in stages[(*stages, "mask").index(since) :]:
        hidden_KxB = getattr(net, stage)(hidden_KxB, hidden_KxB.shape[0])
    return net.compute_scores(hidden_KxB)


def compute_scores_and_gradient(
    config: ConvTasNet, since: str, tuned: Params, frozen: Params, hidden_KxB: jax.Array, toward: jax.Array
) -> tuple[jax.Array, Params]:
    """Return the output of the mask's product, and the gradient of its inner product with `toward`."""
    score, pull = jax.vjp(lambda tuned: compute_scores(config, since, tuned, frozen, hidden_KxB), tuned)
    return score, pull(toward)[0]


def value_and_gradient(
    config: ConvTasNet,
    is_tuned: bool,
    params: Params,
    score_SxKxN: jax.Array,
    mix_CxT: jax.Array,
    active_SxT: jax.Array,
) -> Any:
    """Return eq. (1) and its gradient with respect to the mask's product, and to the decoder if that is tuned."""

    def value(score_SxKxN: jax.Array, decoder: Params) -> jax.Array:
        net = convtasnet.bind(config, params | {"decoder": decoder})
        mask_SxKxN = jax.nn.softmax(score_SxKxN, 0) if config.mask == "softmax" else jax.nn.relu(score_SxKxN)
        est_SxCxT = net.decoder(mask_SxKxN * net.encoder(mix_CxT), mix_CxT.shape[1])
        return loss.compute_total(loss.compute_loss_terms(est_SxCxT, mix_CxT, active_SxT), 1.0)

    return jax.value_and_grad(value, (0, 1) if is_tuned else 0)(score_SxKxN, params["decoder"])


# Passes


def report_passes(args: argparse.Namespace) -> Iterator[str]:
    """Compile one block, forward and with its gradient, and yield a table of the passes over its arrays."""
    for size in args.size:
        config = choose_architecture(size)
        K = config.count_frames(round(args.segment_s * config.sample_rate_hz))
        yield f"\n## {size}: one block, arrays of [{K}, {config.H}]\n"
        yield "| | passes | reads | writes |"
        yield "|---|---|---|---|"
        for name, lowered in lower_block(config, K).items():
            passes = list_passes(lowered.compile().as_text() or "", K, config.H)
            yield f"| {name} | {len(passes)} | {sum(p[0] for p in passes)} | {sum(p[1] for p in passes)} |"


def lower_block(config: ConvTasNet, K: int) -> dict[str, jax.stages.Lowered]:
    """Return the programs of the second block of a repeat for K frames: forward, and with the gradient."""
    block = tcn.TemporalBlock(config.B, config.H, config.P, config.norm, config.causal, 2, nnx.Rngs(0), "float32")
    structure, params = nnx.split(block)
    h_KxB = jax.ShapeDtypeStruct((K, config.B), jnp.float32)

    def forward(params, h_KxB):
        return nnx.merge(structure, params)(h_KxB, K)

    def both(params, h_KxB, dy_KxB):
        return jax.vjp(forward, params, h_KxB)[1](dy_KxB)

    return {
        "forward": jax.jit(forward).lower(params, h_KxB),
        "with gradient": jax.jit(both).lower(params, h_KxB, h_KxB),
    }


def list_passes(text: str, K: int, H: int) -> list[tuple[int, int]]:
    """Return how many arrays of [K, H], or a bit longer, each instruction of a compiled program reads and writes.

    Instructions without such arrays are left out. `text` is the program as XLA prints it.
    """
    passes, arrays = [], set()
    for line in text[text.index("\nENTRY") :].splitlines():
        found = re.match(r"\s+(?:ROOT )?%([\w.-]+) = (.+?) ([\w-]+)\((.*?)\)(?:,|$)", line)
        if not found:
            continue
        name, result, operation, operands = found.groups()
        n_writes = sum(int(rows) >= K for rows in re.findall(rf"f32\[(\d+),{H}\]", result))
        if n_writes:
            arrays.add(name)
        n_reads = len(arrays.intersection(re.findall(r"%([\w.-]+)", operands)))
        if operation not in ("parameter", "bitcast", "tuple", "get-tuple-element") and n_reads + n_writes:
            passes.append((n_reads, n_writes))
    return passes


def time_separation(config: ConvTasNet, params: Params, repeats: int) -> Phase:
    """Time the separation of one chunk."""
    settings = SeparateConfig(overlap=0.0)
    random, n_samples = np.random.default_rng(0), chunks.choose_chunk_samples(config, settings)
    song_CxT = random.standard_normal((config.C, n_samples), np.float32)
    times_s = []
    for _ in range(1 + repeats):
        started = clock.perf_counter()
        chunks.separate(config, params, song_CxT, settings)
        times_s.append(clock.perf_counter() - started)
    operations = flops.count_separation(config, settings, n_samples)
    return Phase(
        f"separation of {n_samples / config.sample_rate_hz:g} s", operations, statistics.median(times_s[1:])
    )  # the first compiles


if __name__ == "__main__":
    main()
