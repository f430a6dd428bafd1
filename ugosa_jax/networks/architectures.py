"""The networks that weights can be for, by what files call them."""

from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.networks.htdemucs.architecture import HTDemucs
from ugosa_jax.networks.protocol import Architecture

ARCHITECTURES: dict[str, type[Architecture]] = {kind.tag: kind for kind in (ConvTasNet, HTDemucs)}
