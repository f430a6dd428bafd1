"""HTDemucs as an `Architecture`: its stages, where it can be cut, and where tuning may start and end."""

import dataclasses
import types
from collections.abc import Mapping
from typing import ClassVar

import jax

from ugosa_jax.config import InputLevel
from ugosa_jax.networks.htdemucs import network
from ugosa_jax.networks.htdemucs.network import Features, Params
from ugosa_jax.networks.htdemucs.settings import Settings

LENGTH_S = 7.8
"""Length in seconds of the segments that the published networks were trained on."""


@dataclasses.dataclass(frozen=True)
class HTDemucs(Settings):
    """Hybrid Transformer Demucs (Rouard, Massa & Défossez 2023). The defaults are those of the published `htdemucs`.

    Raises:
      InputError: a setting is out of its range, or the layers would not fit together.
    """

    tag: ClassVar[str] = "htdemucs"

    @property
    def sums_to_mixture(self) -> bool:
        """False: each source is estimated separately."""
        return False

    @property
    def level(self) -> InputLevel:
        """Songs are standardised, as in the Demucs repository."""
        return "standard"

    @property
    def tiling(self) -> None:
        """None: songs are separated in cross-faded chunks."""
        return None

    @property
    def min_samples(self) -> int:
        """Length of the shortest input, in samples."""
        return 1 if self.segment_samples is not None else 2

    @property
    def segment_s(self) -> float:
        """Default length of training segments in seconds.

        A network with `segment_samples` takes no other length. The default of the others is that of the published
        networks.
        """
        return LENGTH_S if self.segment_samples is None else self.segment_samples / self.sample_rate_hz

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages in running order: the top level of the parameters."""
        bare = {name for name, has in (("tokens_in", self.norm_in), ("downsample", self.bottom)) if not has}
        return tuple(step for step in network.list_steps(self) if step not in bare)

    @property
    def cuts(self) -> tuple[str, ...]:
        """All stages: the network can be cut before each of them."""
        return self.stages

    @property
    def starts(self) -> Mapping[str, str]:
        """Where tuning may begin: encoders E1, E2 …, layers of the transformer T1, T2 …, decoders D1, D2 ….

        D1 is the deepest decoder. T1 includes the stages between the encoders and the transformer.
        """
        entry = next((stage for stage in self.stages if stage in ("upsample", "tokens_in", "layer1")), None)
        layers = {f"T{n}": f"layer{n}" for n in range(1, self.layers + 1)}
        return types.MappingProxyType(
            {f"E{n}": f"encoder{n}" for n in range(1, self.depth + 1)}
            | (layers | {"T1": entry} if entry else {})
            | {f"D{n}": f"decoder{n}" for n in range(1, self.depth + 1)}
        )

    @property
    def ends(self) -> Mapping[str, tuple[str, ...]]:
        """Where tuning may end, with the stages after it, which stay frozen: none for D, the decoders for M."""
        return types.MappingProxyType({"D": (), "M": tuple(f"decoder{n}" for n in range(1, self.depth + 1))})

    @property
    def default_strategy(self) -> str:
        """Tune the last layer of the transformer and all later stages.

        It was chosen by the time of a step: 1.6 times that of tuning the decoders alone, 0.4 times that of tuning the
        whole network (docs/performance.md). Its gain has not been measured with pretrained weights.
        """
        return f"P-T{self.layers}:D" if self.layers else "P-D1:D"

    def init(self, seed: int = 0) -> Params:
        """Return random parameters."""
        return network.init(self, seed)

    def prefix(self, params: Params, mix_CxT: jax.Array, until: str) -> Features:
        """Return the input of stage `until`, one of `cuts`, and the skips that later stages need."""
        return network.bind(self, params).prefix(mix_CxT, until)

    def lean(self, features: Features) -> Features:
        """Return the features without their skips, which `suffix` recomputes from the mixture."""
        return {name: value for name, value in features.items() if name != "skips"}

    def suffix(self, params: Params, mix_CxT: jax.Array, features: Features, since: str) -> jax.Array:
        """Return est_SxCxT from the mixture and the input of stage `since`, with skips or without."""
        return network.bind(self, params).suffix(mix_CxT, features, since)

    def __call__(self, params: Params, mix_CxT: jax.Array, n_samples: jax.Array | int | None = None) -> jax.Array:
        """Separate a mixture: mix_CxT → est_SxCxT.

        `n_samples`, the length without padding, is ignored: to this network, padding is silence at the end.
        """
        return self.suffix(params, mix_CxT, {}, self.stages[0])
