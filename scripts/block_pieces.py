"""What a block of the network is made of: its matrix products and its passes over memory, each timed alone.

The passes are written plainly, as the block's equations need them, whatever formulation the network has.
scripts/bench_phases.py prints the table.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ugosa_jax.bench import timing
from ugosa_jax.config import ModelConfig
from ugosa_jax.networks import convtasnet
from ugosa_jax.networks.convtasnet import Params


class Piece(NamedTuple):
    """A part of a block: a matrix product, or a pass over arrays of [K, H]; how often it occurs; reads and writes."""

    name: str
    function: Callable
    arguments: tuple[jax.Array, ...]
    forward: int
    backward: int
    arrays: int = 0


def table(config: ModelConfig, params: Params, n_samples: int, repeats: int) -> Iterator[str]:
    """Yield the table of what a block is made of, and what the whole block takes."""
    K, time = convtasnet.frames_in(n_samples, config), functools.partial(timing.median_s, repeats=repeats)
    random = np.random.default_rng(0)
    h_KxB, toward_KxB = (jnp.asarray(random.standard_normal((K, config.B), np.float32)) for _ in range(2))
    leaves = params["repeat1"][f"block{config.X}"]
    whole_s = time(functools.partial(one_block, config), params, leaves, h_KxB)
    both_s = time(functools.partial(one_block_and_gradient, config), params, leaves, h_KxB, toward_KxB)
    yield f"A block by itself: forward {whole_s * 1e3:.3g} ms, with gradient {both_s * 1e3:.3g} ms. Its pieces:\n"
    yield "| piece, alone | ms | GB/s | times forward | times backward | of forward | with gradient |"
    yield "|---|---|---|---|---|---|---|"
    sums = [0.0, 0.0]
    for piece in pieces(config, K, 2 ** (config.X - 1)):
        seconds = time(piece.function, *piece.arguments)
        parts = piece.forward * seconds, (piece.forward + piece.backward) * seconds
        sums = [before + part for before, part in zip(sums, parts, strict=True)]
        speed = f"{4 * K * config.H * piece.arrays / seconds / 1e9:.1f}" if piece.arrays else ""
        shares = f"{parts[0] / whole_s:.0%} | {parts[1] / both_s:.0%}"
        yield f"| {piece.name} | {seconds * 1e3:.3g} | {speed} | {piece.forward} | {piece.backward} | {shares} |"
    yield f"| together | | | | | {sums[0] / whole_s:.0%} | {sums[1] / both_s:.0%} |"
    yield "\nThe rest of 100 % is what the block does beside them; above 100 %, pieces share passes. GB/s counts each"
    yield "array of [K, H] once a pass."


def one_block(config: ModelConfig, params: Params, leaves: Params, h_KxB: jax.Array) -> jax.Array:
    """Run the last block of a repeat, whose taps are furthest apart."""
    name = f"block{config.X}"
    net = convtasnet.bind(config, params | {"repeat1": params["repeat1"] | {name: leaves}})
    return getattr(vars(net)["repeat1"], name)(h_KxB, h_KxB.shape[0])


def one_block_and_gradient(
    config: ModelConfig, params: Params, leaves: Params, h_KxB: jax.Array, toward_KxB: jax.Array
) -> tuple[jax.Array, Any]:
    """Return its output and all its gradients."""
    out_KxB, pull = jax.vjp(functools.partial(one_block, config, params), leaves, h_KxB)
    return out_KxB, pull(toward_KxB)


def pieces(config: ModelConfig, K: int, dilation: int) -> Iterator[Piece]:
    """Yield a block's products and passes over memory, as its equations need them."""
    B, H = config.B, config.H
    random = np.random.default_rng(0)
    h_KxB, x_KxH, dy_KxH, kernel_BxH, kernel_HxB, taps_PxH = (
        jnp.asarray(random.standard_normal(shape, np.float32))
        for shape in ((K, B), (K, H), (K, H), (B, H), (H, B), (config.P, H))
    )
    matmul, contraction = jnp.matmul, lambda h_KxB, x_KxH: h_KxB.T @ x_KxH
    yield Piece("[K, B] @ [B, H]", matmul, (h_KxB, kernel_BxH), 1, 1)
    yield Piece("[K, H] @ [H, B]", matmul, (x_KxH, kernel_HxB), 1, 1)
    yield Piece("[B, K] @ [K, H]", contraction, (h_KxB, x_KxH), 0, 2)
    yield Piece("PReLU and the sums of gLN", prelu_and_sums, (x_KxH,), 2, 0, 2)
    yield Piece("depthwise taps", functools.partial(depthwise, dilation), (x_KxH, taps_PxH), 1, 1, 2)
    yield Piece("gradient of the taps", functools.partial(taps_gradient, dilation, config.P), (x_KxH, dy_KxH), 0, 1, 2)
    yield Piece("gradient of PReLU and gLN", prelu_and_norm_gradient, (x_KxH, dy_KxH), 0, 2, 5)
    yield Piece("residual", jnp.add, (h_KxB, h_KxB[::-1]), 1, 1)


def prelu_and_sums(x_KxH: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return PReLU, its sum and that of its square: reads once, writes once."""
    y_KxH = jnp.where(x_KxH >= 0, x_KxH, 0.25 * x_KxH)
    return y_KxH, y_KxH.sum(0), (y_KxH * y_KxH).sum(0)


def shifted(x_KxH: jax.Array, dilation: int, P: int) -> list[jax.Array]:
    """Return x as each tap reads it, zero beyond both ends."""
    past, K = (P - 1) * dilation // 2, x_KxH.shape[0]
    padded = jnp.pad(x_KxH, ((past, past), (0, 0)))
    return [padded[p * dilation : p * dilation + K] for p in range(P)]


def depthwise(dilation: int, x_KxH: jax.Array, taps_PxH: jax.Array) -> jax.Array:
    """Return the sum of shifted multiples: reads once, writes once."""
    read = shifted(x_KxH, dilation, len(taps_PxH))
    return functools.reduce(jnp.add, [taps_H * x for taps_H, x in zip(taps_PxH, read, strict=True)])


def taps_gradient(dilation: int, P: int, x_KxH: jax.Array, dy_KxH: jax.Array) -> jax.Array:
    """Return the gradient of the taps: reads two arrays."""
    return jnp.stack([(x * dy_KxH).sum(0) for x in shifted(x_KxH, dilation, P)])


def prelu_and_norm_gradient(x_KxH: jax.Array, dy_KxH: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the gradient by what PReLU and then gLN are given: reads two arrays twice, writes one."""
    y_KxH = jnp.where(x_KxH >= 0, x_KxH, 0.25 * x_KxH)
    dbeta_H, dgamma_H = dy_KxH.sum(0), (dy_KxH * y_KxH).sum(0)
    inner_KxH = dy_KxH - dbeta_H.sum() / x_KxH.size - y_KxH * (dgamma_H.sum() / x_KxH.size)
    return jnp.where(x_KxH >= 0, inner_KxH, 0.25 * inner_KxH), dbeta_H, dgamma_H
