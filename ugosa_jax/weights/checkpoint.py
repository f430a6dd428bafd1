"""A network with its parameters, the native safetensors file, and deltas of adapted layers."""

import contextlib
import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from ugosa_jax import files
from ugosa_jax.errors import InputError, error_context, require
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.networks.htdemucs.architecture import HTDemucs
from ugosa_jax.networks.protocol import Architecture, Params, describe, list_stored_fields
from ugosa_jax.networks.spleeter import Spleeter
from ugosa_jax.networks.tree import compare_shapes, flatten, infer_shapes, unflatten, verify

WEIGHTS_FORMAT = "ugosa_jax weights 1"
DELTA_FORMAT = "ugosa_jax delta 1"
ARCHITECTURES: dict[str, type[Architecture]] = {kind.tag: kind for kind in (ConvTasNet, HTDemucs, Spleeter)}
"""The networks that weights can be for, by what files call them."""
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, repr=False)
class Checkpoint:
    """A network's architecture, its parameters, and where they came from.

    Raises:
      InputError: the parameters are not those of the architecture, or not all are finite.
    """

    architecture: Architecture
    params: Params
    provenance: dict[str, str] = dataclasses.field(default_factory=dict)
    name: str = dataclasses.field(default="", compare=False)
    """What it was loaded as: a name of `ugosa-jax weights list`, or that of its file."""

    def __repr__(self) -> str:
        return f"Checkpoint({describe_network(self, type(self.architecture).__name__)})"

    def __post_init__(self):
        verify(flatten(self.params), infer_shapes(self.architecture))

    @property
    def sources(self) -> tuple[str, ...]:
        """What the network separates a mixture into, in its order."""
        return self.architecture.sources

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of mixture and estimates."""
        return self.architecture.sample_rate_hz

    @property
    def channels(self) -> int:
        """Number of audio channels, C."""
        return self.architecture.channels

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Dotted path and shape of every parameter."""
        return infer_shapes(self.architecture)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of architecture and parameters in hexadecimal; independent of the provenance."""
        digest = hashlib.sha256(_config_json(self.architecture).encode())
        for path, leaf in sorted(flatten(self.params).items()):
            digest.update(f"{path}{leaf.shape}".encode())
            digest.update(leaf.astype("<f4").tobytes())
        return digest.hexdigest()


def save(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint as safetensors, with architecture and provenance as metadata.

    Raises:
      InputError: the file cannot be written.
    """
    metadata = {
        "format": WEIGHTS_FORMAT,
        "architecture": checkpoint.architecture.tag,
        "config": _config_json(checkpoint.architecture),
        "provenance": json.dumps(checkpoint.provenance, sort_keys=True),
    }
    _write(flatten(checkpoint.params), metadata, path)


def load(path: str | Path) -> Checkpoint:
    """Read a native file.

    Raises:
      InputError: no such file, or it is damaged, foreign or does not fit its own architecture.
    """
    with error_context(path), _opened(Path(path), WEIGHTS_FORMAT) as file:
        net = _net_from(file.metadata().get("architecture", "convtasnet"), _metadata(file, "config", dict[str, Any]))
        compare_shapes(_stored_shapes(file), infer_shapes(net))
        return Checkpoint(net, unflatten(_tensors(file)), _metadata(file, "provenance", dict[str, str]))


def describe_network(net: Any, kind: str) -> str:
    """Return in a line what weights are, be it one network or several."""
    millions = sum(math.prod(shape) for shape in net.shapes.values()) / 1e6
    size = f"{millions:.1f} M parameters" if millions >= 0.05 else f"{1e6 * millions:.0f} parameters"
    said = [kind, size, " ".join(net.sources), f"{net.sample_rate_hz / 1000:g} kHz"]
    return ", ".join(said + [repr(net.name)] * bool(net.name))


