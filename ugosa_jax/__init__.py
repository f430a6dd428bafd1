"""User-guided one-shot adaptation of music source separation, in JAX.

    import ugosa_jax as uj

    net = uj.load("mini")
    song = uj.read_audio("song.wav")
    notes = uj.read_annotation("song.csv", net.sources)
    run = uj.adapt(net, song, notes)
    stems = uj.separate(net, song, tuned=run.tuned)

What is listed in `__all__` is loaded when it is first asked for: importing this module starts no JAX.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "AdaptConfig",
    "AdaptationResult",
    "Annotation",
    "Audio",
    "Bag",
    "Checkpoint",
    "EvaluateConfig",
    "Evaluation",
    "InputError",
    "SeparateConfig",
    "Song",
    "adapt",
    "adapt_lanes",
    "convert",
    "download",
    "evaluate",
    "list_weights",
    "load",
    "load_delta",
    "read_annotation",
    "read_audio",
    "recommended",
    "save_delta",
    "separate",
    "write_audio",
]

_HOME = {
    "AdaptConfig": "config",
    "AdaptationResult": "adaptation.engine",
    "Annotation": "annotations.annotation",
    "Audio": "data.sound",
    "Bag": "weights.bag",
    "Checkpoint": "weights.checkpoint",
    "EvaluateConfig": "config",
    "Evaluation": "evaluation.scoring",
    "InputError": "errors",
    "SeparateConfig": "config",
    "Song": "data.song",
    "adapt": "api",
    "adapt_lanes": "api",
    "convert": "api",
    "download": "weights.hub",
    "evaluate": "api",
    "list_weights": "weights.hub:listing",
    "load": "weights.hub",
    "load_delta": "weights.checkpoint",
    "read_annotation": "annotations.annotation:read",
    "read_audio": "data.loading:load_mixture",
    "recommended": "config",
    "save_delta": "weights.checkpoint",
    "separate": "api",
    "write_audio": "data.sound:write",
}
"""The module of each name, and what it is called there if otherwise."""

if TYPE_CHECKING:
    from ugosa_jax.adaptation.engine import AdaptationResult
    from ugosa_jax.annotations.annotation import Annotation
    from ugosa_jax.annotations.annotation import read as read_annotation
    from ugosa_jax.api import adapt, adapt_lanes, convert, evaluate, separate
    from ugosa_jax.config import AdaptConfig, EvaluateConfig, SeparateConfig, recommended
    from ugosa_jax.data.loading import load_mixture as read_audio
    from ugosa_jax.data.song import Song
    from ugosa_jax.data.sound import Audio
    from ugosa_jax.data.sound import write as write_audio
    from ugosa_jax.errors import InputError
    from ugosa_jax.evaluation.scoring import Evaluation
    from ugosa_jax.weights.bag import Bag
    from ugosa_jax.weights.checkpoint import Checkpoint, load_delta, save_delta
    from ugosa_jax.weights.hub import download, load
    from ugosa_jax.weights.hub import listing as list_weights
else:  # out of the sight of type checkers, for which it would make any name right

    def __getattr__(name: str):
        """Import what is asked for (PEP 562)."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        module, _, inside = _HOME[name].partition(":")
        found = getattr(importlib.import_module(f"{__name__}.{module}"), inside or name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
