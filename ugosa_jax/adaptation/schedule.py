"""The order of the segments in an epoch, and its remixes.

The host draws one schedule per epoch. It is an input of the compiled programs, so that all seeds share them. All
lanes share it; a lane skips the segments that its song lacks, so that its order does not depend on the other lanes.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ugosa_jax.networks.protocol import Array

REMIX_DB = 4.0
"""Largest gain and attenuation of a source in a remix."""


class Remixes(NamedTuple):
    """The remixes of the song's own stems in an epoch.

    Where `is_due_G[i]`, the i-th step mixes segment `order_GxS[i, s]` of each source s, multiplied by `gain_GxS[i, s]`.
    """

    is_due_G: Array
    order_GxS: Array
    gain_GxS: Array


class Schedule(NamedTuple):
    """The order of the segments in an epoch, and the remixes of strategies R."""

    order_G: Array
    remixes: Remixes | None = None


def draw_order(seed: int, epoch: int, n_longest: int, n_bucket: int) -> Schedule:
    """Return the schedule of an epoch without remixes: in time order if the seed is 0, else in random order.

    Args:
      seed: the same for all epochs.
      epoch: its number.
      n_longest: number of segments of the longest song, which precede the padding.
      n_bucket: number of segments after padding, G.
    """
    return Schedule(shuffle_segments(n_longest, n_bucket, seed, epoch) if seed else np.arange(n_bucket, dtype=np.int32))


def draw_remixes(
    seed: int, epoch: int, n_bucket: int, n_sources: int, dtype: np.typing.DTypeLike = np.float32
) -> Remixes:
    """Return the remixes of an epoch: about half of its steps, each source with its own order and gains.

    Gains are uniform in ± `REMIX_DB`.
    """
    random = np.random.default_rng((seed, epoch, 0))
    is_due_G = random.random(n_bucket) < 0.5
    gain_GxS = 10 ** (random.uniform(-REMIX_DB, REMIX_DB, (n_bucket, n_sources)) / 20)
    orders = [shuffle_segments(n_bucket, n_bucket, seed, epoch, 1 + s) for s in range(n_sources)]
    return Remixes(is_due_G, np.stack(orders, -1), gain_GxS.astype(dtype))


def shuffle_segments(n: int, n_bucket: int, *seed: int) -> np.ndarray:
    """Return a random order of the segments 0 … n − 1, followed by those from n to the end of the bucket; int32 (G,).

    The number drawn for a segment does not depend on n, so that a larger n keeps the order of the first segments.
    """
    place_G = np.arange(n_bucket)
    drawn_G = np.random.default_rng(seed).random(n_bucket)
    return np.argsort(np.where(place_G < n, drawn_G, 1 + place_G)).astype(np.int32)


def select_remixes(remixes: Remixes, order_G: Array, n: Array) -> Remixes:
    """Return the remixes of a song of n segments, one for each position of the order that all lanes share.

    They equal those of a schedule for only this song: the orders omit segments that the song lacks, and skipped steps
    do not use up a remix.
    """
    first = jnp.argsort(jnp.asarray(remixes.order_GxS) >= n, axis=0, stable=True)
    order_GxS = jnp.take_along_axis(jnp.asarray(remixes.order_GxS), first, axis=0)
    place_G = jnp.maximum(jnp.cumsum(jnp.asarray(order_G) < n) - 1, 0)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[place_G], remixes._replace(order_GxS=order_GxS))
