"""A song with its true stems, and what estimates of them score.

What the stems alone determine is computed once a song and serves all its estimates.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np

from ugosa_jax.annotations import activation, annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import EvaluateConfig
from ugosa_jax.data import multitrack
from ugosa_jax.data.datasets import Track
from ugosa_jax.data.sound import Audio
from ugosa_jax.evaluation import bsseval, levels, museval
from ugosa_jax.evaluation.bsseval import Scores


@dataclasses.dataclass(frozen=True, eq=False)
class ScoredSong:
    """A song to be adapted to, and to be scored on.

    Attributes:
      mixture: what is separated.
      stems_SxCxT: what is to be found in it.
      labels: when each source plays.
      notes: what to know of it, in plain words.
    """

    mixture: Audio
    stems_SxCxT: np.ndarray
    labels: Annotation
    notes: tuple[str, ...] = ()


def load(track: Track, sources: Sequence[str]) -> ScoredSong:
    """Load a song; its annotation is the file beside its stems, or else made from them.

    Raises:
      InputError: stems or annotation cannot be used.
    """
    loaded = multitrack.load(track, sources)
    if track.annotation is not None:
        labels = annotation.read(track.annotation, sources)
    else:
        active_SxT = activation.active_from_stems(loaded.stems_SxCxT, loaded.mixture.rate_hz)
        labels = annotation.from_mask(active_SxT, loaded.mixture.rate_hz, sources)
    return ScoredSong(loaded.mixture, loaded.stems_SxCxT, labels, loaded.notes)


def scores(song: ScoredSong, estimates: Mapping[str, np.ndarray], settings: EvaluateConfig) -> list[dict[str, Any]]:
    """Score estimates of a song's stems.

    Gated estimates are multiplied by the activations as they are, without fades, as in the paper.

    Args:
      song: the song.
      estimates: {source: (C, T)} at the song's rate.
      settings: frames, engine, and whether sources are muted where they are annotated silent.

    Returns:
      A row a score: whether gated, rule, source, metric, value in dB (None if no frame counts), number of frames.
    """
    return [
        row
        for is_gated, est_SxCxT in outputs(song, estimates, settings)
        for row in rows(song, est_SxCxT, is_gated, bss_eval(song, est_SxCxT, settings), settings)
    ]


def outputs(
    song: ScoredSong, estimates: Mapping[str, np.ndarray], settings: EvaluateConfig
) -> Iterator[tuple[bool, np.ndarray]]:
    """Yield what is to be scored: whether muted where annotated silent, and the estimates (S, C, T)."""
    est_SxCxT = np.stack([estimates[source] for source in song.labels.sources])
    if settings.outputs != "gated":
        yield False, est_SxCxT
    if settings.outputs != "plain":
        gate_SxT = annotation.gate(song.labels, song.mixture.n_samples, song.mixture.rate_hz, fade_s=0)
        yield True, est_SxCxT * gate_SxT[:, None]


def bss_eval(song: ScoredSong, est_SxCxT: np.ndarray, settings: EvaluateConfig) -> Scores:
    """Return SDR, ISR, SIR and SAR in every frame, by the engine of the settings."""
    if settings.engine == "museval":
        return museval.with_museval(song.stems_SxCxT, est_SxCxT, song.mixture.rate_hz, settings)
    return bsseval.score(_prepared(song, settings), est_SxCxT)


def rows(
    song: ScoredSong, est_SxCxT: np.ndarray, is_gated: bool, scored: Scores, settings: EvaluateConfig
) -> list[dict[str, Any]]:
    """Return the rows of `scores` for one kind of outputs, whose frames `bss_eval` has scored."""
    found = []

    def row(rule: str, source: str, metric: str, value: float, n_frames: int) -> None:
        finite = float(value) if np.isfinite(value) else None
        found.append({"gated": is_gated, "rule": rule, "source": source, "metric": metric})
        found[-1] |= {"value_db": finite, "n_frames": int(n_frames)}

    # museval scores no source in a frame in which one is silent, so it has nothing to say about the rule "target".
    for rule in get_args(bsseval.Rule) if settings.engine == "bsseval" else ("museval",):
        for metric, summary in bsseval.summarise(scored, rule).items():
            for source, value, n_frames in zip(song.labels.sources, *summary, strict=True):
                row(rule, source, metric, value, n_frames)
    frames = song.mixture.rate_hz, settings.window_s, settings.hop_s
    for source, stem_CxT, est_CxT in zip(song.labels.sources, song.stems_SxCxT, est_SxCxT, strict=True):
        for metric, measure in (("PES", levels.pes), ("EPS", levels.eps)):
            row("silent", source, metric, *measure(stem_CxT, est_CxT, *frames))
    return found


@functools.lru_cache(maxsize=2)
def _prepared(song: ScoredSong, settings: EvaluateConfig) -> bsseval.Prepared:
    """Prepare a song; the last ones are kept, for estimates of one song tend to come together."""
    return bsseval.prepare(song.stems_SxCxT, song.mixture.rate_hz, settings)
