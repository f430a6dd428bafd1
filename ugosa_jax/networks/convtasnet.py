"""ConvTasNet of the Demucs repository in Flax NNX, stage by stage, for one song at a time.

The alphabet of shapes, used as suffixes of names here and in every module that does maths:

    T samples · K frames of the encoder · C audio channels · S sources
    N filters · L samples a filter · B bottleneck channels · H hidden channels · P taps

Stages, in order: encoder, norm, bottleneck, repeat1 … repeatR, mask, decoder. Everything is channels-last, so that
each 1×1 convolution is one matmul over [K, channels] and stays one (batched) matmul when `jax.vmap` adds lanes with
weights of their own.

Source of the architecture: Luo & Mesgarani 2019 in the stereo, skip-free variant of Défossez et al. 2019.
"""

import functools

import jax
import jax.numpy as jnp
from flax import nnx

from ugosa_jax.config import ModelConfig

Params = dict
"""Nested dict of arrays: stage → … → leaf, as `weights` stores it."""

_LAYER_NORM_EPS = 1e-8
_BATCH_NORM_EPS = 1e-5
_kernel_init = nnx.initializers.glorot_normal()


class Linear(nnx.Module):
    """A 1×1 convolution without bias: x_KxI @ kernel_IxO."""

    def __init__(self, n_in: int, n_out: int, rngs: nnx.Rngs):
        self.kernel = nnx.Param(_kernel_init(rngs.params(), (n_in, n_out)))

    def __call__(self, x_KxI: jax.Array) -> jax.Array:
        return x_KxI @ self.kernel[...]


class PReLU(nnx.Module):
    """max(x, 0) + slope · min(x, 0), with one slope for all channels."""

    def __init__(self):
        self.slope = nnx.Param(jnp.asarray(0.25))

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.where(x >= 0, x, self.slope[...] * x)


class GlobalNorm(nnx.Module):
    """gLN: mean and variance over all frames and channels together.

    A norm returns `(x, scale, shift)`, meaning x · scale + shift; the linear map that follows takes scale and shift
    into its weights, which saves a pass over the largest arrays of the network.
    """

    def __init__(self, n: int):
        self.gamma = nnx.Param(jnp.ones(n))
        self.beta = nnx.Param(jnp.zeros(n))

    def __call__(self, x_KxH: jax.Array, n_frames: jax.Array | int) -> tuple[jax.Array, jax.Array, jax.Array]:
        # One pass for both moments. Frames beyond n_frames are zero, so sums need no mask.
        n = jnp.maximum(n_frames, 1) * x_KxH.shape[1]
        mean = x_KxH.sum(0).sum() / n
        variance = jnp.maximum((x_KxH * x_KxH).sum(0).sum() / n - mean**2, 0)
        scale_H = self.gamma[...] * jax.lax.rsqrt(variance + _LAYER_NORM_EPS)
        return x_KxH, scale_H, self.beta[...] - mean * scale_H


class ChannelNorm(nnx.Module):
    """cLN: mean and variance over the channels of each frame."""

    def __init__(self, n: int):
        self.gamma = nnx.Param(jnp.ones(n))
        self.beta = nnx.Param(jnp.zeros(n))

    def __call__(self, x_KxH: jax.Array, n_frames: jax.Array | int) -> tuple[jax.Array, jax.Array, jax.Array]:
        centred_KxH = x_KxH - x_KxH.mean(1, keepdims=True)
        variance_Kx1 = (centred_KxH**2).mean(1, keepdims=True)
        return centred_KxH * jax.lax.rsqrt(variance_Kx1 + _LAYER_NORM_EPS), self.gamma[...], self.beta[...]


class BatchNorm(nnx.Module):
    """BN with the running statistics of training: a song is never a batch."""

    def __init__(self, n: int):
        self.gamma = nnx.Param(jnp.ones(n))
        self.beta = nnx.Param(jnp.zeros(n))
        self.mean = nnx.BatchStat(jnp.zeros(n))
        self.var = nnx.BatchStat(jnp.ones(n))

    def __call__(self, x_KxH: jax.Array, n_frames: jax.Array | int) -> tuple[jax.Array, jax.Array, jax.Array]:
        scale_H = self.gamma[...] * jax.lax.rsqrt(self.var[...] + _BATCH_NORM_EPS)
        return x_KxH, scale_H, self.beta[...] - self.mean[...] * scale_H


