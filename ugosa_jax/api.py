"""One song, end to end: a song and its annotation go in, tuned weights, stems and scores come out.

These functions join the modules that do the work; each is a few lines of what a user would write. `ugosa_jax` itself
offers them, as `ugosa_jax.adapt` and so on.
"""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ugosa_jax.adaptation import engine, plan
from ugosa_jax.adaptation import song as adaptation
from ugosa_jax.adaptation.engine import AdaptationResult, OnEpoch
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import AdaptConfig, EvaluateConfig, SeparateConfig, paper
from ugosa_jax.data import stems
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError
from ugosa_jax.evaluation import scoring
from ugosa_jax.evaluation.references import iterate_sounds, read_references
from ugosa_jax.evaluation.scoring import Evaluation
from ugosa_jax.networks.protocol import Params
from ugosa_jax.separation import chunks
from ugosa_jax.separation import song as separation
from ugosa_jax.separation.chunks import OnChunk
from ugosa_jax.weights import checkpoint, hub
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.checkpoint import Checkpoint
from ugosa_jax.weights.weights import Weights

PAPER = paper()
PLAIN = EvaluateConfig(outputs="plain")


def adapt(
    net: Weights,
    song: Song,
    annotation: Annotation | None = None,
    settings: AdaptConfig = PAPER.adapt,
    on_epoch: OnEpoch | None = None,
) -> AdaptationResult:
    """Adapt pretrained weights to one song.

    Args:
      net: what to start from.
      song: the mixture, at any rate, with any usual number of channels.
      annotation: when each source is active or silent; the song's own if not given.
      settings: strategy, λ, learning rate, epochs …
      on_epoch: called after each epoch with its number, from 0, and its losses of shape (1, steps, 3).

    Returns:
      The tuned leaves, the losses, and how long it took.

    Raises:
      InputError: song and annotation do not fit each other, the settings or the network.
    """
    if not plan.parse(settings.strategy, net).tuned:
        return engine.unadapted()
    return adaptation.adapt(net, adaptation.prepare(net, song, annotation, settings), settings, on_epoch)


