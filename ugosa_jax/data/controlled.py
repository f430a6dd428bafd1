"""The controlled scenario: each source is silent in a stretch of its own (section 4 of the paper).

S sources, C channels, T samples, K STFT frames, B blocks of HOP samples. The paper cuts the song into S equal
stretches of STFT frames and sets one source to zero in each. All bins of a frame are set to zero at once, so the
inverse transform equals the sound times a gain,

    x̂_n = x_n · Σ_k m_k w²_{n−k·HOP} / Σ_k w²_{n−k·HOP},    m_k = 0 in the stretch, 1 elsewhere,

and no transform is computed: outside of the fades the sound is unchanged to the last bit, or exactly zero. The frames
are librosa's defaults, which the paper's code uses: centred, with a periodic Hann window w.
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


def silence(stems_SxCxT: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Silence each source in one of S equal stretches of the song.

    A stretch has ⌊K / S⌋ frames, the last one the remaining ones too. Sound fades out and in over the outer FRAME
    samples of a stretch, which other frames overlap.

    Args:
      stems_SxCxT: the stems of a song.
      order: the source that is silent in the first stretch, in the second …: each of 0 … S − 1 once.

    Returns:
      The new stems. As with inverse transforms, they end with the last whole HOP: T' = HOP · ⌊T / HOP⌋.

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
    """Return the shortest length, in samples, of a song that has a hop of silence in every stretch."""
    return (n_sources * _OVERLAP - 1) * HOP


def compute_gain(n_frames: int, start: int, end: int) -> np.ndarray:
    """Return the gain that sets the frames from `start` up to, not including, `end` to zero.

    Args:
      n_frames: K.
      start: first of these frames.
      end: the frame after the last of them.

    Returns:
      Float32 ((K − 1) · HOP,) between 0 and 1.
    """
    kept_K = np.ones(n_frames, np.float32)
    everything_T = _sum_windows(kept_K)
    kept_K[start:end] = 0
    # Where all frames are kept, both sums are the same to the last bit and the gain is exactly 1.
    return _sum_windows(kept_K) / everything_T


def draw_order(n_sources: int, seed: int, song: str) -> tuple[int, ...]:
    """Draw at random the order in which sources are silent.

    It depends only on the seed and the song's name, not on other songs or the version of a random number generator:
    sources are sorted by a hash.

    Returns:
      `order` of `silence`.
    """
    name = unicodedata.normalize("NFC", song)  # file systems differ in how they spell é

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
    outside = _OVERLAP // 2  # frames are centred: half a frame lies before the song, and half a one behind it
    return sum_BxN[outside : outside + n_frames - 1].reshape(-1)
