"""The plot of losses; matplotlib is imported when it is called."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.errors import InputError, require_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_losses(runs: AdaptationResult | Mapping[str, AdaptationResult]) -> "Figure":
    """Draw the losses of every step, thin, and their mean in each epoch, thick; a dotted line where a run stopped.

    Args:
      runs: one adaptation, or several by name; those that adapted nothing are left out.

    Raises:
      InputError: no run adapted anything, several runs have no names, or matplotlib is missing.
    """
    if not isinstance(runs, AdaptationResult | Mapping):
        raise InputError(f"runs must be one run, or several by name, not {type(runs).__name__}")
    with require_extra("reports"):
        from ugosa_jax.reports.song import song_figures
    return song_figures.draw_losses(runs)
