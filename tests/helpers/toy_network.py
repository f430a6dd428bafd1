"""A minimal network of the protocol: two bands of a mixture, and gains for each source."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Toy:
    """A band is a moving sum of the mixture; a source is a weighted sum of the bands."""

    tag: ClassVar[str] = "toy"
    level: ClassVar[str] = "standard"
    sums_to_mixture: ClassVar[bool] = False
    tiling: ClassVar[None] = None
    default_strategy: ClassVar[str] = "P-G:end"
    stages: ClassVar[tuple[str, ...]] = ("bands", "gains", "level")
    cuts: ClassVar[tuple[str, ...]] = ("bands", "gains")
    starts: ClassVar[dict[str, str]] = {"B": "bands", "G": "gains"}
    ends: ClassVar[dict[str, tuple[str, ...]]] = {"end": (), "G": ("level",)}
    min_samples: ClassVar[int] = 2
    channels: ClassVar[int] = 1
    segment_samples: ClassVar[None] = None
    segment_s: ClassVar[float] = 0.5
    sources: tuple[str, ...] = ("low", "high")
    sample_rate_hz: int = 8000

    def init(self, seed=0):
        gains = jax.random.normal(jax.random.key(seed), (len(self.sources), 2))
        return {"bands": {"taps": jnp.ones((2, 2))}, "gains": {"gain": gains}, "level": {"gain": jnp.ones(())}}

    def prefix(self, params, mix_CxT, until):
        if until == "bands":
            return {}
        past_CxT = jnp.pad(mix_CxT, ((0, 0), (1, 0)))[:, :-1]
        return {"bands": jnp.einsum("bt,tcn->bcn", params["bands"]["taps"], jnp.stack([mix_CxT, past_CxT]))}

    def lean(self, features):
        return {}

    def suffix(self, params, mix_CxT, features, since):
        bands_2xCxT = (features or self.prefix(params, mix_CxT, "gains"))["bands"]
        return params["level"]["gain"] * jnp.einsum("sb,bct->sct", params["gains"]["gain"], bands_2xCxT)

    def __call__(self, params, mix_CxT, n_samples=None):
        return self.suffix(params, mix_CxT, {}, "bands")
