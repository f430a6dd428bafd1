"""Figures of scores: strategies, studies, gains.

As in `tables`, all rows must belong to one sweep, with one choice of gating and rule, and every song must have one
score for each strategy, source and metric.
"""

# pyright: reportArgumentType=false, reportAssignmentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportGeneralTypeIssues=false, reportReturnType=false
# In the type hints of pandas, every table[...] is a union of many types.

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ugosa_jax.errors import InputError
from ugosa_jax.reports import style
from ugosa_jax.reports.sweep import rows as scores
from ugosa_jax.reports.sweep.render import format_setting

WIDTH_IN = 7.2
"""Width of two columns of a conference paper."""
COLOURS = {"R": style.GREEN, "P": style.BLUE, "B": style.ORANGE, "B0": "#b2182b"}
LINES = (style.BLUE, style.VERMILION, style.GREEN, style.PURPLE)
MARKERS = {"R": "D", "P": "o", "B": "s"}
LOSSES = {"R": "R: mixture and remixes", "P": "P: proposed loss", "B": "B: reconstruction only"}
UNADAPTED = "B0: not adapted"
MAX_NAME_LENGTH = 32
"""Longest name of a song in characters."""

_GRID = {"axes.grid": True, "axes.grid.axis": "y"}


def draw_strategies(rows: pd.DataFrame, metric: str = "SDR") -> Figure:
    """Draw the paper's Figure 2: a panel for each source, bars for each loss and tuned stages, a line for B0.

    Bars are medians over songs. Dots are songs, in the same order in every bar.

    Raises:
      InputError: there is no score of this metric.
    """
    by_song = _pivot_by_song(rows, metric, "strategy")
    names = scores.list_strategies(rows[rows.metric == metric])
    stages = list(dict.fromkeys(name[2:] for name in names if name != "B0" and "+" not in name))
    losses = [loss for loss in scores.LOSSES if any(name.startswith(f"{loss}-") for name in names)]
    sides = dict(zip(losses, np.arange(len(losses)) - (len(losses) - 1) / 2, strict=True))
    width = 0.8 / max(2, len(losses))
    n_columns = 2 if len(stages) <= 6 else 1
    with style.use_style(_GRID):
        axes = _make_panels(scores.list_sources(rows), n_columns, height_in=2.1)
        for source, axis in axes.items():
            for loss, side in sides.items():
                for position, stage in enumerate(stages):
                    if (source, f"{loss}-{stage}") in by_song:
                        _draw_bar(axis, position + width * side, 0.95 * width, by_song[source, f"{loss}-{stage}"], loss)
            if (source, "B0") in by_song:
                axis.axhline(by_song[source, "B0"].median(), color=COLOURS["B0"], linewidth=1.4, linestyle="--")
            axis.axhline(0, color="black", linewidth=0.6)
            turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if len(stages) > 14 else {}
            axis.set_xticks(range(len(stages)), stages, **turned)
            middle, half = (len(stages) - 1) / 2, max(len(stages), 3) / 2
            axis.set_xlim(middle - half - 0.1, middle + half + 0.1)
            axis.tick_params(axis="x", length=0)
        figure = _label_axes(axes, "tuned stages", f"{metric} (dB)", n_columns)
        handles = [Line2D([], [], color=COLOURS[k], marker="s", markersize=7, linestyle="") for k in losses]
        titles = [LOSSES[loss] for loss in losses]
        if "B0" in names:
            handles.append(Line2D([], [], color=COLOURS["B0"], linewidth=1.4, linestyle="--"))
            titles.append(UNADAPTED)
        handles.append(Line2D([], [], marker="o", markersize=3, linestyle="", **_DOT))
        figure.legend(handles, [*titles, "one song"], loc="outside upper center", ncols=4)
    return figure


