"""The report of one song's separation, before and after adaptation: one HTML file that needs no other.

A run is one separation of the song. Its stems are looked at and scored, and what is kept of them is small: stems of
several runs need not fit into the memory together.
"""

import base64
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ugosa_jax import files
from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import EvaluateConfig
from ugosa_jax.data import sound
from ugosa_jax.data.sound import Audio
from ugosa_jax.evaluation import scoring
from ugosa_jax.evaluation.bsseval import METRICS
from ugosa_jax.evaluation.scoring import ScoredSong
from ugosa_jax.reports import style
from ugosa_jax.reports.song import figures, glimpse
from ugosa_jax.reports.song.glimpse import Glimpse
from ugosa_jax.reports.sweep import render
from ugosa_jax.reports.sweep.render import Sheet

NAME = "report.html"
FRAMES = EvaluateConfig(outputs="plain")
"""Frames that scores are taken in."""


@dataclasses.dataclass(frozen=True)
class Song:
    """What all runs of a song have in common.

    Attributes:
      name: as people call it.
      labels: when each source plays.
      duration_s: its length.
      rate_hz: its sample rate.
      excerpt_s: begin and end of what can be heard.
      mixture: what is shown of it.
    """

    name: str
    labels: Annotation
    duration_s: float
    rate_hz: int
    excerpt_s: tuple[float, float]
    mixture: Glimpse


@dataclasses.dataclass(frozen=True)
class Run:
    """One separation of the song.

    Attributes:
      name: its strategy; different for every run of a report.
      meaning: a few words.
      result: the adaptation that came before it.
      stems: what is shown of each.
      scores: rows of `scoring.scores`; none without true stems.
    """

    name: str
    meaning: str
    result: AdaptationResult
    stems: dict[str, Glimpse]
    scores: list[dict[str, Any]]


def song_of(mixture: Audio, labels: Annotation, n_runs: int) -> Song:
    """Look at a mixture that is to be separated `n_runs` times."""
    duration_s = mixture.duration_s
    excerpt_s = glimpse.excerpt(labels, duration_s, 1 + n_runs * len(labels.sources))
    stereo_CxT, _ = sound.to_model(mixture, mixture.rate_hz, min(mixture.n_channels, 2))
    heard = dataclasses.replace(mixture, samples_CxT=stereo_CxT)
    seen = glimpse.of(heard, np.ones(mixture.n_samples, bool), glimpse.mp3(heard, excerpt_s))
    return Song(mixture.name, labels, duration_s, mixture.rate_hz, excerpt_s, seen)


def run_of(
    song: Song,
    name: str,
    meaning: str,
    result: AdaptationResult,
    stems: dict[str, np.ndarray],
    true: ScoredSong | None = None,
) -> Run:
    """Look at the stems of a run, {source: (C, T)} at the song's rate, and score them if the true ones are known."""
    scores = scoring.scores(true, stems, FRAMES) if true is not None else []
    return Run(name, meaning, result, glimpse.stems(stems, song.rate_hz, song.labels, song.excerpt_s), scores)


def write(path: Path, song: Song, runs: Sequence[Run], facts: Mapping[str, str], record: Mapping[str, Any]) -> None:
    """Write a report.

    Args:
      path: the HTML file.
      song: the song.
      runs: at least one; the first is the one that others are compared with, the last the one that matters.
      facts: what was run, on what, and how long it took, in words.
      record: all of it, as JSON holds it.

    Raises:
      InputError: the file cannot be written.
    """
    with files.replaced_when_done(path) as temporary:
        temporary.write_text(html(song, runs, facts, record), "utf-8", newline="\n")


