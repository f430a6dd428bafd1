"""Files of sound decoded by FFmpeg, through PyAV. What stands in a file is told by its content, never by its name.

C channels, n samples.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import av
import numpy as np
import soundfile
from av.error import EOFError as StreamEndError
from av.error import FFmpegError, InvalidDataError

from ugosa_jax.data import containers
from ugosa_jax.errors import InputError

FORMATS = (
    *("wav", "w64", "aiff", "au", "caf", "flac", "ogg", "mp3", "aac", "loas", "ac3", "eac3", "dts", "mov", "matroska"),
    *("avi", "asf", "amr", "mpeg", "mpegts", "flv", "wv", "ape", "tta", "mpc", "mpc8", "tak", "dsf", "iff", "voc"),
)
"""Containers that are read, by FFmpeg's names. Playlists are left out: they would open other files."""
SLACK_S = 0.1
"""Sound that may be missing from the end of a file, or be more than its header tells: headers are a little off."""
_COUNTED = ("wav", "w64", "aiff", "au", "caf", "flac", "mov", "asf", "wv", "ape", "tta")
"""Containers whose headers tell a length that was counted; FFmpeg estimates that of others from their bit rate."""
_PADDED = ("mov", "asf")
"""Those that tell where sound ends within the last frame, which FFmpeg decodes as a whole."""
_MAX_PADDING_SAMPLES = 4096
"""Length of the longest frame of usual encoders: so much may follow the end that a container tells."""
_JOINABLE = ("mp3", "aac", "loas", "ac3", "eac3", "dts", "mpeg", "mpegts")
"""Those whose frames can be found anywhere, so that files can be joined, with their tags in between."""
_WHOLE_FRAMES = ("aac", "loas", "ac3", "eac3", "dts")
"""Those of which nothing but half a frame tells that the end is missing."""
_FULL_SCALE = {"u8": 2**7, "s16": 2**15, "s32": 2**31, "s64": 2**63}
BLOCK_SAMPLES = 2**18
"""Length of blocks: six seconds of most songs."""


class Stream(NamedTuple):
    """A file that is being read.

    Attributes:
      rate_hz: its sample rate.
      n_channels: number of channels.
      channels: what each of them is, such as ("FL", "FR", "FC"), by FFmpeg's names; empty if the file does not tell.
      blocks_Cxn: float32, in time order; raises InputError where the file is damaged or ends before it should.
      notes: what to know of the file, in plain words; complete when it is read to its end.
    """

    rate_hz: int
    n_channels: int
    channels: tuple[str, ...]
    blocks_Cxn: Iterator[np.ndarray]
    notes: list[str]


def open_stream(path: Path, may_be_cut: bool = False, index: int = 0, keep_padding: bool = False) -> Stream:
    """Open a stream of sound and decode its beginning, which alone tells rate and channels surely.

    What an encoder puts before and after the sound is left out where the container tells it, as players do.

    Args:
      path: the file.
      may_be_cut: whether what is there of a file that was cut short will do.
      index: which of its streams of sound.
      keep_padding: whether to keep what an MP4 says to leave out at the end.

    Raises:
      InputError: the file cannot be read, is cut short, has no such stream, or is damaged.
    """
    notes: list[str] = []
    with contextlib.ExitStack() as stack, refuse_unreadable(path):
        file = stack.enter_context(path.open("rb"))
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise InputError(f"{path}: is empty")
        structure = containers.examine(file, size)
        if structure.cut and not may_be_cut:
            raise InputError(f"{path}: cut short: {structure.cut}; --truncated ok takes what is there")
        container = stack.enter_context(_open_container(path, file, structure.unannounced > 0))
        if structure.unannounced:
            _note_unannounced(path, structure.unannounced, container, notes)
        streams = container.streams.audio
        if index >= len(streams):
            found = ", ".join(stream.type for stream in container.streams) or "nothing"
            what = f"only {len(streams)} streams of sound" if streams else f"no sound, only {found}"
            raise InputError(f"{path}: has {what}")
        if streams[index].codec_context is None:
            raise InputError(f"{path}: cannot be read as sound (FFmpeg has no decoder for it)")
        frames = _decode(path, container, streams[index], may_be_cut)
        first = next(frames, None)
        if first is None:
            return Stream(streams[index].rate or 0, 0, (), iter(()), notes)
        least, most = _announced_samples(container, streams[index], first, file, size)
        if structure.unannounced:
            least = most = 0
        kept_open = stack.pop_all()
    channels = tuple(channel.name for channel in first.layout.channels)
    blocks = _to_blocks(path, first, frames, kept_open)
    if container.format.name.split(",")[0] in _PADDED and not keep_padding:
        blocks = _leave_out_padding(blocks, most)
    blocks = _compare_length(path, blocks, (0 if may_be_cut else least, most), first.rate, notes)
    return Stream(first.rate, len(channels), () if "NONE" in channels else channels, blocks, notes)


