"""Least squares on delayed copies of sounds, as BSSEval needs it, computed in blocks and in double precision.

I input channels, O output channels, T samples, L taps of a filter (delays 0 … L − 1), K blocks, N samples of a
transform, F frequencies. For each o, the filters c for which Σ_i c_io * x_i is closest to y_o solve G c = d with
G_(i,a),(j,b) = Σ_t x_i(t − a) x_j(t − b) and d_(i,a),o = Σ_t x_i(t − a) y_o(t). G depends only on the x.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import scipy.linalg

from ugosa_jax.threads import iterate_in_threads

L = 512
"""Taps of a filter, as in BSSEval."""
N = 4096
"""Samples of a Fourier transform; a group of blocks fits into a processor's cache."""
BLOCK = N - L + 1
"""New samples in a block; the other L − 1 samples are the last ones of the block before."""
GROUP = 8 * BLOCK
"""Samples that are processed at once."""
SINGULAR = 1e-12
"""Relative energy below which the part of a channel that is not a combination of other channels is rounding error."""


class Basis(NamedTuple):
    """A factorised least-squares problem.

    Attributes:
      channels: the inputs that have filters; the others are silent, or equal to one of these.
      scale_I: factors that give these channels unit energy.
      factor: lower Cholesky factor of G of the scaled channels.
    """

    channels: list[int]
    scale_I: np.ndarray
    factor: np.ndarray


def take_piece(x_IxT: np.ndarray, start: int, stop: int, first: int, last: int) -> np.ndarray:
    """Return samples start … stop − 1 in double precision, zero outside of first … last − 1."""
    out_IxT = np.zeros((len(x_IxT), stop - start))
    low, high = max(start, first), min(stop, last)
    if low < high:
        out_IxT[:, low - start : high - start] = x_IxT[:, low:high]
    return out_IxT


