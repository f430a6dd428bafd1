"""Safe reading of files written by `torch.save`, without PyTorch and without executing pickled code.

There are two formats, a sequence of pickles (before PyTorch 1.6) and a zip archive; either may be gzipped. Both hold
pickles, which `inert_pickle` reads, and the numbers of the tensors as raw bytes.
"""

import contextlib
import gzip
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ugosa_jax.errors import InputError, require
from ugosa_jax.weights.inert_pickle import InertUnpickler, View

MAX_BYTES = 2**29
"""Largest size of a file, compressed or not: twelve times that of published files."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
      InputError: it cannot be read, or is larger than `MAX_BYTES`.
    """
    try:
        require(not path.is_dir(), str(path), "a file", "a folder")
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    require(len(raw) <= MAX_BYTES, str(path), f"at most {MAX_BYTES} bytes", "larger")
    return raw


@contextlib.contextmanager
def refuse_damage(kind: str) -> Iterator[None]:
    """Turn any exception of the block into an InputError: the file is damaged, or not of this kind."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__} {error}".split("\n")[0][:120]
        raise InputError(f"damaged, or not {kind} ({reason})") from error


def decode(raw: bytes) -> tuple[object, dict[str, np.ndarray]]:
    """Return the content of a file, with a `View` for every tensor, and the storages for `read_tensors`.

    Raises:
      InputError: the file was not written by PyTorch, or refers to objects that no network needs. A damaged file may
        raise any other exception; call this and `read_tensors` within `refuse_damage`.
    """
    data = _decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    return _decode_zip(data) if data.startswith(b"PK\x03\x04") else _decode_legacy(data)


def read_tensors(state: Mapping[str, Any], storages: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict as read-only arrays.

    Raises:
      InputError: a value is not a tensor, or the tensors are larger than the storages.
    """
    for name, view in state.items():
        require(type(name) is str and isinstance(view, View), f"{name}", "a tensor", type(view).__name__)
    found = {name: view.read_array(storages) for name, view in state.items()}
    # Tensors may share a storage, and copies of them could take more memory than the whole file.
    claimed, held = (sum(array.nbytes for array in group.values()) for group in (found, storages))
    require(claimed <= held, "tensors", f"at most the {held} bytes stored", f"{claimed} bytes")
    return found


def _decompress(raw: bytes) -> bytes:
    data = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(MAX_BYTES + 1)
    require(len(data) <= MAX_BYTES, "unpacked size", f"at most {MAX_BYTES} bytes", "larger")
    return data


def _decode_zip(data: bytes) -> tuple[object, dict[str, np.ndarray]]:
    """Read PyTorch's zip archive: NAME/data.pkl, and an entry NAME/data/KEY for each storage."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        # PyTorch writes no compressed, repeated or overlapping entries; a file with such entries is an attack.
        stored = all(info.compress_type == zipfile.ZIP_STORED for info in entries.values())
        honest = sum(info.file_size for info in archive.infolist()) <= len(data)
        require(stored and honest, "zip entries", "stored as they are", "compressed or overlapping")
        roots = [name.removesuffix("/data.pkl") for name in entries if name.endswith("/data.pkl")]
        require(len(roots) == 1, "zip archive", "one with a single data.pkl", f"one with {len(roots)}")
        if f"{roots[0]}/byteorder" in entries:
            require(archive.read(f"{roots[0]}/byteorder") == b"little", "byte order", "little", "another one")
        reader = InertUnpickler(io.BytesIO(archive.read(f"{roots[0]}/data.pkl")))
        content, storages = reader.load(), reader.storages.items()
        return content, {k: s.read_elements(archive.read(f"{roots[0]}/data/{k}")) for k, s in storages}


def _decode_legacy(data: bytes) -> tuple[object, dict[str, np.ndarray]]:
    """Read PyTorch's older format: five pickles, then the size and the numbers of each storage."""
    stream = io.BytesIO(data)
    magic, version, system = (InertUnpickler(stream).load() for _ in range(3))
    require(magic == LEGACY_MAGIC, "first number", "that of a torch file", "another one")
    require(version == 1001, "torch's protocol version", "1001", "another one")
    require(system["little_endian"] is True, "byte order", "little", "another one")
    reader = InertUnpickler(stream)
    content = reader.load()
    keys: Any = InertUnpickler(stream).load()
    storages = {}
    for storage in (reader.storages[key] for key in keys):
        count = int.from_bytes(stream.read(8), "little", signed=True)
        require(count == storage.count, f"storage {storage.key}", f"of {storage.count} numbers", count)
        storages[storage.key] = storage.read_elements(stream.read(storage.nbytes))
    return content, storages
