"""Decoding of sound files with FFmpeg, through PyAV: containers, streams and frames.

C channels, n samples.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.error import InvalidDataError

from ugosa_jax.data import containers
from ugosa_jax.data.sound_errors import refuse_unreadable
from ugosa_jax.errors import InputError

FORMATS = (
    *("wav", "w64", "aiff", "au", "caf", "flac", "ogg", "mp3", "aac", "loas", "ac3", "eac3", "dts", "mov", "matroska"),
    *("avi", "asf", "amr", "mpeg", "mpegts", "flv", "wv", "ape", "tta", "mpc", "mpc8", "tak", "dsf", "iff", "voc"),
)
"""FFmpeg's names of the containers that may be read; not playlists, which would open other files."""
MAX_PADDING_SAMPLES = 4096
"""Length of the longest frame of common encoders, and so the longest padding after the end of the sound."""
_COUNTED = ("wav", "w64", "aiff", "au", "caf", "flac", "mov", "asf", "wv", "ape", "tta")
"""Containers whose headers state the exact length; for others, FFmpeg estimates it from the bit rate."""
_JOINABLE = ("mp3", "aac", "loas", "ac3", "eac3", "dts", "mpeg", "mpegts")
"""Containers whose files may be concatenated, with tags in between, because decoders search for the next frame."""
_WHOLE_FRAMES = ("aac", "loas", "ac3", "eac3", "dts")
"""Containers in which only an incomplete last frame reveals that the end is missing."""
_FULL_SCALE = {"u8": 2**7, "s16": 2**15, "s32": 2**31, "s64": 2**63}


class _AnonymousFile:
    """A file object that hides the name of a file and its leading tags from FFmpeg.

    Given a path, FFmpeg would choose the format by the suffix, and interpret text before a colon as a protocol. With
    leading tags, it would not recognise a WAV.
    """

    def __init__(self, file: BinaryIO, start: int):
        self.read, self._file, self._start = file.read, file, start
        file.seek(start)

    def tell(self) -> int:
        return self._file.tell() - self._start

    def seek(self, offset: int, whence: int) -> int:
        """Return the new position, or -1 if a damaged header leads to an impossible one."""
        try:
            return self._file.seek(offset + (self._start if whence == os.SEEK_SET else 0), whence) - self._start
        except (OSError, OverflowError, ValueError):
            return -1


def open_container(file: BinaryIO, structure: containers.Structure) -> Any:
    """Open a file in one of `FORMATS`, which its content determines.

    Raises:
      FFmpegError: the file is in none of them.
    """
    options = {"format_whitelist": ",".join(FORMATS)} | ({"ignore_length": "1"} if structure.undeclared_bytes else {})
    return av.open(_AnonymousFile(file, structure.start), options=options, metadata_errors="replace")


def choose_stream(path: Path, container: Any, index: int) -> Any:
    """Return the audio stream with a given index.

    Raises:
      InputError: there is no such stream, or FFmpeg cannot decode it.
    """
    streams = container.streams.audio
    if index >= len(streams):
        found = ", ".join(stream.type for stream in container.streams) or "nothing"
        present = f"only {len(streams)} audio streams" if streams else f"no sound, only {found}"
        raise InputError(f"{path}: has {present}")
    if streams[index].codec_context is None:
        raise InputError(f"{path}: cannot be read as sound (FFmpeg has no decoder for it)")
    return streams[index]


def read_declared_length(
    container: Any, stream: Any, first: Any, file: BinaryIO, structure: containers.Structure
) -> tuple[int, int]:
    """Return the smallest and the largest number of samples according to the header; (0, 0) if it states none."""
    name = container.format.name.split(",")[0]
    if structure.undeclared_bytes:
        return 0, 0
    if name == "mp3":
        position = file.tell()
        n_samples = containers.count_mp3_frames(file, structure.start) * (1152 if first.rate >= 32_000 else 576)
        file.seek(position)
        return max(0, n_samples - MAX_PADDING_SAMPLES), n_samples
    is_counted = name in _COUNTED and stream.duration
    n_samples = round(float(stream.duration * stream.time_base) * first.rate) if is_counted else 0
    return n_samples, n_samples


def decode(path: Path, container: Any, stream: Any, may_be_cut: bool) -> Iterator[Any]:
    """Yield the frames of a stream; if it may be cut short, only those before the first damaged one.

    Raises:
      InputError: a frame cannot be decoded, or the last one is incomplete.
    """
    name, codec = container.format.name, stream.codec.name
    n_samples, size, is_whole = 0, 0, True
    packets = container.demux(stream)
    try:
        while True:
            with refuse_unreadable(path):
                packet = next(packets, None)
            if packet is None:
                break
            try:
                with refuse_unreadable(path):
                    frames = packet.decode()
            except InputError as error:
                if name not in _JOINABLE or not isinstance(error.__cause__, InvalidDataError):
                    place = f"cut short or damaged after {n_samples / (stream.rate or 1):.1f} s"
                    raise InputError(f"{path}: {place}; --truncated ok uses the part before") from error
                is_whole = name not in _WHOLE_FRAMES  # tags may follow the last frame of an MP3
                continue
            if packet.size:  # the last packet is empty, and flushes the decoder
                is_flagged = packet.is_corrupt and not codec.startswith("pcm_")  # blocks of PCM may be of any length
                is_whole = not is_flagged and (
                    codec != "ac3" or packet.size >= size - 2
                )  # AC-3 has a constant bit rate
                size = packet.size
            n_samples += sum(frame.samples for frame in frames)
            yield from frames
        if not is_whole:
            raise InputError(f"{path}: cut short: the last frame is incomplete; --truncated ok uses the part before")
    except InputError:
        if not may_be_cut or not n_samples:
            raise


def to_float(frame: Any) -> np.ndarray:
    """Return the samples of a frame as float32 (C, n), where full scale is 1."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    samples_Cxn = samples.astype(np.float32, order="C")
    kind = frame.format.name.removesuffix("p")
    if kind == "u8":
        samples_Cxn -= 128
    samples_Cxn /= _FULL_SCALE.get(kind, 1)
    return samples_Cxn
