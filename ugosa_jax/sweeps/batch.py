"""Batches of cells, which one compiled program adapts side by side, each as a lane."""

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
from ugosa_jax.sweeps.cell import Cell, drop_lane_settings
from ugosa_jax.weights.weights import Weights

MAX_LANES = 64
Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True)
class LoadedCell:
    """A cell with its song, loaded and cut into segments."""

    cell: Cell
    song: Song
    material: AdaptationInput | None
    """The input of the adaptation; None for B0, which needs none."""


def prefetch(items: Iterator[Item]) -> Generator[Item]:
    """Yield the items of an iterator; a thread computes the next item while the current one is used."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def iterate_batches(
    base: Weights,
    load: Callable[[str], Song],
    cells: Sequence[Cell],
    n_lanes: int | None,
    free_bytes: int,
    on_failure: Callable[[Cell, Exception], None],
) -> Iterator[list[LoadedCell]]:
    """Load songs and yield batches of cells that one compiled program adapts.

    Cells of one song that differ only in λ or learning rate share the song and the output of the frozen stages. In
    other batches, each lane has its own song.

    Args:
      base: the network.
      load: loads a song by its name.
      cells: the cells to run.
      n_lanes: size of a batch; None: as many lanes as fit into the memory of a GPU or TPU, and one on a CPU.
      free_bytes: free memory of the device before the first batch.
      on_failure: called with each cell whose song cannot be used.
    """
    n_lanes = n_lanes or (1 if jax.default_backend() == "cpu" else None)
    n_sharing = collections.Counter((one.song, drop_lane_settings(one.adapt)) for one in cells)
    max_lanes: dict[Any, int] = {}

    @functools.lru_cache(maxsize=max(2, n_lanes or 8))
    def load_once(name: str) -> Song:
        return load(name)

    @functools.lru_cache(maxsize=max(2, n_lanes or 8))
    def prepare(name: str, settings: AdaptConfig) -> AdaptationInput | None:
        if settings.strategy == "B0":
            return None
        return adaptation.prepare(base, load_once(name), None, settings)

    if n_lanes != 1:  # sort by program; with single lanes, the cells of a song stay together
        cells = sorted(cells, key=lambda one: str(drop_lane_settings(one.adapt)))
    for shared, group in itertools.groupby(cells, key=lambda one: drop_lane_settings(one.adapt)):
        waiting: dict[Any, list[LoadedCell]] = {}
        for one in group:
            try:
                lane = LoadedCell(one, load_once(one.song), prepare(one.song, shared))
            except (InputError, MemoryError) as error:
                on_failure(one, error)
                continue
            shape = lane.material and adaptation.get_shape(lane.material)
            batch = waiting.setdefault((shape, one.song if n_sharing[one.song, shared] > 1 else None), [])
            batch.append(lane)
            if (shared, shape) not in max_lanes:
                max_lanes[shared, shape] = n_lanes or count_lanes_that_fit(base, lane, free_bytes)
            if len(batch) >= max_lanes[shared, shape]:
                yield batch.copy()
                batch.clear()
        yield from filter(None, waiting.values())


def count_lanes_that_fit(base: Weights, lane: LoadedCell, free_bytes: int) -> int:
    """Return how many lanes, each with its own song, fit into three quarters of the free memory of each device."""
    if lane.material is None:
        return 1
    tasks = adaptation.list_tasks(base, lane.material, lane.cell.adapt)
    n_lanes = min(_count_lanes_of_task(task, free_bytes) for task in tasks)
    return min(MAX_LANES, max(1, n_lanes)) * len(jax.local_devices())


def _count_lanes_of_task(task: AdaptationTask, free_bytes: int) -> int:
    """Return how many lanes fit for one of the networks that are adapted."""
    settings = task.settings
    n_lanes = 0
    for features in ("float32", "recompute") if settings.features == "auto" else (settings.features,):
        own = dataclasses.replace(settings, features=features)
        _, needs = engine.compile_epoch(task.net, strategy.parse(own.strategy, task.net), own, task.shape)
        n_lanes = n_lanes or int(memory.SHARE * free_bytes // sum(needs))
    return n_lanes
