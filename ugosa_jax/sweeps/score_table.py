"""The scores of a sweep as a tidy table, with one score per row."""

from pathlib import Path

import pandas as pd

from ugosa_jax.errors import InputError
from ugosa_jax.evaluation.scoring import read_value
from ugosa_jax.sweeps import results

COLUMNS = (
    *("sweep", "song", "weights", "strategy", "lam", "learning_rate", "epochs", "segment_s", "hop_s", "pitch_shifts"),
    *("pitch_seed", "shuffle_seed", "n_tuned", "refine", "gated", "rule", "source", "metric", "value_db", "n_frames"),
)
"""Columns of the table; a row is one score of one cell."""


def read_table(folder: Path) -> pd.DataFrame:
    """Return the scores of all cells in the plan of a results directory; see `COLUMNS`.

    Settings without effect on a strategy (λ of B, all of B0) have their defaults. Cells that failed or are missing have
    rows without a value, so that the table does not seem complete. The table is empty if no cell is done.

    Raises:
      InputError: the folder is not a results directory.
    """
    planned, cells = results.read_plan(folder), results.read_cells(folder)
    done = {id: cell for id, cell in cells.items() if cell["status"] == "done"}
    here = [done[wanted["id"]] for wanted in planned["cells"] if wanted["id"] in done]
    refine = here[0]["separate"]["refine"] if here else "none"  # a grid has one value
    n_tuned = {cell["adapt"]["strategy"]: cell["n_tuned"] for cell in done.values()}
    some = next((cell["scores"] for cell in done.values()), [])
    without = [score | {"value_db": None, "reason": None, "n_frames": 0} for score in some]
    rows = []
    for wanted in planned["cells"]:
        settings = {"shuffle_seed": 0, **wanted["adapt"]}
        settings = {key: value for key, value in settings.items() if key in COLUMNS}
        settings |= {"sweep": planned["grid"], "song": wanted["song"], "weights": planned["weights"][:16]}
        settings |= {"n_tuned": n_tuned.get(settings["strategy"], 0)}
        settings |= {"refine": refine}
        scores = done[wanted["id"]]["scores"] if wanted["id"] in done else without
        rows += [settings | score | {"value_db": read_value(score)} for score in scores]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_scores(folder: Path) -> pd.DataFrame:
    """Return the table of a results directory in which at least one cell is done.

    Raises:
      InputError: no cell is done, or the folder is not a results directory.
    """
    scores = read_table(folder)
    if scores.empty:
        raise InputError(f"{folder}: no cell is done yet")
    return scores
