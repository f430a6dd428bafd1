"""The record of a job: everything that is needed to repeat it, as classes that define the structure of the JSON.

`record.json` of the command line and of the studio is a `Record`. In a sweep, the result of each cell contains an
`AdaptationRecord` and the environment.
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
from ugosa_jax.song_job.output_names import RECORD
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.weights import Weights, list_networks

_PACKAGES = ("ugosa_jax", "jax", "jaxlib", "flax", "optax", "numpy", "scipy", "soundfile", "soxr", "librosa")


class FileRecord(msgspec.Struct, frozen=True):
    """An input: its name, and the SHA-256 of its content if it is a file."""

    file: str
    sha256: str | None = None


class SongRecord(FileRecord, frozen=True, kw_only=True):
    """The mixture, and its conversions for the network."""

    rate_hz: int
    channels: int
    samples: int
    conversions: list[str]


class AnnotationRecord(FileRecord, frozen=True, kw_only=True):
    """The annotation: intervals (start in s, end in s, source, state), and the state outside of them."""

    intervals: list[tuple[float, float, str, str]]
    outside: str
    silent_s: dict[str, float]
    """Seconds of annotated silence by source."""


class NetworkRecord(msgspec.Struct, frozen=True):
    """The weights before adaptation."""

    name: str
    fingerprint: str
    kind: str
    networks: int
    architecture: dict[str, Any]
    provenance: dict[str, str]
    takes: list[str] | None = None
    """Sources that a network contributes to its chain."""
    members: "dict[str, NetworkRecord] | None" = None
    """The networks of a chain, by name."""


class InputsRecord(msgspec.Struct, frozen=True):
    """The inputs of a job. They are described when they are read, because files may change later."""

    song: SongRecord
    weights: NetworkRecord
    annotation: AnnotationRecord | None = None
    delta: FileRecord | None = None
    """File of adapted layers that the job starts from."""
    preset: str | None = None
    """Name of the preset that the defaults of the settings come from."""
    reading: dict[str, Any] | None = None
    """Options for reading the annotation."""


class SettingsRecord(msgspec.Struct, frozen=True):
    """The settings of a job; `adapt` is None if nothing was adapted."""

    preset: str | None
    annotation: dict[str, Any] | None
    adapt: dict[str, Any] | None
    separate: dict[str, Any]
    encoding: str
    features: str | None
    """How the output of the frozen stages was stored."""
    members: dict[str, dict[str, Any]] | None = None
    """`adapt` of each network of a chain."""


class EpochLosses(msgspec.Struct, frozen=True):
    """Means over the steps of one epoch; None where a step was not taken."""

    total: float | None
    reconstruction: float | None
    activation: float | None


class AdaptationRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """Losses and wall times of an adaptation."""

    losses: list[EpochLosses]
    stopped_at: tuple[int, int] | None
    timing: dict[str, float]
    device: str
    separation_s: float
    evaluation_s: float | msgspec.UnsetType = msgspec.UNSET


class StemRecord(msgspec.Struct, frozen=True):
    """Peak level of a stem's file."""

    peak: float
    samples_above_full_scale: int


class Record(msgspec.Struct, frozen=True):
    """The content of `record.json`."""

    song: SongRecord
    annotation: AnnotationRecord | None
    weights: NetworkRecord
    delta: FileRecord | None
    settings: SettingsRecord
    environment: dict[str, str]
    adaptation: AdaptationRecord
    outputs: dict[str, StemRecord]
    """The stems by file name."""
    scores: list[dict[str, Any]] | None = None
    """Rows of `Evaluation.rows`, if the true stems are known."""


class _SongPart(msgspec.Struct, frozen=True):
    """The part of a record that `read_song` reads."""

    song: FileRecord


def read_song(folder: Path) -> FileRecord | None:
    """Return the song of the record in a folder; None if there is no record."""
    try:
        return files.read_json(folder / RECORD, _SongPart).song
    except InputError:
        return None


def describe_file(path: Path) -> FileRecord:
    """Describe a file."""
    return FileRecord(path.name, files.compute_sha256(path))


def describe_song(mixture: Sound, net: Weights, sha256: str, name: str | None = None) -> SongRecord:
    """Describe a mixture and its conversions for a network."""
    return SongRecord(
        file=name or mixture.name,
        sha256=sha256,
        rate_hz=mixture.rate_hz,
        channels=mixture.n_channels,
        samples=mixture.n_samples,
        conversions=sound.describe_conversion(mixture, net.sample_rate_hz, net.channels),
    )


def describe_annotation(file: FileRecord, annotated: Annotation, duration_s: float) -> AnnotationRecord:
    """Describe the annotation of a song of `duration_s`."""
    return AnnotationRecord(
        file=file.file,
        sha256=file.sha256,
        intervals=[(i.start_s, i.end_s, i.source, i.state) for i in annotated.intervals],
        outside=annotated.outside,
        silent_s=annotation.count_silent_seconds(annotated, duration_s),
    )


def describe_network(weights: Weights, name: str) -> NetworkRecord:
    """Describe weights that were loaded by `name`."""
    is_chain = isinstance(weights, Chain)
    described = NetworkRecord(
        name=name,
        fingerprint=weights.fingerprint,
        kind="chain" if is_chain else weights.architecture.tag,
        networks=len(list_networks(weights)),
        architecture={"leaves": weights.remainders} if is_chain else protocol.describe(weights.architecture),
        provenance=weights.provenance,
    )
    if not is_chain:
        return described
    members = {
        link.name: msgspec.structs.replace(describe_network(link.network, link.name), takes=list(link.takes))
        for link in weights.links
    }
    return msgspec.structs.replace(described, members=members)


def describe_adaptation(
    result: AdaptationResult, separation_s: float, evaluation_s: float | None = None
) -> AdaptationRecord:
    """Describe an adaptation, with the times of separation and evaluation."""
    epochs = result.losses_ExIx3.mean(1) if result.losses_ExIx3.size else result.losses_ExIx3[:, 0:0]
    return AdaptationRecord(
        losses=[EpochLosses(*to_json_numbers(epoch)) for epoch in epochs],
        stopped_at=result.stopped_at,
        timing=dataclasses.asdict(result.timing),
        device=result.device,
        separation_s=separation_s,
        evaluation_s=msgspec.UNSET if evaluation_s is None else evaluation_s,
    )


def describe_environment() -> dict[str, str]:
    """Return the versions that a result may depend on, and the time in UTC."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: _version(package) for package in _PACKAGES},
    }


def to_json_numbers(values: Sequence[float] | np.ndarray) -> list[float | None]:
    """Return numbers for JSON, which has no NaN: None replaces NaN, the loss of a step that was not taken."""
    return [float(value) if math.isfinite(value) else None for value in values]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
