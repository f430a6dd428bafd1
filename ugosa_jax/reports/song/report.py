"""The report of one song's separation, before and after adaptation: one HTML file that needs no other.

A run is one separation of the song. Its stems are looked at and scored, and what is kept of them is small: stems of
several runs need not fit into the memory together.
"""

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
from ugosa_jax.reports.song import figures, glimpse, spectrum
from ugosa_jax.reports.song.glimpse import Glimpse
from ugosa_jax.reports.sweep import render
from ugosa_jax.reports.sweep.render import Sheet

FRAMES = EvaluateConfig(outputs="plain")
"""Frames that scores are taken in."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One separation of the song.

    Attributes:
      name: its strategy; different for every run of a report.
      meaning: a few words.
      result: the adaptation that came before it.
      stems: what is shown of each.
      scores: what they score; None without true stems.
      leakage_db: by source, of what the network gave before stems were muted or refined; None if it was not measured.
    """

    name: str
    meaning: str
    result: AdaptationResult
    stems: dict[str, Glimpse]
    scores: Evaluation | None
    leakage_db: dict[str, float] | None = None


def run_of(
    song: Song,
    name: str,
    meaning: str,
    result: AdaptationResult,
    stretches_SxCxn: Iterable[np.ndarray],
    excerpt_s: tuple[float, float],
    leakage: LeakageMeter | None = None,
) -> Run:
    """Look at the stems of a run, and score them if the song has its true ones.

    Args:
      song: the song, with an annotation.
      name: the run's.
      meaning: a few words.
      result: the adaptation that came before it.
      stretches_SxCxn: stems in the annotation's order at the song's rate, stretch by stretch. They are kept only if
        they are to be scored.
      excerpt_s: begin and end of what can be heard, as `excerpt` says.
      leakage: has measured the network's own output when all stretches have gone by.
    """
    said, kept = song.require_annotation(), []

    def passing() -> Iterator[np.ndarray]:
        for stems_SxCxn in stretches_SxCxn:
            if song.stems_SxCxT is not None:
                kept.append(stems_SxCxn)
            yield stems_SxCxn

    seen = glimpse.stems(passing(), song.mixture, said, excerpt_s)
    leakage_db = leakage.compute_db() if leakage else None
    if not kept:
        return Run(name, meaning, result, seen, None, leakage_db)
    stems = dict(zip(said.sources, np.concatenate(kept, axis=-1), strict=True))
    return Run(name, meaning, result, seen, scoring.evaluate(song, stems, FRAMES), leakage_db)


def excerpt(song: Song, n_runs: int) -> tuple[float, float]:
    """Return begin and end of what can be heard of a song that is separated `n_runs` times."""
    said = song.require_annotation()
    return glimpse.excerpt(said, song.mixture.duration_s, 1 + n_runs * len(said.sources))


def write(
    path: Path,
    song: Song,
    excerpt_s: tuple[float, float],
    runs: Sequence[Run],
    facts: Mapping[str, str],
    record: Mapping[str, Any],
) -> None:
    """Write a report.

    Args:
      path: the HTML file.
      song: the song, with an annotation.
      excerpt_s: begin and end of what can be heard, the same as for the runs.
      runs: at least one; the first is the one that others are compared with, the last the one that matters.
      facts: what was run, on what, and how long it took, in words.
      record: all of it, as JSON holds it.

    Raises:
      InputError: the file cannot be written.
    """
    with files.replaced_when_done(path) as temporary:
        temporary.write_text(html(song, excerpt_s, runs, facts, record), "utf-8", errors="replace", newline="\n")


