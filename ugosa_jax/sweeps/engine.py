"""The engine of a sweep: an executor runs its cells, and what becomes of them is stored here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ugosa_jax.data import sound
from ugosa_jax.sweeps import results
from ugosa_jax.sweeps.cell import Cell
from ugosa_jax.sweeps.executor import Executor
from ugosa_jax.sweeps.sweep import Sweep
from ugosa_jax.sweeps.work import Settled
from ugosa_jax.weights import adapted_layers


def run(
    sweep: Sweep, cells: Sequence[Cell], executor: Executor, on_cell: Callable[[Cell, dict[str, Any]], None]
) -> None:
    """Adapt, score and store cells.

    A cell whose song cannot be used is stored as failed, and the others go on. When interrupted, what is adapted is
    still scored and stored.

    Args:
      sweep: what to work on; this process holds the lock of its results.
      cells: those that are to be run.
      executor: what runs them.
      on_cell: called with each cell and its record when that is stored; perhaps from another thread.

    Raises:
      InputError: results cannot be written.
    """

    def settle(settled: Settled) -> None:
        cell, outcome = settled.cell, settled.outcome
        keep(sweep, settled)
        if outcome["status"] == "done" or not results.has(sweep.folder, cell):  # what is done stays done
            results.write_cell(sweep.folder, cell, outcome)
        on_cell(cell, outcome)

    executor.run(sweep, cells, settle)


def has_kept(sweep: Sweep, cell: Cell) -> bool:
    """Tell whether all that is to be kept of a cell beside its record is there."""
    return all(path.exists() for path in kept(sweep, cell))


def kept(sweep: Sweep, cell: Cell) -> list[Path]:
    """Return the files that tuned layers and estimates of a cell are to be kept in; B0 tunes no layers."""
    delta = sweep.folder / "deltas" / f"{cell.id}.safetensors"
    stems = [sweep.folder / "stems" / cell.id / f"{source}.wav" for source in sweep.base.sources]
    return [delta] * (sweep.keep_deltas and cell.adapt.strategy != "B0") + stems * sweep.keep_stems


def keep(sweep: Sweep, settled: Settled) -> None:
    """Store tuned layers and estimates, where that was asked for and they are there."""
    if settled.outcome["status"] != "done":
        return
    for path in kept(sweep, settled.cell):
        if path.suffix == ".wav":
            sound.write(path, settled.estimates[path.stem], settled.rate_hz)
        else:
            adapted_layers.save(settled.tuned, sweep.base, path, {"strategy": str(settled.cell.adapt.strategy)})
