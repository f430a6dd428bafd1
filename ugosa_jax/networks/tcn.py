"""The temporal convolutional part of ConvTasNet: norms, depthwise convolutions, blocks, repeats.

Modules hold the parameters; functions of nested dicts of arrays do the computation. The letters of shapes are those of
`networks.convtasnet`. Comments explain where the code is written in the way that XLA compiles best.

Arrays keep the precision of the input, as in flax modules with ``dtype=None``. With bfloat16 input, weights stay
float32, and the sums of matrix products, norms and taps are computed in float32 and rounded once, when they are stored.
"""

import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jax.experimental.layout import Layout, with_layout_constraint

from ugosa_jax.config import Precision
from ugosa_jax.networks import module
from ugosa_jax.networks.protocol import Params

_LAYER_NORM_EPS = 1e-8
_BATCH_NORM_EPS = 1e-5
kernel_init = nnx.initializers.glorot_normal()


class Pointwise(nnx.Module):
    """A 1×1 convolution without bias: x_KxI @ kernel_IxO.

    Channels are the last axis, so that this is a matrix product over [K, channels], and a batched matrix product when
    `jax.vmap` adds lanes with their own weights. A convolution would become a grouped convolution, several times slower
    on a CPU.
    """

    def __init__(self, n_in: int, n_out: int, rngs: nnx.Rngs, precision: Precision = "float32"):
        self.kernel = nnx.Param(kernel_init(rngs.params(), (n_in, n_out)))
        self.precision: Precision = precision

    def __call__(self, x_KxI: jax.Array) -> jax.Array:
        return multiply(x_KxI, self.kernel[...], self.precision)


def multiply(
    x_KxI: jax.Array,
    kernel_IxO: jax.Array,
    precision: Precision = "float32",
    dtype: jax.typing.DTypeLike | None = None,
) -> jax.Array:
    """Return x @ kernel.

    If `precision` or x is bfloat16, both factors are rounded to bfloat16; the sums and the kernel's gradient are then
    float32, and the result has type `dtype`, by default that of x. XLA would ignore `jnp.dot(…, precision=…)` on CPUs.
    """
    is_rounded = precision == "bfloat16" or x_KxI.dtype == jnp.bfloat16
    if not is_rounded or x_KxI.dtype == jnp.float64:
        return x_KxI @ kernel_IxO
    return _multiply_rounded(dtype or x_KxI.dtype, x_KxI, kernel_IxO)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _multiply_rounded(dtype, x_KxI, kernel_IxO):
    return _dot(x_KxI, kernel_IxO, 0).astype(dtype)


def _multiply_rounded_forward(dtype, x_KxI, kernel_IxO):
    # Only rounded values of x are stored. The gradient has the type of x, which an empty slice of x records.
    return _multiply_rounded(dtype, x_KxI, kernel_IxO), (x_KxI.astype(jnp.bfloat16), kernel_IxO, x_KxI[:0])


def _multiply_rounded_backward(_, kept, cotangent_KxO):
    x_KxI, kernel_IxO, like_x = kept
    dx_KxI = _dot(cotangent_KxO, kernel_IxO, 1).astype(like_x.dtype)
    return dx_KxI, _dot(to_row_major(x_KxI.T), cotangent_KxO, 0).astype(kernel_IxO.dtype)


_multiply_rounded.defvjp(_multiply_rounded_forward, _multiply_rounded_backward)


def _dot(a: jax.Array, b: jax.Array, axis: int) -> jax.Array:
    """Return the matrix product over the last axis of a and one axis of b: factors in bfloat16, sums in float32."""
    a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
    return jax.lax.dot_general(a, b, (((1,), (axis,)), ((), ())), preferred_element_type=jnp.float32)


def to_row_major(x: jax.Array) -> jax.Array:
    """Return a matrix that is stored in row-major layout, even if it is a transpose."""
    # On a CPU, XLA's fast bfloat16 product requires this layout of its first factor.
    rows = Layout(major_to_minor=(0, 1))
    return jax.lax.platform_dependent(x, cpu=lambda x: with_layout_constraint(x, rows), default=lambda x: x)


