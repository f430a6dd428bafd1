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
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ugosa_jax.errors import InputError, error_context, require
from ugosa_jax.networks.protocol import Architecture, Params
from ugosa_jax.weights.checkpoint import Checkpoint, describe_network

MAX_MEMBERS = 100


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
        return f"Bag({len(self.members)} networks, {describe_network(self)})"

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


Weights = Checkpoint | Bag
"""What can be adapted, and separates: one network or several."""


def members_of(weights: Weights) -> Mapping[str, Checkpoint]:
    """Return the networks that there are, by name; the only one of a checkpoint has none."""
    return weights.members if isinstance(weights, Bag) else {"": weights}


def with_params(weights: Weights, params: Params) -> Weights:
    """Return the same networks with other parameters, shaped as `weights.params`."""
    if isinstance(weights, Checkpoint):
        return dataclasses.replace(weights, params=params)
    members = {name: dataclasses.replace(of, params=params[name]) for name, of in weights.members.items()}
    return dataclasses.replace(weights, members=members)


class Description(NamedTuple):
    """What a bag's YAML says: names of models, and a row of weights for each, if there are any."""

    models: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...] | None


def describe(path: Path) -> Description:
    """Read a bag's description; a demucs bag may also name a segment, which `chunk_s` says here.

    Raises:
      InputError: it cannot be read, or does not name models.
    """
    with error_context(path):
        try:
            said = yaml.safe_load(path.read_text("utf-8"))
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror or error})") from error
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:  # odd scalars
            raise InputError(f"is not YAML ({' '.join(str(error).split())[:120]})") from error
        require(isinstance(said, dict), "a bag", "models: [...], weights: [...]", type(said).__name__)
        unknown = [str(field)[:40] for field in said if field not in ("models", "weights", "segment")]
        require(not unknown, "fields of a bag", "models, weights, segment", ", ".join(unknown))
        names, rows = said.get("models"), said.get("weights")
        require(_are_names(names), "models", "a list of different names", reprlib.repr(names))
        if rows is None:
            return Description(tuple(names), None)
        require(_are_rows(rows), "weights", "a list of rows of numbers", reprlib.repr(rows))
        return Description(tuple(names), tuple(tuple(map(float, row)) for row in rows))


def description(models: Sequence[str], weights: Sequence[Sequence[float]]) -> str:
    """Return what `describe` reads."""
    return yaml.safe_dump({"models": list(models), "weights": [list(row) for row in weights]}, sort_keys=False)


def _are_names(names: Any) -> bool:
    few = isinstance(names, list) and 1 <= len(names) <= MAX_MEMBERS
    plain = few and all(isinstance(name, str) and re.fullmatch(r"\w[\w-]{0,63}", name) for name in names)
    return plain and len(set(names)) == len(names)


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
