"""The transformer between encoders and decoders: tokens of both branches, self-attention and cross-attention in turn.

A token of the spectrogram branch is one frequency in one frame, in the order of time, frequency inner; a token of the
wave branch is one step of time.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ugosa_jax.networks.htdemucs.attention import attention, join_heads, split_heads
from ugosa_jax.networks.htdemucs.parts import Linear, Norm, gelu
from ugosa_jax.networks.htdemucs.settings import Settings

_FRESH_SCALE = 1e-4
"""Initial value of `scale1` and `scale2`."""


class TokensIn(nnx.Module):
    """Normalise the tokens of both branches and add their positions."""

    def __init__(self, settings: Settings):
        self.settings = settings
        if settings.norm_in:
            self.freq, self.time = Norm(settings.token_channels), Norm(settings.token_channels)

    def __call__(self, x_DxFxK: jax.Array, x_Dx1xT: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the tokens of both branches, NxD."""
        s = self.settings
        D, F, K = x_DxFxK.shape
        freq_NxD, time_NxD = to_tokens(x_DxFxK), to_tokens(x_Dx1xT)
        if s.norm_in:
            freq_NxD = self.freq.normalise_tokens(freq_NxD, s.norm_in_groups)
            time_NxD = self.time.normalise_tokens(time_NxD, s.norm_in_groups)
        at_freq_NxD = _encode_plane(K, F, D, s.max_period) * s.position_weight
        at_time_NxD = _encode_line(time_NxD.shape[0], D, s.max_period) * s.position_weight
        return freq_NxD + at_freq_NxD.astype(freq_NxD.dtype), time_NxD + at_time_NxD.astype(time_NxD.dtype)


class Layer(nnx.Module):
    """One layer: a half for each branch, with its own weights."""

    def __init__(self, settings: Settings, number: int, rngs: nnx.Rngs):
        self.cross = (number % 2 == 1) == settings.cross_first
        self.freq = HalfLayer(settings, self.cross, rngs)
        self.time = HalfLayer(settings, self.cross, rngs)

    def __call__(self, freq_NxD: jax.Array, time_NxD: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the tokens of both branches; in a cross layer, each attends to the input of the other."""
        if self.cross:
            return self.freq(freq_NxD, time_NxD), self.time(time_NxD, freq_NxD)
        return self.freq(freq_NxD), self.time(time_NxD)


class HalfLayer(nnx.Module):
    """One branch of a layer:

        x ← x + scale1 · attention(norm1(x), norm2(other))
        x ← x + scale2 · feed_forward(norm3(x))
        x ← norm_out(x)

    In self-attention, which has no `other`, the norm before feed_forward is called norm2. Without `norm_first`, norm1
    and norm2 are applied to the two sums instead, and norm3 is not used, as in the original.
    """

    def __init__(self, settings: Settings, cross: bool, rngs: nnx.Rngs):
        s, D = settings, settings.token_channels
        self.settings, self.cross = s, cross
        self.attend = Linear((D, 3 * D), rngs)
        self.join = Linear((D, D), rngs)
        self.expand = Linear((D, int(D * s.hidden_scale)), rngs)
        self.contract = Linear((int(D * s.hidden_scale), D), rngs)
        self.norm1, self.norm2 = Norm(D), Norm(D)
        if cross:
            self.norm3 = Norm(D)
        if s.norm_out_groups:
            self.norm_out = Norm(D)
        if s.layer_scale:
            self.scale1, self.scale2 = nnx.Param(jnp.full(D, _FRESH_SCALE)), nnx.Param(jnp.full(D, _FRESH_SCALE))

    def __call__(self, x_NxD: jax.Array, other_MxD: jax.Array | None = None) -> jax.Array:
        s = self.settings
        norm = lambda name, x: getattr(self, name).normalise_tokens(x, s.layer_norm_groups)  # noqa: E731
        if not s.norm_first:
            x_NxD = norm("norm1", x_NxD + self._attention(x_NxD, other_MxD))
            return norm("norm2", x_NxD + self._feed_forward(x_NxD))
        seen_MxD = None if other_MxD is None else norm("norm2", other_MxD)
        x_NxD = x_NxD + self._attention(norm("norm1", x_NxD), seen_MxD)
        before_NxD = norm("norm3" if self.cross else "norm2", x_NxD)
        x_NxD = x_NxD + self._feed_forward(before_NxD)
        return self.norm_out.normalise_tokens(x_NxD, s.norm_out_groups) if s.norm_out_groups else x_NxD

    def _attention(self, x_NxD: jax.Array, other_MxD: jax.Array | None) -> jax.Array:
        """Return scale1 · attention."""
        D, kernel, bias = x_NxD.shape[1], self.attend.kernel[...], self.attend.bias[...]
        if other_MxD is None:
            q_NxD, k_MxD, v_MxD = jnp.split(x_NxD @ kernel + bias, 3, 1)
        else:
            q_NxD = x_NxD @ kernel[:, :D] + bias[:D]
            k_MxD, v_MxD = jnp.split(other_MxD @ kernel[:, D:] + bias[D:], 2, 1)
        heads = (split_heads(x, self.settings.heads) for x in (q_NxD, k_MxD, v_MxD))
        return self.join(join_heads(attention(*heads)), self.scale1[...] if self.settings.layer_scale else None)

    def _feed_forward(self, x_NxD: jax.Array) -> jax.Array:
        """Return scale2 · feed-forward."""
        activation = gelu if self.settings.gelu else jax.nn.relu
        scale_D = self.scale2[...] if self.settings.layer_scale else None
        return self.contract(activation(self.expand(x_NxD)), scale_D)


def to_tokens(x_DxFxK: jax.Array) -> jax.Array:
    """Return tokens_NxD, N = K · F, frequency inner."""
    return x_DxFxK.transpose(2, 1, 0).reshape(-1, x_DxFxK.shape[0])


def to_planes(tokens_NxD: jax.Array, F: int) -> jax.Array:
    """Return x_DxFxK; the inverse of `to_tokens`."""
    return tokens_NxD.reshape(-1, F, tokens_NxD.shape[1]).transpose(2, 1, 0)


def _encode_line(N: int, D: int, max_period: float) -> np.ndarray:
    """Return the positions of N tokens in a row: D/2 cosines, then D/2 sines, with rates from 1 to 1 / max_period."""
    half = D // 2
    rates_d = max_period ** (-np.arange(half) / (half - 1))
    phase_Nxd = np.arange(N)[:, None] * rates_d
    return np.concatenate([np.cos(phase_Nxd), np.sin(phase_Nxd)], 1)


def _encode_plane(K: int, F: int, D: int, max_period: float) -> np.ndarray:
    """Return the positions of K · F tokens: half of the channels encode the frame, half the frequency.

    In each half, sines and cosines alternate, with rates from 1 to almost 1 / max_period.
    """
    half = D // 2
    rates_d = max_period ** (-np.arange(0, half, 2) / half)

    def turns(n: int) -> np.ndarray:
        phase_nxd = np.arange(n)[:, None] * rates_d
        return np.stack([np.sin(phase_nxd), np.cos(phase_nxd)], 2).reshape(n, half)

    plane_KxFxD = np.zeros((K, F, D))
    plane_KxFxD[..., :half] = turns(K)[:, None]
    plane_KxFxD[..., half:] = turns(F)
    return plane_KxFxD.reshape(-1, D)
