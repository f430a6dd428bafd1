"""The ConvTasNet of the Demucs repository, for one song at a time.

The alphabet of shapes, used as suffixes of names here and in every module that does maths:

    T samples · K frames of the encoder · C audio channels · S sources
    N filters · L samples a filter · B bottleneck channels · H hidden channels · P taps · X blocks · R repeats

Stages, in order: encoder, norm, bottleneck, repeat1 … repeatR, mask, decoder.

Source of the architecture: Luo & Mesgarani 2019 in the stereo, skip-free variant of Défossez et al. 2019.
"""

import dataclasses
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from ugosa_jax.config import MAX_RATE_HZ, SOURCES, InputLevel, Precision
from ugosa_jax.errors import require
from ugosa_jax.networks import module, tcn
from ugosa_jax.networks.protocol import NOT_STORED, Params
from ugosa_jax.networks.tcn import Pointwise, Repeat, TemporalNorm, mask_padding

MAX_BLOCKS = 1000
"""Limit for damaged or hostile files; published networks have forty blocks."""


@dataclasses.dataclass(frozen=True)
class ConvTasNet:
    """Architecture of a ConvTasNet of the Demucs repository. The defaults are those of its published weights.

    Raises:
      InputError: a size is not positive, there are more than `MAX_BLOCKS` blocks, or P is even in a non-causal network.
    """

    tag: ClassVar[str] = "convtasnet"

    N: int = 256
    L: int = 20
    B: int = 256
    H: int = 512
    P: int = 3
    X: int = 10
    R: int = 4
    C: int = 2
    sources: tuple[str, ...] = SOURCES
    sample_rate_hz: int = 44100
    norm: Literal["gLN", "cLN", "BN", "id"] = "gLN"
    mask: Literal["relu", "softmax"] = "relu"
    causal: bool = False
    precision: Precision = dataclasses.field(default="float32", metadata=NOT_STORED)
    """Precision of the factors of matrix products."""

    def __post_init__(self):
        for name in ("N", "B", "H", "P", "X", "R", "C", "sample_rate_hz"):
            require(getattr(self, name) >= 1, f"model {name}", "at least 1", getattr(self, name))
        require(self.L >= 2, "model L", "at least 2", self.L)
        require(self.R * self.X <= MAX_BLOCKS, "model R·X", f"at most {MAX_BLOCKS}", self.R * self.X)
        rate_hz = self.sample_rate_hz
        require(rate_hz <= MAX_RATE_HZ, "model sample_rate_hz", f"at most {MAX_RATE_HZ}", rate_hz)
        require(bool(self.sources), "model sources", "at least one name", self.sources)
        require(len(set(self.sources)) == self.S, "model sources", "different names", self.sources)
        require(self.norm in ("gLN", "cLN", "BN", "id"), "model norm", "gLN, cLN, BN or id", self.norm)
        require(self.mask in ("relu", "softmax"), "model mask", "relu or softmax", self.mask)
        require(self.causal or self.P % 2 == 1, "model P", "odd in a non-causal model", self.P)

    @property
    def S(self) -> int:
        """Number of sources."""
        return len(self.sources)

    @property
    def hop(self) -> int:
        """Hop of the encoder in samples."""
        return self.L // 2

    @property
    def channels(self) -> int:
        """Number of audio channels, C."""
        return self.C

    @property
    def sums_to_mixture(self) -> bool:
        """False: the masks of the sources are independent."""
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
        """Shortest input in samples: one filter."""
        return self.L

    @property
    def default_strategy(self) -> str:
        """The paper's best strategy."""
        return "P-L3:M"

    @property
    def segment_samples(self) -> None:
        """None: segments may have any length."""
        return None

    @property
    def segment_s(self) -> float:
        """Length of the paper's training segments in seconds."""
        return 4.0

    @property
    def repeats(self) -> tuple[str, ...]:
        """Names of the repeats, in order."""
        return tuple(f"repeat{r + 1}" for r in range(self.R))

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages in running order."""
        return ("encoder", "norm", "bottleneck", *self.repeats, "mask", "decoder")

    @property
    def cuts(self) -> tuple[str, ...]:
        """Stages that a suffix can start with; not the decoder, whose input is S·N / B times as large as the mask's."""
        return (*self.repeats, "mask")

    @property
    def starts(self) -> dict[str, str]:
        """First tuned stages by name, as in the paper's Figure 1: L1 is repeat2, …, then the mask and the decoder."""
        return {f"L{i}": stage for i, stage in enumerate((*self.repeats[1:], "mask", "decoder"), 1)}

    @property
    def ends(self) -> dict[str, tuple[str, ...]]:
        """Frozen last stages by name: D tunes up to the decoder, M up to the mask, 3 up to the last repeat."""
        return {"D": (), "M": ("decoder",), "3": ("mask", "decoder")}

    def count_frames(self, n_samples: Any) -> Any:
        """Return the number of the encoder's frames for a signal length, which may be traced; 0 below one filter."""
        n_frames = (n_samples - self.L) // self.hop + 1
        return max(0, n_frames) if isinstance(n_samples, int) else jnp.maximum(0, n_frames)

    def init(self, seed: int = 0) -> Params:
        """Return random parameters: Glorot-normal kernels, identity norms, PReLU slopes of 1/4."""
        return module.init(ConvTasNetModule, self, seed)

    def prefix(self, params: Params, mix_CxT: jax.Array, until: str) -> jax.Array:
        """Return hidden_KxB, the input of stage `until` (a repeat or the mask)."""
        return bind(self, params).prefix(mix_CxT, until)

    def lean(self, features: jax.Array) -> jax.Array:
        """Return hidden_KxB unchanged: no part of it is cheap to recompute."""
        return features

    def suffix(self, params: Params, mix_CxT: jax.Array, features: jax.Array, since: str) -> jax.Array:
        """Return est_SxCxT from the mixture and the input of stage `since`."""
        return bind(self, params).suffix(mix_CxT, features, since)

    def __call__(self, params: Params, mix_CxT: jax.Array, n_samples: jax.Array | int | None = None) -> jax.Array:
        """Separate a mixture of at least L samples: mix_CxT → est_SxCxT."""
        return bind(self, params)(mix_CxT, None if n_samples is None else self.count_frames(n_samples))


