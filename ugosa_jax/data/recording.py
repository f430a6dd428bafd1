"""Files of sound read block by block: whatever their length, little of them is in memory at a time.

C channels, n and T samples.
"""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from ugosa_jax.data import media, wav
from ugosa_jax.errors import InputError

RATES_HZ = (4_000, 768_000)
"""Sample rates of sound; anything else in a header is damage, and would fill the memory when resampled."""
SILENCE = 1e-15
"""Peak below which sound is silence: -300 dB of full scale, where single precision soon ends."""
SLACK_S = 0.1
"""Sound that may be missing from the end of a file: headers of MP3 and careless writers are a little off."""
BLOCK_SAMPLES = 2**18
"""Length of blocks: six seconds of most songs."""


class Stream(NamedTuple):
    """A file that is being read.

    Attributes:
      rate_hz: its sample rate.
      n_channels: number of channels.
      announced: how many samples its header tells; 0 if it tells none.
      blocks_Cxn: float32, in time order.
    """

    rate_hz: int
    n_channels: int
    announced: int
    blocks_Cxn: Iterator[np.ndarray]


@dataclasses.dataclass(frozen=True)
class Recording:
    """A file of sound that was found good, and is read as often as it is asked for."""

    path: Path
    rate_hz: int
    n_channels: int
    n_samples: int
    may_be_cut: bool = False

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.rate_hz

    @property
    def samples_CxT(self) -> np.ndarray:
        """All of it, read anew."""
        return np.concatenate([*self.blocks()], axis=1)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield it block by block, float32 (C, n).

        Raises:
          InputError: the file is not what it was when it was found good.
        """
        stream = opened(self.path, self.may_be_cut)
        n_samples = 0
        for block_Cxn in stream.blocks_Cxn:
            n_samples += block_Cxn.shape[1]
            yield block_Cxn
        if (stream.rate_hz, stream.n_channels, n_samples) != (self.rate_hz, self.n_channels, self.n_samples):
            raise InputError(f"{self.path}: was changed by another program while it was read")


def open_sound(path: str | Path, may_be_silent: bool = False, may_be_cut: bool = False) -> Recording:
    """Read a file to its end once, and return it as a recording.

    Args and Raises are those of `sound.read`.
    """
    path = Path(path)
    stream = opened(path, may_be_cut)
    n_samples = sum(block.shape[1] for block in checked(path, stream, may_be_silent, may_be_cut))
    return Recording(path, stream.rate_hz, stream.n_channels, n_samples, may_be_cut)


def read(path: Path, may_be_silent: bool, may_be_cut: bool) -> tuple[np.ndarray, int]:
    """Return all samples (C, T) of a file and its sample rate; see `sound.read`."""
    stream = opened(path, may_be_cut)
    try:
        return np.concatenate([*checked(path, stream, may_be_silent, may_be_cut)], axis=1), stream.rate_hz
    except MemoryError as error:
        raise InputError(f"{path}: is more sound than fits into the memory") from error


def opened(path: Path, may_be_cut: bool = False) -> Stream:
    """Open a file, by libsndfile or, if its name is that of a kind that libsndfile does not know, by PyAV.

    Raises:
      InputError: it cannot be opened, is empty, or is a WAV that was cut short and may not be.
    """
    _refuse_cut_wav(path, may_be_cut)
    stream = Stream(*media.opened(path)) if path.suffix.lower() in media.SUFFIXES else _opened_by_libsndfile(path)
    return stream._replace(blocks_Cxn=_as_far_as_possible(stream.blocks_Cxn)) if may_be_cut else stream


def checked(path: Path, stream: Stream, may_be_silent: bool, may_be_cut: bool) -> Iterator[np.ndarray]:
    """Yield the blocks of a file, and refuse it where nothing can be separated from it."""
    rate_hz = stream.rate_hz
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise InputError(f"{path}: a sample rate of {rate_hz} Hz is none of sound")
    n_samples, peak = 0, 0.0
    for block_Cxn in stream.blocks_Cxn:
        if not np.isfinite(block_Cxn).all():
            raise InputError(f"{path}: holds values that are not finite (NaN or infinite)")
        n_samples += block_Cxn.shape[1]
        peak = max(peak, float(np.abs(block_Cxn).max(initial=0)))
        yield block_Cxn
    if stream.announced - n_samples > SLACK_S * rate_hz and not may_be_cut:
        there = f"{n_samples} of {stream.announced} samples are there"
        raise InputError(f"{path}: cut short: {there}; --truncated ok takes them")
    if n_samples == 0:
        raise InputError(f"{path}: holds no samples")
    if not may_be_silent and peak < SILENCE:
        raise InputError(f"{path}: is silent throughout (no sample is above {SILENCE:g} of full scale)")


def _as_far_as_possible(blocks_Cxn: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield blocks until there are no more or the next one cannot be read; the first must be there."""
    n_blocks = 0
    try:
        for block in blocks_Cxn:
            yield block
            n_blocks += 1
    except InputError:
        if not n_blocks:
            raise


def _opened_by_libsndfile(path: Path) -> Stream:
    with contextlib.ExitStack() as files, _refusing(path), mute_libraries():
        file = files.enter_context(path.open("rb"))  # for libsndfile takes names that are text alone
        sound = files.enter_context(soundfile.SoundFile(file.fileno(), closefd=False))
        kept_open = files.pop_all()
    return Stream(sound.samplerate, sound.channels, sound.frames, _blocks(path, sound, kept_open))


def _blocks(path: Path, sound: soundfile.SoundFile, files: contextlib.ExitStack) -> Iterator[np.ndarray]:
    with files:
        while True:
            with _refusing(path), mute_libraries():
                block_nxC = sound.read(BLOCK_SAMPLES, dtype="float32", always_2d=True)
            if not len(block_nxC):
                return
            yield np.ascontiguousarray(block_nxC.T)


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Raise InputError for what goes wrong while a file is opened or read."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: cannot be read as sound ({error.error_string.strip()})") from error
    except (MemoryError, ValueError) as error:  # ValueError: of a name with a zero byte
        raise InputError(f"{path}: cannot be read: a name that is not text, or more sound than memory") from error
    except TypeError as error:  # soundfile's way of saying that .raw files do not tell their format
        raise InputError(f"{path}: headerless sound; save it as .wav or .flac") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


@contextlib.contextmanager
def mute_libraries() -> Iterator[None]:
    """Keep C libraries from writing to standard error in the block, as libsndfile's reader of MP3 does by itself."""
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


def _refuse_cut_wav(path: Path, may_be_cut: bool) -> None:
    """Raise InputError if the file cannot be opened, is empty, or is a WAV with less data than it announces.

    libsndfile would read the sound that is left and say nothing, as after a copy that broke off.
    """
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            missing = wav.missing_bytes(stream, size, SLACK_S)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if size == 0:
        raise InputError(f"{path}: is empty")
    if missing > 0 and not may_be_cut:
        there = f"{missing} of {size + missing} bytes are missing at the end"
        raise InputError(f"{path}: cut short: {there}; --truncated ok takes what is there")
