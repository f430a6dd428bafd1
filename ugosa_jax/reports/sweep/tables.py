"""Tables of scores, as functions from DataFrame to DataFrame: medians, comparisons, studies.

All rows must belong to one sweep, with one choice of gating and, except for `compare_rules`, one rule; every song must
have one score for each strategy, source and metric (`rows` selects them). A score is a median over the frames of a
song. Tables contain medians over songs, as in the paper.
"""

# pyright: reportArgumentType=false, reportAssignmentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportGeneralTypeIssues=false, reportReturnType=false
# In the type hints of pandas, every table[...] is a union of many types.

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd

from ugosa_jax.errors import InputError
from ugosa_jax.reports.sweep import rows as scores
from ugosa_jax.reports.sweep import significance


@dataclasses.dataclass(frozen=True)
class Study:
    """The dependence of scores on one numeric setting.

    Attributes:
      field: the column of the setting.
      base: the value with which other values are compared.
      medians: a row for each value, a column for each (source, metric).
      comparisons: differences from the base, with a row for each source, metric and other value.
      friedman: Friedman's test over all values, with a row for each source and metric.
    """

    field: str
    base: float
    medians: pd.DataFrame
    comparisons: pd.DataFrame
    friedman: pd.DataFrame


def make_table1(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the paper's Table 1: medians over songs of SDR, SIR, SAR and ISR for each strategy and source.

    Returns:
      A row for each strategy in the paper's order. Columns ("", "#TP"), the number of tuned parameters; (source,
      metric) in dB; ("", "songs") and ("", "frames"), the latter summed over the songs. The last two are strings,
      because they may be ranges over the sources.

    Raises:
      InputError: there is no score, or a song has two of a kind.
    """
    return _strategy_table(rows[rows.metric.isin(scores.QUALITY)], scores.QUALITY)


def tabulate_silence(rows: pd.DataFrame) -> pd.DataFrame:
    """Return medians over songs of PES and EPS in dB, shaped like `make_table1`; lower is better.

    Raises:
      InputError: there is no score, or a song has two of a kind.
    """
    return _strategy_table(rows[rows.metric.isin(scores.SILENCE)], scores.SILENCE)


def compare_rules(rows: pd.DataFrame) -> pd.DataFrame:
    """Return medians by the rules "target" and "museval" side by side, with the numbers of frames and songs.

    Returns:
      A row for each strategy and source. Columns ("frames", rule), summed over songs; ("songs", rule), the number of
      songs with a score; (metric, rule) in dB.

    Raises:
      InputError: there is no score, or a song has two of a kind.
    """
    columns = {}
    for rule in ("target", "museval"):
        chosen = _check_unique(rows[rows.rule == rule], "metric")
        columns["frames", rule] = _count_frames(chosen).groupby(["strategy", "source"]).sum()
        columns["songs", rule] = chosen[chosen.value_db.notna()].groupby(["strategy", "source"]).song.nunique()
        for metric in _list_metrics(chosen, scores.QUALITY):
            columns[metric, rule] = chosen[chosen.metric == metric].groupby(["strategy", "source"]).value_db.median()
    groups = pd.MultiIndex.from_product([scores.list_strategies(rows), scores.list_sources(rows)])
    names = ["frames", "songs", *_list_metrics(rows, scores.QUALITY)]
    in_order = pd.MultiIndex.from_product([names, ("target", "museval")])
    table = pd.DataFrame(columns).reindex(index=groups, columns=in_order).dropna(how="all")
    counts = [column for column in table if column[0] in ("frames", "songs")]
    table[counts] = table[counts].fillna(0).astype(int)
    return table.rename_axis(index=["strategy", "source"])


def compare_strategies(rows: pd.DataFrame, metric: str = "SDR") -> pd.DataFrame:
    """Compare each R and P strategy with B0 and with the B strategy that tunes the same stages, song by song.

    The family of Holm's correction is the strategies that are compared with the same strategy for the same source.

    Returns:
      Columns strategy, against ("B0" or a B strategy), source, songs, difference_db (median over songs of strategy
      minus against), low_db, high_db (its 95 % bootstrap interval), effect (rank-biserial), p (Wilcoxon), p_holm. The
      table is empty if there is nothing to compare.

    Raises:
      InputError: a song has two scores of a kind.
    """
    by_song = _pivot(rows[rows.metric == metric], ["source", "strategy"])
    compared = []
    for kind in ("B0", "B"):
        for source in scores.list_sources(rows):
            family = [
                (name, other)
                for name in scores.list_strategies(rows)
                if name.startswith(("R-", "P-")) and (other := "B0" if kind == "B0" else f"B{name[1:]}")
                if (source, name) in by_song and (source, other) in by_song
            ]
            pairs = [
                significance.compare_pairs(by_song[source, name], by_song[source, other]) for name, other in family
            ]
            labels = [{"strategy": name, "against": other, "source": source} for name, other in family]
            compared += _correct_family(labels, pairs)
    return pd.DataFrame(compared, columns=["strategy", "against", "source", *_PAIRED])


def study_setting(rows: pd.DataFrame, field: str, base: float | None = None) -> Study:
    """Compute the dependence of one strategy's scores on one setting.

    The family of Holm's correction is the values that are compared with the base for the same source and metric.

    Args:
      rows: rows of one strategy, in which no other setting varies.
      field: one of `rows.SETTINGS`.
      base: the value with which others are compared; that of `rows.choose_base` if not given.

    Raises:
      InputError: the field has fewer than two values, the base is not among them, or a song has two scores of a kind.
    """
    rows = rows[rows.metric.isin(scores.QUALITY)]
    if rows.empty:
        raise InputError("no scores of the kind that this table shows")
    base = scores.choose_base(rows[field]) if base is None else base
    if field == "hop_s":  # the default is the length of a segment
        base = rows.segment_s.iloc[0] if np.isnan(base) else base
        rows = rows.assign(hop_s=rows.hop_s.fillna(rows.segment_s))
    values = sorted(rows[field].dropna().unique())
    if len(values) < 2:
        raise InputError(f"{field}: has {len(values)} value(s); a study needs at least two")
    if base not in values:
        raise InputError(f"{field}: the base {base:g} is not among the values {', '.join(f'{v:g}' for v in values)}")
    by_song = _pivot(rows, ["source", "metric", field])
    medians = by_song.median().unstack(field).T.reindex(columns=_list_pairs(rows, scores.QUALITY))
    compared, tests = [], []
    for source, metric in medians.columns[medians.notna().any()]:
        others = [value for value in values if value != base and (source, metric, value) in by_song]
        if (source, metric, base) in by_song:
            origin_N = by_song[source, metric, base]
            pairs = [significance.compare_pairs(by_song[source, metric, value], origin_N) for value in others]
            labels = [{"source": source, "metric": metric, field: value, "base": base} for value in others]
            compared += _correct_family(labels, pairs)
        test = significance.friedman(by_song[source, metric].to_numpy())
        tests.append((source, metric, test.n, test.n_values, test.chi2, test.p))
    columns = ["source", "metric", field, "base", *_PAIRED]
    friedman = pd.DataFrame(tests, columns=["source", "metric", "songs", "values", "chi2", "p"])
    return Study(field, float(base), medians, pd.DataFrame(compared, columns=columns), friedman)


_PAIRED = ("songs", "difference_db", "low_db", "high_db", "effect", "p", "p_holm")


def _correct_family(labels: list[dict], pairs: list[significance.PairedComparison]) -> Iterator[dict]:
    """Yield the rows of the tests of one family, with Holm's correction."""
    adjusted = significance.holm(np.array([pair.p for pair in pairs]))
    for label, pair, p_holm in zip(labels, pairs, adjusted, strict=True):
        numbers = (pair.n, pair.median, pair.low, pair.high, pair.effect, pair.p, float(p_holm))
        yield label | dict(zip(_PAIRED, numbers, strict=True))


