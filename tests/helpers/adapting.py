"""Adaptation of a network to segments in one call."""

from collections.abc import Sequence

from ugosa_jax.adaptation import engine, strategy
from ugosa_jax.adaptation.segments import Segments


def adapt_lanes(net, params, songs, settings, lam=None, learning_rate=None, on_epoch=None):
    """Adapt lanes to songs, or to a single song that all share."""
    n_lanes = len(songs) if isinstance(songs, Sequence) else None
    hyper = engine.make_hyper(settings, n_lanes, lam, learning_rate)
    songs = [songs] * len(hyper.lam) if isinstance(songs, Segments) else songs
    return engine.adapt_lanes(net, params, songs, strategy.parse(settings.strategy, net), hyper, settings, on_epoch)


def adapt(net, params, song, settings, on_epoch=None):
    return adapt_lanes(net, params, [song], settings, on_epoch=on_epoch)[0]
