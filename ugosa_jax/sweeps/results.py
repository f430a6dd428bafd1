"""Where a sweep keeps its results: a folder with one JSON file a cell.

    grid.toml                  the grid as its user wrote it
    plan.json                  the cells that the grid asks for
    cells/ID.json              a cell: settings, losses, timing, scores; or why it failed
    deltas/ID.safetensors, stems/ID/SOURCE.wav   if asked for
    .lock, driver.json         who works on it; see `ugosa_jax.sweeps.lock`

Every file is complete or absent.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ugosa_jax import files
from ugosa_jax.data import stems
from ugosa_jax.errors import InputError
from ugosa_jax.sweeps.cell import RESULTS_VERSION, Cell
from ugosa_jax.sweeps.grid import Grid
from ugosa_jax.sweeps.shapes import CellHead, Done, Plan, PlanHead

FORMAT = 2


def check(folder: Path) -> None:
    """Raise InputError if a folder holds something else than results of a sweep, or results of another version."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is not a folder")
    if (folder / "plan.json").exists():
        if (version := plan(folder)["results_version"]) != RESULTS_VERSION:
            compared = f"has results of version {version}; those of today, version {RESULTS_VERSION}, differ in numbers"
            raise InputError(f"{folder}: {compared}; name another folder")
    elif folder.exists() and not {path.name for path in stems.list_visible(folder)} <= {
        "grid.toml",
        "driver.json",
        "cells",
    }:
        raise InputError(f"{folder}: is neither empty nor a results directory of a sweep; name another folder")


def begin(folder: Path, grid: Grid, cells: Sequence[Cell], weights: str) -> None:
    """Make a results directory, or take up one again, possibly with a grid that has changed since.

    Args:
      folder: the results directory.
      grid: what was asked for.
      cells: the grid's cells.
      weights: fingerprint of the network.

    Raises:
      InputError: it cannot be written.
    """
    with files.replaced_when_done(folder / "grid.toml") as temporary:
        temporary.write_text(grid.text, "utf-8")
    listed = [{"id": cell.id, "song": cell.song, "adapt": dataclasses.asdict(cell.adapt)} for cell in cells]
    made_by = {"format": FORMAT, "results_version": RESULTS_VERSION, "grid": grid.name, "weights": weights}
    files.write_json(made_by | {"cells": listed}, folder / "plan.json")


def plan(folder: Path) -> Plan:
    """Return what a results directory was asked for.

    Raises:
      InputError: it is none, or one of another format.
    """
    path = folder / "plan.json"
    if not path.is_file():
        raise InputError(f"{folder}: is not a results directory of a sweep (it has no plan.json)")
    if (found := files.read_json(path, PlanHead)["format"]) != FORMAT:
        raise InputError(
            f"{folder}: has results of format {found}, of another version of ugosa_jax; this one reads "
            f"format {FORMAT}: run the grid into another folder"
        )
    return files.read_json(path, Plan)


def write_cell(folder: Path, cell: Cell, result: dict[str, Any]) -> None:
    """Write what became of a cell.

    Raises:
      InputError: the file cannot be written.
    """
    files.write_json({"id": cell.id} | cell.determines | result, folder / "cells" / f"{cell.id}.json")


def read_cells(folder: Path) -> dict[str, dict[str, Any]]:
    """Return {id: record} of the cells that are done or failed, of this grid or of earlier ones.

    Raises:
      InputError: a file is not what this module writes.
    """
    paths = sorted(path for path in (folder / "cells").glob("*.json") if not path.name.startswith("."))
    return {path.stem: _read_cell(path) for path in paths}


def has(folder: Path, cell: Cell) -> bool:
    """Tell whether a cell is done."""
    record = read_cell(folder, cell)
    return record is not None and record["status"] == "done"


def read_cell(folder: Path, cell: Cell) -> Any:
    """Return the record of a cell; None if it has none.

    Raises:
      InputError: its file is not what this module writes.
    """
    path = folder / "cells" / f"{cell.id}.json"
    return _read_cell(path) if path.exists() else None


def _read_cell(path: Path) -> Any:
    try:
        found = files.read_json(path, CellHead)
        return files.read_json(path, Done) if found["status"] == "done" else found
    except InputError as error:
        raise InputError(f"{error}; delete it, and its cell is run again") from error
