"""Detection of truncated sound files, such as those left by an interrupted copy.

FFmpeg decodes such a file without an error. Containers that store the lengths of their chunks are therefore examined
first: RIFF (WAV, AVI), RF64, W64, AIFF, AU, CAF, MP4, Matroska and Ogg. Only headers are read.
"""

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_EBML, _SEGMENT = b"\x1aE\xdf\xa3", b"\x18\x53\x80\x67"
_MAX_OGG_PAGE = 65_307
_LARGEST_FILE = 2**62
"""Largest position in bytes that operating systems can seek to."""
_MAX_CHUNKS = 100_000
"""Largest number of chunks on the outermost level; a file with more is damaged."""
_STRAY_BYTES = 512
"""Bytes that may be missing or left over: some programs include the header in the length, or add padding."""
_TRAILERS = (b"LIST", b"bext", b"id3 ", b"ID3 ", b"iXML", b"_PMX", b"\0\0\0\0")
"""Names of chunks that may follow the sound of a WAV: tags, and zeros that fill up a block."""


class Structure(NamedTuple):
    """What the chunks tell about a file.

    Attributes:
      start: position of the container, after leading tags.
      cut: a description of the part that is missing at the end; "" if the file seems complete.
      undeclared_bytes: bytes of sound after the end that the header declares.
    """

    start: int = 0
    cut: str = ""
    undeclared_bytes: int = 0


class Chunk(NamedTuple):
    """A chunk: its name, and the positions where its content begins and should end (None if unknown)."""

    name: bytes
    start: int
    end: int | None


def examine_structure(file: BinaryIO, size: int) -> Structure:
    """Examine the chunks of a file of `size` bytes; the result is empty for an unknown container."""
    start = _skip_tags(file, size)
    return _examine_container(file, start, size)._replace(start=start)


def _examine_container(file: BinaryIO, start: int, size: int) -> Structure:
    head = _read_at(file, start, 16)
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        if head[8:12] == b"WAVE":
            return _examine_sound(_iterate_wav_chunks(file, start, size), file, size, {b"data"})
        if head[8:12] == b"AVI ":  # files above a gigabyte consist of several RIFF chunks
            return _find_cut(_iterate_chunks(file, start + 12, size, "<4sI", 2), size)
    if head == _W64_RIFF:
        return _find_cut(_iterate_w64_chunks(file, start, size), size, {_W64_DATA})
    if head[:4] == b"FORM":
        return _examine_sound(_iterate_chunks(file, start + 12, size, ">4sI", 2), file, size, {b"SSND", b"BODY"})
    if head[:4] == b"caff":
        return _find_cut(_iterate_chunks(file, start + 8, size, ">4sQ", 1), size, {b"data"})
    if head[:4] == b".snd":
        offset, length = struct.unpack(">II", head[4:12].ljust(8, b"\0"))
        return _find_cut([Chunk(b".snd", start + offset, _find_end(start + offset, length, 32))], size)
    if head[:4] == _EBML:
        return _find_cut(_iterate_ebml(file, start, size), size)
    if head[:4] == b"OggS":
        return _examine_ogg(file, size)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _find_cut(_iterate_boxes(file, start, size), size)
    return Structure()


def count_mp3_frames(file: BinaryIO, start: int) -> int:
    """Return the number of frames that the first frame of an MP3 declares; 0 if it declares none."""
    head = _read_at(file, start, 2**14)
    if match := re.search(rb"(?:Xing|Info)\0\0\0([\1-\x0f])(.{4})", head, re.DOTALL):
        return int.from_bytes(match[2]) if match[1][0] & 1 else 0
    if match := re.search(rb"VBRI.{10}(.{4})", head, re.DOTALL):
        return int.from_bytes(match[1])
    return 0


def _iterate_wav_chunks(file: BinaryIO, start: int, size: int) -> Iterator[Chunk]:
    """Yield the chunks of a WAV or RF64; the latter stores the length of the sound, as 64 bits, in a separate chunk."""
    long_length = 0
    for chunk in _iterate_chunks(file, start + 12, size, "<4sI", 2):
        if chunk.name == b"ds64":
            (long_length,) = struct.unpack("<Q", _read_at(file, chunk.start + 8, 8).ljust(8, b"\0"))
        is_long = chunk.name == b"data" and chunk.end is None and long_length
        yield chunk._replace(end=_find_end(chunk.start, long_length, 64)) if is_long else chunk


def _examine_sound(chunks: Iterator[Chunk] | list[Chunk], file: BinaryIO, size: int, names: set[bytes]) -> Structure:
    """Examine the chunk of sound: whether it is complete, and whether more sound follows it."""
    for chunk in (chunk for chunk in chunks if chunk.name in names):
        if chunk.end is None or chunk.end > size:
            return _find_cut([chunk], size)
        is_chunk = any(_looks_like_a_chunk(file, at, size, chunk.name) for at in (chunk.end, chunk.end + 1))
        return Structure() if is_chunk else Structure(undeclared_bytes=size - chunk.end)
    return Structure()


