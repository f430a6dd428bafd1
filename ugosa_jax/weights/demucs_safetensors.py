"""The safetensors of demucs 4.1: tensors, with class and arguments as JSON in the metadata."""

import fractions
import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from ugosa_jax.errors import InputError, error_context, require
from ugosa_jax.weights.package import Package

KIND = "Demucs safetensors"


def is_safetensors(path: Path) -> bool:
    """Tell whether a file is safetensors, ours or others'.

    Eight bytes of header length, then JSON; none of torch's containers has a brace there.

    Raises:
      InputError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(9)[8:] == b"{"
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def names_a_class(path: Path) -> bool:
    """Tell whether a file is safetensors and names a class, as those of demucs 4.1 do.

    Raises:
      InputError: it cannot be read.
    """
    if not is_safetensors(path):
        return False
    try:
        with safetensors.safe_open(path, framework="np") as file:
            return "klass" in (file.metadata() or {})
    except (OSError, safetensors.SafetensorError):
        return False  # whoever reads it will say what is wrong


def read(path: Path) -> Package:
    """Return what a safetensors file of demucs 4.1 holds.

    Raises:
      InputError: it is damaged, or its metadata are not as demucs writes them.
    """
    with error_context(path):
        try:
            with safetensors.safe_open(path, framework="np") as file:
                metadata, state = file.metadata() or {}, _tensors(file)
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror or error})") from error
        except safetensors.SafetensorError as error:
            raise InputError(f"damaged, or not a safetensors file ({error})") from error
        require("klass" in metadata, "metadata", "those of demucs, with a klass", ", ".join(metadata)[:120])
        args, kwargs = _json(metadata, "args", list), _json(metadata, "kwargs", dict)
        return Package(KIND, metadata["klass"], tuple(args), kwargs, state)


def _tensors(file: Any) -> dict[str, np.ndarray]:
    tensors = {}
    for name in file.keys():  # noqa: SIM118
        dtype = file.get_slice(name).get_dtype()
        require(dtype in ("F16", "F32", "F64"), name[:120], "floating point", dtype)
        tensors[name] = file.get_tensor(name)
    return tensors


def _json(metadata: dict[str, str], field: str, kind: type) -> Any:
    try:
        value = json.loads(metadata.get(field, ""), object_hook=_fraction)
    except (ValueError, RecursionError) as error:
        raise InputError(f"metadata {field} is not JSON ({error})") from error
    expected = {list: "a list", dict: "an object"}[kind]
    require(isinstance(value, kind), f"metadata {field}", expected, type(value).__name__)
    return value


def _fraction(value: dict[str, Any]) -> Any:
    """Return the fraction that an object stands for; other objects stay."""
    if value.get("_type") != "fraction":
        return value
    above, below = value.get("numerator"), value.get("denominator")
    if type(above) is not int or type(below) is not int or below == 0:
        raise InputError(f"a fraction must be of two whole numbers, the second not 0, not {str(value)[:120]}")
    return fractions.Fraction(above, below)
