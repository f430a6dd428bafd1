"""Table and figure of robustness.py: the gain of adaptation with each degraded annotation."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportReturnType=false
# In the type hints of pandas, every table[...] is a union of many types.

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from imprecision import CONDITIONS, Condition
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ugosa_jax import files
from ugosa_jax.errors import InputError
from ugosa_jax.reports import style
from ugosa_jax.reports.sweep import render, significance, sweep_figures
from ugosa_jax.sweeps import score_table

METRICS = ("SDR", "SIR", "PES")
REFERENCE = "long"
"""The condition that all others are compared with."""
CLAIMS = "claims.csv"
"""Name of the file in WORK that has, for each annotation, the length of its silence and of the wrong part of it."""


def write(work: Path, out: Path) -> None:
    """Print the table, and write it to robustness.md beside robustness.svg.

    Conditions without finished songs are left out. A song counts if it is finished both with and without adaptation.

    Raises:
      InputError: there are no scores of B0 or of any condition, or OUT cannot be written.
    """
    gains = compute_gains(work)
    shown = [condition for condition in CONDITIONS if condition.name in set(gains.condition)]
    text = to_markdown(make_table(gains, read_claims(work), shown))
    with files.replace_folder_when_done(out) as scratch:
        (scratch / "robustness.md").write_text(text, "utf-8", newline="\n")
        (scratch / "robustness.svg").write_text(style.to_svg(draw_figure(gains, shown)), "utf-8", newline="\n")
    print(f"{text}written    {out} ({len(shown)} conditions, {gains.song.nunique()} songs)")


def compute_gains(work: Path) -> pd.DataFrame:
    """Return the change of each score by adaptation; columns condition, song, source, metric, value_db."""
    before = _read_scores(work / "results" / "unadapted")
    found = []
    for condition in CONDITIONS:
        folder = work / "results" / condition.name
        if folder.is_dir():
            gain = (_read_scores(folder) - before).dropna().reset_index()
            found.append(gain.assign(condition=condition.name))
    gains = pd.concat(found) if found else pd.DataFrame()
    if gains.empty:
        raise InputError(f"{work}: no song is finished both with an annotation and without adaptation")
    return gains[["condition", "song", "source", "metric", "value_db"]]


def _read_scores(folder: Path) -> pd.Series:
    """Return the scores of a sweep by song, source and metric."""
    rows = score_table.read_table(folder)
    chosen = rows[rows.metric.isin(METRICS) & rows.rule.isin(("target", "silent"))]
    return chosen.set_index(["song", "source", "metric"]).value_db.astype(float)


def read_claims(work: Path) -> pd.DataFrame:
    """Return number, length and wrong length of each annotation's silent intervals, which `prepare` has written."""
    try:
        return pd.read_csv(work / CLAIMS)
    except OSError as error:
        raise InputError(
            f"{work / CLAIMS}: cannot be read ({error.strerror}); robustness.py prepare writes it"
        ) from error


def make_table(gains: pd.DataFrame, claims: pd.DataFrame, shown: Sequence[Condition]) -> pd.DataFrame:
    """Return a row per condition: its annotated silence, and the gain (mean over sources, median over songs).

    The difference, with its interval and p, is between the SDR gains of a condition and of `REFERENCE`, song by song.

    Args:
      gains: the gains of every song and source.
      claims: number, length and wrong length of the annotations' silent intervals.
      shown: the conditions to show.
    """
    by_song = average_sources(gains)
    found = []
    for condition in shown:
        songs = by_song.loc[condition.name]
        claimed = claims[(claims.condition == condition.name) & claims.song.isin(songs.index)]
        row = {
            "annotation": condition.label,
            "intervals": claimed.intervals.mean(),
            "silent_s": claimed.silent_s.mean(),
        }
        row["wrong"] = claimed.wrong_s.sum() / max(claimed.silent_s.sum(), 1e-9)
        row |= {metric: songs[metric].median() for metric in METRICS if metric in songs}
        if condition.name != REFERENCE and REFERENCE in by_song.index.get_level_values("condition"):
            both = by_song.SDR.unstack("condition")
            paired = significance.compare_pairs(both[condition.name].to_numpy(), both[REFERENCE].to_numpy())
            row |= {"difference_db": paired.median, "low_db": paired.low, "high_db": paired.high, "p": paired.p}
        found.append(row)
    return pd.DataFrame(found)


