"""What is tuned of weights: one strategy for a network or a bag, and for a chain one for each of its networks.

"B0+R-L3:M" names the strategies of a chain's networks in their order. A single name, "R-L3:M", holds for all networks
that have these stages; the others are not adapted.
"""

import dataclasses

from ugosa_jax.adaptation import strategy
from ugosa_jax.adaptation.strategy import Strategy
from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError
from ugosa_jax.weights.chain import Chain, Member
from ugosa_jax.weights.weights import Weights

UNADAPTED = "B0"
ALONE = ""
"""Name of the only network of weights that are no chain."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """The strategies of the networks of a chain by name, or of the only network."""

    name: str
    """As the user writes it, and as short as can be; B0 if nothing is tuned."""
    strategies: dict[str, Strategy]

    @property
    def tuned(self) -> tuple[str, ...]:
        """Names of the networks that are adapted."""
        return tuple(name for name, each in self.strategies.items() if each.tuned)

    @property
    def losses(self) -> set[str]:
        """The losses in use: P, B, R."""
        return {each.loss for each in self.strategies.values() if each.tuned}

    @property
    def needs_annotation(self) -> bool:
        """Whether a network learns from annotated silence."""
        return bool(self.losses - {"B"})


def parse(name: str | None, weights: Weights) -> Plan:
    """Return the plan of a name such as "P-L3:M", "B0" or "B0+R-L3:M"; the networks' own defaults if there is none.

    Raises:
      InputError: no such strategy, or not for these networks.
    """
    if not isinstance(weights, Chain):
        found = strategy.parse(name, weights.architecture)
        return Plan(found.name, {ALONE: found})
    parts = [None] * len(weights.members) if name is None else name.split("+")
    if len(parts) == 1:
        found = _parse_where_known(parts[0], weights)
        return Plan(_shorten_name(found, weights), found)
    if len(parts) != len(weights.members):
        listed = ", ".join(weights.members)
        raise InputError(f"strategy {name!r} must be one, or one with + between them for each network: {listed}")
    found = {}
    for (network, member), part in zip(weights.members.items(), parts, strict=True):
        try:
            found[network] = strategy.parse(part, member.architecture)
        except InputError as error:
            raise InputError(f"{network}: {error}") from error
    return Plan(_shorten_name(found, weights), found)


def _parse_where_known(name: str | None, chain: Chain) -> dict[str, Strategy]:
    """Return the strategy of each network: the one that is named where its stages are known, B0 elsewhere."""
    found, refusals = {}, []
    for network, member in chain.members.items():
        try:
            found[network] = strategy.parse(name, member.architecture)
        except InputError as error:
            refusals.append(f"{network}: {error}")
            found[network] = strategy.parse(UNADAPTED, member.architecture)
    if len(refusals) == len(found):
        raise InputError("; ".join(refusals))
    return found


def _shorten_name(found: dict[str, Strategy], chain: Chain) -> str:
    """Return a single name if that means the same for a chain, and else that of each network."""
    tuned = {each.name for each in found.values() if each.tuned}
    name = tuned.pop() if len(tuned) == 1 else UNADAPTED
    if not tuned and _parse_where_known(name, chain) == found:
        return name
    return "+".join(each.name for each in found.values())


def split_settings(weights: Weights, settings: AdaptConfig) -> dict[str, AdaptConfig]:
    """Return the settings of each network by name: all alike, but for its own strategy and length of segments.

    Raises:
      InputError: as `strategy.fill_defaults` and `parse`.
    """
    plan = parse(settings.strategy, weights)
    networks: dict[str, Member] = {ALONE: weights} if not isinstance(weights, Chain) else dict(weights.members)
    return {name: _fill_member_defaults(networks[name], settings, its) for name, its in plan.strategies.items()}


def _fill_member_defaults(network: Member, settings: AdaptConfig, its: Strategy) -> AdaptConfig:
    if not its.tuned:  # what it cannot do is not asked of it
        settings = dataclasses.replace(settings, precision="float32")
    return strategy.fill_defaults(dataclasses.replace(settings, strategy=its.name), network.architecture)


def fill_defaults(settings: AdaptConfig, weights: Weights) -> AdaptConfig:
    """Return settings in which the networks' own defaults stand where nothing was said.

    The length of segments stays open where the adapted networks of a chain have different ones.

    Raises:
      InputError: as `split_settings`.
    """
    each, plan = split_settings(weights, settings), parse(settings.strategy, weights)
    lengths_s = {each[name].segment_s for name in plan.tuned or each}
    segment_s = lengths_s.pop() if len(lengths_s) == 1 else None
    return dataclasses.replace(settings, strategy=plan.name, segment_s=segment_s)
