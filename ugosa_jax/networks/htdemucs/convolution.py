"""Convolutions as matrix products, channels first: what XLA does fastest on a CPU, and no slower elsewhere.

Kernels are (taps …, in, out), those of transposed convolutions (taps, out, in): torch's axes reversed.
"""

import jax
import jax.numpy as jnp


def pointwise(x_CxRxT: jax.Array, kernel_CxO: jax.Array) -> jax.Array:
    """Return y[o] = Σ_c kernel[c, o] · x[c], of the shape OxRxT."""
    return jnp.einsum("co,crt->ort", kernel_CxO, x_CxRxT)


def strided(x_CxLxM: jax.Array, kernel_PxCxO: jax.Array, stride: int, pad: int) -> jax.Array:
    """Return y[o, q, m] = Σ_pc kernel[p, c, o] · x[c, q · stride + p − pad, m], x being zero outside.

    A window is a few stride-long pieces of x, and each piece is one matrix product over channels and places together.
    """
    C, L, M = x_CxLxM.shape
    P, _, n_out = kernel_PxCxO.shape
    pieces = -(-P // stride)
    Q = (L + 2 * pad - P) // stride + 1
    n_pieces = Q + pieces - 1
    x_CxLxM = jnp.pad(x_CxLxM, ((0, 0), (pad, stride * pieces), (0, 0)))[:, : n_pieces * stride]
    x_CsxQxM = x_CxLxM.reshape(C, n_pieces, stride, M).swapaxes(1, 2).reshape(C * stride, n_pieces, M)
    kernel = jnp.pad(kernel_PxCxO, ((0, pieces * stride - P), (0, 0), (0, 0)))
    kernel = kernel.reshape(pieces, stride, C, n_out).swapaxes(1, 2).reshape(pieces, C * stride, n_out)
    return sum(pointwise(x_CsxQxM[:, i : i + Q], kernel[i]) for i in range(pieces))  # pyright: ignore


def transposed(x_CxQxM: jax.Array, kernel_PxOxC: jax.Array, stride: int) -> jax.Array:
    """Return y[o, l, m] = Σ_qc kernel[l − q · stride, o, c] · x[c, q, m], which has (Q − 1) · stride + P places.

    One matrix product makes P places of each of x, as stride-long pieces; these are added up where they meet.
    """
    C, Q, M = x_CxQxM.shape
    P, n_out, _ = kernel_PxOxC.shape
    pieces = -(-P // stride)
    kernel = jnp.pad(kernel_PxOxC, ((0, pieces * stride - P), (0, 0), (0, 0))).reshape(pieces, stride, n_out, C)
    y_sum = 0
    for i in range(pieces):
        y_sxOxQxM = jnp.einsum("soc,cqm->osqm", kernel[i], x_CxQxM)
        y_sum += jnp.pad(y_sxOxQxM, ((0, 0), (0, 0), (i, pieces - 1 - i), (0, 0)))
    y_OxLxM = jnp.swapaxes(y_sum, 1, 2).reshape(n_out, (Q + pieces - 1) * stride, M)
    return y_OxLxM[:, : (Q - 1) * stride + P]


def along_time(x_CxRxT: jax.Array, kernel_PxCxO: jax.Array, dilation: int = 1) -> jax.Array:
    """Return the convolution along time of each row, zero-padded to its input's length; P is odd.

    All taps at once in one matrix product, whose results are moved into place: best where O is much smaller than C.
    """
    P, T = kernel_PxCxO.shape[0], x_CxRxT.shape[2]
    y_PxOxRxT = jnp.einsum("pco,crt->port", kernel_PxCxO, x_CxRxT)
    return sum(_moved(y_PxOxRxT[p], (p - P // 2) * dilation, T) for p in range(P))  # pyright: ignore


def _moved(x: jax.Array, by: int, T: int) -> jax.Array:
    """Return x[..., t + by], zero outside."""
    before, after = max(0, -by), max(0, by)
    padded = jnp.pad(x, (*((0, 0),) * (x.ndim - 1), (before, after)))
    return jax.lax.slice_in_dim(padded, after, after + T, axis=x.ndim - 1)


def from_neighbours(x_CxRxT: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the convolution with a kernel (P, C, O) along time, or (P, P, C, O) along time and rows.

    Time is zero-padded, rows are not: P − 1 of them are lost. The moved inputs stand one above the other, so that all
    taps are one matrix product: fast, but P or P² inputs large; give it few rows at a time.
    """
    T = x_CxRxT.shape[2]
    if kernel.ndim == 3:
        kernel = kernel[:, None]
    P, P_rows, _, n_out = kernel.shape
    Q = x_CxRxT.shape[1] - P_rows + 1
    padded = jnp.pad(x_CxRxT, ((0, 0), (0, 0), (P // 2, P // 2)))
    moved = [padded[:, q : q + Q, p : p + T] for p in range(P) for q in range(P_rows)]
    return pointwise(jnp.concatenate(moved), kernel.reshape(-1, n_out))
