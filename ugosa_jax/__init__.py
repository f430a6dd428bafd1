"""User-guided one-shot adaptation of music source separation, in JAX.

    import ugosa_jax as uj

    net = uj.load_network("mini")
    song = uj.read_audio("song.wav")
    annotation = uj.read_annotation("song.csv", net.sources)
    run = uj.adapt(net, song, annotation)
    stems = run.separate(song)

All functions take network, song and annotation in this order; other arguments are keywords. `settings=None` means the
defaults for the network.

Names in `__all__` are imported on first use, so that importing this module does not import JAX.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "AdaptConfig",
    "AdaptedNetwork",
    "Annotation",
    "Audio",
    "Bag",
    "Checkpoint",
    "EvaluateConfig",
    "Evaluation",
    "InputError",
    "Interval",
    "Losses",
    "Preset",
    "SeparateConfig",
    "Song",
    "adapt",
    "adapt_lanes",
    "convert_checkpoint",
    "download_weights",
    "evaluate",
    "get_preset",
    "list_weights",
    "load_adapted_layers",
    "load_network",
    "plot_annotation",
    "plot_losses",
    "read_annotation",
    "read_audio",
    "separate",
    "write_annotation",
    "write_audio",
]

_HOME = {
    "AdaptConfig": "config",
    "AdaptedNetwork": "api.adapted",
    "Annotation": "annotations.annotation",
    "Audio": "data.sound",
    "Bag": "weights.bag",
    "Checkpoint": "weights.checkpoint",
    "EvaluateConfig": "config",
    "Evaluation": "evaluation.scoring",
    "InputError": "errors",
    "Interval": "annotations.interval",
    "Losses": "api.adapted",
    "Preset": "config",
    "SeparateConfig": "config",
    "Song": "data.song",
    "adapt": "api.adapting",
    "adapt_lanes": "api.adapting",
    "convert_checkpoint": "api.converting",
    "download_weights": "weights.download",
    "evaluate": "api.evaluating",
    "get_preset": "config",
    "list_weights": "weights.hub",
    "load_adapted_layers": "api.adapted",
    "load_network": "weights.hub",
    "plot_annotation": "reports.timeline",
    "plot_losses": "reports.losses",
    "read_annotation": "annotations.annotation",
    "read_audio": "data.loading",
    "separate": "api.separating",
    "write_annotation": "annotations.annotation",
    "write_audio": "data.sound",
}
"""The module of each name."""

if TYPE_CHECKING:
    from ugosa_jax.annotations.annotation import Annotation, read_annotation, write_annotation
    from ugosa_jax.annotations.interval import Interval
    from ugosa_jax.api.adapted import AdaptedNetwork, Losses, load_adapted_layers
    from ugosa_jax.api.adapting import adapt, adapt_lanes
    from ugosa_jax.api.converting import convert_checkpoint
    from ugosa_jax.api.evaluating import evaluate
    from ugosa_jax.api.separating import separate
    from ugosa_jax.config import AdaptConfig, EvaluateConfig, Preset, SeparateConfig, get_preset
    from ugosa_jax.data.loading import read_audio
    from ugosa_jax.data.song import Song
    from ugosa_jax.data.sound import Audio, write_audio
    from ugosa_jax.errors import InputError
    from ugosa_jax.evaluation.scoring import Evaluation
    from ugosa_jax.reports.losses import plot_losses
    from ugosa_jax.reports.timeline import plot_annotation
    from ugosa_jax.weights.bag import Bag
    from ugosa_jax.weights.checkpoint import Checkpoint
    from ugosa_jax.weights.download import download_weights
    from ugosa_jax.weights.hub import list_weights, load_network
else:  # hidden from type checkers, which would accept any name

    def __getattr__(name: str):
        """Import a public name (PEP 562)."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
