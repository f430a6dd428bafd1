"""A chain: networks one after the other, of which each takes its sources out of what those before it left.

Spleeter takes the vocals out of the mixture, `mini` takes drums, bass and other out of what remains. Every network but
the last leaves one of its sources, the one that stands for all that it does not name: its "accompaniment". What is
handed on is not its estimate of that source but the mixture minus the sources that it took, so that nothing is lost.

The rules of names:

- A network takes all its sources but the one that it leaves, and but those that one before it has taken.
- The chain's sources are those of the last network in its order, after those that only earlier ones have.

On disk a chain is a YAML file beside the files of its networks,

    chain: [spleeter, mini]
    leaves: [accompaniment]    # a source of each network but the last; `REMAINDERS` are recognised without
"""

import dataclasses
import functools
import hashlib
import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ugosa_jax.errors import InputError, require
from ugosa_jax.networks.protocol import Params
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.checkpoint import Checkpoint, describe_network
from ugosa_jax.weights.description import check_fields, check_names

REMAINDERS = ("accompaniment", "instrumental", "rest", "other")
"""Names of the source that a network leaves, if nothing else is said: the first of these that it has."""
Member = Checkpoint | Bag
"""What a chain consists of: one network, or a bag of them."""


class Link(NamedTuple):
    """A network's place in a chain.

    Attributes:
      name: of the network.
      network: the network itself.
      takes: those of its sources that are sources of the chain.
      parts: for each of its sources, the sources of the chain that it is the sum of. A source that was taken before
        has none.
    """

    name: str
    network: Member
    takes: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True, repr=False)
class Chain:
    """Networks by name, in running order, and the source that each but the last leaves to those behind it.

    Raises:
      InputError: the networks do not fit each other, or one of them has nothing to take.
    """

    members: Mapping[str, Member]
    leaves: tuple[str, ...]
    name: str = dataclasses.field(default="", compare=False)
    """What it was loaded as."""

    def __repr__(self) -> str:
        return f"Chain({describe_network(self, ' → '.join(self.members))})"

    def __post_init__(self):
        require(len(self.members) > 1, "a chain", "of two networks or more", len(self.members))
        n_left = len(self.members) - 1
        require(
            len(self.leaves) == n_left, "leaves", f"{n_left} sources, one of each network but the last", self.leaves
        )
        for name, member in self.members.items():
            for what in ("sample_rate_hz", "channels"):
                of_first, own = (getattr(of, what) for of in (self, member))
                require(own == of_first, f"{name}: {what}", f"{of_first}, as that of {next(iter(self.members))}", own)
        for (name, member), left in zip(self.members.items(), self.leaves, strict=False):
            require(left in member.sources, f"leaves: {name}", f"one of {', '.join(member.sources)}", left)
        _check_takes(self.links)

    @property
    def sources(self) -> tuple[str, ...]:
        """What the chain separates a mixture into, in its order."""
        *before, last = self.members.values()
        earlier = dict.fromkeys(source for link in self.links[: len(before)] for source in link.takes)
        return (*(source for source in earlier if source not in last.sources), *last.sources)

    @functools.cached_property
    def links(self) -> tuple[Link, ...]:
        """The networks in running order, each with its place in the chain."""
        taken: dict[str, str] = {}
        for (name, member), left in zip(self.members.items(), (*self.leaves, None), strict=True):
            taken |= {source: name for source in member.sources if source != left and source not in taken}
        names, links = [*self.members], []
        for i, (name, member) in enumerate(self.members.items()):
            later = tuple(source for source, by in taken.items() if by in names[i + 1 :])
            takes = tuple(source for source in member.sources if taken.get(source) == name)
            parts: dict[str, tuple[str, ...]] = {
                source: (source,) if source in takes else () for source in member.sources
            }
            if i < len(self.leaves):
                parts[self.leaves[i]] = later
            links.append(Link(name, member, takes, parts))
        return tuple(links)

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of mixture and estimates."""
        return next(iter(self.members.values())).sample_rate_hz

    @property
    def channels(self) -> int:
        """Number of audio channels, C."""
        return next(iter(self.members.values())).channels

    @property
    def params(self) -> Params:
        """The networks' parameters, by name."""
        return {name: member.params for name, member in self.members.items()}

    @property
    def provenance(self) -> dict[str, str]:
        """Where the networks came from."""
        each = self.members.items()
        return {f"{name}: {what}": said for name, member in each for what, said in member.provenance.items()}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the networks' fingerprints and of what they leave, in hexadecimal."""
        digest = hashlib.sha256(json.dumps(["chain", *self.leaves]).encode())
        for member in self.members.values():
            digest.update(member.fingerprint.encode())
        return digest.hexdigest()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Dotted path, from the network's name on, and shape of every parameter."""
        return {f"{name}.{path}": s for name, member in self.members.items() for path, s in member.shapes.items()}


def _check_takes(links: Sequence[Link]) -> None:
    """Refuse networks that have nothing to take, and sources that differ in capitals alone."""
    for link in links:
        wanted = 2 if link is links[-1] else 1  # what is left is one source already: the last one has to divide it
        if len(link.takes) < wanted:
            known = ", ".join(link.takes) or "nothing"
            raise InputError(f"{link.name}: has nothing to take apart: of what it hears it separates {known}")
    seen: dict[str, tuple[str, str]] = {}
    for link in links:
        for source in link.takes:
            other, by = seen.setdefault(source.casefold(), (source, link.name))
            if other != source:
                raise InputError(f"sources {other} of {by} and {source} of {link.name} have one name")


def name_members(parts: Sequence[str]) -> dict[str, str]:
    """Return names or files of networks by what they are called in a chain: a file by its stem.

    Raises:
      InputError: two of them are called the same.
    """
    names = [re.sub(r"[^\w-]+", "-", Path(part).stem) for part in parts]
    require(len(set(names)) == len(names), "a chain", "of networks of different names", "+".join(parts))
    return dict(zip(names, parts, strict=True))


def describe(said: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Return what the fields of a chain's YAML say: names of networks, and what they leave, if that is told.

    Raises:
      InputError: they do not name networks.
    """
    check_fields(said, "a chain", ("chain", "leaves"))
    names, leaves = check_names("chain", said.get("chain")), said.get("leaves")
    if leaves is None:
        return names, None
    is_list = isinstance(leaves, list) and all(isinstance(source, str) for source in leaves)
    require(is_list, "leaves", "a list of sources", reprlib.repr(leaves)[:100])
    return names, tuple(leaves)


def join(members: Mapping[str, Member], leaves: Sequence[str] | None = None) -> Chain:
    """Return the chain of networks; what each leaves goes by `REMAINDERS` if it is not given.

    Raises:
      InputError: they do not fit each other, or it is not clear what one of them leaves.
    """
    if leaves is None:
        leaves = [find_remainder(name, member.sources) for name, member in [*members.items()][:-1]]
    return Chain(members, tuple(leaves))


def find_remainder(name: str, sources: Sequence[str]) -> str:
    """Return the source of the network `name` that stands for all that it does not name.

    Raises:
      InputError: none of them does.
    """
    for remainder in REMAINDERS:
        if remainder in sources:
            return remainder
    listed, known = ", ".join(sources), ", ".join(REMAINDERS)
    raise InputError(f"{name}: leaves nothing to the next network: none of its sources ({listed}) is called {known}")