def html(song: Song, runs: Sequence[Run], facts: Mapping[str, str], record: Mapping[str, Any]) -> str:
    """Return the report of `write` as text."""
    return style.page(
        "run.html",
        song=song,
        runs=runs,
        facts=facts,
        record=json.dumps(record, indent=2, ensure_ascii=False),
        excerpt=None if song.excerpt_s == (0.0, song.duration_s) else glimpse.duration_text(song.excerpt_s),
        stopped={run.name: where(run.result) for run in runs if run.result.stopped_at is not None},
        levels=levels(song, runs),
        scores=scores(song.labels.sources, runs),
        window_s=FRAMES.window_s,
        pictures=pictures(song, runs),
        mp3=lambda sound: _uri("audio/mpeg", sound.mp3),
    )


def pictures(song: Song, runs: Sequence[Run]) -> dict[str, str]:
    """Return the page's figures by name, as data URIs."""
    stems = {run.name: run.stems for run in runs}
    bands_hz = glimpse.bands_hz(song.rate_hz)
    wave = figures.waves(song.labels, song.duration_s, song.mixture, stems)
    spectrum = figures.spectrograms(song.labels, song.duration_s, bands_hz, song.mixture, stems)
    found = {
        "waves": _uri("image/svg+xml", style.svg(wave).encode()),
        "spectra": _uri("image/png", style.png(spectrum)),
    }
    if any(run.result.losses_ExIx3.size for run in runs):
        drawn = figures.losses({run.name: run.result for run in runs})
        found["losses"] = _svg_uri(drawn)
    return found


def levels(song: Song, runs: Sequence[Run]) -> Sheet | None:
    """Tabulate how loud each stem is where its source is annotated silent; None if none is."""
    silent_s = annotation.silent_seconds(song.labels, song.duration_s)
    values = {source: [run.stems[source].silent_db for run in runs] for source in song.labels.sources}
    heads = ["source", "annotated silent (s)", *(run.name for run in runs)]
    cells = [[source, f"{silent_s[source]:.1f}", *map(render.decibels, row)] for source, row in values.items()]
    if len(runs) > 1:
        heads.append("change")
        for line, row in zip(cells, values.values(), strict=True):
            line.append(render.decibels(row[-1] - row[0]))
    return Sheet([], heads, cells, frozenset(), 1) if any(silent_s.values()) else None


def scores(sources: Sequence[str], runs: Sequence[Run]) -> Sheet | None:
    """Tabulate the scores of all runs, a group of columns for each metric; None without true stems."""
    if not runs[-1].scores:
        return None
    groups = [("", 1), *((metric, len(runs)) for metric in (*METRICS, "PES")), ("", 1)]
    heads = ["source", *(run.name for _ in groups[1:-1] for run in runs), "frames"]
    cells, bold = [], set()
    for r, source in enumerate(sources):
        line = [source]
        for metric, _ in groups[1:-1]:
            values = [score(run, source, metric) for run in runs]
            best = (np.fmin if metric == "PES" else np.fmax).reduce(values)
            bold |= {(r, len(line) + i) for i, value in enumerate(values) if value == best and len(runs) > 1}
            line += map(render.decibels, values)
        cells.append([*line, str(_row(runs[-1], source, "SDR")["n_frames"])])
    return Sheet(groups, heads, cells, frozenset(bold), 1)


def score(run: Run, source: str, metric: str) -> float:
    """Return a score in dB, NaN if no frame has one."""
    value = _row(run, source, metric)["value_db"]
    return math.nan if value is None else value


def where(result: AdaptationResult) -> str:
    """Return when an adaptation stopped, in words."""
    epoch, step = result.stopped_at or (0, 0)
    return f"epoch {epoch + 1}, step {step + 1}"


def _row(run: Run, source: str, metric: str) -> dict[str, Any]:
    """Return the row of a score under the paper's rule: a source counts where it is not silent itself."""
    return next(
        row
        for row in run.scores
        if (row["source"], row["metric"]) == (source, metric) and row["rule"] in ("target", "silent")
    )


def _svg_uri(figure: Figure) -> str:
    return _uri("image/svg+xml", style.svg(figure).encode())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
