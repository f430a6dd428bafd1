"""Spleeter as an architecture: what its parts are called, where it can be cut, and what it can do."""

import dataclasses
import types
from collections.abc import Mapping
from typing import ClassVar

import jax

from ugosa_jax.config import InputLevel
from ugosa_jax.networks.protocol import Params, Tiling
from ugosa_jax.networks.spleeter import network, unet
from ugosa_jax.networks.spleeter.network import Features
from ugosa_jax.networks.spleeter.settings import SpleeterSettings

LEAST_SEGMENT_S = 4.0
"""The paper's; default segments fill up the frames that are computed for it."""


@dataclasses.dataclass(frozen=True)
class Spleeter(SpleeterSettings):
    """Spleeter (Hennequin et al. 2020). The defaults are those of the published network for two stems.

    Raises:
      InputError: a setting is out of its range, or does not fit the others.
    """

    tag: ClassVar[str] = "spleeter"

    @property
    def sums_to_mixture(self) -> bool:
        """Masks are shares of one sum."""
        return True

    @property
    def level(self) -> InputLevel:
        """As it is: its biases know how loud songs are."""
        return "natural"

    @property
    def min_samples(self) -> int:
        """What is shorter than a window is seen with silence around it."""
        return 1

    @property
    def segment_samples(self) -> None:
        """Any length will do."""
        return None

    @property
    def segment_s(self) -> float:
        """Length of training segments in seconds: no frame that is computed for it holds nothing but silence."""
        _, frames = self.count_pieces(round(LEAST_SEGMENT_S * self.sample_rate_hz))
        return (frames * self.hop - self.nfft) / self.sample_rate_hz

    @property
    def tiling(self) -> Tiling:
        """The published network's: pieces that follow each other, the first of which begins a window before the song.

        Each hears three hops of the next one, with which its last frames overlap.
        """
        step = self.piece_frames * self.hop
        return Tiling(step, step + self.nfft - self.hop, self.nfft, self._separate_tile)

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages in running order."""
        return unet.list_stages(self)

    @property
    def cuts(self) -> tuple[str, ...]:
        """Stages before which it can be cut: all of them."""
        return self.stages

    @property
    def starts(self) -> Mapping[str, str]:
        """Where tuning may begin: E1 … encoders, U1 … decoders, which scale up, the deepest first, and the mask."""
        numbers = range(1, self.depth + 1)
        return types.MappingProxyType(
            {f"E{n}": f"encoder{n}" for n in numbers} | {f"U{n}": f"decoder{n}" for n in numbers} | {"M": "mask"}
        )

    @property
    def ends(self) -> Mapping[str, tuple[str, ...]]:
        """Which stages stay frozen at the end: none (D), or the mask (U)."""
        return types.MappingProxyType({"D": (), "U": ("mask",)})

    @property
    def default_strategy(self) -> str:
        """The outer half of the decoders, the middle one first: a small part of the parameters, and near the mask.

        Chosen by that, until it has been measured what it brings.
        """
        return f"P-U{self.depth // 2 + 1}:D"

    def init(self, seed: int = 0) -> Params:
        """Return random parameters."""
        return network.init(self, seed)

    def prefix(self, params: Params, mix_CxT: jax.Array, until: str) -> Features:
        """Return what runs into stage `until`, one of `cuts`, and the skips that are needed from there on."""
        return network.prefix(self, params, mix_CxT, until)

    def lean(self, features: Features) -> Features:
        """Return the features without their skips, which `suffix` computes again from the mixture."""
        return {name: value for name, value in features.items() if name != "skips"}

    def suffix(self, params: Params, mix_CxT: jax.Array, features: Features, since: str) -> jax.Array:
        """Return est_SxCxT from the mixture and what runs into stage `since`, with skips or without."""
        return network.suffix(self, params, mix_CxT, features, since)

    def __call__(self, params: Params, mix_CxT: jax.Array, n_samples: jax.Array | int | None = None) -> jax.Array:
        """Separate a mixture: mix_CxT → est_SxCxT. `n_samples` is ignored: the network hears padding as silence."""
        return self.suffix(params, mix_CxT, {}, self.stages[0])

    def _separate_tile(self, params: Params, tile_CxN: jax.Array) -> jax.Array:
        return network.separate_tile(self, params, tile_CxN)
