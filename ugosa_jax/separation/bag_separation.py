"""Separation with one network, or with a bag, whose estimates are a weighted mean over its networks.

S sources, C channels, T samples of the song, n samples of a block, M networks of a bag.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from ugosa_jax.config import SeparateConfig
from ugosa_jax.networks.protocol import Params
from ugosa_jax.separation import chunks
from ugosa_jax.separation.chunks import OnChunk
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.chain import Member
from ugosa_jax.weights.checkpoint import Checkpoint


def separate(
    weights: Member, params: Params, mix_CxT: np.ndarray, settings: SeparateConfig, on_chunk: OnChunk | None = None
) -> np.ndarray:
    """Separate a song in memory; see `separate_blocks`.

    Returns:
      est_SxCxT, standardised as the mixture.
    """
    parts = separate_blocks(weights, params, [mix_CxT], mix_CxT.shape[1], settings, on_chunk)
    return chunks.join_blocks(parts, (len(weights.sources), *mix_CxT.shape))


def separate_blocks(
    weights: Member,
    params: Params,
    blocks_Cxn: Iterable[np.ndarray],
    n_samples: int,
    settings: SeparateConfig,
    on_chunk: OnChunk | None = None,
) -> Iterator[np.ndarray]:
    """Separate a song of any length; the estimate of a bag is Σ_m w[m, s] est_m[s] / Σ_m w[m, s] over its networks m.

    Args, Returns and Raises are those of `chunks.separate_blocks`; `params` are those of `weights`, adapted or not.
    """
    if isinstance(weights, Checkpoint):
        return chunks.separate_blocks(weights.architecture, params, blocks_Cxn, n_samples, settings, on_chunk)
    blocks = itertools.tee(blocks_Cxn, len(weights.members))  # members proceed together, so that few blocks are stored
    count = on_chunk and ChunkCounter(on_chunk, count_chunks(weights, n_samples, settings))
    estimates = [
        chunks.separate_blocks(weights.architecture, params[name], own, n_samples, settings, count)
        for name, own in zip(weights.members, blocks, strict=True)
    ]
    return _average_members(weights, estimates)


def _average_members(weights: Bag, estimates: list[Iterator[np.ndarray]]) -> Iterator[np.ndarray]:
    weights_MxS = np.asarray(weights.weights_MxS, np.float32)
    shares_MxSx1x1 = (weights_MxS / weights_MxS.sum(0))[:, :, None, None]
    for est_MxSxCxn in zip(*estimates, strict=True):
        yield functools.reduce(np.add, map(np.multiply, shares_MxSx1x1, est_MxSxCxn))


def count_chunks(weights: Member, n_samples: int, settings: SeparateConfig) -> int:
    """Return the number of chunks of a song of `n_samples`, over all networks of a bag."""
    n_members = len(weights.members) if isinstance(weights, Bag) else 1
    return n_members * chunks.count_chunks(weights.architecture, n_samples, settings)


class ChunkCounter:
    """A callback that counts the chunks of several networks together."""

    def __init__(self, on_chunk: OnChunk, n_chunks: int):
        self.on_chunk, self.n_chunks, self.done = on_chunk, n_chunks, 0

    def __call__(self, *_: int) -> None:
        self.done += 1
        self.on_chunk(self.done, self.n_chunks)