@contextlib.contextmanager
def refuse_unreadable(path: Path, to: str = "read as sound") -> Iterator[None]:
    """Raise InputError in one line for whatever PyAV, soundfile or Python raise over a file of sound in the block.

    PyAV's errors have one base class and are otherwise of all kinds: some are an OSError, others a ValueError, an
    EOFError, a LookupError or none of these.
    """
    try:
        yield
    except MemoryError as error:
        raise InputError(f"{path}: is more sound than fits into the memory") from error
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: cannot be {to} ({_one_line(error.error_string)})") from error
    except (
        FFmpegError,
        soundfile.SoundFileError,
        OSError,
        ValueError,
        RuntimeError,
        EOFError,
        LookupError,
    ) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(f"{path}: cannot be {to} ({_one_line(reason)})") from error


def _one_line(reason: str) -> str:
    return " ".join(reason.split())[:200]


class _Nameless:
    """A file without its name: FFmpeg would judge by the suffix, and take what stands before a colon for a protocol."""

    def __init__(self, file: BinaryIO):
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _open_container(path: Path, file: BinaryIO, ignore_length: bool) -> Any:
    file.seek(0)
    options = {"format_whitelist": ",".join(FORMATS)} | ({"ignore_length": "1"} if ignore_length else {})
    try:
        return av.open(_Nameless(file), options=options, metadata_errors="replace")
    except (InvalidDataError, StreamEndError) as error:
        what = "no container that FFmpeg knows; headerless sound has to be saved as .wav or .flac"
        raise InputError(f"{path}: cannot be read as sound ({what})") from error


def _note_unannounced(path: Path, n_bytes: int, container: Any, notes: list[str]) -> None:
    """Note that sound goes on behind the end that a WAV's header tells; other containers cannot be read so far."""
    if container.format.name != "wav":
        said = f"{n_bytes} bytes follow the end that its header tells; save it anew in another format"
        raise InputError(f"{path}: {said}")
    notes.append(f"{n_bytes} bytes of sound follow the end that its header tells, and are taken too")


def _announced_samples(container: Any, stream: Any, first: Any, file: BinaryIO, size: int) -> tuple[int, int]:
    """Return how many samples there are at least and at most by the header; 0 and 0 where it does not tell."""
    name = container.format.name.split(",")[0]
    if name == "mp3":
        position = file.tell()
        n_samples = containers.mp3_frames(file, size) * (1152 if first.rate >= 32_000 else 576)
        file.seek(position)
        return max(0, n_samples - _MAX_PADDING_SAMPLES), n_samples
    is_counted = name in _COUNTED and stream.duration
    n_samples = round(float(stream.duration * stream.time_base) * first.rate) if is_counted else 0
    return n_samples, n_samples


