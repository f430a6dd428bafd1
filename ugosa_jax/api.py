"""One song, end to end: a song and its annotation go in, tuned weights and stems come out.

These functions join the modules that do the work; each is a few lines of what a user would write.
"""

import numpy as np

from ugosa_jax.adaptation import engine, segments, strategy
from ugosa_jax.adaptation.engine import AdaptationResult, OnEpoch
from ugosa_jax.adaptation.segments import Segments, Standard
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import AdaptConfig, ModelConfig, SeparateConfig, paper
from ugosa_jax.data import sound
from ugosa_jax.data.sound import Audio
from ugosa_jax.errors import InputError, naming
from ugosa_jax.networks import apply
from ugosa_jax.networks.apply import OnChunk
from ugosa_jax.networks.checkpoint import Checkpoint
from ugosa_jax.networks.convtasnet import Params

PAPER = paper()


def adapt_song(
    weights: Checkpoint,
    song: Audio,
    labels: Annotation,
    settings: AdaptConfig = PAPER.adapt,
    on_epoch: OnEpoch | None = None,
) -> AdaptationResult:
    """Adapt pretrained weights to one song.

    Args:
      weights: what to start from.
      song: the mixture, at any rate, with any usual number of channels.
      labels: when each source is active or silent.
      settings: strategy, λ, learning rate, epochs …
      on_epoch: called after each epoch with its number, from 0, and its losses of shape (1, steps, 3).

    Returns:
      The tuned leaves, the losses, and how long it took.

    Raises:
      InputError: song and annotation do not fit each other, the settings or the network.
    """
    if not strategy.parse(settings.strategy, weights.config).tuned:
        return engine.unadapted()
    return engine.adapt(
        weights.config, weights.params, cut_song(weights.config, song, labels, settings), settings, on_epoch
    )


def separate_song(
    weights: Checkpoint,
    song: Audio,
    settings: SeparateConfig = PAPER.separate,
    tuned: Params | None = None,
    labels: Annotation | None = None,
    on_chunk: OnChunk | None = None,
) -> dict[str, np.ndarray]:
    """Separate a song, with adapted weights if `tuned` is given.

    Args:
      weights: the network.
      song: the mixture.
      settings: chunks, shifts, gating.
      tuned: what `adapt_song` changed.
      labels: needed for gating only.
      on_chunk: called after each chunk with how many are done and how many there are.

    Returns:
      {source: (C, T)} at the song's own rate and length; mono for a mono song, else stereo.

    Raises:
      InputError: the song is silent or shorter than a filter of the network, or gating lacks an annotation.
    """
    if settings.gate and labels is None:
        raise InputError("gate: muting silent sources needs an annotation")
    mix_CxT, standard = standard_mix(weights.config, song)
    params = strategy.merge(tuned or {}, weights.params)
    with naming(song.name):
        est_SxCxT = apply.separate(weights.config, params, mix_CxT, settings, on_chunk)
    if not np.isfinite(est_SxCxT).all():
        raise InputError(f"{song.name}: what the network gives is not finite: its weights are absurd")
    apply.unstandardise(est_SxCxT, standard)
    stems_SxCxT = sound.from_model(est_SxCxT, song, weights.config.sample_rate_hz)
    if settings.gate and labels is not None:
        stems_SxCxT *= annotation.gate(labels, song.n_samples, song.rate_hz, settings.fade_s)[:, None]
    return dict(zip(weights.config.sources, stems_SxCxT, strict=True))


def cut_song(config: ModelConfig, song: Audio, labels: Annotation, settings: AdaptConfig) -> Segments:
    """Return the segments and activations that `adapt.adapt` and `adapt.adapt_lanes` take.

    Raises:
      InputError: as `adapt_song`.
    """
    if labels.sources != config.sources:
        raise InputError(
            f"{labels.path}: speaks of {', '.join(labels.sources)}, the network of {', '.join(config.sources)}"
        )
    annotation.check_against(labels, song.duration_s)
    mix_CxT, _ = standard_mix(config, song)
    active_SxT = annotation.active_mask(labels, mix_CxT.shape[1], config.sample_rate_hz)
    with naming(song.name):
        return segments.cut(mix_CxT, active_SxT, settings, config)


def standard_mix(config: ModelConfig, song: Audio) -> tuple[np.ndarray, Standard]:
    """Return a song as the network sees it, (C, T) with mean 0 and standard deviation 1, and what was taken out.

    Raises:
      InputError: the song's channels cannot be brought to the network's, or it is silent.
    """
    mix_CxT, _ = sound.to_model(song, config.sample_rate_hz, config.C)
    with naming(song.name):
        return segments.standardise(mix_CxT)
