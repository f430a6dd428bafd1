"""The optimizer of the trainer: Muon on clipped gradients, with warm-up and cosine decay."""

import jax
import optax
from optax import contrib

CLIP = 5.0
"""Largest norm of a gradient."""


def make_optimizer(learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Return Muon on clipped gradients.

    Muon (Jordan et al. 2024) orthogonalises the steps of matrices, and reduces the loss faster than Adam here
    (compare.py). Other parameters take Adam's steps with Nesterov's momentum. Both kinds of steps have the same scale
    (Liu et al. 2025), and so the same learning rate.
    """
    rate = make_schedule(learning_rate, steps)
    muon = contrib.muon(rate, consistent_rms=0.2, muon_weight_dimension_numbers=label_matrices)
    return optax.chain(optax.clip_by_global_norm(CLIP), muon)


def make_schedule(learning_rate: float, steps: int) -> optax.Schedule:
    """Return the learning rate of each step: 200 steps of warm-up, then a cosine decay to a fiftieth."""
    return optax.warmup_cosine_decay_schedule(0, learning_rate, min(200, steps // 5), steps, learning_rate / 50)


def label_matrices(params: optax.Params) -> optax.Params:
    """Return Muon's dimension numbers for matrices (the kernels of linear maps), and None for other parameters."""

    def shape(path: tuple, leaf: jax.Array) -> contrib.MuonDimensionNumbers | None:
        is_matrix = leaf.ndim == 2 and "depthwise" not in [key.key for key in path]
        return contrib.MuonDimensionNumbers() if is_matrix else None

    return jax.tree.map_with_path(shape, params)
