"""Refinement of estimates with the annotation, so that they add up to the mixture and silent sources are silent.

There are three steps: mute estimates where their source is annotated silent; apply Wiener masks to the mixture's
spectrogram; distribute the residual (the mixture minus the sum of the estimates) among the sources that play. The gains
of `annotations.annotation.compute_gains` define which sources play: they are 0 where a source is annotated silent, 1
where it is active or unknown, and fade in between.

A long song is refined in overlapping pieces, so that memory does not grow with its length.

S sources, C channels, T and n samples; F frequencies and K frames of the short-time Fourier transform.
"""

import functools
from collections.abc import Callable, Iterator

import numpy as np
import scipy.fft

from ugosa_jax.config import SeparateConfig
from ugosa_jax.threads import map_in_threads

Read = Callable[[int, int], np.ndarray]
"""Returns the samples of a signal from the first argument up to the second, exclusive."""
PIECE = 2**20
"""Samples of a piece, 24 s at 44.1 kHz; a piece is at least 16 windows long."""
_EPS = 1e-10
"""Added to denominators, so that masks of empty bins are zero; a power far below that of 16-bit rounding noise."""


def refine_in_pieces(
    est_SxCxT: Read, mix_CxT: Read, gain_SxT: Read, n_samples: int, settings: SeparateConfig
) -> Iterator[np.ndarray]:
    """Refine a song of any length in overlapping pieces; see `refine`. Signals are read in time order.

    A frame of the spectrogram has W samples, so that samples at least W from the ends of a piece are the same as if the
    whole song were refined at once, except for the covariances of EM, which are estimated for each piece. Pieces
    overlap by 3 W samples, of which the middle W are cross-faded.

    Yields:
      Blocks (S, C, n) in time order.
    """
    W = settings.wiener_window
    length = max(PIECE, 16 * W)
    step = (length - 3 * W) // (W // 4) * (W // 4)  # a multiple of the hop, so that the frames of all pieces coincide
    fade_W = np.linspace(0, 1, W, endpoint=False, dtype=np.float32)
    start, before_SxCxW = 0, None
    while True:
        stop = n_samples if start + step + 3 * W >= n_samples else start + step + 3 * W
        here = start, stop
        piece_SxCxn = refine(est_SxCxT(*here), mix_CxT(*here), gain_SxT(*here), settings)
        if before_SxCxW is not None:
            piece_SxCxn = piece_SxCxn[..., W:]
            piece_SxCxn[..., :W] = before_SxCxW + fade_W * (piece_SxCxn[..., :W] - before_SxCxW)
        if stop == n_samples:
            yield piece_SxCxn
            return
        yield piece_SxCxn[..., : -2 * W]
        before_SxCxW = piece_SxCxn[..., -2 * W : -W].copy()
        start += step


def refine(est_SxCxT: np.ndarray, mix_CxT: np.ndarray, gain_SxT: np.ndarray, settings: SeparateConfig) -> np.ndarray:
    """Return estimates that add up to the mixture wherever a source may play.

    Args:
      est_SxCxT: estimates at the mixture's level.
      mix_CxT: the mixture.
      gain_SxT: 1 where a source may play, 0 where it is annotated silent.
      settings: the method, `refine`, and the `wiener_…` fields for masks.

    Returns:
      Estimates (S, C, T). A source is zero where its gain is zero, and equal to the mixture where all other gains are
      zero. Where all gains are zero, all estimates are zero.
    """
    gated_SxCxT = est_SxCxT * gain_SxT[:, None]
    if settings.refine == "wiener":
        masked_SxCxT = apply_wiener_masks(gated_SxCxT, mix_CxT, settings)
        gated_SxCxT = masked_SxCxT * gain_SxT[:, None]  # again, because frames extend into annotated silences
    return distribute_residual(gated_SxCxT, mix_CxT, gain_SxT)


def distribute_residual(est_SxCxT: np.ndarray, mix_CxT: np.ndarray, gain_SxT: np.ndarray) -> np.ndarray:
    """Return each estimate plus its share of the residual: est_s + (gain_s / Σ gain) · (mix − Σ est).

    Args:
      est_SxCxT: estimates.
      mix_CxT: the mixture.
      gain_SxT: 1 where a source may play, 0 where it is silent.
    """
    total_T = gain_SxT.sum(0)
    share_SxT = np.divide(gain_SxT, total_T, out=np.zeros_like(gain_SxT), where=total_T > 0)
    return est_SxCxT + share_SxT[:, None] * (mix_CxT - est_SxCxT.sum(0))


