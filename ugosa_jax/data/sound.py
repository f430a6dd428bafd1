"""Sound in and out: the only module that reads or writes it.

C channels, T samples, S sources. A song keeps its own rate and channels in `Audio`; `to_model` makes of it
what the model takes, `from_model` leads the model's estimates back to what the song is.
"""

import contextlib
import dataclasses
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr

from ugosa_jax import files
from ugosa_jax.data import media, wav
from ugosa_jax.errors import InputError

RATES_HZ = (4_000, 768_000)
"""Sample rates of sound; anything else in a header is damage, and would fill the memory when resampled."""
SILENCE = 1e-15
"""Peak below which sound is silence: -300 dB of full scale, where single precision soon ends."""
SLACK_S = 0.1
"""Sound that may be missing from the end of a file: headers of MP3 and careless writers are a little off."""

_HALF = math.sqrt(0.5)  # −3 dB
_LEFT, _RIGHT, _BOTH, _NONE = (1.0, 0.0), (0.0, 1.0), (_HALF, _HALF), (0.0, 0.0)
_LEFT_SURROUND, _RIGHT_SURROUND = (_HALF, 0.0), (0.0, _HALF)
_DOWNMIX = {
    3: ("3.0", (_LEFT, _RIGHT, _BOTH)),
    4: ("4.0", (_LEFT, _RIGHT, _LEFT_SURROUND, _RIGHT_SURROUND)),
    5: ("5.0", (_LEFT, _RIGHT, _BOTH, _LEFT_SURROUND, _RIGHT_SURROUND)),
    6: ("5.1", (_LEFT, _RIGHT, _BOTH, _NONE, _LEFT_SURROUND, _RIGHT_SURROUND)),
    8: ("7.1", (_LEFT, _RIGHT, _BOTH, _NONE, *(_LEFT_SURROUND, _RIGHT_SURROUND) * 2)),
}
"""Channels in WAV order → name, each channel's share of left and right (ITU-R BS.775, without the LFE)."""


@dataclasses.dataclass(frozen=True)
class Audio:
    """A piece of sound as it stands in its file: float32, full scale is 1.

    A type of its own because stems and estimates are sound too: it is what a file holds, a `Song` what is known.
    """

    samples_CxT: np.ndarray
    rate_hz: int
    name: str

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


def read(path: str | Path, may_be_silent: bool = False, may_be_cut: bool = False) -> Audio:
    """Read a sound file: WAV, FLAC, Ogg, MP3, AIFF and what else libsndfile knows; m4a, video and others through PyAV.

    Args:
      path: the file.
      may_be_silent: whether every sample may be zero, as in the stem of an instrument that does not play.
      may_be_cut: whether what is there of a file that was cut short will do.

    Raises:
      InputError: the file is missing, empty, cut short, not sound, silent throughout where it may not be, or holds
        values that are not finite.
    """
    path = Path(path)
    _refuse_cut_wav(path, may_be_cut)
    samples_CxT, rate_hz, announced = (*media.read(path), 0) if _is_media(path) else _read_with_libsndfile(path)
    if announced - samples_CxT.shape[1] > SLACK_S * rate_hz and not may_be_cut:
        there = f"{samples_CxT.shape[1]} of {announced} samples are there"
        raise InputError(f"{path}: cut short: {there}; --truncated ok takes them")
    _refuse_unusable(path, samples_CxT, rate_hz, may_be_silent)
    return Audio(np.ascontiguousarray(samples_CxT), rate_hz, path.name)


def _is_media(path: Path) -> bool:
    """Tell whether a file is for PyAV: by its name, for libsndfile takes the sound of some of them for its own."""
    return path.suffix.lower() in media.SUFFIXES


def _read_with_libsndfile(path: Path) -> tuple[np.ndarray, int, int]:
    """Return samples (C, T), sample rate, and how many samples the header announces."""
    try:
        # Opened here, for libsndfile takes names that are text alone. Its MP3 reader writes to the terminal by itself.
        with path.open("rb") as file, _mute_libraries(), soundfile.SoundFile(file.fileno(), closefd=False) as sound:
            samples_TxC = sound.read(dtype="float32", always_2d=True)
            return samples_TxC.T, sound.samplerate, sound.frames
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: cannot be read as sound ({error.error_string.strip()})") from error
    except (MemoryError, ValueError) as error:  # ValueError: numpy's, for arrays beyond all bounds, or of the name
        raise InputError(f"{path}: cannot be read: a name that is not text, or more sound than memory") from error
    except TypeError as error:  # soundfile's way of saying that .raw files do not tell their format
        raise InputError(f"{path}: headerless sound; save it as .wav or .flac") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


