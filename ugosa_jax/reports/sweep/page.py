"""A document of tables, figures and text, as Markdown and as self-contained HTML."""

import dataclasses
import itertools
import re
from collections.abc import Sequence

import pandas as pd

from ugosa_jax.reports import style
from ugosa_jax.reports.sweep import render

LONG = 24
"""Largest number of rows of a table that is not collapsed."""


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """A table or a figure.

    Attributes:
      name: name of its files without suffix; unique within a page.
      title: the title.
      caption: a text that explains the exhibit and the scores behind it.
      table: for a table, its numbers.
      sheet: for a table, its formatted text.
      svg: for a figure, its picture.
    """

    name: str
    title: str
    caption: str
    table: pd.DataFrame | None = None
    sheet: render.Sheet | None = None
    svg: str = ""


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading, some paragraphs, and exhibits."""

    title: str
    paragraphs: Sequence[str]
    exhibits: Sequence[Exhibit] = ()


def render_files(sections: Sequence[Section]) -> dict[str, str]:
    """Return the content of the files of all exhibits by name: CSV and LaTeX for tables, SVG for figures."""
    texts = {}
    for exhibit in itertools.chain.from_iterable(section.exhibits for section in sections):
        if exhibit.table is not None and exhibit.sheet is not None:
            texts[f"{exhibit.name}.csv"] = render.to_csv(exhibit.table)
            caption = f"{exhibit.title}. {exhibit.caption}"
            texts[f"{exhibit.name}.tex"] = render.to_latex(exhibit.sheet, caption, f"tab:{exhibit.name}")
        else:
            texts[f"{exhibit.name}.svg"] = exhibit.svg
    return texts


def render_markdown(title: str, sections: Sequence[Section]) -> str:
    """Return the page in GitHub's Markdown; it refers to the figures in the files of `render_files`."""
    text, blocks = render.escape_markdown, [f"# {render.escape_markdown(title)}"]
    numbers = _number_exhibits(sections)
    for section in sections:
        blocks += [f"## {text(section.title)}", *map(text, section.paragraphs)]
        for exhibit in section.exhibits:
            caption = f"**{numbers[exhibit.name]}. {text(exhibit.title)}.** {text(exhibit.caption)}"
            if exhibit.sheet is None:
                blocks += [f"![{text(exhibit.title)}]({exhibit.name}.svg)", caption]
                continue
            table = render.to_markdown(exhibit.sheet).rstrip()
            if len(exhibit.sheet.cells) > LONG:
                summary = f"<summary>{len(exhibit.sheet.cells)} rows</summary>"
                table = f"<details>{summary}\n\n{table}\n\n</details>"
            blocks += [caption, table, f"[CSV]({exhibit.name}.csv) · [LaTeX]({exhibit.name}.tex)"]
    return "\n\n".join(blocks) + "\n"


def render_html(title: str, sections: Sequence[Section]) -> str:
    """Return the page as HTML that includes its figures and style."""
    return style.render_page(
        "sweep.html", title=title, sections=sections, numbers=_number_exhibits(sections), inline=_inline_svg, long=LONG
    )


def _number_exhibits(sections: Sequence[Section]) -> dict[str, str]:
    """Return the number of every exhibit by name, such as "Table 2" or "Figure 1"."""
    counts = {"Table": itertools.count(1), "Figure": itertools.count(1)}
    kinds = {e.name: "Figure" if e.sheet is None else "Table" for section in sections for e in section.exhibits}
    return {name: f"{kind} {next(counts[kind])}" for name, kind in kinds.items()}


def _inline_svg(exhibit: Exhibit) -> str:
    """Return a figure's SVG element; its ids begin with the exhibit's name, so that they are unique in the page."""
    element = exhibit.svg[exhibit.svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'(\sid="|\shref="#|:href="#|url\(#)', rf"\g<1>{exhibit.name}-", element)
    return element.replace("<svg", f'<svg role="img" aria-labelledby="{exhibit.name}"', 1)
