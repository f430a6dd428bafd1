"""Figures of a song's report: waveforms with their annotation, spectrograms, losses."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import STATES, State
from ugosa_jax.errors import InputError
from ugosa_jax.reports import state_spans, style
from ugosa_jax.reports.song.summary import SoundSummary
from ugosa_jax.reports.state_spans import Spans

WIDTH_IN = 9.0
FIRST, BETWEEN, LAST = style.VERMILION, style.GREEN, style.BLUE
"""Colours of runs: the first is the unadapted network, the last the result."""
MIXTURE = "#666666"
STATE_COLOURS: dict[State, str] = {"active": "#555555", "silent": "#d9d9d9", "unknown": "#ffffff"}
"""Greys of annotated states; colours are reserved for runs."""
EDGE = "#888888"
COLOUR_MAP = "magma"
"""Colour map of spectrograms; its lightness increases, also in grey and for colour-blind readers."""
MAX_NAME_LENGTH = 10
"""Longest name of a source in characters."""
RANGE_DB = 80.0
"""Dynamic range of spectrograms, below the maximum of the mixture's spectrogram."""
TICKS_HZ = {100: "100 Hz", 1000: "1 kHz", 10_000: "10 kHz"}

_STYLE = {
    "text.parse_math": False,  # names may contain dollar signs
    "axes.titlesize": 8.5,
}


def draw_waves(
    labels: Annotation, duration_s: float, mixture: SoundSummary, runs: Mapping[str, Mapping[str, SoundSummary]]
) -> Figure:
    """Draw the waveforms of the mixture and of every stem, each with the annotation of its source.

    The upper half of a waveform shows the first run, the lower half the last one, at the same scale. Amplitudes are
    drawn as their square roots, so that quiet leakage is visible.

    Args:
      labels: the annotation.
      duration_s: length of the song.
      mixture: summary of the mixture.
      runs: summaries of the stems by run and source; runs between the first and the last are left out.
    """
    colour = assign_colours(runs)
    first, last = next(iter(runs)), [*runs][-1]
    spans = _find_spans(labels, duration_s)
    with style.use_style(_STYLE):
        figure, (top, *axes) = _make_rows(1 + len(labels.sources), height_in=0.68, above_in=0.35)
        _draw_wave(top, mixture, mixture, duration_s, (MIXTURE, MIXTURE))
        top.set_ylabel("mixture", **_NAME)
        for axis, source in zip(axes, labels.sources, strict=True):
            _draw_wave(axis, runs[first][source], runs[last][source], duration_s, (colour[first], colour[last]))
            _draw_spans(axis, spans[source], duration_s, (0.93, 0.09))
            axis.set_ylabel(_shorten(source), **_NAME)
        for axis in (top, *axes):
            axis.set_yticks([])
            axis.tick_params(bottom=axis is axes[-1], labelbottom=axis is axes[-1])
            axis.spines[["left", "bottom"]].set_visible(False)
        axes[-1].set(xlim=(0, duration_s), xlabel="seconds")
        handles = [Patch(facecolor=colour[name]) for name in dict.fromkeys((first, last))]
        handles += [Patch(facecolor=STATE_COLOURS[state], edgecolor=EDGE, linewidth=0.4) for state in STATES]
        texts = [*dict.fromkeys((first, last)), *(f"annotated {state}" for state in STATES)]
        figure.legend(handles, texts, loc="upper right", ncols=len(texts), handlelength=1.6, columnspacing=1.2)
    return figure


