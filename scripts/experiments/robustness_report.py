"""Tables and figure of robustness.py: what became of the gain with every kind of annotation."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportReturnType=false
# The types that pandas declares make of every table[...] a union of all that it may be.

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
from ugosa_jax.reports.sweep import figures, render, significance
from ugosa_jax.sweeps import results

METRICS = ("SDR", "SIR", "PES")
CLAIMS = "claims.csv"
"""In WORK: what each annotation claims."""


def write(work: Path, out: Path) -> None:
    """Write robustness.md, its tables as CSV, every song's gain, and robustness.svg.

    Conditions that no song is done of are left out; a song counts where both it and its B0 are done.

    Raises:
      InputError: there are no scores of B0 or of any condition, or OUT cannot be written.
    """
    gains = gains_of(work)
    shown = [condition for condition in CONDITIONS if condition.name in set(gains.condition)]
    overall = gains.groupby(["condition", "song", "metric"]).value_db.mean().unstack("metric")
    medians, compared = medians_of(gains, overall, claims_of(work), shown), comparisons(overall, shown)
    texts = {
        "robustness.md": page(medians, compared, gains.song.nunique()),
        "robustness.csv": medians.to_csv(index=False, lineterminator="\n"),
        "robustness-comparisons.csv": compared.to_csv(index=False, lineterminator="\n"),
        "robustness-songs.csv": gains.to_csv(index=False, lineterminator="\n"),
        "robustness.svg": style.svg(figure(gains, overall, shown)),
    }
    with files.folder_when_done(out) as scratch:
        for name, text in texts.items():
            (scratch / name).write_text(text, "utf-8", newline="\n")
    print(f"written    {out} ({len(shown)} conditions, {gains.song.nunique()} songs)")


def gains_of(work: Path) -> pd.DataFrame:
    """Return what adaptation adds to a score: condition, song, source, metric, value_db."""
    before = _scores(work / "stores" / "unadapted")
    found = []
    for condition in CONDITIONS:
        folder = work / "stores" / condition.name
        if folder.is_dir():
            gain = (_scores(folder) - before).dropna().reset_index()
            found.append(gain.assign(condition=condition.name))
    gains = pd.concat(found) if found else pd.DataFrame()
    if gains.empty:
        raise InputError(f"{work}: no song is done both with an annotation and without adaptation")
    return gains[["condition", "song", "source", "metric", "value_db"]]


def _scores(folder: Path) -> pd.Series:
    """Return the scores of a store by song, source and metric."""
    rows = results.table(folder)
    chosen = rows[rows.metric.isin(METRICS) & rows.rule.isin(("target", "silent"))]
    return chosen.set_index(["song", "source", "metric"]).value_db.astype(float)


def claims_of(work: Path) -> pd.DataFrame:
    """Return what `prepare` found that each annotation claims."""
    try:
        return pd.read_csv(work / CLAIMS)
    except OSError as error:
        raise InputError(
            f"{work / CLAIMS}: cannot be read ({error.strerror}); robustness.py prepare writes it"
        ) from error


def medians_of(
    gains: pd.DataFrame, overall: pd.DataFrame, claims: pd.DataFrame, shown: Sequence[Condition]
) -> pd.DataFrame:
    """Return a row per condition: what is annotated, and medians over songs of what is gained.

    Args:
      gains: of every source.
      overall: mean over the sources, by (condition, song), a column per metric.
      claims: what the annotations claim.
      shown: the conditions.
    """
    found = []
    for condition in shown:
        songs = overall.loc[condition.name]
        claimed = claims[(claims.condition == condition.name) & claims.song.isin(songs.index)]
        row = {"condition": condition.name, "annotation": condition.words, "songs": len(songs)}
        row |= {"intervals": claimed.intervals.mean(), "silent_s": claimed.silent_s.mean()}
        row["wrong"] = claimed.wrong_s.sum() / max(claimed.silent_s.sum(), 1e-9)
        of_it = gains[(gains.condition == condition.name) & (gains.metric == "SDR")]
        row |= {source: of_it[of_it.source == source].value_db.median() for source in dict.fromkeys(gains.source)}
        interval = significance.median_interval(songs.SDR.to_numpy())
        row |= {"SDR": songs.SDR.median(), "low_db": interval[0], "high_db": interval[1]}
        row |= {metric: songs[metric].median() for metric in METRICS[1:] if metric in songs}
        found.append(row)
    return pd.DataFrame(found)


def comparisons(overall: pd.DataFrame, shown: Sequence[Condition]) -> pd.DataFrame:
    """Return a row per condition: its SDR, mean over the sources, against that of the one it is a worsening of.

    With margins: against the same boundaries without one. Every other: against the exact annotation of long rests.
    """
    names = {condition.name for condition in shown}
    found = []
    for condition in shown:
        against = f"jitter-{condition.jitter_s:g}" if condition.margin_s and condition.jitter_s else "long"
        if against not in names or against == condition.name:
            continue
        both = overall.SDR.unstack("condition")
        paired = significance.paired(both[condition.name].to_numpy(), both[against].to_numpy())
        row = {"condition": condition.name, "annotation": condition.words, "against": against, "songs": paired.n}
        row |= {"difference_db": paired.median, "low_db": paired.low, "high_db": paired.high, "p": paired.p}
        found.append(row)
    return pd.DataFrame(found, columns=["condition", "annotation", "against", *COMPARED])


COMPARED = ("songs", "difference_db", "low_db", "high_db", "p")


def page(medians: pd.DataFrame, compared: pd.DataFrame, n_songs: int) -> str:
    """Return both tables in Markdown."""
    words = dict(zip(medians.condition, medians.annotation, strict=True))
    whole = medians.drop(columns="condition").assign(
        intervals=medians.intervals.map("{:.1f}".format),
        silent_s=medians.silent_s.map("{:.1f}".format),
        wrong=medians.wrong.map("{:.1%}".format),
    )
    sources = [name for name in whole if name not in (*_TITLES, *METRICS)]
    for name in (*sources, "SDR", "low_db", "high_db", *(metric for metric in METRICS[1:] if metric in whole)):
        whole[name] = whole[name].map(render.decibels)
    against = compared.drop(columns="condition").assign(
        against=compared.against.map(words), p=compared.p.map(render.probability)
    )
    for name in ("difference_db", "low_db", "high_db"):
        against[name] = against[name].map(render.decibels)
    return _PAGE.format(
        songs=n_songs,
        medians=markdown(whole.rename(columns=_TITLES | {"SDR": "mean", "SIR": "SIR, mean", "PES": "PES, mean"})),
        comparisons=markdown(against.rename(columns=_TITLES)),
    )


_TITLES = {
    "annotation": "annotation",
    "songs": "songs",
    "intervals": "intervals",
    "silent_s": "silent (s)",
    "wrong": "of it wrong",
    "low_db": "95 % from",
    "high_db": "to",
    "difference_db": "difference (dB)",
}
_PAGE = """# How exact must an annotation be?

