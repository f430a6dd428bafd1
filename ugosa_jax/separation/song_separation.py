"""Separation of a whole song in blocks, from its mixture to refined stems at the song's sample rate.

S sources, C channels, n samples of a block.
"""

import functools
from collections.abc import Iterable, Iterator

import numpy as np

from ugosa_jax.annotations import annotation as annotations
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import SeparateConfig
from ugosa_jax.data import sound
from ugosa_jax.data.song import Song
from ugosa_jax.data.standardisation import restore_level
from ugosa_jax.errors import InputError, error_context
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Params
from ugosa_jax.separation import bag_separation, chain_separation, refine
from ugosa_jax.separation.block_buffer import BlockBuffer
from ugosa_jax.separation.chunks import OnChunk
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.weights import Weights


def separate_song(
    net: Weights,
    song: Song,
    settings: SeparateConfig,
    tuned: Params | None = None,
    annotation: Annotation | None = None,
    on_chunk: OnChunk | None = None,
) -> Iterator[np.ndarray]:
    """Separate a song and yield its stems in blocks, so that they need not fit into memory.

    Args and Raises are those of `ugosa_jax.separate`.

    Returns:
      Blocks of stems (S, C, n) in time order, at the song's own rate.
    """
    annotation = annotation or song.annotation
    if settings.gate and annotation is None:
        raise InputError("gate: muting silent sources needs an annotation")
    mixture, params = song.mixture, tree.merge(tuned or {}, net.params)
    with error_context(mixture.name):
        estimates = estimate_sources(net, params, song, settings, on_chunk)
    stems = sound.from_model(_check_finite(estimates, mixture.name), mixture, net.sample_rate_hz)
    if settings.gate or settings.refine != "none":
        annotation = annotation or Annotation((), net.sources, "unknown")
        check_annotation(annotation, net.sources, mixture.duration_s)
        return refine_blocks(stems, song, annotation, settings)
    return stems


def check_annotation(annotation: Annotation, sources: tuple[str, ...], duration_s: float) -> None:
    """Check that an annotation has the sources of a network in its order, and is not longer than the song.

    Raises:
      InputError: the sources differ, or the annotation is longer than the song.
    """
    if annotation.sources != sources:
        annotated, separated = ", ".join(annotation.sources), ", ".join(sources)
        raise InputError(f"{annotation.path}: annotates {annotated}, but the network separates {separated}")
    annotations.check_against(annotation, duration_s)


def estimate_sources(
    net: Weights, params: Params, song: Song, settings: SeparateConfig, on_chunk: OnChunk | None = None
) -> Iterator[np.ndarray]:
    """Return blocks of estimates est_SxCxn at the mixture's level and the network's sample rate."""
    if isinstance(net, Chain):
        mixture = song.build_model_input(net.sample_rate_hz, net.channels, "natural")
        scalings = chain_separation.choose_scalings(
            net, song.build_model_input(net.sample_rate_hz, net.channels).scaling
        )
        return chain_separation.separate_blocks(
            net, params, mixture.iterate_blocks(), mixture.n_samples, scalings, settings, on_chunk
        )
    mixture = song.build_model_input(net.sample_rate_hz, net.channels, net.architecture.level)
    estimates = bag_separation.separate_blocks(
        net, params, mixture.iterate_blocks(), mixture.n_samples, settings, on_chunk
    )
    return (restore_level(est_SxCxn, mixture.scaling) for est_SxCxn in estimates)


def _check_finite(estimates: Iterable[np.ndarray], name: str) -> Iterator[np.ndarray]:
    """Yield estimates after checking that they are finite.

    Raises:
      InputError: they are not; the message begins with the mixture's `name`.
    """
    for est_SxCxn in estimates:
        if not np.isfinite(est_SxCxn).all():
            raise InputError(f"{name}: the network produced NaN or infinity; its weights are invalid")
        yield est_SxCxn


def refine_blocks(
    stems: Iterable[np.ndarray], song: Song, annotation: Annotation, settings: SeparateConfig
) -> Iterator[np.ndarray]:
    """Mute stems where their source is annotated silent, and refine them as specified by `settings`.

    Args:
      stems: blocks (S, C, n) at the song's rate, in time order, with the sources of the annotation.
      song: the mixture.
      annotation: when each source plays; where it is unknown, the source counts as playing.
      settings: how stems are refined.
    """
    mixture = song.mixture
    channels, n_samples = min(mixture.n_channels, 2), mixture.n_samples
    silences = annotations.find_silences(annotation, n_samples, mixture.rate_hz)
    fade = annotations.count_fade_samples(settings.fade_s, mixture.rate_hz)
    buffer = BlockBuffer(sound.blocks_to_model(mixture, mixture.rate_hz, channels), channels, n_samples)
    gain = functools.partial(silences.compute_gains, fade)
    if settings.refine == "wiener":  # windows reach beyond a block
        S = len(annotation.sources)
        flat = BlockBuffer((stems_SxCxn.reshape(S * channels, -1) for stems_SxCxn in stems), S * channels, n_samples)

        def estimates(start: int, stop: int) -> np.ndarray:
            return flat.read_and_discard(start, stop).reshape(S, channels, -1)

        yield from refine.refine_in_pieces(estimates, buffer.read_and_discard, gain, n_samples, settings)
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