def correlate(x_IxT: np.ndarray, y_OxT: np.ndarray) -> np.ndarray:
    """Return Σ_t x_i(t) y_o(t + l) for l = 0 … L − 1: float64 (I, O, L)."""
    n_samples = x_IxT.shape[1]

    def compute_spectrum(start: int) -> np.ndarray:
        x_IxKxT = take_piece(x_IxT, start, start + GROUP, 0, n_samples).reshape(len(x_IxT), -1, BLOCK)
        y_OxKxN = _split_blocks(take_piece(y_OxT, start, start + GROUP + L - 1, 0, n_samples))
        x_FxIxK = np.ascontiguousarray(np.fft.rfft(x_IxKxT, N).conj().transpose(2, 0, 1))
        y_FxKxO = np.ascontiguousarray(np.fft.rfft(y_OxKxN).transpose(2, 1, 0))
        return x_FxIxK @ y_FxKxO

    total_FxIxO = np.zeros((N // 2 + 1, len(x_IxT), len(y_OxT)), complex)
    for part_FxIxO in iterate_in_threads(compute_spectrum, range(0, n_samples, GROUP)):
        total_FxIxO += part_FxIxO
    return np.ascontiguousarray(np.fft.irfft(total_FxIxO, N, axis=0)[:L].transpose(1, 2, 0))


def build_gram(correlation_IxIxL: np.ndarray) -> np.ndarray:
    """Return the lower triangle of G, (I·L, I·L) in Fortran order, of channels whose `correlate` is given."""
    n = len(correlation_IxIxL)
    out = np.zeros((n * L, n * L), order="F")
    for i in range(n):
        for j in range(i + 1):
            toeplitz = scipy.linalg.toeplitz(correlation_IxIxL[i, j], correlation_IxIxL[j, i])
            out[i * L : (i + 1) * L, j * L : (j + 1) * L] = toeplitz
    return out


def prepare_basis(x_IxT: np.ndarray, correlation_IxIxL: np.ndarray, inputs: Iterable[int]) -> Basis:
    """Prepare the least-squares problem of some of the inputs.

    Silent channels and exact copies are left out, because the other channels span the same space. If the rest is
    singular (one channel is a delayed copy of another, or a scaled and rounded one), SINGULAR is added to the diagonal,
    which selects nearly the smallest of all filters that fit equally well.

    Args:
      x_IxT: all inputs.
      correlation_IxIxL: their `correlate` with themselves.
      inputs: the inputs that the problem consists of.
    """
    channels = _drop_copies(x_IxT, [i for i in inputs if correlation_IxIxL[i, i, 0] > 0])
    correlation_IxIxL = correlation_IxIxL[np.ix_(channels, channels)]
    energy_I = correlation_IxIxL[:, :, 0].diagonal()
    scale_I = 1 / np.sqrt(energy_I)
    matrix = build_gram(correlation_IxIxL * (scale_I[:, None] * scale_I)[..., None])
    # museval adds the machine epsilon to its diagonal, which matters for sounds that are almost silent.
    matrix[np.diag_indices_from(matrix)] += np.finfo(float).eps * np.repeat(scale_I**2, L)
    return Basis(channels, scale_I, _factorise(matrix))


def solve_filters(to: Basis, correlation_IxOxL: np.ndarray) -> np.ndarray:
    """Return the filters for which the filtered inputs are closest to the outputs.

    Args:
      to: the least-squares problem.
      correlation_IxOxL: `correlate` of all inputs with the outputs.

    Returns:
      Float64 (I, O, L); zero for the inputs that have no filter.
    """
    out_IxOxL = np.zeros_like(correlation_IxOxL)
    if to.channels:
        scale_Ix1x1 = to.scale_I[:, None, None]
        d_IxLxO = (correlation_IxOxL[to.channels] * scale_Ix1x1).transpose(0, 2, 1)
        c = scipy.linalg.cho_solve((to.factor, True), d_IxLxO.reshape(-1, d_IxLxO.shape[-1]), check_finite=False)
        out_IxOxL[to.channels] = c.reshape(d_IxLxO.shape).transpose(0, 2, 1) * scale_Ix1x1
    return out_IxOxL


def compute_response(filters_IxOxL: np.ndarray) -> np.ndarray:
    """Return the frequency responses of filters, complex (F, I, O)."""
    return np.ascontiguousarray(np.fft.rfft(filters_IxOxL, N).transpose(2, 0, 1))


def apply_filters(past_and_x_IxT: np.ndarray, response_FxIxO: np.ndarray) -> np.ndarray:
    """Return Σ_i c_io * x_i over whole blocks.

    Args:
      past_and_x_IxT: L − 1 samples before the result, followed by the samples of the result, a multiple of BLOCK.
      response_FxIxO: `compute_response` of the filters c.

    Returns:
      Float64 (O, K, BLOCK).
    """
    x_IxKxF = np.fft.rfft(_split_blocks(past_and_x_IxT))
    y_FxKxO = np.ascontiguousarray(x_IxKxF.transpose(2, 1, 0)) @ response_FxIxO
    return np.fft.irfft(y_FxKxO.transpose(2, 1, 0), N)[..., L - 1 :]


def _drop_copies(x_IxT: np.ndarray, channels: list[int]) -> list[int]:
    """Return the channels that are not exact copies of earlier ones."""
    kept: list[int] = []
    for channel in channels:
        if not any(np.array_equal(x_IxT[channel], x_IxT[other]) for other in kept):
            kept.append(channel)
    return kept


def _factorise(matrix: np.ndarray) -> np.ndarray:
    """Return the Cholesky factor of a matrix with a unit diagonal, given its lower triangle."""
    loading = 0.0
    while True:
        try:
            factor = scipy.linalg.cholesky(matrix, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            factor = None
        if factor is not None and (loading or np.square(factor.diagonal()).min(initial=1.0) > SINGULAR):
            return factor
        more = max(SINGULAR, 9 * loading)
        matrix[np.diag_indices_from(matrix)] += more
        loading += more


def _split_blocks(x_IxT: np.ndarray) -> np.ndarray:
    """Return overlapping blocks (I, K, N), which start BLOCK samples apart."""
    return np.lib.stride_tricks.sliding_window_view(x_IxT, N, axis=1)[:, ::BLOCK]
