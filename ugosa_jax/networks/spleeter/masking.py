"""Spleeter from mixture to estimates: the U-Net of each source yields a mask for the mixture's spectrogram."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ugosa_jax.networks import module
from ugosa_jax.networks.protocol import Params
from ugosa_jax.networks.spleeter.sizes import SpleeterSettings
from ugosa_jax.networks.spleeter.stft import compute_spectrogram, overlap_add
from ugosa_jax.networks.spleeter.unet import UNet, list_needed_skips, list_stages

Features = dict[str, Any]
"""The input of a stage: `x` (source → array) and `skips` (source → encoder → array)."""

_EPS = 1e-10


def init(settings: SpleeterSettings, seed: int) -> Params:
    """Return random parameters: stage → source → …."""
    nets = {source: module.init(UNet, settings, settings.S * seed + s) for s, source in enumerate(settings.sources)}
    return {stage: {source: net[stage] for source, net in nets.items()} for stage in list_stages(settings)}


def prefix(settings: SpleeterSettings, params: Params, mix_CxT: jax.Array, until: str) -> Features:
    """Return the input of stage `until` and the skips that later stages need; {} for the first stage."""
    first = list_stages(settings)[0]
    if until == first:
        return {}
    magnitude = compute_magnitudes(settings, _compute_spectrogram(settings, mix_CxT), mix_CxT.shape[1])
    needed, x, skips = list_needed_skips(settings, until), {}, {}
    for source in settings.sources:
        x[source], every = _bind_unet(settings, params, source)(magnitude, {}, first, until)
        skips[source] = {name: every[name] for name in needed}
    return {"x": x, "skips": skips}


def suffix(settings: SpleeterSettings, params: Params, mix_CxT: jax.Array, features: Features, since: str) -> jax.Array:
    """Return est_SxCxT from the mixture and the input of stage `since`, with skips or without.

    Without skips, the encoders run again, as far as the last one whose skip is needed.
    """
    z_CxKxF = _compute_spectrogram(settings, mix_CxT)
    magnitude = compute_magnitudes(settings, z_CxKxF, mix_CxT.shape[1])
    first, needed = list_stages(settings)[0], list_needed_skips(settings, since)

    def logits(source: str) -> jax.Array:
        net = _bind_unet(settings, params, source)
        x = features["x"][source] if features else magnitude
        skips = features["skips"][source] if "skips" in features else {}
        if needed and not skips:
            after = list_stages(settings)[list_stages(settings).index(needed[-1]) + 1]
            _, skips = net(magnitude, {}, first, after)
        return net(x, skips, since, None)[0]

    est_SxCxN = estimate_sources(settings, z_CxKxF, magnitude, logits)
    return est_SxCxN[..., settings.nfft : settings.nfft + mix_CxT.shape[1]]


def separate_tile(settings: SpleeterSettings, params: Params, tile_CxN: jax.Array) -> jax.Array:
    """Return est_SxCxN, the estimates of one piece of a song by itself; overlapping pieces add up to the stems."""
    z_CxKxF = compute_spectrogram(tile_CxN, settings.nfft)
    magnitude = jnp.moveaxis(jnp.abs(z_CxKxF[..., : settings.bins]), 0, -1)[None]
    first = list_stages(settings)[0]
    logits = lambda source: _bind_unet(settings, params, source)(magnitude, {}, first, None)[0]  # noqa: E731
    return estimate_sources(settings, z_CxKxF, magnitude, logits)


def estimate_sources(
    settings: SpleeterSettings, z_CxKxF: jax.Array, magnitude: jax.Array, logits: Callable[[str], jax.Array]
) -> jax.Array:
    """Return est_SxCxN: the spectrogram of the mixture times the mask of each source, transformed back to samples.

    The magnitude v_s of a source is that of the mixture times the sigmoid of the source's logits, or times their
    softmax over the sources. The masks are

        mask_s = (v_s² + ε / S) / (Σ_s v_s² + ε)

    Args:
      settings: sizes.
      z_CxKxF: complex spectrogram.
      magnitude: input of the network, (P, K / P, bins, C), in which frames beyond K are silence.
      logits: returns the logits of a source, of the shape of `magnitude`.
    """
    logit_SxPxKxFxC = jnp.stack([logits(source) for source in settings.sources])
    softmax = settings.mask == "softmax"
    share = jax.nn.softmax(logit_SxPxKxFxC, 0) if softmax else jax.nn.sigmoid(logit_SxPxKxFxC)
    power = (share * magnitude) ** 2
    mask_SxPxKxFxC = (power + _EPS / settings.S) / (power.sum(0) + _EPS)
    S, P, K, F, C = mask_SxPxKxFxC.shape
    mask_SxCxKxF = jnp.moveaxis(mask_SxPxKxFxC.reshape(S, P * K, F, C), -1, 1)[:, :, : z_CxKxF.shape[1]]
    return jnp.stack([overlap_add(mask_CxKxF * z_CxKxF[..., :F], settings.nfft) for mask_CxKxF in mask_SxCxKxF])


def compute_magnitudes(settings: SpleeterSettings, z_CxKxF: jax.Array, n_samples: int) -> jax.Array:
    """Return the network's input for a spectrogram, (P, K, bins, C)."""
    P, K = settings.count_pieces(n_samples)
    magnitude_KxFxC = jnp.moveaxis(jnp.abs(z_CxKxF[..., : settings.bins]), 0, -1)
    return magnitude_KxFxC.reshape(P, K, *magnitude_KxFxC.shape[1:])


def _compute_spectrogram(settings: SpleeterSettings, mix_CxT: jax.Array) -> jax.Array:
    """Return the frames of all pieces, with a window of silence before the mixture and padding after it."""
    P, K = settings.count_pieces(mix_CxT.shape[1])
    after = (P * K + 3) * settings.hop - settings.nfft - mix_CxT.shape[1]
    return compute_spectrogram(jnp.pad(mix_CxT, ((0, 0), (settings.nfft, after))), settings.nfft)


def _bind_unet(settings: SpleeterSettings, params: Params, source: str) -> UNet:
    return module.bind(UNet, settings, {stage: params[stage][source] for stage in list_stages(settings)})
