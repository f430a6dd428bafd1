"""Threads for NumPy, most of whose functions use a single core."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ugosa_jax import interrupts

Result = TypeVar("Result")


def map_in_threads(function: Callable[..., Result], *arguments: Iterable) -> list[Result]:
    """Return `[*map(function, *arguments)]`, computed in as many threads as there are cores.

    This is faster for functions that release the GIL, as NumPy does while it computes on large arrays.
    """
    return list(iterate_in_threads(function, *arguments))


def iterate_in_threads(function: Callable[..., Result], *arguments: Iterable) -> Iterator[Result]:
    """Yield the results of `map(function, *arguments)` in order; see `map_in_threads`."""
    # The main thread waits for futures here, and an interrupt could leave their locks held (see `interrupts`).
    with interrupts.defer() as check, ThreadPoolExecutor(_count_cores()) as pool:
        for result in pool.map(function, *arguments):
            check()
            yield result


def _count_cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