def draw_study(rows: pd.DataFrame, field: str, base: float) -> Figure:
    """Draw every metric of every source against a setting: median over songs and the band of the middle half.

    Args:
      rows: rows of one strategy, in which no other setting varies.
      field: the setting; λ and the learning rate have logarithmic axes.
      base: the value that is marked with a dotted line.

    Raises:
      InputError: there is no score.
    """
    rows = rows[rows.metric.isin(scores.QUALITY) & np.isfinite(rows.value_db)]
    if rows.empty:
        raise InputError("no score to draw")
    if field == "hop_s":
        rows = rows.assign(hop_s=rows.hop_s.fillna(rows.segment_s))
    metrics = [metric for metric in scores.QUALITY if (rows.metric == metric).any()]
    sources = scores.list_sources(rows)
    with style.use_style(_GRID):
        size = (min(WIDTH_IN, 1.2 + 1.75 * len(sources)), 0.9 + 1.3 * len(metrics))
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(metrics), len(sources), sharex=True, squeeze=False)
        for line, metric in zip(grid, metrics, strict=True):
            by_song = _pivot_by_song(rows, metric, field)
            for axis, source in zip(line, sources, strict=True):
                if source in by_song:
                    _draw_curve(axis, by_song[source], LINES[sources.index(source) % len(LINES)])
                axis.axvline(base, color="#555555", linewidth=0.8, linestyle=":")
                axis.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], min_n_ticks=3))
            line[0].set_ylabel(f"{metric} (dB)")
        for axis, source in zip(grid[0], sources, strict=True):
            axis.set_title(_escape_math(source))
        _set_ticks(grid[0, 0], field, rows[field])
        figure.supxlabel(AXES[field], fontsize=8)
        figure.align_ylabels()
    return figure


def draw_gains(rows: pd.DataFrame, stages: str, metric: str = "SDR") -> Figure:
    """Draw the gain of each song over B0, with a panel for each source.

    Songs are in order of their median gain with P.

    Args:
      rows: the scores.
      stages: the tuned stages, such as "L3:M".

    Raises:
      InputError: B0 or both strategies have no scores.
    """
    by_song = _pivot_by_song(rows, metric, "strategy")
    by_gain = pd.DataFrame(
        {
            (source, loss): by_song[source, f"{loss}-{stages}"] - by_song[source, "B0"]
            for source in scores.list_sources(rows)
            for loss in scores.LOSSES
            if {(source, f"{loss}-{stages}"), (source, "B0")} <= set(by_song)
        }
    ).dropna(how="all")
    if by_gain.empty:
        raise InputError(f"no song has a score {metric} under B0 and under a strategy that tunes {stages}")
    sources, losses = by_gain.columns.unique(0), [loss for loss in scores.LOSSES if loss in by_gain.columns.unique(1)]
    by_gain = by_gain.loc[by_gain.xs(losses[0], axis=1, level=1).median(axis=1).sort_values().index]
    height = np.arange(len(by_gain))
    with style.use_style(_GRID):
        size = (WIDTH_IN, 1.1 + 0.19 * max(len(by_gain), 3))
        figure = Figure(figsize=size, layout="constrained")
        line = figure.subplots(1, len(sources), sharex=True, sharey=True, squeeze=False)[0]
        for axis, source in zip(line, sources, strict=True):
            axis.axvline(0, color=COLOURS["B0"], linewidth=1.2, linestyle="--")
            present = by_gain[source]
            axis.hlines(height, present.min(axis=1), present.max(axis=1), color="#999999", linewidth=1)
            for loss in present:
                axis.scatter(present[loss], height, s=20, color=COLOURS[loss], marker=MARKERS[loss], zorder=3)
            axis.grid(axis="x")
            axis.tick_params(axis="y", length=0)
            axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            axis.set_title(_escape_math(source))
        line[0].set_yticks(height, [_escape_math(_shorten(str(name))) for name in by_gain.index])
        line[0].set_ylim(-0.7, len(by_gain) - 0.3)
        figure.supxlabel(f"{metric} gain over B0 (dB)", fontsize=8)
        handles = [Line2D([], [], color=COLOURS[k], marker=MARKERS[k], markersize=5, linestyle="") for k in losses]
        handles.append(Line2D([], [], color=COLOURS["B0"], linewidth=1.2, linestyle="--"))
        titles = [f"{loss}-{stages}" for loss in losses]
        figure.legend(handles, [*titles, UNADAPTED], loc="outside upper center", ncols=3)
    return figure


