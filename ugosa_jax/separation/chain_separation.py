"""Separation with a chain of networks: each takes its sources from the rest that the networks before it leave.

S sources, C channels, T samples of the song, n samples of a block.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from ugosa_jax.config import SeparateConfig
from ugosa_jax.data.standardisation import Scaling, choose_scaling, restore_level, standardise_by
from ugosa_jax.networks.protocol import Params
from ugosa_jax.separation import bag_separation
from ugosa_jax.separation.block_buffer import BlockBuffer
from ugosa_jax.separation.chunks import OnChunk
from ugosa_jax.weights.chain import Chain, Link


def separate_blocks(
    chain: Chain,
    params: Params,
    blocks_Cxn: Iterable[np.ndarray],
    n_samples: int,
    scalings: Mapping[str, Scaling],
    settings: SeparateConfig,
    on_chunk: OnChunk | None = None,
) -> Iterator[np.ndarray]:
    """Separate a song of any length with a chain; its networks proceed together, so that few blocks are stored.

    Args:
      chain: the networks.
      params: parameters of the chain, adapted or not.
      blocks_Cxn: the mixture, not standardised, at the networks' rate, in blocks of any length.
      n_samples: length of the mixture, T.
      scalings: for each network by name, the scaling of its input.
      settings: chunk length, overlap, shifts.
      on_chunk: called after each chunk of any network with the number of chunks done and the number of all.

    Returns:
      Blocks of estimates est_SxCxn of the chain's sources in time order, at the level of the mixture.

    Raises:
      InputError: as `chunks.separate_blocks`.
    """
    n_chunks = sum(bag_separation.count_chunks(link.network, n_samples, settings) for link in chain.links)
    report = on_chunk and bag_separation.ChunkCounter(on_chunk, n_chunks)
    taken = [source for link in chain.links for source in link.takes]
    order_S = [taken.index(source) for source in chain.sources]

    def estimate(link: Link, input_Cxn: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        blocks = (standardise_by(block_Cxn, scalings[link.name]) for block_Cxn in input_Cxn)
        estimates = bag_separation.separate_blocks(link.network, params[link.name], blocks, n_samples, settings, report)
        return take_sources(estimates, link, scalings[link.name])

    def run_links(links: Sequence[Link], input_Cxn: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the sources that the first network takes, and those that the others take from the rest."""
        link, *later = links
        if not later:
            return estimate(link, input_Cxn)
        input_Cxn, minuend_Cxn = itertools.tee(input_Cxn)
        taken, subtrahend = itertools.tee(estimate(link, input_Cxn))
        left_Cxn = subtract_sources(minuend_Cxn, subtrahend, scalings[link.name], (chain.channels, n_samples))
        shape = len(link.takes), chain.channels, n_samples
        return join_sources(taken, run_links(later, left_Cxn), shape)

    return (est_SxCxn[order_S] for est_SxCxn in run_links(chain.links, blocks_Cxn))


def choose_scalings(chain: Chain, measured: Scaling) -> dict[str, Scaling]:
    """Return the scaling of the input of each network, by name, given that of the song.

    The rest that a network leaves is scaled like the song, so that its level relative to the song is preserved.
    """
    return {name: choose_scaling(member.architecture.level, measured) for name, member in chain.members.items()}


def take_sources(blocks_SxCxn: Iterable[np.ndarray], link: Link, scaling: Scaling) -> Iterator[np.ndarray]:
    """Yield a network's estimates of the sources that it takes, at the level of the mixture."""
    taken = [link.network.sources.index(source) for source in link.takes]
    for est_SxCxn in blocks_SxCxn:
        yield restore_level(est_SxCxn[taken], scaling)


def subtract_sources(
    blocks_Cxn: Iterable[np.ndarray], taken: Iterable[np.ndarray], scaling: Scaling, shape: tuple[int, int]
) -> Iterator[np.ndarray]:
    """Yield a sound of shape (C, T) minus the estimates (S, C, n) that were taken from it.

    `restore_level` has added the mean of the whole sound to each estimate; that mean is not subtracted.
    """
    buffer, start = BlockBuffer(blocks_Cxn, *shape), 0
    for taken_SxCxn in taken:
        stop = start + taken_SxCxn.shape[-1]
        yield buffer.read_and_discard(start, stop) - (taken_SxCxn - np.float32(scaling.mean)).sum(0)
        start = stop


def join_sources(
    first: Iterable[np.ndarray], second: Iterable[np.ndarray], shape: tuple[int, int, int]
) -> Iterator[np.ndarray]:
    """Yield the sources of two separations of a song, concatenated, in blocks as long as those of the second.

    Args:
      first: blocks of estimates (S, C, n) of one separation.
      second: blocks of estimates of the other, with the same numbers of channels and samples.
      shape: (S, C, T) of the first.
    """
    S, C, n_samples = shape
    buffer, start = BlockBuffer((est_SxCxn.reshape(S * C, -1) for est_SxCxn in first), S * C, n_samples), 0
    for second_SxCxn in second:
        stop = start + second_SxCxn.shape[-1]
        yield np.concatenate([buffer.read_and_discard(start, stop).reshape(S, C, -1), second_SxCxn])
        start = stop
