"""The temporal convolutional part of ConvTasNet: norms, depthwise convolutions, blocks, repeats.

Everything is channels-last, so that each 1×1 convolution is one matmul over [K, channels] and stays one (batched)
matmul when `jax.vmap` adds lanes with weights of their own. Letters are those of `networks.convtasnet`.

Arrays keep the precision of what comes in. Where they are bfloat16, weights stay float32, and so do sums: those in
products, in norms and over taps are rounded once, where they are written down.
"""

import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jax.experimental.layout import Layout, with_layout_constraint

_LAYER_NORM_EPS = 1e-8
_BATCH_NORM_EPS = 1e-5
kernel_init = nnx.initializers.glorot_normal()


class Linear(nnx.Module):
    """A 1×1 convolution without bias: x_KxI @ kernel_IxO."""

    def __init__(self, n_in: int, n_out: int, rngs: nnx.Rngs):
        self.kernel = nnx.Param(kernel_init(rngs.params(), (n_in, n_out)))

    def __call__(self, x_KxI: jax.Array) -> jax.Array:
        return product(x_KxI, self.kernel[...])


def product(x_KxI: jax.Array, kernel_IxO: jax.Array, dtype: jax.typing.DTypeLike | None = None) -> jax.Array:
    """Return x @ kernel, of the precision of x unless another is asked for.

    Both sides are rounded to bfloat16 where x is that, or where JAX's own `default_matmul_precision` is, which XLA
    leaves aside on CPUs. Sums are float32 then, and so is the kernel's gradient.
    """
    is_rounded = x_KxI.dtype == jnp.bfloat16 or jax.config.jax_default_matmul_precision == "bfloat16"  # pyright: ignore[reportAttributeAccessIssue]
    if not is_rounded or x_KxI.dtype == jnp.float64:
        return x_KxI @ kernel_IxO
    return _rounded_product(dtype or x_KxI.dtype, x_KxI, kernel_IxO)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _rounded_product(dtype, x_KxI, kernel_IxO):
    return _dot(x_KxI, kernel_IxO, 0).astype(dtype)


def _forward_of_product(dtype, x_KxI, kernel_IxO):
    # An empty array says what the gradient's precision will be: that of x, of which only the rounded values are kept.
    return _rounded_product(dtype, x_KxI, kernel_IxO), (x_KxI.astype(jnp.bfloat16), kernel_IxO, x_KxI[:0])


def _backward_of_product(_, kept, cotangent_KxO):
    x_KxI, kernel_IxO, like_x = kept
    of_x_KxI = _dot(cotangent_KxO, kernel_IxO, 1).astype(like_x.dtype)
    return of_x_KxI, _dot(in_rows(x_KxI.T), cotangent_KxO, 0).astype(kernel_IxO.dtype)


_rounded_product.defvjp(_forward_of_product, _backward_of_product)


def _dot(a: jax.Array, b: jax.Array, axis: int) -> jax.Array:
    """Return the product of bfloat16 matrices over the last axis of a and an axis of b, summed in float32."""
    a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
    return jax.lax.dot_general(a, b, (((1,), (axis,)), ((), ())), preferred_element_type=jnp.float32)


def in_rows(x: jax.Array) -> jax.Array:
    """Return a matrix that lies in memory row by row: a CPU has no fast product of bfloat16 for any other."""
    rows = Layout(major_to_minor=(0, 1))
    return jax.lax.platform_dependent(x, cpu=lambda x: with_layout_constraint(x, rows), default=lambda x: x)


