"""The report of one song: a self-contained HTML file that compares separations, with and without adaptation."""

import base64
import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ugosa_jax import files
from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import EvaluateConfig
from ugosa_jax.data.song import Song
from ugosa_jax.evaluation import scoring
from ugosa_jax.evaluation.bsseval import METRICS
from ugosa_jax.evaluation.leakage import LeakageMeter
from ugosa_jax.evaluation.scoring import Evaluation
from ugosa_jax.reports import style
from ugosa_jax.reports.song import song_figures, spectrum, summary
from ugosa_jax.reports.song.summary import SoundSummary
from ugosa_jax.reports.sweep import render
from ugosa_jax.reports.sweep.render import Sheet

FRAMES = EvaluateConfig(outputs="plain")
"""Settings of the scores."""


@dataclasses.dataclass(frozen=True)
class ReportRun:
    """One separation of the song in a report.

    Attributes:
      name: name of the run, such as its strategy; unique within a report.
      meaning: a short explanation of the name.
      result: the adaptation that preceded the separation.
      stems: summaries of the stems.
      scores: scores of the stems; None without true stems.
      leakage_db: leakage of the network's output by source, before muting and refinement; None if not measured.
    """

    name: str
    meaning: str
    result: AdaptationResult
    stems: dict[str, SoundSummary]
    scores: Evaluation | None
    leakage_db: dict[str, float] | None = None


def summarise_run(
    song: Song,
    name: str,
    meaning: str,
    result: AdaptationResult,
    blocks_SxCxn: Iterable[np.ndarray],
    excerpt_s: tuple[float, float],
    leakage: LeakageMeter | None = None,
) -> ReportRun:
    """Summarise the stems of a run, and score them if the song has true stems.

    Args:
      song: the song with its annotation.
      name: name of the run.
      meaning: a short explanation of the name.
      result: the adaptation that preceded the separation.
      blocks_SxCxn: blocks of the stems, in the order of the annotation's sources, at the song's rate; they are kept in
        memory only if they are scored.
      excerpt_s: begin and end of the excerpt, as `choose_excerpt` returns them.
      leakage: meter of the network's output, complete after the last block.
    """
    labels, whole = song.require_annotation(), []

    def collect() -> Iterator[np.ndarray]:
        for stems_SxCxn in blocks_SxCxn:
            if song.stems_SxCxT is not None:
                whole.append(stems_SxCxn)
            yield stems_SxCxn

    summaries = summary.summarise_stems(collect(), song.mixture, labels, excerpt_s)
    scores = None
    if whole:
        stems = dict(zip(labels.sources, np.concatenate(whole, axis=-1), strict=True))
        scores = scoring.evaluate(song, stems, FRAMES)
    return ReportRun(name, meaning, result, summaries, scores, leakage.compute_db() if leakage else None)


def choose_excerpt(song: Song, n_runs: int) -> tuple[float, float]:
    """Return begin and end of the excerpt of a song in a report with `n_runs` runs."""
    labels = song.require_annotation()
    return summary.choose_excerpt(labels, song.mixture.duration_s, 1 + n_runs * len(labels.sources))


def write(
    path: Path,
    song: Song,
    excerpt_s: tuple[float, float],
    runs: Sequence[ReportRun],
    facts: Mapping[str, str],
    record: Mapping[str, Any],
) -> None:
    """Write a report.

    Args:
      path: the HTML file.
      song: the song with its annotation.
      excerpt_s: begin and end of the excerpt, the same as for the runs.
      runs: the separations, at least one; the first is the one that others are compared with, the last the result.
      facts: entries of the table at the top.
      record: the content of record.json.

    Raises:
      InputError: the file cannot be written.
    """
    with files.replace_when_done(path) as temporary:
        temporary.write_text(render_html(song, excerpt_s, runs, facts, record), "utf-8", errors="replace", newline="\n")


def render_html(
    song: Song,
    excerpt_s: tuple[float, float],
    runs: Sequence[ReportRun],
    facts: Mapping[str, str],
    record: Mapping[str, Any],
) -> str:
    """Return the HTML that `write` writes."""
    duration_s = song.mixture.duration_s
    mixture = summary.summarise_mixture(song.mixture, excerpt_s)
    return style.render_page(
        "run.html",
        title=song.mixture.name,
        sources=song.require_annotation().sources,
        duration_s=duration_s,
        mixture=mixture,
        runs=runs,
        facts=facts,
        record=json.dumps(record, indent=2, ensure_ascii=False),
        excerpt=None if excerpt_s == (0.0, duration_s) else summary.format_times(excerpt_s),
        stopped={run.name: format_stop(run.result) for run in runs if run.result.stopped_at is not None},
        leakage=tabulate_leakage(song.require_annotation(), duration_s, runs),
        levels=tabulate_levels(song.require_annotation(), duration_s, runs),
        scores=tabulate_scores(song.require_annotation().sources, runs),
        window_s=FRAMES.window_s,
        pictures=draw_figures(song, mixture, runs),
        mp3=lambda sound: _uri("audio/mpeg", sound.mp3),
    )


