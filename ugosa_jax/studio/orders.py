"""What a page asks for, checked before it waits in the queue."""

import dataclasses
from typing import Any

from ugosa_jax.config import AdaptConfig, SeparateConfig, require
from ugosa_jax.errors import InputError

KINDS = ("adapt", "separate", "suggest")
LEAST_S = 0.1
"""Shortest training segment, and shortest time between two: less is a slip of the pen."""
MAX_RATE, MAX_LAM = 1.0, 1e6
"""Far beyond all that has ever adapted anything."""


@dataclasses.dataclass(frozen=True)
class Order:
    """One job that can be done."""

    kind: str
    network: str
    adapt: AdaptConfig
    separate: SeparateConfig
    start: str


def parse(asked: dict[str, Any]) -> Order:
    """Return what a page asks for.

    Raises:
      InputError: something in it is unknown, or has a value that it cannot have.
    """
    kind, network, start = asked.get("kind", "adapt"), asked.get("network"), asked.get("start", "anew")
    require(kind in KINDS, "kind", "adapt, separate or suggest", kind)
    require(isinstance(network, str), "network", "a name", network)
    adapt = _settings(asked.get("adapt", {}), AdaptConfig)
    separate = _settings(asked.get("separate", {}), SeparateConfig)
    require(adapt.learning_rate <= MAX_RATE, "learning_rate", f"at most {MAX_RATE:g}", adapt.learning_rate)
    require(adapt.lam <= MAX_LAM, "lam", f"at most {MAX_LAM:g}", adapt.lam)
    for name in ("segment_s", "hop_s"):
        value = getattr(adapt, name)
        require(value is None or value >= LEAST_S, name, f"at least {LEAST_S}", value)
    return Order(str(kind), str(network), adapt, separate, str(start))


def check_network(order: Order, network: dict[str, Any] | None, duration_s: float) -> None:
    """Refuse an order that a network cannot do.

    Args:
      order: what is asked for.
      network: what the worker tells of it; None if it has no network of that name.
      duration_s: length of the song.

    Raises:
      InputError: it is not there, or its strategies or the song's length do not fit.
    """
    require(network is not None and "error" not in network, "network", "one of those that are there", order.network)
    plans, strategy = (network or {}).get("strategies", ()), order.adapt.strategy
    fits = strategy is None or not plans or strategy[2:] in plans
    require(fits, "strategy", f"one of R-, P- or B- and {', '.join(plans)}", strategy)
    segment_s = order.adapt.segment_s or (network or {}).get("segment_s")
    if order.kind == "adapt" and segment_s and duration_s < segment_s - 1e-3:
        raise InputError(
            f"The song lasts {duration_s:.2f} s, less than one training segment of {segment_s:g} s: "
            "set a shorter segment, or separate it as it is."
        )


def _settings(asked: Any, kind: Any) -> Any:
    require(isinstance(asked, dict), "settings", "an object", type(asked).__name__)
    unknown = asked.keys() - {field.name for field in dataclasses.fields(kind)}
    require(not unknown, "settings", "known ones", sorted(unknown)[:3])
    return kind(**asked)
