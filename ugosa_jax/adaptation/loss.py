"""Eq. (1) of the paper, for one segment of one song."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class LossTerms(NamedTuple):
    """The two terms of eq. (1), before λ weighs the second."""

    reconstruction: jax.Array
    activation: jax.Array


def loss_terms(est_SxCxT: jax.Array, mix_CxT: jax.Array, active_SxT: jax.Array) -> LossTerms:
    """Return both terms of eq. (1), averaged over samples and channels.

    reconstruction: mean of |Σ_i h_i ŝ_i − y|; activation: mean of Σ_i |(1 − h_i) ŝ_i|.

    The paper's code averages the second term over the S sources too: its weight γ is S·λ here.

    Args:
      est_SxCxT: estimated sources ŝ.
      mix_CxT: mixture y.
      active_SxT: h, 1 (or true) where a source may sound and 0 where it is annotated silent; values between are
        taken as they are.
    """
    h_Sx1xT = active_SxT[:, None].astype(est_SxCxT.dtype)
    reconstruction = jnp.abs((h_Sx1xT * est_SxCxT).sum(0) - mix_CxT).mean()
    activation = jnp.abs((1 - h_Sx1xT) * est_SxCxT).sum(0).mean()
    return LossTerms(reconstruction, activation)


def total(terms: LossTerms, lam: jax.Array | float) -> jax.Array:
    """Return the value that is minimised: reconstruction + λ · activation."""
    return terms.reconstruction + lam * terms.activation
