"""Adapt a network to segments in one call, as `api.adapt_lanes` does it for songs."""

from collections.abc import Sequence

from ugosa_jax.adaptation import engine, strategy
from ugosa_jax.adaptation.segments import Segments


def adapt_lanes(net, params, songs, settings, lam=None, learning_rate=None, on_epoch=None):
    """A song alone is shared by all lanes."""
    n_lanes = len(songs) if isinstance(songs, Sequence) else None
    hyper = engine.make_hyper(settings, n_lanes, lam, learning_rate)
    songs = [songs] * len(hyper.lam) if isinstance(songs, Segments) else songs
    return engine.adapt_lanes(net, params, songs, strategy.parse(settings.strategy, net), hyper, settings, on_epoch)


def adapt(net, params, song, settings, on_epoch=None):
    return adapt_lanes(net, params, [song], settings, on_epoch=on_epoch)[0]
