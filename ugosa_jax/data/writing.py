"""Block-wise writing of sound files. The same samples always give the same bytes; failed files are removed.

C channels, n samples.
"""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from ugosa_jax import files
from ugosa_jax.data.sound_errors import refuse_unreadable
from ugosa_jax.errors import InputError

Encoding = Literal["float", "24", "16"]
MAX_WAV_BYTES = 2**32 - 2**16
"""Largest number of bytes of sound in a WAV, which stores sizes in 32 bits; longer sound is written as RF64."""


class Writer:
    """A sound file that is being written.

    Attributes:
      peak: the largest amplitude so far.
      above: number of samples above full scale so far; integer encodings clip them, float keeps them.
    """

    def __init__(self, path: Path, sound: soundfile.SoundFile, encoding: Encoding):
        self.peak, self.above = 0.0, 0
        self._path, self._sound = path, sound
        self._encoding: Encoding = encoding

    def write(self, samples_Cxn: np.ndarray) -> None:
        """Append a block.

        Raises:
          InputError: a value is not finite, or the disk is full.
        """
        if not np.isfinite(samples_Cxn).all():
            raise InputError(f"{self._path}: not written: the sound holds values that are not finite")
        amplitude_Cxn = np.abs(samples_Cxn)
        self.peak = max(self.peak, float(amplitude_Cxn.max(initial=0)))
        self.above += int(np.count_nonzero(amplitude_Cxn > 1))
        with refuse_unreadable(self._path, "written"):
            self._sound.write(_encode(samples_Cxn, self._encoding).T)


@contextlib.contextmanager
def open_writer(
    path: str | Path, rate_hz: int, n_channels: int, n_samples: int, encoding: Encoding = "float"
) -> Iterator[Writer]:
    """Open a WAV or FLAC file for writing; if the block fails, no file remains.

    Args:
      path: a path that ends in .wav or .flac.
      rate_hz: sample rate.
      n_channels: number of channels.
      n_samples: number of samples that will be written.
      encoding: 32-bit float, which keeps every value, or 24- or 16-bit integers, rounded to the nearest value
        without dither and clipped at full scale. Levels are not changed, so that stems add up to their mixture.

    Raises:
      InputError: the file cannot be written, or the format cannot hold the encoding.
    """
    path = Path(path)
    container = _choose_container(path, encoding)
    if container == "WAV" and n_samples * n_channels * _BYTES[encoding] > MAX_WAV_BYTES:
        container = "RF64"
    subtype = "FLOAT" if encoding == "float" else f"PCM_{encoding}"
    refusing = functools.partial(refuse_unreadable, path, "written")
    with files.replace_when_done(path) as temporary:
        # libsndfile does not accept file names that are not valid text; an open file needs no name.
        with temporary.open("w+b") as file:
            with refusing():
                sound = soundfile.SoundFile(
                    file.fileno(), "w", rate_hz, n_channels, subtype, format=container, closefd=False
                )
            try:
                yield Writer(path, sound, encoding)
            finally:
                with refusing():
                    sound.close()
        if encoding == "float":
            _clear_timestamp(temporary)


def _clear_timestamp(path: Path) -> None:
    """Set the timestamp in the PEAK chunk of a float WAV to zero, so that the same sound gives the same bytes."""
    with path.open("r+b") as stream:
        chunk = stream.read(256).find(b"PEAK")
        if chunk >= 0:
            stream.seek(chunk + 12)  # after name, length and version, 4 bytes each
            stream.write(bytes(4))


_BYTES: dict[Encoding, int] = {"float": 4, "24": 3, "16": 2}


def _choose_container(path: Path, encoding: Encoding) -> str:
    """Return libsndfile's name of the format that the suffix stands for."""
    containers = {".wav": "WAV", ".flac": "FLAC"}
    suffix = path.suffix.lower()
    if suffix not in containers:
        raise InputError(f"{path}: sound is written as .wav or .flac, not {suffix or 'without a suffix'}")
    if suffix == ".flac" and encoding == "float":
        raise InputError(f"{path}: FLAC holds 16- or 24-bit integers, not float")
    return containers[suffix]


def _encode(samples_Cxn: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Return float32, or integers rounded and clipped."""
    if encoding == "float":
        return samples_Cxn.astype(np.float32)
    bits = int(encoding)
    scale = 2 ** (bits - 1)
    integers_Cxn = np.clip(np.rint(samples_Cxn.astype(np.float64) * scale), -scale, scale - 1)
    if bits == 16:
        return integers_Cxn.astype(np.int16)
    return integers_Cxn.astype(np.int32) << (32 - bits)  # soundfile uses the upper bits of 32-bit integers