AXES = {
    "lam": "λ",
    "learning_rate": "learning rate",
    "epochs": "epochs",
    "segment_s": "segment length (s)",
    "hop_s": "hop (s)",
    "pitch_shifts": "pitch-shifted copies of a segment",
    "pitch_seed": "seed of the pitch shifts",
    "shuffle_seed": "seed of the order of segments",
}

_LOGARITHMIC = ("lam", "learning_rate")
_DOT = {"markerfacecolor": "#ffffff", "markeredgecolor": "#555555", "markeredgewidth": 0.5}


def _draw_bar(axis: Axes, middle: float, width: float, score_N: pd.Series, loss: str) -> None:
    """Draw a median and the scores of single songs."""
    axis.bar(middle, score_N.median(), width, color=COLOURS[loss])
    places = middle + width * np.linspace(-0.36, 0.36, len(score_N)) if len(score_N) > 1 else [middle]
    axis.plot(places, score_N, "o", markersize=2.2, linestyle="", alpha=0.8, **_DOT)


def _draw_curve(axis: Axes, by_value: pd.DataFrame, colour: str) -> None:
    """Draw medians over songs and quartiles against the values of a setting."""
    low, middle, high = (by_value.quantile(q) for q in (0.25, 0.5, 0.75))
    x = by_value.columns.to_numpy(float)
    axis.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    axis.plot(x, middle, color=colour, marker="o", markersize=3, linewidth=1.3)


def _set_ticks(axis: Axes, field: str, values: pd.Series) -> None:
    """Put a tick at every value, with labels where there is enough space."""
    present = np.sort(values.dropna().unique())
    if field in _LOGARITHMIC:
        positive = present[present > 0]
        if len(positive) < len(present):  # zero, which has no logarithm, is drawn one step to the left
            nearest = positive[0] if len(positive) else 1.0
            axis.set_xscale("symlog", linthresh=nearest)
            axis.set_xlim(-0.3 * nearest, 2 * max(present[-1], nearest))
        else:
            axis.set_xscale("log")
    every = math.ceil(len(present) / 5)
    # From the middle outwards, so that the same number of ticks is labelled on both sides.
    shown = [(i - len(present) // 2) % every == 0 for i in range(len(present))]
    texts = [format_setting(field, value) if show else "" for value, show in zip(present, shown, strict=True)]
    axis.set_xticks(present, texts)
    axis.set_xticks([], minor=True)


def _make_panels(sources: Sequence[str], n_columns: int, height_in: float) -> dict[str, Axes]:
    """Return a panel for every source; they share their axes."""
    n_columns = min(n_columns, len(sources))
    n_rows = math.ceil(len(sources) / n_columns)
    figure = Figure(figsize=(WIDTH_IN, 0.6 + height_in * n_rows), layout="constrained")
    flat = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    for spare in flat[len(sources) :]:
        spare.remove()
    for source, axis in zip(sources, flat, strict=False):
        axis.set_title(_escape_math(source))
        axis.tick_params(labelbottom=True)
    return dict(zip(sources, flat, strict=False))


def _label_axes(axes: dict[str, Axes], x: str, y: str, n_columns: int) -> Figure:
    """Label the outer panels and return their figure."""
    for index, axis in enumerate(axes.values()):
        if index % n_columns == 0:
            axis.set_ylabel(y)
        if index + n_columns >= len(axes):
            axis.set_xlabel(x)
    figure = next(iter(axes.values())).get_figure()
    assert isinstance(figure, Figure)
    return figure


def _pivot_by_song(rows: pd.DataFrame, metric: str, column: str) -> pd.DataFrame:
    """Return the scores of a metric: a row per song, a column per source and value of `column`."""
    chosen = rows[(rows.metric == metric) & np.isfinite(rows.value_db)]
    if chosen.empty:
        raise InputError(f"no score {metric} to draw")
    if chosen.duplicated(["song", "source", column]).any():
        raise InputError(f"songs have several scores {metric}: choose one sweep, setting, gating and rule")
    return chosen.pivot(index="song", columns=["source", column], values="value_db").sort_index(axis=1)


def _shorten(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"


def _escape_math(text: str) -> str:
    """Escape dollar signs, which matplotlib would read as mathematics."""
    return text.replace("$", r"\$")
