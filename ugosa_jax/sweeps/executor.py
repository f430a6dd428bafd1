"""Execution of a sweep's cells in this process; `ugosa_jax.sweeps.cluster` runs them on a Ray cluster."""

import concurrent.futures
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ugosa_jax import device, interrupts
from ugosa_jax.data.song import Song
from ugosa_jax.sweeps import batch, processing, results
from ugosa_jax.sweeps.cell import Cell
from ugosa_jax.sweeps.processing import AdaptedCell, CellOutcome
from ugosa_jax.sweeps.sweep import Sweep, load_song

PENDING = 1
"""Largest number of adapted batches that wait to be scored; a process that is killed loses them."""


class Executor(Protocol):
    """The interface of an executor, which runs cells."""

    def run(self, sweep: Sweep, cells: Sequence[Cell], on_outcome: Callable[[CellOutcome], None]) -> None:
        """Run cells, in any order; if a song cannot be used, only its cells fail.

        Args:
          sweep: the sweep.
          cells: the cells to run.
          on_outcome: called with the outcome of each cell, one at a time, perhaps in another thread.

        Raises:
          InputError: raised by `on_outcome`; no further cell is run then.
        """
        ...

    def close(self) -> None:
        """Stop all processes that the executor has started."""
        ...


def run_cells(
    sweep: Sweep, cells: Sequence[Cell], executor: Executor, on_cell: Callable[[Cell, dict[str, Any]], None]
) -> None:
    """Adapt, score and store cells.

    A cell whose song cannot be used is stored as failed, and the other cells are run. After an interrupt, the cells
    that have been adapted are still scored and stored.

    Args:
      sweep: the sweep; this process must hold the lock of its results directory.
      cells: the cells to run.
      executor: the executor that runs them.
      on_cell: called with each cell and its record after it is stored, perhaps from another thread.

    Raises:
      InputError: results cannot be written.
    """

    def store(outcome: CellOutcome) -> None:
        results.store(sweep, outcome)
        on_cell(outcome.cell, outcome.record)

    executor.run(sweep, cells, store)


class LocalExecutor:
    """Runs cells in this process, on its devices.

    The main thread adapts a batch. Meanwhile, a second thread separates and scores the previous batch, and a third one
    loads the songs of the next batch. After an interrupt, the adaptation stops at the end of the epoch, and cells that
    have been adapted are still scored.
    """

    def run(self, sweep: Sweep, cells: Sequence[Cell], on_outcome: Callable[[CellOutcome], None]) -> None:
        """Run cells; see `Executor`."""
        pending: list[concurrent.futures.Future] = []

        def score(lanes: Sequence[AdaptedCell]) -> None:
            for outcome in processing.score_batch(sweep, lanes):
                on_outcome(outcome)

        def on_failure(cell: Cell, error: Exception) -> None:
            pending.append(host.submit(on_outcome, processing.record_failure(cell, error)))

        def load(name: str) -> Song:
            return load_song(sweep.tracks[name], sweep.base)

        # This thread shares futures with the other two, and an interrupt could leave a lock held (see `interrupts`).
        with interrupts.defer() as check, concurrent.futures.ThreadPoolExecutor(1) as host:

            def on_epoch(_: int, __: np.ndarray) -> None:
                check()

            loaded = batch.iterate_batches(sweep.base, load, cells, sweep.lanes, device.get_free_bytes(), on_failure)
            with contextlib.closing(batch.prefetch(loaded)) as batches:
                for lanes in batches:
                    check()
                    adapted = processing.adapt_batch(sweep.base, lanes, on_failure, on_epoch)
                    pending.append(host.submit(score, adapted))
                    while len(pending) > PENDING or (pending and pending[0].done()):
                        pending.pop(0).result()
            for future in pending:
                future.result()

    def close(self) -> None:
        """Do nothing: no process was started."""
