"""Encoder and decoder layers: one branch of one level, channels first.

The input of a layer has the shape CxRxT: channels, rows and time. In the spectrogram branch a row is a frequency;
in the wave branch, and where one frequency is left, there is one row, and the strided convolution runs along time.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ugosa_jax.networks.htdemucs.convolution import (
    convolve_and_gate,
    convolve_neighbours,
    convolve_strided,
    convolve_transposed,
)
from ugosa_jax.networks.htdemucs.dconv import DConv
from ugosa_jax.networks.htdemucs.parts import Linear, Norm, apply_glu, gelu
from ugosa_jax.networks.htdemucs.settings import Branch, Settings

BLOCK_ROWS = 8
"""Number of rows of a spectrogram layer that are computed together, if no norm spans all rows.

Blocks of 2, 4 and 8 rows were equally fast on a CPU.
"""


class Encoder(nnx.Module):
    """An encoder layer: GLU(rewrite(dconv(GELU(conv(x)))))."""

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
            self.dconv = _make_dconv(s, C, rngs)
        if s.rewrite:
            self.rewrite = Linear((*_count_taps(s.encoder_context, branch), C, 2 * C), rngs)
            if norm:
                self.norm2 = Norm(2 * C)

    def __call__(self, x_CxRxT: jax.Array, inject_CxRxT: jax.Array | None = None) -> jax.Array:
        """Return the layer's output; `inject` is added to the result of the convolution."""
        if self._has_independent_rows(x_CxRxT.shape[1]):
            return self._run_by_rows(x_CxRxT)
        y = self.convolve(x_CxRxT)
        if self.branch.bare:
            return y
        if inject_CxRxT is not None:
            y = y + inject_CxRxT
        return self._run_after_convolution(y)

    def _has_independent_rows(self, R: int) -> bool:
        blocks, left = divmod(self.branch.strided_length(R), BLOCK_ROWS)
        along_rows = self.branch.along_time or (hasattr(self, "rewrite") and self.rewrite.kernel.ndim == 4)
        return not (along_rows or self.groups or left) and blocks > 1

    def _run_by_rows(self, x_CxRxT: jax.Array) -> jax.Array:
        """Return the output a few rows at a time."""
        b, (structure, params) = self.branch, nnx.split(self)
        size, step = (BLOCK_ROWS - 1) * b.stride + b.kernel, BLOCK_ROWS * b.stride
        x_CxRxT = jnp.pad(x_CxRxT, ((0, 0), (b.pad, b.pad), (0, 0)))

        def rows(params, x_CxrxT):
            layer = nnx.merge(structure, params)
            y = convolve_strided(x_CxrxT, layer.conv.kernel[...], b.stride, 0) + layer.conv.bias[...][:, None, None]
            return layer._run_after_convolution(y)

        return map_row_blocks(rows, params, x_CxRxT, size, step, BLOCK_ROWS)

    def _run_after_convolution(self, y: jax.Array) -> jax.Array:
        """Return GLU(rewrite(dconv(GELU(y))))."""
        y = gelu(self.norm1.normalise_groups(y, self.groups) if self.groups else y)
        if hasattr(self, "dconv"):
            y = self.dconv(y)
        if not hasattr(self, "rewrite"):
            return y
        context = self.rewrite.kernel.shape[1] // 2 if self.rewrite.kernel.ndim == 4 else 0
        return rewrite_and_gate(pad_rows(y, context), self.rewrite, self.norm2 if self.groups else None, self.groups)

    def convolve(self, x_CxRxT: jax.Array) -> jax.Array:
        """Return conv(x); along time, x is first padded to a multiple of the stride."""
        stride, pad, kernel = self.branch.stride, self.branch.pad, self.conv.kernel[...]
        bias_Cx1x1 = self.conv.bias[...][:, None, None]
        if not self.branch.along_time:
            return convolve_strided(x_CxRxT, kernel, stride, pad) + bias_Cx1x1
        x_CxTx1 = x_CxRxT.swapaxes(1, 2)
        x_CxTx1 = jnp.pad(x_CxTx1, ((0, 0), (0, -x_CxTx1.shape[1] % stride), (0, 0)))
        return convolve_strided(x_CxTx1, kernel, stride, pad).swapaxes(1, 2) + bias_Cx1x1