def _looks_like_a_chunk(file: BinaryIO, at: int, size: int, sound: bytes) -> bool:
    if size - at < _STRAY_BYTES:
        return True
    name, length = struct.unpack("<4sI" if sound == b"data" else ">4sI", _read_at(file, at, 8))
    return name in _TRAILERS or (re.fullmatch(rb"[ -~]{4}", name) is not None and at + 8 + length <= size + 1)


def _find_cut(chunks: Iterator[Chunk] | list[Chunk], size: int, names: set[bytes] | None = None) -> Structure:
    """Return how many bytes are missing of the chunks with these names, or of all chunks, as a `Structure`."""
    missing = max((c.end - size for c in chunks if c.end is not None and (not names or c.name in names)), default=0)
    cut = f"{missing} of {size + missing} bytes are missing at the end"
    return Structure(cut=cut if missing > _STRAY_BYTES else "")


def _iterate_chunks(file: BinaryIO, at: int, size: int, layout: str, align: int) -> Iterator[Chunk]:
    """Yield chunks that consist of a name, a length and content."""
    n = struct.calcsize(layout)
    for _ in range(_MAX_CHUNKS):
        if len(head := _read_at(file, at, n)) < n:
            return
        name, length = struct.unpack(layout, head)
        yield (chunk := Chunk(name, at + n, _find_end(at + n, length, 8 * (n - 4))))
        if chunk.end is None:
            return
        at = chunk.end + (length % 2 if align == 2 else 0)


def _find_end(start: int, length: int, bits: int) -> int | None:
    """Return the position where a chunk ends, or None if the length is a placeholder, as in files written to a pipe."""
    largest = 2**bits - 1
    if length >= largest - 2**16 or largest // 2 - 2**16 <= length <= largest // 2 + 1:
        return None
    return start + length


def _iterate_w64_chunks(file: BinaryIO, at: int, size: int) -> Iterator[Chunk]:
    """Yield the chunks of a Wave64 file: names of 16 bytes, lengths that include the header, alignment of eight."""
    at += 40
    while len(head := _read_at(file, at, 24)) == 24:
        name, length = struct.unpack("<16sQ", head)
        if length < 24:
            return
        yield Chunk(name, at + 24, _find_end(at, length, 64))
        at += length + -length % 8


def _iterate_boxes(file: BinaryIO, at: int, size: int) -> Iterator[Chunk]:
    """Yield the outermost boxes of MP4 and QuickTime; length 0 means "to the end", 1 that a 64-bit length follows."""
    while len(head := _read_at(file, at, 16)) >= 8:
        length, name, long_length = struct.unpack(">I4sQ", head.ljust(16, b"\0"))
        length = long_length if length == 1 else length
        if length < 8 or not re.fullmatch(rb"[ -~\xa9]{4}", name):
            return
        yield Chunk(name, at + 8, at + length)
        at += length


def _iterate_ebml(file: BinaryIO, at: int, size: int) -> Iterator[Chunk]:
    """Yield the outermost elements of Matroska and WebM; live streams do not store the length of the segment."""
    while (name := _read_at(file, at, 4)) in (_EBML, _SEGMENT):
        field = _read_at(file, at + 4, 8).ljust(8, b"\0")
        n = 9 - field[0].bit_length()
        length = int.from_bytes(field[:n]) & (2 ** (7 * n) - 1)
        unknown = n > 8 or length == 2 ** (7 * n) - 1
        yield (chunk := Chunk(name, at + 4 + n, None if unknown else at + 4 + n + length))
        if chunk.end is None:
            return
        at = chunk.end


def _examine_ogg(file: BinaryIO, size: int) -> Structure:
    """Examine the last page, which must end the file and be marked as the last one of its stream."""
    tail = _read_at(file, max(0, size - 2 * _MAX_OGG_PAGE), 2 * _MAX_OGG_PAGE)
    is_last = True
    for at in (match.start() for match in re.finditer(b"OggS\0", tail)):
        n_segments = tail[at + 26] if at + 26 < len(tail) else 255
        end = at + 27 + n_segments + sum(tail[at + 27 : at + 27 + n_segments])
        if end > len(tail):
            return Structure(cut="the last page is incomplete")
        is_last = bool(tail[at + 5] & 4)
    return Structure(cut="" if is_last else "the last page is not marked as the end of the stream")


def _skip_tags(file: BinaryIO, size: int) -> int:
    """Return the position after leading ID3v2 tags."""
    at = 0
    while (head := _read_at(file, at, 10))[:3] == b"ID3" and len(head) == 10:
        footer = 10 if head[5] & 0x10 else 0
        at += 10 + sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:])) + footer
    return at if at < size else 0


def _read_at(file: BinaryIO, at: int, n: int) -> bytes:
    if at > _LARGEST_FILE:
        return b""
    file.seek(at)
    return file.read(n)