def html(
    song: Song,
    excerpt_s: tuple[float, float],
    runs: Sequence[Run],
    facts: Mapping[str, str],
    record: Mapping[str, Any],
) -> str:
    """Return the report of `write` as text."""
    duration_s = song.mixture.duration_s
    mixture = glimpse.mixture(song.mixture, excerpt_s)
    return style.page(
        "run.html",
        title=song.mixture.name,
        sources=song.require_annotation().sources,
        duration_s=duration_s,
        mixture=mixture,
        runs=runs,
        facts=facts,
        record=json.dumps(record, indent=2, ensure_ascii=False),
        excerpt=None if excerpt_s == (0.0, duration_s) else glimpse.duration_text(excerpt_s),
        stopped={run.name: where(run.result) for run in runs if run.result.stopped_at is not None},
        leakage=leakage(song.require_annotation(), duration_s, runs),
        levels=levels(song.require_annotation(), duration_s, runs),
        scores=scores(song.require_annotation().sources, runs),
        window_s=FRAMES.window_s,
        pictures=pictures(song, mixture, runs),
        mp3=lambda sound: _uri("audio/mpeg", sound.mp3),
    )


def pictures(song: Song, mixture: Glimpse, runs: Sequence[Run]) -> dict[str, str]:
    """Return the page's figures by name, as data URIs."""
    stems = {run.name: run.stems for run in runs}
    bands_hz = spectrum.bands_hz(song.mixture.rate_hz)
    wave = figures.waves(song.require_annotation(), song.mixture.duration_s, mixture, stems)
    spectra = figures.spectrograms(song.require_annotation(), song.mixture.duration_s, bands_hz, mixture, stems)
    found = {
        "waves": _uri("image/svg+xml", style.svg(wave).encode()),
        "spectra": _uri("image/png", style.png(spectra)),
    }
    if any(run.result.losses_ExIx3.size for run in runs):
        drawn = figures.losses({run.name: run.result for run in runs})
        found["losses"] = _svg_uri(drawn)
    return found


def leakage(said: Annotation, duration_s: float, runs: Sequence[Run]) -> Sheet | None:
    """Tabulate the leakage of the network's own output; None if it was not measured, or no source is silent."""
    found = [run.leakage_db for run in runs if run.leakage_db is not None]
    if len(found) < len(runs):
        return None
    return _compared(said, duration_s, runs, {source: [one[source] for one in found] for source in said.sources})


def levels(said: Annotation, duration_s: float, runs: Sequence[Run]) -> Sheet | None:
    """Tabulate how loud each stem, as it is heard, is where its source is annotated silent; None if none is."""
    values = {source: [run.stems[source].silent_db for run in runs] for source in said.sources}
    return _compared(said, duration_s, runs, values)


def _compared(
    said: Annotation, duration_s: float, runs: Sequence[Run], values: Mapping[str, Sequence[float]]
) -> Sheet | None:
    """Tabulate levels, a row a source and a column a run, and what the last run changed; None if nothing is silent."""
    silent_s = annotation.count_silent_seconds(said, duration_s)
    heads = ["source", "annotated silent (s)", *(run.name for run in runs)]
    cells = [[source, f"{silent_s[source]:.1f}", *map(render.decibels, row)] for source, row in values.items()]
    if len(runs) > 1:
        heads.append("change")
        for line, row in zip(cells, values.values(), strict=True):
            line.append(render.decibels(row[-1] - row[0]))
    return Sheet([], heads, cells, frozenset(), 1) if any(silent_s.values()) else None


def scores(sources: Sequence[str], runs: Sequence[Run]) -> Sheet | None:
    """Tabulate the scores of all runs, a group of columns for each metric; None without true stems.

    By the paper's rule: a source counts where it is not silent itself.
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
            line += map(render.decibels, values)
        cells.append([*line, str(scored[-1].score(source, "SDR").n_frames)])
    return Sheet(groups, heads, cells, frozenset(bold), 1)


def where(result: AdaptationResult) -> str:
    """Return when an adaptation stopped, in words."""
    epoch, step = result.stopped_at or (0, 0)
    return f"epoch {epoch + 1}, step {step + 1}"


def _svg_uri(figure: Figure) -> str:
    return _uri("image/svg+xml", style.svg(figure).encode())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
