"""Reading of TensorFlow checkpoints, an index and one data file, without TensorFlow.

The index is a LevelDB table: blocks of sorted keys, stored without the prefix that they share with the previous key,
and values. A footer holds the position of the block that lists all blocks. The keys are names of variables; the values
are protocol buffers with type, shape, and position in the data file. All positions and sizes are checked against the
length of the files.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ugosa_jax.errors import require

_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5
"""Bytes after a block: its compression and its checksum."""
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}
"""NumPy's names of types, by their numbers in TensorFlow."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types of protocol buffers."""
Field = int | bytes


class Entry(NamedTuple):
    """The type and shape of a variable, and the position of its numbers in the data file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int


def read_arrays(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """Return the variables of a checkpoint by name, as read-only arrays.

    Raises:
      InputError: the index is not such a table, or refers to numbers outside the data. A damaged file may raise any
        other exception; call this within `torchfile.refuse_damage`.
    """
    entries = {key.decode(): value for key, value in iterate_table(index)}
    header = dict(iterate_fields(entries.pop("", b"")))
    is_valid = get_number(header, 1) == 1 and not get_number(header, 2)
    require(is_valid, "checkpoint", "one file of data, lowest byte first", "another")
    found = {name: parse_entry(name, value) for name, value in entries.items()}
    total = sum(each.size for each in found.values())
    require(total <= len(data), "variables", f"at most the {len(data)} bytes of data", f"{total} bytes")
    variables = {}
    for name, (dtype, shape, offset, size) in found.items():
        require(offset + size <= len(data), name, f"within the {len(data)} bytes of data", "beyond them")
        variables[name] = np.frombuffer(data[offset : offset + size], dtype).reshape(shape)
    return variables


def parse_entry(name: str, value: bytes) -> Entry:
    """Return the entry of the variable `name`, given its value in the table."""
    values = dict(iterate_fields(value))
    kind, shard, offset, size = (get_number(values, field) for field in (1, 3, 4, 5))
    require(kind in _DTYPES, f"{name[:80]}: type", f"one of TensorFlow's {[*_DTYPES]}", kind)
    require(not shard and 7 not in values, name[:80], "whole, in the first file of data", "elsewhere, or in slices")
    described = values.get(2, b"")
    dims = [dim for field, dim in iterate_fields(described) if field == 2] if isinstance(described, bytes) else [None]
    sizes = [get_number(dict(iterate_fields(dim)), 1) if isinstance(dim, bytes) else -1 for dim in dims]
    possible = len(sizes) <= 8 and all(0 <= n < 2**40 for n in sizes)
    require(possible, f"{name[:80]}: shape", "of up to 8 axes", str(sizes)[:80])
    expected = math.prod(sizes) * np.dtype(_DTYPES[kind]).itemsize
    require(size == expected, f"{name[:80]}: size", f"{expected} bytes, as its shape {sizes} says", size)
    return Entry(_DTYPES[kind], tuple(sizes), offset, size)


def iterate_table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table, in order."""
    require(index[-8:] == _MAGIC and len(index) >= _FOOTER_BYTES, "end of the index", "that of a table", "another")
    footer = index[-_FOOTER_BYTES:]
    _, _, at = parse_handle(footer, 0)
    offset, size, _ = parse_handle(footer, at)
    seen = 0
    for _, where in iterate_block(index, offset, size):
        offset, size, _ = parse_handle(where, 0)
        seen += size
        require(seen <= len(index), "blocks of the index", f"at most the {len(index)} bytes there are", "more")
        yield from iterate_block(index, offset, size)


def iterate_block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a block."""
    end = offset + size
    require(end + _TRAILER_BYTES <= len(index), "a block of the index", "within the file", "beyond its end")
    require(index[end] == 0, "blocks of the index", "not compressed", f"compressed in way {index[end]}")
    content = index[offset:end]
    n_restarts = int.from_bytes(content[-4:], "little")
    end = len(content) - 4 * (n_restarts + 1)
    at, key = 0, b""
    while at < end:
        shared, at = parse_varint(content, at)
        own, at = parse_varint(content, at)
        length, at = parse_varint(content, at)
        require(
            shared <= len(key) and at + own + length <= end, "an entry of the index", "within its block", "beyond it"
        )
        key = key[:shared] + content[at : at + own]
        require(len(key) <= 1000, "names of variables", "up to 1000 bytes", len(key))
        yield key, content[at + own : at + own + length]
        at += own + length


def parse_handle(raw: bytes, at: int) -> tuple[int, int, int]:
    """Return offset and size of a block, which are encoded at a position, and the position after them."""
    offset, at = parse_varint(raw, at)
    size, at = parse_varint(raw, at)
    return offset, size, at


def parse_varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return a number encoded with seven bits per byte, the lowest first, and the position after it."""
    value = 0
    for i in range(10):
        byte = raw[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, at + i + 1
    require(False, "a number", "at most ten bytes long", "longer")
    raise AssertionError


def iterate_fields(message: bytes) -> Iterator[tuple[int, Field]]:
    """Yield the fields of a protocol buffer by their numbers."""
    at = 0
    while at < len(message):
        tag, at = parse_varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = parse_varint(message, at)
            yield number, value
            continue
        require(kind in (_BYTES, _FIXED64, _FIXED32), "field of the index", "of a known kind", kind)
        size, at = parse_varint(message, at) if kind == _BYTES else ({_FIXED64: 8, _FIXED32: 4}[kind], at)
        require(at + size <= len(message), "field of the index", "within its entry", "beyond it")
        yield number, message[at : at + size]
        at += size


def get_number(values: dict[int, Field], field: int) -> int:
    """Return a field that is a number; zeros are not stored."""
    value = values.get(field, 0)
    require(isinstance(value, int), f"field {field} of the index", "a number", type(value).__name__)
    return value if isinstance(value, int) else 0