def wide(x: jax.Array) -> jax.Array:
    """Return x in the precision that its sums are computed in, at least float32."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


class PReLU(nnx.Module):
    """max(x, 0) + slope · min(x, 0), with one slope for all channels."""

    def __init__(self):
        self.slope = nnx.Param(jnp.asarray(0.25))

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.where(x >= 0, x, (self.slope[...] * x).astype(x.dtype))


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
        wide_KxH = wide(x_KxH)
        mean = wide_KxH.sum(0).sum() / n
        variance = jnp.maximum((wide_KxH * wide_KxH).sum(0).sum() / n - mean**2, 0)
        scale_H = self.gamma[...] * jax.lax.rsqrt(variance + _LAYER_NORM_EPS)
        return x_KxH, scale_H, self.beta[...] - mean * scale_H


class ChannelNorm(nnx.Module):
    """cLN: mean and variance over the channels of each frame."""

    def __init__(self, n: int):
        self.gamma = nnx.Param(jnp.ones(n))
        self.beta = nnx.Param(jnp.zeros(n))

    def __call__(self, x_KxH: jax.Array, n_frames: jax.Array | int) -> tuple[jax.Array, jax.Array, jax.Array]:
        wide_KxH = wide(x_KxH)
        centred_KxH = wide_KxH - wide_KxH.mean(1, keepdims=True)
        variance_Kx1 = (centred_KxH**2).mean(1, keepdims=True)
        normed_KxH = centred_KxH * jax.lax.rsqrt(variance_Kx1 + _LAYER_NORM_EPS)
        return normed_KxH.astype(x_KxH.dtype), self.gamma[...], self.beta[...]


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
        dtype = wide(x_KxH).dtype
        return x_KxH, jnp.ones(self.n, dtype), jnp.zeros(self.n, dtype)


NORMS = {"gLN": GlobalNorm, "cLN": ChannelNorm, "BN": BatchNorm, "id": NoNorm}


class Depthwise(nnx.Module):
    """A dilated convolution of each channel with P taps of its own, zero-padded to its input's length."""

    def __init__(self, n: int, P: int, dilation: int, causal: bool, rngs: nnx.Rngs):
        self.kernel = nnx.Param(kernel_init(rngs.params(), (P, n)))
        past = (P - 1) * dilation
        self.offsets = tuple(p * dilation - (past if causal else past // 2) for p in range(P))

    def __call__(
        self, x_KxH: jax.Array, scale_H: jax.Array, shift_H: jax.Array, n_frames: jax.Array | int
    ) -> jax.Array:
        """Return the convolution of x · scale + shift, whose zero padding begins at frame n_frames.

        Σ_p taps_p · (scale · x[k + offset_p] + shift), where k + offset_p is a frame: shifted multiply-adds, in
        which the shift is felt only by taps that do not lie on the padding.
        """
        frame_Kx1 = jnp.arange(x_KxH.shape[0])[:, None]
        taps_PxH = self.kernel[...]
        out_KxH = dilated(x_KxH, taps_PxH * scale_H, self.offsets)
        for offset, taps_H in zip(self.offsets, taps_PxH, strict=True):
            is_frame_Kx1 = (frame_Kx1 + offset >= 0) & (frame_Kx1 + offset < n_frames)
            out_KxH += jnp.where(is_frame_Kx1, taps_H * shift_H, 0)
        return out_KxH.astype(x_KxH.dtype)


def dilated(x_KxH: jax.Array, taps_PxH: jax.Array, offsets: tuple[int, ...]) -> jax.Array:
    """Return Σ_p taps_p · x[k + offset_p], with zeros before and after x.

    The gradient is written down because it is another such sum: JAX's own pads each term of it by itself, which XLA
    writes to memory one by one.
    """
    apply = jax.custom_vjp(lambda x_KxH, taps_PxH: _dilated(x_KxH, taps_PxH, offsets))

    def forward(x_KxH, taps_PxH):
        return _dilated(x_KxH, taps_PxH, offsets), (x_KxH, taps_PxH)

    def backward(kept, cotangent_KxH):
        x_KxH, taps_PxH = kept
        of_taps = [(wide(cotangent_KxH) * wide(read_KxH)).sum(0) for read_KxH in shifted(x_KxH, offsets)]
        return _dilated(cotangent_KxH, taps_PxH, tuple(-offset for offset in offsets)), jnp.stack(of_taps)

    apply.defvjp(forward, backward)
    return apply(x_KxH, taps_PxH)  # pyright: ignore[reportReturnType]


def _dilated(x_KxH: jax.Array, taps_PxH: jax.Array, offsets: tuple[int, ...]) -> jax.Array:
    terms = [read_KxH * taps_H for read_KxH, taps_H in zip(shifted(x_KxH, offsets), taps_PxH, strict=True)]
    return functools.reduce(jnp.add, terms).astype(x_KxH.dtype)


def shifted(x_KxH: jax.Array, offsets: tuple[int, ...]) -> list[jax.Array]:
    """Return x[k + offset] for each offset, with zeros before and after x."""
    K = x_KxH.shape[0]
    before, after = max(0, -min(offsets)), max(0, *offsets)
    padded = jnp.pad(x_KxH, ((before, after), (0, 0)))
    return [jax.lax.slice_in_dim(padded, before + offset, before + offset + K) for offset in offsets]


class Block(nnx.Module):
    """h + project(norm(PReLU(depthwise(norm(PReLU(expand(h)))))))."""

    def __init__(self, B: int, H: int, P: int, norm: str, causal: bool, dilation: int, rngs: nnx.Rngs):
        self.expand = Linear(B, H, rngs)
        self.prelu1 = PReLU()
        self.norm1 = NORMS[norm](H)
        self.depthwise = Depthwise(H, P, dilation, causal, rngs)
        self.prelu2 = PReLU()
        self.norm2 = NORMS[norm](H)
        self.project = Linear(H, B, rngs)

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
        shared_B = shift_H @ project_HxB
        return (product(a_KxH, scale_H[:, None] * project_HxB) + shared_B).astype(a_KxH.dtype)


def recomputed(f):
    """Return f(params, x), whose backward pass keeps params and x alone, and computes f's inner values again.

    As `jax.checkpoint` does, but so that XLA keeps to it: on a CPU it would find that the inner values depend on the
    forward pass alone, and compute them there, early. Here the parameters also depend on the cotangent, if only by 0
    times it; x does not, for that would write it down once more.
    """
    g = jax.custom_vjp(f)

    def forward(params, x):
        return f(params, x), (params, x)

    def backward(kept, cotangent):
        params, x = kept
        nothing = 0 * wide(cotangent[0, 0])
        _, pull_back = jax.vjp(f, jax.tree.map(lambda leaf: leaf + nothing, params), x)
        return pull_back(cotangent)

    g.defvjp(forward, backward)
    return g


class Repeat(nnx.Module):
    """X blocks with dilations 1, 2, 4 … 2^(X-1)."""

    def __init__(self, B: int, H: int, P: int, X: int, norm: str, causal: bool, rngs: nnx.Rngs):
        self.n_blocks = X
        for x in range(X):
            setattr(self, f"block{x + 1}", Block(B, H, P, norm, causal, 2**x, rngs))

    def __call__(self, h_KxB: jax.Array, n_frames: jax.Array | int) -> jax.Array:
        for x in range(self.n_blocks):
            h_KxB = getattr(self, f"block{x + 1}")(h_KxB, n_frames)
        return h_KxB


def only_frames(x_KxH: jax.Array, n_frames: jax.Array | int) -> jax.Array:
    """Set all frames from `n_frames` on to zero."""
    if isinstance(n_frames, int) and n_frames == x_KxH.shape[0]:
        return x_KxH
    return jnp.where(jnp.arange(x_KxH.shape[0])[:, None] < n_frames, x_KxH, 0)
