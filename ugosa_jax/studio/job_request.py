"""Parsing and checking of requests for jobs, before they enter the queue."""

import dataclasses
from typing import Any

from ugosa_jax.config import AdaptConfig, SeparateConfig, require
from ugosa_jax.errors import InputError

KINDS = ("adapt", "separate", "suggest", "rhythm")
LEAST_S = 0.1
"""Smallest training segment and hop; smaller values are almost certainly typos."""
MAX_RATE, MAX_LAM = 1.0, 1e6
"""Largest learning rate and λ, far above useful values."""


@dataclasses.dataclass(frozen=True)
class JobRequest:
    """A request with valid values."""

    kind: str
    network: str
    adapt: AdaptConfig
    separate: SeparateConfig
    start: str


def parse_request(asked: dict[str, Any]) -> JobRequest:
    """Parse a request that the page sent.

    Raises:
      InputError: the request has an unknown field or an invalid value.
    """
    kind, network, start = asked.get("kind", "adapt"), asked.get("network"), asked.get("start", "anew")
    require(kind in KINDS, "kind", f"one of {', '.join(KINDS)}", kind)
    require(isinstance(network, str), "network", "a name", network)
    adapt = _parse_settings(asked.get("adapt", {}), AdaptConfig)
    separate = _parse_settings(asked.get("separate", {}), SeparateConfig)
    require(adapt.learning_rate <= MAX_RATE, "learning_rate", f"at most {MAX_RATE:g}", adapt.learning_rate)
    require(adapt.lam <= MAX_LAM, "lam", f"at most {MAX_LAM:g}", adapt.lam)
    for name in ("segment_s", "hop_s"):
        value = getattr(adapt, name)
        require(value is None or value >= LEAST_S, name, f"at least {LEAST_S}", value)
    return JobRequest(str(kind), str(network), adapt, separate, str(start))


def check_network(request: JobRequest, network: dict[str, Any] | None, duration_s: float) -> None:
    """Check that a network is able to do a requested job.

    Args:
      request: the request.
      network: the worker's description of the network; None if the worker has no network of that name.
      duration_s: length of the song.

    Raises:
      InputError: the network is not available or lacks the strategy, or the song is shorter than a segment.
    """
    require(network is not None and "error" not in network, "network", "one of those listed", request.network)
    plans, strategy = (network or {}).get("strategies", ()), request.adapt.strategy
    fits = strategy is None or not plans or strategy[2:] in plans
    require(fits, "strategy", f"R-, P- or B- followed by one of {', '.join(plans)}", strategy)
    segment_s = request.adapt.segment_s or (network or {}).get("segment_s")
    if request.kind == "adapt" and segment_s and duration_s < segment_s - 1e-3:
        raise InputError(
            f"The song lasts {duration_s:.2f} s, less than one training segment of {segment_s:g} s: "
            "set a shorter segment, or separate it without adaptation."
        )


def _parse_settings(asked: Any, kind: Any) -> Any:
    require(isinstance(asked, dict), "settings", "an object", type(asked).__name__)
    unknown = asked.keys() - {field.name for field in dataclasses.fields(kind)}
    require(not unknown, "settings", "known ones", sorted(unknown)[:3])
    return kind(**asked)
