"""What adaptation and separation ask of a network, and nothing more.

S sources, C channels, T samples. Parameters are a nested dict of arrays. Its top level are the network's stages, in
running order: what a strategy tunes and freezes. Functions are written for one song; `jax.vmap` adds lanes.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import jax

from ugosa_jax.config import InputLevel

Array = Any
"""A numpy array on the host, a `jax.Array` on a device and in programs."""
Params = dict[str, Any]
"""Nested dict of arrays: stage → … → leaf."""
STATISTICS = ("mean", "var")
"""Names of leaves that are running statistics of batch normalisation: no gradient moves them."""
Features = Any
"""A tree of arrays: what the stages before a cut make of a mixture, as far as the stages behind it need it."""
NOT_STORED = {"is_stored": False}
"""Metadata of a field of an architecture that says how to compute, not what the parameters are."""


class Tiling(NamedTuple):
    """How a song is separated by a network that sees it in tiles, each a little longer than the step to the next.

    Attributes:
      step: samples from the start of a tile to that of the next one.
      length: samples of a tile.
      lead: samples by which the first tile begins before the song.
      separate: takes parameters and a tile, tile_CxN, with silence beyond the song's ends, and returns est_SxCxN.
        Where tiles overlap, these are parts that add up to the song's estimates.
    """

    step: int
    length: int
    lead: int
    separate: Callable[[Params, jax.Array], jax.Array]


class Architecture(Protocol):
    """A network without its parameters: a frozen dataclass, hashable, and so a static argument of jitted programs.

    Its fields are values of JSON and determine the parameters' paths and shapes. A network that can round its matrix
    products has a field `precision` beside them, with the metadata `NOT_STORED`.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    tag: ClassVar[str]
    """What files of weights call this kind of network."""

    @property
    def default_strategy(self) -> str:
        """What is tuned unless somebody says otherwise."""
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
        """How loud it wants its mixtures; its estimates are as loud."""
        ...

    @property
    def sums_to_mixture(self) -> bool:
        """Whether its estimates add up to the mixture whatever its parameters, so that loss B cannot change them."""
        ...

    @property
    def min_samples(self) -> int:
        """Length of the shortest mixture."""
        ...

    @property
    def segment_samples(self) -> int | None:
        """The one length that the network takes: it was trained on it; None if it takes any."""
        ...

    @property
    def segment_s(self) -> float:
        """Length of training segments in seconds unless somebody says otherwise."""
        ...

    @property
    def tiling(self) -> Tiling | None:
        """How it separates a song if neither chunks nor overlap are asked for; None: in cross-faded chunks."""
        ...

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages in running order."""
        ...

    @property
    def cuts(self) -> tuple[str, ...]:
        """Stages before which the network can be cut in two, in running order; the first is before all starts."""
        ...

    @property
    def starts(self) -> Mapping[str, str]:
        """Where tuning may begin: the name of the place, "L1", and the first stage that is tuned."""
        ...

    @property
    def ends(self) -> Mapping[str, tuple[str, ...]]:
        """Where tuning may end: the name of the place, "M", and the stages behind it, which stay frozen."""
        ...

    def init(self, seed: int = 0) -> Params:
        """Return random parameters."""
        ...

    def prefix(self, params: Params, mix_CxT: jax.Array, until: str) -> Features:
        """Run the stages before the cut `until`."""
        ...

    def lean(self, features: Features) -> Features:
        """Leave out what `suffix` can compute again from the mixture at little cost; features without such stay."""
        ...

    def suffix(self, params: Params, mix_CxT: jax.Array, features: Features, since: str) -> jax.Array:
        """Return est_SxCxT from the mixture and what `prefix` made of it until the cut `since`, lean or not.

        Estimates are of at least float32.
        """
        ...

    def __call__(self, params: Params, mix_CxT: jax.Array, n_samples: jax.Array | int | None = None) -> jax.Array:
        """Separate a mixture: mix_CxT → est_SxCxT, of which the first `n_samples` are real if that is given."""
        ...


def list_stored_fields(kind: Architecture | type[Architecture]) -> tuple[str, ...]:
    """Return the names of the fields that files of weights hold."""
    return tuple(f.name for f in dataclasses.fields(kind) if f.metadata.get("is_stored", True))


def describe(net: Architecture) -> dict[str, Any]:
    """Return the values of these fields."""
    return {name: getattr(net, name) for name in list_stored_fields(net)}
