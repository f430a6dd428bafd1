"""The plot of losses for users; matplotlib is imported when the function is called."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.errors import InputError, require_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_losses(runs: AdaptationResult | Mapping[str, AdaptationResult]) -> "Figure":
    """Draw the losses of adaptations.

    Thin lines are the losses of every step, thick lines their means over each epoch; a dotted line marks where a run
    stopped early.

    Args:
      runs: one adaptation, or several by name; runs that adapted nothing are left out.

    Raises:
      InputError: no run adapted anything, several runs have no names, or matplotlib is missing.
    """
    if not isinstance(runs, AdaptationResult | Mapping):
        raise InputError(f"runs must be one run, or several by name, not {type(runs).__name__}")
    with require_extra("reports"):
        from ugosa_jax.reports.song import song_figures
    return song_figures.draw_losses(runs)
