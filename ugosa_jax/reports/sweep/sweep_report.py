"""The report on sweeps, from a table of scores.

It has a section for each sweep and choice of gating. The exhibits of a section depend on the settings that vary:
several strategies give the paper's Table 1, Figure 2 and comparisons; each numeric setting that varies gives a study.
"""

# pyright: reportArgumentType=false, reportAssignmentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportGeneralTypeIssues=false, reportReturnType=false
# In the type hints of pandas, every table[...] is a union of many types.

import itertools
import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from ugosa_jax import files
from ugosa_jax.errors import error_context
from ugosa_jax.reports.sweep import exhibits, page, sweep_figures
from ugosa_jax.reports.sweep import rows as scores
from ugosa_jax.reports.sweep.page import Exhibit, Section

TITLE = "Scores of adapted source separation"
MIN_SONGS_FOR_A_TEST = 2


def write(rows: pd.DataFrame, folder: str | Path) -> Path:
    """Write report.md, report.html and, beside them, every table as CSV and LaTeX and every figure as SVG.

    Args:
      rows: a table with one score per row (`ugosa_jax.reports.sweep.rows`).
      folder: the folder to write to; other files in it are kept. After an error, it is unchanged.

    Returns:
      The path of report.html.

    Raises:
      InputError: the table is empty, lacks a column or has an invalid value, or the folder cannot be written.
    """
    with error_context("table of scores"):
        rows = scores.check_rows(rows)
        content = make_sections(rows)
    texts = {
        "report.md": page.render_markdown(TITLE, content),
        "report.html": page.render_html(TITLE, content),
        **page.render_files(content),
    }
    with files.replace_folder_when_done(folder) as scratch:
        for name, text in texts.items():
            (scratch / name).write_text(text, "utf-8", errors="replace", newline="\n")
    return Path(folder) / "report.html"


def make_sections(rows: pd.DataFrame) -> list[Section]:
    """Return the sections for a checked table: overview, each sweep and gating, and an explanation of the methods."""
    parts = [(sweep, gated, part) for (sweep, gated), part in rows.groupby(["sweep", "gated"], sort=False)]
    both = {sweep for sweep in rows.sweep.unique() if rows[rows.sweep == sweep].gated.nunique() > 1}
    content = [_make_overview(rows)]
    stems: set[str] = set()
    for sweep, gated, part in parts:
        title = f"Sweep “{sweep}”" + (f", {exhibits.describe_gating(gated)}" if sweep in both else "")
        stem = _choose_stem(f"{sweep}{'-gated' if gated else '-ungated'}" if sweep in both else sweep, stems)
        stems.add(stem)
        content.append(_make_section(part, title, stem))
    return [*content, _explain_methods()]


def _make_overview(rows: pd.DataFrame) -> Section:
    cells = [scores.count_missing(part) for _, part in rows.groupby("sweep")]
    missing, expected = (sum(counts) for counts in zip(*cells, strict=True))
    n_without = int(rows.value_db.isna().sum())
    count = exhibits.format_count
    text = (
        f"{count(rows.song.nunique(), 'song')}, {count(rows.sweep.nunique(), 'sweep')}, "
        f"{count(expected, 'cell')} (a song adapted with some settings), "
        f"{exhibits.describe_missing(missing, expected)}; "
        f"{count(len(rows), 'score')}, {n_without} of them without a value: no frame qualifies, or the cell is missing."
    )
    return Section("Overview", [text])


def _make_section(rows: pd.DataFrame, title: str, stem: str) -> Section:
    """Return the section of one sweep and gating."""
    quality = rows[rows.metric.isin(scores.QUALITY)]
    rule = "target" if (quality.rule == "target").any() else "museval"
    chosen = quality[quality.rule == rule]
    shown: list[Exhibit] = []
    if chosen.value_db.notna().any():
        studies = list(exhibits.show_studies(chosen, stem))
        if chosen.strategy.nunique() > 1 or not studies:
            shown += exhibits.show_strategies(scores.select_base(chosen), stem)
        shown += studies
    return Section(title, _write_notes(rows, chosen), [*shown, *exhibits.show_others(rows, stem)])


def _write_notes(rows: pd.DataFrame, chosen: pd.DataFrame) -> list[str]:
    """Return the notes of a section, in particular on tests that cannot be computed."""
    names = scores.list_strategies(rows)
    shown = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
    missing, expected = scores.count_missing(rows)
    kinds = "1 strategy" if len(names) == 1 else f"{len(names)} strategies"
    notes = [f"{kinds} ({shown}); {exhibits.describe_missing(missing, expected)}."]
    if not chosen.value_db.notna().any():
        notes.append("No score of SDR, SIR, SAR or ISR has a value: there is nothing to tabulate or compare.")
        return notes
    n = chosen.song.nunique()
    if n < MIN_SONGS_FOR_A_TEST:
        notes.append("There is one song; tests and intervals need at least two.")
    elif 2 ** (1 - n) >= exhibits.LEVEL:
        notes.append(f"With {n} songs, no Wilcoxon test can give p below {2 ** (1 - n):g}: too few for any finding.")
    together = [field for field in scores.list_varied(chosen) if not exhibits.list_studied_strategies(chosen, field)]
    if together:
        names = ", ".join(sweep_figures.AXES[field] for field in together)
        notes.append(f"No study of {names}: no cells with scores differ only in it.")
    return notes


def _explain_methods() -> Section:
    return Section(
        "How to read the numbers",
        [
            "Every score of a song is one number for each source: the median over its frames (PES and EPS: the mean). "
            "Tables show medians over songs. Medians of different strategies can be of different songs where cells "
            "are missing. Comparisons are always of the same songs: they use the songs that have both scores, and "
            "state their number.",
            "Comparisons are paired by song. p is that of a two-sided Wilcoxon signed-rank test, exact where the "
            "number of songs and ties allow it; songs with equal scores are left out. Intervals are 95 % "
            "percentile bootstrap intervals of the median difference over songs, with a fixed seed. The rank-biserial "
            "correlation runs from −1 (worse in every song) to 1 (better in every song).",
            "Holm's correction keeps the probability of any false finding in a family of tests below the level; the "
            "captions define the families. A p above the level is not evidence that two settings are the same.",
        ],
    )


def _choose_stem(name: str, taken: Collection[str]) -> str:
    """Return an unused file name that consists of ASCII letters, digits and hyphens."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80] or "sweep"
    candidates = itertools.chain([plain], (f"{plain}-{i}" for i in itertools.count(2)))
    return next(stem for stem in candidates if stem not in taken)
