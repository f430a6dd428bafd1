"""Separation of a whole song, which need not fit into memory: from its mixture to refined stems at its own rate.

S sources, C channels, n samples.
"""

import functools
from collections.abc import Iterable, Iterator

import numpy as np

from ugosa_jax.annotations import annotation as annotations
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import SeparateConfig
from ugosa_jax.data import sound
from ugosa_jax.data.song import Song
from ugosa_jax.data.standard import restore_level
from ugosa_jax.errors import InputError, error_context
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Params
from ugosa_jax.separation import chains, members, refine
from ugosa_jax.separation.block_buffer import BlockBuffer
from ugosa_jax.separation.chunks import OnChunk
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.weights import Weights


def stretches(
    net: Weights,
    song: Song,
    settings: SeparateConfig,
    tuned: Params | None = None,
    annotation: Annotation | None = None,
    on_chunk: OnChunk | None = None,
) -> Iterator[np.ndarray]:
    """Separate a song whose stems need not fit into memory: yield them stretch by stretch, in time order.

    Args and Raises are those of `ugosa_jax.separate`.

    Returns:
      Stems (S, C, n) at the song's own rate.
    """
    said = annotation or song.annotation
    if settings.gate and said is None:
        raise InputError("gate: muting silent sources needs an annotation")
    mixture, params = song.mixture, tree.merge(tuned or {}, net.params)
    with error_context(mixture.name):
        estimates = estimate(net, params, song, settings, on_chunk)
    stems = sound.from_model(_check_finite(estimates, mixture.name), mixture, net.sample_rate_hz)
    if settings.gate or settings.refine != "none":
        said = said or Annotation((), net.sources, "unknown")
        check_annotation(said, net, song)
        return refined(stems, song, said, settings)
    return stems


def check_annotation(said: Annotation, net: Weights, song: Song) -> None:
    """Refuse an annotation of other sources than a network's, in its order, or of a longer song.

    Raises:
      InputError: it is one.
    """
    if said.sources != net.sources:
        of_network = ", ".join(net.sources)
        raise InputError(f"{said.path}: speaks of {', '.join(said.sources)}, the network of {of_network}")
    annotations.check_against(said, song.mixture.duration_s)


def estimate(
    net: Weights, params: Params, song: Song, settings: SeparateConfig, on_chunk: OnChunk | None = None
) -> Iterator[np.ndarray]:
    """Return estimates est_SxCxn at the level of the mixture and the network's rate, stretch by stretch."""
    if isinstance(net, Chain):
        model_input = song.build_model_input(net.sample_rate_hz, net.channels, "natural")
        standards = chains.standards_of(net, song.build_model_input(net.sample_rate_hz, net.channels).standard)
        return chains.stretches(
            net, params, model_input.iterate_blocks(), model_input.n_samples, standards, settings, on_chunk
        )
    model_input = song.build_model_input(net.sample_rate_hz, net.channels, net.architecture.level)
    estimates = members.stretches(net, params, model_input.iterate_blocks(), model_input.n_samples, settings, on_chunk)
    return (restore_level(est_SxCxn, model_input.standard) for est_SxCxn in estimates)


def _check_finite(estimates: Iterable[np.ndarray], name: str) -> Iterator[np.ndarray]:
    """Pass on estimates of the mixture called `name`.

    Raises:
      InputError: they are not finite.
    """
    for est_SxCxn in estimates:
        if not np.isfinite(est_SxCxn).all():
            raise InputError(f"{name}: what the network gives is not finite: its weights are absurd")
        yield est_SxCxn


def refined(
    stems: Iterable[np.ndarray], song: Song, annotation: Annotation, settings: SeparateConfig
) -> Iterator[np.ndarray]:
    """Yield stems, muted where their source is annotated silent, that add up to the mixture if that is asked for.

    Args:
      stems: (S, C, n) at the song's rate, stretch by stretch, in the annotation's order.
      song: whose mixture they are of.
      annotation: when each source plays; what is unknown may play.
      settings: how stems are refined.
    """
    mixture = song.mixture
    channels, n_samples = min(mixture.n_channels, 2), mixture.n_samples
    silences = annotations.find_silences(annotation, n_samples, mixture.rate_hz)
    fade = annotations.count_fade_samples(settings.fade_s, mixture.rate_hz)
    buffer = BlockBuffer(sound.blocks_to_model(mixture, mixture.rate_hz, channels), channels, n_samples)
    gain = functools.partial(silences.compute_gains, fade)
    if settings.refine == "wiener":  # looks around in the song
        S = len(annotation.sources)
        flat = BlockBuffer((stems_SxCxn.reshape(S * channels, -1) for stems_SxCxn in stems), S * channels, n_samples)

        def estimates(start: int, stop: int) -> np.ndarray:
            return flat.read_and_discard(start, stop).reshape(S, channels, -1)

        yield from refine.in_pieces(estimates, buffer.read_and_discard, gain, n_samples, settings)
        return
    start = 0
    for stems_SxCxn in stems:
        stop = start + stems_SxCxn.shape[-1]
        gain_Sxn = gain(start, stop)
        if settings.refine == "none":
            yield stems_SxCxn * gain_Sxn[:, None]
        else:
            yield refine.refine(stems_SxCxn, buffer.read(start, stop), gain_Sxn, settings)
            buffer.discard_before(stop)
        start = stop