class Decoder(nnx.Module):
    """A decoder layer: GELU(conv(dconv(GLU(rewrite(x + skip))))), conv being transposed; the outermost has no GELU."""

    def __init__(self, settings: Settings, branch: Branch, norm: bool, last: bool, rngs: nnx.Rngs):
        s, C = settings, branch.channels
        self.branch, self.last = branch, last
        self.groups = s.norm_groups if norm else 0
        if not branch.bare:
            if s.rewrite:
                self.rewrite = Linear((*_count_taps(s.context, branch), C, 2 * C), rngs)
                if norm:
                    self.norm1 = Norm(2 * C)
            if s.dconv_decoder:
                self.dconv = _make_dconv(s, C, rngs)
        self.conv = Linear((branch.kernel, branch.channels_back, C), rngs, n_bias=branch.channels_back)
        if norm:
            self.norm2 = Norm(branch.channels_back)

    def __call__(
        self, x_CxRxT: jax.Array, skip_CxRxT: jax.Array | None, length: int
    ) -> tuple[jax.Array, jax.Array | None]:
        """Return the layer's output, cut to `length` if it runs along time, and the input of its convolution.

        The second is None if rows are computed in blocks; it is only used where the layer has a single row.
        """
        x = x_CxRxT if skip_CxRxT is None else x_CxRxT + skip_CxRxT
        if self._has_independent_rows(x.shape[1]):
            size, own = BLOCK_ROWS + 2 * self.context, BLOCK_ROWS * self.branch.stride
            x = pad_rows(x, self.context)
            structure, params = nnx.split(self)
            rows = lambda params, x: nnx.merge(structure, params)._compute_rows(x)  # noqa: E731
            y, before = map_row_blocks(rows, params, x, size, BLOCK_ROWS, own), None
        else:
            before = self.compute_residual(pad_rows(x, self.context))
            y = self._convolve_transposed(before)
        y = y + self.conv.bias[...][:, None, None]
        if self.groups:
            y = self.norm2.normalise_groups(y, self.groups)  # not after cropping: the statistics are those of all of y
        y = self._crop(y, length)
        return (y if self.last else gelu(y)), before

    def _has_independent_rows(self, R: int) -> bool:
        return not (self.branch.along_time or self.groups) and R > BLOCK_ROWS and R % BLOCK_ROWS == 0

    @property
    def context(self) -> int:
        """Number of neighbouring rows, on either side, that the output of a row depends on."""
        along_rows = hasattr(self, "rewrite") and self.rewrite.kernel.ndim == 4
        return self.rewrite.kernel.shape[1] // 2 if along_rows else 0

    def _compute_rows(self, x_CxRxT: jax.Array) -> jax.Array:
        return self._convolve_transposed(self.compute_residual(x_CxRxT))

    def compute_residual(self, x_CxRxT: jax.Array) -> jax.Array:
        """Return dconv(GLU(rewrite(x))) of all rows except the first and last `context` ones."""
        y = x_CxRxT
        if hasattr(self, "rewrite"):
            y = rewrite_and_gate(y, self.rewrite, self.norm1 if self.groups else None, self.groups)
        return self.dconv(y) if hasattr(self, "dconv") else y

    def _convolve_transposed(self, y_CxRxT: jax.Array) -> jax.Array:
        kernel, stride = self.conv.kernel[...], self.branch.stride
        if self.branch.along_time:
            return convolve_transposed(y_CxRxT.swapaxes(1, 2), kernel, stride).swapaxes(1, 2)
        return convolve_transposed(y_CxRxT, kernel, stride)

    def _crop(self, y_OxRxT: jax.Array, length: int) -> jax.Array:
        pad = self.branch.pad
        if self.branch.along_time:
            return y_OxRxT[:, :, pad : pad + length]
        return y_OxRxT[:, pad : y_OxRxT.shape[1] - pad]