Written by `scripts/experiments/robustness.py report`; [annotations.md](../annotations.md) says how it was measured.
{songs} songs.

## What is gained

Gain of P-L3:M over B0 in dB; outputs are not gated. Silent intervals and seconds of a song, all sources together, are
means over songs; gains are medians over songs of the song's gain. SDR by source, then its mean over the sources with
the 95 % bootstrap interval of the median; SIR and PES are means over the sources too (PES is better when it falls).

{medians}
![SDR gain by annotation](robustness.svg)

## What the imprecision costs

SDR, mean over the sources, song by song: median difference, its 95 % bootstrap interval, Wilcoxon's p, not corrected.

{comparisons}"""


def markdown(table: pd.DataFrame) -> str:
    """Return a table of text and whole numbers in Markdown; the first column says what a row is."""
    texts = [[str(cell) for cell in row] for row in table.itertuples(index=False)]
    labels = [name for name in table if name in ("annotation", "against")]
    return render.markdown(render.Sheet([], list(table), texts, frozenset(), len(labels)))


def figure(gains: pd.DataFrame, overall: pd.DataFrame, shown: Sequence[Condition]) -> Figure:
    """Draw the SDR gain with every kind of annotation: mean over the sources with its interval, then by source."""
    height = np.arange(len(shown))[::-1]
    sources = list(dict.fromkeys(gains.source))
    with style.context():
        drawn = Figure(figsize=(figures.WIDTH_IN, 0.9 + 0.2 * len(shown)), layout="constrained")
        left, right = drawn.subplots(1, 2, sharey=True, width_ratios=(1.15, 1))
        for y, condition in zip(height, shown, strict=True):
            songs = overall.loc[condition.name].SDR.to_numpy()
            left.hlines(y, *significance.median_interval(songs), color=figures.COLOURS["P"], linewidth=3, alpha=0.35)
            left.plot(songs, np.full(len(songs), y), "o", markersize=2.2, linestyle="", **_SONG)
            left.plot(np.median(songs), y, "o", markersize=5, color=figures.COLOURS["P"])
            for source, colour, marker in zip(sources, figures.LINES, "os^D", strict=False):
                chosen = gains[(gains.condition == condition.name) & (gains.source == source) & (gains.metric == "SDR")]
                right.plot(chosen.value_db.median(), y, marker, markersize=4.5, color=colour)
        for axis, title in ((left, "mean over sources"), (right, "by source")):
            axis.axvline(0, color=figures.COLOURS["B0"], linewidth=1.2, linestyle="--")
            axis.grid(axis="x")
            axis.tick_params(axis="y", length=0)
            axis.set_title(title)
        left.set_yticks(height, [condition.words for condition in shown])
        drawn.supxlabel("SDR gain over B0 (dB)", fontsize=8)
        handles = [Line2D([], [], color=figures.COLOURS["P"], marker="o", linewidth=3, markersize=5)]
        handles += [Line2D([], [], marker="o", markersize=2.2, linestyle="", **_SONG)]
        handles += [
            Line2D([], [], color=colour, marker=marker, markersize=4.5, linestyle="")
            for _, colour, marker in zip(sources, figures.LINES, "os^D", strict=False)
        ]
        titles = ["median, 95 % interval", "one song", *sources]
        drawn.legend(handles, titles, loc="outside upper center", ncols=len(titles))
    return drawn


_SONG = {"markerfacecolor": "#ffffff", "markeredgecolor": "#555555", "markeredgewidth": 0.5}


def write_thresholds(table: pd.DataFrame, n_songs: int, out: Path) -> None:
    """Write threshold.md and threshold.csv: how much of drafted silence is true, how much of the true it is."""
    texts = table.assign(
        shortest_s=table.shortest_s.map("{:g}".format),
        below_db=table.below_db.map("{:g}".format),
        claimed_s=table.claimed_s.map("{:.0f}".format),
    )
    for name in table.columns[3:]:
        texts[name] = table[name].map(lambda share: "–" if np.isnan(share) else f"{share:.1%}")
    heads = {"shortest_s": "shortest (s)", "below_db": "below (dB)", "claimed_s": "claimed (s)"}
    text = markdown(texts.rename(columns=heads))
    with files.folder_when_done(out) as scratch:
        (scratch / "threshold.md").write_text(_THRESHOLDS.format(songs=n_songs, table=text), "utf-8", newline="\n")
        (scratch / "threshold.csv").write_text(table.to_csv(index=False, lineterminator="\n"), "utf-8", newline="\n")
    print(f"{text}written    {out}")


_THRESHOLDS = """# How much of what is suggested is true?

Written by `scripts/experiments/robustness.py threshold`. {songs} songs. A source is called silent where the estimate of
the unadapted network is so many decibels below its own loud passages and below the mixture, for so long at least. True:
share of what is claimed that is silent by the stems. Found: share of what is silent by the stems that is claimed.

{table}"""