@contextlib.contextmanager
def _mute_libraries() -> Iterator[None]:
    """Keep C libraries from writing to standard error in the block; Python's own stream is flushed before and after."""
    try:
        stderr = sys.__stderr__.fileno() if sys.__stderr__ else -1
        kept = os.dup(stderr)
    except (OSError, ValueError, AttributeError):  # there is no such file, as under some servers
        yield
        return
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), stderr)
    try:
        yield
    finally:
        os.dup2(kept, stderr)
        os.close(kept)


def to_model(audio: Audio, rate_hz: int, channels: int) -> tuple[np.ndarray, list[str]]:
    """Bring a song to the model's rate and number of channels.

    Args:
      audio: the song.
      rate_hz: the model's sample rate.
      channels: the model's number of channels, C.

    Returns:
      Float32 (C, T), and what was done in plain words, one entry a step; none if the song is used as it is.

    Raises:
      InputError: the song's channels have no agreed meaning.
    """
    samples_CxT, _ = _with_channels(audio, channels)
    return _resample(samples_CxT, audio.rate_hz, rate_hz), conversions(audio, rate_hz, channels)


def conversions(audio: Audio, rate_hz: int, channels: int) -> list[str]:
    """Return what `to_model` does to a song, in plain words, without doing it.

    Raises:
      InputError: as `to_model`.
    """
    instant = dataclasses.replace(audio, samples_CxT=audio.samples_CxT[:, :1])
    resampled = [f"resampled from {audio.rate_hz} Hz to {rate_hz} Hz"] if audio.rate_hz != rate_hz else []
    return _with_channels(instant, channels)[1] + resampled


def from_model(estimates_SxCxT: np.ndarray, song: Audio, rate_hz: int) -> np.ndarray:
    """Lead the model's estimates back to the song's rate and length.

    Args:
      estimates_SxCxT: separated sources.
      song: what they were separated from.
      rate_hz: the model's sample rate.

    Returns:
      Float32 (S, C', T'), the estimates themselves where nothing has to be done: the song's number of samples
      exactly; one channel, the mean, if the song has one, else two (a song with more comes back as the stereo it
      was mixed down to).
    """
    shape = (len(estimates_SxCxT), min(song.n_channels, 2), song.n_samples)
    if song.rate_hz == rate_hz and estimates_SxCxT.shape == shape:
        return estimates_SxCxT
    stems_SxCxT = np.zeros(shape, np.float32)
    for stem_CxT, estimate_CxT in zip(stems_SxCxT, np.asarray(estimates_SxCxT), strict=True):
        if song.n_channels == 1:
            estimate_CxT = estimate_CxT.mean(axis=0, keepdims=True)
        resampled_CxT = _resample(estimate_CxT, rate_hz, song.rate_hz)[:, : song.n_samples]
        stem_CxT[:, : resampled_CxT.shape[1]] = resampled_CxT  # one channel of a mono model fills both
    return stems_SxCxT


def level_db(samples_CxT: np.ndarray) -> float:
    """Return the level of a sound, 10 log10 of its mean square; at least −120 dB."""
    return float(10 * np.log10(np.square(samples_CxT, dtype=np.float64).mean() + 1e-12))


def write(
    path: str | Path, samples_CxT: np.ndarray, rate_hz: int, encoding: Literal["float", "24", "16"] = "float"
) -> int:
    """Write a WAV or, by its suffix, a FLAC file; it is complete or absent. The same sound makes the same bytes.

    Args:
      path: ends in .wav or .flac.
      samples_CxT: sound; full scale is 1. It is never rescaled: stems must add up to their mixture.
      rate_hz: sample rate.
      encoding: 32-bit float, which keeps every value, or 24- or 16-bit integers: rounded to the nearest value
        without dither, clipped at full scale.

    Returns:
      The number of samples above full scale: clipped as integers, kept as float.

    Raises:
      InputError: the file cannot be written, the format cannot hold the encoding, or a value is not finite.
    """
    path = Path(path)
    container = _container(path, encoding)
    if not np.isfinite(samples_CxT).all():
        raise InputError(f"{path}: not written: the sound holds values that are not finite")
    encoded_TxC = _encoded(samples_CxT, encoding).T
    subtype = "FLOAT" if encoding == "float" else f"PCM_{encoding}"
    with files.replaced_when_done(path) as temporary:
        try:
            soundfile.write(temporary, encoded_TxC, rate_hz, subtype=subtype, format=container)
        except soundfile.LibsndfileError as error:
            raise InputError(f"{path}: cannot be written ({error.error_string.strip()})") from error
        if encoding == "float":
            wav.forget_time(temporary)
    return int(np.count_nonzero(np.abs(samples_CxT) > 1))


