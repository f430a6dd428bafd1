"""All scores of a song's estimates: SDR, ISR, SIR, SAR, PES and EPS."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

import numpy as np

from ugosa_jax.annotations import annotation
from ugosa_jax.config import EvaluateConfig
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError
from ugosa_jax.evaluation import bsseval, levels, museval
from ugosa_jax.evaluation.bsseval import NO_ERROR, NO_SIGNAL, UNDEFINED, Rule, Scores
from ugosa_jax.notebook import html_table

METRICS = (*bsseval.METRICS, "PES", "EPS")


class Score(NamedTuple):
    """A score of a source.

    Attributes:
      gated: whether the estimate was muted where its source is annotated silent.
      rule: which frames are scored: a rule of BSSEval, or "silent" for PES and EPS.
      source: name of the stem.
      metric: one of METRICS.
      value_db: median over the frames (PES, EPS: mean); infinite for a perfect estimate, None if no frame is scored.
      n_frames: number of scored frames.
    """

    gated: bool
    rule: str
    source: str
    metric: str
    value_db: float | None
    n_frames: int

    def row(self) -> dict[str, Any]:
        """Return the score for JSON, which has no infinity: `value_db` is then None, and `reason` states why."""
        if self.value_db is None or math.isfinite(self.value_db):
            return self._asdict() | {"reason": None if self.value_db is not None else UNDEFINED}
        return self._asdict() | {"value_db": None, "reason": NO_ERROR if self.value_db > 0 else NO_SIGNAL}


def read_value(row: Mapping[str, Any]) -> float | None:
    """Return the value in dB of a row of `Score.row`; infinite if `reason` says so, None without a value."""
    infinite = {NO_ERROR: math.inf, NO_SIGNAL: -math.inf}
    return infinite.get(row.get("reason") or "", row["value_db"])


@dataclasses.dataclass(frozen=True, repr=False)
class Evaluation:
    """The scores of a song; `print` shows them as a table."""

    scores: tuple[Score, ...]

    def score(self, source: str, metric: str, rule: Rule = "target", gated: bool = False) -> Score:
        """Return one score.

        Raises:
          KeyError: there is no such score.
        """
        key = gated, source, metric
        for score in self.scores:
            if (score.gated, score.source, score.metric) == key and score.rule in (rule, "silent"):
                return score
        raise KeyError(f"no score {metric} of {source} (rule {rule}, {'gated' if gated else 'not gated'})")

    def db(self, source: str, metric: str, rule: Rule = "target", gated: bool = False) -> float:
        """Return the value of a score in dB; NaN if no frame is scored.

        Raises:
          KeyError: there is no such score.
        """
        value_db = self.score(source, metric, rule, gated).value_db
        return math.nan if value_db is None else value_db

    def rows(self) -> list[dict[str, Any]]:
        """Return the scores as rows of a data frame or of JSON; see `Score.row`."""
        return [score.row() for score in self.scores]

    def __repr__(self) -> str:
        medians = [s for s in self.scores if (s.metric, s.rule, s.gated) == ("SDR", "target", self.scores[0].gated)]
        listed = ", ".join(f"{s.source} {'–' if s.value_db is None else f'{s.value_db:.2f}'}" for s in medians)
        return f"Evaluation(SDR in dB: {listed or 'none by the rule target'})"

    def _repr_html_(self) -> str:
        every = itertools.product(dict.fromkeys(s.source for s in self.scores), get_args(Rule), (False, True))
        scored = {(s.source, s.rule, s.gated) for s in self.scores}
        kinds = [kind for kind in every if kind in scored]
        rows = []
        for source, rule, gated in kinds:
            values = [_format_score(self.score(source, metric, rule, gated)) for metric in METRICS]
            rows.append([source, "muted" if gated else "unchanged", rule, *values])
        return html_table("dB (frames)", ["source", "estimates", "rule", *METRICS], rows)

    def __str__(self) -> str:
        rules = dict.fromkeys((score.gated, score.rule) for score in self.scores if score.rule != "silent")
        titles = {True: "muted where annotated silent", False: "unchanged"}
        tables = ([f"{titles[gated]}, rule {rule}", *self.table(rule, gated)] for gated, rule in rules)
        return "\n\n".join("\n".join(lines) for lines in tables)

    def table(self, rule: str, gated: bool) -> list[str]:
        """Return a line for each source: values in dB, with the number of frames in brackets."""
        shown = [score for score in self.scores if score.gated == gated and score.rule in (rule, "silent")]
        sources = dict.fromkeys(score.source for score in shown)
        width = max(12, *map(len, sources)) if sources else 12
        lines = [f"  {'dB (frames)':{width}}" + "".join(f"{metric:>15}" for metric in METRICS)]
        for source in sources:
            cells = {score.metric: score for score in shown if score.source == source}
            texts = (_format_score(cells[metric]) for metric in METRICS)
            lines.append(f"  {source:{width}}" + "".join(f"{text:>15}" for text in texts))
        return lines


def evaluate(song: Song, estimates: Mapping[str, np.ndarray], settings: EvaluateConfig) -> Evaluation:
    """Score estimates of a song's stems.

    Gated estimates are multiplied by the activations without fades, as in the paper.

    Args:
      song: the song, with its stems, and with its annotation if the settings ask for gated estimates.
      estimates: {source: (C, T)} at the song's rate.
      settings: frames, engine, and whether estimates are gated.

    Raises:
      InputError: the song has no stems, or no annotation for gated estimates; or the estimates do not fit the stems.
    """
    return Evaluation(
        tuple(
            score
            for gated, est_SxCxT in iterate_outputs(song, estimates, settings)
            for score in iterate_scores(song, est_SxCxT, gated, compute_bss_eval(song, est_SxCxT, settings), settings)
        )
    )


def iterate_outputs(
    song: Song, estimates: Mapping[str, np.ndarray], settings: EvaluateConfig
) -> Iterator[tuple[bool, np.ndarray]]:
    """Yield the kinds of outputs to score, plain and gated, as pairs: whether it is gated, and its estimates (S, C, T).

    Raises:
      InputError: an estimate is missing or has another shape; or there is no annotation, and only gated estimates are
        to be scored.
    """
    if missing := ", ".join(source for source in song.sources if source not in estimates):
        raise InputError(f"{song.mixture.name}: no estimate of {missing}")
    chosen = [estimates[source] for source in song.sources]
    if len(shapes := {np.shape(est_CxT) for est_CxT in chosen}) > 1:
        raise InputError(
            f"{song.mixture.name}: estimates must be of one shape (channels, samples), not {sorted(shapes)}"
        )
    est_SxCxT = np.stack(chosen)
    if settings.outputs != "gated":
        yield False, est_SxCxT
    labels = song.annotation
    if settings.outputs == "gated" or (settings.outputs == "both" and labels is not None):
        if labels is None or labels.sources != song.sources:
            raise InputError(f"{song.mixture.name}: gated estimates need an annotation of {', '.join(song.sources)}")
        gate_SxT = annotation.compute_gains(labels, song.mixture.n_samples, song.mixture.rate_hz, fade_s=0)
        yield True, est_SxCxT * gate_SxT[:, None]


def compute_bss_eval(song: Song, est_SxCxT: np.ndarray, settings: EvaluateConfig) -> Scores:
    """Compute SDR, ISR, SIR and SAR in every frame with the engine of the settings."""
    if settings.engine == "museval":
        return museval.score_with_museval(song.require_stems(), est_SxCxT, song.mixture.rate_hz, settings)
    return bsseval.score(_prepare(song, settings), est_SxCxT)


def iterate_scores(
    song: Song, est_SxCxT: np.ndarray, gated: bool, frame_scores: Scores, settings: EvaluateConfig
) -> Iterator[Score]:
    """Yield the scores of one kind of outputs, given its result of `compute_bss_eval`."""
    # museval drops frames in which any source is silent, so that it has no scores by the rule "target".
    for rule in get_args(Rule) if settings.engine == "bsseval" else ("museval",):
        for metric, summary in bsseval.summarise(frame_scores, rule).items():
            for source, value_db, n_frames in zip(song.sources, *summary, strict=True):
                yield Score(gated, rule, source, metric, _drop_nan(value_db), int(n_frames))
    frames = song.mixture.rate_hz, settings.window_s, settings.hop_s
    for source, stem_CxT, est_CxT in zip(song.sources, song.require_stems(), est_SxCxT, strict=True):
        for metric, measure in (("PES", levels.compute_pes), ("EPS", levels.compute_eps)):
            level = measure(stem_CxT, est_CxT, *frames)
            yield Score(gated, "silent", source, metric, _drop_nan(level.db), level.frames)


@functools.lru_cache(maxsize=2)
def _prepare(song: Song, settings: EvaluateConfig) -> bsseval.PreparedStems:
    """Return the prepared stems of a song; they are cached for further estimates of the last songs."""
    return bsseval.prepare(song.require_stems(), song.mixture.rate_hz, settings)


def _drop_nan(value_db: float) -> float | None:
    return None if np.isnan(value_db) else float(value_db)


def _format_score(score: Score) -> str:
    return "–" if score.value_db is None else f"{score.value_db:.2f} ({score.n_frames})"