def pad_rows(x_CxRxT: jax.Array, n: int) -> jax.Array:
    """Return x with n rows of zeros at both ends."""
    return jnp.pad(x_CxRxT, ((0, 0), (n, n), (0, 0)))


Rows = Callable[[Any, jax.Array], jax.Array]


def map_row_blocks(f: Rows, params: Any, x_CxRxT: jax.Array, size: int, step: int, own: int) -> jax.Array:
    """Return f of all rows, computed a block at a time, so that inner values stay in the processor's cache.

    The backward pass recomputes the inner values, so that only those of one block are in memory.

    Args:
      f: takes `params` and `size` rows, and returns `own` rows or more; those after the first `own` are added to the
        rows of the next block.
      params: all differentiable arguments of f.
      x_CxRxT: input.
      size: number of rows that f takes.
      step: rows from one block to the next.
      own: rows of the output from one block to the next.
    """
    n_blocks = (x_CxRxT.shape[1] - size) // step + 1
    shape = jax.eval_shape(f, params, x_CxRxT[:, :size])
    (n_out, Q, T), dtype = shape.shape, shape.dtype

    @jax.custom_vjp
    def run(params, x_CxRxT):
        def block(i, y_OxRxT):
            return _add_rows(y_OxRxT, f(params, _take_rows(x_CxRxT, i * step, size)), i * own, own)

        return jax.lax.fori_loop(0, n_blocks, block, jnp.zeros((n_out, (n_blocks - 1) * own + Q, T), dtype))

    def backward(kept, dy_OxRxT):
        params, x_CxRxT = kept

        def block(i, sums):
            dparams, dx_CxRxT = sums
            _, pull = jax.vjp(f, params, _take_rows(x_CxRxT, i * step, size))
            more, dx_CxrxT = pull(_take_rows(dy_OxRxT, i * own, Q))
            return jax.tree.map(jnp.add, dparams, more), _add_rows(dx_CxRxT, dx_CxrxT, i * step, step)

        return jax.lax.fori_loop(0, n_blocks, block, jax.tree.map(jnp.zeros_like, (params, x_CxRxT)))

    run.defvjp(lambda params, x: (run(params, x), (params, x)), backward)
    return run(params, x_CxRxT)


def _take_rows(x_CxRxT: jax.Array, start: jax.Array, n: int) -> jax.Array:
    return jax.lax.dynamic_slice_in_dim(x_CxRxT, start, n, 1)


def _add_rows(sum_CxRxT: jax.Array, x_CxrxT: jax.Array, start: jax.Array, own: int) -> jax.Array:
    """Return the sum with the rows of a block added from `start` on.

    Rows after the first `own` overlap with the next block. Without an overlap, the rows are written without reading the
    sum.
    """
    overlap = x_CxrxT.shape[1] - own
    if overlap > 0:
        x_CxrxT = x_CxrxT + _take_rows(sum_CxRxT, start, own + overlap)
    return jax.lax.dynamic_update_slice_in_dim(sum_CxRxT, x_CxrxT, start, 1)


def _make_dconv(s: Settings, channels: int, rngs: nnx.Rngs) -> DConv:
    return DConv(channels, int(channels / s.dconv_compression), s.dconv_depth, s.dconv_dilates, rngs)


def _count_taps(context: int, branch: Branch) -> tuple[int, ...]:
    """Return the taps of a gated convolution along time, and along frequency in the spectrogram branch."""
    if context == 0:
        return ()
    return (2 * context + 1,) * (1 if branch.along_time else 2)


def rewrite_and_gate(x_CxRxT: jax.Array, rewrite: Linear, norm: Norm | None, groups: int) -> jax.Array:
    """Return GLU(norm(convolution of x)); a kernel that spans rows leaves out the rows at both ends."""
    kernel, bias = rewrite.kernel[...], rewrite.bias[...]
    if norm is None:
        return convolve_and_gate(x_CxRxT, kernel, bias)
    return apply_glu(norm.normalise_groups(convolve_neighbours(x_CxRxT, kernel) + bias[:, None, None], groups))
