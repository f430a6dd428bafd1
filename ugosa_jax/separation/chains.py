"""Separation with a chain of networks: each takes its sources from what those before it left of the mixture.

S sources, C channels, T and n samples.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from ugosa_jax.config import SeparateConfig
from ugosa_jax.data.standard import Standard, choose_standard, restore_level, standardise_by
from ugosa_jax.networks.protocol import Params
from ugosa_jax.separation import members
from ugosa_jax.separation.block_buffer import BlockBuffer
from ugosa_jax.separation.chunks import OnChunk
from ugosa_jax.weights.chain import Chain, Link


def stretches(
    chain: Chain,
    params: Params,
    blocks_Cxn: Iterable[np.ndarray],
    n_samples: int,
    standards: Mapping[str, Standard],
    settings: SeparateConfig,
    on_chunk: OnChunk | None = None,
) -> Iterator[np.ndarray]:
    """Separate a song of any length with a chain; its networks go on together, so that little is held.

    Args:
      chain: the networks.
      params: those of the chain, perhaps adapted.
      blocks_Cxn: the mixture at its own level and the networks' rate, in blocks of any lengths.
      n_samples: its length, T.
      standards: for each network by name, what its input is standardised with.
      settings: chunk length, overlap, shifts.
      on_chunk: called after each chunk of any network with how many are done and how many there are.

    Returns:
      Estimates est_SxCxn of the chain's sources at the level of the mixture, from the beginning to the end.

    Raises:
      InputError: as `chunks.stretches`.
    """
    n_chunks = sum(members.count_chunks(link.network, n_samples, settings) for link in chain.links)
    report = on_chunk and members.Count(on_chunk, n_chunks)
    in_turn = [source for link in chain.links for source in link.takes]
    order_S = [in_turn.index(source) for source in chain.sources]

    def estimate(link: Link, heard_Cxn: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        blocks = (standardise_by(block_Cxn, standards[link.name]) for block_Cxn in heard_Cxn)
        every = members.stretches(link.network, params[link.name], blocks, n_samples, settings, report)
        return take(every, link, standards[link.name])

    def take_in_turn(links: Sequence[Link], heard_Cxn: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield what a network takes, and what those behind it take of the rest."""
        link, *later = links
        if not later:
            return estimate(link, heard_Cxn)
        heard_Cxn, minuend_Cxn = itertools.tee(heard_Cxn)
        taken, subtrahend = itertools.tee(estimate(link, heard_Cxn))
        left_Cxn = subtract(minuend_Cxn, subtrahend, standards[link.name], (chain.channels, n_samples))
        shape = len(link.takes), chain.channels, n_samples
        return join(taken, take_in_turn(later, left_Cxn), shape)

    return (est_SxCxn[order_S] for est_SxCxn in take_in_turn(chain.links, blocks_Cxn))


def standards_of(chain: Chain, measured: Standard) -> dict[str, Standard]:
    """Return what the input of each network, by name, is standardised with, in a song of a standard.

    What is left of the song keeps the level that it has in it.
    """
    return {name: choose_standard(member.architecture.level, measured) for name, member in chain.members.items()}


def take(stretches_SxCxn: Iterable[np.ndarray], link: Link, standard: Standard) -> Iterator[np.ndarray]:
    """Yield those of a network's estimates that it takes, at the level of the mixture."""
    taken = [link.network.sources.index(source) for source in link.takes]
    for est_SxCxn in stretches_SxCxn:
        yield restore_level(est_SxCxn[taken], standard)


def subtract(
    blocks_Cxn: Iterable[np.ndarray], taken: Iterable[np.ndarray], standard: Standard, shape: tuple[int, int]
) -> Iterator[np.ndarray]:
    """Yield what is left of a sound of a shape (C, T) without the estimates (S, C, n) that were taken from it.

    Each estimate has the mean of the whole sound (`standard`), which stays where it is.
    """
    buffer, start = BlockBuffer(blocks_Cxn, *shape), 0
    for taken_SxCxn in taken:
        stop = start + taken_SxCxn.shape[-1]
        yield buffer.read_and_discard(start, stop) - (taken_SxCxn - np.float32(standard.mean)).sum(0)
        start = stop


def join(
    first: Iterable[np.ndarray], second: Iterable[np.ndarray], shape: tuple[int, int, int]
) -> Iterator[np.ndarray]:
    """Yield the sources of two separations of one song together, in the stretches of the second.

    Args:
      first: estimates (S, C, n) of one separation …
      second: … and of the other, of as many channels and samples.
      shape: (S, C, T) of the first.
    """
    S, C, n_samples = shape
    buffer, start = BlockBuffer((est_SxCxn.reshape(S * C, -1) for est_SxCxn in first), S * C, n_samples), 0
    for second_SxCxn in second:
        stop = start + second_SxCxn.shape[-1]
        yield np.concatenate([buffer.read_and_discard(start, stop).reshape(S, C, -1), second_SxCxn])
        start = stop
