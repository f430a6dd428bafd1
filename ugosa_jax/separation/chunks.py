"""Whole songs through the network in bounded memory: chunks, cross-fades, shifts.

A song comes in blocks and its estimates go out in stretches, as soon as no later chunk adds to them.

One compiled program serves all whole chunks. `n_samples` of the network lets another one serve the shorter ones at a
song's end, whatever their lengths; it takes a third longer, so whole chunks do without.
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
"""Of one song: ten days of chunks as long as usual. More is a slip of the pen."""


def separate(
    net: Architecture,
    params: Params,
    mix_CxT: np.ndarray,
    settings: SeparateConfig,
    on_chunk: OnChunk | None = None,
) -> np.ndarray:
    """Separate a song that is in memory; see `stretches`.

    Returns:
      est_SxCxT, standardised as the mixture.
    """
    parts = separate_blocks(net, params, [mix_CxT], mix_CxT.shape[1], settings, on_chunk)
    return join_blocks(parts, (len(net.sources), *mix_CxT.shape))


def join_blocks(stretches_SxCxn: Iterable[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Return the stretches of a song, of this shape as a whole, as one array."""
    est_SxCxT = np.empty(shape, np.float32)
    done = 0
    for stretch_SxCxn in stretches_SxCxn:
        est_SxCxT[..., done : done + stretch_SxCxn.shape[-1]] = stretch_SxCxn
        done += stretch_SxCxn.shape[-1]
    return est_SxCxT


def separate_blocks(
    net: Architecture,
    params: Params,
    blocks_Cxn: Iterable[np.ndarray],
    n_samples: int,
    settings: SeparateConfig,
    on_chunk: OnChunk | None = None,
) -> Iterator[np.ndarray]:
    """Separate a song of any length chunk by chunk and cross-fade, as Demucs does, or in the tiles of the network.

    Each chunk counts with triangular weights and the sum is divided by the summed weights. Chunks at the end of the
    song are shorter; they count with the beginning of the triangle. With shifts, the song is separated several times,
    each time delayed by a random part of `max_shift_s` (so that chunks and frames fall elsewhere), and the results are
    averaged.

    Args:
      net: the network.
      params: its weights.
      blocks_Cxn: the mixture as the network wants it, at the network's rate, in blocks of any lengths.
      n_samples: its length, T.
      settings: chunk length, overlap, shifts.
      on_chunk: called after each chunk with how many are done and how many there are.

    Returns:
      Estimates est_SxCxn, at the level of the mixture, stretch by stretch from the beginning to the end.

    Raises:
      InputError: the song or a chunk is shorter than the network needs, or there are too many chunks.
    """
    if n_samples < net.min_samples:
        raise InputError(f"the song has {n_samples} samples, fewer than the network needs ({net.min_samples})")
    chunk, each = choose_chunk_samples(net, settings), list_starts(net, n_samples, settings)
    n_chunks = sum(map(len, each))
    if n_chunks > MAX_CHUNKS:
        said = f"one every {each[0].step} samples, {len(each)} times"
        raise InputError(f"chunks: {n_chunks} of {chunk} samples ({said}) exceed {MAX_CHUNKS}; overlap them less")
    weights_T = None if choose_tiling(net, settings) else make_triangle(chunk).astype(np.float32)
    takes = [_Pass(net, begin, n_samples, chunk, weights_T) for begin in each]
    buffer = BlockBuffer(blocks_Cxn, net.channels, n_samples)
    report = on_chunk and (lambda done: on_chunk(done, n_chunks))
    return _average_passes(net, jax.device_put(params), buffer, takes, report)


def _average_passes(
    net: Architecture,
    params: Params,
    buffer: BlockBuffer,
    takes: Sequence["_Pass"],
    on_chunk: Callable[[int], None] | None,
) -> Iterator[np.ndarray]:
    """Run the chunks of all takes in time order; yield the mean of the takes as far as all of them are final."""
    done = 0
    in_order = heapq.merge(*([(start, t) for start in take.starts] for t, take in enumerate(takes)))
    for i, (start, t) in enumerate(in_order):
        run = separate_chunk if takes[t].weights_T is not None else separate_tile
        takes[t].add(start, functools.partial(run, net, params, buffer))
        if on_chunk:
            on_chunk(i + 1)
        buffer.discard_before(start - takes[t].chunk)  # a network that takes one length looks back so far
        final = min(take.final for take in takes)
        if final > done:
            mean_SxCxn = takes[0].pop(done, final)
            for before, take in enumerate(takes[1:], 1):
                mean_SxCxn = mean_SxCxn + (take.pop(done, final) - mean_SxCxn) / (before + 1)
            yield mean_SxCxn
            done = final


