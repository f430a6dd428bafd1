"""What is minimised on one segment of one song: eq. (1) of the paper, or how far a remix is from taken apart."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

_EPS = 1e-6
"""60 dB below a standardised mixture."""


class LossTerms(NamedTuple):
    """The two terms of eq. (1), before λ weighs the second."""

    reconstruction: jax.Array
    activation: jax.Array


def compute_loss_terms(est_SxCxT: jax.Array, mix_CxT: jax.Array, active_SxT: jax.Array) -> LossTerms:
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


def compute_remix_terms(est_SxCxT: jax.Array, stems_SxCxT: jax.Array) -> LossTerms:
    """Return how far the estimates of a remix are from the stems it was made of: mean over the sources of their RMS.

    It is the loss that the bundled network was trained with. There is no second term, since where a source is silent
    its stem says so.

    Args:
      est_SxCxT: estimated sources.
      stems_SxCxT: what the remix is the sum of.
    """
    error_S = jnp.sqrt(jnp.square(est_SxCxT - stems_SxCxT).mean((1, 2)) + _EPS)  # the root has no slope at zero
    return LossTerms(error_S.mean(), jnp.zeros_like(error_S[0]))


def compute_total(terms: LossTerms, lam: jax.Array | float) -> jax.Array:
    """Return the value that is minimised: reconstruction + λ · activation."""
    return terms.reconstruction + lam * terms.activation
