"""Separation of whole songs in chunks with cross-fades, so that memory does not grow with the length of the song.

A song arrives in blocks; its estimates are yielded in blocks as soon as no later chunk contributes to them.

One compiled program processes all full chunks. A second one, which gets the length of the chunk as `n_samples`,
processes shorter chunks of any length at the end of a song. It is a third slower, so that full chunks do not use it.

S sources, C channels, T samples of the song, n samples of a block.
"""

import functools
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence

import jax
import numpy as np

from ugosa_jax.config import CHUNK_S, OVERLAP, SeparateConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks.protocol import Architecture, Params, Tiling
from ugosa_jax.separation.block_buffer import BlockBuffer

OnChunk = Callable[[int, int], None]
MAX_CHUNKS = 100_000
"""Largest number of chunks of a song. More are almost certainly a typo: 100,000 default chunks last ten days."""


def separate(
    net: Architecture,
    params: Params,
    mix_CxT: np.ndarray,
    settings: SeparateConfig,
    on_chunk: OnChunk | None = None,
) -> np.ndarray:
    """Separate a song in memory; see `separate_blocks`.

    Returns:
      est_SxCxT, standardised as the mixture.
    """
    parts = separate_blocks(net, params, [mix_CxT], mix_CxT.shape[1], settings, on_chunk)
    return join_blocks(parts, (len(net.sources), *mix_CxT.shape))


