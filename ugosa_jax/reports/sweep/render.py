"""Conversion of tables to text: Markdown, CSV, LaTeX.

`make_sheet` formats the numbers of a table as strings, the same for all outputs. `to_markdown` and `to_latex` only
escape the strings and add the markup.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any, Literal

import pandas as pd

from ugosa_jax.reports.sweep import rows as scores

STAR = "*"

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PLAIN = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_[]#|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})
_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": "$<$", ">": "$>$", "|": "$|$", "−": "$-$", "–": "--", "λ": r"$\lambda$", "χ": r"$\chi$", "×": r"$\times$"}
    | {"…": r"\dots{}", "“": "``", "”": "''", "\u00a0": "~"}
)


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A table of strings.

    Attributes:
      groups: the header line above the column titles: pairs of a title and the number of columns that it spans; may
        be empty.
      heads: titles of the columns.
      cells: the rows.
      bold: (row, column) of the best values, which are printed in bold.
      labels: number of columns, from the left, that label the rows; they are left-aligned, the others right-aligned.
    """

    groups: list[tuple[str, int]]
    heads: list[str]
    cells: list[list[str]]
    bold: frozenset[tuple[int, int]]
    labels: int


def make_sheet(
    table: pd.DataFrame, best: Literal["max", "min"] | None = None, stars: pd.DataFrame | None = None
) -> Sheet:
    """Return a table with its numbers formatted as strings.

    Args:
      table: the table; the labels of its rows are in its index, if that has names, or in its first text columns.
      best: whether the largest or the smallest value of each column of scores is bold, including values that are equal
        after rounding.
      stars: Boolean mask of the same shape; where it is True, a star follows the number.
    """
    n_index = table.index.nlevels if table.index.names[0] is not None else 0
    frame = table.reset_index() if n_index else table
    names = [(*c[:-1], c[-1]) if isinstance(c, tuple) else (c,) for c in frame.columns]
    names = [("", name[0]) if len(name) > 1 and not name[1] else name for name in names]  # columns from the index
    last = [str(name[-1]) for name in names]
    form = [_choose_format(name) for name in names]
    cells = [[write(value) for write, value in zip(form, row, strict=True)] for row in frame.itertuples(index=False)]
    bold = frozenset(_find_best(frame, last, best) if best else ())
    if stars is not None:
        for r, c in itertools.product(range(len(stars)), range(stars.shape[1])):
            cells[r][c + n_index] += STAR if stars.iat[r, c] else ""
    heads = [TITLES.get(name, name) for name in last]
    groups = [(str(key), len(list(run))) for key, run in itertools.groupby(n[0] for n in names if len(n) > 1)]
    numeric = [name in scores.SETTINGS or name not in _LABELS for name in last]
    return Sheet(groups, heads, cells, bold, n_index or numeric.index(True))


