"""Checkpoints of TensorFlow, read without it: an index and one file of data.

The index is a table as LevelDB writes it: sorted blocks of keys, which share beginnings, and values; a footer says
where the block is that lists the blocks. Keys are names of variables, values protocol buffers that say each one's type
and shape and where its numbers lie in the data. Everything is checked against the bytes that are there.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ugosa_jax.errors import require

_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5
"""Of a block: how it is compressed, and its checksum."""
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}
"""By TensorFlow's number."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""How protocol buffers write a field."""
Field = int | bytes


class Entry(NamedTuple):
    """A variable, and where its numbers are."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int


def arrays(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """Return the variables of a checkpoint by name, as read-only arrays.

    Raises:
      InputError: the index is no such table, or speaks of numbers that are not there. Damage raises anything else; call
        this within `torchfile.refusing`.
    """
    entries = {key.decode(): value for key, value in table(index)}
    header = dict(fields(entries.pop("", b"")))
    plain = number_of(header, 1) == 1 and not number_of(header, 2)
    require(plain, "checkpoint", "one file of data, lowest byte first", "another")
    found = {name: entry(name, value) for name, value in entries.items()}
    total = sum(each.size for each in found.values())
    require(total <= len(data), "variables", f"at most the {len(data)} bytes of data", f"{total} bytes")
    variables = {}
    for name, (dtype, shape, offset, size) in found.items():
        require(offset + size <= len(data), name, f"within the {len(data)} bytes of data", "beyond them")
        variables[name] = np.frombuffer(data[offset : offset + size], dtype).reshape(shape)
    return variables


def entry(name: str, value: bytes) -> Entry:
    """Return what the index says of a variable."""
    said = dict(fields(value))
    kind, shard, offset, size = (number_of(said, field) for field in (1, 3, 4, 5))
    require(kind in _DTYPES, f"{name[:80]}: type", f"one of TensorFlow's {[*_DTYPES]}", kind)
    require(not shard and 7 not in said, name[:80], "whole, in the first file of data", "elsewhere, or in slices")
    described = said.get(2, b"")
    dims = [dim for field, dim in fields(described) if field == 2] if isinstance(described, bytes) else [None]
    sizes = [number_of(dict(fields(dim)), 1) if isinstance(dim, bytes) else -1 for dim in dims]
    possible = len(sizes) <= 8 and all(0 <= n < 2**40 for n in sizes)
    require(possible, f"{name[:80]}: shape", "of up to 8 axes", str(sizes)[:80])
    expected = math.prod(sizes) * np.dtype(_DTYPES[kind]).itemsize
    require(size == expected, f"{name[:80]}: size", f"{expected} bytes, as its shape {sizes} says", size)
    return Entry(_DTYPES[kind], tuple(sizes), offset, size)


def table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table, in order."""
    require(index[-8:] == _MAGIC and len(index) >= _FOOTER_BYTES, "end of the index", "that of a table", "another")
    footer = index[-_FOOTER_BYTES:]
    _, _, at = handle(footer, 0)
    offset, size, _ = handle(footer, at)
    seen = 0
    for _, where in block(index, offset, size):
        offset, size, _ = handle(where, 0)
        seen += size
        require(seen <= len(index), "blocks of the index", f"at most the {len(index)} bytes there are", "more")
        yield from block(index, offset, size)


def block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a block; a key begins with so many bytes of the one before."""
    end = offset + size
    require(end + _TRAILER_BYTES <= len(index), "a block of the index", "within the file", "beyond its end")
    require(index[end] == 0, "blocks of the index", "not compressed", f"compressed in way {index[end]}")
    content = index[offset:end]
    n_restarts = int.from_bytes(content[-4:], "little")
    end = len(content) - 4 * (n_restarts + 1)
    at, key = 0, b""
    while at < end:
        shared, at = varint(content, at)
        own, at = varint(content, at)
        length, at = varint(content, at)
        require(
            shared <= len(key) and at + own + length <= end, "an entry of the index", "within its block", "beyond it"
        )
        key = key[:shared] + content[at : at + own]
        require(len(key) <= 1000, "names of variables", "up to 1000 bytes", len(key))
        yield key, content[at + own : at + own + length]
        at += own + length


def handle(raw: bytes, at: int) -> tuple[int, int, int]:
    """Return offset and size of a block, and what comes after them."""
    offset, at = varint(raw, at)
    size, at = varint(raw, at)
    return offset, size, at


def varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return a number, written seven bits a byte, lowest first, and the place behind it."""
    value = 0
    for i in range(10):
        byte = raw[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, at + i + 1
    require(False, "a number", "at most ten bytes long", "longer")
    raise AssertionError


def fields(message: bytes) -> Iterator[tuple[int, Field]]:
    """Yield the fields of a protocol buffer by their numbers."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = varint(message, at)
            yield number, value
            continue
        require(kind in (_BYTES, _FIXED64, _FIXED32), "field of the index", "of a known kind", kind)
        size, at = varint(message, at) if kind == _BYTES else ({_FIXED64: 8, _FIXED32: 4}[kind], at)
        require(at + size <= len(message), "field of the index", "within its entry", "beyond it")
        yield number, message[at : at + size]
        at += size


def number_of(said: dict[int, Field], field: int) -> int:
    """Return a field that is a number; those that are 0 are not written."""
    value = said.get(field, 0)
    require(isinstance(value, int), f"field {field} of the index", "a number", type(value).__name__)
    return value if isinstance(value, int) else 0