def draw_spectrograms(
    labels: Annotation,
    duration_s: float,
    limits_hz: np.ndarray,
    mixture: SoundSummary,
    runs: Mapping[str, Mapping[str, SoundSummary]],
) -> Figure:
    """Draw the spectrogram of every stem (row) in every run (column), below the annotation of its source.

    Args:
      labels: the annotation.
      duration_s: length of the song.
      limits_hz: limits of the frequency bands.
      mixture: summary of the mixture, whose maximum is 0 dB.
      runs: summaries of the stems by run and source.
    """
    top_db = mixture.spectrum_db_FxN.max()
    ticks_hz = [hz for hz in TICKS_HZ if limits_hz[0] <= hz <= limits_hz[-1]]
    tick_rows = np.interp(np.log(ticks_hz), np.log(limits_hz), np.arange(len(limits_hz)))
    norm, spans = Normalize(-RANGE_DB, 0), _find_spans(labels, duration_s)
    with style.use_style(_STYLE):
        height_in = 0.75 + 1.2 * len(labels.sources)
        figure = Figure(figsize=(WIDTH_IN, height_in))
        grid = figure.subplots(
            len(labels.sources), len(runs), sharex=True, sharey=True, squeeze=False,
            gridspec_kw=_margins(height_in, 0.3, right_in=0.75) | {"hspace": 0.16, "wspace": 0.05},
        )  # fmt: skip
        for line, source in zip(grid, labels.sources, strict=True):
            for axis, stems in zip(line, runs.values(), strict=True):
                decibels_FxN = stems[source].spectrum_db_FxN - top_db
                extent = (0, duration_s, 0, len(decibels_FxN))
                axis.imshow(decibels_FxN, origin="lower", aspect="auto", extent=extent, cmap=COLOUR_MAP, norm=norm)
                _draw_spans(axis, spans[source], duration_s, (1.01, 0.05))
            line[0].set_ylabel(_shorten(source), fontweight="bold")
        grid[0, 0].set_yticks(tick_rows, [TICKS_HZ[hz] for hz in ticks_hz])
        for axis, name in zip(grid[0], runs, strict=True):
            axis.set_title(name, pad=9)
        for axis in grid[-1]:
            axis.set_xlabel("seconds")
        bottom, top = grid[-1, 0].get_position().y0, grid[0, 0].get_position().y1
        place = figure.add_axes((1 - 0.62 / WIDTH_IN, bottom, 0.11 / WIDTH_IN, top - bottom))
        figure.colorbar(ScalarMappable(norm, COLOUR_MAP), cax=place, label="dB relative to the maximum of the mixture")
    return figure


def draw_losses(runs: AdaptationResult | Mapping[str, AdaptationResult]) -> Figure:
    """Draw the losses of adaptations; see `reports.losses.plot_losses`.

    Args:
      runs: one adaptation, or several by name; runs that adapted nothing are left out.

    Raises:
      InputError: no run adapted anything.
    """
    runs = {"run": runs} if isinstance(runs, AdaptationResult) else runs
    if not any(result.losses_ExIx3.size for result in runs.values()):
        raise InputError("losses: none of the runs adapted anything")
    colour = assign_colours(runs)
    runs = {name: result for name, result in runs.items() if result.losses_ExIx3.size}
    guided = any((result.losses_ExIx3[..., 2] > 0).any() for result in runs.values())
    titles = LOSSES if guided else LOSSES[1:2]
    with style.use_style(_STYLE):
        figure = Figure(figsize=(WIDTH_IN, 2.4))
        margins = _margins(2.4, 0.6, left_in=0.55, right_in=0.15)
        panels = figure.subplots(1, len(titles), squeeze=False, gridspec_kw=margins | {"wspace": 0.22})[0]
        for panel, title in zip(panels, titles, strict=True):
            column = LOSSES.index(title)
            for name, result in runs.items():
                _draw_curve(panel, result.losses_ExIx3[..., column], result.stopped_at, colour[name])
            panel.set_title(title)
            panel.set_xlabel("epoch")
            panel.set_xlim(left=0)
            panel.set_ylim(bottom=0)
            panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            panel.yaxis.set_major_locator(MaxNLocator(5))
            panel.grid(axis="y")
        handles = [Line2D([], [], color=colour[name], marker="o", markersize=3) for name in runs]
        figure.legend(handles, list(runs), loc="upper right", ncols=len(runs))
    return figure