def widen(x: jax.Array) -> jax.Array:
    """Return x in the precision in which sums are computed: at least float32."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


class PReLU(nnx.Module):
    """The parameter of `prelu`: one slope for all channels."""

    def __init__(self):
        self.slope = nnx.Param(jnp.asarray(0.25))


def prelu(params: Params, x: jax.Array) -> jax.Array:
    """Return max(x, 0) + slope · min(x, 0)."""
    return jnp.where(x >= 0, x, (params["slope"] * x).astype(x.dtype))


class TemporalNorm(nnx.Module):
    """A norm, one of `NORMS`, with its parameters.

    A norm returns `(x, scale, shift)`, which stand for x · scale + shift. The next linear map folds scale and shift
    into its weights, so that normalised arrays, the largest of the network, are never written to memory.
    """

    def __init__(self, kind: str, n: int):
        self.kind = kind
        if kind != "id":
            self.gamma = nnx.Param(jnp.ones(n))
            self.beta = nnx.Param(jnp.zeros(n))
        if kind == "BN":
            self.mean = nnx.BatchStat(jnp.zeros(n))
            self.var = nnx.BatchStat(jnp.ones(n))

    def __call__(self, x_KxH: jax.Array, n_frames: jax.Array | int) -> tuple[jax.Array, jax.Array, jax.Array]:
        return NORMS[self.kind](module.get_arrays(self), x_KxH, n_frames)


def global_norm(params: Params, x_KxH: jax.Array, n_frames: jax.Array | int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """gLN: mean and variance over all frames and channels."""
    # Both moments are computed in one pass. Frames beyond n_frames are zero, so that the sums need no mask.
    n = jnp.maximum(n_frames, 1) * x_KxH.shape[1]
    wide_KxH = widen(x_KxH)
    mean = wide_KxH.sum(0).sum() / n
    variance = jnp.maximum((wide_KxH * wide_KxH).sum(0).sum() / n - mean**2, 0)
    scale_H = params["gamma"] * jax.lax.rsqrt(variance + _LAYER_NORM_EPS)
    return x_KxH, scale_H, params["beta"] - mean * scale_H


def channel_norm(params: Params, x_KxH: jax.Array, _: jax.Array | int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """cLN: mean and variance over the channels of each frame."""
    wide_KxH = widen(x_KxH)
    centred_KxH = wide_KxH - wide_KxH.mean(1, keepdims=True)
    variance_Kx1 = (centred_KxH**2).mean(1, keepdims=True)
    normed_KxH = centred_KxH * jax.lax.rsqrt(variance_Kx1 + _LAYER_NORM_EPS)
    return normed_KxH.astype(x_KxH.dtype), params["gamma"], params["beta"]


def batch_norm(params: Params, x_KxH: jax.Array, _: jax.Array | int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """BN: running mean and variance of the training, because a single song is no batch."""
    scale_H = params["gamma"] * jax.lax.rsqrt(params["var"] + _BATCH_NORM_EPS)
    return x_KxH, scale_H, params["beta"] - params["mean"] * scale_H


def no_norm(_: Params, x_KxH: jax.Array, __: jax.Array | int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """id: no normalisation, no parameters."""
    n, dtype = x_KxH.shape[1], widen(x_KxH).dtype
    return x_KxH, jnp.ones(n, dtype), jnp.zeros(n, dtype)


NORMS = {"gLN": global_norm, "cLN": channel_norm, "BN": batch_norm, "id": no_norm}


class Depthwise(nnx.Module):
    """The taps of a dilated depthwise convolution: kernel_PxH."""

    def __init__(self, n: int, P: int, rngs: nnx.Rngs):
        self.kernel = nnx.Param(kernel_init(rngs.params(), (P, n)))


def convolve_depthwise(
    params: Params,
    offsets: tuple[int, ...],
    x_KxH: jax.Array,
    scale_H: jax.Array,
    shift_H: jax.Array,
    n_frames: jax.Array | int,
) -> jax.Array:
    """Return the depthwise convolution of x · scale + shift, zero-padded before frame 0 and from frame n_frames on.

    The result at frame k is Σ_p taps_p · (scale · x[k + offset_p] + shift) over the taps p for which k + offset_p is
    a frame; taps on the padding do not add the shift.
    """
    # This is a sum of shifted products, because XLA's grouped convolutions are several times slower on a CPU.
    frame_Kx1 = jnp.arange(x_KxH.shape[0])[:, None]
    taps_PxH = params["kernel"]
    out_KxH = convolve_dilated(x_KxH, taps_PxH * scale_H, offsets)
    for offset, taps_H in zip(offsets, taps_PxH, strict=True):
        is_frame_Kx1 = (frame_Kx1 + offset >= 0) & (frame_Kx1 + offset < n_frames)
        out_KxH += jnp.where(is_frame_Kx1, taps_H * shift_H, 0)
    return out_KxH.astype(x_KxH.dtype)


def convolve_dilated(x_KxH: jax.Array, taps_PxH: jax.Array, offsets: tuple[int, ...]) -> jax.Array:
    """Return Σ_p taps_p · x[k + offset_p], with zeros before and after x."""
    # The gradient of x is written as another such sum: JAX's own gradient pads each term, and XLA stores them all.
    apply = jax.custom_vjp(lambda x_KxH, taps_PxH: _convolve_dilated(x_KxH, taps_PxH, offsets))

    def forward(x_KxH, taps_PxH):
        return _convolve_dilated(x_KxH, taps_PxH, offsets), (x_KxH, taps_PxH)

    def backward(kept, cotangent_KxH):
        x_KxH, taps_PxH = kept
        of_taps = [(widen(cotangent_KxH) * widen(read_KxH)).sum(0) for read_KxH in shift(x_KxH, offsets)]
        return _convolve_dilated(cotangent_KxH, taps_PxH, tuple(-offset for offset in offsets)), jnp.stack(of_taps)

    apply.defvjp(forward, backward)
    return apply(x_KxH, taps_PxH)  # pyright: ignore[reportReturnType]


def _convolve_dilated(x_KxH: jax.Array, taps_PxH: jax.Array, offsets: tuple[int, ...]) -> jax.Array:
    terms = [read_KxH * taps_H for read_KxH, taps_H in zip(shift(x_KxH, offsets), taps_PxH, strict=True)]
    return functools.reduce(jnp.add, terms).astype(x_KxH.dtype)


def shift(x_KxH: jax.Array, offsets: tuple[int, ...]) -> list[jax.Array]:
    """Return x[k + offset] for each offset, with zeros before and after x."""
    K = x_KxH.shape[0]
    before, after = max(0, -min(offsets)), max(0, *offsets)
    padded = jnp.pad(x_KxH, ((before, after), (0, 0)))
    return [jax.lax.slice_in_dim(padded, before + offset, before + offset + K) for offset in offsets]


class TemporalBlock(nnx.Module):
    """A residual block: h + project(norm(PReLU(depthwise(norm(PReLU(expand(h)))))))."""

    def __init__(
        self, B: int, H: int, P: int, norm: str, causal: bool, dilation: int, rngs: nnx.Rngs, precision: Precision
    ):
        past = (P - 1) * dilation
        self.offsets = tuple(p * dilation - (past if causal else past // 2) for p in range(P))
        self.norm = norm
        self.precision: Precision = precision
        self.expand = Pointwise(B, H, rngs)
        self.prelu1 = PReLU()
        self.norm1 = TemporalNorm(norm, H)
        self.depthwise = Depthwise(H, P, rngs)
        self.prelu2 = PReLU()
        self.norm2 = TemporalNorm(norm, H)
        self.project = Pointwise(H, B, rngs)

    def __call__(self, h_KxB: jax.Array, n_frames: jax.Array | int) -> jax.Array:
        params = module.get_arrays(self)
        a_KxH = multiply(h_KxB, params.pop("expand")["kernel"], self.precision)
        rest = recompute_in_backward(lambda params, a_KxH: self.after_expand(params, a_KxH, n_frames))
        return mask_padding(h_KxB + rest(params, a_KxH), n_frames)

    def after_expand(self, params: Params, a_KxH: jax.Array, n_frames: jax.Array | int) -> jax.Array:
        """Return project(norm(PReLU(depthwise(norm(PReLU(a)))))), computed with `params` and not with `self`'s."""
        norm = NORMS[self.norm]
        a_KxH, scale_H, shift_H = norm(params.get("norm1", {}), prelu(params["prelu1"], a_KxH), n_frames)
        a_KxH = convolve_depthwise(params["depthwise"], self.offsets, a_KxH, scale_H, shift_H, n_frames)
        a_KxH = mask_padding(prelu(params["prelu2"], a_KxH), n_frames)
        a_KxH, scale_H, shift_H = norm(params.get("norm2", {}), a_KxH, n_frames)
        project_HxB = params["project"]["kernel"]
        # This is (a · scale + shift) @ project without storing the sum in brackets.
        shared_B = shift_H @ project_HxB
        return (multiply(a_KxH, scale_H[:, None] * project_HxB, self.precision) + shared_B).astype(a_KxH.dtype)


