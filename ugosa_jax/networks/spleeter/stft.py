"""The spectrogram of Spleeter and its inverse, with a Hann window of nfft samples and a hop of nfft / 4.

Nothing is padded: N samples have N / hop − 3 frames, whose overlap-add has N samples again. It equals the signal where
four frames overlap; over the three hops at both ends, it fades in and out.
"""

import jax
import jax.numpy as jnp
import numpy as np

_ENVELOPE = 1.5
"""Sum of the squares of four periodic Hann windows, a quarter of their length apart: the same for every sample."""


def compute_spectrogram(x_CxN: jax.Array, nfft: int) -> jax.Array:
    """Return z_CxKxF = Σ_t window[t] · x[hop · k + t] · exp(−2πi · f · t / nfft), complex, F = nfft / 2 + 1."""
    hops_CxQxh = x_CxN.reshape(x_CxN.shape[0], -1, nfft // 4)
    K = hops_CxQxh.shape[1] - 3
    frames_CxKxn = jnp.concatenate([hops_CxQxh[:, i : i + K] for i in range(4)], 2)
    return jnp.fft.rfft(frames_CxKxn * _make_window(nfft, x_CxN.dtype))


def overlap_add(z_CxKxF: jax.Array, nfft: int) -> jax.Array:
    """Return x_CxN, the overlap-add of the frames; missing frequencies are zero."""
    C, K, _ = z_CxKxF.shape
    frames_CxKxn = jnp.fft.irfft(z_CxKxF, nfft)
    frames_CxKx4xh = (frames_CxKxn * (_make_window(nfft, frames_CxKxn.dtype) / _ENVELOPE)).reshape(C, K, 4, nfft // 4)
    hops_CxQxh = sum(jnp.pad(frames_CxKx4xh[:, :, i], ((0, 0), (i, 3 - i), (0, 0))) for i in range(4))
    return jnp.reshape(hops_CxQxh, (C, -1))


def _make_window(nfft: int, dtype: jnp.dtype) -> jax.Array:
    return jnp.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(nfft) / nfft), dtype)
