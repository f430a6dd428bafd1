"""Measure ways to write down a block of the network: time forward and with gradient, and memory.

    python scripts/bench_formulations.py --size demucs mini --repeats 5
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python scripts/bench_formulations.py …

All give the same output, which is checked. Where it says "kept", autodiff and XLA keep what they find useful for the
backward pass; where it says "recomputed", a block's input and what `expand` makes of it. Times are medians of calls
that alternate; a call runs four blocks (six of mini). Memory is what XLA plans for a call with gradient, beside inputs
and outputs.
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from block_pieces import shifted
from publish import publish

from ugosa_jax.cli import bench
from ugosa_jax.config import ModelConfig
from ugosa_jax.networks import convtasnet, hub
from ugosa_jax.networks.convtasnet import Params

EPS = 1e-8
SEGMENT_S = 4.0
SAME = 1e-3  # relative to the largest output: single precision through some blocks, summed in other orders

Depthwise = Callable[..., jax.Array]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", default=["demucs", "mini"], choices=["demucs", "mini"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the tables to this file too")
    args = parser.parse_args()
    lines = [
        "# Ways to write down a block",
        "",
        f"By scripts/bench_formulations.py, on {bench.describe_device()}.",
    ]
    for size in args.size:
        config = ModelConfig(X=4, R=1) if size == "demucs" else hub.load("mini").config
        lines += ["", f"## {size}, {config.X} blocks: B {config.B}, H {config.H}", ""]
        lines += table(config, args.repeats)
    publish(lines, args.out)


def table(config: ModelConfig, repeats: int) -> list[str]:
    """Measure and return a table."""
    K = convtasnet.frames_in(round(SEGMENT_S * config.sample_rate_hz), config)
    random = np.random.default_rng(0)
    h_KxB, toward_KxB = (jnp.asarray(random.standard_normal((K, config.B)), jnp.float32) for _ in range(2))
    blocks = convtasnet.init(config)["repeat1"]
    forward = {name: jax.jit(partial(run, config, block)) for name, block in formulations(config).items()}
    both = {name: jax.jit(partial(run_and_gradient, run_of)) for name, run_of in forward.items()}
    expected, times = None, {name: ([], []) for name in forward}
    for i in range(1 + repeats):
        for name, (forward_s, both_s) in times.items():
            out_KxB, seconds = timed(forward[name], blocks, h_KxB)
            _, with_gradient = timed(both[name], blocks, h_KxB, toward_KxB)
            expected = out_KxB if expected is None else expected
            np.testing.assert_allclose(out_KxB, expected, rtol=0, atol=SAME * float(jnp.abs(expected).max()))
            if i:  # the first compiles
                forward_s.append(seconds)
                both_s.append(with_gradient)
    rows = ["| formulation | forward ms | with gradient ms | memory MB |", "|---|---|---|---|"]
    for name, measured in times.items():
        planned: Any = both[name].lower(blocks, h_KxB, toward_KxB).compile().memory_analysis()
        rows.append(f"| {name} | {' | '.join(map(spread_ms, measured))} | {planned.temp_size_in_bytes / 1e6:.0f} |")
    return rows


def spread_ms(times_s: list[float]) -> str:
    """Return the median, and in brackets the least and the most."""
    return "{:.0f} ({:.0f}–{:.0f})".format(*(1e3 * f(times_s) for f in (statistics.median, min, max)))


def timed(function: Callable, *arguments) -> tuple:
    """Return what a function gives, and the seconds that it takes."""
    started = time.perf_counter()
    result = jax.block_until_ready(function(*arguments))
    return result, time.perf_counter() - started


def run(config: ModelConfig, block: Callable, blocks: Params, h_KxB: jax.Array) -> jax.Array:
    """Run the blocks of a repeat."""
    for x in range(config.X):
        h_KxB = block(2**x, blocks[f"block{x + 1}"], h_KxB)
    return h_KxB


def run_and_gradient(run_of: Callable, blocks: Params, h_KxB: jax.Array, toward_KxB: jax.Array):
    """Run them, and return the gradients of the output's product with `toward`."""
    return jax.value_and_grad(lambda *inputs: (run_of(*inputs) * toward_KxB).sum(), (0, 1))(blocks, h_KxB)


def formulations(config: ModelConfig) -> dict[str, Callable]:
    """Return the ways by name; the first is that of `ugosa_jax.networks.convtasnet`."""
    plain = partial(block_of, edges_by_where)
    return {
        "as it is: recomputed, edges by where": partial(block_as_it_is, config),
        "kept, edges by where": plain,
        "jax.checkpoint, edges by where": lambda dilation, p, h: jax.checkpoint(partial(plain, dilation))(p, h),
        "kept, edges as a product": partial(block_of, edges_as_a_product),
        "kept, norm applied before the taps": partial(block_of, norm_before_taps),
        "kept, taps as a grouped convolution": partial(block_of, grouped_convolution),
    }


