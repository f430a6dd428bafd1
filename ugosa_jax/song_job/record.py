"""The record of a job: everything needed to do it again, as JSON. Its structure is that of the classes here.

`record.json` of the command line and of the studio is a `Record`; the results of a sweep hold an `Adaptation` and the
environment for every cell.
"""

import dataclasses
import datetime
import importlib.metadata
import math
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ugosa_jax import files
from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.data import sound
from ugosa_jax.data.sound import Sound
from ugosa_jax.errors import InputError
from ugosa_jax.networks import protocol
from ugosa_jax.song_job.names import RECORD
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.weights import Weights, list_networks

_PACKAGES = ("ugosa_jax", "jax", "jaxlib", "flax", "optax", "numpy", "scipy", "soundfile", "soxr", "librosa")


class File(msgspec.Struct, frozen=True):
    """A file that was read, by name and content; what is no file has no SHA-256."""

    file: str
    sha256: str | None = None


class Song(File, frozen=True, kw_only=True):
    """The mixture, and what was done to it for the network."""

    rate_hz: int
    channels: int
    samples: int
    conversions: list[str]


class Labels(File, frozen=True, kw_only=True):
    """The annotation as it was understood: (start in s, end in s, source, state), and what holds elsewhere."""

    intervals: list[tuple[float, float, str, str]]
    outside: str
    silent_s: dict[str, float]
    """Seconds of annotated silence by source."""


class Network(msgspec.Struct, frozen=True):
    """What identifies the weights that a job began with."""

    name: str
    fingerprint: str
    kind: str
    networks: int
    architecture: dict[str, Any]
    provenance: dict[str, str]
    takes: list[str] | None = None
    """Of a network in a chain: the sources of the chain that are its own."""
    members: "dict[str, Network] | None" = None
    """The networks of a chain, by name."""


class Inputs(msgspec.Struct, frozen=True):
    """What a job reads, described while it is what was read."""

    song: Song
    weights: Network
    annotation: Labels | None = None
    delta: File | None = None
    """The adapted layers that the job began with."""
    preset: str | None = None
    """Where the settings started from."""
    reading: dict[str, Any] | None = None
    """The options that the annotation was read with."""


class Settings(msgspec.Struct, frozen=True):
    """What was asked for; `adapt` is None where nothing was adapted."""

    preset: str | None
    annotation: dict[str, Any] | None
    adapt: dict[str, Any] | None
    separate: dict[str, Any]
    encoding: str
    features: str | None
    """How the output of the frozen stages was kept."""
    members: dict[str, dict[str, Any]] | None = None
    """`adapt` as each network of a chain has it."""


class EpochLosses(msgspec.Struct, frozen=True):
    """Means over the steps of one epoch; None where a step was not taken."""

    total: float | None
    reconstruction: float | None
    activation: float | None


class Adaptation(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an adaptation went, and seconds of wall time."""

    losses: list[EpochLosses]
    stopped_at: tuple[int, int] | None
    timing: dict[str, float]
    device: str
    separation_s: float
    evaluation_s: float | msgspec.UnsetType = msgspec.UNSET


class Stem(msgspec.Struct, frozen=True):
    """A stem as it was written."""

    peak: float
    samples_above_full_scale: int


class Record(msgspec.Struct, frozen=True):
    """What `record.json` holds."""

    song: Song
    annotation: Labels | None
    weights: Network
    delta: File | None
    settings: Settings
    environment: dict[str, str]
    adaptation: Adaptation
    outputs: dict[str, Stem]
    """By name of the file."""
    scores: list[dict[str, Any]] | None = None
    """Rows as of `Evaluation.rows`, where the true stems are known."""


class _OfSong(msgspec.Struct, frozen=True):
    """The part of a record that tells what it is of."""

    song: File


def song_in(folder: Path) -> File | None:
    """Return the song whose stems a folder holds; None if it has no record of one."""
    try:
        return files.read_json(folder / RECORD, _OfSong).song
    except InputError:
        return None


def file(path: Path) -> File:
    """Describe a file."""
    return File(path.name, files.sha256_of(path))


def song(mixture: Sound, net: Weights, sha256: str, name: str | None = None) -> Song:
    """Describe a mixture and how it is converted for a network."""
    return Song(
        file=name or mixture.name,
        sha256=sha256,
        rate_hz=mixture.rate_hz,
        channels=mixture.n_channels,
        samples=mixture.n_samples,
        conversions=sound.describe_conversion(mixture, net.sample_rate_hz, net.channels),
    )


def labels(read: File, said: Annotation, duration_s: float) -> Labels:
    """Describe an annotation of a song that lasts `duration_s`."""
    return Labels(
        file=read.file,
        sha256=read.sha256,
        intervals=[(i.start_s, i.end_s, i.source, i.state) for i in said.intervals],
        outside=said.outside,
        silent_s=annotation.count_silent_seconds(said, duration_s),
    )


def network(weights: Weights, name: str) -> Network:
    """Describe weights that the user calls `name`."""
    is_chain = isinstance(weights, Chain)
    found = Network(
        name=name,
        fingerprint=weights.fingerprint,
        kind="chain" if is_chain else weights.architecture.tag,
        networks=len(list_networks(weights)),
        architecture={"leaves": weights.leaves} if is_chain else protocol.describe(weights.architecture),
        provenance=weights.provenance,
    )
    if not is_chain:
        return found
    each = {
        link.name: msgspec.structs.replace(network(link.network, link.name), takes=list(link.takes))
        for link in weights.links
    }
    return msgspec.structs.replace(found, members=each)


def adaptation(result: AdaptationResult, separation_s: float, evaluation_s: float | None = None) -> Adaptation:
    """Describe an adaptation and what followed it."""
    epochs = result.losses_ExIx3.mean(1) if result.losses_ExIx3.size else result.losses_ExIx3[:, 0:0]
    return Adaptation(
        losses=[EpochLosses(*numbers(epoch)) for epoch in epochs],
        stopped_at=result.stopped_at,
        timing=dataclasses.asdict(result.timing),
        device=result.device,
        separation_s=separation_s,
        evaluation_s=msgspec.UNSET if evaluation_s is None else evaluation_s,
    )


def environment() -> dict[str, str]:
    """Return the versions that a result may depend on, and the time in UTC."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: _version(package) for package in _PACKAGES},
    }


def numbers(values: Sequence[float] | np.ndarray) -> list[float | None]:
    """Return numbers as JSON can hold them, which has no NaN: None stands for a step that was not taken."""
    return [float(value) if math.isfinite(value) else None for value in values]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