def join_blocks(blocks_SxCxn: Iterable[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Return the blocks of a song, concatenated to an array of shape (S, C, T)."""
    est_SxCxT = np.empty(shape, np.float32)
    start = 0
    for est_SxCxn in blocks_SxCxn:
        est_SxCxT[..., start : start + est_SxCxn.shape[-1]] = est_SxCxn
        start += est_SxCxn.shape[-1]
    return est_SxCxT


def separate_blocks(
    net: Architecture,
    params: Params,
    blocks_Cxn: Iterable[np.ndarray],
    n_samples: int,
    settings: SeparateConfig,
    on_chunk: OnChunk | None = None,
) -> Iterator[np.ndarray]:
    """Separate a song of any length in cross-faded chunks, as Demucs does, or in the tiles of the network.

    The chunks are summed with triangular weights, and the sum is divided by the sum of weights. Shorter chunks at the
    end of the song use the beginning of the triangle. With shifts, the song is separated several times, each time with
    a random delay of up to `max_shift_s`, so that chunks and frames begin elsewhere, and the results are averaged.

    Args:
      net: the network.
      params: its weights.
      blocks_Cxn: the mixture, standardised for the network and at its rate, in blocks of any length.
      n_samples: length of the mixture, T.
      settings: chunk length, overlap, shifts.
      on_chunk: called after each chunk with the number of chunks done and the number of all.

    Returns:
      Blocks of estimates est_SxCxn in time order, standardised as the mixture.

    Raises:
      InputError: the song or a chunk is shorter than the network needs, or there are too many chunks.
    """
    if n_samples < net.min_samples:
        raise InputError(f"the song has {n_samples} samples, fewer than the network needs ({net.min_samples})")
    chunk, starts = choose_chunk_samples(net, settings), list_starts(net, n_samples, settings)
    n_chunks = sum(map(len, starts))
    if n_chunks > MAX_CHUNKS:
        spacing = f"one every {starts[0].step} samples, {len(starts)} times"
        raise InputError(f"chunks: {n_chunks} of {chunk} samples ({spacing}) exceed {MAX_CHUNKS}; use less overlap")
    weights_T = None if choose_tiling(net, settings) else make_triangle(chunk).astype(np.float32)
    passes = [_Pass(net, begin, n_samples, chunk, weights_T) for begin in starts]
    buffer = BlockBuffer(blocks_Cxn, net.channels, n_samples)
    report = on_chunk and (lambda done: on_chunk(done, n_chunks))
    return _average_passes(net, jax.device_put(params), buffer, passes, report)


def _average_passes(
    net: Architecture,
    params: Params,
    buffer: BlockBuffer,
    passes: Sequence["_Pass"],
    on_chunk: Callable[[int], None] | None,
) -> Iterator[np.ndarray]:
    """Run the chunks of all passes in time order; yield the mean of the passes up to where all of them are final."""
    done = 0
    in_order = heapq.merge(*([(start, p) for start in each.starts] for p, each in enumerate(passes)))
    for i, (start, p) in enumerate(in_order):
        run = separate_chunk if passes[p].weights_T is not None else separate_tile
        passes[p].add(start, functools.partial(run, net, params, buffer))
        if on_chunk:
            on_chunk(i + 1)
        # separate_chunk reads up to a chunk before `start` for networks that take a single length.
        buffer.discard_before(start - passes[p].chunk)
        final = min(each.final for each in passes)
        if final > done:
            mean_SxCxn = passes[0].pop(done, final)
            for before, each in enumerate(passes[1:], 1):
                mean_SxCxn = mean_SxCxn + (each.pop(done, final) - mean_SxCxn) / (before + 1)
            yield mean_SxCxn
            done = final


class _Pass:
    """One pass over a song, with one delay: the weighted sum of its chunks, stored from the first sample not yet final.

    Chunks begin at `starts` and have the weights `weights_T`; tiles have no weights.
    """

    def __init__(self, net: Architecture, starts: range, n_samples: int, chunk: int, weights_T: np.ndarray | None):
        self.chunk, self.n_samples, self.starts, self.weights_T = chunk, n_samples, starts, weights_T
        start = starts[0]
        self.final = start
        """Start of the next chunk; the sum before it is final."""
        self._origin = start
        self._sum_SxCxn = np.zeros((len(net.sources), net.channels, 0), np.float32)
        self._total_n = np.zeros(0, np.float32)

    def add(self, start: int, separated: Callable[[slice, int], np.ndarray]) -> None:
        """Add the chunk that begins at `start`."""
        here = slice(start, min(start + self.chunk, self.n_samples))
        missing = here.stop - self._origin - len(self._total_n)
        self._sum_SxCxn = np.pad(self._sum_SxCxn, ((0, 0), (0, 0), (0, missing)))
        self._total_n = np.pad(self._total_n, (0, missing))
        part_SxCxn = separated(here, self.chunk)
        if self.weights_T is not None:
            weights_n = self.weights_T[: here.stop - here.start]
            part_SxCxn = weights_n * part_SxCxn
            self._total_n[start - self._origin :] += weights_n
        self._sum_SxCxn[..., start - self._origin :] += part_SxCxn
        self.final = min(start + self.starts.step, self.n_samples)

    def pop(self, start: int, stop: int) -> np.ndarray:
        """Return the final estimates from `start` to `stop`, and discard the sum before `stop`."""
        here, rest = slice(start - self._origin, stop - self._origin), slice(stop - self._origin, None)
        popped_SxCxn, total_n = self._sum_SxCxn[..., here], self._total_n[here]
        self._sum_SxCxn, self._total_n = self._sum_SxCxn[..., rest], self._total_n[rest]
        self._origin = stop
        return popped_SxCxn.copy() if self.weights_T is None else popped_SxCxn / total_n


def choose_tiling(net: Architecture, settings: SeparateConfig) -> Tiling | None:
    """Return the network's own tiling, unless it has none or the settings define chunks or overlap."""
    return net.tiling if settings.chunk_s is None and settings.overlap is None else None


def list_starts(net: Architecture, n_samples: int, settings: SeparateConfig) -> list[range]:
    """Return the positions of the first samples of all chunks of a song, for each delay."""
    delays = draw_delays(settings, net.sample_rate_hz)
    if tiling := choose_tiling(net, settings):
        return [range(-delay - tiling.lead, n_samples, tiling.step) for delay in delays]
    overlap = OVERLAP if settings.overlap is None else settings.overlap
    step = max(1, int((1 - overlap) * choose_chunk_samples(net, settings)))
    return [range(-delay, n_samples, step) for delay in delays]


def choose_chunk_samples(net: Architecture, settings: SeparateConfig) -> int:
    """Return the length of a chunk, or of a tile, in samples.

    Raises:
      InputError: it is shorter or longer than the network takes.
    """
    if tiling := choose_tiling(net, settings):
        return tiling.length
    if settings.chunk_s is None:
        return net.segment_samples or max(net.min_samples, round(CHUNK_S * net.sample_rate_hz))
    chunk = round(settings.chunk_s * net.sample_rate_hz)
    if chunk < net.min_samples:
        raise InputError(f"chunk_s: {settings.chunk_s} s is shorter than the network needs ({net.min_samples} samples)")
    if chunk > (net.segment_samples or chunk):
        raise InputError(f"chunk_s: {settings.chunk_s} s is longer than this network takes ({net.segment_s:g} s)")
    return chunk


def separate_chunk(net: Architecture, params: Params, buffer: BlockBuffer, here: slice, chunk: int) -> np.ndarray:
    """Return the estimates of a part of a song, `here`, which is no longer than a chunk.

    If the part is shorter, a network that takes any length gets a padded chunk and the number of real samples. One that
    takes a single length gets the part with the sound around it, as in Demucs v4; only beyond the ends of the song is
    it padded with zeros.
    """
    n = here.stop - here.start
    if net.segment_samples is None:
        padded = np.pad(buffer.read(here.start, here.stop), ((0, 0), (0, chunk - n)))
        return np.asarray(estimate(net, params, padded, n if n < chunk else None))[..., :n]
    before = (chunk - n) // 2
    chunk_CxT = buffer.read(here.start - before, here.start - before + chunk)
    return np.asarray(estimate(net, params, chunk_CxT, None))[..., before : before + n]


def separate_tile(net: Architecture, params: Params, buffer: BlockBuffer, here: slice, length: int) -> np.ndarray:
    """Return the contribution of a tile to the estimates of `here`, the part of the tile within the song."""
    tile_CxN = buffer.read(here.start, here.start + length)
    return np.asarray(estimate_tile(net, params, tile_CxN))[..., : here.stop - here.start]


def count_chunks(net: Architecture, n_samples: int, settings: SeparateConfig) -> int:
    """Return the number of chunks of a song of `n_samples`, over all delays."""
    return sum(map(len, list_starts(net, n_samples, settings)))


def make_triangle(n: int) -> np.ndarray:
    """Return the triangular weights of a chunk: rising 1 … ⌊n/2⌋, falling ⌈n/2⌉ … 1, divided by their maximum."""
    weights = np.concatenate([np.arange(1, n // 2 + 1), np.arange(n - n // 2, 0, -1)])
    return weights / weights.max()


def draw_delays(settings: SeparateConfig, rate_hz: int) -> list[int]:
    """Return the delays in samples over which the result is averaged; without shifts, a single delay of 0."""
    if not settings.shifts:
        return [0]
    longest = int(settings.max_shift_s * rate_hz)
    return np.random.default_rng(settings.shift_seed).integers(0, longest, settings.shifts, endpoint=True).tolist()


@functools.partial(jax.jit, static_argnames="net")
def estimate(net: Architecture, params: Params, mix_CxT: jax.Array, n_samples: jax.Array | None = None) -> jax.Array:
    """Return est_SxCxT of a chunk; this is the compiled program of separation."""
    return net(params, mix_CxT, n_samples)


@functools.partial(jax.jit, static_argnames="net")
def estimate_tile(net: Architecture, params: Params, tile_CxN: jax.Array) -> jax.Array:
    """Return the contribution of a tile to the estimates, est_SxCxN."""
    if net.tiling is None:
        raise ValueError("the network has no tiles")
    return net.tiling.separate(params, tile_CxN)
