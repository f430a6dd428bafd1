"""DConv: residual branches of dilated convolutions along time, applied to each row separately.

A row is one frequency in the spectrogram branch; in the wave branch, the whole signal is one row.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from ugosa_jax.networks.htdemucs.convolution import convolve_along_time, convolve_and_gate
from ugosa_jax.networks.htdemucs.parts import NORM_EPS, Linear, Norm, gelu

_TAPS = 3
_FRESH_SCALE = 1e-3
"""Initial scale of a residual branch."""


class Block(nnx.Module):
    """scale · GLU(norm(expand(GELU(norm(squeeze(x)))))), with norms over the channels and times of a row."""

    def __init__(self, channels: int, hidden: int, dilation: int, rngs: nnx.Rngs):
        self.dilation = dilation
        self.squeeze = Linear((_TAPS, channels, hidden), rngs)
        self.norm1 = Norm(hidden)
        self.expand = Linear((hidden, 2 * channels), rngs)
        self.norm2 = Norm(2 * channels)
        self.scale = nnx.Param(jnp.full(channels, _FRESH_SCALE))

    def __call__(self, x_CxRxT: jax.Array) -> jax.Array:
        h_HxRxT = convolve_along_time(x_CxRxT, self.squeeze.kernel[...], self.dilation) + _column(self.squeeze.bias)
        h_HxRxT = gelu(_standardise_rows(h_HxRxT) * _column(self.norm1.gamma) + _column(self.norm1.beta))
        return self._expand_and_gate(h_HxRxT)

    def _expand_and_gate(self, h_HxRxT: jax.Array) -> jax.Array:
        """Return scale · GLU(norm2(expand(h))) in one matrix product.

        Let y = Eᵀh + b, m the mean of a row of y over channels o and time t, and h̄ the mean of h over time. Then

            y_o − m = E_o·(h − h̄) + u_o          u_o = E_o·h̄ + b_o − m
            var y   = mean_o (E_oᵀ cov(h) E_o + u_o²)

        so the statistics come from the few channels of h, without differences of large numbers. With r the
        reciprocal of the standard deviation, the result γ_o r (y_o − m) + β_o is linear in (r h, r, r m):

            γ_o E_o · (r h) + γ_o b_o · r − γ_o · r m + β_o

        GLU is linear in the first half of its channels, so `scale` multiplies their γ and β instead of its result.
        """
        T = h_HxRxT.shape[2]
        kernel_HxO, bias_O = self.expand.kernel[...], self.expand.bias[...]
        scale_O = jnp.concatenate([self.scale[...], jnp.ones_like(self.scale[...])])
        gamma_O, beta_O = self.norm2.gamma[...] * scale_O, self.norm2.beta[...] * scale_O
        mean_HxRx1 = h_HxRxT.mean(2, keepdims=True)
        centred_HxRxT = h_HxRxT - mean_HxRx1
        covariance_RxHxH = jnp.einsum("hrt,grt->rhg", centred_HxRxT, centred_HxRxT) / T
        offset_OxR = jnp.einsum("ho,hr->or", kernel_HxO, mean_HxRx1[..., 0]) + bias_O[:, None]
        m_R = offset_OxR.mean(0)
        gram_HxH = kernel_HxO @ kernel_HxO.T / bias_O.size  # Σ_o E_oᵀ cov E_o is the sum of cov ∘ E Eᵀ
        variance_R = jnp.einsum("rhg,hg->r", covariance_RxHxH, gram_HxH) + ((offset_OxR - m_R) ** 2).mean(0)
        r_Rx1 = jax.lax.rsqrt(variance_R + NORM_EPS)[:, None]
        constants = jnp.stack([r_Rx1, r_Rx1 * m_R[:, None]])
        inputs = jnp.concatenate([h_HxRxT * r_Rx1, jnp.broadcast_to(constants, (2, *h_HxRxT.shape[1:]))])
        rows_IxO = gamma_O * jnp.concatenate([kernel_HxO, bias_O[None], -jnp.ones_like(bias_O)[None]])
        return convolve_and_gate(inputs, rows_IxO, beta_O)


class DConv(nnx.Dict[Block]):
    """x ← x + block(x) for each block in turn."""

    def __init__(self, channels: int, hidden: int, depth: int, dilates: bool, rngs: nnx.Rngs):
        blocks = (Block(channels, hidden, 2**d if dilates else 1, rngs) for d in range(depth))
        super().__init__({f"block{d}": block for d, block in enumerate(blocks, 1)})

    def __call__(self, x_CxRxT: jax.Array) -> jax.Array:
        for d in range(len(self)):  # flax sorts names, and block10 precedes block2
            x_CxRxT = x_CxRxT + self[f"block{d + 1}"](x_CxRxT)
        return x_CxRxT


def _column(param: nnx.Param) -> jax.Array:
    return param[...][:, None, None]


def _standardise_rows(x_HxRxT: jax.Array) -> jax.Array:
    centred = x_HxRxT - x_HxRxT.mean((0, 2), keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean((0, 2), keepdims=True) + NORM_EPS)
