"""Compare sweeps with a first one, song by song: medians over songs, paired tests, Holm's correction.

    python scripts/experiments/recommended_report.py sweeps/gated sweeps/recommended

The first sweep has one strategy: B0, with outputs that are muted where their source is annotated silent. Scores are the
SDR in frames in which the true source sounds (rule "target"). Holm's correction is over all rows of the table.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportReturnType=false
# In the type hints of pandas, every table[...] is a union of many types.

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from ugosa_jax.errors import InputError, exit_status
from ugosa_jax.reports.sweep import render, significance
from ugosa_jax.sweeps import score_table


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path, help="results of the sweep that the others are compared with")
    parser.add_argument("others", type=Path, nargs="+", help="results of sweeps")
    args = parser.parse_args(arguments)
    print(to_markdown(make_table(read_scores(args.base), {path.name: read_scores(path) for path in args.others})))


def read_scores(folder: Path) -> pd.DataFrame:
    """Return the SDR of a sweep: one row per song, columns (strategy, source).

    Raises:
      InputError: the folder holds no results, none of its cells is done, or a strategy was run with several settings.
    """
    rows = score_table.read_scores(folder)
    chosen = rows[(rows.metric == "SDR") & (rows.rule == "target")]
    if chosen.duplicated(["song", "strategy", "source"]).any():
        raise InputError(f"{folder}: has several scores for one song and strategy; keep one setting of each strategy")
    return chosen.pivot(index="song", columns=["strategy", "source"], values="value_db").astype(float)


def make_table(base: pd.DataFrame, others: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return a row for each sweep, strategy and source: medians, and the paired difference to the base.

    Only songs that are in both sweeps count.
    """
    (strategy,) = base.columns.unique(0)
    found = []
    for name, other in others.items():
        for column in other:
            both = pd.concat([other[column], base[strategy, column[1]]], axis=1, join="inner").dropna().to_numpy()
            paired = dataclasses.astuple(significance.compare_pairs(both[:, 0], both[:, 1]))
            found.append((name, *column, paired[0], *np.median(both, 0), *paired[1:]))
    columns = ["sweep", "strategy", "source", "songs", "sdr", "base", "difference", "low", "high", "effect", "p"]
    rows = pd.DataFrame(found, columns=columns)
    return rows.assign(p=significance.holm(rows.p.to_numpy()))


def to_markdown(rows: pd.DataFrame) -> str:
    """Return the table in Markdown."""
    numbers = ["songs", "SDR", "before", "median difference", "95 % from", "to", "effect", "p, Holm"]
    lines = [["sweep", "strategy", "source", *numbers], [":--"] * 3 + ["--:"] * len(numbers)]
    for row in rows.itertuples(index=False):
        numbers = [render.format_decibels(value) for value in row[4:10]]
        lines.append([*row[:3], str(row.songs), *numbers, render.format_probability(row.p)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(exit_status(main))
