"""Whole songs through the network in bounded memory: chunks, cross-fades, shifts.

One compiled program serves all whole chunks. `n_samples` of the network lets another one serve the shorter ones at a
song's end, whatever their lengths; it takes a third longer, so whole chunks do without.
"""

import functools
from collections.abc import Callable

import jax
import numpy as np

from ugosa_jax.config import CHUNK_S, SeparateConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks.protocol import Architecture, Params

OnChunk = Callable[[int, int], None]


def separate(
    net: Architecture,
    params: Params,
    mix_CxT: np.ndarray,
    settings: SeparateConfig,
    on_chunk: OnChunk | None = None,
) -> np.ndarray:
    """Separate a song of any length.

    With shifts, the song is separated several times, each time delayed by a random part of `max_shift_s` (so that
    chunks and frames fall elsewhere), and the results are averaged.

    Args:
      net: the network.
      params: its weights.
      mix_CxT: standardised mixture at the network's rate.
      settings: chunk length, overlap, shifts.
      on_chunk: called after each chunk with how many are done and how many there are.

    Returns:
      est_SxCxT, standardised as the mixture.

    Raises:
      InputError: the song or a chunk is shorter than the network needs.
    """
    n_samples = mix_CxT.shape[1]
    if n_samples < net.min_samples:
        raise InputError(f"the song has {n_samples} samples, fewer than the network needs ({net.min_samples})")
    delays = draw_delays(settings, net.sample_rate_hz)
    chunk = chunk_samples(net, settings)
    params = jax.device_put(params)
    n_chunks = [len(offsets(n_samples + delay, chunk, settings.overlap)) for delay in delays]
    mean_SxCxT = None
    for i, delay in enumerate(delays):
        delayed = np.pad(mix_CxT, ((0, 0), (delay, 0))) if delay else mix_CxT
        report = on_chunk and functools.partial(_report, on_chunk, sum(n_chunks[:i]), sum(n_chunks))
        est_SxCxT = separate_once(net, params, delayed, chunk, settings.overlap, report)[..., delay:]
        mean_SxCxT = est_SxCxT if mean_SxCxT is None else mean_SxCxT + (est_SxCxT - mean_SxCxT) / (i + 1)
    return mean_SxCxT  # pyright: ignore[reportReturnType]  # there is at least one delay


def chunk_samples(net: Architecture, settings: SeparateConfig) -> int:
    """Return the length of a chunk in samples.

    Raises:
      InputError: it is shorter than the network needs, or longer than it takes.
    """
    if settings.chunk_s is None:
        return net.segment_samples or max(net.min_samples, round(CHUNK_S * net.sample_rate_hz))
    chunk = round(settings.chunk_s * net.sample_rate_hz)
    if chunk < net.min_samples:
        raise InputError(f"chunk_s: {settings.chunk_s} s is shorter than the network needs ({net.min_samples} samples)")
    if chunk > (net.segment_samples or chunk):
        raise InputError(f"chunk_s: {settings.chunk_s} s is longer than this network takes ({net.segment_s:g} s)")
    return chunk


def separate_once(
    net: Architecture,
    params: Params,
    mix_CxT: np.ndarray,
    chunk: int,
    overlap: float,
    on_chunk: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Separate chunk by chunk and cross-fade, as Demucs does.

    Each chunk counts with triangular weights and the sum is divided by the summed weights. Chunks at the end of the
    song are shorter; they count with the beginning of the triangle.
    """
    n_samples = mix_CxT.shape[1]
    weights_T = triangle(chunk).astype(mix_CxT.dtype)
    est_SxCxT = np.zeros((len(net.sources), *mix_CxT.shape), mix_CxT.dtype)
    summed_T = np.zeros(n_samples, mix_CxT.dtype)
    for i, start in enumerate(offsets(n_samples, chunk, overlap)):
        here = slice(start, min(start + chunk, n_samples))
        n = here.stop - here.start
        est_SxCxT[..., here] += weights_T[:n] * separate_chunk(net, params, mix_CxT, here, chunk)
        summed_T[here] += weights_T[:n]
        if on_chunk:
            on_chunk(i)
    est_SxCxT /= summed_T
    return est_SxCxT


def separate_chunk(net: Architecture, params: Params, mix_CxT: np.ndarray, here: slice, chunk: int) -> np.ndarray:
    """Return the estimates of one stretch of a song, no longer than a chunk.

    A network that takes any length is told how much of a padded chunk is real. One that takes a single length sees the
    stretch in the middle of its neighbours, as in Demucs v4; there are zeros only where the song has ended.
    """
    n = here.stop - here.start
    if net.segment_samples is None:
        padded = np.pad(mix_CxT[:, here], ((0, 0), (0, chunk - n)))
        return np.asarray(_run(net, params, padded, n if n < chunk else None))[..., :n]
    before = (chunk - n) // 2
    start, stop = here.start - before, here.start - before + chunk
    real = mix_CxT[:, max(0, start) : stop]
    missing = max(0, -start), stop - max(0, start) - real.shape[1]
    return np.asarray(_run(net, params, np.pad(real, ((0, 0), missing)), None))[..., before : before + n]


def offsets(n_samples: int, chunk_samples: int, overlap: float) -> list[int]:
    """Return the first sample of each chunk."""
    return list(range(0, n_samples, max(1, int((1 - overlap) * chunk_samples))))


def triangle(n: int) -> np.ndarray:
    """Return the weights of a chunk: 1 … ⌊n/2⌋ up, ⌈n/2⌉ … 1 down, divided by their maximum."""
    weights = np.concatenate([np.arange(1, n // 2 + 1), np.arange(n - n // 2, 0, -1)])
    return weights / weights.max()


def draw_delays(settings: SeparateConfig, rate_hz: int) -> list[int]:
    """Return the delays in samples that the result is averaged over; no shifts is one delay of 0."""
    if not settings.shifts:
        return [0]
    longest = int(settings.max_shift_s * rate_hz)
    return np.random.default_rng(settings.shift_seed).integers(0, longest, settings.shifts, endpoint=True).tolist()


def _report(on_chunk: OnChunk, before: int, total: int, i: int) -> None:
    on_chunk(before + i + 1, total)


@functools.partial(jax.jit, static_argnames="net")
def _run(net: Architecture, params: Params, mix_CxT: jax.Array, n_samples: jax.Array | None) -> jax.Array:
    return net(params, mix_CxT, n_samples)
