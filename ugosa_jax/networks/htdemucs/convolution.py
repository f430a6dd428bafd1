"""Convolutions as matrix products, channels first: fastest in XLA on a CPU, and no slower elsewhere.

Kernels have the axes (taps …, in, out), those of transposed convolutions (taps, out, in): PyTorch's axes in reverse.

The gradients are written by hand, with `jax.custom_vjp`. JAX's own gradients of matrix products put channels last and
transpose the result, and its gradients of slices pad arrays and add them. On a CPU, these transposes and sums took
longer than the products (docs/performance.md).
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def _with_gradient(static: tuple[int, ...]) -> Callable[[Callable[..., jax.Array]], Any]:
    """Return the decorator `jax.custom_vjp` for functions without gradients of the arguments at positions `static`."""
    return functools.partial(jax.custom_vjp, nondiff_argnums=static)


@jax.custom_vjp
def mix_channels(x_CxRxT: jax.Array, kernel_CxO: jax.Array) -> jax.Array:
    """Return y[o] = Σ_c kernel[c, o] · x[c], of the shape OxRxT."""
    return jnp.tensordot(kernel_CxO, x_CxRxT, ((0,), (0,)))


def _mix_channels_backward(kept, dy_OxRxT):
    x_CxRxT, kernel_CxO = kept
    return jnp.tensordot(kernel_CxO, dy_OxRxT, 1), _differentiate_kernel(x_CxRxT, dy_OxRxT)


mix_channels.defvjp(lambda x, kernel: (mix_channels(x, kernel), (x, kernel)), _mix_channels_backward)


def _differentiate_kernel(x_CxRxT: jax.Array, dy_OxRxT: jax.Array, copy_x: bool | None = None) -> jax.Array:
    """Return Σ_rt x[c, r, t] · dy[o, r, t], of the shape CxO.

    On a CPU, XLA makes a transposed copy of the second factor of the product. `copy_x` decides whether that is x or dy;
    if None, it is the one with fewer channels.
    """
    if copy_x if copy_x is not None else len(x_CxRxT) <= len(dy_OxRxT):
        return jnp.tensordot(dy_OxRxT, x_CxRxT, ((1, 2), (1, 2))).T
    return jnp.tensordot(x_CxRxT, dy_OxRxT, ((1, 2), (1, 2)))


@_with_gradient((2, 3))
def convolve_strided(x_CxLxM: jax.Array, kernel_PxCxO: jax.Array, stride: int, pad: int) -> jax.Array:
    """Return y[o, q, m] = Σ_pc kernel[p, c, o] · x[c, q · stride + p − pad, m], where x is zero outside its bounds."""
    windows = _take_windows(x_CxLxM, kernel_PxCxO.shape[0], stride, pad)
    return jnp.tensordot(kernel_PxCxO, windows, ((0, 1), (0, 1)))


def _convolve_strided_backward(stride, pad, kept, dy_OxQxM):
    x_CxLxM, kernel_PxCxO = kept
    L = x_CxLxM.shape[1]
    dx_CxlxM = _add_windows(jnp.tensordot(kernel_PxCxO, dy_OxQxM, ((2,), (0,))), stride)
    dx_CxlxM = jnp.pad(dx_CxlxM, ((0, 0), (0, max(0, pad + L - dx_CxlxM.shape[1])), (0, 0)))
    windows = _take_windows(x_CxLxM, kernel_PxCxO.shape[0], stride, pad)
    return dx_CxlxM[:, pad : pad + L], jnp.tensordot(windows, dy_OxQxM, ((2, 3), (1, 2)))


convolve_strided.defvjp(
    lambda x, kernel, stride, pad: (convolve_strided(x, kernel, stride, pad), (x, kernel)), _convolve_strided_backward
)


@_with_gradient((2,))
def convolve_transposed(x_CxQxM: jax.Array, kernel_PxOxC: jax.Array, stride: int) -> jax.Array:
    """Return y[o, l, m] = Σ_qc kernel[l − q · stride, o, c] · x[c, q, m] for l in 0 … (Q − 1) · stride + P − 1."""
    return _add_windows(jnp.tensordot(kernel_PxOxC, x_CxQxM, 1), stride)


def _convolve_transposed_backward(stride, kept, dy_OxLxM):
    x_CxQxM, kernel_PxOxC = kept
    windows = _take_windows(dy_OxLxM, kernel_PxOxC.shape[0], stride, 0)
    dx_CxQxM = jnp.tensordot(kernel_PxOxC, windows, ((0, 1), (0, 1)))
    return dx_CxQxM, jnp.tensordot(windows, x_CxQxM, ((2, 3), (1, 2)))


convolve_transposed.defvjp(
    lambda x, kernel, stride: (convolve_transposed(x, kernel, stride), (x, kernel)), _convolve_transposed_backward
)


def _take_windows(x_CxLxM: jax.Array, P: int, stride: int, pad: int) -> jax.Array:
    """Return w[p, c, q, m] = x[c, q · stride + p − pad, m], where x is zero outside its bounds.

    x is split once into pieces as long as the stride; a window consists of a few neighbouring pieces.
    """
    C, L, M = x_CxLxM.shape
    pieces = -(-P // stride)
    Q = (L + 2 * pad - P) // stride + 1
    n_pieces = Q + pieces - 1
    x_CxLxM = jnp.pad(x_CxLxM, ((0, 0), (pad, stride * pieces), (0, 0)))[:, : n_pieces * stride]
    x_sxCxQxM = x_CxLxM.reshape(C, n_pieces, stride, M).transpose(2, 0, 1, 3)
    return jnp.concatenate([x_sxCxQxM[:, :, i : i + Q] for i in range(pieces)])[:P]


def _add_windows(w_PxCxQxM: jax.Array, stride: int) -> jax.Array:
    """Return x[c, l, m] = Σ_q w[l − q · stride, c, q, m], the adjoint of `_take_windows`; L = (Q − 1) · stride + P."""
    P, C, Q, M = w_PxCxQxM.shape
    pieces = -(-P // stride)
    w_PxCxQxM = jnp.pad(w_PxCxQxM, ((0, pieces * stride - P), (0, 0), (0, 0), (0, 0)))
    parts = w_PxCxQxM.reshape(pieces, stride, C, Q, M)
    x_sxCxQxM = sum(jnp.pad(parts[i], ((0, 0), (0, 0), (i, pieces - 1 - i), (0, 0))) for i in range(pieces))
    x_CxLxM = jnp.transpose(x_sxCxQxM, (1, 2, 0, 3)).reshape(C, -1, M)  # pyright: ignore[reportArgumentType]
    return x_CxLxM[:, : (Q - 1) * stride + P]


@_with_gradient((2,))
def convolve_along_time(x_CxRxT: jax.Array, kernel_PxCxO: jax.Array, dilation: int = 1) -> jax.Array:
    """Convolve each row along time, with zero padding, so that its length stays the same; P must be odd.

    One matrix product computes all taps, and its results are shifted and added. This is fastest if O is much smaller
    than C.
    """
    y_PxOxRxT = jnp.tensordot(kernel_PxCxO, x_CxRxT, ((1,), (0,)))
    shifts = _list_shifts(kernel_PxCxO, dilation)
    return sum(_shift(y_OxRxT, by) for y_OxRxT, by in zip(y_PxOxRxT, shifts, strict=True))  # pyright: ignore


def _convolve_along_time_backward(dilation, kept, dy_OxRxT):
    x_CxRxT, kernel_PxCxO = kept
    dy_PxOxRxT = jnp.stack([_shift(dy_OxRxT, -by) for by in _list_shifts(kernel_PxCxO, dilation)])
    dx_CxRxT = jnp.tensordot(kernel_PxCxO, dy_PxOxRxT, ((0, 2), (0, 1)))
    P, C, n_out = kernel_PxCxO.shape
    dkernel_CxPO = _differentiate_kernel(x_CxRxT, dy_PxOxRxT.reshape(P * n_out, *dy_OxRxT.shape[1:]))
    return dx_CxRxT, dkernel_CxPO.reshape(C, P, n_out).swapaxes(0, 1)


convolve_along_time.defvjp(
    lambda x, kernel, dilation: (convolve_along_time(x, kernel, dilation), (x, kernel)), _convolve_along_time_backward
)


def _list_shifts(kernel_PxCxO: jax.Array, dilation: int) -> list[int]:
    P = kernel_PxCxO.shape[0]
    return [(p - P // 2) * dilation for p in range(P)]


def _shift(x: jax.Array, by: int) -> jax.Array:
    """Return x[..., t + by], zero outside."""
    T = x.shape[-1]
    before, after = max(0, -by), max(0, by)
    padded = jnp.pad(x, (*((0, 0),) * (x.ndim - 1), (before, after)))
    return jax.lax.slice_in_dim(padded, after, after + T, axis=x.ndim - 1)


def convolve_neighbours(x_CxRxT: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolve along time with a kernel (P, C, O), or along time and rows with (P, P, C, O); (C, O) is a single tap.

    Time is zero-padded and keeps its length; rows are not padded, so the result has P − 1 rows less. The shifted inputs
    are concatenated, so that one matrix product computes all taps. This is fast, but takes the memory of P or P²
    inputs: pass few rows at a time.
    """
    return mix_channels(_stack_neighbours(x_CxRxT, kernel), kernel.reshape(-1, kernel.shape[-1]))


