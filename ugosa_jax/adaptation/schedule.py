"""In which order an epoch takes its segments, and what it remixes.

Drawn on the host, one schedule an epoch, and given to compiled programs as data: a seed compiles nothing. All lanes
share a schedule. What a song of n segments makes of it does not depend on the other lanes: it passes over the segments
that it does not have.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ugosa_jax.networks.protocol import Array

REMIX_DB = 4.0
"""Sources of a remix are made louder or softer by up to so much."""


class Remixes(NamedTuple):
    """Which steps of an epoch train on a remix of the song's own stems, and what they mix.

    Where `is_due_G[i]`, the i-th step takes of source s the segment `order_GxS[i, s]`, `gain_GxS[i, s]` times as loud.
    """

    is_due_G: Array
    order_GxS: Array
    gain_GxS: Array


class Schedule(NamedTuple):
    """The segments in the order of an epoch; `remixes` of strategies R alone."""

    order_G: Array
    remixes: Remixes | None = None


def draw_order(seed: int, epoch: int, n_longest: int, n_bucket: int) -> Schedule:
    """Return the schedule of an epoch without remixes: in the order of time if the seed is 0, else a random one.

    Args:
      seed: of all epochs.
      epoch: its number.
      n_longest: segments of the longest song, which come first.
      n_bucket: to how many segments songs are padded, G.
    """
    return Schedule(shuffle_segments(n_longest, n_bucket, seed, epoch) if seed else np.arange(n_bucket, dtype=np.int32))


def draw_remixes(
    seed: int, epoch: int, n_bucket: int, n_sources: int, dtype: np.typing.DTypeLike = np.float32
) -> Remixes:
    """Return the remixes of an epoch: about half of its steps, each source in an order and with gains of its own.

    Gains are uniform in ± `REMIX_DB`.
    """
    random = np.random.default_rng((seed, epoch, 0))
    is_due_G = random.random(n_bucket) < 0.5
    gain_GxS = 10 ** (random.uniform(-REMIX_DB, REMIX_DB, (n_bucket, n_sources)) / 20)
    orders = [shuffle_segments(n_bucket, n_bucket, seed, epoch, 1 + s) for s in range(n_sources)]
    return Remixes(is_due_G, np.stack(orders, -1), gain_GxS.astype(dtype))


def shuffle_segments(n: int, n_bucket: int, *seed: int) -> np.ndarray:
    """Return a random order of the segments 0 … n − 1, those from n to the bucket's end behind them; int32 (G,).

    A larger n leaves the order of the others as it is: what is drawn for a segment does not depend on how many there
    are.
    """
    place_G = np.arange(n_bucket)
    drawn_G = np.random.default_rng(seed).random(n_bucket)
    return np.argsort(np.where(place_G < n, drawn_G, 1 + place_G)).astype(np.int32)


def select_remixes(remixes: Remixes, order_G: Array, n: Array) -> Remixes:
    """Return the remixes of a song of n segments, one for each place of the order that all lanes share.

    As if the song had a schedule of its own: segments that it does not have are left out of the orders, and steps that
    it passes over use up no remix.
    """
    first = jnp.argsort(jnp.asarray(remixes.order_GxS) >= n, axis=0, stable=True)
    order_GxS = jnp.take_along_axis(jnp.asarray(remixes.order_GxS), first, axis=0)
    place_G = jnp.maximum(jnp.cumsum(jnp.asarray(order_G) < n) - 1, 0)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[place_G], remixes._replace(order_GxS=order_GxS))
