"""The tidy table of scores, with one score per row: its columns, checks, and selections of rows.

A cell of a sweep is one song adapted with one combination of settings. Its scores, in dB, are SDR, SIR, SAR and ISR of
every source (medians over frames) and PES and EPS (means over frames).
"""

# pyright: reportArgumentType=false, reportAssignmentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportGeneralTypeIssues=false, reportReturnType=false
# In the type hints of pandas, every table[...] is a union of many types.

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from ugosa_jax.config import SOURCES, AdaptConfig
from ugosa_jax.errors import InputError, error_context

SETTINGS = ("lam", "learning_rate", "epochs", "segment_s", "hop_s", "pitch_shifts", "pitch_seed", "shuffle_seed")
"""Numeric settings that a sweep may vary; a study shows one of them."""
QUALITY = ("SDR", "SIR", "SAR", "ISR")
"""Metrics of BSSEval; higher is better."""
SILENCE = ("PES", "EPS")
"""Energy at silence; lower is better."""
RULES = {"target": QUALITY, "museval": QUALITY, "silent": SILENCE}
"""Rules for the choice of scored frames, and the metrics of each rule."""
TEXTS = ("sweep", "song", "strategy", "refine", "rule", "source", "metric")
WHOLE = ("epochs", "pitch_shifts", "pitch_seed", "shuffle_seed", "n_tuned", "n_frames")
NUMBERS = (*SETTINGS, "n_tuned", "value_db", "n_frames")
COLUMNS = (*TEXTS, *NUMBERS, "gated")
MAY_BE_MISSING = ("segment_s", "hop_s", "value_db")
"""Columns that may be empty: the networks of a chain may have different segments, or none that is adapted; the default
hop is the length of a segment; a score without frames has no value."""

PAPER_SEGMENT_S = 4.0