class NoNorm(nnx.Module):
    """id: no normalisation, no parameters."""

    def __init__(self, n: int):
        self.n = n

    def __call__(self, x_KxH: jax.Array, n_frames: jax.Array | int) -> tuple[jax.Array, jax.Array, jax.Array]:
        return x_KxH, jnp.ones(self.n, x_KxH.dtype), jnp.zeros(self.n, x_KxH.dtype)


_NORMS = {"gLN": GlobalNorm, "cLN": ChannelNorm, "BN": BatchNorm, "id": NoNorm}


class Depthwise(nnx.Module):
    """A dilated convolution of each channel with P taps of its own, zero-padded to its input's length."""

    def __init__(self, n: int, P: int, dilation: int, causal: bool, rngs: nnx.Rngs):
        self.kernel = nnx.Param(_kernel_init(rngs.params(), (P, n)))
        past = (P - 1) * dilation
        self.offsets = tuple(p * dilation - (past if causal else past // 2) for p in range(P))

    def __call__(
        self, x_KxH: jax.Array, scale_H: jax.Array, shift_H: jax.Array, n_frames: jax.Array | int
    ) -> jax.Array:
        """Return the convolution of x · scale + shift, whose zero padding begins at frame n_frames.

        Σ_p taps_p · (scale · x[k + offset_p] + shift), where k + offset_p is a frame: shifted multiply-adds, in
        which the shift is felt only by taps that do not lie on the padding.
        """
        K = x_KxH.shape[0]
        frame_Kx1 = jnp.arange(K)[:, None]
        before, after = max(0, -self.offsets[0]), max(0, self.offsets[-1])
        padded = jnp.pad(x_KxH, ((before, after), (0, 0)))
        out_KxH = jnp.zeros_like(x_KxH)
        for offset, taps_H in zip(self.offsets, self.kernel[...], strict=True):
            read_KxH = jax.lax.slice_in_dim(padded, before + offset, before + offset + K)
            is_frame_Kx1 = (frame_Kx1 + offset >= 0) & (frame_Kx1 + offset < n_frames)
            out_KxH += read_KxH * (taps_H * scale_H) + jnp.where(is_frame_Kx1, taps_H * shift_H, 0)
        return out_KxH


class Block(nnx.Module):
    """h + project(norm(PReLU(depthwise(norm(PReLU(expand(h)))))))."""

    def __init__(self, config: ModelConfig, dilation: int, rngs: nnx.Rngs):
        norm = _NORMS[config.norm]
        self.expand = Linear(config.B, config.H, rngs)
        self.prelu1 = PReLU()
        self.norm1 = norm(config.H)
        self.depthwise = Depthwise(config.H, config.P, dilation, config.causal, rngs)
        self.prelu2 = PReLU()
        self.norm2 = norm(config.H)
        self.project = Linear(config.H, config.B, rngs)

    def __call__(self, h_KxB: jax.Array, n_frames: jax.Array | int) -> jax.Array:
        graphdef, params = nnx.split(self)

        def after_expand(params, a_KxH):
            return nnx.merge(graphdef, params).after_expand(a_KxH, n_frames)

        return only_frames(h_KxB + recomputed(after_expand)(params, self.expand(h_KxB)), n_frames)

    def after_expand(self, a_KxH: jax.Array, n_frames: jax.Array | int) -> jax.Array:
        """Return project(norm(PReLU(depthwise(norm(PReLU(a))))))."""
        a_KxH, scale_H, shift_H = self.norm1(self.prelu1(a_KxH), n_frames)
        a_KxH = self.prelu2(self.depthwise(a_KxH, scale_H, shift_H, n_frames))
        a_KxH, scale_H, shift_H = self.norm2(only_frames(a_KxH, n_frames), n_frames)
        project_HxB = self.project.kernel[...]
        # (a · scale + shift) @ project, without writing down the bracket.
        return a_KxH @ (scale_H[:, None] * project_HxB) + shift_H @ project_HxB


def recomputed(f):
    """Return f(params, x), whose backward pass keeps params and x alone, and computes f's inner values again.

    As `jax.checkpoint` does, but so that XLA keeps to it: on a CPU it would find that the inner values depend on the
    forward pass alone, and compute them there, early. Here they also depend on the cotangent, if only by 0 times it.
    """
    g = jax.custom_vjp(f)

    def forward(params, x):
        return f(params, x), (params, x)

    def backward(kept, cotangent):
        params, x = kept
        _, pull_back = jax.vjp(f, params, x + 0 * cotangent[0, 0])
        return pull_back(cotangent)

    g.defvjp(forward, backward)
    return g


class Repeat(nnx.Module):
    """X blocks with dilations 1, 2, 4 … 2^(X-1)."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs):
        self.n_blocks = config.X
        for x in range(config.X):
            setattr(self, f"block{x + 1}", Block(config, 2**x, rngs))

    def __call__(self, h_KxB: jax.Array, n_frames: jax.Array | int) -> jax.Array:
        for x in range(self.n_blocks):
            h_KxB = getattr(self, f"block{x + 1}")(h_KxB, n_frames)
        return h_KxB


class Encoder(nnx.Module):
    """ReLU of N filters of L samples over all channels, one frame every L // 2 samples."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs):
        self.hop = config.hop
        self.kernel = nnx.Param(_kernel_init(rngs.params(), (config.L, config.C, config.N)))

    def __call__(self, mix_CxT: jax.Array) -> jax.Array:
        """Return w_KxN. A frame is a few hop-sized pieces of the signal, and each piece is one matmul."""
        L, C, N = self.kernel.shape
        pieces = -(-L // self.hop)
        n_frames = (mix_CxT.shape[1] - L) // self.hop + 1
        n_samples = (n_frames + pieces - 1) * self.hop
        mix_CxT = jnp.pad(mix_CxT, ((0, 0), (0, self.hop)))[:, :n_samples]
        hops_QxF = mix_CxT.reshape(C, -1, self.hop).transpose(1, 2, 0).reshape(-1, self.hop * C)
        kernel = jnp.pad(self.kernel[...], ((0, pieces * self.hop - L), (0, 0), (0, 0)))
        kernel_PxFxN = kernel.reshape(pieces, self.hop * C, N)
        w_KxN = sum(hops_QxF[p : p + n_frames] @ kernel_PxFxN[p] for p in range(pieces))
        return jax.nn.relu(w_KxN)


class Decoder(nnx.Module):
    """Each frame of each source becomes L samples a channel; frames are added up, L // 2 samples apart."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs):
        self.C, self.L, self.hop = config.C, config.L, config.hop
        self.kernel = nnx.Param(_kernel_init(rngs.params(), (config.N, config.C * config.L)))

    def __call__(self, w_KxSxN: jax.Array, n_samples: int) -> jax.Array:
        """Return est_SxCxT, zero-padded at its end to T = n_samples."""
        K, S, _ = w_KxSxN.shape
        pieces = -(-self.L // self.hop)
        frames = (w_KxSxN @ self.kernel[...]).reshape(K, S, self.C, self.L)
        frames = jnp.pad(frames, ((0, 0), (0, 0), (0, 0), (0, pieces * self.hop - self.L)))
        frames_SxCxKxL = frames.transpose(1, 2, 0, 3)
        pad = lambda p: ((0, 0), (0, 0), (p, pieces - 1 - p), (0, 0))  # noqa: E731
        hops = sum(jnp.pad(frames_SxCxKxL[..., p * self.hop : (p + 1) * self.hop], pad(p)) for p in range(pieces))
        est_SxCxT = jnp.reshape(hops, (S, self.C, -1))[..., : (K - 1) * self.hop + self.L]
        return jnp.pad(est_SxCxT, ((0, 0), (0, 0), (0, n_samples - est_SxCxT.shape[-1])))


class ConvTasNet(nnx.Module):
    """The whole network. Its attributes are the stages, and the top level of its parameters.

    `n_frames` may say, as a number or a traced one, that only the first frames of a padded signal are real; what
    comes out for them is what the unpadded signal would have given. Songs of any length thus share one program.
    """

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs):
        self.config = config
        self.encoder = Encoder(config, rngs)
        self.norm = ChannelNorm(config.N)
        self.bottleneck = Linear(config.N, config.B, rngs)
        for stage in repeats(config):
            setattr(self, stage, Repeat(config, rngs))
        self.mask = Linear(config.B, config.S * config.N, rngs)
        self.decoder = Decoder(config, rngs)

    def __call__(self, mix_CxT: jax.Array, n_frames: jax.Array | int | None = None) -> jax.Array:
        """Separate a mixture: mix_CxT → est_SxCxT. T must be at least L (see `frames_in`)."""
        return self.suffix(mix_CxT, self.prefix(mix_CxT, "mask", n_frames), "mask", n_frames)

    def prefix(self, mix_CxT: jax.Array, until: str, n_frames: jax.Array | int | None = None) -> jax.Array:
        """Return hidden_KxB, the input of stage `until` (a repeat or the mask)."""
        w_KxN, n_frames = self._encode(mix_CxT, n_frames)
        x_KxN, scale_N, shift_N = self.norm(w_KxN, n_frames)
        h_KxB = only_frames(self.bottleneck(x_KxN * scale_N + shift_N), n_frames)
        stages = repeats(self.config)
        return self._through(stages[: (*stages, "mask").index(until)], h_KxB, n_frames)

    def suffix(
        self, mix_CxT: jax.Array, h_KxB: jax.Array, since: str, n_frames: jax.Array | int | None = None
    ) -> jax.Array:
        """Return est_SxCxT from the mixture and the input of stage `since`.

        The decoder needs the encoder's output once more. It is computed again from the mixture: one small matmul,
        where keeping it beside `h_KxB` would double the memory.
        """
        w_KxN, n_frames = self._encode(mix_CxT, n_frames)
        stages = repeats(self.config)
        h_KxB = self._through(stages[(*stages, "mask").index(since) :], h_KxB, n_frames)
        score_KxSxN = self.mask(h_KxB).reshape(-1, self.config.S, self.config.N)
        mask_KxSxN = jax.nn.softmax(score_KxSxN, 1) if self.config.mask == "softmax" else jax.nn.relu(score_KxSxN)
        return self.decoder(mask_KxSxN * w_KxN[:, None], mix_CxT.shape[1])

    def _encode(self, mix_CxT: jax.Array, n_frames: jax.Array | int | None):
        w_KxN = self.encoder(mix_CxT)
        n_frames = w_KxN.shape[0] if n_frames is None else n_frames
        return only_frames(w_KxN, n_frames), n_frames

    def _through(self, stages: tuple[str, ...], h_KxB: jax.Array, n_frames: jax.Array | int) -> jax.Array:
        for stage in stages:
            h_KxB = getattr(self, stage)(h_KxB, n_frames)
        return h_KxB


def repeats(config: ModelConfig) -> tuple[str, ...]:
    """Return the names of the repeats, in order."""
    return tuple(f"repeat{r + 1}" for r in range(config.R))


def frames_in(n_samples: int, config: ModelConfig) -> int:
    """Return how many frames the encoder makes of a signal of `n_samples`; 0 if it is shorter than a filter."""
    return max(0, (n_samples - config.L) // config.hop + 1)


def only_frames(x_KxH: jax.Array, n_frames: jax.Array | int) -> jax.Array:
    """Set all frames from `n_frames` on to zero."""
    if isinstance(n_frames, int) and n_frames == x_KxH.shape[0]:
        return x_KxH
    return jnp.where(jnp.arange(x_KxH.shape[0])[:, None] < n_frames, x_KxH, 0)


def init(config: ModelConfig, seed: int = 0) -> Params:
    """Return random parameters: Glorot-normal kernels, norms that do nothing yet, PReLU slopes of 1/4."""
    return nnx.to_pure_dict(nnx.state(ConvTasNet(config, nnx.Rngs(seed))))


def bind(config: ModelConfig, params: Params) -> ConvTasNet:
    """Return the network with these parameters; cheap, and meant to be called inside jitted functions."""
    graphdef, state = _structure(config)
    state = jax.tree.map(lambda x: x, state)  # a copy: the cached one stays abstract
    nnx.replace_by_pure_dict(state, params)
    return nnx.merge(graphdef, state)


@functools.lru_cache
def _structure(config: ModelConfig):
    return nnx.split(nnx.eval_shape(lambda: ConvTasNet(config, nnx.Rngs(0))))
