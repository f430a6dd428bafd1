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

from ugosa_jax import __version__, dataset, files
from ugosa_jax.cell import Cell
from ugosa_jax.errors import InputError
from ugosa_jax.grid import Grid

FORMAT = 1
_PLAN = ("version", "grid", "weights", "cells")
_DONE = ("song", "adapt", "n_tuned", "adaptation", "scores")


def begin(folder: Path, grid: Grid, cells: Sequence[Cell], weights: str) -> None:
    """Make a store, or take up one again, possibly with a grid that has changed since.

    Args:
      folder: of the store.
      grid: what was asked for.
      cells: the grid's cells.
      weights: fingerprint of the network.

    Raises:
      InputError: the folder holds something else, was written by another version, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is not a folder")
    if (folder / "plan.json").exists():
        if (version := plan(folder)["version"]) != __version__:
            raise InputError(f"{folder}: was written by ugosa_jax {version}, not {__version__}; name another folder")
    elif folder.exists() and not {path.name for path in dataset.visible(folder)} <= {"grid.toml", "cells"}:
        raise InputError(f"{folder}: is neither empty nor the store of a sweep; name another folder")
    with files.replaced_when_done(folder / "grid.toml") as temporary:
        temporary.write_text(grid.text, "utf-8")
    listed = [{"id": cell.id, "song": cell.song, "adapt": dataclasses.asdict(cell.adapt)} for cell in cells]
    made_by = {"format": FORMAT, "version": __version__, "grid": grid.name, "weights": weights}
    files.write_json(made_by | {"cells": listed}, folder / "plan.json")


def plan(folder: Path) -> dict[str, Any]:
    """Return what a store was asked for.

    Raises:
      InputError: it is no store, or one of another format.
    """
    otherwise = f"{folder}: is not the store of a sweep"
    planned = _read(folder / "plan.json", otherwise, "format")
    if planned["format"] != FORMAT:
        raise InputError(f"{folder}: is a store of format {planned['format']}; this version reads format {FORMAT}")
    if not set(_PLAN) <= planned.keys():
        raise InputError(f"{otherwise} (plan.json: lacks {', '.join(_PLAN)})")
    return planned


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
    """Tell whether a cell is done by now, perhaps by another process."""
    path = folder / "cells" / f"{cell.id}.json"
    return path.exists() and _read_cell(path)["status"] == "done"


COLUMNS = (
    *("sweep", "song", "weights", "strategy", "lam", "learning_rate", "epochs", "segment_s", "hop_s", "pitch_shifts"),
    *("pitch_seed", "n_tuned", "gated", "rule", "source", "metric", "value_db", "n_frames"),
)
"""Of a tidy table: a row is one score of one cell."""


def table(folder: Path) -> pd.DataFrame:
    """Return the scores that a store's plan asks for, one a row; see `COLUMNS`.

    Settings that a strategy does not look at (λ of B, all of B0) have their defaults. Cells that failed or are missing
    have rows without a value, so that nobody takes the table for complete; it is empty while no cell is done.

    Raises:
      InputError: it is no store.
    """
    planned, cells = plan(folder), read_cells(folder)
    done = {id: cell for id, cell in cells.items() if cell["status"] == "done"}
    n_tuned = {cell["adapt"]["strategy"]: cell["n_tuned"] for cell in done.values()}
    some = next((cell["scores"] for cell in done.values()), [])
    without = [score | {"value_db": None, "n_frames": 0} for score in some]
    rows = []
    for wanted in planned["cells"]:
        settings = {key: value for key, value in wanted["adapt"].items() if key in COLUMNS}
        settings |= {"sweep": planned["grid"], "song": wanted["song"], "weights": planned["weights"][:16]}
        settings |= {"n_tuned": n_tuned.get(settings["strategy"], 0)}
        scores = done[wanted["id"]]["scores"] if wanted["id"] in done else without
        rows += [settings | score for score in scores]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _read_cell(path: Path) -> dict[str, Any]:
    cell = _read(path, f"{path}: is not the record of a cell (delete it, and its cell is run again)", "id", "status")
    if cell["status"] not in ("done", "failed") or (cell["status"] == "done" and not set(_DONE) <= cell.keys()):
        raise InputError(f"{path}: is not the record of a cell (delete it, and its cell is run again)")
    return cell


def _read(path: Path, otherwise: str, *keys: str) -> dict[str, Any]:
    """Return the object in a JSON file, which has all keys; raise InputError with `otherwise` if it has not."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{otherwise} ({path.name}: {error})") from error
    if not isinstance(value, dict) or not set(keys) <= value.keys():
        raise InputError(f"{otherwise} ({path.name}: lacks {', '.join(keys)})")
    return value
