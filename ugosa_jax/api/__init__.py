"""The functions of the public API, from a song and its annotation to adapted layers, stems and scores.

`ugosa_jax` exports them, as `ugosa_jax.adapt` and so on.
"""

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
