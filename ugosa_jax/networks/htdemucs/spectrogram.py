"""The spectrogram of HTDemucs and its inverse: one frame per hop, and no bin at half the sample rate.

A frame is nfft samples under a periodic Hann window, hop = nfft / 4 apart. The signal is reflected by 3/2 hop at both
ends, so frame k is centred on the middle of hop k. Complex numbers are two channels, real part first.
"""

import jax
import jax.numpy as jnp
import numpy as np

_ENVELOPE = 1.5
"""Sum of the squares of four periodic Hann windows, a quarter of their length apart: the same for every sample."""


def spectrogram(mix_CxT: jax.Array, nfft: int) -> jax.Array:
    """Return spec_CxFxK with 2 · C channels [left.re, left.im, right.re, …], F = nfft / 2 and K = ceil(T / hop).

    z[f, k] = 1 / √nfft · Σ_t window[t] · x[hop · k + t] · exp(−2πi · f · t / nfft), x being the reflected signal.
    """
    C, T = mix_CxT.shape
    hop = nfft // 4
    K = -(-T // hop)
    padded_CxT = pad_reflected(mix_CxT, 3 * hop // 2, 3 * hop // 2 + K * hop - T)
    hops_CxQxh = padded_CxT.reshape(C, K + 3, hop)
    frames_CxKxn = jnp.concatenate([hops_CxQxh[:, i : i + K] for i in range(4)], 2)
    z_CxKxF = jnp.fft.rfft(frames_CxKxn * _window(nfft, mix_CxT.dtype))[..., :-1]
    parts_Cx2xFxK = jnp.stack([z_CxKxF.real, z_CxKxF.imag], 1).swapaxes(2, 3)
    return parts_Cx2xFxK.reshape(2 * C, nfft // 2, K)


def waveform(spec_CxFxK: jax.Array, n_samples: int) -> jax.Array:
    """Return wave_CxT, T = `n_samples`, of a spectrogram with 2 · C channels; the inverse of `spectrogram`."""
    twice_C, F, K = spec_CxFxK.shape
    C, nfft, hop = twice_C // 2, 2 * F, F // 2
    parts_Cx2xKxF = spec_CxFxK.reshape(C, 2, F, K).swapaxes(2, 3)
    z_CxKxF = jax.lax.complex(parts_Cx2xKxF[:, 0], parts_Cx2xKxF[:, 1])
    z_CxKxF = jnp.pad(z_CxKxF, ((0, 0), (0, 0), (0, 1)))
    window_n = _window(nfft, spec_CxFxK.dtype) * (nfft / _ENVELOPE)
    frames_CxKx4xh = (jnp.fft.irfft(z_CxKxF, nfft) * window_n).reshape(C, K, 4, hop)
    hops_CxQxh = sum(jnp.pad(frames_CxKx4xh[:, :, i], ((0, 0), (i, 3 - i), (0, 0))) for i in range(4))
    start = 3 * hop // 2
    return jnp.reshape(hops_CxQxh, (C, -1))[:, start : start + n_samples]


def pad_reflected(x_CxT: jax.Array, before: int, after: int) -> jax.Array:
    """Return x padded by reflection; a signal too short for that is first zero-padded, preferably at its end."""
    missing = max(before, after) - x_CxT.shape[1] + 1
    if missing > 0:
        zeros_after = min(after, missing)
        zeros_before = missing - zeros_after
        x_CxT = jnp.pad(x_CxT, ((0, 0), (zeros_before, zeros_after)))
        before, after = before - zeros_before, after - zeros_after
    return jnp.pad(x_CxT, ((0, 0), (before, after)), mode="reflect")


def _window(nfft: int, dtype: jnp.dtype) -> jax.Array:
    """Return the periodic Hann window over √nfft, which makes the transform an isometry up to the envelope."""
    window_n = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(nfft) / nfft)
    return jnp.asarray(window_n / np.sqrt(nfft), dtype)
