"""The work on a batch of lanes: adapt them, separate their songs, score what comes out."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import msgspec
import numpy as np
import optax

from ugosa_jax import device
from ugosa_jax.adaptation import engine
from ugosa_jax.adaptation import song_adaptation as adaptation
from ugosa_jax.adaptation.engine import AdaptationResult, OnEpoch
from ugosa_jax.errors import InputError
from ugosa_jax.networks.protocol import Params
from ugosa_jax.song_job import job, record
from ugosa_jax.song_job.job import Job
from ugosa_jax.sweeps.batch import Lane
from ugosa_jax.sweeps.cell import Cell
from ugosa_jax.sweeps.sweep import Sweep
from ugosa_jax.weights.weights import Weights


@dataclasses.dataclass(frozen=True)
class Settled:
    """What became of a cell.

    Attributes:
      cell: which one.
      outcome: its record.
      tuned: its tuned layers, if they are to be kept.
      estimates: float32 (C, T) by source, if they are to be kept.
      rate_hz: of the estimates.
    """

    cell: Cell
    outcome: dict[str, Any]
    tuned: Params = dataclasses.field(default_factory=dict)
    estimates: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    rate_hz: int = 0


class Adapted(NamedTuple):
    """A lane that has been adapted, and what was measured of its batch."""

    lane: Lane
    result: AdaptationResult
    measured: dict[str, Any]


def failed(cell: Cell, error: Exception) -> Settled:
    """Return the record of a cell that could not be run."""
    first_line = (str(error) or type(error).__name__).splitlines()[0]
    return Settled(cell, {"status": "failed", "error": first_line, "environment": record.environment()})


def adapted(
    base: Weights, lanes: list[Lane], fail: Callable[[Cell, Exception], None], on_epoch: OnEpoch | None = None
) -> list[Adapted]:
    """Run a batch; in two halves if the device's memory does not suffice."""
    try:
        adaptations = run_lanes(base, lanes, on_epoch)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        if len(lanes) == 1:
            fail(lanes[0].cell, error)
            return []
        half = len(lanes) // 2
        return adapted(base, lanes[:half], fail, on_epoch) + adapted(base, lanes[half:], fail, on_epoch)
    measured = {"lanes": len(lanes), "process_peak_bytes": device.get_peak_bytes()}
    return [Adapted(lane, result, measured) for lane, result in zip(lanes, adaptations, strict=True)]


def run_lanes(base: Weights, lanes: Sequence[Lane], on_epoch: OnEpoch | None = None) -> list[AdaptationResult]:
    """Adapt lanes of one shape; those of one song share it."""
    songs = [lane.material for lane in lanes if lane.material is not None]
    settings = lanes[0].cell.adapt
    if not songs:
        return [engine.make_unadapted_result() for _ in lanes]
    if len(lanes) == 1:
        return [adaptation.adapt(base, songs[0], settings, on_epoch)]
    # Lanes are dealt out evenly over devices: where they do not go round, the last one runs more than once.
    missing = -len(lanes) % len(jax.local_devices())
    songs += songs[-1:] * missing
    each = [lane.cell.adapt for lane in (*lanes, *[lanes[-1]] * missing)]
    lam, learning_rate = [one.lam for one in each], [one.learning_rate for one in each]
    adaptations = adaptation.adapt_lanes(base, songs, settings, lam, learning_rate, on_epoch)
    return adaptations[: len(lanes)]


def settled(sweep: Sweep, batch: Sequence[Adapted]) -> Iterator[Settled]:
    """Separate and score the lanes of a batch, one after the other; those that cannot be scored fail alone."""
    for one in batch:
        try:
            yield scored(sweep, one)
        except (InputError, MemoryError, jax.errors.JaxRuntimeError) as error:  # absurd weights, a long song
            yield failed(one.lane.cell, error)


def scored(sweep: Sweep, one: Adapted) -> Settled:
    """Separate a song with what its lane has learnt, and score that.

    Raises:
      InputError: the estimates are not finite.
    """
    song, result, cell = one.lane.song, one.result, one.lane.cell
    done = job.score(Job(sweep.base, song, cell.adapt, sweep.grid.separate), result, sweep.grid.evaluate)
    said = record.adaptation(result, done.separation_s, done.evaluation_s)
    outcome = {
        "status": "done",
        "error": None,
        "n_tuned": optax.tree.size(result.tuned),
        "adaptation": msgspec.to_builtins(said) | one.measured,
        "scores": done.scores.rows(),
        "notes": song.notes,
        "environment": record.environment(),
    }
    tuned = jax.tree.map(np.asarray, result.tuned) if sweep.keep_deltas else {}
    return Settled(cell, outcome, tuned, done.stems if sweep.keep_stems else {}, song.mixture.rate_hz)