_KEY = ["sweep", "song", "strategy", *SETTINGS, "refine", "gated", "rule", "source", "metric"]
LOSSES = ("R", "P", "B")
"""Losses of strategies, in the order of tables."""
_ONE = re.compile(r"B0|([RPB])-([A-Za-z]{1,8})([0-9]{0,3}):(\w{1,8})", re.ASCII)
_STRATEGY = re.compile(rf"(?:{_ONE.pattern})(?:\+(?:{_ONE.pattern})){{0,99}}", re.ASCII)
"""A strategy of one network, or those of each network of a chain."""
_PLACES = ("E", "L", "T", "D")
"""First letters of the names of places where tuning starts, from input to output; unknown letters come last."""
_ENDS = ("D", "M", "3")
_UNPRINTABLE = re.compile(r"[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def read_rows(path: str | Path) -> pd.DataFrame:
    """Read a table of scores from CSV.

    Raises:
      InputError: the file cannot be read or is not a table of scores; the message names file, column and row.
    """
    try:
        # All columns are read as strings, because a song may be called NA or 007.
        cells = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (UnicodeDecodeError, ValueError) as error:  # a ParserError and an EmptyDataError are ValueErrors
        raise InputError(f"{path}: is not a CSV table in UTF-8 ({' '.join(str(error).split())})") from error
    with error_context(path):
        return check_rows(cells)


def check_rows(cells: pd.DataFrame) -> pd.DataFrame:
    """Check a table of scores, and return its COLUMNS converted to their types.

    Args:
      cells: the table; values are strings as read from CSV, or numbers as collected from a sweep.

    Raises:
      InputError: a column is missing, there is no row, a value does not fit its column, or a score is repeated.
    """
    missing = [name for name in COLUMNS if name not in cells.columns]
    if missing:
        raise InputError(f"column {missing[0]!r} is missing; a table of scores has the columns {', '.join(COLUMNS)}")
    if cells.columns.duplicated().any():
        raise InputError(f"column {cells.columns[cells.columns.duplicated()][0]!r} is repeated")
    if cells.empty:
        raise InputError("has no rows: there are no scores to report")
    columns = {name: _text(cells[name]) for name in TEXTS} | {name: _number(cells[name]) for name in NUMBERS}
    rows = pd.DataFrame(columns | {"gated": _flag(cells["gated"])}).reset_index(drop=True)
    _require(rows, "strategy", rows.strategy.map(lambda name: bool(_STRATEGY.fullmatch(name))), "B0 or like P-L3:M")
    _require(rows, "rule", rows.rule.isin(tuple(RULES)), f"one of {', '.join(RULES)}")
    fits = [metric in RULES[rule] for metric, rule in zip(rows.metric, rows.rule, strict=True)]
    _require(rows, "metric", np.array(fits), f"one of {', '.join(QUALITY)}, or PES and EPS under the rule silent")
    twice = rows.duplicated(_KEY)
    if twice.any():
        score = rows[twice].iloc[0]
        raise InputError(
            f"row {twice.argmax() + 1}: {score.metric} of {score.source} in {score.song!r} with {score.strategy} "
            f"(sweep {score.sweep!r}) is repeated under the same settings"
        )
    return rows


def sort_key(strategy: str) -> tuple:
    """Return the key for sorting strategies as in the paper: R-…, then P-L1:D … P-…:M, P-…:3, then B-…, then B0.

    Strategies of a chain are sorted by its last adapted network, those of other networks than the paper's by their
    starts and ends.
    """
    if not _STRATEGY.fullmatch(strategy):
        raise InputError(f"strategy {strategy!r} is not B0 or like P-L3:M")
    adapted = [part for part in strategy.split("+") if part != "B0"]
    if not adapted:
        return (len(LOSSES),)
    match = _ONE.fullmatch(adapted[-1])
    assert match is not None
    loss, place, number, end = match.groups()
    rank = LOSSES.index(loss), *_rank(end, _ENDS), *_rank(place, _PLACES), int(number or 0)
    return *rank, strategy if "+" in strategy else ""


def _rank(name: str, known: tuple[str, ...]) -> tuple[int, str]:
    """Return the position of a name among known ones; unknown names come last."""
    return known.index(name) if name in known else len(known), name


def list_strategies(rows: pd.DataFrame) -> list[str]:
    """Return the strategies in the paper's order."""
    return sorted(rows.strategy.unique(), key=sort_key)


def list_sources(rows: pd.DataFrame) -> list[str]:
    """Return the sources; those of the published networks come first, in their order."""
    known = [name for name in SOURCES if (rows.source == name).any()]
    return known + [name for name in rows.source.unique() if name not in known]


def select_users(rows: pd.DataFrame, field: str) -> pd.DataFrame:
    """Return the rows of strategies that depend on a setting: B0 depends on none, and only P depends on λ."""
    losses = "P" if field == "lam" else "".join(LOSSES)
    return rows[rows.strategy.str.contains(rf"(?:^|\+)[{losses}]-")]


def list_varied(rows: pd.DataFrame) -> list[str]:
    """Return the settings that have several values within a strategy that depends on them."""
    return [
        field
        for field in SETTINGS
        if any(group[field].nunique(dropna=False) > 1 for _, group in select_users(rows, field).groupby("strategy"))
    ]


def select_base(rows: pd.DataFrame, varying: str | None = None) -> pd.DataFrame:
    """Return the rows whose settings, except `varying`, have their base values.

    If a strategy has only one value of a setting, its rows are kept, because a sweep omits settings without effect (λ
    of B, all of B0). Captions state such differences between strategies.
    """
    selected = []
    for _, group in rows.groupby("strategy", sort=False):
        for field in SETTINGS:
            if field != varying and group[field].nunique(dropna=False) > 1:
                base = choose_base(group[field])
                group = group[group[field].isna() if np.isnan(base) else group[field] == base]
        selected.append(group)
    return pd.concat(selected).sort_index()


def choose_base(values: pd.Series) -> float:
    """Return the base value of a setting: the default of `AdaptConfig` if it occurs, else the (lower) middle one.

    The default length of segments depends on the network; here it is the paper's. NaN stands for the default hop.
    """
    default = next(field.default for field in dataclasses.fields(AdaptConfig) if field.name == values.name)
    default = PAPER_SEGMENT_S if values.name == "segment_s" else default
    if default is None and values.isna().any():
        return float("nan")
    present = sorted(values.dropna().unique())
    return float(default if default in present else present[(len(present) - 1) // 2])


def count_missing(rows: pd.DataFrame) -> tuple[int, int]:
    """Return the number of cells without any score, and the number of all cells: all songs with all settings."""
    cell = ["strategy", *SETTINGS]
    n_expected = rows.song.nunique() * len(rows[cell].drop_duplicates())
    n_scored = len(rows.loc[rows.value_db.notna(), ["song", *cell]].drop_duplicates())
    return n_expected - n_scored, n_expected


def _text(cells: pd.Series) -> pd.Series:
    is_text = cells.astype(object).map(lambda cell: isinstance(cell, str) and bool(cell.strip()))
    _require(cells, str(cells.name), is_text, "text")
    # Characters that XML or UTF-8 cannot hold; pandas' own strings hold only some of them if pyarrow is installed.
    return cells.astype(object).map(lambda text: _UNPRINTABLE.sub("�", text))


def _number(cells: pd.Series) -> pd.Series:
    name = str(cells.name)
    numbers = pd.to_numeric(cells, errors="coerce").astype(np.float64)
    empty = cells.isna() | cells.astype(object).map(lambda cell: str(cell).strip().lower() in ("", "nan", "none"))
    if name == "value_db":  # infinite for a perfect estimate
        _require(cells, name, numbers.notna() | empty, "a number")
    else:
        _require(cells, name, np.isfinite(numbers) | empty, "a finite number")
    _require(cells, name, ~empty | (name in MAY_BE_MISSING), "a number")
    if name != "value_db":
        _require(cells, name, (numbers >= 0) | empty, "at least 0")
    if name in WHOLE:
        _require(cells, name, (numbers == np.round(numbers)) & (numbers < 2**53), "a whole number")
        return numbers.astype(np.int64)
    return numbers


def _flag(cells: pd.Series) -> pd.Series:
    texts = cells.astype(str).str.strip().str.lower()
    _require(cells, "gated", texts.isin(["true", "false"]), "True or False")
    return texts == "true"


def _require(cells: pd.DataFrame | pd.Series, column: str, holds: Iterable[bool], expected: str) -> None:
    """Raise InputError about the first row where `holds` is false; rows are counted from 1, without the header."""
    holds = np.asarray(holds, bool)
    if not holds.all():
        row = int(np.argmin(holds))
        value = (cells[column] if isinstance(cells, pd.DataFrame) else cells).iloc[row]
        raise InputError(f"column {column!r}, row {row + 1}: must be {expected}, not {str(value)[:40]!r}")