def block_as_it_is(config: ModelConfig, dilation: int, p: Params, h_KxB: jax.Array) -> jax.Array:
    """Run the block of `ugosa_jax.networks.convtasnet`."""
    name = f"block{dilation.bit_length()}"
    shell = _shell(config)
    net = convtasnet.bind(config, {**shell, "repeat1": {**shell["repeat1"], name: p}})
    return getattr(vars(net)["repeat1"], name)(h_KxB, h_KxB.shape[0])


@functools.cache
def _shell(config: ModelConfig) -> Params:
    with jax.ensure_compile_time_eval():
        return convtasnet.init(config)


def block_of(depthwise: Depthwise, dilation: int, p: Params, h_KxB: jax.Array) -> jax.Array:
    """Run a block as the equations have it, with a way to do the norm and the taps between the two PReLUs."""
    a_KxH = prelu(h_KxB @ p["expand"]["kernel"], p["prelu1"]["slope"])
    scale_H, shift_H = norm(a_KxH, p["norm1"])
    a_KxH = prelu(depthwise(dilation, a_KxH, p["depthwise"]["kernel"], scale_H, shift_H), p["prelu2"]["slope"])
    scale_H, shift_H = norm(a_KxH, p["norm2"])
    project_HxB = p["project"]["kernel"]
    return h_KxB + a_KxH @ (scale_H[:, None] * project_HxB) + shift_H @ project_HxB


def prelu(x: jax.Array, slope: jax.Array) -> jax.Array:
    return jnp.where(x >= 0, x, slope * x)


def norm(x_KxH: jax.Array, p: Params) -> tuple[jax.Array, jax.Array]:
    """Return scale and shift of gLN."""
    mean = x_KxH.sum(0).sum() / x_KxH.size
    variance = jnp.maximum((x_KxH * x_KxH).sum(0).sum() / x_KxH.size - mean**2, 0)
    scale_H = p["gamma"] * jax.lax.rsqrt(variance + EPS)
    return scale_H, p["beta"] - mean * scale_H


def is_frame(dilation: int, P: int, K: int) -> jax.Array:
    """Return which taps of which frame lie on the signal: KxP."""
    read_KxP = jnp.arange(K)[:, None] + dilation * (jnp.arange(P) - P // 2)
    return (read_KxP >= 0) & (read_KxP < K)


def edges_as_a_product(dilation, x_KxH, taps_PxH, scale_H, shift_H):
    """The shift that each frame's taps feel is a product of [K, P] and [P, H]."""
    P, K = len(taps_PxH), len(x_KxH)
    out_KxH = is_frame(dilation, P, K).astype(x_KxH.dtype) @ (taps_PxH * shift_H)
    for taps_H, read_KxH in zip(taps_PxH, shifted(x_KxH, dilation, P), strict=True):
        out_KxH += read_KxH * (taps_H * scale_H)
    return out_KxH


def edges_by_where(dilation, x_KxH, taps_PxH, scale_H, shift_H):
    """The shift is added tap by tap, where the tap lies on the signal."""
    P, K = len(taps_PxH), len(x_KxH)
    is_frame_KxP, out_KxH = is_frame(dilation, P, K), jnp.zeros_like(x_KxH)
    for p, read_KxH in enumerate(shifted(x_KxH, dilation, P)):
        shift_KxH = jnp.where(is_frame_KxP[:, p : p + 1], taps_PxH[p] * shift_H, 0)
        out_KxH += read_KxH * (taps_PxH[p] * scale_H) + shift_KxH
    return out_KxH


def norm_before_taps(dilation, x_KxH, taps_PxH, scale_H, shift_H):
    """One pass more, and nothing to think about at the edges."""
    out_KxH = jnp.zeros_like(x_KxH)
    for taps_H, read_KxH in zip(taps_PxH, shifted(x_KxH * scale_H + shift_H, dilation, len(taps_PxH)), strict=True):
        out_KxH += taps_H * read_KxH
    return out_KxH


def grouped_convolution(dilation, x_KxH, taps_PxH, scale_H, shift_H):
    """XLA's convolution with a group for each channel."""
    past = (len(taps_PxH) - 1) * dilation // 2
    return jax.lax.conv_general_dilated(
        (x_KxH * scale_H + shift_H)[None],
        taps_PxH[:, None],
        (1,),
        [(past, past)],
        rhs_dilation=(dilation,),
        dimension_numbers=("NHC", "HIO", "NHC"),
        feature_group_count=x_KxH.shape[1],
    )[0]


if __name__ == "__main__":
    main()
