"""A chain: networks in sequence, each of which takes its sources from the rest that the previous ones leave.

For example, Spleeter takes the vocals from the mixture, and `mini` takes drums, bass and other from the rest. Every
network except the last has a remainder, the source that stands for all sound that it does not take, such as Spleeter's
"accompaniment". The next network does not get the estimate of the remainder, but the mixture minus the sources that
were taken, so that no sound is lost.

- A network takes all its sources except its remainder and the sources that a previous network has taken.
- The sources of the chain are those that only previous networks have, followed by those of the last network.

On disk, a chain is a YAML file beside the files of its networks,

    chain: [spleeter, mini]
    leaves: [accompaniment]    # one for each network except the last; not needed if it is one of `REMAINDERS`
"""

import dataclasses
import functools
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ugosa_jax.errors import InputError, require
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.checkpoint import Checkpoint, describe_network
from ugosa_jax.weights.description import check_fields, check_names
from ugosa_jax.weights.group import Group

REMAINDERS = ("accompaniment", "instrumental", "rest", "other")
"""Names of remainders: by default, the remainder of a network is the first of these that it has."""
Member = Checkpoint | Bag
"""A member of a chain: one network, or a bag of them."""


class Link(NamedTuple):
    """A network's place in a chain.

    Attributes:
      name: name of the network.
      network: the network.
      takes: the sources that the chain takes from this network's estimates.
      parts: for each source of the network, the sources of the chain that it is the sum of; none if a previous network
        has taken it.
    """

    name: str
    network: Member
    takes: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True, repr=False)
class Chain(Group[Member]):
    """Networks in running order, each of which separates the rest that the previous ones leave.

    Attributes:
      remainders: the source of each network, except the last, that stands for the input of the next one.

    Raises:
      InputError: the networks do not fit each other, or one of them has nothing to take.
    """

    remainders: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Chain({describe_network(self, ' → '.join(self.members))})"

    def __post_init__(self):
        require(len(self.members) > 1, "a chain", "of two networks or more", len(self.members))
        n_left = len(self.members) - 1
        require(
            len(self.remainders) == n_left,
            "leaves",
            f"{n_left} sources, one of each network but the last",
            self.remainders,
        )
        for name, member in self.members.items():
            for field in ("sample_rate_hz", "channels"):
                expected, value = getattr(self, field), getattr(member, field)
                first = next(iter(self.members))
                require(value == expected, f"{name}: {field}", f"{expected}, as that of {first}", value)
        for (name, member), left in zip(self.members.items(), self.remainders, strict=False):
            require(left in member.sources, f"leaves: {name}", f"one of {', '.join(member.sources)}", left)
        _check_takes(self.links)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that a mixture is separated into, in order."""
        *before, last = self.members.values()
        earlier = dict.fromkeys(source for link in self.links[: len(before)] for source in link.takes)
        return (*(source for source in earlier if source not in last.sources), *last.sources)

    @functools.cached_property
    def links(self) -> tuple[Link, ...]:
        """The networks in running order, each with its place in the chain."""
        taken: dict[str, str] = {}
        for (name, member), left in zip(self.members.items(), (*self.remainders, None), strict=True):
            taken |= {source: name for source in member.sources if source != left and source not in taken}
        names, links = [*self.members], []
        for i, (name, member) in enumerate(self.members.items()):
            later = tuple(source for source, by in taken.items() if by in names[i + 1 :])
            takes = tuple(source for source in member.sources if taken.get(source) == name)
            parts: dict[str, tuple[str, ...]] = {
                source: (source,) if source in takes else () for source in member.sources
            }
            if i < len(self.remainders):
                parts[self.remainders[i]] = later
            links.append(Link(name, member, takes, parts))
        return tuple(links)

    @property
    def arrangement(self) -> Any:
        """The remainders of the networks."""
        return ["chain", *self.remainders]


def _check_takes(links: Sequence[Link]) -> None:
    """Raise InputError if a network has nothing to take, or two sources differ only in capitals."""
    for link in links:
        least = 2 if link is links[-1] else 1  # with one source, the last network would have nothing to separate
        if len(link.takes) < least:
            known = ", ".join(link.takes) or "nothing"
            raise InputError(f"{link.name}: has nothing to separate: of the sources in its input, it knows {known}")
    seen: dict[str, tuple[str, str]] = {}
    for link in links:
        for source in link.takes:
            other, by = seen.setdefault(source.casefold(), (source, link.name))
            if other != source:
                raise InputError(f"sources {other} of {by} and {source} of {link.name} have one name")


def name_members(parts: Sequence[str]) -> dict[str, str]:
    """Return a dict from the names of networks in a chain to the given names or files; a file is named after its stem.

    Raises:
      InputError: two of them have the same name.
    """
    names = [re.sub(r"[^\w-]+", "-", Path(part).stem) for part in parts]
    require(len(set(names)) == len(names), "a chain", "of networks of different names", "+".join(parts))
    return dict(zip(names, parts, strict=True))


def parse_description(fields: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Return the names of the networks in a chain's YAML file, and their remainders, or None if it lists none.

    Raises:
      InputError: the fields are not those of a chain.
    """
    check_fields(fields, "a chain", ("chain", "leaves"))
    names, leaves = check_names("chain", fields.get("chain")), fields.get("leaves")
    if leaves is None:
        return names, None
    is_list = isinstance(leaves, list) and all(isinstance(source, str) for source in leaves)
    require(is_list, "leaves", "a list of sources", reprlib.repr(leaves)[:100])
    return names, tuple(leaves)


def build_chain(members: Mapping[str, Member], leaves: Sequence[str] | None = None) -> Chain:
    """Return a chain of networks; by default, the remainder of each is the first of `REMAINDERS` that it has.

    Raises:
      InputError: the networks do not fit each other, or one of them has none of `REMAINDERS`.
    """
    if leaves is None:
        leaves = [find_remainder(name, member.sources) for name, member in [*members.items()][:-1]]
    return Chain(members, tuple(leaves))


def find_remainder(name: str, sources: Sequence[str]) -> str:
    """Return the first of `REMAINDERS` among the sources of a network.

    Raises:
      InputError: there is none; the message includes the network's `name`.
    """
    for remainder in REMAINDERS:
        if remainder in sources:
            return remainder
    listed, known = ", ".join(sources), ", ".join(REMAINDERS)
    raise InputError(f"{name}: leaves nothing to the next network: none of its sources ({listed}) is called {known}")
