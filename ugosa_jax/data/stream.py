"""Block-wise decoding of sound files with FFmpeg, through PyAV. The format follows from the content, not the name.

C channels, n samples.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import soundfile
from av.error import FFmpegError

from ugosa_jax.data import containers, ffmpeg
from ugosa_jax.data.ffmpeg import MAX_PADDING_SAMPLES
from ugosa_jax.data.sound_errors import refuse_unreadable
from ugosa_jax.errors import InputError

SLACK_S = 0.1
"""Tolerated difference between the length of a file and the length in its header."""
_PADDED = ("mov", "asf")
"""Containers that store where the sound ends within the last frame; FFmpeg decodes the whole frame."""
BLOCK_SAMPLES = 2**18
"""Length of a block: six seconds at 44.1 kHz."""


class SoundStream(NamedTuple):
    """A sound file that is being decoded.

    Attributes:
      rate_hz: its sample rate.
      n_channels: number of channels.
      channels: position of each channel, such as ("FL", "FR", "FC"), by FFmpeg's names; empty if unknown.
      blocks_Cxn: float32 blocks in time order; the iterator raises InputError if the file is damaged or too short.
      notes: remarks for the user; the list is complete after the last block.
    """

    rate_hz: int
    n_channels: int
    channels: tuple[str, ...]
    blocks_Cxn: Iterator[np.ndarray]
    notes: list[str]


def open_stream(path: Path, may_be_cut: bool = False, index: int = 0, keep_padding: bool = False) -> SoundStream:
    """Open a sound file and decode its first frame, from which rate and channels are taken: headers may be wrong.

    Padding that an encoder added before and after the sound is removed if the container declares it, as in players.

    Args:
      path: the file.
      may_be_cut: whether to accept a file that was cut short.
      index: index of the audio stream, if the file has several.
      keep_padding: whether to keep the padding that an MP4 declares at the end.

    Raises:
      InputError: the file cannot be read, is cut short, has no such stream, or is damaged.
    """
    with contextlib.ExitStack() as stack, refuse_unreadable(path):
        file = stack.enter_context(path.open("rb"))
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise InputError(f"{path}: is empty")
        structure = containers.examine_structure(file, size)
        if structure.cut and not may_be_cut:
            raise InputError(f"{path}: cut short: {structure.cut}; --truncated ok uses the part that is there")
        try:
            container = stack.enter_context(ffmpeg.open_container(file, structure))
        except FFmpegError as error:  # ArgumentError for a container that is not in FORMATS
            stream = _open_by_libsndfile(path, file, error)
            stack.pop_all()
            return stream
        if structure.undeclared_bytes and container.format.name != "wav":
            surplus = f"{structure.undeclared_bytes} bytes follow the end that its header declares"
            raise InputError(f"{path}: {surplus}; save it again in another format")
        sound = ffmpeg.choose_stream(path, container, index)
        frames = ffmpeg.decode(path, container, sound, may_be_cut)
        first = next(frames, None)
        if first is None:
            return SoundStream(sound.rate or 0, 0, (), iter(()), [])
        least, most = ffmpeg.read_declared_length(container, sound, first, file, structure)
        kept_open = stack.pop_all()
    notes: list[str] = []
    if structure.undeclared_bytes:
        notes.append(
            f"{structure.undeclared_bytes} bytes of sound follow the end that its header declares, and are read too"
        )
    channels = tuple(channel.name for channel in first.layout.channels)
    blocks = _to_blocks(path, first, frames, kept_open)
    if container.format.name.split(",")[0] in _PADDED and not keep_padding:
        blocks = _trim_padding(blocks, most)
    blocks = _compare_length(path, blocks, (0 if may_be_cut else least, most), first.rate, notes)
    return SoundStream(first.rate, len(channels), () if "NONE" in channels else channels, blocks, notes)


def _open_by_libsndfile(path: Path, file: BinaryIO, error: Exception) -> SoundStream:
    """Open a file that FFmpeg cannot read, such as AIFF-C with 24-bit little-endian integers, PAF or MAT."""
    file.seek(0)
    head = file.read(3)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    try:
        if head == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
            raise soundfile.LibsndfileError(1)  # an MP3 that FFmpeg refuses; libmpg123 would print messages
        sound = soundfile.SoundFile(file.fileno(), closefd=False)  # given a path, libsndfile would rely on the suffix
    except soundfile.LibsndfileError:
        reason = "a format that neither FFmpeg nor libsndfile knows; save raw sound as .wav or .flac"
        raise InputError(f"{path}: cannot be read as sound ({reason})") from error

    def iterate_blocks() -> Iterator[np.ndarray]:
        with file, sound:
            while True:
                with refuse_unreadable(path):
                    block_nxC = sound.read(BLOCK_SAMPLES, dtype="float32", always_2d=True)
                if not len(block_nxC):
                    return
                yield np.ascontiguousarray(block_nxC.T)

    notes: list[str] = []
    compared = _compare_length(path, iterate_blocks(), (sound.frames, sound.frames), sound.samplerate, notes)
    return SoundStream(sound.samplerate, sound.channels, (), compared, notes)


def _to_blocks(path: Path, first: Any, frames: Iterator[Any], kept_open: contextlib.ExitStack) -> Iterator[np.ndarray]:
    """Yield the frames, joined to blocks (C, n), and close the file after the last one.

    Raises:
      InputError: rate or channels change within the file, as if different files were concatenated.
    """
    setup = first.rate, first.layout.nb_channels
    with kept_open:
        parts, n_samples = [ffmpeg.to_float(first)], first.samples
        for frame in frames:
            if (found := (frame.rate, frame.layout.nb_channels)) != setup:
                change = f"{setup[0]} Hz and {setup[1]} channels to {found[0]} and {found[1]}"
                raise InputError(f"{path}: changes from {change}; save it again as .wav or .flac")
            parts.append(ffmpeg.to_float(frame))
            n_samples += frame.samples
            if n_samples >= BLOCK_SAMPLES:
                yield np.concatenate(parts, axis=1)
                parts, n_samples = [], 0
        if parts:
            yield np.concatenate(parts, axis=1)


def _trim_padding(blocks_Cxn: Iterator[np.ndarray], n_declared: int) -> Iterator[np.ndarray]:
    """Yield blocks without the padding that follows the first `n_declared` samples, if that number is not 0.

    If more than a frame follows, the declared number is wrong, and all of it is sound.
    """
    n_samples, behind = 0, []
    for block in blocks_Cxn:
        within = min(block.shape[1], max(0, n_declared - n_samples)) if n_declared else block.shape[1]
        n_samples += block.shape[1]
        behind.append(block[:, within:])
        if not n_declared or n_samples > n_declared + MAX_PADDING_SAMPLES:
            yield np.concatenate([block[:, :within], *behind], axis=1)
            n_declared, behind = 0, []
        elif within:
            yield block[:, :within]


def _compare_length(
    path: Path, blocks_Cxn: Iterator[np.ndarray], declared: tuple[int, int], rate_hz: int, notes: list[str]
) -> Iterator[np.ndarray]:
    """Yield blocks, and compare their total length with the smallest and largest length that the header declares.

    Raises:
      InputError: there are fewer samples.
    """
    least, most = declared
    n_samples = 0
    for block in blocks_Cxn:
        n_samples += block.shape[1]
        yield block
    if least - n_samples > SLACK_S * rate_hz:
        there = f"{n_samples} of {least} samples are there"
        raise InputError(f"{path}: cut short: {there}; --truncated ok uses them")
    if most and n_samples - most > SLACK_S * rate_hz:
        notes.append(
            f"its header declares {most / rate_hz:.2f} s; all {n_samples / rate_hz:.2f} s of the file are read"
        )
