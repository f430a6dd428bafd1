"""The smallest parts of HTDemucs: linear maps, norms, activations."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

NORM_EPS = 1e-5


class Linear(nnx.Module):
    """The parameters of a linear map: a kernel whose last two axes are (in, out), and a bias."""

    def __init__(self, shape: tuple[int, ...], rngs: nnx.Rngs, n_bias: int | None = None):
        """Draw kernel and bias uniformly from ±1/√n, n being the product of all axes of the kernel but the last."""
        spread = 1 / math.sqrt(math.prod(shape[:-1]))
        n_bias = shape[-1] if n_bias is None else n_bias
        self.kernel = nnx.Param(jax.random.uniform(rngs.params(), shape, minval=-spread, maxval=spread))
        self.bias = nnx.Param(jax.random.uniform(rngs.params(), (n_bias,), minval=-spread, maxval=spread))

    def __call__(self, x_NxC: jax.Array, scale_O: jax.Array | None = None) -> jax.Array:
        """Return (x @ kernel + bias) · scale, channels last.

        The kernel is scaled, not the result: it is smaller, and the gradient of the scale needs no sum over positions.
        """
        kernel_CxO, bias_O = self.kernel[...], self.bias[...]
        return x_NxC @ kernel_CxO + bias_O if scale_O is None else x_NxC @ (kernel_CxO * scale_O) + bias_O * scale_O


class Norm(nnx.Module):
    """Scale and shift of each channel after a normalisation."""

    def __init__(self, n: int):
        self.gamma = nnx.Param(jnp.ones(n))
        self.beta = nnx.Param(jnp.zeros(n))

    def normalise_groups(self, x_CxRxT: jax.Array, groups: int) -> jax.Array:
        """Return GroupNorm: mean and variance are those of a group of channels over all rows and times."""
        C = x_CxRxT.shape[0]
        x_GxM = x_CxRxT.reshape(groups, -1)
        return self._affine(standardise(x_GxM).reshape(x_CxRxT.shape), (C, 1, 1))

    def normalise_tokens(self, x_NxD: jax.Array, groups: int) -> jax.Array:
        """Return LayerNorm, each token by itself, if `groups` is 0, otherwise GroupNorm over all tokens."""
        if groups == 0:
            return self._affine(standardise(x_NxD), (-1,))
        N, D = x_NxD.shape
        if groups == 1:
            return self._affine(standardise(x_NxD.reshape(1, -1)).reshape(N, D), (-1,))
        x_GxM = x_NxD.reshape(N, groups, D // groups).swapaxes(0, 1).reshape(groups, -1)
        x_NxGxd = standardise(x_GxM).reshape(groups, N, D // groups).swapaxes(0, 1)
        return self._affine(x_NxGxd.reshape(N, D), (-1,))

    def _affine(self, x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return x * self.gamma[...].reshape(shape) + self.beta[...].reshape(shape)


def standardise(x_GxM: jax.Array) -> jax.Array:
    """Return (x − mean) / standard deviation of each row."""
    centred_GxM = x_GxM - x_GxM.mean(1, keepdims=True)
    variance_Gx1 = (centred_GxM**2).mean(1, keepdims=True)
    return centred_GxM * jax.lax.rsqrt(variance_Gx1 + NORM_EPS)


@jax.custom_vjp
def gelu(x: jax.Array) -> jax.Array:
    """Return x · Φ(x) with the exact normal distribution Φ, not its approximation by tanh."""
    return x * _normal_distribution(x)


def _gelu_backward(x: jax.Array, dy: jax.Array) -> tuple[jax.Array]:
    """Return dy · (Φ(x) + x · φ(x)). Only x is stored, while JAX's own gradient stores three arrays."""
    density = jnp.exp(-0.5 * x * x) * np.asarray(1 / math.sqrt(2 * math.pi), x.dtype)
    return (dy * (_normal_distribution(x) + x * density),)


gelu.defvjp(lambda x: (gelu(x), x), _gelu_backward)


def _normal_distribution(x: jax.Array) -> jax.Array:
    half = jnp.asarray(0.5, x.dtype)
    return half * (1 + jax.lax.erf(x * np.asarray(math.sqrt(0.5), x.dtype)))


def apply_glu(x_C2xRxT: jax.Array) -> jax.Array:
    """Return GLU: the first half of the channels times the sigmoid of the second."""
    half = x_C2xRxT.shape[0] // 2
    return x_C2xRxT[:half] * jax.nn.sigmoid(x_C2xRxT[half:])
