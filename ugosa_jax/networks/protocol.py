"""The interface of a network that adaptation and separation use.

S sources, C channels, T samples. Parameters are a nested dict of arrays. The keys of its top level are the network's
stages, in running order, which a strategy tunes or freezes. Functions are written for one song; `jax.vmap` adds lanes.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import jax

from ugosa_jax.config import InputLevel

Array = Any
"""A numpy array on the host, a `jax.Array` on a device and in programs."""
Params = dict[str, Any]
"""Parameters as a nested dict of arrays: stage → … → leaf."""
STATISTICS = ("mean", "var")
"""Names of leaves with running statistics of batch normalisation, which are never tuned."""
Features = Any
"""A tree of arrays: the output of the stages before a cut that the stages after it need."""
NOT_STORED = {"is_stored": False}
"""Metadata of a field of an architecture that does not determine the parameters."""


class Tiling(NamedTuple):
    """Separation of a song in overlapping tiles, whose outputs add up to the estimates.

    Attributes:
      step: samples from the start of a tile to that of the next one.
      length: samples of a tile.
      lead: samples by which the first tile begins before the song.
      separate: takes parameters and a tile, tile_CxN, padded with silence beyond the song, and returns est_SxCxN, the
        tile's contribution to the song's estimates.
    """

    step: int
    length: int
    lead: int
    separate: Callable[[Params, jax.Array], jax.Array]


class Architecture(Protocol):
    """A network without its parameters: a frozen dataclass, which is hashable and thus a static argument under `jit`.

    Its fields are JSON values that determine the paths and shapes of the parameters. A network that can round its
    matrix products also has a field `precision`, with the metadata `NOT_STORED`.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    tag: ClassVar[str]
    """Name of this kind of network in weight files."""

    @property
    def default_strategy(self) -> str:
        """Name of the default strategy."""
        ...

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the estimates, in order."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of mixture and estimates."""
        ...

    @property
    def channels(self) -> int:
        """Number of audio channels, C."""
        ...

    @property
    def level(self) -> InputLevel:
        """Level of the mixtures that the network expects; its estimates have the same level."""
        ...

    @property
    def sums_to_mixture(self) -> bool:
        """Whether the estimates add up to the mixture for any parameters, so that loss B cannot change them."""
        ...

    @property
    def min_samples(self) -> int:
        """Length of the shortest mixture, in samples."""
        ...

    @property
    def segment_samples(self) -> int | None:
        """The only length, in samples, that the network takes; None if it takes any length."""
        ...

    @property
    def segment_s(self) -> float:
        """Default length of training segments in seconds."""
        ...

    @property
    def tiling(self) -> Tiling | None:
        """Default tiling of a song; None for cross-faded chunks."""
        ...

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages in running order."""
        ...

    @property
    def cuts(self) -> tuple[str, ...]:
        """Stages before which the network can be cut, in running order; the first cut is before all starts."""
        ...

    @property
    def starts(self) -> Mapping[str, str]:
        """Places where tuning may start: name, such as "L1", and first tuned stage."""
        ...

    @property
    def ends(self) -> Mapping[str, tuple[str, ...]]:
        """Places where tuning may end: name, such as "M", and the stages after it, which stay frozen."""
        ...

    def init(self, seed: int = 0) -> Params:
        """Return random parameters."""
        ...

    def prefix(self, params: Params, mix_CxT: jax.Array, until: str) -> Features:
        """Run the stages before the cut `until`."""
        ...

    def lean(self, features: Features) -> Features:
        """Return the features without those that `suffix` recomputes from the mixture at little cost."""
        ...

    def suffix(self, params: Params, mix_CxT: jax.Array, features: Features, since: str) -> jax.Array:
        """Run the stages from the cut `since` on: return est_SxCxT from the mixture and the features, lean or not.

        Estimates have at least float32 precision.
        """
        ...

    def __call__(self, params: Params, mix_CxT: jax.Array, n_samples: jax.Array | int | None = None) -> jax.Array:
        """Separate a mixture: mix_CxT → est_SxCxT; if `n_samples` is given, samples from it on are padding."""
        ...


def list_stored_fields(kind: Architecture | type[Architecture]) -> tuple[str, ...]:
    """Return the names of the fields that weight files store."""
    return tuple(f.name for f in dataclasses.fields(kind) if f.metadata.get("is_stored", True))


def describe(net: Architecture) -> dict[str, Any]:
    """Return the stored fields by name."""
    return {name: getattr(net, name) for name in list_stored_fields(net)}
