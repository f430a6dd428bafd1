"""The safetensors files of demucs 4.1: tensors, with class and arguments as JSON in the metadata."""

import fractions
import json
from pathlib import Path
from typing import Any

import numpy as np

from ugosa_jax.errors import InputError, require
from ugosa_jax.weights.package import Package
from ugosa_jax.weights.safetensors_file import open_safetensors

KIND = "Demucs safetensors"


def has_class_metadata(path: Path) -> bool:
    """Return whether the metadata of a safetensors file name a PyTorch class, as in the files of demucs 4.1."""
    try:
        with open_safetensors(path) as file:
            return "klass" in (file.metadata() or {})
    except InputError:
        return False  # the reader of native files reports it


def read(path: Path) -> Package:
    """Read a safetensors file of demucs 4.1.

    Raises:
      InputError: it is damaged, or its metadata are not as demucs writes them.
    """
    with open_safetensors(path) as file:
        metadata, state = file.metadata() or {}, _read_tensors(file)
        require("klass" in metadata, "metadata", "those of demucs, with a klass", ", ".join(metadata)[:120])
        args, kwargs = _read_json(metadata, "args", list), _read_json(metadata, "kwargs", dict)
        return Package(KIND, metadata["klass"], tuple(args), kwargs, state)


def _read_tensors(file: Any) -> dict[str, np.ndarray]:
    tensors = {}
    for name in file.keys():  # noqa: SIM118
        dtype = file.get_slice(name).get_dtype()
        require(dtype in ("F16", "F32", "F64"), name[:120], "floating point", dtype)
        tensors[name] = file.get_tensor(name)
    return tensors


def _read_json(metadata: dict[str, str], field: str, kind: type) -> Any:
    try:
        value = json.loads(metadata.get(field, ""), object_hook=_to_fraction)
    except (ValueError, RecursionError) as error:
        raise InputError(f"metadata {field} is not JSON ({error})") from error
    expected = {list: "a list", dict: "an object"}[kind]
    require(isinstance(value, kind), f"metadata {field}", expected, type(value).__name__)
    return value


def _to_fraction(value: dict[str, Any]) -> Any:
    """Return the fraction that a JSON object encodes, or any other object unchanged."""
    if value.get("_type") != "fraction":
        return value
    above, below = value.get("numerator"), value.get("denominator")
    if type(above) is not int or type(below) is not int or below == 0:
        raise InputError(f"a fraction must be of two whole numbers, the second not 0, not {str(value)[:120]}")
    return fractions.Fraction(above, below)
