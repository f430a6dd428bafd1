"""A song cut into the segments that the network is adapted on."""

import dataclasses

import numpy as np
import psutil

from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError, error_context, require_extra
from ugosa_jax.networks.protocol import Architecture

REMIX_DB = 4.0
"""Sources of a remix are made louder or softer by up to so much."""


@dataclasses.dataclass(frozen=True)
class Segments:
    """Segments of one song, padded to a bucket of segment counts so that songs share compiled programs.

    A type of its own because it is what the network is trained on, not what is known of a song: arrays of fixed shape.

    Attributes:
      mix_GxVxCxT: G standardised segments in V variants each: the original, then its pitch-shifted copies.
      active_GxSxT: h of eq. (1) for each segment; its variants share it.
      n: how many segments are real; those from n on are zero and are never looked at.
    """

    mix_GxVxCxT: np.ndarray
    active_GxSxT: np.ndarray
    n: int
    stems_GxSxCxT: np.ndarray | None = None
    """Estimates of the sources in each segment, for remixes."""


def cut(
    mix_CxT: np.ndarray,
    active_SxT: np.ndarray,
    settings: AdaptConfig,
    net: Architecture,
    stems_SxCxT: np.ndarray | None = None,
) -> Segments:
    """Cut a standardised mixture and its activations into the segments of `settings`.

    The last segment is moved back to end with the song, so that nothing is left out and nothing is padded.

    Args:
      mix_CxT: standardised mixture at the network's rate.
      active_SxT: h; bool, or numbers in [0, 1].
      settings: segment length, hop, pitch shifts.
      net: gives the sample rate, and the lengths that a segment may have.
      stems_SxCxT: estimates of the sources that add up to the mixture, to be cut alike.

    Raises:
      InputError: a segment is of a length that the network does not take, the song is shorter than a segment, or
        there are more segments than fit into the memory.
    """
    length, starts = place(mix_CxT.shape[1], settings, net)
    n_padded = bucket(len(starts))
    each = [] if stems_SxCxT is None else [stems_SxCxT[..., :1].nbytes]
    each += [(1 + settings.pitch_shifts) * mix_CxT[:, :1].nbytes, active_SxT[:, :1].nbytes]
    needed = n_padded * length * sum(each)
    if needed > psutil.virtual_memory().available:
        raise InputError(f"{len(starts)} segments need {needed / 1e9:.0f} GB, more than is free; take a longer hop_s")
    mix = np.zeros((n_padded, 1 + settings.pitch_shifts, mix_CxT.shape[0], length), mix_CxT.dtype)
    active = np.zeros((n_padded, active_SxT.shape[0], length), active_SxT.dtype)
    for g, start in enumerate(starts):
        mix[g, 0] = mix_CxT[:, start : start + length]
        active[g] = active_SxT[:, start : start + length]
    if settings.pitch_shifts:
        _add_pitch_shifts(mix[: len(starts)], settings, net.sample_rate_hz)
    stems = None
    if stems_SxCxT is not None:
        stems = np.zeros((n_padded, *stems_SxCxT.shape[:2], length), stems_SxCxT.dtype)
        for g, start in enumerate(starts):
            stems[g] = stems_SxCxT[..., start : start + length]
    return Segments(mix, active, len(starts), stems)


def place(n_samples: int, settings: AdaptConfig, net: Architecture) -> tuple[int, list[int]]:
    """Return how long the segments of a song of `n_samples` are, in samples, and where each begins.

    Raises:
      InputError: a segment is of a length that the network does not take, or the song is shorter than a segment.
    """
    segment_s = net.segment_s if settings.segment_s is None else settings.segment_s
    length = net.segment_samples or round(segment_s * net.sample_rate_hz)
    hop = max(1, length if settings.hop_s is None else round(settings.hop_s * net.sample_rate_hz))
    if settings.segment_s is not None and length != round(segment_s * net.sample_rate_hz):
        raise InputError(f"segment_s: this network takes segments of {net.segment_s:g} s alone, not {segment_s:g} s")
    if length < net.min_samples:
        raise InputError(f"segment_s: {segment_s} s is shorter than the network needs ({net.min_samples} samples)")
    if n_samples < length:
        song_s = n_samples / net.sample_rate_hz
        raise InputError(f"the song lasts {song_s:.2f} s, less than one segment of {segment_s:g} s (segment_s)")
    return length, starts_of(n_samples, length, hop)


def starts_of(n_samples: int, length: int, hop: int) -> list[int]:
    """Return the first sample of each segment, in time order."""
    starts = list(range(0, n_samples - length + 1, hop))
    if starts[-1] + length < n_samples:
        starts.append(n_samples - length)
    return starts


def shuffled(n: np.ndarray | int, n_bucket: int, *seed: int) -> np.ndarray:
    """Return a random order of the segments 0 … n − 1, those from n to the bucket's end behind them.

    Args:
      n: how many segments a song has, or each of several songs; the same number is always given the same order.
      n_bucket: to how many they are padded.
      seed: of the order; several numbers are one seed.

    Returns:
      Int32 (G,), or one order a song.
    """
    place_G = np.arange(n_bucket)
    drawn_G = np.random.default_rng(seed).random(n_bucket)
    return np.argsort(np.where(place_G < np.asarray(n)[..., None], drawn_G, 1 + place_G)).astype(np.int32)


def remixed(
    n: np.ndarray | int, n_bucket: int, n_sources: int, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which steps of an epoch are remixes, about half, and what they mix.

    Returns:
      Is it one (G,); the segment of each source, in an order of its own (G, S); and how loud, gains of uniform
      ± `REMIX_DB` (G, S). If there are several n, one of each a song.
    """
    random, songs = np.random.default_rng((seed, epoch, 0)), np.shape(n)
    is_due_G = random.random(n_bucket) < 0.5
    gain_GxS = 10 ** (random.uniform(-REMIX_DB, REMIX_DB, (n_bucket, n_sources)) / 20)
    order = np.stack([shuffled(n, n_bucket, seed, epoch, 1 + s) for s in range(n_sources)], -1)
    return np.broadcast_to(is_due_G, (*songs, *is_due_G.shape)), order, np.broadcast_to(gain_GxS, order.shape)


def bucket(n: int) -> int:
    """Return the smallest of 1, 2, 3, 4, 6, 8, 12, 16, 24 … that is not below n."""
    power = 1 << max(0, n - 1).bit_length()
    return 3 * power // 4 if n <= 3 * power // 4 else power


def _add_pitch_shifts(mix_GxVxCxT: np.ndarray, settings: AdaptConfig, rate_hz: int) -> None:
    """Fill the variants after the first with copies of it, shifted by random amounts drawn once from the seed."""
    with error_context("pitch_shifts"), require_extra("augment"):
        from librosa.effects import pitch_shift
    random = np.random.default_rng(settings.pitch_seed)
    for segment_VxCxT in mix_GxVxCxT:
        for variant_CxT in segment_VxCxT[1:]:
            n_steps = random.uniform(-settings.pitch_range_semitones, settings.pitch_range_semitones)
            variant_CxT[:] = pitch_shift(segment_VxCxT[0], sr=rate_hz, n_steps=n_steps)