def average_sources(gains: pd.DataFrame) -> pd.DataFrame:
    """Return the mean gain over the sources by (condition, song), a column per metric."""
    return gains.groupby(["condition", "song", "metric"]).value_db.mean().unstack("metric")


HEADS = {
    "annotation": "annotation",
    "intervals": "silent intervals",
    "silent_s": "silent (s)",
    "wrong": "wrong share",
    "SDR": "SDR gain (dB)",
    "SIR": "SIR gain (dB)",
    "PES": "change of leakage (dB)",
    "difference_db": "difference in SDR (dB)",
    "low_db": "95 % from",
    "high_db": "to",
    "p": "p",
}
FORMS = {
    "intervals": "{:.1f}".format,
    "silent_s": "{:.1f}".format,
    "wrong": "{:.1%}".format,
    "p": render.format_probability,
}


def to_markdown(table: pd.DataFrame) -> str:
    """Return the table in Markdown."""
    texts = pd.DataFrame({"annotation": table.annotation})
    for name in (name for name in HEADS if name in table and name != "annotation"):
        texts[name] = [FORMS.get(name, render.format_decibels)(x) if np.isfinite(x) else "–" for x in table[name]]
    cells = [list(row) for row in texts.itertuples(index=False)]
    return render.to_markdown(render.Sheet([], [HEADS[name] for name in texts], cells, frozenset(), 1))


def draw_figure(gains: pd.DataFrame, shown: Sequence[Condition]) -> Figure:
    """Draw the SDR gain with each annotation: the mean over sources, with its interval, beside each single source."""
    height = np.arange(len(shown))[::-1]
    sources, by_song = list(dict.fromkeys(gains.source)), average_sources(gains)
    with style.use_style():
        drawn = Figure(figsize=(sweep_figures.WIDTH_IN, 0.9 + 0.2 * len(shown)), layout="constrained")
        left, right = drawn.subplots(1, 2, sharey=True, width_ratios=(1.15, 1))
        for y, condition in zip(height, shown, strict=True):
            songs = by_song.loc[condition.name].SDR.to_numpy()
            left.hlines(
                y, *significance.median_interval(songs), color=sweep_figures.COLOURS["R"], linewidth=3, alpha=0.35
            )
            left.plot(songs, np.full(len(songs), y), "o", markersize=2.2, linestyle="", **_SONG)
            left.plot(np.median(songs), y, "o", markersize=5, color=sweep_figures.COLOURS["R"])
            for source, colour, marker in zip(sources, sweep_figures.LINES, "os^D", strict=False):
                chosen = gains[(gains.condition == condition.name) & (gains.source == source) & (gains.metric == "SDR")]
                right.plot(chosen.value_db.median(), y, marker, markersize=4.5, color=colour)
        for axis, title in ((left, "mean over sources"), (right, "by source")):
            axis.axvline(0, color=sweep_figures.COLOURS["B0"], linewidth=1.2, linestyle="--")
            axis.grid(axis="x")
            axis.tick_params(axis="y", length=0)
            axis.set_title(title)
        left.set_yticks(height, [condition.label for condition in shown])
        drawn.supxlabel("SDR gain over the network alone (dB)", fontsize=8)
        handles = [Line2D([], [], color=sweep_figures.COLOURS["R"], marker="o", linewidth=3, markersize=5)]
        handles += [Line2D([], [], marker="o", markersize=2.2, linestyle="", **_SONG)]
        handles += [
            Line2D([], [], color=colour, marker=marker, markersize=4.5, linestyle="")
            for _, colour, marker in zip(sources, sweep_figures.LINES, "os^D", strict=False)
        ]
        titles = ["median, 95 % interval", "one song", *sources]
        drawn.legend(handles, titles, loc="outside upper center", ncols=len(titles))
    return drawn


_SONG = {"markerfacecolor": "#ffffff", "markeredgecolor": "#555555", "markeredgewidth": 0.5}