class Base(Protocol):
    """Weights that a delta belongs to: one network, or a bag of them."""

    @property
    def fingerprint(self) -> str:
        """What they are known by."""
        ...

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Dotted path and shape of every parameter."""
        ...


def save_delta(tuned: dict[str, Any], base: Base, path: str | Path, metadata: dict[str, str]) -> None:
    """Write adapted parameters alone, tied to the weights they were adapted from.

    Args:
      tuned: the adapted leaves, nested as in `base`.
      base: what they were adapted from.
      path: file to write.
      metadata: what the reader should know about the adaptation.

    Raises:
      InputError: a leaf that `base` does not have, or not with this shape; or the file cannot be written.
    """
    leaves = flatten(tuned)
    verify(leaves, _subset(leaves, base))
    about = json.dumps(metadata, sort_keys=True)
    _write(leaves, {"format": DELTA_FORMAT, "base": base.fingerprint, "metadata": about}, path)


def load_delta(path: str | Path, base: Base) -> dict[str, Any]:
    """Return the adapted parameters of a delta; `networks.tree.merge` puts them into those of `base`.

    Raises:
      InputError: the file is damaged or not a delta, or was made from other weights than `base`.
    """
    with error_context(path), _opened(Path(path), DELTA_FORMAT) as file:
        made_from = file.metadata().get("base", "")
        require(made_from == base.fingerprint, "base weights", base.fingerprint[:12], made_from[:12])
        compare_shapes(stored := _stored_shapes(file), _subset(stored, base))
        leaves = _tensors(file)
        verify(leaves, _subset(leaves, base))
        return unflatten(leaves)


def read_delta_metadata(path: str | Path) -> dict[str, str]:
    """Return what is known of the adaptation that a delta came from.

    Raises:
      InputError: the file is damaged or not a delta.
    """
    with error_context(path), _opened(Path(path), DELTA_FORMAT) as file:
        return _metadata(file, "metadata", dict[str, str])


def source_names(names: object) -> tuple[str, ...]:
    """Return the names of sources if they can become file names.

    Raises:
      InputError: not a list of names, or one that could leave the folder it is written to.
    """
    require(isinstance(names, list | tuple), "sources", "a list of names", type(names).__name__)
    for name in names:  # pyright: ignore[reportGeneralTypeIssues]
        plain = isinstance(name, str) and re.fullmatch(r"\w[\w +&-]{0,63}", name)
        require(bool(plain), "source name", "letters, digits, spaces or + & - _, up to 64", str(name)[:64])
    return tuple(names)  # pyright: ignore[reportArgumentType]


def _write(leaves: Mapping[str, np.ndarray], metadata: dict[str, str], path: str | Path) -> None:
    # safetensors writes an array's memory as it lies, so transposed views need a copy in C order.
    tensors = {name: np.array(leaf, np.float32, order="C") for name, leaf in leaves.items()}
    with files.replaced_when_done(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(tensors, metadata))


def _subset(paths: Container[str], base: Base) -> dict[str, tuple[int, ...]]:
    return {path: shape for path, shape in base.shapes.items() if path in paths}


@contextlib.contextmanager
def _opened(path: Path, expected: str) -> Iterator[Any]:
    try:
        with safetensors.safe_open(path, framework="np") as file:
            found = (file.metadata() or {}).get("format")
            require(found == expected, "metadata format", repr(expected), found)
            yield file
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})") from error
    except safetensors.SafetensorError as error:
        raise InputError(f"damaged, or not a safetensors file ({error})") from error


def _stored_shapes(file: Any) -> dict[str, tuple[int, ...]]:
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
    for name, part in slices.items():
        require(part.get_dtype() == "F32", name, "float32", part.get_dtype())
    return {name: tuple(part.get_shape()) for name, part in slices.items()}


def _tensors(file: Any) -> dict[str, np.ndarray]:
    return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _metadata(file: Any, field: str, kind: type[T]) -> T:
    with error_context(f"metadata {field}"):
        return files.decode(file.metadata().get(field, ""), kind)


def _config_json(net: Architecture) -> str:
    return json.dumps(describe(net), sort_keys=True)


def _net_from(tag: str, values: dict[str, Any]) -> Architecture:
    known = ARCHITECTURES.get(tag)
    if known is None:
        raise InputError(f"metadata architecture must be one of {', '.join(ARCHITECTURES)}, not {tag[:40]!r}")
    fields = list_stored_fields(known)
    require(values.keys() == set(fields), "metadata config", f"the fields {', '.join(fields)}", sorted(values))
    source_names(values["sources"])
    try:
        return msgspec.convert(values, known)
    except msgspec.ValidationError as error:
        raise InputError(f"metadata config: {error}") from error