def adapt_lanes(
    net: Weights,
    songs: Song | Sequence[Song],
    annotations: Annotation | Sequence[Annotation | None] | None = None,
    settings: AdaptConfig = PAPER.adapt,
    lam: Sequence[float] | np.ndarray | None = None,
    learning_rate: Sequence[float] | np.ndarray | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[AdaptationResult]:
    """Adapt pretrained weights to many songs, or with many values of λ or the learning rate, side by side.

    Args:
      net: what all lanes start from.
      songs: one song that all lanes share, whose frozen stages are then computed once; or one song a lane. Songs of
        about the same length run side by side, others one group after the other.
      annotations: of the song, or one a song; the songs' own if not given.
      settings: what the lanes have in common.
      lam: λ of each lane; that of `settings` if not given.
      learning_rate: of each lane; that of `settings` if not given.
      on_epoch: called after each epoch of a group with its number, from 0, and its losses of shape (lanes, steps, 3).

    Returns:
      One result a lane.

    Raises:
      InputError: as `adapt`, or the arguments speak of different numbers of lanes.
    """
    lam = None if lam is None else [float(value) for value in lam]
    learning_rate = None if learning_rate is None else [float(value) for value in learning_rate]
    if isinstance(songs, Song):
        if annotations is not None and not isinstance(annotations, Annotation):
            raise InputError("annotations: one song has one annotation; name the song as often as its annotations")
        n_lanes = max(len(lam or ()), len(learning_rate or ()))
        shared = [adaptation.prepare(net, songs, annotations, settings)] * n_lanes
        return adaptation.adapt_lanes(net, shared, settings, lam, learning_rate, on_epoch)
    own = [annotations] if isinstance(annotations, Annotation) else annotations or [song.annotation for song in songs]
    lam = [settings.lam] * len(songs) if lam is None else lam
    learning_rate = [settings.learning_rate] * len(songs) if learning_rate is None else learning_rate
    if len({len(songs), len(own), len(lam), len(learning_rate)}) > 1 or not songs:
        numbers = f"{len(songs)}, {len(own)}, {len(lam)} and {len(learning_rate)}"
        raise InputError(f"lanes: songs, annotations, lam and learning_rate must be equally many, not {numbers}")
    prepared = [adaptation.prepare(net, song, said, settings) for song, said in zip(songs, own, strict=True)]
    results: dict[int, AdaptationResult] = {}
    for shape in dict.fromkeys(map(adaptation.shape_of, prepared)):
        alike = [i for i, one in enumerate(prepared) if adaptation.shape_of(one) == shape]
        own_lam, own_rate = [lam[i] for i in alike], [learning_rate[i] for i in alike]
        group = [prepared[i] for i in alike]
        done = adaptation.adapt_lanes(net, group, settings, own_lam, own_rate, on_epoch)
        results |= zip(alike, done, strict=True)
    return [results[i] for i in range(len(songs))]


def separate(
    net: Weights,
    song: Song,
    settings: SeparateConfig = PAPER.separate,
    tuned: Params | None = None,
    annotation: Annotation | None = None,
    on_chunk: OnChunk | None = None,
) -> dict[str, np.ndarray]:
    """Separate a song, with adapted weights if `tuned` is given.

    Args:
      net: the network.
      song: the mixture.
      settings: chunks, shifts, gating, refining.
      tuned: what `adapt` changed.
      annotation: for gating and refining; the song's own if not given.
      on_chunk: called after each chunk with how many are done and how many there are.

    Returns:
      {source: (C, T)} at the song's own rate and length; mono for a mono song, else stereo.

    Raises:
      InputError: the song is silent or shorter than a filter of the network, or gating lacks an annotation.
    """
    parts = separation.stretches(net, song, settings, tuned, annotation, on_chunk)
    shape = len(net.sources), min(song.mixture.n_channels, 2), song.mixture.n_samples
    return dict(zip(net.sources, chunks.joined(parts, shape), strict=True))


def convert(path: str | Path, out: str | Path) -> Checkpoint:
    """Convert a checkpoint of the Demucs repository to safetensors, without torch; nothing in it is executed.

    Args:
      path: the checkpoint.
      out: the file to write, for `load`.

    Returns:
      What was written.

    Raises:
      InputError: the checkpoint cannot be read, or the file not be written.
    """
    if Path(path).resolve() == Path(out).resolve():
        raise InputError(f"{out}: is the checkpoint itself; name another file to write")
    found = hub.load(path)
    if not isinstance(found, Checkpoint):
        kind = "bag" if isinstance(found, Bag) else "chain"
        raise InputError(f"{path}: is a {kind} of {len(found.members)} networks; convert each of them")
    checkpoint.save(found, out)
    return found


def evaluate(
    references: Song | str | Path | Mapping[str, np.ndarray],
    estimates: str | Path | Mapping[str, np.ndarray],
    rate_hz: int | None = None,
    annotation: Annotation | None = None,
    settings: EvaluateConfig = PLAIN,
) -> Evaluation:
    """Compare estimates with the true stems of a song.

    Args:
      references: the true stems: a folder with a sound file for each source, {source: (C, T)}, or a song that has them.
      estimates: the same sources in a folder or as {source: (C, T)}; those of another length are cut or filled up with
        silence.
      rate_hz: sample rate; needed if all stems are arrays.
      annotation: needed for gated estimates only; the song's own if not given.
      settings: frames, engine, and whether estimates are scored as they are or muted where annotated silent.

    Raises:
      InputError: stems are missing, cannot be read, or do not fit each other.
    """
    song = read_references(references, rate_hz)
    if annotation is not None:
        song = dataclasses.replace(song, annotation=annotation)
    shape = song.known_stems().shape[1:]
    if isinstance(estimates, Mapping):
        sounds = iterate_sounds("estimates", estimates)
        found = {source: stems.of_length(est_CxT, shape[-1]) for source, est_CxT in sounds}
    else:
        found, notes = stems.read_like(stems.find(Path(estimates), song.sources), song.mixture.rate_hz, shape)
        for note in notes:
            warnings.warn(note, stacklevel=2)
    return scoring.evaluate(song, found, settings)