def apply_wiener_masks(est_SxCxT: np.ndarray, mix_CxT: np.ndarray, settings: SeparateConfig) -> np.ndarray:
    """Return the mixture's spectrogram times masks that are proportional to the estimates' magnitudes, as sound.

    Without EM steps, each channel has its own masks |est|^p / Σ |est|^p. With EM steps, a source has a power
    spectrogram v(f, k) and a spatial covariance R(f), estimated alternately (Duong, Vincent & Gribonval 2010, in the
    formulation of Liutkus & Stöter's norbert), and its estimate is v R (Σ v R)⁻¹ mix.

    Args:
      est_SxCxT: estimates.
      mix_CxT: the mixture.
      settings: window, exponent p, EM steps.

    Returns:
      (S, C, T); their sum is the mixture, except for rounding and for bins in which all estimates are zero.
    """
    window, steps = settings.wiener_window, settings.wiener_em_steps
    mix_CxFxK = stft(mix_CxT, window)
    if not steps:
        return _mask_mixture(est_SxCxT, mix_CxFxK, settings)
    est_SxCxFxK = np.stack(map_in_threads(functools.partial(stft, window=window), est_SxCxT))
    for _ in range(steps):
        est_SxCxFxK = run_em_step(est_SxCxFxK, mix_CxFxK)
    return np.stack([istft(part_CxFxK, window, mix_CxT.shape[1]) for part_CxFxK in est_SxCxFxK])


def _mask_mixture(est_SxCxT: np.ndarray, mix_CxFxK: np.ndarray, settings: SeparateConfig) -> np.ndarray:
    """Return the mixture's spectrogram times the mask of each source."""
    window, p = settings.wiener_window, settings.wiener_exponent
    magnitudes_CxFxK = map_in_threads(lambda est_CxT: np.abs(stft(est_CxT, window)) ** p, est_SxCxT)
    scaled_CxFxK = mix_CxFxK / (sum(magnitudes_CxFxK) + _EPS)

    def estimate(magnitude_CxFxK: np.ndarray) -> np.ndarray:
        return istft(magnitude_CxFxK * scaled_CxFxK, window, est_SxCxT.shape[-1])

    return np.stack(map_in_threads(estimate, magnitudes_CxFxK))


def run_em_step(est_SxCxFxK: np.ndarray, mix_CxFxK: np.ndarray) -> np.ndarray:
    """Return the estimates v R (Σ v R)⁻¹ mix, with v and R computed from the given estimates.

    Args:
      est_SxCxFxK: complex spectrograms of the estimates.
      mix_CxFxK: complex spectrogram of the mixture.
    """
    n_channels = len(mix_CxFxK)
    power_SxFxK = (np.abs(est_SxCxFxK) ** 2).mean(1)
    outer_SxFxCxC = np.einsum("scfk,sdfk->sfcd", est_SxCxFxK, est_SxCxFxK.conj(), optimize=True)
    spatial_SxFxCxC = outer_SxFxCxC / (power_SxFxK.sum(-1) + _EPS)[..., None, None]
    mixed_FxKxCxC = np.einsum("sfk,sfcd->fkcd", power_SxFxK, spatial_SxFxCxC, optimize=True)
    loading = _EPS + 1e-6 * np.trace(mixed_FxKxCxC, axis1=-2, axis2=-1).real / n_channels
    mixed_FxKxCxC = mixed_FxKxCxC + loading[..., None, None] * np.eye(n_channels, dtype=mixed_FxKxCxC.real.dtype)
    whitened_FxKxC = np.linalg.solve(mixed_FxKxCxC, mix_CxFxK.transpose(1, 2, 0)[..., None])[..., 0]
    return np.einsum("sfk,sfcd,fkd->scfk", power_SxFxK, spatial_SxFxCxC, whitened_FxKxC, optimize=True)


def stft(x_CxT: np.ndarray, window: int) -> np.ndarray:
    """Return the short-time Fourier transform (C, F, K) with a periodic Hann window and a hop of a quarter window.

    The signal is padded with a window of silence on both sides, so that all samples are in the same number of frames.
    """
    n_frames = count_frames(x_CxT.shape[1], window)
    hop = window // 4
    padded = np.pad(x_CxT, ((0, 0), (window, (n_frames - 1) * hop - x_CxT.shape[1])))
    frames_CxKxN = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, ::hop]
    windowed_CxKxN = frames_CxKxN * make_hann_window(window).astype(x_CxT.dtype)
    return np.asarray(scipy.fft.rfft(windowed_CxKxN, axis=-1)).transpose(0, 2, 1)


def istft(x_CxFxK: np.ndarray, window: int, n_samples: int) -> np.ndarray:
    """Return the signal of T = n_samples whose transform is closest to the given one; the inverse of `stft`."""
    hop = window // 4
    frames_CxKxN = np.asarray(scipy.fft.irfft(x_CxFxK.transpose(0, 2, 1), window, axis=-1))
    frames_CxKxN *= (
        make_hann_window(window).astype(frames_CxKxN.dtype) / 1.5
    )  # the squares of four windows add up to 3/2
    C, K, _ = frames_CxKxN.shape
    out_CxH = np.zeros((C, K + 3, hop), frames_CxKxN.dtype)
    for quarter in range(4):
        out_CxH[:, quarter : quarter + K] += frames_CxKxN[..., quarter * hop : (quarter + 1) * hop]
    return out_CxH.reshape(C, -1)[:, window : window + n_samples]


def count_frames(n_samples: int, window: int) -> int:
    """Return the number of frames, K; the last frame holds only silence after the signal."""
    return -(-(window + n_samples) // (window // 4)) + 1


def make_hann_window(window: int) -> np.ndarray:
    """Return the periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
