"""A bag: several networks of one architecture, whose estimates are averaged with weights for every source.

Typically, each network of a bag is fine-tuned for one source. On disk, a bag is a folder with a YAML file in the format
of demucs,

    models: [f7e0c4bc, d12395a8]
    weights: [[1, 0], [0, 1]]    # one row per model, one column per source; all 1 if not given

and a file of weights for each model, with the model's name.
"""

import dataclasses
import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from ugosa_jax.errors import require
from ugosa_jax.networks.protocol import Architecture
from ugosa_jax.weights.checkpoint import Checkpoint, describe_network
from ugosa_jax.weights.description import check_fields, check_names
from ugosa_jax.weights.group import Group


@dataclasses.dataclass(frozen=True, repr=False)
class Bag(Group[Checkpoint]):
    """Networks of one architecture, whose estimates are averaged.

    Attributes:
      weights_MxS: weight of the estimate of each network for each source.

    Raises:
      InputError: the networks are of different architectures, or the weights do not fit them.
    """

    weights_MxS: tuple[tuple[float, ...], ...]

    def __repr__(self) -> str:
        return f"Bag({len(self.members)} networks, {describe_network(self, type(self.architecture).__name__)})"

    def __post_init__(self):
        require(bool(self.members), "models", "at least one", "none")
        for name, member in self.members.items():
            same = member.architecture == self.architecture
            require(same, f"model {name}", f"of the architecture of {next(iter(self.members))}", "another one")
        shape, rows = (len(self.members), len(self.sources)), self.weights_MxS
        fits = len(rows) == shape[0] and all(len(row) == shape[1] for row in rows)
        require(fits, "weights", f"{shape[0]} rows of {shape[1]} numbers, one for each model and source", rows)
        for source, column in zip(self.sources, zip(*rows, strict=True), strict=True):
            usable = all(0 <= weight < math.inf for weight in column) and sum(column) > 0
            require(usable, f"weights of {source}", "at least 0, and not all 0", column)

    @property
    def architecture(self) -> Architecture:
        """The architecture of all members."""
        return self.first.architecture

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that a mixture is separated into, in order."""
        return self.architecture.sources

    @property
    def arrangement(self) -> Any:
        """The weights."""
        return self.weights_MxS


class Description(NamedTuple):
    """Contents of a bag's YAML file: names of models, and a row of weights for each; None if all weights are equal."""

    models: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...] | None


def parse_description(fields: dict[str, Any]) -> Description:
    """Return the description in a bag's YAML file. The field `segment` of demucs is ignored; `chunk_s` replaces it.

    Raises:
      InputError: the fields are not those of a bag.
    """
    check_fields(fields, "a bag", ("models", "weights", "segment"))
    names, rows = check_names("models", fields.get("models")), fields.get("weights")
    if rows is None:
        return Description(names, None)
    require(_are_rows(rows), "weights", "a list of rows of numbers", reprlib.repr(rows)[:100])
    return Description(names, tuple(tuple(map(float, row)) for row in rows))


def format_description(models: Sequence[str], weights: Sequence[Sequence[float]]) -> str:
    """Return the YAML of a bag; `parse_description` reads its fields."""
    return yaml.safe_dump({"models": list(models), "weights": [list(row) for row in weights]}, sort_keys=False)


def _are_rows(rows: Any) -> bool:
    lists = isinstance(rows, list) and all(isinstance(row, list) for row in rows)
    return lists and all(type(weight) in (int, float) for row in rows for weight in row)


def build_bag(members: Mapping[str, Checkpoint], description: Description) -> Bag:
    """Return the bag of these members, with the weights of a description.

    Raises:
      InputError: the members do not fit each other or the weights.
    """
    sources = next(iter(members.values())).sources
    return Bag(members, description.weights or ((1.0,) * len(sources),) * len(members))
