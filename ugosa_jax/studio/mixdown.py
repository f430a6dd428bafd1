"""Mixing of sounds for download: one stem or several, of the whole song or a part, as WAV or FLAC.

C channels, n samples.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import soundfile

from ugosa_jax.config import require

Kind = Literal["wav", "flac"]
Encoding = Literal["float", "24"]
KINDS = {"wav": "audio/wav", "flac": "audio/flac"}
SUBTYPES = {"float": "FLOAT", "24": "PCM_24"}
MAX_PARTS = 32
"""Largest number of sounds in a mix."""
MAX_GAIN = 16.0
"""Largest gain (24 dB), more than the faders of the page allow."""
_BLOCK = 2**18


class MixPart(NamedTuple):
    """A sound and its gain in a mix."""

    path: Path
    gain: float


def write_mixdown(
    out: Path, parts: Sequence[MixPart], start_s: float, end_s: float, kind: Kind, encoding: Encoding
) -> float:
    """Mix sounds and write a part of the mix.

    Integer samples cannot exceed full scale, so that a louder mix is attenuated as a whole to avoid clipping.

    Args:
      out: the file to write.
      parts: files of the same sample rate and number of channels, with gains.
      start_s: start of the part in seconds.
      end_s: end of the part in seconds; it may be after the end of the sounds.
      kind: file format.
      encoding: encoding of the samples; FLAC always has 24 bits.

    Returns:
      The gain applied to the whole mix: 1, or less to avoid clipping.

    Raises:
      InputError: no sound or too many, or an empty stretch.
    """
    require(0 < len(parts) <= MAX_PARTS, "part", f"from 1 to {MAX_PARTS} sounds", len(parts))
    for part in parts:
        require(0 <= part.gain <= MAX_GAIN, "part", f"a gain from 0 to {MAX_GAIN:g}", part.gain)
    info = soundfile.info(parts[0].path)
    first, stop = round(start_s * info.samplerate), min(info.frames, round(end_s * info.samplerate))
    require(0 <= first < stop, "stretch", f"inside the song, 0 to {info.duration:.3f} s", (start_s, end_s))
    subtype = "PCM_24" if kind == "flac" else SUBTYPES[encoding]
    factor = 1.0
    if subtype != "FLOAT":
        peak = max(float(np.abs(block_nxC).max(initial=0)) for block_nxC in _mix_blocks(parts, first, stop))
        factor = min(1.0, (1 - 2**-23) / max(peak, 1e-9))
    with soundfile.SoundFile(out, "w", info.samplerate, info.channels, subtype=subtype, format=kind.upper()) as file:
        for block_nxC in _mix_blocks(parts, first, stop):
            file.write(factor * block_nxC)
    return factor


def _mix_blocks(parts: Sequence[MixPart], first: int, stop: int) -> Iterator[np.ndarray]:
    """Yield the weighted sum of all parts, block by block."""
    with ExitStack() as stack:
        files = [stack.enter_context(soundfile.SoundFile(part.path)) for part in parts]
        for file in files:
            file.seek(first)
        for begin in range(first, stop, _BLOCK):
            count = min(_BLOCK, stop - begin)
            blocks_nxC = [file.read(count, dtype="float32", always_2d=True) for file in files]
            gains = [np.float32(part.gain) for part in parts]
            yield np.einsum("p,pnc->nc", gains, blocks_nxC)
