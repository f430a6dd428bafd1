"""The U-Net of one source, in Flax NNX, stage by stage: encoder1 …, decoder1 …, the deepest first, and mask.

Arrays have the shape (P, K, F, channels). Stages pass on x and the skips, the outputs of encoders that decoders need.
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from ugosa_jax.networks.spleeter import strided_convolution
from ugosa_jax.networks.spleeter.sizes import SpleeterSettings

Skips = dict[str, jax.Array]
_TAPS, _MASK_TAPS = 5, 4


class Convolution(nnx.Module):
    """Kernel and bias of a convolution, with the uniform initialisation of He et al. 2015."""

    def __init__(self, taps: int, n_in: int, n_out: int, rngs: nnx.Rngs):
        spread = math.sqrt(6 / (taps * taps * n_in))
        shape = (taps, taps, n_in, n_out)
        self.kernel = nnx.Param(jax.random.uniform(rngs.params(), shape, minval=-spread, maxval=spread))
        self.bias = nnx.Param(jnp.zeros(n_out))


class ScaleShift(nnx.Module):
    """Scale and shift of each channel: batch normalisation into which the conversion folded the running statistics."""

    def __init__(self, n: int):
        self.scale = nnx.Param(jnp.ones(n))
        self.shift = nnx.Param(jnp.zeros(n))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x * self.scale[...] + self.shift[...]


class UNetEncoder(nnx.Module):
    """A convolution that halves the plane, norm and activation; the skip is the convolution's output.

    The deepest level has no norm and no activation.
    """

    def __init__(self, settings: SpleeterSettings, level: int, rngs: nnx.Rngs):
        n_in, n_out = settings.encoder_widths[level - 1]
        self.settings, self.is_deepest = settings, level == settings.depth
        self.conv = Convolution(_TAPS, n_in, n_out, rngs)
        if not self.is_deepest:
            self.norm = ScaleShift(n_out)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the input of the next stage, and the skip."""
        skip = strided_convolution.downsample(x, self.conv.kernel[...]) + self.conv.bias[...]
        if self.is_deepest:
            return skip, skip
        normed = self.norm(skip)
        return jax.nn.elu(normed) if self.settings.activation == "elu" else jax.nn.leaky_relu(normed, 0.2), skip


class UNetDecoder(nnx.Module):
    """A transposed convolution that doubles the plane, activation, norm."""

    def __init__(self, settings: SpleeterSettings, number: int, rngs: nnx.Rngs):
        self.settings = settings
        self.conv = Convolution(_TAPS, *settings.decoder_widths[number - 1], rngs)
        self.norm = ScaleShift(settings.decoder_widths[number - 1][1])

    def __call__(self, x: jax.Array) -> jax.Array:
        y = strided_convolution.upsample(x, self.conv.kernel[...]) + self.conv.bias[...]
        return self.norm(jax.nn.elu(y) if self.settings.activation == "elu" else jax.nn.relu(y))


class Mask(nnx.Module):
    """The last convolution, to a logit for each channel of the mixture."""

    def __init__(self, settings: SpleeterSettings, rngs: nnx.Rngs):
        self.conv = Convolution(_MASK_TAPS, 1, settings.channels, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return strided_convolution.convolve_dilated(x, self.conv.kernel[...]) + self.conv.bias[...]


class UNet(nnx.Module):
    """All stages of one source. Its attributes are the stages."""

    def __init__(self, settings: SpleeterSettings, rngs: nnx.Rngs):
        self.settings = settings
        for level in range(1, settings.depth + 1):
            setattr(self, f"encoder{level}", UNetEncoder(settings, level, rngs))
        for number in range(1, settings.depth + 1):
            setattr(self, f"decoder{number}", UNetDecoder(settings, number, rngs))
        self.mask = Mask(settings, rngs)

    def __call__(self, x: jax.Array, skips: Skips, since: str, until: str | None) -> tuple[jax.Array, Skips]:
        """Run the stages from `since` on, up to `until` or the end; return their output and all skips so far."""
        order = list_stages(self.settings)
        end = len(order) if until is None else order.index(until)
        for name in order[order.index(since) : end]:
            if name.startswith("encoder"):
                x, skip = getattr(self, name)(x)
                skips = skips | {name: skip}
                continue
            if below := find_skip(self.settings, name):
                x = jnp.concatenate([skips[below], x], -1)
            x = getattr(self, name)(x)
        return x, skips


def list_stages(settings: SpleeterSettings) -> tuple[str, ...]:
    """Return the names of the stages in running order."""
    levels = range(1, settings.depth + 1)
    return (*(f"encoder{level}" for level in levels), *(f"decoder{number}" for number in levels), "mask")


def find_skip(settings: SpleeterSettings, stage: str) -> str | None:
    """Return the encoder whose skip a stage takes; None except for decoders other than the deepest."""
    if not stage.startswith("decoder") or stage == "decoder1":
        return None
    return f"encoder{settings.depth + 1 - int(stage.removeprefix('decoder'))}"


def list_needed_skips(settings: SpleeterSettings, since: str) -> tuple[str, ...]:
    """Return the encoders before stage `since` whose skips it or a later stage takes, in order."""
    order = list_stages(settings)
    at = order.index(since)
    needed = {find_skip(settings, stage) for stage in order[at:]}
    return tuple(stage for stage in order[:at] if stage in needed)
