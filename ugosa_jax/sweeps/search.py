"""A search for the best settings: Optuna suggests, cells score on every song, and what falls behind is given up.

Settings are tried a generation at a time, so that those that differ in λ or learning rate alone share a program and the
frozen stages of a song. Numbers of epochs are the rungs of a ladder, each twice the one before: a setting is scored on
the lowest one, and climbs as long as its score is not below the median of the earlier ones there. What it is worth is
its best rung.

The results directory is all the memory that a search has. With the same seed it asks for the same cells again, and
finds them there.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ugosa_jax.config import AdaptConfig, SearchConfig
from ugosa_jax.errors import InputError, require_extra
from ugosa_jax.evaluation.scoring import read_value
from ugosa_jax.sweeps import results
from ugosa_jax.sweeps.cell import Cell
from ugosa_jax.sweeps.grid import canonical
from ugosa_jax.sweeps.space import Space

STARTS = 1
"""Generations before any setting is given up: a median needs some scores."""


@dataclasses.dataclass(frozen=True)
class Best:
    """What a search has found.

    Attributes:
      adapt: the settings.
      score_db: mean over songs and sources.
      n_tried: settings that were scored.
      n_given_up: those of them that did not climb to the top.
    """

    adapt: AdaptConfig
    score_db: float
    n_tried: int
    n_given_up: int


def check() -> None:
    """Raise InputError unless Optuna is installed."""
    with require_extra("search"):
        import optuna  # noqa: F401


def run(
    space: Space, asked: SearchConfig, folder: Path, score_of: Callable[[Sequence[AdaptConfig]], list[list[Cell]]]
) -> Best:
    """Search a space of settings.

    Args:
      space: what may be chosen.
      asked: how to search.
      folder: of the results.
      score_of: runs the cells of settings, where they have no results yet, and returns them, a list a setting.

    Raises:
      InputError: nothing could be scored.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=asked.seed, n_startup_trials=asked.together, constant_liar=True)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTS * asked.together, n_warmup_steps=0)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    while (left := asked.settings - len(study.trials)) > 0:
        generation = {trial.number: trial for trial in (study.ask() for _ in range(min(left, asked.together)))}
        suggested = {number: suggest(trial, space) for number, trial in generation.items()}
        reached: dict[int, dict[int, float]] = {number: {} for number in generation}
        climbing = list(generation)
        for epochs in space.rungs:
            settings = [canonical(AdaptConfig(**suggested[number], epochs=epochs)) for number in climbing]
            scores = [score(folder, cells, asked) for cells in score_of(settings)]
            for number, value in zip(climbing, scores, strict=True):
                if value is not None:
                    reached[number][epochs] = value
                    generation[number].report(value, epochs)
            climbing = [n for n in climbing if epochs in reached[n] and not generation[n].should_prune()]
            if not climbing:
                break
        for number, trial in generation.items():
            trial.set_user_attr("suggested", suggested[number])
            if not reached[number]:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            epochs, value = max(reached[number].items(), key=lambda rung: rung[1])
            trial.set_user_attr("epochs", epochs)
            trial.set_user_attr("given_up", number not in climbing)
            study.tell(trial, value)
    scored = [trial for trial in study.trials if trial.value is not None]
    if not scored:
        raise InputError("search: no setting could be scored; ugosa-jax sweep status says why")
    best = max(scored, key=lambda trial: trial.value or 0.0)
    found = canonical(AdaptConfig(**best.user_attrs["suggested"], epochs=best.user_attrs["epochs"]))
    n_given_up = sum(trial.user_attrs["given_up"] for trial in scored)
    return Best(found, float(best.value or 0.0), len(scored), n_given_up)


def suggest(trial: Any, space: Space) -> dict[str, Any]:
    """Return the settings that Optuna suggests, but for the epochs."""
    chosen = dict(space.fixed)
    for key, values in space.choices.items():
        chosen[key] = trial.suggest_categorical(key, values)
    for key, of in space.ranges.items():
        if isinstance(of.low, int):
            chosen[key] = trial.suggest_int(key, of.low, int(of.high), log=of.log)
        else:
            chosen[key] = trial.suggest_float(key, of.low, of.high, log=of.log)
    return chosen


def score(folder: Path, cells: Sequence[Cell], asked: SearchConfig) -> float | None:
    """Return the mean over songs and sources of the score that is searched for; None if a cell of a song failed.

    A source counts where it is not silent itself, as the paper scores; gated estimates count before plain ones.
    """
    known = [results.read_cell(folder, cell) for cell in cells]
    of_songs = []
    for record in known:
        if record is None or record["status"] != "done":
            return None
        rows = [row for row in record["scores"] if (row["metric"], row["rule"]) == (asked.score, "target")]
        is_gated = any(row["gated"] for row in rows)
        values = [value for row in rows if row["gated"] == is_gated and (value := read_value(row)) is not None]
        if values:
            of_songs.append(np.mean(values))
    return float(np.mean(of_songs)) if of_songs and not np.isnan(of_songs).any() else None
