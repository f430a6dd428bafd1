"""Files of sound as chains of chunks: whether the end of one is missing, which decoders do not tell.

FFmpeg reads what is there of a file and says nothing of the rest, as after a copy that broke off. Containers whose
chunks tell their own lengths are therefore walked here first: RIFF (WAV, AVI), RF64, W64, AIFF, AU, CAF, MP4, Matroska
and Ogg. Nothing is decoded; little is read.
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
"""In bytes: operating systems do not look for anything behind that."""
_MAX_CHUNKS = 100_000
"""No file has more on its outermost level; what seems to is damaged, and would be walked over for ever."""
_STRAY_BYTES = 512
"""So little may be missing or left over without a word: careless writers count their header in, or pad."""
_TRAILERS = (b"LIST", b"bext", b"id3 ", b"ID3 ", b"iXML", b"_PMX", b"\0\0\0\0")
"""What may follow the sound of a WAV even where its own length is wrong: tags, and zeros that fill up a block."""


class Structure(NamedTuple):
    """What the chunks of a file tell of its sound.

    Attributes:
      start: where the container begins, behind tags that players put in front of any kind.
      cut: what its end lacks, in words; "" if nothing is known to be missing.
      unannounced: bytes of sound behind the end that the header tells.
    """

    start: int = 0
    cut: str = ""
    unannounced: int = 0


class Chunk(NamedTuple):
    """A chunk: what it is called, where its content begins, and where it should end; None if it does not tell."""

    name: bytes
    start: int
    end: int | None


def examine(file: BinaryIO, size: int) -> Structure:
    """Walk over the chunks of a file of `size` bytes; of a container that is not known nothing is known."""
    start = _skip_tags(file, size)
    return _examine_container(file, start, size)._replace(start=start)


def _examine_container(file: BinaryIO, start: int, size: int) -> Structure:
    head = _read(file, start, 16)
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        if head[8:12] == b"WAVE":
            return _examine_sound(_wav_chunks(file, start, size), file, size, {b"data"})
        if head[8:12] == b"AVI ":  # whose parts of more than a gigabyte follow each other as chunks of their own
            return _lacking(_chunks(file, start + 12, size, "<4sI", 2), size)
    if head == _W64_RIFF:
        return _lacking(_w64_chunks(file, start, size), size, {_W64_DATA})
    if head[:4] == b"FORM":
        return _examine_sound(_chunks(file, start + 12, size, ">4sI", 2), file, size, {b"SSND", b"BODY"})
    if head[:4] == b"caff":
        return _lacking(_chunks(file, start + 8, size, ">4sQ", 1), size, {b"data"})
    if head[:4] == b".snd":
        offset, length = struct.unpack(">II", head[4:12].ljust(8, b"\0"))
        return _lacking([Chunk(b".snd", start + offset, _end(start + offset, length, 32))], size)
    if head[:4] == _EBML:
        return _lacking(_ebml_elements(file, start, size), size)
    if head[:4] == b"OggS":
        return _examine_ogg(file, size)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _lacking(_boxes(file, start, size), size)
    return Structure()


def mp3_frames(file: BinaryIO, start: int) -> int:
    """Return how many frames the first one of an MP3 announces; 0 where it does not, and the length is a guess."""
    head = _read(file, start, 2**14)
    if match := re.search(rb"(?:Xing|Info)\0\0\0([\1-\x0f])(.{4})", head, re.DOTALL):
        return int.from_bytes(match[2]) if match[1][0] & 1 else 0
    if match := re.search(rb"VBRI.{10}(.{4})", head, re.DOTALL):
        return int.from_bytes(match[1])
    return 0


def _wav_chunks(file: BinaryIO, start: int, size: int) -> Iterator[Chunk]:
    """Yield the chunks of a WAV; one of RF64 tells the length of the sound that does not fit into 32 bits."""
    long_length = 0
    for chunk in _chunks(file, start + 12, size, "<4sI", 2):
        if chunk.name == b"ds64":
            (long_length,) = struct.unpack("<Q", _read(file, chunk.start + 8, 8).ljust(8, b"\0"))
        is_long = chunk.name == b"data" and chunk.end is None and long_length
        yield chunk._replace(end=_end(chunk.start, long_length, 64)) if is_long else chunk


def _examine_sound(chunks: Iterator[Chunk] | list[Chunk], file: BinaryIO, size: int, names: set[bytes]) -> Structure:
    """Examine the chunk of sound, and whether what follows it is a chunk again or more sound."""
    for chunk in (chunk for chunk in chunks if chunk.name in names):
        if chunk.end is None or chunk.end > size:
            return _lacking([chunk], size)
        is_chunk = any(_looks_like_a_chunk(file, at, size, chunk.name) for at in (chunk.end, chunk.end + 1))
        return Structure() if is_chunk else Structure(unannounced=size - chunk.end)
    return Structure()


def _looks_like_a_chunk(file: BinaryIO, at: int, size: int, sound: bytes) -> bool:
    if size - at < _STRAY_BYTES:
        return True
    name, length = struct.unpack("<4sI" if sound == b"data" else ">4sI", _read(file, at, 8))
    return name in _TRAILERS or (re.fullmatch(rb"[ -~]{4}", name) is not None and at + 8 + length <= size + 1)


def _lacking(chunks: Iterator[Chunk] | list[Chunk], size: int, names: set[bytes] | None = None) -> Structure:
    """Return what the last of the chunks lacks, of those with these names or of all."""
    missing = max((c.end - size for c in chunks if c.end is not None and (not names or c.name in names)), default=0)
    cut = f"{missing} of {size + missing} bytes are missing at the end"
    return Structure(cut=cut if missing > _STRAY_BYTES else "")


def _chunks(file: BinaryIO, at: int, size: int, layout: str, align: int) -> Iterator[Chunk]:
    """Yield chunks of a name and a length."""
    n = struct.calcsize(layout)
    for _ in range(_MAX_CHUNKS):
        if len(head := _read(file, at, n)) < n:
            return
        name, length = struct.unpack(layout, head)
        yield (chunk := Chunk(name, at + n, _end(at + n, length, 8 * (n - 4))))
        if chunk.end is None:
            return
        at = chunk.end + (length % 2 if align == 2 else 0)


def _end(start: int, length: int, bits: int) -> int | None:
    """Return where a chunk ends, or None where its length is what programs write that do not know it, as into pipes."""
    largest = 2**bits - 1
    if length >= largest - 2**16 or largest // 2 - 2**16 <= length <= largest // 2 + 1:
        return None
    return start + length


def _w64_chunks(file: BinaryIO, at: int, size: int) -> Iterator[Chunk]:
    """Yield the chunks of a Wave64 file: names of 16 bytes, lengths that count name and length in, steps of eight."""
    at += 40
    while len(head := _read(file, at, 24)) == 24:
        name, length = struct.unpack("<16sQ", head)
        if length < 24:
            return
        yield Chunk(name, at + 24, _end(at, length, 64))
        at += length + -length % 8


def _boxes(file: BinaryIO, at: int, size: int) -> Iterator[Chunk]:
    """Yield the outermost boxes of MP4 and QuickTime; a length of 0 reaches to the end, one of 1 stands behind."""
    while len(head := _read(file, at, 16)) >= 8:
        length, name, long_length = struct.unpack(">I4sQ", head.ljust(16, b"\0"))
        length = long_length if length == 1 else length
        if length < 8 or not re.fullmatch(rb"[ -~\xa9]{4}", name):
            return
        yield Chunk(name, at + 8, at + length)
        at += length


def _ebml_elements(file: BinaryIO, at: int, size: int) -> Iterator[Chunk]:
    """Yield the outermost elements of Matroska and WebM; live streams do not tell the length of their segment."""
    while (name := _read(file, at, 4)) in (_EBML, _SEGMENT):
        field = _read(file, at + 4, 8).ljust(8, b"\0")
        n = 9 - field[0].bit_length()
        length = int.from_bytes(field[:n]) & (2 ** (7 * n) - 1)
        unknown = n > 8 or length == 2 ** (7 * n) - 1
        yield (chunk := Chunk(name, at + 4 + n, None if unknown else at + 4 + n + length))
        if chunk.end is None:
            return
        at = chunk.end


def _examine_ogg(file: BinaryIO, size: int) -> Structure:
    """Look for the last page, which has to end the file and to be marked as the last one of its stream."""
    tail = _read(file, max(0, size - 2 * _MAX_OGG_PAGE), 2 * _MAX_OGG_PAGE)
    is_last = True
    for at in (match.start() for match in re.finditer(b"OggS\0", tail)):
        n_segments = tail[at + 26] if at + 26 < len(tail) else 255
        end = at + 27 + n_segments + sum(tail[at + 27 : at + 27 + n_segments])
        if end > len(tail):
            return Structure(cut="the last page is not there as a whole")
        is_last = bool(tail[at + 5] & 4)
    return Structure(cut="" if is_last else "the last page is not marked as the end of the stream")


def _skip_tags(file: BinaryIO, size: int) -> int:
    """Return where a file begins behind ID3v2 tags."""
    at = 0
    while (head := _read(file, at, 10))[:3] == b"ID3" and len(head) == 10:
        footer = 10 if head[5] & 0x10 else 0
        at += 10 + sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:])) + footer
    return at if at < size else 0


def _read(file: BinaryIO, at: int, n: int) -> bytes:
    if at > _LARGEST_FILE:
        return b""
    file.seek(at)
    return file.read(n)
