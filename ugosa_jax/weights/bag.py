"""A bag: several networks of one architecture, whose estimates are averaged with weights for every source.

The usual bag holds one specialist a source. On disk it is a folder with the description that demucs writes, in YAML,

    models: [f7e0c4bc, d12395a8]
    weights: [[1, 0], [0, 1]]    # a row a model, a column a source; all 1 if not given

and a file of weights for every model, named after it.
"""

import dataclasses
import hashlib
import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from ugosa_jax.errors import require
from ugosa_jax.networks.protocol import Architecture, Params
from ugosa_jax.weights.checkpoint import Checkpoint, describe_network
from ugosa_jax.weights.description import check_fields, check_names


@dataclasses.dataclass(frozen=True, repr=False)
class Bag:
    """Networks by name, and how much the estimate of each counts for every source.

    Raises:
      InputError: the networks are of different architectures, or the weights do not fit them.
    """

    members: Mapping[str, Checkpoint]
    weights_MxS: tuple[tuple[float, ...], ...]
    name: str = dataclasses.field(default="", compare=False)
    """What it was loaded as."""

    def __repr__(self) -> str:
        return f"Bag({len(self.members)} networks, {describe_network(self, type(self.architecture).__name__)})"

    def __post_init__(self):
        require(bool(self.members), "models", "at least one", "none")
        for name, member in self.members.items():
            same = member.architecture == self.architecture
            require(same, f"model {name}", f"of the architecture of {next(iter(self.members))}", "another one")
        shape = len(self.members), len(self.sources)
        rows = self.weights_MxS
        fits = len(rows) == shape[0] and all(len(row) == shape[1] for row in rows)
        require(fits, "weights", f"{shape[0]} rows of {shape[1]} numbers: a row a model, a column a source", rows)
        for source, column in zip(self.sources, zip(*rows, strict=True), strict=True):
            usable = all(0 <= weight < math.inf for weight in column) and sum(column) > 0
            require(usable, f"weights of {source}", "at least 0, and not all 0", column)

    @property
    def architecture(self) -> Architecture:
        """What all members are."""
        return next(iter(self.members.values())).architecture

    @property
    def sources(self) -> tuple[str, ...]:
        """What the bag separates a mixture into, in its order."""
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
    def params(self) -> Params:
        """The members' parameters, by member."""
        return {name: member.params for name, member in self.members.items()}

    @property
    def provenance(self) -> dict[str, str]:
        """Where the members came from."""
        each = self.members.items()
        return {f"{name}: {what}": said for name, member in each for what, said in member.provenance.items()}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the members' fingerprints and of the weights, in hexadecimal."""
        digest = hashlib.sha256(json.dumps(self.weights_MxS).encode())
        for member in self.members.values():
            digest.update(member.fingerprint.encode())
        return digest.hexdigest()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Dotted path, from the member's name on, and shape of every parameter."""
        return {f"{name}.{path}": s for name, member in self.members.items() for path, s in member.shapes.items()}


class Description(NamedTuple):
    """What a bag's YAML says: names of models, and a row of weights for each, if there are any."""

    models: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...] | None


def describe(said: dict[str, Any]) -> Description:
    """Return what the fields of a bag's YAML say; a demucs bag may also name a segment, which `chunk_s` says here.

    Raises:
      InputError: they do not name models.
    """
    check_fields(said, "a bag", ("models", "weights", "segment"))
    names, rows = check_names("models", said.get("models")), said.get("weights")
    if rows is None:
        return Description(names, None)
    require(_are_rows(rows), "weights", "a list of rows of numbers", reprlib.repr(rows)[:100])
    return Description(names, tuple(tuple(map(float, row)) for row in rows))


def description(models: Sequence[str], weights: Sequence[Sequence[float]]) -> str:
    """Return what `describe` reads."""
    return yaml.safe_dump({"models": list(models), "weights": [list(row) for row in weights]}, sort_keys=False)


def _are_rows(rows: Any) -> bool:
    lists = isinstance(rows, list) and all(isinstance(row, list) for row in rows)
    return lists and all(type(weight) in (int, float) for row in rows for weight in row)


def gather(members: Mapping[str, Checkpoint], said: Description) -> Bag:
    """Return the bag of a description and its members; without weights all count alike.

    Raises:
      InputError: they do not fit each other.
    """
    sources = next(iter(members.values())).sources
    return Bag(members, said.weights or ((1.0,) * len(sources),) * len(members))
