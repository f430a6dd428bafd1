"""Plans: the strategy of a network or bag, or of each network of a chain.

"B0+R-L3:M" names the strategies of a chain's networks in order. A single name, "R-L3:M", applies to all networks that
have these stages; the others are not adapted.
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
"""Name of the network or bag if it is not in a chain."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """The strategies of the networks of a chain, by name, or of the only network."""

    name: str
    """The shortest name that parses to this plan; B0 if nothing is tuned."""
    strategies: dict[str, Strategy]

    @property
    def tuned(self) -> tuple[str, ...]:
        """Names of the networks that are adapted."""
        return tuple(name for name, each in self.strategies.items() if each.tuned)

    @property
    def losses(self) -> set[str]:
        """Losses of the networks that are adapted: P, B, R."""
        return {each.loss for each in self.strategies.values() if each.tuned}

    @property
    def needs_annotation(self) -> bool:
        """Whether any loss uses annotated silence."""
        return bool(self.losses - {"B"})


def parse(name: str | None, weights: Weights) -> Plan:
    """Return the plan named, for example, "P-L3:M", "B0" or "B0+R-L3:M"; the networks' defaults if `name` is None.

    Raises:
      InputError: there is no such strategy, or these networks lack it.
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
        raise InputError(f"strategy {name!r} must be one strategy, or one for each network, joined with +: {listed}")
    found = {}
    for (network, member), part in zip(weights.members.items(), parts, strict=True):
        try:
            found[network] = strategy.parse(part, member.architecture)
        except InputError as error:
            raise InputError(f"{network}: {error}") from error
    return Plan(_shorten_name(found, weights), found)


def _parse_where_known(name: str | None, chain: Chain) -> dict[str, Strategy]:
    """Return the strategy of each network: the named one if the network has its stages, else B0."""
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
    """Return a single name if it parses to the same strategies, else the names of all networks."""
    tuned = {each.name for each in found.values() if each.tuned}
    name = tuned.pop() if len(tuned) == 1 else UNADAPTED
    if not tuned and _parse_where_known(name, chain) == found:
        return name
    return "+".join(each.name for each in found.values())


def split_settings(weights: Weights, settings: AdaptConfig) -> dict[str, AdaptConfig]:
    """Return the settings of each network by name; they differ in strategy and segment length.

    Raises:
      InputError: as `strategy.fill_defaults` and `parse`.
    """
    plan = parse(settings.strategy, weights)
    networks: dict[str, Member] = {ALONE: weights} if not isinstance(weights, Chain) else dict(weights.members)
    return {name: _fill_member_defaults(networks[name], settings, its) for name, its in plan.strategies.items()}


def _fill_member_defaults(network: Member, settings: AdaptConfig, its: Strategy) -> AdaptConfig:
    if not its.tuned:  # it does not train, so it need not support the precision
        settings = dataclasses.replace(settings, precision="float32")
    return strategy.fill_defaults(dataclasses.replace(settings, strategy=its.name), network.architecture)


def fill_defaults(settings: AdaptConfig, weights: Weights) -> AdaptConfig:
    """Return settings with the networks' defaults in place of None.

    The segment length stays None if the adapted networks of a chain have different defaults.

    Raises:
      InputError: as `split_settings`.
    """
    each, plan = split_settings(weights, settings), parse(settings.strategy, weights)
    lengths_s = {each[name].segment_s for name in plan.tuned or each}
    segment_s = lengths_s.pop() if len(lengths_s) == 1 else None
    return dataclasses.replace(settings, strategy=plan.name, segment_s=segment_s)
