"""Batches of lanes: cells with their songs, packed so that one compiled program runs a batch."""

import collections
import concurrent.futures
import dataclasses
import functools
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar

import jax

from ugosa_jax.adaptation import engine, memory, strategy
from ugosa_jax.adaptation import song_adaptation as adaptation
from ugosa_jax.adaptation.song_adaptation import AdaptationInput, AdaptationTask
from ugosa_jax.config import AdaptConfig
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError
from ugosa_jax.sweeps.cell import Cell, compiled_alike
from ugosa_jax.weights.weights import Weights

MAX_LANES = 64
Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True)
class Lane:
    """A cell, with its song loaded and prepared."""

    cell: Cell
    song: Song
    material: AdaptationInput | None
    """None for B0, which looks at no segments."""


def ahead(items: Iterator[Item]) -> Generator[Item]:
    """Yield what an iterator yields; a thread makes the next item while one is in use."""
    with concurrent.futures.ThreadPoolExecutor(1) as maker:
        coming = maker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = maker.submit(next, items, None)
            yield item


def batches(
    base: Weights,
    load: Callable[[str], Song],
    cells: Sequence[Cell],
    n_lanes: int | None,
    free_bytes: int,
    fail: Callable[[Cell, Exception], None],
) -> Iterator[list[Lane]]:
    """Load songs and pack cells into batches that run as one compiled program.

    Cells that differ in λ or learning rate alone share their song, and so what the frozen stages make of it. Else lanes
    have songs of their own.

    Args:
      base: the network.
      load: returns the song of a name.
      cells: those that are to be run.
      n_lanes: a batch's; None: as many as fit into the memory of a GPU or TPU, one on a CPU.
      free_bytes: memory of the device before the first batch fills it.
      fail: called with a cell whose song cannot be used.
    """
    n_lanes = n_lanes or (1 if jax.default_backend() == "cpu" else None)
    n_alike = collections.Counter((one.song, compiled_alike(one.adapt)) for one in cells)
    room: dict[Any, int] = {}

    @functools.lru_cache(maxsize=max(2, n_lanes or 8))
    def loaded(name: str) -> Song:
        return load(name)

    @functools.lru_cache(maxsize=max(2, n_lanes or 8))
    def prepare(name: str, settings: AdaptConfig) -> AdaptationInput | None:
        if settings.strategy == "B0":
            return None
        return adaptation.prepare(base, loaded(name), None, settings)

    if n_lanes != 1:  # by program first; with one lane each, cells of one song follow each other
        cells = sorted(cells, key=lambda one: str(compiled_alike(one.adapt)))
    for alike, same in itertools.groupby(cells, key=lambda one: compiled_alike(one.adapt)):
        waiting: dict[Any, list[Lane]] = {}
        for one in same:
            try:
                lane = Lane(one, loaded(one.song), prepare(one.song, alike))
            except (InputError, MemoryError) as error:
                fail(one, error)
                continue
            shape = lane.material and adaptation.get_shape(lane.material)
            batch = waiting.setdefault((shape, one.song if n_alike[one.song, alike] > 1 else None), [])
            batch.append(lane)
            if (alike, shape) not in room:
                room[alike, shape] = n_lanes or lanes_that_fit(base, lane, free_bytes)
            if len(batch) >= room[alike, shape]:
                yield batch.copy()
                batch.clear()
        yield from filter(None, waiting.values())


def lanes_that_fit(base: Weights, lane: Lane, free_bytes: int) -> int:
    """Return how many lanes with songs of their own fit into three quarters of each device's free memory."""
    if lane.material is None:
        return 1
    parts = adaptation.list_tasks(base, lane.material, lane.cell.adapt)
    n_lanes = min(_lanes_of(part, free_bytes) for part in parts)
    return min(MAX_LANES, max(1, n_lanes)) * len(jax.local_devices())


def _lanes_of(part: AdaptationTask, free_bytes: int) -> int:
    """Return how many lanes of one network fit."""
    settings = part.settings
    n_lanes = 0
    for features in ("float32", "recompute") if settings.features == "auto" else (settings.features,):
        own = dataclasses.replace(settings, features=features)
        _, needs = engine.compile_epoch(part.net, strategy.parse(own.strategy, part.net), own, part.shape)
        n_lanes = n_lanes or int(memory.SHARE * free_bytes // sum(needs))
    return n_lanes
