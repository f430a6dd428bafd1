"""Encoder and decoder layers: one branch of one level, channels first.

What a layer is given has the shape CxRxT: channels, rows and time. In the spectrogram branch a row is a frequency;
in the wave branch, and where one frequency is left, there is one row, and the strided convolution runs along time.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from ugosa_jax.networks.htdemucs.convolution import (
    from_neighbours,
    pointwise,
    strided,
    transposed,
)
from ugosa_jax.networks.htdemucs.dconv import DConv
from ugosa_jax.networks.htdemucs.parts import Linear, Norm, gated, gelu
from ugosa_jax.networks.htdemucs.settings import Branch, Settings

BLOCK_ROWS = 8
"""Rows of a spectrogram layer that are computed together where no norm joins all rows."""


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
        if self._rows_are_independent(x_CxRxT.shape[1]):
            return self._by_rows(x_CxRxT)
        y = self.convolved(x_CxRxT)
        if self.branch.bare:
            return y
        if inject_CxRxT is not None:
            y = y + inject_CxRxT
        return self._rest(y)

    def _rows_are_independent(self, R: int) -> bool:
        blocks, left = divmod(self.branch.shrunk(R), BLOCK_ROWS)
        along_rows = self.branch.along_time or (hasattr(self, "rewrite") and self.rewrite.kernel.ndim == 4)
        return not (along_rows or self.groups or left) and blocks > 1

    def _by_rows(self, x_CxRxT: jax.Array) -> jax.Array:
        """Return the output a few rows at a time."""
        b, kernel, bias_Cx1x1 = self.branch, self.conv.kernel[...], self.conv.bias[...][:, None, None]
        size, step = (BLOCK_ROWS - 1) * b.stride + b.kernel, BLOCK_ROWS * b.stride
        x_CxRxT = jnp.pad(x_CxRxT, ((0, 0), (b.pad, b.pad), (0, 0)))
        rows = lambda x: self._rest(strided(x, kernel, b.stride, 0) + bias_Cx1x1)  # noqa: E731
        return blocks_of_rows(rows, x_CxRxT, size, step, BLOCK_ROWS)

    def _rest(self, y: jax.Array) -> jax.Array:
        """Return gate(rewrite(dconv(GELU(y))))."""
        y = gelu(self.norm1.grouped(y, self.groups) if self.groups else y)
        if hasattr(self, "dconv"):
            y = self.dconv(y)
        if not hasattr(self, "rewrite"):
            return y
        context = self.rewrite.kernel.shape[1] // 2 if self.rewrite.kernel.ndim == 4 else 0
        y = _rewritten(with_neighbours(y, context), self.rewrite)
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

    def __call__(
        self, x_CxRxT: jax.Array, skip_CxRxT: jax.Array | None, length: int
    ) -> tuple[jax.Array, jax.Array | None]:
        """Return the layer's output, cut to `length` if it runs along time, and what went into its convolution.

        The latter is None where rows are computed in blocks; only a layer of one row is ever asked for it.
        """
        x = x_CxRxT if skip_CxRxT is None else x_CxRxT + skip_CxRxT
        if self._rows_are_independent(x.shape[1]):
            size, own = BLOCK_ROWS + 2 * self.context, BLOCK_ROWS * self.branch.stride
            x = with_neighbours(x, self.context)
            y, before = blocks_of_rows(self._transposed_of, x, size, BLOCK_ROWS, own), None
        else:
            before = self.residual(with_neighbours(x, self.context))
            y = self._transposed(before)
        y = y + self.conv.bias[...][:, None, None]
        if self.groups:
            y = self.norm2.grouped(y, self.groups)  # before the cut: its statistics are those of all places
        y = self._cut(y, length)
        return (y if self.last else gelu(y)), before

    def _rows_are_independent(self, R: int) -> bool:
        return not (self.branch.along_time or self.groups) and R > BLOCK_ROWS and R % BLOCK_ROWS == 0

    @property
    def context(self) -> int:
        """Rows on either side that a row's output depends on."""
        along_rows = hasattr(self, "rewrite") and self.rewrite.kernel.ndim == 4
        return self.rewrite.kernel.shape[1] // 2 if along_rows else 0

    def _transposed_of(self, x_CxRxT: jax.Array) -> jax.Array:
        return self._transposed(self.residual(x_CxRxT))

    def residual(self, x_CxRxT: jax.Array) -> jax.Array:
        """Return dconv(gate(rewrite(x))) of all rows but those that are only context."""
        y = x_CxRxT
        if hasattr(self, "rewrite"):
            y = _rewritten(y, self.rewrite)
            y = gated(self.norm1.grouped(y, self.groups) if self.groups else y)
        return self.dconv(y) if hasattr(self, "dconv") else y

    def _transposed(self, y_CxRxT: jax.Array) -> jax.Array:
        kernel, stride = self.conv.kernel[...], self.branch.stride
        if self.branch.along_time:
            return transposed(y_CxRxT.swapaxes(1, 2), kernel, stride).swapaxes(1, 2)
        return transposed(y_CxRxT, kernel, stride)

    def _cut(self, y_OxRxT: jax.Array, length: int) -> jax.Array:
        pad = self.branch.pad
        if self.branch.along_time:
            return y_OxRxT[:, :, pad : pad + length]
        return y_OxRxT[:, pad : y_OxRxT.shape[1] - pad]


