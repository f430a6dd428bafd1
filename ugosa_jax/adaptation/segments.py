"""Segments: a song cut into training examples."""

import dataclasses

import chex
import jax
import numpy as np
import psutil

from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError, error_context, require_extra
from ugosa_jax.networks.protocol import Architecture, Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Segments:
    """Segments of one song, padded to the segment count of a bucket so that songs share compiled programs.

    To JAX this is a tree of arrays; they may have a leading axis of lanes.

    Attributes:
      mix_GxVxCxT: G standardised segments in V variants each: the original, then its pitch-shifted copies.
      active_GxSxT: h of eq. (1) for each segment, shared by its variants.
      n: number of real segments; those from n on are zero and never used.
      stems_GxSxCxT: estimated stems of each segment, for remixes.
    """

    mix_GxVxCxT: Array
    active_GxSxT: Array
    n: Array
    stems_GxSxCxT: Array | None = None


def cut_song(
    mix_CxT: np.ndarray,
    active_SxT: np.ndarray,
    settings: AdaptConfig,
    net: Architecture,
    stems_SxCxT: np.ndarray | None = None,
) -> Segments:
    """Cut a standardised mixture and its activations into the segments of `settings`.

    The last segment is moved back to end with the song, so that no sample is left out or padded.

    Args:
      mix_CxT: standardised mixture at the network's sample rate.
      active_SxT: h; bool, or numbers in [0, 1].
      settings: segment length, hop, pitch shifts.
      net: defines the sample rate and the lengths that a segment may have.
      stems_SxCxT: estimated stems that add up to the mixture, cut in the same way.

    Raises:
      InputError: the network does not take segments of this length, the song is shorter than a segment, or the
        segments do not fit into the memory.
    """
    chex.assert_shape(mix_CxT, (net.channels, None))
    chex.assert_shape(active_SxT, (len(net.sources), mix_CxT.shape[1]))
    if stems_SxCxT is not None:
        chex.assert_shape(stems_SxCxT, (len(net.sources), *mix_CxT.shape))
    length, starts = place_segments(mix_CxT.shape[1], settings, net)
    n_padded = find_bucket(len(starts))
    each = [] if stems_SxCxT is None else [stems_SxCxT[..., :1].nbytes]
    each += [(1 + settings.pitch_shifts) * mix_CxT[:, :1].nbytes, active_SxT[:, :1].nbytes]
    needed = n_padded * length * sum(each)
    if needed > psutil.virtual_memory().available:
        raise InputError(f"{len(starts)} segments need {needed / 1e9:.0f} GB, more than is free; use a longer hop_s")
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


def place_segments(n_samples: int, settings: AdaptConfig, net: Architecture) -> tuple[int, list[int]]:
    """Return the length of the segments of a song of `n_samples`, and the first sample of each.

    Raises:
      InputError: the network does not take segments of this length, or the song is shorter than a segment.
    """
    segment_s = net.segment_s if settings.segment_s is None else settings.segment_s
    length = net.segment_samples or round(segment_s * net.sample_rate_hz)
    hop = max(1, length if settings.hop_s is None else round(settings.hop_s * net.sample_rate_hz))
    if settings.segment_s is not None and length != round(segment_s * net.sample_rate_hz):
        raise InputError(f"segment_s: this network takes only segments of {net.segment_s:g} s, not {segment_s:g} s")
    if length < net.min_samples:
        raise InputError(f"segment_s: {segment_s} s is shorter than the network needs ({net.min_samples} samples)")
    if n_samples < length:
        song_s = n_samples / net.sample_rate_hz
        raise InputError(f"the song lasts {song_s:.2f} s, less than one segment of {segment_s:g} s (segment_s)")
    return length, list_starts(n_samples, length, hop)


def list_starts(n_samples: int, length: int, hop: int) -> list[int]:
    """Return the first sample of each segment, in time order."""
    starts = list(range(0, n_samples - length + 1, hop))
    if starts[-1] + length < n_samples:
        starts.append(n_samples - length)
    return starts


def find_bucket(n: int) -> int:
    """Return the smallest of 1, 2, 3, 4, 6, 8, 12, 16, 24 … that is at least n."""
    power = 1 << max(0, n - 1).bit_length()
    return 3 * power // 4 if n <= 3 * power // 4 else power


def _add_pitch_shifts(mix_GxVxCxT: np.ndarray, settings: AdaptConfig, rate_hz: int) -> None:
    """Fill the variants after the first with copies of it, each shifted by a random interval."""
    with error_context("pitch_shifts"), require_extra("augment"):
        from librosa.effects import pitch_shift
    random = np.random.default_rng(settings.pitch_seed)
    for segment_VxCxT in mix_GxVxCxT:
        for variant_CxT in segment_VxCxT[1:]:
            n_steps = random.uniform(-settings.pitch_range_semitones, settings.pitch_range_semitones)
            variant_CxT[:] = pitch_shift(segment_VxCxT[0], sr=rate_hz, n_steps=n_steps)
