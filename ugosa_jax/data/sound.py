"""Sound, and what leads from a song to what a network takes and back.

C channels, n and T samples, S sources. A song keeps its own rate and channels in `Audio`; `to_model` makes of it
what the model takes, `from_model` leads the model's estimates back to what the song is. Where a song is a `Recording`,
which is never in memory as a whole, `blocks_to_model` and `stretches_from_model` do the same block by block.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import soxr

from ugosa_jax.data import downmix, recording
from ugosa_jax.data.writing import Encoding, writing
from ugosa_jax.errors import InputError, error_context

MAX_CHANNELS = 64
"""Of an array; one with more has its axes the other way round."""


@dataclasses.dataclass(frozen=True)
class Audio:
    """A piece of sound as it stands in its file: float32, full scale is 1.

    A type of its own because stems and estimates are sound too: it is what a file holds, a `Song` what is known.

    Attributes:
      samples_CxT: float32.
      rate_hz: sample rate.
      name: of the file.
      channels: what each channel is, such as ("FL", "FR", "FC"); empty: as usual for so many (`downmix.USUAL`).
      notes: what to know of the file, in plain words.
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
        """Number of samples a channel."""
        return self.samples_CxT.shape[1]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.rate_hz

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield all of it as one block (C, T)."""
        yield self.samples_CxT


class Sound(Protocol):
    """What songs are made of: an `Audio`, or a `Recording` on disk."""

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
    def blocks(self) -> Iterator[np.ndarray]: ...


def read(
    path: str | Path, may_be_silent: bool = False, may_be_cut: bool = False, longest_s: float | None = None
) -> Audio:
    """Read a sound file: WAV, FLAC, Ogg, MP3, AIFF, m4a, video and what else FFmpeg knows (`media.FORMATS`).

    Args:
      path: the file; its name may have any suffix.
      may_be_silent: whether every sample may be zero, as in the stem of an instrument that does not play.
      may_be_cut: whether what is there of a file that was cut short will do.
      longest_s: how long it may last; any length if not given.

    Raises:
      InputError: the file is missing, empty, cut short, not sound, longer than it may be, silent throughout where it
        may not be, or holds values that are not finite or absurdly large.
    """
    path = Path(path)
    samples_CxT, stream = recording.read(path, may_be_silent, may_be_cut, longest_s)
    return Audio(samples_CxT, stream.rate_hz, path.name, stream.channels, tuple(stream.notes))


def to_model(sound: Sound, rate_hz: int, channels: int) -> tuple[np.ndarray, list[str]]:
    """Bring a song to the model's rate and number of channels.

    Args:
      sound: the song.
      rate_hz: the model's sample rate.
      channels: the model's number of channels, C.

    Returns:
      Float32 (C, T), and what was done in plain words, one entry a step; none if the song is used as it is.

    Raises:
      InputError: the song's channels have no agreed meaning.
    """
    notes = conversions(sound, rate_hz, channels)
    return _resample(downmix.mix(sound.samples_CxT, sound.channels, channels), sound.rate_hz, rate_hz), notes


def blocks_to_model(sound: Sound, rate_hz: int, channels: int) -> Iterator[np.ndarray]:
    """Yield what `to_model` returns, block by block.

    Raises:
      InputError: as `to_model`.
    """
    conversions(sound, rate_hz, channels)
    blocks = (downmix.mix(block, sound.channels, channels) for block in sound.blocks())
    yield from resample_blocks(blocks, sound.rate_hz, rate_hz)


def conversions(sound: Sound, rate_hz: int, channels: int) -> list[str]:
    """Return what to know of a song's file and what `to_model` does to it, in plain words, without doing it.

    Raises:
      InputError: as `to_model`.
    """
    with error_context(sound.name):
        notes = [*sound.notes, *downmix.describe(sound.n_channels, sound.channels, channels)]
    return notes + ([f"resampled from {sound.rate_hz} Hz to {rate_hz} Hz"] if sound.rate_hz != rate_hz else [])


def from_model(stretches_SxCxn: Iterable[np.ndarray], song: Sound, rate_hz: int) -> Iterator[np.ndarray]:
    """Lead the model's estimates back to the song's rate and length, stretch by stretch.

    Args:
      stretches_SxCxn: separated sources, in time order.
      song: what they were separated from.
      rate_hz: the model's sample rate.

    Returns:
      Float32 (S, C', n'), together the song's number of samples exactly; one channel, the mean, if the song has one,
      else two (a song with more comes back as the stereo it was mixed down to).
    """
    missing = song.n_samples
    fitting = (_of_channels(stretch_SxCxn, min(song.n_channels, 2)) for stretch_SxCxn in stretches_SxCxn)
    for stretch_SxCxn in resample_blocks(fitting, rate_hz, song.rate_hz):
        stretch_SxCxn = stretch_SxCxn[..., :missing]
        missing -= stretch_SxCxn.shape[-1]
        yield stretch_SxCxn
    if missing:
        yield np.zeros((*stretch_SxCxn.shape[:2], missing), np.float32)


def _of_channels(stretch_SxCxn: np.ndarray, channels: int) -> np.ndarray:
    if channels == 1:
        return stretch_SxCxn.mean(axis=1, keepdims=True)
    return np.broadcast_to(stretch_SxCxn, (len(stretch_SxCxn), channels, stretch_SxCxn.shape[-1]))


def resample_blocks(blocks: Iterable[np.ndarray], from_hz: int, to_hz: int) -> Iterator[np.ndarray]:
    """Yield blocks (…, n) at another rate; all together are what the whole signal resampled at once would be."""
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


def level_db(samples_CxT: np.ndarray) -> float:
    """Return the level of a sound, 10 log10 of its mean square; at least −120 dB."""
    return float(10 * np.log10(np.square(samples_CxT, dtype=np.float64).mean() + 1e-12))


def round_to_16_bits(samples_CxT: np.ndarray) -> np.ndarray:
    """Return samples as a 16-bit file would hold them.

    BSSEval's filters are free where the true stems have no energy at all, as above the highest frequency of a lossy
    encoder; SIR and SAR mean nothing then. The noise of rounding settles them, as it does in MUSDB18's decoded stems.
    """
    return np.clip(np.rint(samples_CxT * 32768), -32768, 32767).astype(np.float32) / 32768


def as_channels(samples: np.ndarray) -> np.ndarray:
    """Return samples as float32 (channels, samples); those of mono may lack the first axis.

    Raises:
      InputError: they are of another shape, or integers, whose full scale nobody knows.
    """
    found = np.asarray(samples)
    wanted = "samples must be floating-point numbers (channels, samples), or (samples,) of mono"
    if not np.issubdtype(found.dtype, np.floating):
        raise InputError(f"{wanted}, not {found.dtype}; full scale is 1")
    if found.ndim not in (1, 2):
        raise InputError(f"{wanted}, not of shape {found.shape}")
    if found.ndim == 2 and found.shape[0] > MAX_CHANNELS:
        raise InputError(f"{wanted}, not of shape {found.shape}; is that (samples, channels)? write samples.T")
    return np.atleast_2d(found).astype(np.float32, copy=False)


def write(path: str | Path, samples_CxT: np.ndarray, rate_hz: int, encoding: Encoding = "float") -> int:
    """Write a file of sound at once; see `writing.writing`.

    Args:
      path: ends in .wav or .flac.
      samples_CxT: (channels, samples), or (samples,) of mono; full scale is 1.
      rate_hz: sample rate.
      encoding: 32-bit float, or 24- or 16-bit integers.

    Returns:
      The number of samples above full scale: clipped as integers, kept as float.
    """
    samples_CxT = as_channels(samples_CxT)
    n_channels, n_samples = samples_CxT.shape
    with writing(path, rate_hz, n_channels, n_samples, encoding) as file:
        file.write(samples_CxT)
    return file.above


def _resample(samples_CxT: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    if from_hz == to_hz:
        return samples_CxT
    return np.ascontiguousarray(soxr.resample(samples_CxT.T, from_hz, to_hz, quality="VHQ").T)
