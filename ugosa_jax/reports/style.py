"""The style of all reports: the page template (page.html), tables (grid.html), and the style and colours of figures.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart. Figures need no display and do not change
the user's own matplotlib style.
"""

import io
import warnings
from typing import Any

import jinja2
import matplotlib.style
from matplotlib.figure import Figure

BLUE, VERMILION, GREEN, ORANGE, PURPLE = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7"
GRID = "#e3e3e3"

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # matplotlib ships the first and measures text with it
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text remains searchable, and browsers have glyphs for all names
    "svg.hashsalt": "ugosa_jax",
}
_PAGES = jinja2.Environment(
    loader=jinja2.PackageLoader("ugosa_jax.reports", "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def render_page(template: str, **values) -> str:
    """Render a template with values, which are escaped unless they are marked safe."""
    return _PAGES.get_template(template).render(**values)


def use_style(more: dict[str, Any] | None = None):
    """Return a context manager that sets the style of figures, with `more` settings, independent of the user's."""
    return matplotlib.style.context(_STYLE | (more or {}), after_reset=True)


def to_svg(figure: Figure) -> str:
    """Render a figure as SVG; the same data give the same characters.

    The figure must not have been drawn before, because drawing changes the layout by fractions of a point.
    """
    out = io.StringIO()
    _save(figure, out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def to_png(figure: Figure) -> bytes:
    """Render a figure as PNG; the same data give the same bytes."""
    out = io.BytesIO()
    _save(figure, out, format="png", dpi=150, metadata={"Software": None})
    return out.getvalue()


def _save(figure: Figure, out: io.StringIO | io.BytesIO, **how: Any) -> None:
    with use_style(), warnings.catch_warnings():
        # The font may lack letters of a name. It is used only to measure text: the reader's fonts draw it.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(out, **how)
