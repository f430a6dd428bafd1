"""The functions of the public API: adapt, separate, evaluate and convert. They are exported by `ugosa_jax`."""

from ugosa_jax.api.adapted import AdaptedNetwork, Losses, load_adapted_layers
from ugosa_jax.api.adapting import adapt, adapt_lanes
from ugosa_jax.api.converting import convert_checkpoint
from ugosa_jax.api.evaluating import evaluate
from ugosa_jax.api.separating import separate

__all__ = [
    "AdaptedNetwork",
    "Losses",
    "adapt",
    "adapt_lanes",
    "convert_checkpoint",
    "evaluate",
    "load_adapted_layers",
    "separate",
]
