"""Sound that is taken home: a stem, the mix as it is heard, or a stretch of either, as WAV or FLAC.

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
"""Sounds that are mixed at most."""
MAX_GAIN = 16.0
"""24 dB: no fader goes further."""
_BLOCK = 2**18


class Part(NamedTuple):
    """One sound of a mix."""

    path: Path
    gain: float


def write(out: Path, parts: Sequence[Part], start_s: float, end_s: float, kind: Kind, encoding: Encoding) -> float:
    """Mix sounds and write a stretch of the sum.

    Integers cannot hold what is above full scale: such a mix is lowered as a whole, so that nothing clips.

    Args:
      out: the file to write.
      parts: what is mixed: files of the same rate and number of channels.
      start_s: where the stretch begins.
      end_s: where it ends; what is past the end of the sounds is left out.
      kind: of the file.
      encoding: of its samples; FLAC has 24 bits in any case.

    Returns:
      The factor by which the mix was lowered: 1 if it was not.

    Raises:
      InputError: there is nothing to mix or too much, or the stretch is empty.
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
        peak = max(float(np.abs(block_nxC).max(initial=0)) for block_nxC in _mixed(parts, first, stop))
        factor = min(1.0, (1 - 2**-23) / max(peak, 1e-9))
    with soundfile.SoundFile(out, "w", info.samplerate, info.channels, subtype=subtype, format=kind.upper()) as file:
        for block_nxC in _mixed(parts, first, stop):
            file.write(factor * block_nxC)
    return factor


def _mixed(parts: Sequence[Part], first: int, stop: int) -> Iterator[np.ndarray]:
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
