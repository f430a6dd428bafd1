"""One song, end to end: a song and its annotation go in, adapted layers, stems and scores come out.

These functions join the modules that do the work; each is a few lines of what a user would write. `ugosa_jax` itself
offers them, as `ugosa_jax.adapt` and so on.
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