class WaveformEncoder(nnx.Module):
    """The encoder: N filters of L samples over all channels, with a hop of L // 2 samples, followed by ReLU."""

    def __init__(self, config: "ConvTasNet", rngs: nnx.Rngs):
        self.hop = config.hop
        self.precision: Precision = config.precision
        self.kernel = nnx.Param(tcn.kernel_init(rngs.params(), (config.L, config.C, config.N)))

    def __call__(self, mix_CxT: jax.Array) -> jax.Array:
        """Return w_KxN, computed as a sum of matrix products, one for each hop-sized piece of a frame."""
        L, C, N = self.kernel.shape
        pieces = -(-L // self.hop)
        n_frames = (mix_CxT.shape[1] - L) // self.hop + 1
        n_samples = (n_frames + pieces - 1) * self.hop
        mix_CxT = jnp.pad(mix_CxT, ((0, 0), (0, self.hop)))[:, :n_samples]
        # Q hops in the signal, F samples of all channels in a hop; here P counts the pieces of a filter.
        hops_QxF = mix_CxT.reshape(C, -1, self.hop).transpose(1, 2, 0).reshape(-1, self.hop * C)
        kernel = jnp.pad(self.kernel[...], ((0, pieces * self.hop - L), (0, 0), (0, 0)))
        kernel_PxFxN = kernel.reshape(pieces, self.hop * C, N)
        dtype = tcn.widen(mix_CxT).dtype
        products = [
            tcn.multiply(hops_QxF[p : p + n_frames], kernel_PxFxN[p], self.precision, dtype) for p in range(pieces)
        ]
        return jax.nn.relu(sum(products)).astype(mix_CxT.dtype)


class WaveformDecoder(nnx.Module):
    """The decoder: a linear map from a frame to L samples of each channel, and overlap-add with a hop of L // 2."""

    def __init__(self, config: "ConvTasNet", rngs: nnx.Rngs):
        self.C, self.L, self.hop = config.C, config.L, config.hop
        self.precision: Precision = config.precision
        self.kernel = nnx.Param(tcn.kernel_init(rngs.params(), (config.N, config.C * config.L)))

    def __call__(self, w_SxKxN: jax.Array, n_samples: int) -> jax.Array:
        """Return est_SxCxT of at least float32 precision, zero-padded at its end to T = n_samples."""
        S, K, _ = w_SxKxN.shape
        pieces = -(-self.L // self.hop)
        dtype = tcn.widen(w_SxKxN).dtype
        frames = jnp.stack([tcn.multiply(w_KxN, self.kernel[...], self.precision, dtype) for w_KxN in w_SxKxN])
        frames = frames.reshape(S, K, self.C, self.L)
        frames = jnp.pad(frames, ((0, 0), (0, 0), (0, 0), (0, pieces * self.hop - self.L)))
        frames_SxCxKxL = frames.transpose(0, 2, 1, 3)
        pad = lambda p: ((0, 0), (0, 0), (p, pieces - 1 - p), (0, 0))  # noqa: E731
        hops = sum(jnp.pad(frames_SxCxKxL[..., p * self.hop : (p + 1) * self.hop], pad(p)) for p in range(pieces))
        est_SxCxT = jnp.reshape(hops, (S, self.C, -1))[..., : (K - 1) * self.hop + self.L]
        return jnp.pad(est_SxCxT, ((0, 0), (0, 0), (0, n_samples - est_SxCxT.shape[-1])))


class ConvTasNetModule(nnx.Module):
    """The whole network. Its attributes are the stages, which are the top level of its parameters.

    `n_frames`, which may be traced, is the number of frames of a padded signal that are not padding; their output is
    that of the unpadded signal. Chunks of any length thus share one program.
    """

    def __init__(self, config: ConvTasNet, rngs: nnx.Rngs):
        c = self.config = config
        self.encoder = WaveformEncoder(c, rngs)
        self.norm = TemporalNorm("cLN", c.N)
        self.bottleneck = Pointwise(c.N, c.B, rngs, c.precision)
        for stage in c.repeats:
            setattr(self, stage, Repeat(c.B, c.H, c.P, c.X, c.norm, c.causal, rngs, c.precision))
        self.mask = Pointwise(c.B, c.S * c.N, rngs)
        self.decoder = WaveformDecoder(c, rngs)

    def __call__(self, mix_CxT: jax.Array, n_frames: jax.Array | int | None = None) -> jax.Array:
        """Separate a mixture: mix_CxT → est_SxCxT. T must be at least L."""
        return self.suffix(mix_CxT, self.prefix(mix_CxT, "mask", n_frames), "mask", n_frames)

    def prefix(self, mix_CxT: jax.Array, until: str, n_frames: jax.Array | int | None = None) -> jax.Array:
        """Return hidden_KxB, the input of stage `until` (a repeat or the mask)."""
        w_KxN, n_frames = self._encode(mix_CxT, n_frames)
        x_KxN, scale_N, shift_N = self.norm(w_KxN, n_frames)
        normed_KxN = (x_KxN * scale_N + shift_N).astype(w_KxN.dtype)
        h_KxB = mask_padding(self.bottleneck(normed_KxN), n_frames)
        c = self.config
        return self._run_repeats(c.repeats[: c.cuts.index(until)], h_KxB, n_frames)

    def suffix(
        self, mix_CxT: jax.Array, h_KxB: jax.Array, since: str, n_frames: jax.Array | int | None = None
    ) -> jax.Array:
        """Return est_SxCxT from the mixture and the input of stage `since`.

        The decoder also needs the encoder's output, which is recomputed from the mixture. This is a small matrix
        product (0.4 of the 304 GFLOP of a full-size L3:M step), while storing it would double the memory of features.
        """
        w_KxN, n_frames = self._encode(mix_CxT, n_frames)
        c = self.config
        h_KxB = self._run_repeats(c.repeats[c.cuts.index(since) :], h_KxB, n_frames)
        score_SxKxN = self.compute_scores(h_KxB)
        mask_SxKxN = jax.nn.softmax(score_SxKxN, 0) if c.mask == "softmax" else jax.nn.relu(score_SxKxN)
        return self.decoder(mask_SxKxN * w_KxN, mix_CxT.shape[1])

    def compute_scores(self, h_KxB: jax.Array) -> jax.Array:
        """Return score_SxKxN, the input of the activation function of the mask."""
        # Sources are the first axis: in [K, S, N], S would be smaller than the rows of a TPU's tile, and XLA would copy
        # the array. Each source has its own product: one batched product takes nearly twice as long on a CPU.
        kernels_BxN = jnp.split(self.mask.kernel[...], self.config.S, axis=1)
        return jnp.stack([tcn.multiply(h_KxB, kernel_BxN, self.config.precision) for kernel_BxN in kernels_BxN])

    def _encode(self, mix_CxT: jax.Array, n_frames: jax.Array | int | None):
        w_KxN = self.encoder(mix_CxT)
        n_frames = w_KxN.shape[0] if n_frames is None else n_frames
        return mask_padding(w_KxN, n_frames), n_frames

    def _run_repeats(self, stages: tuple[str, ...], h_KxB: jax.Array, n_frames: jax.Array | int) -> jax.Array:
        for stage in stages:
            h_KxB = getattr(self, stage)(h_KxB, n_frames)
        return h_KxB


def bind(config: ConvTasNet, params: Params) -> ConvTasNetModule:
    """Return the network with these parameters."""
    return module.bind(ConvTasNetModule, config, params)