def _refuse_cut_wav(path: Path, may_be_cut: bool) -> None:
    """Raise InputError if the file cannot be opened, is empty, or is a WAV with less data than it announces.

    libsndfile would read the sound that is left and say nothing, as after a copy that broke off.
    """
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            missing = wav.missing_bytes(stream, size, SLACK_S)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    if size == 0:
        raise InputError(f"{path}: is empty")
    if missing > 0 and not may_be_cut:
        there = f"{missing} of {size + missing} bytes are missing at the end"
        raise InputError(f"{path}: cut short: {there}; --truncated ok takes what is there")


def _refuse_unusable(path: Path, samples_CxT: np.ndarray, rate_hz: int, may_be_silent: bool) -> None:
    """Raise InputError for sound that nothing can be separated from."""
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise InputError(f"{path}: a sample rate of {rate_hz} Hz is none of sound")
    if samples_CxT.size == 0:
        raise InputError(f"{path}: holds no samples")
    if not np.isfinite(samples_CxT).all():
        raise InputError(f"{path}: holds values that are not finite (NaN or infinite)")
    if not may_be_silent and np.abs(samples_CxT).max() < SILENCE:
        raise InputError(f"{path}: is silent throughout (no sample is above {SILENCE:g} of full scale)")


def _with_channels(audio: Audio, channels: int) -> tuple[np.ndarray, list[str]]:
    """Return the song with one or two channels as asked, and what was done."""
    samples_CxT, given = audio.samples_CxT, audio.n_channels
    if given == channels:
        return samples_CxT, []
    if given == 1 and channels == 2:
        return np.repeat(samples_CxT, 2, axis=0), ["mono: copied to both channels"]
    if given == 2 and channels == 1:
        return samples_CxT.mean(axis=0, keepdims=True), ["stereo: mean of both channels"]
    if given not in _DOWNMIX or channels not in (1, 2):
        raise InputError(f"{audio.name}: {given} channels cannot be made {channels}")
    name, shares_Cx2 = _DOWNMIX[given]
    stereo_2xT = np.asarray(shares_Cx2, np.float32).T @ samples_CxT
    if channels == 1:
        return stereo_2xT.mean(axis=0, keepdims=True), [f"{name} mixed down to mono (ITU-R BS.775)"]
    return stereo_2xT, [f"{name} mixed down to stereo (ITU-R BS.775)"]


def _resample(samples_CxT: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    if from_hz == to_hz:
        return samples_CxT
    return np.ascontiguousarray(soxr.resample(samples_CxT.T, from_hz, to_hz, quality="VHQ").T)


def _container(path: Path, encoding: str) -> str:
    """Return libsndfile's name of the format that the suffix stands for."""
    containers = {".wav": "WAV", ".flac": "FLAC"}
    suffix = path.suffix.lower()
    if suffix not in containers:
        raise InputError(f"{path}: sound is written as .wav or .flac, not {suffix or 'without a suffix'}")
    if suffix == ".flac" and encoding == "float":
        raise InputError(f"{path}: FLAC holds 16- or 24-bit integers, not float")
    return containers[suffix]


def _encoded(samples_CxT: np.ndarray, encoding: str) -> np.ndarray:
    """Return float32, or integers rounded and clipped here rather than by the library in its own way."""
    if encoding == "float":
        return samples_CxT.astype(np.float32)
    bits = int(encoding)
    scale = 2 ** (bits - 1)
    integers_CxT = np.clip(np.rint(samples_CxT.astype(np.float64) * scale), -scale, scale - 1)
    if bits == 16:
        return integers_CxT.astype(np.int16)
    return integers_CxT.astype(np.int32) << (32 - bits)  # soundfile takes the upper bits of 32
