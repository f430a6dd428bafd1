"""Safetensors files: float32 arrays by dotted path, with the name of the format and other strings as metadata."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors
import safetensors.numpy

from ugosa_jax import files
from ugosa_jax.errors import InputError, error_context, require

T = TypeVar("T")


def is_safetensors(path: Path) -> bool:
    """Return whether a file is safetensors: whether a brace, the begin of JSON, follows eight bytes of header length.

    PyTorch's files have no brace there.

    Raises:
      InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(9)[8:] == b"{"
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


@contextlib.contextmanager
def open_safetensors(path: str | Path) -> Iterator[Any]:
    """Open a safetensors file, and add its path to every InputError raised in the block.

    Raises:
      InputError: the file cannot be read, is damaged, or is of another kind.
    """
    with error_context(path):
        try:
            with safetensors.safe_open(path, framework="np") as file:
                yield file
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror or error})") from error
        except safetensors.SafetensorError as error:
            raise InputError(f"damaged, or not a safetensors file ({error})") from error


def check_format(file: Any, expected: str) -> None:
    """Raise InputError unless the metadata name the expected format."""
    found = (file.metadata() or {}).get("format")
    require(found == expected, "metadata format", repr(expected), found)


def write(leaves: Mapping[str, np.ndarray], metadata: dict[str, str], path: str | Path) -> None:
    """Write arrays as float32.

    Raises:
      InputError: the file cannot be written.
    """
    # safetensors writes the memory of an array in its order, so that transposed views must be copied to C order.
    tensors = {name: np.array(leaf, np.float32, order="C") for name, leaf in leaves.items()}
    with files.replace_when_done(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(tensors, metadata))


def read_shapes(file: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array, without reading any.

    Raises:
      InputError: an array is not float32.
    """
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
    for name, part in slices.items():
        require(part.get_dtype() == "F32", name, "float32", part.get_dtype())
    return {name: tuple(part.get_shape()) for name, part in slices.items()}


def read_tensors(file: Any) -> dict[str, np.ndarray]:
    """Return the arrays by name."""
    return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def read_metadata(file: Any, field: str, kind: type[T]) -> T:
    """Return the JSON of a metadata field.

    Raises:
      InputError: it is not JSON of this type.
    """
    with error_context(f"metadata {field}"):
        return files.decode(file.metadata().get(field, ""), kind)
