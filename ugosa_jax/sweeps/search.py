"""Search for the best settings: Optuna suggests settings, cells score them on every song, and weak ones are dropped.

A group of settings, a generation, is scored at a time, so that settings that differ only in λ or learning rate share a
compiled program and the frozen stages of a song. The number of epochs increases in rungs, each twice the previous one
(successive halving with a median rule): a setting is scored on the lowest rung first, and continues to the next rung if
its score is not below the median of earlier settings on the same rung. The score of a setting is that of its best rung.

A search has no state other than the results directory. With the same seed, it requests the same cells and finds those
that are done.
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
from ugosa_jax.sweeps.search_space import SearchSpace

STARTS = 1
"""Number of generations before any setting is dropped, because a median needs some scores."""


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """The best settings that a search found.

    Attributes:
      adapt: the settings.
      score_db: their score, mean over songs and sources.
      n_tried: number of settings that were scored.
      n_dropped: number of settings that did not reach the top rung.
    """

    adapt: AdaptConfig
    score_db: float
    n_tried: int
    n_dropped: int


def check_installed() -> None:
    """Raise InputError unless Optuna is installed."""
    with require_extra("search"):
        import optuna  # noqa: F401


def find_best(
    space: SearchSpace,
    asked: SearchConfig,
    folder: Path,
    run_settings: Callable[[Sequence[AdaptConfig]], list[list[Cell]]],
) -> SearchResult:
    """Return the best settings in a space.

    Args:
      space: the settings to choose from.
      asked: settings of the search.
      folder: the results directory.
      run_settings: runs the cells of settings that have no results yet; returns all cells, one list for each setting.

    Raises:
      InputError: no setting could be scored.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=asked.seed, n_startup_trials=asked.together, constant_liar=True)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTS * asked.together, n_warmup_steps=0)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    while (left := asked.settings - len(study.trials)) > 0:
        generation = {trial.number: trial for trial in (study.ask() for _ in range(min(left, asked.together)))}
        suggested = {number: suggest_settings(trial, space) for number, trial in generation.items()}
        reached: dict[int, dict[int, float]] = {number: {} for number in generation}
        climbing = list(generation)
        for epochs in space.rungs:
            settings = [settings_at(space, suggested[number], epochs) for number in climbing]
            scores = [mean_score(folder, cells, asked) for cells in run_settings(settings)]
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
            trial.set_user_attr("dropped", number not in climbing)
            study.tell(trial, value)
    scored = [trial for trial in study.trials if trial.value is not None]
    if not scored:
        raise InputError("search: no setting could be scored; ugosa-jax sweep status shows the errors")
    best = max(scored, key=lambda trial: trial.value or 0.0)
    adapt = settings_at(space, best.user_attrs["suggested"], best.user_attrs["epochs"])
    n_dropped = sum(trial.user_attrs["dropped"] for trial in scored)
    return SearchResult(adapt, float(best.value or 0.0), len(scored), n_dropped)


def settings_at(space: SearchSpace, suggested: dict[str, Any], epochs: int) -> AdaptConfig:
    """Return suggested settings with the number of epochs of a rung."""
    return canonical(dataclasses.replace(space.start, **suggested, epochs=epochs))


def suggest_settings(trial: Any, space: SearchSpace) -> dict[str, Any]:
    """Return the settings that Optuna suggests, without the epochs."""
    chosen = {}
    for key, values in space.choices.items():
        chosen[key] = trial.suggest_categorical(key, values)
    for key, of in space.ranges.items():
        if isinstance(of.low, int):
            chosen[key] = trial.suggest_int(key, of.low, int(of.high), log=of.log)
        else:
            chosen[key] = trial.suggest_float(key, of.low, of.high, log=of.log)
    return chosen


def mean_score(folder: Path, cells: Sequence[Cell], asked: SearchConfig) -> float | None:
    """Return the score that the search maximises, the mean over songs and sources; None if the cell of a song failed.

    It is the score by the rule "target" of gated estimates if there are any, otherwise of plain ones.
    """
    known = [results.read_cell(folder, cell) for cell in cells]
    by_song = []
    for record in known:
        if record is None or record["status"] != "done":
            return None
        rows = [row for row in record["scores"] if (row["metric"], row["rule"]) == (asked.score, "target")]
        is_gated = any(row["gated"] for row in rows)
        values = [value for row in rows if row["gated"] == is_gated and (value := read_value(row)) is not None]
        if values:
            by_song.append(np.mean(values))
    return float(np.mean(by_song)) if by_song and not np.isnan(by_song).any() else None
