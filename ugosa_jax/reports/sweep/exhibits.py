"""The tables and figures of a sweep, each with a caption that states which scores it is computed from."""

# pyright: reportArgumentType=false, reportAssignmentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportGeneralTypeIssues=false, reportReturnType=false
# In the type hints of pandas, every table[...] is a union of many types.

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ugosa_jax.reports import style
from ugosa_jax.reports.sweep import render, sweep_figures, tables
from ugosa_jax.reports.sweep import rows as scores
from ugosa_jax.reports.sweep.page import Exhibit

USUAL = "P-L3:M"
"""Preferred strategy in figures of single songs: the default of the paper's code."""
LEVEL = 0.05
"""Significance level."""
RULES = {
    "target": "scored in the frames in which the target itself is not silent (rule “target”)",
    "museval": "scored in the frames in which no reference and no estimate is silent (rule “museval”)",
    "silent": "scored in the frames in which the reference (PES) or the estimate (EPS) is exactly silent",
}


def show_strategies(rows: pd.DataFrame, stem: str) -> Iterator[Exhibit]:
    """Yield the paper's Table 1 and, if there are several strategies, its Figure 2, the comparisons and the gains."""
    basis = _describe_basis(rows)
    table = tables.make_table1(rows)
    yield Exhibit(
        f"{stem}-medians",
        "SDR, SIR, SAR and ISR in dB by tuned stages",
        f"Median over songs of the median over frames; #TP: number of tuned parameters. The best value of each column "
        f"is bold. Songs and frames (summed over songs) are ranges over the columns. {basis}",
        table,
        render.make_sheet(table, "max"),
    )
    has_sdr = (rows.metric.eq("SDR") & np.isfinite(rows.value_db)).any()
    if rows.strategy.nunique() < 2 or not has_sdr:
        return
    yield Exhibit(
        f"{stem}-strategies",
        "SDR by tuned stages and source",
        "Bars: median over songs; dots: single songs, in the same order in every bar. "
        "The scores are those of the previous table.",
        svg=style.to_svg(sweep_figures.draw_strategies(rows)),
    )
    compared = tables.compare_strategies(rows)
    if len(compared):
        yield Exhibit(
            f"{stem}-comparisons",
            "SDR of P compared with B0 and with B",
            "Positive: P is better. Median over songs of the paired difference with its 95 % interval; effect: rank-"
            "biserial correlation; p: Wilcoxon test; Holm: corrected over the strategies compared with the same thing "
            f"for the same source. {basis}",
            compared,
            render.make_sheet(compared),
        )
    stages = _choose_stages(compared)
    if stages:
        yield Exhibit(
            f"{stem}-gains",
            f"SDR gain of every song over B0, tuning {stages}",
            "Each song's SDR minus its SDR without adaptation, in the order of the median gain over the sources. "
            "The scores are those of the previous table.",
            svg=style.to_svg(sweep_figures.draw_gains(rows, stages)),
        )


