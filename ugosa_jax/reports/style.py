"""The look of all reports: pages share a frame (page.html) and tables (grid.html), figures a style and their colours.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart. Figures need no display, and leave the
user's own style as it is.
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
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # the first comes with matplotlib, which measures with it
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
    "svg.fonttype": "none",  # text stays text: it can be searched, and a browser has letters for every name
    "svg.hashsalt": "ugosa_jax",
}
_PAGES = jinja2.Environment(
    loader=jinja2.PackageLoader("ugosa_jax.reports", "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def page(template: str, **values) -> str:
    """Return a page: one of the templates with its values, which are escaped unless they are marked safe."""
    return _PAGES.get_template(template).render(**values)


def context(more: dict[str, Any] | None = None):
    """Set the style of figures for a while, and `more` of it, whatever the user's own is."""
    return matplotlib.style.context(_STYLE | (more or {}), after_reset=True)


def svg(figure: Figure) -> str:
    """Return a new figure as SVG; the same data give the same characters.

    Drawing settles its layout: drawn once more, a figure differs by fractions of a point.
    """
    out = io.StringIO()
    _save(figure, out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def png(figure: Figure) -> bytes:
    """Return a new figure as PNG; the same data give the same bytes."""
    out = io.BytesIO()
    _save(figure, out, format="png", dpi=150, metadata={"Software": None})
    return out.getvalue()


def _save(figure: Figure, out: io.StringIO | io.BytesIO, **how: Any) -> None:
    with context(), warnings.catch_warnings():
        # Names may have letters that the font does not; they are only measured with it, the reader's fonts draw them.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(out, **how)