def draw_figures(song: Song, mixture: SoundSummary, runs: Sequence[ReportRun]) -> dict[str, str]:
    """Return the figures of the page by name, as data URIs."""
    stems = {run.name: run.stems for run in runs}
    bands_hz = spectrum.bands_hz(song.mixture.rate_hz)
    wave = song_figures.draw_waves(song.require_annotation(), song.mixture.duration_s, mixture, stems)
    spectra = song_figures.draw_spectrograms(
        song.require_annotation(), song.mixture.duration_s, bands_hz, mixture, stems
    )
    uris = {
        "waves": _svg_uri(wave),
        "spectra": _uri("image/png", style.to_png(spectra)),
    }
    if any(run.result.losses_ExIx3.size for run in runs):
        uris["losses"] = _svg_uri(song_figures.draw_losses({run.name: run.result for run in runs}))
    return uris


def tabulate_leakage(labels: Annotation, duration_s: float, runs: Sequence[ReportRun]) -> Sheet | None:
    """Return a table of the leakage of the network's output; None if it was not measured, or no source is silent."""
    measured = [run.leakage_db for run in runs if run.leakage_db is not None]
    if len(measured) < len(runs):
        return None
    values = {source: [by_source[source] for by_source in measured] for source in labels.sources}
    return _tabulate(labels, duration_s, runs, values)


def tabulate_levels(labels: Annotation, duration_s: float, runs: Sequence[ReportRun]) -> Sheet | None:
    """Return a table of the level of each stem where its source is annotated silent; None if no source is silent."""
    values = {source: [run.stems[source].silent_db for run in runs] for source in labels.sources}
    return _tabulate(labels, duration_s, runs, values)


def _tabulate(
    labels: Annotation, duration_s: float, runs: Sequence[ReportRun], values: Mapping[str, Sequence[float]]
) -> Sheet | None:
    """Return a table of levels: a row for each source, a column for each run, and the change from first to last run.

    Return None if no source is annotated silent.
    """
    silent_s = annotation.count_silent_seconds(labels, duration_s)
    heads = ["source", "annotated silent (s)", *(run.name for run in runs)]
    cells = [[source, f"{silent_s[source]:.1f}", *map(render.format_decibels, row)] for source, row in values.items()]
    if len(runs) > 1:
        heads.append("change")
        for line, row in zip(cells, values.values(), strict=True):
            line.append(render.format_decibels(row[-1] - row[0]))
    return Sheet([], heads, cells, frozenset(), 1) if any(silent_s.values()) else None


def tabulate_scores(sources: Sequence[str], runs: Sequence[ReportRun]) -> Sheet | None:
    """Return a table of the scores of all runs, with a group of columns for each metric.

    Each source is scored in the frames in which its true stem is not silent: rule "target" of `bsseval.Rule`.

    Return None without true stems.
    """
    scored = [run.scores for run in runs if run.scores is not None]
    if not scored:
        return None
    groups = [("", 1), *((metric, len(runs)) for metric in (*METRICS, "PES")), ("", 1)]
    heads = ["source", *(run.name for _ in groups[1:-1] for run in runs), "frames"]
    cells, bold = [], set()
    for r, source in enumerate(sources):
        line = [source]
        for metric, _ in groups[1:-1]:
            values = [each.db(source, metric) for each in scored]
            best = (np.fmin if metric == "PES" else np.fmax).reduce(values)
            bold |= {(r, len(line) + i) for i, value in enumerate(values) if value == best and len(runs) > 1}
            line += map(render.format_decibels, values)
        cells.append([*line, str(scored[-1].score(source, "SDR").n_frames)])
    return Sheet(groups, heads, cells, frozenset(bold), 1)


def format_stop(result: AdaptationResult) -> str:
    """Return the step at which an adaptation stopped, as text."""
    epoch, step = result.stopped_at or (0, 0)
    return f"epoch {epoch + 1}, step {step + 1}"


def _svg_uri(figure: Figure) -> str:
    return _uri("image/svg+xml", style.to_svg(figure).encode())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
