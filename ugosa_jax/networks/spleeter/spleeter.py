"""Spleeter as an `Architecture`: its stages, where it can be cut, and where tuning may start and end."""

import dataclasses
import types
from collections.abc import Mapping
from typing import ClassVar

import jax

from ugosa_jax.config import InputLevel
from ugosa_jax.networks.protocol import Params, Tiling
from ugosa_jax.networks.spleeter import masking, unet
from ugosa_jax.networks.spleeter.masking import Features
from ugosa_jax.networks.spleeter.sizes import SpleeterSettings

LEAST_SEGMENT_S = 4.0
"""The paper's segment length. Default segments are a little longer: they fill all frames that are computed for it."""


@dataclasses.dataclass(frozen=True)
class Spleeter(SpleeterSettings):
    """Spleeter (Hennequin et al. 2020). The defaults are those of the published network for two stems.

    Raises:
      InputError: a setting is out of its range, or does not fit the others.
    """

    tag: ClassVar[str] = "spleeter"

    @property
    def sums_to_mixture(self) -> bool:
        """True: the masks add up to one."""
        return True

    @property
    def level(self) -> InputLevel:
        """Songs keep their level, on which the network's biases depend."""
        return "natural"

    @property
    def min_samples(self) -> int:
        """One sample: mixtures shorter than a window are padded with silence."""
        return 1

    @property
    def segment_samples(self) -> None:
        """None: segments may have any length."""
        return None

    @property
    def segment_s(self) -> float:
        """Default length of training segments in seconds; see `LEAST_SEGMENT_S`."""
        _, frames = self.count_pieces(round(LEAST_SEGMENT_S * self.sample_rate_hz))
        return (frames * self.hop - self.nfft) / self.sample_rate_hz

    @property
    def tiling(self) -> Tiling:
        """The pieces of the published network, side by side; the first begins a window before the song.

        Each piece includes three hops of the next one, with which its last frames overlap.
        """
        step = self.piece_frames * self.hop
        return Tiling(step, step + self.nfft - self.hop, self.nfft, self._separate_tile)

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages in running order."""
        return unet.list_stages(self)

    @property
    def cuts(self) -> tuple[str, ...]:
        """All stages."""
        return self.stages

    @property
    def starts(self) -> Mapping[str, str]:
        """Where tuning may begin: encoders E1, E2 …, decoders U1, U2 … (U1 is the deepest), and M, the mask."""
        numbers = range(1, self.depth + 1)
        return types.MappingProxyType(
            {f"E{n}": f"encoder{n}" for n in numbers} | {f"U{n}": f"decoder{n}" for n in numbers} | {"M": "mask"}
        )

    @property
    def ends(self) -> Mapping[str, tuple[str, ...]]:
        """Where tuning may end: D tunes all later stages, U leaves the mask frozen."""
        return types.MappingProxyType({"D": (), "U": ("mask",)})

    @property
    def default_strategy(self) -> str:
        """Tune the mask and the outer half of the decoders, which have few parameters. Its gain was not measured."""
        return f"P-U{self.depth // 2 + 1}:D"

    def init(self, seed: int = 0) -> Params:
        """Return random parameters."""
        return masking.init(self, seed)

    def prefix(self, params: Params, mix_CxT: jax.Array, until: str) -> Features:
        """Return the input of stage `until`, one of `cuts`, and the skips that later stages need."""
        return masking.prefix(self, params, mix_CxT, until)

    def lean(self, features: Features) -> Features:
        """Return the features without their skips, which `suffix` recomputes from the mixture."""
        return {name: value for name, value in features.items() if name != "skips"}

    def suffix(self, params: Params, mix_CxT: jax.Array, features: Features, since: str) -> jax.Array:
        """Return est_SxCxT from the mixture and the input of stage `since`, with skips or without."""
        return masking.suffix(self, params, mix_CxT, features, since)

    def __call__(self, params: Params, mix_CxT: jax.Array, n_samples: jax.Array | int | None = None) -> jax.Array:
        """Separate a mixture: mix_CxT → est_SxCxT.

        `n_samples`, the length without padding, is ignored: to this network, padding is silence at the end.
        """
        return self.suffix(params, mix_CxT, {}, self.stages[0])

    def _separate_tile(self, params: Params, tile_CxN: jax.Array) -> jax.Array:
        return masking.separate_tile(self, params, tile_CxN)