@jax.custom_vjp
def convolve_and_gate(x_CxRxT: jax.Array, kernel: jax.Array, bias_2O: jax.Array) -> jax.Array:
    """Return GLU(`convolve_neighbours(x, kernel)` + bias): the first half of the channels times sigmoid of the second.

    The halves are separate matrix products, so that the gradient needs no array that holds both.
    """
    value_OxRxT, gate_OxRxT = _compute_value_and_gate(_stack_neighbours(x_CxRxT, kernel), kernel, bias_2O)
    return value_OxRxT * jax.nn.sigmoid(gate_OxRxT)


def _convolve_and_gate_backward(kept, dy_OxQxT):
    """With y = v σ(g): dv = dy σ(g), dg = dv v (1 − σ(g))."""
    x_CxRxT, kernel, bias_2O = kept
    moved_IxQxT = _stack_neighbours(x_CxRxT, kernel)
    value_OxQxT, gate_OxQxT = _compute_value_and_gate(moved_IxQxT, kernel, bias_2O)
    sigmoid_OxQxT = jax.nn.sigmoid(gate_OxQxT)
    dvalue_OxQxT = dy_OxQxT * sigmoid_OxQxT
    dgate_OxQxT = dvalue_OxQxT * value_OxQxT * (1 - sigmoid_OxQxT)
    both = dvalue_OxQxT, dgate_OxQxT
    dkernel = jnp.concatenate([_differentiate_kernel(moved_IxQxT, d, len(moved_IxQxT) <= 2 * len(d)) for d in both], 1)
    dbias = jnp.concatenate([d.sum((1, 2)) for d in both])
    return _differentiate_neighbours(x_CxRxT, kernel, both), dkernel.reshape(kernel.shape), dbias


