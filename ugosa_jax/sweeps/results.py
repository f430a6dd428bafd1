"""The results directory of a sweep, with one JSON file for each cell.

    grid.toml                  the grid as its user wrote it
    plan.json                  the cells of the grid
    cells/ID.json              a cell: settings, losses, timing, scores; or why it failed
    deltas/ID.safetensors, stems/ID/SOURCE.wav   if --keep-deltas, --keep-stems
    .lock, driver.json         the process that runs the sweep; see `ugosa_jax.sweeps.lock`

Every file is complete or absent.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ugosa_jax import files
from ugosa_jax.data import sound, stems
from ugosa_jax.errors import InputError
from ugosa_jax.sweeps.cell import RESULTS_VERSION, Cell
from ugosa_jax.sweeps.grid import Grid
from ugosa_jax.sweeps.processing import CellOutcome
from ugosa_jax.sweeps.schema import CellHead, DoneCell, PlanHead, SweepPlan
from ugosa_jax.sweeps.sweep import Sweep
from ugosa_jax.weights import adapted_layers

FORMAT = 2


def check_folder(folder: Path) -> None:
    """Raise InputError if a folder contains other files than results of a sweep, or results of another version."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is not a folder")
    if (folder / "plan.json").exists():
        if (version := read_plan(folder)["results_version"]) != RESULTS_VERSION:
            compared = f"its results have version {version}, which cannot be compared with version {RESULTS_VERSION}"
            raise InputError(f"{folder}: {compared}; name another folder")
    elif folder.exists() and not {path.name for path in stems.list_visible(folder)} <= {
        "grid.toml",
        "driver.json",
        "cells",
    }:
        raise InputError(f"{folder}: is neither empty nor a results directory of a sweep; name another folder")


def write_plan(folder: Path, grid: Grid, cells: Sequence[Cell], weights: str) -> None:
    """Write the grid and the plan of a results directory; earlier ones are replaced.

    Args:
      folder: the results directory.
      grid: the grid.
      cells: its cells.
      weights: fingerprint of the network.

    Raises:
      InputError: it cannot be written.
    """
    with files.replace_when_done(folder / "grid.toml") as temporary:
        temporary.write_text(grid.text, "utf-8")
    listed = [{"id": cell.id, "song": cell.song, "adapt": dataclasses.asdict(cell.adapt)} for cell in cells]
    made_by = {"format": FORMAT, "results_version": RESULTS_VERSION, "grid": grid.name, "weights": weights}
    files.write_json(made_by | {"cells": listed}, folder / "plan.json")


def read_plan(folder: Path) -> SweepPlan:
    """Read the plan of a results directory.

    Raises:
      InputError: it has no plan, or one of another format.
    """
    path = folder / "plan.json"
    if not path.is_file():
        raise InputError(f"{folder}: is not a results directory of a sweep (it has no plan.json)")
    if (format := files.read_json(path, PlanHead)["format"]) != FORMAT:
        raise InputError(
            f"{folder}: has results of format {format}, of another version of ugosa_jax; this one reads "
            f"format {FORMAT}: run the grid into another folder"
        )
    return files.read_json(path, SweepPlan)


def write_cell(folder: Path, cell: Cell, result: dict[str, Any]) -> None:
    """Write the record of a cell.

    Raises:
      InputError: the file cannot be written.
    """
    files.write_json({"id": cell.id} | cell.determinants | result, folder / "cells" / f"{cell.id}.json")


def read_cells(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the records of all cells by ID, done or failed, including those of earlier grids.

    Raises:
      InputError: a file is damaged.
    """
    paths = sorted(path for path in (folder / "cells").glob("*.json") if not path.name.startswith("."))
    return {path.stem: _read_cell(path) for path in paths}


def is_done(folder: Path, cell: Cell) -> bool:
    """Return whether a cell is done."""
    record = read_cell(folder, cell)
    return record is not None and record["status"] == "done"


def read_cell(folder: Path, cell: Cell) -> Any:
    """Return the record of a cell; None if it has none.

    Raises:
      InputError: its file is damaged.
    """
    path = folder / "cells" / f"{cell.id}.json"
    return _read_cell(path) if path.exists() else None


def _read_cell(path: Path) -> Any:
    try:
        record = files.read_json(path, CellHead)
        return files.read_json(path, DoneCell) if record["status"] == "done" else record
    except InputError as error:
        raise InputError(f"{error}; delete it, and its cell is run again") from error


def store(sweep: Sweep, outcome: CellOutcome) -> None:
    """Write the record of a cell, and its adapted layers and stems if the sweep keeps them.

    If a cell that is done is run again for its stems and fails, it keeps its earlier record.

    Raises:
      InputError: a file cannot be written.
    """
    cell, is_new = outcome.cell, outcome.record["status"] == "done"
    if is_new:
        write_kept_files(sweep, outcome)
    if is_new or not is_done(sweep.folder, cell):
        write_cell(sweep.folder, cell, outcome.record)


def list_kept_files(sweep: Sweep, cell: Cell) -> list[Path]:
    """Return the files of adapted layers and stems that a sweep keeps of a cell; B0 adapts no layers."""
    delta = sweep.folder / "deltas" / f"{cell.id}.safetensors"
    stem_files = [sweep.folder / "stems" / cell.id / f"{source}.wav" for source in sweep.base.sources]
    return [delta] * (sweep.keep_deltas and cell.adapt.strategy != "B0") + stem_files * sweep.keep_stems


def write_kept_files(sweep: Sweep, outcome: CellOutcome) -> None:
    """Write the adapted layers and stems that a sweep keeps of a cell."""
    for path in list_kept_files(sweep, outcome.cell):
        if path.suffix == ".wav":
            sound.write_audio(path, outcome.stems[path.stem], outcome.rate_hz)
        else:
            adapted_layers.save(outcome.tuned, sweep.base, path, {"strategy": str(outcome.cell.adapt.strategy)})
