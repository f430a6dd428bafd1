"""Sound files that are read block by block, so that long files need not fit into memory.

C channels, n and T samples.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ugosa_jax.data.sound_errors import refuse_unreadable
from ugosa_jax.data.stream import SoundStream, open_stream
from ugosa_jax.errors import InputError

RATES_HZ = (4_000, 768_000)
"""Smallest and largest accepted sample rate; resampling from others could fill the memory."""
SILENCE = 1e-15
"""Peak below which sound counts as silent: −300 dB of full scale."""
MAX_PEAK = 2.0**31
"""Largest accepted peak, that of 32-bit integers stored as floats without scaling. Larger squares would overflow."""


@dataclasses.dataclass(frozen=True)
class Recording:
    """A sound file that has been checked, and that is read again each time its samples are needed.

    Attributes:
      path: the file.
      rate_hz: its sample rate.
      n_channels: number of channels.
      n_samples: length in samples, counted by decoding the file to its end.
      may_be_cut: whether to accept a file that was cut short.
      channels: position of each channel, such as ("FL", "FR", "FC"); empty if unknown.
      notes: remarks for the user.
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
        """All samples, read again."""
        return np.concatenate([*self.iterate_blocks()], axis=1)

    def iterate_blocks(self) -> Iterator[np.ndarray]:
        """Yield the samples block by block, float32 (C, n).

        Raises:
          InputError: the file has changed since it was checked.
        """
        stream = open_stream(self.path, self.may_be_cut)
        n_samples = 0
        for block_Cxn in stream.blocks_Cxn:
            n_samples += block_Cxn.shape[1]
            yield block_Cxn
        if (stream.rate_hz, stream.n_channels, n_samples) != (self.rate_hz, self.n_channels, self.n_samples):
            raise InputError(f"{self.path}: was changed by another program while it was read")


def open_sound(
    path: str | Path, may_be_silent: bool = False, may_be_cut: bool = False, longest_s: float | None = None
) -> Recording:
    """Check a sound file by reading it to its end, and return it as a `Recording`.

    Args and Raises are those of `sound.read`.
    """
    path = Path(path)
    stream = open_stream(path, may_be_cut)
    n_samples = sum(block.shape[1] for block in check_blocks(path, stream, may_be_silent, longest_s))
    channels, notes = stream.channels, tuple(stream.notes)
    return Recording(path, stream.rate_hz, stream.n_channels, n_samples, may_be_cut, channels, notes)


def read(path: Path, may_be_silent: bool, may_be_cut: bool, longest_s: float | None) -> tuple[np.ndarray, SoundStream]:
    """Return all samples (C, T) of a file, and the stream that they were read from; see `sound.read`."""
    stream = open_stream(path, may_be_cut)
    with refuse_unreadable(path):  # the samples may not fit into memory
        return np.concatenate([*check_blocks(path, stream, may_be_silent, longest_s)], axis=1), stream


def check_blocks(path: Path, stream: SoundStream, may_be_silent: bool, longest_s: float | None) -> Iterator[np.ndarray]:
    """Yield the blocks of a file; raise InputError if it is silent, damaged or too long to be separated."""
    rate_hz = stream.rate_hz
    n_samples, peak = 0, 0.0
    for block_Cxn in stream.blocks_Cxn:
        if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
            raise InputError(f"{path}: a sample rate of {rate_hz} Hz is implausible; the file is damaged")
        if not np.isfinite(block_Cxn).all():
            raise InputError(f"{path}: holds values that are not finite (NaN or infinite)")
        n_samples += block_Cxn.shape[1]
        peak = max(peak, float(np.abs(block_Cxn).max(initial=0)))
        if peak > MAX_PEAK:
            raise InputError(f"{path}: holds a value of {peak:.2g}, where full scale is 1; it is damaged")
        if longest_s is not None and n_samples > longest_s * rate_hz:
            raise InputError(f"{path}: lasts longer than {longest_s / 60:.0f} minutes, the maximum")
        yield block_Cxn
    if n_samples == 0:
        raise InputError(f"{path}: holds no samples")
    if not may_be_silent and peak < SILENCE:
        raise InputError(f"{path}: is silent throughout (no sample is above {SILENCE:g} of full scale)")
