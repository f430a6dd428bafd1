"""Sound in memory, and its conversion to a network's sample rate and channels and back.

C channels, n and T samples, S sources. `Audio` has the rate and channels of its file. `to_model` converts it for a
network, as does `blocks_to_model` block by block; `from_model` converts the network's estimates back.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import soxr

from ugosa_jax.data import downmix, recording
from ugosa_jax.data.writing import Encoding, open_writer
from ugosa_jax.errors import InputError, error_context

MAX_CHANNELS = 64
"""Largest number of channels of an array; if there seem to be more, its axes are probably swapped."""


@dataclasses.dataclass(frozen=True)
class Audio:
    """Sound in memory, as in its file: a mixture, a stem or an estimate.

    Attributes:
      samples_CxT: float32 samples, where full scale is 1.
      rate_hz: sample rate.
      name: name of the file.
      channels: position of each channel, such as ("FL", "FR", "FC"); if empty, those of `downmix.USUAL`.
      notes: remarks for the user.
    """

    samples_CxT: np.ndarray
    rate_hz: int
    name: str
    channels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return self.samples_CxT.shape[0]

    @property
    def n_samples(self) -> int:
        """Number of samples per channel."""
        return self.samples_CxT.shape[1]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.rate_hz

    def iterate_blocks(self) -> Iterator[np.ndarray]:
        """Yield all samples as one block (C, T)."""
        yield self.samples_CxT


class Sound(Protocol):
    """Sound in memory (`Audio`) or on disk (`Recording`)."""

    @property
    def name(self) -> str: ...
    @property
    def rate_hz(self) -> int: ...
    @property
    def n_channels(self) -> int: ...
    @property
    def n_samples(self) -> int: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def channels(self) -> tuple[str, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def samples_CxT(self) -> np.ndarray: ...
    def iterate_blocks(self) -> Iterator[np.ndarray]: ...


def read(
    path: str | Path, may_be_silent: bool = False, may_be_cut: bool = False, longest_s: float | None = None
) -> Audio:
    """Read a sound file: WAV, FLAC, Ogg, MP3, AIFF, m4a, video and further formats (`ffmpeg.FORMATS`).

    Args:
      path: the file; its name may have any suffix.
      may_be_silent: whether every sample may be zero, as in the stem of an instrument that does not play.
      may_be_cut: whether to accept a file that was cut short.
      longest_s: longest duration; unlimited if not given.

    Raises:
      InputError: the file is missing, empty, cut short, not sound, too long or silent throughout, or holds values that
        are not finite or far too large.
    """
    path = Path(path)
    samples_CxT, stream = recording.read(path, may_be_silent, may_be_cut, longest_s)
    return Audio(samples_CxT, stream.rate_hz, path.name, stream.channels, tuple(stream.notes))


def to_model(sound: Sound, rate_hz: int, channels: int) -> tuple[np.ndarray, list[str]]:
    """Convert a song to a network's sample rate and number of channels.

    Args:
      sound: the song.
      rate_hz: the network's sample rate.
      channels: the network's number of channels, C.

    Returns:
      Float32 (C, T), and a note on each step of the conversion; none if the song is unchanged.

    Raises:
      InputError: the positions of the song's channels are unknown.
    """
    notes = describe_conversion(sound, rate_hz, channels)
    return _resample(downmix.mix(sound.samples_CxT, sound.channels, channels), sound.rate_hz, rate_hz), notes


def blocks_to_model(sound: Sound, rate_hz: int, channels: int) -> Iterator[np.ndarray]:
    """Yield the array that `to_model` returns block by block.

    Raises:
      InputError: as `to_model`.
    """
    describe_conversion(sound, rate_hz, channels)
    blocks = (downmix.mix(block, sound.channels, channels) for block in sound.iterate_blocks())
    yield from resample_blocks(blocks, sound.rate_hz, rate_hz)


def describe_conversion(sound: Sound, rate_hz: int, channels: int) -> list[str]:
    """Return the notes on a song's file, and a note on each step of `to_model`, without converting it.

    Raises:
      InputError: as `to_model`.
    """
    with error_context(sound.name):
        notes = [*sound.notes, *downmix.describe(sound.n_channels, sound.channels, channels)]
    return notes + ([f"resampled from {sound.rate_hz} Hz to {rate_hz} Hz"] if sound.rate_hz != rate_hz else [])


def from_model(blocks_SxCxn: Iterable[np.ndarray], song: Sound, rate_hz: int) -> Iterator[np.ndarray]:
    """Convert a network's estimates to the song's rate, channels and length, block by block.

    Args:
      blocks_SxCxn: blocks of estimates in time order.
      song: the sound that they were separated from.
      rate_hz: the network's sample rate.

    Returns:
      Blocks (S, C', n'), float32, which together are as long as the song. C' is 1, the mean of the channels, for a mono
      song, otherwise 2.
    """
    missing = song.n_samples
    fitting = (_fit_channels(stretch_SxCxn, min(song.n_channels, 2)) for stretch_SxCxn in blocks_SxCxn)
    for stretch_SxCxn in resample_blocks(fitting, rate_hz, song.rate_hz):
        stretch_SxCxn = stretch_SxCxn[..., :missing]
        missing -= stretch_SxCxn.shape[-1]
        yield stretch_SxCxn
    if missing:
        yield np.zeros((*stretch_SxCxn.shape[:2], missing), np.float32)


def _fit_channels(stretch_SxCxn: np.ndarray, channels: int) -> np.ndarray:
    if channels == 1:
        return stretch_SxCxn.mean(axis=1, keepdims=True)
    return np.broadcast_to(stretch_SxCxn, (len(stretch_SxCxn), channels, stretch_SxCxn.shape[-1]))


def resample_blocks(blocks: Iterable[np.ndarray], from_hz: int, to_hz: int) -> Iterator[np.ndarray]:
    """Yield blocks (…, n) resampled to another rate; concatenated, they equal the whole signal resampled at once."""
    if from_hz == to_hz:
        yield from blocks
        return
    stream, shape = None, ()
    for block in blocks:
        if stream is None:
            shape = block.shape[:-1]
            stream = soxr.ResampleStream(from_hz, to_hz, math.prod(shape), dtype="float32", quality="VHQ")
        yield _resample_block(stream, block)
    if stream is not None:
        yield _resample_block(stream, np.zeros((*shape, 0), np.float32), last=True)


def _resample_block(stream: soxr.ResampleStream, block: np.ndarray, last: bool = False) -> np.ndarray:
    *shape, n = block.shape
    block_nxC = np.ascontiguousarray(block.reshape(math.prod(shape), n).T, np.float32)
    new_Cxn = np.ascontiguousarray(stream.resample_chunk(block_nxC, last=last).T)
    return new_Cxn.reshape(*shape, new_Cxn.shape[-1])


def measure_level_db(samples_CxT: np.ndarray) -> float:
    """Return the level of a sound, 10 log10 of its mean square; at least −120 dB."""
    return float(10 * np.log10(np.square(samples_CxT, dtype=np.float64).mean() + 1e-12))


def round_to_16_bits(samples_CxT: np.ndarray) -> np.ndarray:
    """Return samples rounded as in a 16-bit file.

    Where the true stems have no energy, such as above the highest frequency of a lossy encoder, BSSEval's filters are
    undetermined, and SIR and SAR mean little. Rounding noise determines the filters, as in MUSDB18's decoded stems.
    """
    return np.clip(np.rint(samples_CxT * 32768), -32768, 32767).astype(np.float32) / 32768


def to_channels(samples: np.ndarray) -> np.ndarray:
    """Return samples as float32 (channels, samples); an array (samples,) is mono.

    Raises:
      InputError: the array has another shape, or holds integers, whose full scale is unknown.
    """
    found = np.asarray(samples)
    expected = "samples must be floating-point numbers (channels, samples), or (samples,) for mono"
    if not np.issubdtype(found.dtype, np.floating):
        raise InputError(f"{expected}, not {found.dtype}; full scale is 1")
    if found.ndim not in (1, 2):
        raise InputError(f"{expected}, not of shape {found.shape}")
    if found.ndim == 2 and found.shape[0] > MAX_CHANNELS:
        raise InputError(f"{expected}, not of shape {found.shape}; is that (samples, channels)? write samples.T")
    return np.atleast_2d(found).astype(np.float32, copy=False)


def write_audio(path: str | Path, samples_CxT: np.ndarray, rate_hz: int, encoding: Encoding = "float") -> int:
    """Write a sound file; `writing.open_writer` writes one in blocks.

    Args:
      path: a path that ends in .wav or .flac.
      samples_CxT: (channels, samples), or (samples,) for mono; full scale is 1.
      rate_hz: sample rate.
      encoding: 32-bit float, or 24- or 16-bit integers.

    Returns:
      The number of samples above full scale, which integer encodings clip and float keeps.
    """
    samples_CxT = to_channels(samples_CxT)
    n_channels, n_samples = samples_CxT.shape
    with open_writer(path, rate_hz, n_channels, n_samples, encoding) as file:
        file.write(samples_CxT)
    return file.above


def _resample(samples_CxT: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    if from_hz == to_hz:
        return samples_CxT
    return np.ascontiguousarray(soxr.resample(samples_CxT.T, from_hz, to_hz, quality="VHQ").T)