def with_neighbours(x_CxRxT: jax.Array, n: int) -> jax.Array:
    """Return x with n rows of zeros at both ends."""
    return jnp.pad(x_CxRxT, ((0, 0), (n, n), (0, 0)))


def blocks_of_rows(f, x_CxRxT: jax.Array, size: int, step: int, own: int) -> jax.Array:
    """Return f of all rows, computed a block at a time, so that what is between stays in the processor's cache.

    The backward pass computes what is between again, so that no more than one block of it is ever kept.

    Args:
      f: gives, for `size` rows, `own` rows and perhaps some more, which overlap the first ones of the next block.
      x_CxRxT: input.
      size: rows that f is given.
      step: rows from one block to the next.
      own: rows of the output from one block to the next.
    """
    _, R, T = x_CxRxT.shape

    @jax.checkpoint
    def block(start):
        return f(jax.lax.dynamic_slice_in_dim(x_CxRxT, start, size, 1))

    y_NxOxQxT = jax.lax.map(block, jnp.arange(0, R - size + 1, step))
    N, n_out, Q, _ = y_NxOxQxT.shape
    y_OxNxQxT = y_NxOxQxT.swapaxes(0, 1)
    if own == Q:
        return y_OxNxQxT.reshape(n_out, N * own, T)
    first = jnp.pad(y_OxNxQxT[:, :, :own], ((0, 0), (0, 1), (0, 0), (0, 0)))
    more = jnp.pad(y_OxNxQxT[:, :, own:], ((0, 0), (1, 0), (0, 2 * own - Q), (0, 0)))
    return (first + more).reshape(n_out, -1, T)[:, : N * own + Q - own]


def _dconv(s: Settings, channels: int, rngs: nnx.Rngs) -> DConv:
    return DConv(channels, int(channels / s.dconv_compression), s.dconv_depth, s.dconv_dilates, rngs)


def _taps(context: int, branch: Branch) -> tuple[int, ...]:
    """Return the taps of a gated convolution along time, and along frequency in the spectrogram branch."""
    if context == 0:
        return ()
    return (2 * context + 1,) * (1 if branch.along_time else 2)


def _rewritten(x_CxRxT: jax.Array, rewrite: Linear) -> jax.Array:
    """Return the gated convolution before its gate; if it runs along rows, those at both ends are context alone."""
    kernel = rewrite.kernel[...]
    y = pointwise(x_CxRxT, kernel) if kernel.ndim == 2 else from_neighbours(x_CxRxT, kernel)
    return y + rewrite.bias[...][:, None, None]
