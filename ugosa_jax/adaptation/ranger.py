"""Ranger as the paper's code runs it: gradient centralisation → RAdam → Lookahead.

RAdam: Liu et al. 2020; Lookahead: Zhang et al. 2019; centralisation: Yong et al. 2020. The reference is release 20.4.11
of Ranger; the functions below document where it differs from optax's `lookahead(radam)`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax


def ranger(
    learning_rate: jax.Array | float,
    b1: float = 0.95,
    b2: float = 0.999,
    eps: float = 1e-5,
    threshold: float = 5.0,
    sync_period: int = 6,
    slow_step_size: float = 0.5,
    centralise: bool = True,
) -> optax.GradientTransformation:
    """Return Ranger, which updates `optax.LookaheadParams`; the fast weights are the result, as in the reference.

    Args:
      learning_rate: a number or a traced array.
      b1, b2: decay rates of the running mean and of the running mean of squares.
      eps: added to the root of the running mean of squares.
      threshold: length ρ_t of the approximated moving average above which a step is rectified and divided by the root
        of the running mean of squares.
      sync_period: steps between two synchronisations of fast and slow weights.
      slow_step_size: step of the slow weights towards the fast ones, relative to their distance.
      centralise: subtract the mean of every gradient first.
    """
    return optax.lookahead(
        ranger_without_lookahead(learning_rate, b1, b2, eps, threshold, centralise), sync_period, slow_step_size
    )


def ranger_without_lookahead(
    learning_rate: jax.Array | float,
    b1: float = 0.95,
    b2: float = 0.999,
    eps: float = 1e-5,
    threshold: float = 5.0,
    centralise: bool = True,
) -> optax.GradientTransformation:
    """Return Ranger without Lookahead, for use inside `strategy.partition`."""
    return optax.chain(
        centralise_gradients() if centralise else optax.identity(),
        scale_by_radam(b1, b2, eps, threshold),
        optax.scale_by_learning_rate(learning_rate),
    )


def centralise_gradients() -> optax.GradientTransformation:
    """Return the transformation that applies `centralise` to each gradient."""
    return optax.stateless(lambda updates, params: jax.tree.map(centralise, updates))


def centralise(gradient: jax.Array) -> jax.Array:
    """Subtract from a gradient its mean over all axes but the output axis.

    The output axis of our kernels is the last. Norm parameters have shape (1, C, 1) in the reference, which averages
    them over C; ours have shape (C,) and are averaged over C too. Scalars are unchanged.
    """
    if gradient.ndim == 0:
        return gradient
    axes = tuple(range(gradient.ndim - 1)) or (0,)
    return gradient - gradient.mean(axes, keepdims=True)


class RAdamState(NamedTuple):
    """Number of steps, running mean of gradients, running mean of their squares."""

    count: jax.Array
    mean: optax.Updates
    square: optax.Updates


def scale_by_radam(b1: float, b2: float, eps: float, threshold: float) -> optax.GradientTransformation:
    """Rectified Adam with eps added to √v before the bias of v is corrected (optax adds it after).

    For the t-th step, with ρ_∞ = 2 / (1 − b2) − 1 and ρ_t = ρ_∞ − 2 t b2^t / (1 − b2^t):

        m ← b1 m + (1 − b1) g          v ← b2 v + (1 − b2) g²
        ρ_t > threshold:  r_t √(1 − b2^t) / (1 − b1^t) · m / (√v + eps)
        otherwise:                      1 / (1 − b1^t) · m
    """
    sizes, rectified = compute_step_sizes(b1, b2, threshold)

    def init(params):
        zeros = optax.tree.zeros_like(params)
        return RAdamState(jnp.zeros([], jnp.int32), zeros, zeros)

    def update(updates, state, params=None):
        del params
        mean = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mean, updates)
        square = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, state.square, updates)
        row = jnp.minimum(state.count, len(sizes) - 1)
        size, is_rectified = jnp.asarray(sizes)[row], jnp.asarray(rectified)[row]

        def scale(m, v):
            return size.astype(m.dtype) * m / jnp.where(is_rectified, jnp.sqrt(v) + eps, 1)

        return jax.tree.map(scale, mean, square), RAdamState(state.count + 1, mean, square)

    return optax.GradientTransformation(init, update)


def compute_step_sizes(b1: float, b2: float, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor of the update, and whether it is rectified, for the steps 1, 2, 3 …

    The table is computed in double precision: ρ_t is a small difference of large numbers, and single precision leaves
    two or three digits of it. It ends where b2^t < 1e-9; beyond, its last row is exact to single precision.
    """
    t = np.arange(1, int(np.log(1e-9) / np.log(max(b1, b2))) + 2, dtype=np.float64)
    b2_t = b2**t
    rho_inf = 2 / (1 - b2) - 1
    rho = rho_inf - 2 * t * b2_t / (1 - b2_t)
    rectified = rho > threshold
    with np.errstate(invalid="ignore"):  # short averages have no variance; their rows take the other branch
        r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
    return np.where(rectified, r * np.sqrt(1 - b2_t), 1) / (1 - b1**t), rectified