def to_markdown(sheet: Sheet) -> str:
    """Return a table in GitHub's Markdown; a column title begins with the title of its group."""
    heads = [" ".join(filter(None, pair)) for pair in zip(_group_of_each(sheet), sheet.heads, strict=True)]
    lines = [
        [escape_markdown(head) for head in heads],
        [":--" if c < sheet.labels else "--:" for c in range(len(heads))],
    ]
    for r, row in enumerate(sheet.cells):
        texts = [escape_markdown(cell) for cell in row]
        lines.append([f"**{text}**" if (r, c) in sheet.bold else text for c, text in enumerate(texts)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_latex(sheet: Sheet, caption: str, label: str) -> str:
    """Return a LaTeX table environment, which needs the package booktabs."""
    lines = []
    if sheet.groups:
        lines.append(" & ".join(_latex_group(text, span) for text, span in sheet.groups) + r" \\")
        ends = list(itertools.accumulate(span for _, span in sheet.groups))
        starts = [end - span + 1 for end, (_, span) in zip(ends, sheet.groups, strict=True)]
        rules = zip(sheet.groups, starts, ends, strict=True)
        lines.append(" ".join(rf"\cmidrule(lr){{{start}-{end}}}" for (text, _), start, end in rules if text))
    lines += [" & ".join(_escape_latex(head) for head in sheet.heads) + r" \\", r"\midrule"]
    for r, row in enumerate(sheet.cells):
        texts = [_escape_latex(cell) for cell in row]
        bold = [rf"\textbf{{{text}}}" if (r, c) in sheet.bold else text for c, text in enumerate(texts)]
        lines.append(" & ".join(bold) + r" \\")
    columns = "l" * sheet.labels + "r" * (len(sheet.heads) - sheet.labels)
    top = [r"\begin{table*}", r"\centering\small\setlength{\tabcolsep}{4pt}", rf"\caption{{{_escape_latex(caption)}}}"]
    top += [rf"\label{{{label}}}", rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule"]
    return "\n".join([*top, *lines, r"\bottomrule", r"\end{tabular}", r"\end{table*}", ""])


def to_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV in full precision, with a single header line."""
    has_labels = table.index.names[0] is not None
    flat = table.set_axis([_join_levels(column) for column in table.columns], axis=1)
    return flat.to_csv(index=has_labels, lineterminator="\n")


def format_setting(field: str, value: float) -> str:
    """Return the value of a setting in the notation of the field: 10⁻² for λ, 3×10⁻⁵ for a learning rate."""
    if math.isnan(value):
        return "one segment" if field == "hop_s" else "–"
    digits, _, exponent = f"{value:.5e}".partition("e")
    grid = field == "lam" and float(digits) == 1 and not 0.1 <= value <= 10
    if value == 0 or (1e-2 <= value < 1e4 and not grid):
        return f"{value:.6g}"
    digits = digits.rstrip("0").rstrip(".")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPT)
    return power if digits == "1" else f"{digits}×{power}"


def format_decibels(value: float) -> str:
    """Return a number with two decimals and a minus sign (−); a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def format_probability(value: float) -> str:
    """Return p with three decimals, or "<0.001"; a dash for NaN."""
    return "–" if math.isnan(value) else "<0.001" if value < 0.0005 else f"{value:.3f}"


def format_count(count: int) -> str:
    """Return a number of parameters in the paper's notation: 2.9M, 10.2k."""
    if count == 0:
        return "–"
    return f"{count / 1e6:.1f}M" if count >= 99_950 else f"{count / 1e3:.1f}k" if count >= 1000 else str(count)


TITLES = {
    "lam": "λ",
    "learning_rate": "learning rate",
    "segment_s": "segment (s)",
    "hop_s": "hop (s)",
    "pitch_shifts": "pitch-shifted copies",
    "pitch_seed": "seed of the pitch shifts",
    "shuffle_seed": "seed of the order",
    "difference_db": "median difference (dB)",
    "low_db": "95 % from",
    "high_db": "to",
    "p_holm": "p, Holm",
    "chi2": "χ²",
}
_LABELS = ("strategy", "against", "source", "metric")
_FORMS: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys((*scores.QUALITY, *scores.SILENCE, "target", "museval"), format_decibels),
    **dict.fromkeys(("difference_db", "low_db", "high_db", "effect", "chi2"), format_decibels),
    **dict.fromkeys(("p", "p_holm"), format_probability),
    "#TP": format_count,
}


def _choose_format(name: tuple) -> Callable[[Any], str]:
    """Return the function that formats the values of a column, given the column's name."""
    if name[0] in ("frames", "songs") and name[-1] in scores.RULES:
        return str
    if name[-1] in scores.SETTINGS:
        return lambda value: format_setting(name[-1], value)
    if name[-1] == "base":
        return lambda value: format_setting("", value)
    return _FORMS.get(name[-1], str)


def _find_best(frame: pd.DataFrame, last: list[str], best: str) -> list[tuple[int, int]]:
    best_cells = []
    for c, name in enumerate(last):
        if name in (*scores.QUALITY, *scores.SILENCE) and len(frame) > 1:
            values = frame.iloc[:, c].astype(float).round(2)
            top = values.max() if best == "max" else values.min()
            best_cells += [(r, c) for r, value in enumerate(values) if value == top]
    return best_cells


def _group_of_each(sheet: Sheet) -> list[str]:
    """Return the group above each column."""
    if not sheet.groups:
        return [""] * len(sheet.heads)
    return [text for text, span in sheet.groups for _ in range(span)]


def escape_markdown(text: str) -> str:
    """Return text with Markdown's special characters escaped."""
    return text.translate(_MARKDOWN)


def _escape_latex(text: str) -> str:
    """Escape text; exponents become math."""
    pieces = []
    for raised, run in itertools.groupby(text, key=lambda c: ord(c) in _PLAIN):
        piece = "".join(run)
        pieces.append(f"$^{{{piece.translate(_PLAIN)}}}$" if raised else piece.translate(_LATEX))
    return "".join(pieces)


def _latex_group(text: str, span: int) -> str:
    return rf"\multicolumn{{{span}}}{{c}}{{{_escape_latex(text)}}}"


def _join_levels(column: Any) -> str:
    return " ".join(filter(None, column)) if isinstance(column, tuple) else str(column)