class _Pass:
    """One separation of a song: chunks that begin at `starts`, added up, from the first that is not final on.

    Chunks count with `weights_T`; tiles have none.
    """

    def __init__(self, net: Architecture, starts: range, n_samples: int, chunk: int, weights_T: np.ndarray | None):
        self.chunk, self.n_samples, self.starts, self.weights_T = chunk, n_samples, starts, weights_T
        start = starts[0]
        self.final = start
        """Where the next chunk begins: what lies before it will not change."""
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
        """Return the estimates of a final stretch, and forget what lies before its end."""
        here, rest = slice(start - self._origin, stop - self._origin), slice(stop - self._origin, None)
        popped_SxCxn, total_n = self._sum_SxCxn[..., here], self._total_n[here]
        self._sum_SxCxn, self._total_n = self._sum_SxCxn[..., rest], self._total_n[rest]
        self._origin = stop
        return popped_SxCxn.copy() if self.weights_T is None else popped_SxCxn / total_n


def choose_tiling(net: Architecture, settings: SeparateConfig) -> Tiling | None:
    """Return how the network separates a song by itself, if it does and neither chunks nor overlap are asked for."""
    return net.tiling if settings.chunk_s is None and settings.overlap is None else None


def list_starts(net: Architecture, n_samples: int, settings: SeparateConfig) -> list[range]:
    """Return the first sample of each chunk of a song, for each of its delays."""
    delays = draw_delays(settings, net.sample_rate_hz)
    if tiling := choose_tiling(net, settings):
        return [range(-delay - tiling.lead, n_samples, tiling.step) for delay in delays]
    overlap = OVERLAP if settings.overlap is None else settings.overlap
    step = max(1, int((1 - overlap) * choose_chunk_samples(net, settings)))
    return [range(-delay, n_samples, step) for delay in delays]


def choose_chunk_samples(net: Architecture, settings: SeparateConfig) -> int:
    """Return the length of a chunk, or of a tile, in samples.

    Raises:
      InputError: it is shorter than the network needs, or longer than it takes.
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
    """Return the estimates of one stretch of a song, no longer than a chunk.

    A network that takes any length is told how much of a padded chunk is real. One that takes a single length sees the
    stretch in the middle of its neighbours, as in Demucs v4; there are zeros only where the song has ended.
    """
    n = here.stop - here.start
    if net.segment_samples is None:
        padded = np.pad(buffer.read(here.start, here.stop), ((0, 0), (0, chunk - n)))
        return np.asarray(estimate(net, params, padded, n if n < chunk else None))[..., :n]
    before = (chunk - n) // 2
    seen_CxT = buffer.read(here.start - before, here.start - before + chunk)
    return np.asarray(estimate(net, params, seen_CxT, None))[..., before : before + n]


def separate_tile(net: Architecture, params: Params, buffer: BlockBuffer, here: slice, length: int) -> np.ndarray:
    """Return what a tile of the network's adds to the estimates of a stretch, which ends where the song does."""
    tile_CxN = buffer.read(here.start, here.start + length)
    return np.asarray(estimate_tile(net, params, tile_CxN))[..., : here.stop - here.start]


def count_chunks(net: Architecture, n_samples: int, settings: SeparateConfig) -> int:
    """Return how many chunks a song of `n_samples` is separated in, with all its delays."""
    return sum(map(len, list_starts(net, n_samples, settings)))


def make_triangle(n: int) -> np.ndarray:
    """Return the weights of a chunk: 1 … ⌊n/2⌋ up, ⌈n/2⌉ … 1 down, divided by their maximum."""
    weights = np.concatenate([np.arange(1, n // 2 + 1), np.arange(n - n // 2, 0, -1)])
    return weights / weights.max()


def draw_delays(settings: SeparateConfig, rate_hz: int) -> list[int]:
    """Return the delays in samples that the result is averaged over; no shifts is one delay of 0."""
    if not settings.shifts:
        return [0]
    longest = int(settings.max_shift_s * rate_hz)
    return np.random.default_rng(settings.shift_seed).integers(0, longest, settings.shifts, endpoint=True).tolist()


@functools.partial(jax.jit, static_argnames="net")
def estimate(net: Architecture, params: Params, mix_CxT: jax.Array, n_samples: jax.Array | None = None) -> jax.Array:
    """Return est_SxCxT of a chunk: the compiled program that all separation runs in."""
    return net(params, mix_CxT, n_samples)


@functools.partial(jax.jit, static_argnames="net")
def estimate_tile(net: Architecture, params: Params, tile_CxN: jax.Array) -> jax.Array:
    """Return what a tile adds to the estimates, est_SxCxN."""
    if net.tiling is None:
        raise ValueError("the network has no tiles")
    return net.tiling.separate(params, tile_CxN)