def assign_colours(names: Iterable[str]) -> dict[str, str]:
    """Return the colour of each run."""
    first, *others = names
    by_name = dict.fromkeys([first, *others], BETWEEN) | {first: FIRST}
    return by_name | {[first, *others][-1]: LAST}


LOSSES = ("total", "reconstruction", "sound where silent")
"""Titles of the losses: eq. (1), its first term, and its second term without λ."""


_NAME = {"rotation": 0, "ha": "right", "va": "center", "fontweight": "bold"}


def _shorten(name: str) -> str:
    """Return a name, shortened to the width of the margin."""
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"


def _make_rows(n_rows: int, height_in: float, above_in: float) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure of rows that share their time axis."""
    size_in = (WIDTH_IN, above_in + 0.45 + n_rows * height_in)
    figure = Figure(figsize=size_in)
    margins = _margins(size_in[1], above_in, right_in=0.1) | {"hspace": 0.05}
    return figure, figure.subplots(n_rows, 1, sharex=True, gridspec_kw=margins)


def _margins(height_in: float, above_in: float, left_in: float = 0.95, right_in: float = 0.1) -> dict[str, float]:
    """Return the relative limits of panels for margins in inches, which is faster than an automatic layout."""
    sides = {"left": left_in / WIDTH_IN, "right": 1 - right_in / WIDTH_IN}
    return sides | {"bottom": 0.45 / height_in, "top": 1 - above_in / height_in}


def _draw_wave(
    axis: Axes, upper: SoundSummary, lower: SoundSummary, duration_s: float, colours: tuple[str, str]
) -> None:
    """Fill the halves of a waveform."""
    times_s = np.linspace(0, duration_s, len(upper.peak_N))
    axis.fill_between(times_s, 0, np.sqrt(upper.peak_N), color=colours[0], linewidth=0)
    axis.fill_between(times_s, 0, -np.sqrt(lower.peak_N), color=colours[1], linewidth=0)
    top = np.sqrt(max(upper.peak_N.max(), lower.peak_N.max())) or 1.0
    axis.set_ylim(-1.05 * top, 1.3 * top)


def _find_spans(labels: Annotation, duration_s: float) -> dict[str, Spans]:
    """Return the time spans of the states of each source."""
    stated = annotation.make_explicit(labels, duration_s)
    return {source: state_spans.find_spans(stated.select(source), duration_s) for source in labels.sources}


def _draw_spans(axis: Axes, spans: Spans, duration_s: float, place: tuple[float, float]) -> None:
    """Draw the annotation of a source; `place` is bottom and height of its bar in heights of the panel."""
    inside = {"transform": axis.get_xaxis_transform(), "clip_on": False, "linewidth": 0.4}
    for state in reversed(STATES):  # "unknown" is drawn first, below the others
        stretches = [(0.0, duration_s)] if state == "unknown" else spans[state]
        axis.broken_barh(stretches, place, facecolor=STATE_COLOURS[state], edgecolor=EDGE, **inside)


def _draw_curve(axis: Axes, loss_ExI: np.ndarray, stopped_at: tuple[int, int] | None, colour: str) -> None:
    """Draw one loss over epochs; a dotted line marks the step that was not finite."""
    if not (loss_ExI > 0).any():  # B strategies have no silence term
        return
    n_epochs, n_steps = loss_ExI.shape
    axis.plot(np.arange(loss_ExI.size) / n_steps, loss_ExI.ravel(), color=colour, linewidth=0.5, alpha=0.45)
    taken_E = np.isfinite(loss_ExI).all(1)
    axis.plot(np.arange(n_epochs)[taken_E] + 0.5, loss_ExI[taken_E].mean(1), "o-", color=colour, markersize=3)
    if stopped_at is not None:
        epoch, step = stopped_at
        axis.axvline(epoch + step / n_steps, color=colour, linestyle=":", linewidth=1)