def _choose_stages(compared: pd.DataFrame) -> str:
    """Return the tuned stages that the figure of single songs shows: those of USUAL, or else the middle ones, or ""."""
    usable = (compared.against == "B0") & (compared.songs > 0) & ~compared.strategy.str.contains("+", regex=False)
    with_b0 = list(dict.fromkeys(compared.strategy[usable]))
    if not with_b0:
        return ""
    usual = USUAL if USUAL in with_b0 else with_b0[(len(with_b0) - 1) // 2]
    return usual[2:]


def show_studies(rows: pd.DataFrame, stem: str) -> Iterator[Exhibit]:
    """Yield the exhibits for every setting that varies, for each strategy in which it varies."""
    for field in scores.list_varied(rows):
        for strategy in list_studied_strategies(rows, field):
            chosen = scores.select_base(rows[rows.strategy == strategy], field)
            name = f"{strategy}-{field}".lower().replace(":", "-").replace("_", "-")
            yield from _show_study(chosen, field, strategy, f"{stem}-{name}")


def list_studied_strategies(rows: pd.DataFrame, field: str) -> list[str]:
    """Return the strategies with scores for several values of a setting while the others keep their base values."""
    used = scores.select_users(rows, field)
    studied = []
    for strategy in scores.list_strategies(used):
        along = scores.select_base(used[used.strategy == strategy], field)
        if along.loc[np.isfinite(along.value_db), field].nunique(dropna=False) > 1:
            studied.append(strategy)
    return studied


def _show_study(rows: pd.DataFrame, field: str, strategy: str, stem: str) -> Iterator[Exhibit]:
    study = tables.study_setting(rows, field)
    name, base = sweep_figures.AXES[field], render.format_setting(field, study.base)
    basis = _describe_basis(rows, field)
    yield Exhibit(
        f"{stem}-medians",
        f"Scores in dB of {strategy} by {name}",
        f"Median over songs of the median over frames; the best value of each column is bold. {render.STAR}: differs "
        f"from {base} with p below {LEVEL} (Wilcoxon, Holm). {basis}",
        study.medians,
        render.make_sheet(study.medians, "max", _find_stars(study)),
    )
    yield Exhibit(
        f"{stem}-curves",
        f"Scores of {strategy} against {name}",
        f"Line: median over songs; band: middle half of the songs; dotted: {base}. Scales differ from panel to panel, "
        "and the band is the spread between songs, not the uncertainty of the line. The scores are those of "
        "the previous table.",
        svg=style.to_svg(sweep_figures.draw_study(rows, field, study.base)),
    )
    yield Exhibit(
        f"{stem}-comparisons",
        f"{strategy}: every other {name} compared with {base}",
        f"Positive: better than {base}. Median over songs of the paired difference with its 95 % interval; effect: "
        "rank-biserial correlation; p: Wilcoxon test; Holm: corrected over the values compared for the same source "
        f"and metric. {basis}",
        study.comparisons,
        render.make_sheet(study.comparisons),
    )
    yield Exhibit(
        f"{stem}-friedman",
        f"{strategy}: does {name} make any difference?",
        f"Friedman's test over all values, songs that have all of them; its p is approximate for few songs. {basis}",
        study.friedman,
        render.make_sheet(study.friedman),
    )


def _find_stars(study: tables.Study) -> pd.DataFrame:
    """Return a mask of the medians that differ significantly from the base."""
    p = study.comparisons.pivot(index=study.field, columns=["source", "metric"], values="p_holm")
    return p.reindex(index=study.medians.index, columns=study.medians.columns) < LEVEL


def show_others(rows: pd.DataFrame, stem: str) -> Iterator[Exhibit]:
    """Yield the comparison of the rules if both have scores, and the table of PES and EPS if there are any."""
    base = scores.select_base(rows)
    both = base[base.rule.isin(("target", "museval"))]
    if both.rule.nunique() == 2:
        table = tables.compare_rules(both)
        yield Exhibit(
            f"{stem}-rules",
            "Effect of the choice of frames",
            "The same medians in dB over the frames in which the target itself is not silent (target) and over those "
            "in which no reference and no estimate is silent (museval). Frames are summed over songs. "
            + _describe_basis(both),
            table,
            render.make_sheet(table),
        )
    silent = base[base.rule == "silent"]
    if silent.value_db.notna().any():
        table = tables.tabulate_silence(silent)
        yield Exhibit(
            f"{stem}-silence",
            "Leakage (PES) and lost sound (EPS) in dB",
            "PES: level of the estimate where the reference is silent; EPS: level of the reference where the "
            "estimate is. Median over songs of the mean over frames; lower is better, the best value of each column is "
            "bold; a dash: no frame. " + _describe_basis(silent),
            table,
            render.make_sheet(table, "min"),
        )


def _describe_basis(rows: pd.DataFrame, varying: str = "") -> str:
    """Return a text about the scores behind a table: songs, frames, rule, gating, settings, missing cells."""
    n_frames = rows.n_frames[rows.value_db.notna()]
    frames = f"{tables.format_range(n_frames.to_numpy())} frames per song and source" if len(n_frames) else "no frames"
    rule = " or ".join(RULES[rule] for rule in rows.rule.unique()) if rows.rule.nunique() == 1 else "both rules"
    outputs = "; ".join(describe_gating(gated) for gated in rows.gated.unique())
    outputs += "".join(f", refined ({way})" for way in rows.refine.unique() if way != "none")
    settings = [text for field in scores.SETTINGS if field != varying if (text := _describe_setting(rows, field))]
    absent = describe_missing(*scores.count_missing(rows)).capitalize()
    settings_text = f" Settings: {', '.join(settings)}." if settings else ""
    return f"Basis: {format_count(rows.song.nunique(), 'song')}, {frames}, {rule}, {outputs}.{settings_text} {absent}."


def _describe_setting(rows: pd.DataFrame, field: str) -> str:
    """Return the value of a setting as text, or all its values if strategies differ."""
    if field == "pitch_seed" and not rows.pitch_shifts.any():
        return ""
    values = scores.select_users(rows, field)[field].drop_duplicates().sort_values()
    texts = [render.format_setting(field, value) for value in values]
    words = {
        "lam": "λ = {}",
        "learning_rate": "learning rate {}",
        "epochs": "{} epoch" if texts == ["1"] else "{} epochs",
        "segment_s": "segments of each network's own length" if values.isna().all() else "segments of {} s",
        "hop_s": "hop of {}" if values.isna().all() else "hop of {} s",
        "pitch_shifts": "{} pitch-shifted copies" if values.any() else "no pitch-shifted copies",
        "pitch_seed": "seed {}",
        "shuffle_seed": "segments shuffled with seed {}" if values.any() else "segments in time order",
    }
    differ = " (not the same for all strategies)" if len(texts) > 1 else ""
    return words[field].format(" or ".join(texts)) + differ if texts else ""


def describe_gating(gated: bool) -> str:
    """Return a text about whether outputs are gated."""
    return "activations applied to the outputs" if gated else "outputs not gated"


def describe_missing(n: int, expected: int) -> str:
    """Return "2 of 110 cells missing or failed"."""
    return f"{n} of {format_count(expected, 'cell')} missing or failed" if n else "no cell missing or failed"


def format_count(n: int, noun: str) -> str:
    """Return "1 song" or "2 songs"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