def _convolve_and_gate_forward(x, kernel, bias):
    return convolve_and_gate(x, kernel, bias), (x, kernel, bias)


convolve_and_gate.defvjp(_convolve_and_gate_forward, _convolve_and_gate_backward)


def _compute_value_and_gate(
    moved_IxRxT: jax.Array, kernel: jax.Array, bias_2O: jax.Array
) -> tuple[jax.Array, jax.Array]:
    kernels, biases = jnp.split(kernel.reshape(-1, kernel.shape[-1]), 2, 1), jnp.split(bias_2O[:, None, None], 2)
    value, gate = (jnp.tensordot(k, moved_IxRxT, ((0,), (0,))) + b for k, b in zip(kernels, biases, strict=True))
    return value, gate


def _stack_neighbours(x_CxRxT: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the input of each tap of the kernel, concatenated along the channels."""
    T = x_CxRxT.shape[2]
    P, P_rows = _count_taps(kernel)
    Q = x_CxRxT.shape[1] - P_rows + 1
    padded = jnp.pad(x_CxRxT, ((0, 0), (0, 0), (P // 2, P // 2)))
    return jnp.concatenate([padded[:, q : q + Q, p : p + T] for p in range(P) for q in range(P_rows)])


def _differentiate_neighbours(x_CxRxT: jax.Array, kernel: jax.Array, both: tuple[jax.Array, jax.Array]) -> jax.Array:
    """Return the gradient of x, given those of values and gates.

    A matrix product gives the part of each tap. Time is padded before it, so that the parts are summed as plain slices.
    """
    (C, R, T), (P, P_rows) = x_CxRxT.shape, _count_taps(kernel)
    Q = R - P_rows + 1
    kernels = jnp.split(kernel.reshape(-1, kernel.shape[-1]), 2, 1)
    padded = (jnp.pad(d, ((0, 0), (0, 0), (P // 2, P // 2))) for d in both)
    parts = sum(jnp.tensordot(k, d, 1) for k, d in zip(kernels, padded, strict=True))
    parts = jnp.reshape(parts, (P, P_rows, C, Q, -1))
    rows = [sum(parts[p, q, :, :, P - 1 - p : P - 1 - p + T] for p in range(P)) for q in range(P_rows)]
    if P_rows == 1:
        return rows[0]  # pyright: ignore[reportReturnType]
    dx_CxRxT = jnp.zeros_like(x_CxRxT)
    for q, row_CxQxT in enumerate(rows):
        dx_CxRxT = jax.lax.dynamic_update_slice_in_dim(dx_CxRxT, dx_CxRxT[:, q : q + Q] + row_CxQxT, q, 1)
    return dx_CxRxT


def _count_taps(kernel: jax.Array) -> tuple[int, int]:
    """Return the numbers of taps along time and along rows."""
    P, P_rows = (*kernel.shape[:-2], 1, 1)[:2]
    return P, P_rows
