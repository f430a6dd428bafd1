"""The record of a run: everything needed to do it again, as JSON."""

import dataclasses
import datetime
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from ugosa_jax import files
from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.data.sound import Sound
from ugosa_jax.networks import protocol
from ugosa_jax.weights.bag import Weights, members_of

_PACKAGES = ("ugosa_jax", "jax", "jaxlib", "flax", "optax", "numpy", "scipy", "soundfile", "soxr", "librosa")


def describe_song(path: Path, song: Sound, notes: list[str]) -> dict[str, Any]:
    """Return name, hash and format of a song, and what was done to it for the network."""
    return describe_file(path) | {
        "rate_hz": song.rate_hz,
        "channels": song.n_channels,
        "samples": song.n_samples,
        "conversions": notes,
    }


def describe_annotation(path: Path, labels: Annotation, silent_s: dict[str, float]) -> dict[str, Any]:
    """Return name and hash of an annotation, and how many seconds of silence it gives each source."""
    return describe_file(path) | {"outside": labels.outside, "silent_s": silent_s}


def describe_file(path: Path) -> dict[str, Any]:
    """Return a file's name and hash."""
    return {"file": path.name, "sha256": files.sha256_of(path)}


def describe_weights(weights: Weights) -> dict[str, Any]:
    """Return what identifies a network."""
    return {
        "fingerprint": weights.fingerprint,
        "kind": weights.architecture.tag,
        "networks": len(members_of(weights)),
        "architecture": protocol.describe(weights.architecture),
        "provenance": weights.provenance,
    }


def describe_adaptation(result: AdaptationResult) -> dict[str, Any]:
    """Return losses (mean of each epoch), timing in seconds and device."""
    epochs = result.losses_ExIx3.mean(1) if result.losses_ExIx3.size else result.losses_ExIx3[:, 0:0]
    names = ("total", "reconstruction", "activation")
    return {
        "losses": [dict(zip(names, map(_number, epoch), strict=True)) for epoch in epochs],
        "stopped_at": result.stopped_at,
        "timing": dataclasses.asdict(result.timing),
        "device": result.device,
    }


def environment() -> dict[str, str]:
    """Return the versions that a result may depend on, and the time in UTC."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: _version(package) for package in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _number(value: float) -> float | None:
    """JSON has no NaN; null stands for a step that was not taken."""
    return float(value) if value == value else None
