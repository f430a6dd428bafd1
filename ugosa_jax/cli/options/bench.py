"""Options of `ugosa-jax bench`."""

import dataclasses
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes

from ugosa_jax.config import AdaptConfig


@dataclasses.dataclass(frozen=True)
class Bench:
    """Measure how fast this device adapts, and how near that is to what its matrix products allow."""

    adapt: OmitArgPrefixes[AdaptConfig] = dataclasses.field(default_factory=lambda: AdaptConfig(epochs=2))
    lanes: str = "1"
    """Songs side by side, one row of the table each: 1,2,4,8."""
    weights: str = "mini"
    """Name (see `ugosa-jax weights list`) or file of the network."""
    size: Literal["demucs", "htdemucs"] | None = None
    """A full-size network with random weights, which need no download, in place of --weights: the ConvTasNet of the
    Demucs repository, or the HTDemucs."""
    seconds: float = 20.0
    """Length of each song, which is noise."""
    repeats: int = 3
    """Runs that are timed; a run has all epochs."""
    compile_only: str | None = None
    """Measure nothing: compile the programs for devices that need not be here, and estimate. TPUs such as v5e:2x2 need
    the extra [tpu], GPUs such as h100:4 or a100:1 the extra [cuda]."""
    json: Path | None = None
    """Write device, versions, settings and figures."""
