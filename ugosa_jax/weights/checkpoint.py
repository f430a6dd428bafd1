"""A network with its parameters, and the native file format, safetensors."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ugosa_jax.errors import InputError, require
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.networks.htdemucs.architecture import HTDemucs
from ugosa_jax.networks.protocol import Architecture, Params, describe, list_stored_fields
from ugosa_jax.networks.spleeter import Spleeter
from ugosa_jax.networks.tree import compare_shapes, flatten, infer_shapes, unflatten, verify
from ugosa_jax.weights import safetensors_file

FORMAT = "ugosa_jax weights 1"
ARCHITECTURES: dict[str, type[Architecture]] = {kind.tag: kind for kind in (ConvTasNet, HTDemucs, Spleeter)}
"""The architectures by their tags in files."""


@dataclasses.dataclass(frozen=True, repr=False)
class Checkpoint:
    """A network: its architecture, its parameters, and their provenance.

    Raises:
      InputError: the parameters are not those of the architecture, or not all are finite.
    """

    architecture: Architecture
    params: Params
    provenance: dict[str, str] = dataclasses.field(default_factory=dict)
    name: str = dataclasses.field(default="", compare=False)
    """The name or path that it was loaded from."""

    def __repr__(self) -> str:
        return f"Checkpoint({describe_network(self, type(self.architecture).__name__)})"

    def __post_init__(self):
        verify(flatten(self.params), infer_shapes(self.architecture))

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that a mixture is separated into, in order."""
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
        """SHA-256 of architecture and parameters, without the provenance, in hexadecimal."""
        digest = hashlib.sha256(_to_json(self.architecture).encode())
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
        "format": FORMAT,
        "architecture": checkpoint.architecture.tag,
        "config": _to_json(checkpoint.architecture),
        "provenance": json.dumps(checkpoint.provenance, sort_keys=True),
    }
    safetensors_file.write(flatten(checkpoint.params), metadata, path)


def load(path: str | Path) -> Checkpoint:
    """Read a native file.

    Raises:
      InputError: there is no such file, or it is damaged, of another kind, or does not fit its own architecture.
    """
    with safetensors_file.open_safetensors(path) as file:
        safetensors_file.check_format(file, FORMAT)
        tag = file.metadata().get("architecture", "convtasnet")
        net = _build_architecture(tag, safetensors_file.read_metadata(file, "config", dict[str, Any]))
        compare_shapes(safetensors_file.read_shapes(file), infer_shapes(net))
        provenance = safetensors_file.read_metadata(file, "provenance", dict[str, str])
        return Checkpoint(net, unflatten(safetensors_file.read_tensors(file)), provenance)


def describe_network(net: Any, kind: str) -> str:
    """Return one line about weights: kind, size, sources, sample rate, name."""
    millions = sum(math.prod(shape) for shape in net.shapes.values()) / 1e6
    size = f"{millions:.1f} M parameters" if millions >= 0.05 else f"{1e6 * millions:.0f} parameters"
    parts = [kind, size, " ".join(net.sources), f"{net.sample_rate_hz / 1000:g} kHz"]
    return ", ".join(parts + [repr(net.name)] * bool(net.name))


def check_source_names(names: object) -> tuple[str, ...]:
    """Return names of sources as a tuple, after checking that they are safe file names.

    Raises:
      InputError: the argument is not a list of names, or a name could lead out of the folder of the stems.
    """
    require(isinstance(names, list | tuple), "sources", "a list of names", type(names).__name__)
    for name in names:  # pyright: ignore[reportGeneralTypeIssues]
        is_safe = isinstance(name, str) and re.fullmatch(r"\w[\w +&-]{0,63}", name)
        require(bool(is_safe), "source name", "letters, digits, spaces or + & - _, up to 64", str(name)[:64])
    return tuple(names)  # pyright: ignore[reportArgumentType]


def _to_json(net: Architecture) -> str:
    return json.dumps(describe(net), sort_keys=True)


def _build_architecture(tag: str, values: dict[str, Any]) -> Architecture:
    known = ARCHITECTURES.get(tag)
    if known is None:
        raise InputError(f"metadata architecture must be one of {', '.join(ARCHITECTURES)}, not {tag[:40]!r}")
    fields = list_stored_fields(known)
    require(values.keys() == set(fields), "metadata config", f"the fields {', '.join(fields)}", sorted(values))
    check_source_names(values["sources"])
    try:
        return msgspec.convert(values, known)
    except msgspec.ValidationError as error:
        raise InputError(f"metadata config: {error}") from error
