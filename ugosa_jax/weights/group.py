"""The base class of bags and chains: several named networks with the same sample rate and channels."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from ugosa_jax.networks.protocol import Params
from ugosa_jax.weights.checkpoint import Checkpoint

MemberT = TypeVar("MemberT", bound="Checkpoint | Group")


@dataclasses.dataclass(frozen=True, repr=False)
class Group(Generic[MemberT]):
    """Several networks by name.

    Attributes:
      members: the networks; all have the sample rate and the channels of the first.
      name: the name or file that the group was loaded from.
    """

    members: Mapping[str, MemberT]
    name: str = dataclasses.field(default="", compare=False, kw_only=True)

    @property
    def arrangement(self) -> Any:
        """The data, besides the members, that the group consists of, as JSON for the fingerprint."""
        raise NotImplementedError

    @property
    def first(self) -> MemberT:
        """The first member."""
        return next(iter(self.members.values()))

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of mixture and estimates."""
        return self.first.sample_rate_hz

    @property
    def channels(self) -> int:
        """Number of audio channels, C."""
        return self.first.channels

    @property
    def params(self) -> Params:
        """The parameters of all members, by the member's name."""
        return {name: member.params for name, member in self.members.items()}

    @property
    def provenance(self) -> dict[str, str]:
        """The provenance of all members; the keys begin with the member's name."""
        each = self.members.items()
        return {f"{name}: {key}": value for name, member in each for key, value in member.provenance.items()}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the arrangement and of the members' fingerprints, in hexadecimal."""
        digest = hashlib.sha256(json.dumps(self.arrangement).encode())
        for member in self.members.values():
            digest.update(member.fingerprint.encode())
        return digest.hexdigest()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Dotted path, which begins with the member's name, and shape of every parameter."""
        return {f"{name}.{path}": s for name, member in self.members.items() for path, s in member.shapes.items()}