def _strategy_table(rows: pd.DataFrame, metrics: tuple[str, ...]) -> pd.DataFrame:
    chosen = _check_unique(rows, "metric")
    medians = chosen.groupby(["strategy", "source", "metric"]).value_db.median().unstack(["source", "metric"])
    table = medians.reindex(index=scores.list_strategies(chosen), columns=_list_pairs(chosen, metrics))
    scored = chosen[chosen.value_db.notna()].groupby(["strategy", "source", "metric"]).size()
    scored = scored.unstack(["source", "metric"]).reindex(table.index, columns=table.columns, fill_value=0)
    frames = _count_frames(chosen).groupby(["strategy", "source"]).sum().unstack("source").reindex(table.index)
    table.insert(0, ("", "#TP"), chosen.groupby("strategy").n_tuned.max())
    table["", "songs"] = [format_range(row) for row in scored.fillna(0).to_numpy()]
    table["", "frames"] = [format_range(row) for row in frames.fillna(0).to_numpy()]
    return table


def format_range(counts: np.ndarray) -> str:
    """Return "9" or "9–10": the smallest and the largest of some counts."""
    low, high = int(np.min(counts)), int(np.max(counts))
    return f"{low}" if low == high else f"{low}–{high}"


def _count_frames(rows: pd.DataFrame) -> pd.Series:
    """Return the number of frames of each (strategy, source, song), the maximum over its metrics."""
    return rows.groupby(["strategy", "source", "song"]).n_frames.max()


def _pivot(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return a table of scores with a row for each song and a column for each combination of values of `columns`."""
    return _check_unique(rows, *columns).pivot(index="song", columns=columns, values="value_db").sort_index(axis=1)


def _check_unique(rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return the rows; raise InputError if a song has two scores of the same kind."""
    if rows.empty:
        raise InputError("no scores of the kind that this table shows")
    twice = rows.duplicated(["song", "strategy", "source", "metric", *columns])
    if twice.any():
        score = rows[twice].iloc[0]
        raise InputError(
            f"{score.song!r} has several scores {score.metric} of {score.source} with {score.strategy}: "
            "choose one sweep, setting, gating and rule"
        )
    return rows


def _list_metrics(rows: pd.DataFrame, metrics: tuple[str, ...]) -> list[str]:
    return [metric for metric in metrics if (rows.metric == metric).any()]


def _list_pairs(rows: pd.DataFrame, metrics: tuple[str, ...]) -> pd.MultiIndex:
    return pd.MultiIndex.from_product(
        [scores.list_sources(rows), _list_metrics(rows, metrics)], names=["source", "metric"]
    )
