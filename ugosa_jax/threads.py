"""Threads for numpy, most of whose functions use a single core."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ugosa_jax import interrupts

Result = TypeVar("Result")


def map_in_threads(function: Callable[..., Result], *arguments: Iterable) -> list[Result]:
    """Return `[*map(function, *arguments)]`, computed in as many threads as there are cores.

    This is faster for functions that let other threads run, as numpy does while it computes on large arrays.
    """
    with interrupts.defer(), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, *arguments))