def _decode(path: Path, container: Any, stream: Any, may_be_cut: bool) -> Iterator[Any]:
    """Yield the frames of a stream; if it may be cut, those before the first that cannot be decoded.

    Raises:
      InputError: a frame cannot be decoded, or the last one is not there as a whole.
    """
    name, codec = container.format.name, stream.codec.name
    n_frames, size, is_whole = 0, 0, True
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
                    raise
                is_whole = name not in _WHOLE_FRAMES  # tags may follow the last frame of an MP3
                continue
            if packet.size:  # the last packet is empty, and makes the decoder give what it holds back
                is_flagged = packet.is_corrupt and not codec.startswith("pcm_")  # blocks of PCM may be of any length
                is_whole = not is_flagged and (
                    codec != "ac3" or packet.size >= size - 2
                )  # AC-3 has a constant bit rate
                size = packet.size
            n_frames += len(frames)
            yield from frames
        if not is_whole:
            raise InputError(f"{path}: cut short: the last frame is incomplete; --truncated ok takes what is there")
    except InputError:
        if not may_be_cut or not n_frames:
            raise


def _to_blocks(path: Path, first: Any, frames: Iterator[Any], kept_open: contextlib.ExitStack) -> Iterator[np.ndarray]:
    """Yield frames joined to blocks (C, n), and close the file behind the last one.

    Raises:
      InputError: rate or channels change on the way, as where unlike files were joined.
    """
    setup = first.rate, first.layout.nb_channels
    with kept_open:
        parts, n_samples = [_to_float(first)], first.samples
        for frame in frames:
            if (found := (frame.rate, frame.layout.nb_channels)) != setup:
                change = f"{setup[0]} Hz and {setup[1]} channels to {found[0]} and {found[1]}"
                raise InputError(f"{path}: changes from {change}; save it anew as .wav or .flac")
            parts.append(_to_float(frame))
            n_samples += frame.samples
            if n_samples >= BLOCK_SAMPLES:
                yield np.concatenate(parts, axis=1)
                parts, n_samples = [], 0
        if parts:
            yield np.concatenate(parts, axis=1)


def _to_float(frame: Any) -> np.ndarray:
    """Return the samples of a frame, float32 (C, n) with a full scale of 1."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    samples_Cxn = samples.astype(np.float32, order="C")
    kind = frame.format.name.removesuffix("p")
    if kind == "u8":
        samples_Cxn -= 128
    samples_Cxn /= _FULL_SCALE.get(kind, 1)
    return samples_Cxn


def _leave_out_padding(blocks_Cxn: Iterator[np.ndarray], told: int) -> Iterator[np.ndarray]:
    """Yield blocks without the rest of an encoder's last frame, which follows the end that a container tells.

    If more follows than that, the container told nonsense, and all of it is sound.
    """
    n_samples, behind = 0, []
    for block in blocks_Cxn:
        within = min(block.shape[1], max(0, told - n_samples)) if told else block.shape[1]
        n_samples += block.shape[1]
        behind.append(block[:, within:])
        if not told or n_samples > told + _MAX_PADDING_SAMPLES:
            yield np.concatenate([block[:, :within], *behind], axis=1)
            told, behind = 0, []
        elif within:
            yield block[:, :within]


def _compare_length(
    path: Path, blocks_Cxn: Iterator[np.ndarray], told: tuple[int, int], rate_hz: int, notes: list[str]
) -> Iterator[np.ndarray]:
    """Yield blocks, and compare how many samples they have with what the header tells: at least and at most so many.

    Raises:
      InputError: there are fewer.
    """
    least, most = told
    n_samples = 0
    for block in blocks_Cxn:
        n_samples += block.shape[1]
        yield block
    if least - n_samples > SLACK_S * rate_hz:
        there = f"{n_samples} of {least} samples are there"
        raise InputError(f"{path}: cut short: {there}; --truncated ok takes them")
    if most and n_samples - most > SLACK_S * rate_hz:
        notes.append(
            f"its header tells {most / rate_hz:.2f} s; all {n_samples / rate_hz:.2f} s that are there are taken"
        )
