"""Files of sound read block by block: whatever their length, little of them is in memory at a time.

C channels, n and T samples.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ugosa_jax.data import media
from ugosa_jax.data.media import Stream
from ugosa_jax.data.refusal import refuse_unreadable
from ugosa_jax.errors import InputError

RATES_HZ = (4_000, 768_000)
"""Sample rates of sound; anything else in a header is damage, and would fill the memory when resampled."""
SILENCE = 1e-15
"""Peak below which sound is silence: -300 dB of full scale, where single precision soon ends."""
MAX_PEAK = 2.0**31
"""Peak of integers of 32 bits that were written as floats as they were; what is larger is damage, and its squares
would not be finite in single precision."""


@dataclasses.dataclass(frozen=True)
class Recording:
    """A file of sound that was found good, and is read as often as it is asked for.

    Attributes:
      path: the file.
      rate_hz: its sample rate.
      n_channels: number of channels.
      n_samples: its length, found by decoding it to its end.
      may_be_cut: whether what is there of a file that was cut short will do.
      channels: what each channel is, such as ("FL", "FR", "FC"); empty if the file does not tell.
      notes: what to know of the file, in plain words.
    """

    path: Path
    rate_hz: int
    n_channels: int
    n_samples: int
    may_be_cut: bool = False
    channels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

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
        stream = media.open_stream(self.path, self.may_be_cut)
        n_samples = 0
        for block_Cxn in stream.blocks_Cxn:
            n_samples += block_Cxn.shape[1]
            yield block_Cxn
        if (stream.rate_hz, stream.n_channels, n_samples) != (self.rate_hz, self.n_channels, self.n_samples):
            raise InputError(f"{self.path}: was changed by another program while it was read")


def open_sound(
    path: str | Path, may_be_silent: bool = False, may_be_cut: bool = False, longest_s: float | None = None
) -> Recording:
    """Read a file to its end once, and return it as a recording.

    Args and Raises are those of `sound.read`.
    """
    path = Path(path)
    stream = media.open_stream(path, may_be_cut)
    n_samples = sum(block.shape[1] for block in check_blocks(path, stream, may_be_silent, longest_s))
    channels, notes = stream.channels, tuple(stream.notes)
    return Recording(path, stream.rate_hz, stream.n_channels, n_samples, may_be_cut, channels, notes)


def read(path: Path, may_be_silent: bool, may_be_cut: bool, longest_s: float | None) -> tuple[np.ndarray, Stream]:
    """Return all samples (C, T) of a file, and the stream that they were read from; see `sound.read`."""
    stream = media.open_stream(path, may_be_cut)
    with refuse_unreadable(path):  # the memory may not hold it
        return np.concatenate([*check_blocks(path, stream, may_be_silent, longest_s)], axis=1), stream


def check_blocks(path: Path, stream: Stream, may_be_silent: bool, longest_s: float | None) -> Iterator[np.ndarray]:
    """Yield the blocks of a file, and refuse it where nothing can be separated from it."""
    rate_hz = stream.rate_hz
    n_samples, peak = 0, 0.0
    for block_Cxn in stream.blocks_Cxn:
        if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
            raise InputError(f"{path}: a sample rate of {rate_hz} Hz is none of sound")
        if not np.isfinite(block_Cxn).all():
            raise InputError(f"{path}: holds values that are not finite (NaN or infinite)")
        n_samples += block_Cxn.shape[1]
        peak = max(peak, float(np.abs(block_Cxn).max(initial=0)))
        if peak > MAX_PEAK:
            raise InputError(f"{path}: holds a value of {peak:.2g}, where full scale is 1; it is damaged")
        if longest_s is not None and n_samples > longest_s * rate_hz:
            raise InputError(f"{path}: lasts longer than {longest_s / 60:.0f} minutes, which are the most")
        yield block_Cxn
    if n_samples == 0:
        raise InputError(f"{path}: holds no samples")
    if not may_be_silent and peak < SILENCE:
        raise InputError(f"{path}: is silent throughout (no sample is above {SILENCE:g} of full scale)")
