"""The controlled scenario of the paper (section 4): each source is silenced in one part of the song.

S sources, C channels, T samples, K STFT frames, B blocks of HOP samples. The paper divides the song into S stretches of
equally many STFT frames and sets one source to zero in each. All bins of a frame are set to zero at once, so that the
inverse transform equals the sound times a gain,

    x̂_n = x_n · Σ_k m_k w²_{n−k·HOP} / Σ_k w²_{n−k·HOP},    m_k = 0 in the stretch, 1 elsewhere,

so that no transform needs to be computed, and outside of the fades the sound is unchanged to the last bit, or exactly
zero. The frames are those of librosa's defaults, as in the paper's code: centred, with a periodic Hann window w.
"""

import hashlib
import unicodedata
from collections.abc import Sequence

import numpy as np

from ugosa_jax.errors import require

FRAME = 2048
"""Samples of an STFT frame."""
HOP = 512
"""Samples between two frames."""
_OVERLAP = FRAME // HOP


def silence_stretches(stems_SxCxT: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Silence each source in one of S equal stretches of the song.

    A stretch has ⌊K / S⌋ frames; the last one also has the remaining frames. Sound fades out and in over the first and
    last FRAME samples of a stretch, which overlap with frames outside of it.

    Args:
      stems_SxCxT: the stems of a song.
      order: the source that is silent in the first stretch, the second, …: a permutation of 0 … S − 1.

    Returns:
      The new stems. As with an inverse STFT, they end with the last whole HOP: T' = HOP · ⌊T / HOP⌋.

    Raises:
      InputError: `order` is not a permutation, or the song is too short for any silence.
    """
    n_sources, n_channels, n_samples = stems_SxCxT.shape
    require(sorted(order) == list(range(n_sources)), "order", f"each of 0 to {n_sources - 1} once", tuple(order))
    least = compute_min_samples(n_sources)
    require(n_samples >= least, "length of a song to silence stretches of", f"at least {least} samples", n_samples)
    n_frames = n_samples // HOP + 1
    stretch = n_frames // n_sources
    silenced_SxCxT = np.empty((n_sources, n_channels, (n_frames - 1) * HOP), stems_SxCxT.dtype)
    for position, source in enumerate(order):
        start = position * stretch
        end = start + stretch if position < n_sources - 1 else n_frames
        gain_T = compute_gain(n_frames, start, end)
        np.multiply(stems_SxCxT[source, :, : len(gain_T)], gain_T, out=silenced_SxCxT[source])
    return silenced_SxCxT


def compute_min_samples(n_sources: int) -> int:
    """Return the length, in samples, of the shortest song with a hop of silence in every stretch."""
    return (n_sources * _OVERLAP - 1) * HOP


def compute_gain(n_frames: int, start: int, end: int) -> np.ndarray:
    """Return the gain that is equivalent to setting the frames `start` … `end` − 1 to zero.

    Args:
      n_frames: number of frames of the song, K.
      start: the first silent frame.
      end: the frame after the last silent one.

    Returns:
      Float32 ((K − 1) · HOP,) between 0 and 1.
    """
    kept_K = np.ones(n_frames, np.float32)
    everything_T = _sum_windows(kept_K)
    kept_K[start:end] = 0
    # Where no frame is silent, both sums are equal to the last bit, and the gain is exactly 1.
    return _sum_windows(kept_K) / everything_T


def draw_order(n_sources: int, seed: int, song: str) -> tuple[int, ...]:
    """Return a random order in which sources are silent, for `silence_stretches`.

    Sources are sorted by a hash, so that the order depends only on the seed and the song's name, not on other songs or
    the version of a random number generator.
    """
    name = unicodedata.normalize("NFC", song)  # file systems encode letters such as é differently

    def rank(source: int) -> bytes:
        return hashlib.sha256(f"{seed}/{source}/{name}".encode()).digest()

    return tuple(sorted(range(n_sources), key=rank))


def _sum_windows(weight_K: np.ndarray) -> np.ndarray:
    """Return Σ_k weight_k w²_{n−k·HOP} for the samples n that lie within the song."""
    n_frames = len(weight_K)
    window_N = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
    window_JxN = np.square(window_N).astype(np.float32).reshape(_OVERLAP, HOP)
    sum_BxN = np.zeros((n_frames + _OVERLAP - 1, HOP), np.float32)
    for j, part_N in enumerate(window_JxN):
        sum_BxN[j : j + n_frames] += weight_K[:, None] * part_N
    outside = _OVERLAP // 2  # frames are centred: half a frame lies before the song, and half a frame after it
    return sum_BxN[outside : outside + n_frames - 1].reshape(-1)
