"""Where a sweep keeps its results: a folder with one JSON file a cell.

    STORE/grid.toml            the grid as its user wrote it
    STORE/plan.json            the cells that the grid asks for
    STORE/cells/ID.json        a cell: settings, losses, timing, scores; or why it failed
    STORE/deltas/ID.safetensors, STORE/stems/ID/SOURCE.wav   if asked for

Every file is complete or absent. Processes that work on the same store do not need to know of each other: what they
write for one cell is the same.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ugosa_jax import __version__, files, record
from ugosa_jax.cell import Cell
from ugosa_jax.errors import InputError
from ugosa_jax.grid import Grid

FORMAT = 1


def begin(folder: Path, grid: Grid, cells: Sequence[Cell], notes: dict[str, Any]) -> None:
    """Make a store, or take up one again, possibly with a grid that has changed since.

    Args:
      folder: of the store.
      grid: what was asked for.
      cells: the grid's cells.
      notes: what else the plan is to record.

    Raises:
      InputError: the folder holds something else, was written by another version, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is not a folder")
    if (folder / "plan.json").exists():
        plan(folder)
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: is neither empty nor the store of a sweep; name another folder")
    with files.replaced_when_done(folder / "grid.toml") as temporary:
        temporary.write_text(grid.text, "utf-8")
    listed = [{"id": cell.id, "song": cell.song, "adapt": dataclasses.asdict(cell.adapt)} for cell in cells]
    made_by = {"format": FORMAT, "version": __version__, "grid": grid.name}
    record.write(made_by | notes | {"cells": listed}, folder / "plan.json")


def plan(folder: Path) -> dict[str, Any]:
    """Return what a store was asked for.

    Raises:
      InputError: it is no store, or one of another version.
    """
    planned = _read(folder / "plan.json", f"{folder}: is not the store of a sweep")
    if planned.get("format") != FORMAT or planned.get("version") != __version__:
        raise InputError(
            f"{folder}: was written by ugosa_jax {planned.get('version')} (format {planned.get('format')}); "
            f"this is {__version__} (format {FORMAT}): name another folder"
        )
    return planned


def write_cell(folder: Path, cell: Cell, result: dict[str, Any]) -> None:
    """Write what became of a cell.

    Raises:
      InputError: the file cannot be written.
    """
    settings = {"id": cell.id, "song": cell.song, "adapt": dataclasses.asdict(cell.adapt)}
    record.write(settings | result, folder / "cells" / f"{cell.id}.json")


def read_cells(folder: Path) -> dict[str, dict[str, Any]]:
    """Return {id: record} of the cells that are done or failed, of this grid or of earlier ones.

    Raises:
      InputError: a file is not what this module writes.
    """
    paths = sorted(path for path in (folder / "cells").glob("*.json") if not path.name.startswith("."))
    return {path.stem: _read(path, f"{path}: is not the record of a cell") for path in paths}


def has(folder: Path, cell: Cell) -> bool:
    """Tell whether a cell is done by now, perhaps by another process."""
    path = folder / "cells" / f"{cell.id}.json"
    return path.exists() and _read(path, f"{path}: is not the record of a cell").get("status") == "done"


COLUMNS = (
    *("sweep", "song", "strategy", "lam", "learning_rate", "epochs", "segment_s", "hop_s", "pitch_shifts"),
    *("n_tuned", "gated", "rule", "source", "metric", "value_db", "n_frames"),
)
"""Of a tidy table: a row is one score of one cell."""


def table(folder: Path) -> pd.DataFrame:
    """Return the scores of a store's cells that are done and in its plan, one a row; see `COLUMNS`.

    Settings that a strategy does not look at (λ of B, all of B0) have their defaults.

    Raises:
      InputError: it is no store.
    """
    planned, cells = plan(folder), read_cells(folder)
    rows = []
    for wanted in planned["cells"]:
        cell = cells.get(wanted["id"])
        if cell and cell["status"] == "done":
            settings = {key: value for key, value in cell["adapt"].items() if key in COLUMNS}
            settings |= {"sweep": planned["grid"], "song": cell["song"], "n_tuned": cell["n_tuned"]}
            rows += [settings | score for score in cell["scores"]]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _read(path: Path, otherwise: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{otherwise} ({path.name}: {error})") from error
    if not isinstance(value, dict):
        raise InputError(f"{otherwise} ({path.name}: holds no object)")
    return value
