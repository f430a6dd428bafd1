"""Strided and transposed convolutions, computed as 3×3 convolutions of stride 1, which are computed as matrix products.

On a CPU, XLA's gradients of strided and transposed convolutions are slow, and `jax.vmap` over their kernels, for lanes,
turns them into grouped convolutions. Here, the forward pass and both gradients are matrix products, also under
`jax.vmap`.

Planes are (P, K, F, channels): pieces, frames, frequencies. Kernels are (taps along K, taps along F, I, O).
"""

import jax
import jax.numpy as jnp
import numpy as np

Shifts = tuple[tuple[int, int], ...]
"""Offsets along K and F."""


def downsample(x_PxKxFxI: jax.Array, kernel_5x5xIxO: jax.Array) -> jax.Array:
    """Return y[q, r] = Σ_tu kernel[t, u] · x[2q + t − 1, 2r + u − 1], a convolution with stride 2 and "same" padding.

    2×2 neighbouring positions become the channels of one position of a plane of half the size; there, 5 taps span 3
    positions.
    """
    P, K, F, C = x_PxKxFxI.shape
    n_out = kernel_5x5xIxO.shape[-1]
    padded = jnp.pad(x_PxKxFxI, ((0, 0), (1, 3), (1, 3), (0, 0)))
    x = padded.reshape(P, K // 2 + 2, 2, F // 2 + 2, 2, C).transpose(0, 1, 3, 2, 4, 5)
    kernel = jnp.pad(kernel_5x5xIxO, ((0, 1), (0, 1), (0, 0), (0, 0))).reshape(3, 2, 3, 2, C, n_out)
    kernel = kernel.transpose(0, 2, 1, 3, 4, 5).reshape(3, 3, 4 * C, n_out)
    return convolve(x.reshape(P, K // 2 + 2, F // 2 + 2, 4 * C), kernel)


def upsample(x_PxKxFxI: jax.Array, kernel_5x5xIxO: jax.Array) -> jax.Array:
    """Return y[k, f] = Σ_qr kernel[k − 2q + 1, f − 2r + 1] · x[q, r], a transposed convolution with stride 2.

    y is twice as large as x along K and F. Its 2×2 positions that correspond to one position of x are computed as
    channels of that position. Even positions combine taps 3 and 1 with x[q − 1] and x[q]; odd ones combine taps 4, 2
    and 0 with x[q − 1], x[q] and x[q + 1].
    """
    P, K, F, C = x_PxKxFxI.shape
    n_out = kernel_5x5xIxO.shape[-1]
    taps_2x3 = np.array([[3, 1, 5], [4, 2, 0]])  # 5: none
    kernel = jnp.pad(kernel_5x5xIxO, ((0, 1), (0, 1), (0, 0), (0, 0)))[taps_2x3][:, :, taps_2x3]
    kernel = kernel.transpose(1, 3, 4, 0, 2, 5).reshape(3, 3, C, 4 * n_out)
    y = convolve(jnp.pad(x_PxKxFxI, ((0, 0), (1, 1), (1, 1), (0, 0))), kernel)
    y = y.reshape(P, K, F, 2, 2, n_out).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(P, 2 * K, 2 * F, n_out)


def convolve_dilated(x_PxKxFx1: jax.Array, kernel_4x4x1xO: jax.Array) -> jax.Array:
    """Return y[k, f, o] = Σ_tu kernel[t, u, o] · x[k + 2t − 3, f + 2u − 3]: dilation 2, one input channel."""
    _, K, F, _ = x_PxKxFx1.shape
    x = jnp.pad(x_PxKxFx1, ((0, 0), (3, 3), (3, 3), (0, 0)))
    taps = [(t, u) for t in range(4) for u in range(4)]
    return sum(x[:, 2 * t : 2 * t + K, 2 * u : 2 * u + F] * kernel_4x4x1xO[t, u, 0] for t, u in taps)  # pyright: ignore


@jax.custom_vjp
def convolve(x_PxKxFxI: jax.Array, kernel_3x3xIxO: jax.Array) -> jax.Array:
    """Return y[k, f] = Σ_ij kernel[i, j] · x[k + i, f + j], which is two positions smaller than x along K and F.

    The nine shifts are split between input and output of one matrix product: the inputs shifted along K are
    concatenated, and the outputs z, one for each shift along F, are shifted and summed:

        z[k, f, j] = Σ_i kernel[i, j] · x[k + i, f],  y[k, f] = Σ_j z[k, f + j, j].

    No array is copied more than three times, and the product is wide even for few channels. In layers with far fewer
    output than input channels, all nine shifts are applied to the output.
    """
    into, out = _split_shifts(kernel_3x3xIxO)
    K, F = x_PxKxFxI.shape[1] - 2, x_PxKxFxI.shape[2] - 2
    z = _stack_shifted(x_PxKxFxI, into) @ _to_matrix(kernel_3x3xIxO, into, out)
    parts = zip(jnp.split(z, len(out), -1), out, strict=True)
    return sum(part[:, i : i + K, j : j + F] for part, (i, j) in parts)  # pyright: ignore[reportReturnType]


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return convolve(x, kernel), (x, kernel)


def _backward(kept: tuple[jax.Array, jax.Array], dy_PxKxFxO: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the gradients of x and of the kernel; the input of the product is recomputed from x."""
    x, kernel = kept
    into, out = _split_shifts(kernel)
    rows = _stack_shifted(x, into)
    K, F = rows.shape[1] - dy_PxKxFxO.shape[1], rows.shape[2] - dy_PxKxFxO.shape[2]
    dz = jnp.concatenate([jnp.pad(dy_PxKxFxO, ((0, 0), (i, K - i), (j, F - j), (0, 0))) for i, j in out], -1)
    drows = dz @ _to_matrix(kernel, into, out).T
    last = x.shape[1] - rows.shape[1]
    parts = zip(jnp.split(drows, len(into), -1), into, strict=True)
    dx = sum(jnp.pad(part, ((0, 0), (i, last - i), (0, 0), (0, 0))) for part, (i, _) in parts)
    n_in, n_out = kernel.shape[2:]
    dkernel = jnp.tensordot(rows, dz, ((0, 1, 2), (0, 1, 2))).reshape(len(into), n_in, len(out), n_out)
    return dx, dkernel.swapaxes(1, 2).reshape(kernel.shape)  # pyright: ignore[reportReturnType]


convolve.defvjp(_forward, _backward)


def _split_shifts(kernel_3x3xIxO: jax.Array) -> tuple[Shifts, Shifts]:
    """Return the shifts of the matrix product's input and those of its output, whose sums are the nine shifts."""
    n_in, n_out = kernel_3x3xIxO.shape[2:]
    if 3 * n_out < n_in:
        return ((0, 0),), tuple((i, j) for i in range(3) for j in range(3))
    return ((0, 0), (1, 0), (2, 0)), ((0, 0), (0, 1), (0, 2))


def _stack_shifted(x_PxKxFxI: jax.Array, shifts: Shifts) -> jax.Array:
    """Return x shifted along K by each of the shifts, concatenated along the channels."""
    rows = x_PxKxFxI.shape[1] - max(i for i, _ in shifts)
    return jnp.concatenate([x_PxKxFxI[:, i : i + rows] for i, _ in shifts], -1)


def _to_matrix(kernel_3x3xIxO: jax.Array, into: Shifts, out: Shifts) -> jax.Array:
    """Return the kernel as a matrix from concatenated input shifts to concatenated output shifts."""
    n_in, n_out = kernel_3x3xIxO.shape[2:]
    blocks = kernel_3x3xIxO.reshape(len(into), len(out), n_in, n_out)
    return blocks.swapaxes(1, 2).reshape(len(into) * n_in, len(out) * n_out)
