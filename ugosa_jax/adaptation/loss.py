"""The loss of one segment of one song: eq. (1) of the paper, or the error of the stems of a remix."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

_EPS = 1e-6
"""A power 60 dB below that of a standardised mixture."""


class LossTerms(NamedTuple):
    """The two terms of eq. (1); the second is not weighted by λ yet."""

    reconstruction: jax.Array
    activation: jax.Array


def compute_loss_terms(est_SxCxT: jax.Array, mix_CxT: jax.Array, active_SxT: jax.Array) -> LossTerms:
    """Return both terms of eq. (1), averaged over samples and channels.

    reconstruction: mean of |Σ_i h_i ŝ_i − y|; activation: mean of Σ_i |(1 − h_i) ŝ_i|.

    The paper's code averages the second term over the S sources too: its weight γ is S·λ here.

    Args:
      est_SxCxT: estimated sources ŝ.
      mix_CxT: mixture y.
      active_SxT: h, 1 (or true) where a source may sound and 0 where it is annotated silent; values in between are
        used as weights.
    """
    h_Sx1xT = active_SxT[:, None].astype(est_SxCxT.dtype)
    reconstruction = jnp.abs((h_Sx1xT * est_SxCxT).sum(0) - mix_CxT).mean()
    activation = jnp.abs((1 - h_Sx1xT) * est_SxCxT).sum(0).mean()
    return LossTerms(reconstruction, activation)


def compute_remix_terms(est_SxCxT: jax.Array, stems_SxCxT: jax.Array) -> LossTerms:
    """Return the error of the estimates of a remix: the mean over sources of the RMS of estimate − stem.

    The bundled network was trained with this loss. The second term is zero: the stem of a silent source is silent.

    Args:
      est_SxCxT: estimated sources.
      stems_SxCxT: stems whose sum is the remix.
    """
    error_S = jnp.sqrt(
        jnp.square(est_SxCxT - stems_SxCxT).mean((1, 2)) + _EPS
    )  # keeps the gradient of the root finite at zero
    return LossTerms(error_S.mean(), jnp.zeros_like(error_S[0]))


def compute_total(terms: LossTerms, lam: jax.Array | float) -> jax.Array:
    """Return the loss: reconstruction + λ · activation."""
    return terms.reconstruction + lam * terms.activation
