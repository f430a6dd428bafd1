"""Processing of a batch of cells: adaptation of the network, separation of the songs, scores of the stems."""

import dataclasses
import itertools
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
from ugosa_jax.song_job.job import SongJob
from ugosa_jax.sweeps.batch import LoadedCell
from ugosa_jax.sweeps.cell import Cell
from ugosa_jax.sweeps.sweep import Sweep
from ugosa_jax.weights.weights import Weights


@dataclasses.dataclass(frozen=True)
class CellOutcome:
    """The outcome of a cell.

    Attributes:
      cell: the cell.
      record: its record.
      tuned: its adapted layers, if the sweep keeps them.
      stems: float32 (C, T) by source, if the sweep keeps them.
      rate_hz: sample rate of the stems.
    """

    cell: Cell
    record: dict[str, Any]
    tuned: Params = dataclasses.field(default_factory=dict)
    stems: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    rate_hz: int = 0


class AdaptedCell(NamedTuple):
    """A cell after its adaptation, with measurements of its batch."""

    lane: LoadedCell
    result: AdaptationResult
    measured: dict[str, Any]


def record_failure(cell: Cell, error: Exception) -> CellOutcome:
    """Return the outcome of a cell that failed with an error."""
    first_line = (str(error) or type(error).__name__).splitlines()[0]
    return CellOutcome(cell, {"status": "failed", "error": first_line, "environment": record.describe_environment()})


def adapt_batch(
    base: Weights,
    lanes: list[LoadedCell],
    on_failure: Callable[[Cell, Exception], None],
    on_epoch: OnEpoch | None = None,
) -> list[AdaptedCell]:
    """Adapt a batch; if it does not fit into the memory of the device, adapt its halves."""
    try:
        adaptations = run_lanes(base, lanes, on_epoch)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        if len(lanes) == 1:
            on_failure(lanes[0].cell, error)
            return []
        half = len(lanes) // 2
        halves = (adapt_batch(base, some, on_failure, on_epoch) for some in (lanes[:half], lanes[half:]))
        return [*itertools.chain.from_iterable(halves)]
    measured = {"lanes": len(lanes), "process_peak_bytes": device.get_peak_bytes()}
    return [AdaptedCell(lane, result, measured) for lane, result in zip(lanes, adaptations, strict=True)]


def run_lanes(base: Weights, lanes: Sequence[LoadedCell], on_epoch: OnEpoch | None = None) -> list[AdaptationResult]:
    """Adapt cells of one shape as lanes of one program."""
    songs = [lane.material for lane in lanes if lane.material is not None]
    settings = lanes[0].cell.adapt
    if not songs:
        return [engine.make_unadapted_result() for _ in lanes]
    if len(lanes) == 1:
        return [adaptation.adapt(base, songs[0], settings, on_epoch)]
    # Every device gets the same number of lanes; if the batch is not a multiple, the last lane is repeated.
    missing = -len(lanes) % len(jax.local_devices())
    songs += songs[-1:] * missing
    each = [lane.cell.adapt for lane in (*lanes, *[lanes[-1]] * missing)]
    lam, learning_rate = [one.lam for one in each], [one.learning_rate for one in each]
    adaptations = adaptation.adapt_lanes(base, songs, settings, lam, learning_rate, on_epoch)
    return adaptations[: len(lanes)]


def score_batch(sweep: Sweep, batch: Sequence[AdaptedCell]) -> Iterator[CellOutcome]:
    """Separate and score the cells of a batch, one after the other; a cell that cannot be scored fails alone."""
    for one in batch:
        try:
            yield score_cell(sweep, one)
        except (InputError, MemoryError, jax.errors.JaxRuntimeError) as error:  # invalid weights, a long song
            yield record_failure(one.lane.cell, error)


def score_cell(sweep: Sweep, one: AdaptedCell) -> CellOutcome:
    """Separate a song with the adapted layers of its lane, and score the stems.

    Raises:
      InputError: the stems are not finite.
    """
    song, result, cell = one.lane.song, one.result, one.lane.cell
    scored = job.score(SongJob(sweep.base, song, cell.adapt, sweep.grid.separate), result, sweep.grid.evaluate)
    described = record.describe_adaptation(result, scored.separation_s, scored.evaluation_s)
    outcome = {
        "status": "done",
        "error": None,
        "n_tuned": optax.tree.size(result.tuned),
        "adaptation": msgspec.to_builtins(described) | one.measured,
        "scores": scored.scores.rows(),
        "notes": song.notes,
        "environment": record.describe_environment(),
    }
    tuned = jax.tree.map(np.asarray, result.tuned) if sweep.keep_deltas else {}
    return CellOutcome(cell, outcome, tuned, scored.stems if sweep.keep_stems else {}, song.mixture.rate_hz)
