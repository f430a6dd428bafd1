"""Encoder and decoder layers: one branch of one level, channels first.

What a layer is given has the shape CxRxT: channels, rows and time. In the spectrogram branch a row is a frequency;
in the wave branch, and where one frequency is left, there is one row, and the strided convolution runs along time.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from ugosa_jax.networks.htdemucs.convolution import neighbourhood, pointwise, strided, transposed
from ugosa_jax.networks.htdemucs.dconv import DConv
from ugosa_jax.networks.htdemucs.parts import Linear, Norm, gated, gelu
from ugosa_jax.networks.htdemucs.settings import Branch, Settings


class Encoder(nnx.Module):
    """gate(rewrite(dconv(GELU(conv(x)))))."""

    def __init__(self, settings: Settings, branch: Branch, norm: bool, rngs: nnx.Rngs):
        s, C = settings, branch.channels
        self.branch = branch
        self.groups = s.norm_groups if norm else 0
        self.conv = Linear((branch.kernel, branch.channels_in, C), rngs)
        if branch.bare:
            return
        if norm:
            self.norm1 = Norm(C)
        if s.dconv_encoder:
            self.dconv = _dconv(s, C, rngs)
        if s.rewrite:
            self.rewrite = Linear((*_taps(s.encoder_context, branch), C, 2 * C), rngs)
            if norm:
                self.norm2 = Norm(2 * C)

    def __call__(self, x_CxRxT: jax.Array, inject_CxRxT: jax.Array | None = None) -> jax.Array:
        """Return the layer's output; `inject` is added to what the convolution gives."""
        y = self.convolved(x_CxRxT)
        if self.branch.bare:
            return y
        if inject_CxRxT is not None:
            y = y + inject_CxRxT
        y = gelu(self.norm1.grouped(y, self.groups) if self.groups else y)
        if hasattr(self, "dconv"):
            y = self.dconv(y)
        if not hasattr(self, "rewrite"):
            return y
        y = _rewritten(y, self.rewrite)
        return gated(self.norm2.grouped(y, self.groups) if self.groups else y)

    def convolved(self, x_CxRxT: jax.Array) -> jax.Array:
        """Return conv(x); along time, x is padded to whole strides before."""
        stride, pad, kernel = self.branch.stride, self.branch.pad, self.conv.kernel[...]
        bias_Cx1x1 = self.conv.bias[...][:, None, None]
        if not self.branch.along_time:
            return strided(x_CxRxT, kernel, stride, pad) + bias_Cx1x1
        x_CxTx1 = x_CxRxT.swapaxes(1, 2)
        x_CxTx1 = jnp.pad(x_CxTx1, ((0, 0), (0, -x_CxTx1.shape[1] % stride), (0, 0)))
        return strided(x_CxTx1, kernel, stride, pad).swapaxes(1, 2) + bias_Cx1x1


class Decoder(nnx.Module):
    """GELU(conv(dconv(gate(rewrite(x + skip))))), where conv is transposed; the outermost has no GELU."""

    def __init__(self, settings: Settings, branch: Branch, norm: bool, last: bool, rngs: nnx.Rngs):
        s, C = settings, branch.channels
        self.branch, self.last = branch, last
        self.groups = s.norm_groups if norm else 0
        if not branch.bare:
            if s.rewrite:
                self.rewrite = Linear((*_taps(s.context, branch), C, 2 * C), rngs)
                if norm:
                    self.norm1 = Norm(2 * C)
            if s.dconv_decoder:
                self.dconv = _dconv(s, C, rngs)
        self.conv = Linear((branch.kernel, branch.channels_back, C), rngs, n_bias=branch.channels_back)
        if norm:
            self.norm2 = Norm(branch.channels_back)

    def __call__(self, x_CxRxT: jax.Array, skip_CxRxT: jax.Array | None, length: int) -> tuple[jax.Array, jax.Array]:
        """Return the layer's output, cut to `length` if it runs along time, and what went into its convolution."""
        y = x_CxRxT if skip_CxRxT is None else x_CxRxT + skip_CxRxT
        if hasattr(self, "rewrite"):
            y = _rewritten(y, self.rewrite)
            y = gated(self.norm1.grouped(y, self.groups) if self.groups else y)
        if hasattr(self, "dconv"):
            y = self.dconv(y)
        before = y
        if self.branch.along_time:
            y = transposed(y.swapaxes(1, 2), self.conv.kernel[...], self.branch.stride).swapaxes(1, 2)
        else:
            y = transposed(y, self.conv.kernel[...], self.branch.stride)
        y = y + self.conv.bias[...][:, None, None]
        if self.groups:
            y = self.norm2.grouped(y, self.groups)  # before the cut: its statistics are those of all places
        y = self._cut(y, length)
        return (y if self.last else gelu(y)), before

    def _cut(self, y_OxRxT: jax.Array, length: int) -> jax.Array:
        pad = self.branch.pad
        if self.branch.along_time:
            return y_OxRxT[:, :, pad : pad + length]
        return y_OxRxT[:, pad : y_OxRxT.shape[1] - pad]


def _dconv(s: Settings, channels: int, rngs: nnx.Rngs) -> DConv:
    return DConv(channels, int(channels / s.dconv_compression), s.dconv_depth, s.dconv_dilates, rngs)


def _taps(context: int, branch: Branch) -> tuple[int, ...]:
    """Return the taps of a gated convolution along time, and along frequency in the spectrogram branch."""
    if context == 0:
        return ()
    return (2 * context + 1,) * (1 if branch.along_time else 2)


def _rewritten(x_CxRxT: jax.Array, rewrite: Linear) -> jax.Array:
    kernel = rewrite.kernel[...]
    y = pointwise(x_CxRxT, kernel) if kernel.ndim == 2 else neighbourhood(x_CxRxT, kernel)
    return y + rewrite.bias[...][:, None, None]
