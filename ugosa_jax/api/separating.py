"""Separation of a song."""

from pathlib import Path

import numpy as np

from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.api.arguments import as_annotation, as_network, as_song, as_tuned, choose_settings, get_default_preset
from ugosa_jax.config import Preset, SeparateConfig
from ugosa_jax.data.song import Song
from ugosa_jax.networks.protocol import Params
from ugosa_jax.separation import chunks
from ugosa_jax.separation import song_separation as separation
from ugosa_jax.separation.chunks import OnChunk
from ugosa_jax.weights.weights import Weights


def separate(
    net: Weights | str | Path,
    song: Song,
    annotation: Annotation | None = None,
    *,
    settings: SeparateConfig | Preset | None = None,
    tuned: Params | None = None,
    on_chunk: OnChunk | None = None,
) -> dict[str, np.ndarray]:
    """Separate a song.

    Example:
      >>> import numpy as np, ugosa_jax as uj
      >>> noise = np.random.default_rng(0).normal(0, 0.1, (2, 44100))
      >>> stems = uj.separate("mini", uj.Song.from_array(noise, rate_hz=44100))
      >>> {source: samples.shape for source, samples in stems.items()}
      {'drums': (2, 44100), 'bass': (2, 44100), 'other': (2, 44100), 'vocals': (2, 44100)}

    Args:
      net: the network, its name or its file.
      song: the mixture.
      annotation: when each source plays, for muting and refining; the song's own if None.
      settings: chunks, shifts, muting, refining; if None, the defaults for this network.
      tuned: adapted layers, such as `AdaptedNetwork.tuned`; `AdaptedNetwork.separate` passes its own.
      on_chunk: called after each chunk with the number of finished chunks and the total.

    Returns:
      {source: (C, T)} at the song's sample rate and length; mono for a mono song, else stereo.

    Raises:
      InputError: the song is silent or shorter than the network needs, muting lacks an annotation, or the annotation or
        the layers do not fit the network or the song.
    """
    net, song = as_network(net), as_song(song)
    chosen = choose_settings(settings, SeparateConfig, get_default_preset(net))
    parts = separation.separate_song(net, song, chosen, as_tuned(tuned, net), as_annotation(annotation), on_chunk)
    shape = len(net.sources), min(song.mixture.n_channels, 2), song.mixture.n_samples
    return dict(zip(net.sources, chunks.join_blocks(parts, shape), strict=True))
