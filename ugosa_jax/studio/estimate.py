"""Estimates of the duration of an adaptation, from measurements on this machine or from operation counts."""

from pathlib import Path
from typing import Any

import msgspec

from ugosa_jax import files
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.errors import InputError

EFFICIENCY = 0.35
"""Rough speed of the networks, relative to that of a plain matrix product."""
FIRST_S = 15.0
"""Rough time to start and compile, if it was not measured."""


class MeasuredSpeed(msgspec.Struct):
    """Speed of a network on this machine."""

    fixed: float
    """Seconds for compiling and the frozen stages."""
    step_per_s: float
    """Seconds for a step of one network, per second of its segment."""
    separate_per_s: float
    """Seconds for the separation, per second of the song."""


class Timings:
    """Measurements on this machine, by network and strategy."""

    def __init__(self, root: Path):
        """Load the measurements of a work folder."""
        self.path = root / "timings.json"
        try:
            self.known = files.read_json(self.path, dict[str, MeasuredSpeed])
        except InputError:
            self.known = {}

    def remember(self, network: str, strategy: str, measured: MeasuredSpeed) -> None:
        """Save the latest measurement."""
        self.known[_key(network, strategy)] = measured
        files.write_json(msgspec.to_builtins(self.known), self.path)

    def find(self, network: str, strategy: str) -> MeasuredSpeed | None:
        """Return the latest measurement, or None."""
        return self.known.get(_key(network, strategy))


def count_steps(adapt: AdaptConfig, segment_s: float, duration_s: float) -> int:
    """Return the number of steps of an adaptation, counting segments as `segments.list_starts` does."""
    hop_s = adapt.hop_s or segment_s
    rest_s = max(0.0, duration_s - segment_s)
    n_segments = 1 + int(rest_s // hop_s) + (rest_s % hop_s > 1e-3)
    return n_segments * (1 + adapt.pitch_shifts) * adapt.epochs


def estimate_seconds(
    adapt: AdaptConfig,
    separate: SeparateConfig,
    duration_s: float,
    measured: MeasuredSpeed | None,
    network: dict[str, Any] | None,
    flops_per_s: float | None,
    is_first: bool = False,
) -> dict[str, Any] | None:
    """Return the estimated time, and whether it is derived from operation counts instead of measurements.

    Return None without a description of the network, or without both measurements and operation counts.

    Args:
      adapt: settings of the adaptation.
      separate: settings of the separation that follows.
      duration_s: length of the song.
      measured: measurement with this network and strategy; None if there is none.
      network: the worker's description of the network. All members of a bag or chain separate; those that have the
        strategy's layers are adapted.
      flops_per_s: speed of a plain matrix product on this machine.
      is_first: whether the unadapted network has yet to separate the song, for comparison.
    """
    if network is None:
        return None
    guessed = measured is None
    members, layers = network["members"], (adapt.strategy or network["default_strategy"])[2:]
    if measured is None:
        share = network["shares"].get(layers)
        if share is None or not flops_per_s or not network.get("forward_flops"):
            return None
        forward_s = network["forward_flops"] / (flops_per_s * EFFICIENCY)
        # A step runs the stages from the first tuned one on, and about twice that for gradients: 3. Separation works in
        # overlapping chunks: 4/3.
        # R separates the song first, and its steps run the frozen stages too.
        separate_per_s, step_per_s, fixed_s = 4 / 3 * forward_s * members, 3 * share * forward_s, FIRST_S
        if _is_remixed(adapt.strategy or ""):
            step_per_s += (1 - share) * forward_s
            fixed_s += separate_per_s * duration_s
        measured = MeasuredSpeed(fixed_s, step_per_s, separate_per_s)
    segment_s = adapt.segment_s or network["segment_s"]
    separating_s = measured.separate_per_s * duration_s * max(1, separate.shifts)
    n_steps = network["tuned"].get(layers, members) * count_steps(adapt, segment_s, duration_s)
    adapting_s = n_steps * measured.step_per_s * segment_s
    unadapted_s = measured.separate_per_s * duration_s if is_first else 0.0
    return {"seconds": measured.fixed + unadapted_s + adapting_s + separating_s, "guessed": guessed}


def _key(network: str, strategy: str) -> str:
    kind = "R-" if _is_remixed(strategy) else ""  # a step of P takes as long as one of B
    return f"{network} {kind}{strategy[2:]}"


def _is_remixed(strategy: str) -> bool:
    return strategy.startswith("R-")
