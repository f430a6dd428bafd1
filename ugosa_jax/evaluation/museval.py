"""Scores computed by the museval package, and museval's JSON format of scores."""

import functools
import importlib.util
import json
import math
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import ugosa_jax
from ugosa_jax.config import EvaluateConfig
from ugosa_jax.errors import InputError, require
from ugosa_jax.evaluation import bsseval
from ugosa_jax.evaluation.bsseval import METRICS, NO_ERROR, NO_SIGNAL, Rule, Scores


def score_with_museval(
    stems_SxCxT: np.ndarray, est_SxCxT: np.ndarray, rate_hz: float, settings: EvaluateConfig
) -> Scores:
    """Score estimates with museval.

    Frames that museval drops are NaN under both rules. museval does not score songs in which a stem or an estimate is
    silent throughout; all their scores are NaN.

    Args:
      stems_SxCxT: the true stems.
      est_SxCxT: the estimates, in the same order.
      rate_hz: their sample rate.
      settings: length and hop of the frames.

    Raises:
      InputError: as `bsseval.prepare` and `bsseval.score`; museval is not installed, or fails on these stems.
    """
    bsseval.check_shape(stems_SxCxT, est_SxCxT)
    frames = bsseval.split_frames(stems_SxCxT.shape[-1], rate_hz, settings)
    scores_MxSxK = np.full((len(METRICS), len(stems_SxCxT), len(frames)), np.nan)
    whole = [(0, stems_SxCxT.shape[-1])]
    if not (bsseval.find_cancelled(stems_SxCxT, whole) | bsseval.find_cancelled(est_SxCxT, whole)).any():
        window, hop = int(settings.window_s * rate_hz), int(settings.hop_s * rate_hz)
        stems_SxTxC, est_SxTxC = stems_SxCxT.transpose(0, 2, 1), est_SxCxT.transpose(0, 2, 1)
        try:
            with np.errstate(divide="ignore", invalid="ignore"):
                results = _load_museval_metrics().bss_eval(stems_SxTxC, est_SxTxC, window=window, hop=hop)
        except AttributeError as error:  # its fallback for singular matrices uses an exception that NumPy 2 has removed
            raise InputError("engine: museval cannot solve for these stems; use bsseval") from error
        scores_MxSxK = np.stack(results[: len(METRICS)])
    return bsseval.mask_silent(scores_MxSxK, stems_SxCxT, est_SxCxT, frames)


def to_museval_json(scores: Scores, sources: Sequence[str], settings: EvaluateConfig, rule: Rule) -> str:
    """Return the scores of one song in museval's JSON format.

    As in museval, numbers have five decimals, and an undefined score is NaN. An infinite score is null, and the frame
    has an entry `reasons` beside its metrics. museval's EvalStore and MethodStore, which read files
    `<folder>/test/<song>.json`, ignore NaN and null.

    Args:
      scores: the song's scores.
      sources: names of the rows.
      settings: length and hop of the frames.
      rule: the frames that count.

    Raises:
      InputError: the numbers of names and rows differ.
    """
    require(len(sources) == len(scores.sdr_SxK), "sources", f"{len(scores.sdr_SxK)} names", list(sources))
    metrics = scores.mask_frames(rule)
    targets = []
    for row, source in enumerate(sources):
        frames = [
            {"time": k * settings.hop_s, "duration": settings.window_s}
            | _describe_frame({metric: float(scores_SxK[row, k]) for metric, scores_SxK in metrics.items()})
            for k in range(scores.sdr_SxK.shape[1])
        ]
        targets.append({"name": source, "frames": frames})
    version = f"0.4.1, by ugosa_jax {ugosa_jax.__version__}"
    return json.dumps({"targets": targets, "museval_version": version}, indent=2) + "\n"


def _describe_frame(scores_db: dict[str, float]) -> dict[str, dict[str, Any]]:
    infinite = {metric: NO_ERROR if db > 0 else NO_SIGNAL for metric, db in scores_db.items() if math.isinf(db)}
    metrics = {metric: None if metric in infinite else round(db, 5) for metric, db in scores_db.items()}
    return {"metrics": metrics} | ({"reasons": infinite} if infinite else {})


@functools.cache
def _load_museval_metrics() -> types.ModuleType:
    """Load only museval's module `metrics`, because the package cannot be imported without ffmpeg."""
    package = importlib.util.find_spec("museval")
    if package is None or package.origin is None:
        raise InputError("engine: museval is not installed")
    spec = importlib.util.spec_from_file_location("museval_metrics", Path(package.origin).with_name("metrics.py"))
    assert spec is not None and spec.loader is not None
    metrics = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(metrics)
    return metrics
