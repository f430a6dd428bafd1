"""What runs the cells of a sweep: this process, or (`ugosa_jax.sweeps.cluster`) workers of a Ray cluster."""

import concurrent.futures
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from ugosa_jax import device, interrupts
from ugosa_jax.data.song import Song
from ugosa_jax.sweeps import batch, work
from ugosa_jax.sweeps.cell import Cell
from ugosa_jax.sweeps.sweep import Sweep, song_of
from ugosa_jax.sweeps.work import Settled

PENDING = 1
"""Batches that are adapted and wait to be scored, at most: a process that is killed loses them."""


class Executor(Protocol):
    """Runs cells, wherever; what it has started for that ends with `close`."""

    def run(self, sweep: Sweep, cells: Sequence[Cell], settle: Callable[[Settled], None]) -> None:
        """Run cells, in any order; one whose song cannot be used fails, and the others go on.

        Args:
          sweep: what to work on.
          cells: those that are to be run.
          settle: called with what became of each cell, one at a time, perhaps in another thread.

        Raises:
          InputError: what `settle` raises; nothing more is run then.
        """
        ...

    def close(self) -> None:
        """End what runs."""
        ...


class Local:
    """This process, with its devices.

    The main thread adapts. A second one separates and scores what the first has done; a third one loads and cuts the
    songs of the next batch. When interrupted, it stops after the epoch, and what is adapted is still scored.
    """

    def run(self, sweep: Sweep, cells: Sequence[Cell], settle: Callable[[Settled], None]) -> None:
        """See `Executor`."""
        pending: list[concurrent.futures.Future] = []

        def finish(lanes: Sequence[work.Adapted]) -> None:
            for one in work.settled(sweep, lanes):
                settle(one)

        def fail(cell: Cell, error: Exception) -> None:
            pending.append(host.submit(settle, work.failed(cell, error)))

        def load(name: str) -> Song:
            return song_of(sweep.tracks[name], sweep.base)

        # This thread shares futures with two others: an interrupt in between would leave their locks closed.
        with interrupts.deferred() as check, concurrent.futures.ThreadPoolExecutor(1) as host:

            def on_epoch(_: int, __: np.ndarray) -> None:
                check()

            packed = batch.batches(sweep.base, load, cells, sweep.lanes, device.get_free_bytes(), fail)
            with contextlib.closing(batch.ahead(packed)) as coming:
                for lanes in coming:
                    check()
                    pending.append(host.submit(finish, work.adapted(sweep.base, lanes, fail, on_epoch)))
                    while len(pending) > PENDING or (pending and pending[0].done()):
                        pending.pop(0).result()
            for future in pending:
                future.result()

    def close(self) -> None:
        """See `Executor`; nothing runs on."""