def recompute_in_backward(f):
    """Return f(params, x) with a backward pass that recomputes inner values: only params and x are stored for it.

    For a block, this stores one array of [K, H] instead of six.
    """
    # `jax.checkpoint` would do the same, but on a CPU, XLA undoes it: it finds that the inner values do not depend on
    # the cotangent, computes them in the forward pass and stores them. Here, the parameters formally depend on the
    # cotangent (0 times it is added); x does not, because an array that does would be stored once more.
    g = jax.custom_vjp(f)

    def forward(params, x):
        return f(params, x), (params, x)

    def backward(kept, cotangent):
        params, x = kept
        nothing = 0 * widen(cotangent[0, 0])
        _, pull_back = jax.vjp(f, jax.tree.map(lambda leaf: leaf + nothing, params), x)
        return pull_back(cotangent)

    g.defvjp(forward, backward)
    return g


class Repeat(nnx.Dict[TemporalBlock]):
    """X blocks, block1 to blockX, with dilations 1, 2, 4 … 2^(X-1)."""

    def __init__(self, B: int, H: int, P: int, X: int, norm: str, causal: bool, rngs: nnx.Rngs, precision: Precision):
        blocks = (TemporalBlock(B, H, P, norm, causal, 2**x, rngs, precision) for x in range(X))
        super().__init__({f"block{x}": block for x, block in enumerate(blocks, 1)})

    def __call__(self, h_KxB: jax.Array, n_frames: jax.Array | int) -> jax.Array:
        for x in range(len(self)):  # flax sorts names, and block10 precedes block2
            h_KxB = self[f"block{x + 1}"](h_KxB, n_frames)
        return h_KxB


def mask_padding(x_KxH: jax.Array, n_frames: jax.Array | int) -> jax.Array:
    """Set all frames from `n_frames` on to zero."""
    if isinstance(n_frames, int) and n_frames == x_KxH.shape[0]:
        return x_KxH
    return jnp.where(jnp.arange(x_KxH.shape[0])[:, None] < n_frames, x_KxH, 0)
