"""Pictures of an annotation with a row for each source: as text for a terminal, or below the song's waveform."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ugosa_jax import files
from ugosa_jax.annotations.annotation import Annotation, make_explicit
from ugosa_jax.annotations.interval import STATES, State
from ugosa_jax.data.song import Song
from ugosa_jax.data.sound import Sound
from ugosa_jax.errors import InputError, error_context, require_extra
from ugosa_jax.reports import state_spans

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKS: dict[State, str] = {"active": "#", "silent": ".", "unknown": " "}
"""ASCII character of each state in a terminal."""
COLOURS: dict[State, str] = {"active": "#2a6fbb", "silent": "#d9d9d9", "unknown": "none"}
SUFFIXES = (".png", ".svg")


def render_text(annotation: Annotation, duration_s: float, n_columns: int = 60) -> list[str]:
    """Return a line of text for each source; each column shows the state that covers most of it."""
    explicit = make_explicit(annotation, duration_s)
    edges_s = np.linspace(0, duration_s, n_columns + 1)
    lines = []
    for source in annotation.sources:
        share_3xN = state_spans.measure_shares(explicit.select(source), edges_s)
        lines.append(f"{source:10} |{''.join(MARKS[STATES[k]] for k in share_3xN.argmax(0))}|")
    return lines


def write_picture(
    path: Path, annotation: Annotation, duration_s: float, song: Sound | None = None, n_columns: int = 1200
) -> None:
    """Write a picture with a row for each source, below the waveform of the song if it is given.

    Args:
      path: file with the suffix .png or .svg.
      annotation: the annotation.
      duration_s: duration that the picture covers.
      song: the mixture.
      n_columns: columns of the waveform, each drawn from its lowest to its highest sample.

    Raises:
      InputError: the suffix is neither .png nor .svg, or the file cannot be written.
    """
    check_picture(path)
    figure = _draw(annotation, duration_s, song, n_columns)
    with files.replace_when_done(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=100)


def plot_annotation(annotation: Annotation, song: Song) -> "Figure":
    """Draw an annotation below its song's waveform, a row for each source; needs matplotlib.

    Args:
      annotation: the annotation.
      song: its song.

    Raises:
      InputError: matplotlib is missing.
    """
    with require_extra("reports"):
        return _draw(annotation, song.mixture.duration_s, song.mixture)


def _draw(annotation: Annotation, duration_s: float, song: Sound | None, n_columns: int = 1200) -> "Figure":
    from matplotlib.figure import Figure  # slow to import, and not needed for text

    figure = Figure(figsize=(12, 1.2 + 0.4 * len(annotation.sources) + 1.6 * (song is not None)), layout="constrained")
    ratios = [1.6, 0.4 * len(annotation.sources)] if song is not None else [1]
    *above, below = np.ravel(figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios))
    if song is not None:
        low_N, high_N = find_outline(song.samples_CxT.mean(0), n_columns)
        times_s = np.linspace(0, song.duration_s, len(low_N))
        above[0].fill_between(times_s, low_N, high_N, color="#555555", linewidth=0)
        above[0].set_ylabel("mixture")
    explicit = make_explicit(annotation, duration_s)
    for row, source in enumerate(annotation.sources):
        for state, spans in state_spans.find_spans(explicit.select(source), duration_s, n_columns).items():
            below.broken_barh(spans, (row - 0.4, 0.8), facecolor=COLOURS[state], edgecolor="#888888", linewidth=0.3)
    below.set(xlim=(0, duration_s), ylim=(len(annotation.sources) - 0.5, -0.5), xlabel="seconds")
    below.set_yticks(range(len(annotation.sources)), annotation.sources)
    below.set_title("blue: active, grey: silent, white: unknown", fontsize="small", loc="right")
    return figure


def check_picture(path: Path) -> None:
    """Raise InputError if a picture cannot be written: its suffix names no known format, or matplotlib is missing."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: pictures are written as {' or '.join(SUFFIXES)}")
    with error_context(path), require_extra("reports"):
        import matplotlib.figure  # noqa: F401


def find_outline(wave_T: np.ndarray, n_columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest sample of each of at most `n_columns` equal parts of a wave."""
    starts = np.unique(np.linspace(0, len(wave_T), n_columns, endpoint=False).astype(int))
    return np.minimum.reduceat(wave_T, starts), np.maximum.reduceat(wave_T, starts)
