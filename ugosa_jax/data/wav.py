"""The header of a WAV file, where libsndfile says too little or too much."""

import struct
from pathlib import Path
from typing import BinaryIO


def missing_bytes(stream: BinaryIO, size: int, slack_s: float) -> int:
    """Return how many bytes of its sound a RIFF WAVE file lacks; 0 for any other file.

    Args:
      stream: the file, at its beginning.
      size: of the file in bytes.
      slack_s: how much sound may be missing without a word.
    """
    riff, _, wave = struct.unpack("<4sI4s", stream.read(12).ljust(12, b"\0"))
    if (riff, wave) != (b"RIFF", b"WAVE"):
        return 0
    bytes_per_second = 0
    while len(head := stream.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        if name == b"data":
            missing = length - (size - stream.tell())
            # Programs that write into a pipe do not know the length and announce the largest one.
            return missing if missing > slack_s * bytes_per_second and length < 0x7FFF0000 else 0
        start = stream.tell()
        if name == b"fmt ":
            bytes_per_second = int.from_bytes(stream.read(12)[8:], "little")
        stream.seek(start + length + length % 2)
    return 0


def forget_time(path: Path) -> None:
    """Zero the time of writing, which libsndfile puts into the PEAK chunk of a float WAV."""
    with path.open("r+b") as stream:
        chunk = stream.read(256).find(b"PEAK")
        if chunk >= 0:
            stream.seek(chunk + 12)  # behind name, length and version, 4 bytes each
            stream.write(bytes(4))
