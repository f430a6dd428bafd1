"""A sweep: the cells of a grid, adapted in batches of lanes, scored and stored.

The main thread adapts. A second one separates, scores and writes what the first has done; a third one loads and cuts
the songs of the next batch.
"""

import concurrent.futures
import contextlib
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ugosa_jax import api, device, files
from ugosa_jax.adaptation import bags, engine, record, strategy
from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.config import SongsConfig
from ugosa_jax.data import datasets, sound
from ugosa_jax.data.datasets import Track
from ugosa_jax.errors import InputError
from ugosa_jax.evaluation import scoring
from ugosa_jax.networks import checkpoint
from ugosa_jax.networks.bag import Weights
from ugosa_jax.sweeps import batch, results
from ugosa_jax.sweeps.batch import Lane
from ugosa_jax.sweeps.cell import Cell, cell
from ugosa_jax.sweeps.grid import Grid

PENDING = 1
"""Batches that are adapted and wait to be scored, at most: a process that is killed loses them."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What a sweep works on.

    Attributes:
      grid: what to do.
      base: the network to start from.
      tracks: the songs by name.
      folder: of the store.
      lanes: cells that run side by side; None: as many as fit into the memory of a GPU or TPU, one on a CPU, whose
        cores one lane keeps busy.
      keep_deltas: store tuned layers too.
      keep_stems: store estimates too.
    """

    grid: Grid
    base: Weights
    tracks: dict[str, Track]
    folder: Path
    lanes: int | None = None
    keep_deltas: bool = False
    keep_stems: bool = False


def tracks(songs: SongsConfig) -> dict[str, Track]:
    """Return the songs that a grid speaks of, by name.

    Raises:
      InputError: no folder is named, or it does not hold them.
    """
    if songs.folder is None:
        raise InputError("songs: no folder is named; write folder = … under [songs], or say --songs FOLDER")
    root = Path(songs.folder)
    subset = songs.subset if datasets.recognise(root).startswith("musdb") else None
    return {track.name: track for track in datasets.tracks(root, subset, songs.limit, songs.names or None)}


def cells_of(sweep: Sweep) -> list[Cell]:
    """Return all cells of a sweep, song by song.

    Raises:
      InputError: a strategy does not exist for the network.
    """
    grid, fingerprint = sweep.grid, sweep.base.fingerprint
    every = dict.fromkeys(strategy.resolved(settings, sweep.base.architecture) for settings in grid.adapt)
    return [
        cell(name, sha256, fingerprint, settings, grid.separate, grid.evaluate)
        for name, sha256 in ((track.name, hash_of(track, sweep.base)) for track in sweep.tracks.values())
        for settings in every
    ]


def hash_of(track: Track, base: Weights) -> str:
    """Return the hashes of a song's files, its annotation among them; "unreadable" if they cannot be read."""
    with contextlib.suppress(InputError):
        paths = [*datasets.inputs(track, base.architecture.sources).values(), *filter(None, [track.annotation])]
        return " ".join(files.sha256_of(path) for path in paths)
    return "unreadable"


def run(sweep: Sweep, cells: Sequence[Cell], on_cell: Callable[[Cell, dict[str, Any]], None]) -> None:
    """Adapt, score and store cells.

    A cell whose song cannot be used is stored as failed, and the others go on. One that another process works on is
    left to it. When interrupted, what is adapted is still scored and stored.

    Args:
      sweep: what to work on.
      cells: those that are to be run.
      on_cell: called with each cell and its record when that is stored; from another thread.

    Raises:
      InputError: the store cannot be written.
    """

    def finish(done: list[tuple[Lane, AdaptationResult, dict[str, Any]]]) -> None:
        for lane, result, measured in done:
            try:
                estimates, outcome = scored(sweep, lane, result, measured)
            except (InputError, MemoryError, jax.errors.JaxRuntimeError) as error:  # absurd weights, a long song
                fail(lane.cell, error)
                continue
            keep(sweep, lane, result, estimates)
            write(lane.cell, outcome)

    def fail(failed: Cell, error: Exception) -> None:
        first_line = (str(error) or type(error).__name__).splitlines()[0]
        write(failed, {"status": "failed", "error": first_line, "environment": record.environment()})

    def write(cell: Cell, outcome: dict[str, Any]) -> None:
        if outcome["status"] == "done" or not results.has(sweep.folder, cell):  # what is done stays done
            results.write_cell(sweep.folder, cell, outcome)
        release(cell)
        on_cell(cell, outcome)

    with results.at_work(sweep.folder) as (claim, release), concurrent.futures.ThreadPoolExecutor(1) as host:
        pending: list[concurrent.futures.Future] = []

        def fail_later(failed: Cell, error: Exception) -> None:
            pending.append(host.submit(fail, failed, error))

        def take(one: Cell) -> bool:  # unless another process was faster, or works on it
            return not (results.has(sweep.folder, one) and has_kept(sweep, one)) and claim(one)

        packed = batch.batches(sweep.base, sweep.tracks, cells, sweep.lanes, take, fail_later)
        with contextlib.closing(batch.ahead(packed)) as coming:
            for lanes in coming:
                pending.append(host.submit(finish, adapted(sweep, lanes, fail_later)))
                while len(pending) > PENDING or (pending and pending[0].done()):
                    pending.pop(0).result()
        for future in pending:
            future.result()


def adapted(
    sweep: Sweep, lanes: list[Lane], fail: Callable[[Cell, Exception], None]
) -> list[tuple[Lane, AdaptationResult, dict[str, Any]]]:
    """Run a batch; in two halves if the device's memory does not suffice."""
    try:
        adaptations = run_lanes(sweep.base, lanes)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        if len(lanes) == 1:
            fail(lanes[0].cell, error)
            return []
        half = len(lanes) // 2
        return adapted(sweep, lanes[:half], fail) + adapted(sweep, lanes[half:], fail)
    measured = {"lanes": len(lanes), "process_peak_bytes": device.peak_bytes()}
    return [(lane, result, measured) for lane, result in zip(lanes, adaptations, strict=True)]


def run_lanes(base: Weights, lanes: Sequence[Lane]) -> list[AdaptationResult]:
    """Adapt lanes of one shape; those of one song share it."""
    cuts = [lane.cut for lane in lanes if lane.cut is not None]
    settings = lanes[0].cell.adapt
    if not cuts:
        return [engine.unadapted() for _ in lanes]
    if len(lanes) == 1:
        return [bags.adapt(base, cuts[0], settings)]
    # Lanes are dealt out evenly over devices: where they do not go round, the last one runs more than once.
    missing = -len(lanes) % len(jax.local_devices())
    cuts += cuts[-1:] * missing
    songs = cuts[0] if all(cut is cuts[0] for cut in cuts) else cuts
    each = [lane.cell.adapt for lane in (*lanes, *[lanes[-1]] * missing)]
    lam, learning_rate = [one.lam for one in each], [one.learning_rate for one in each]
    adaptations = bags.adapt_lanes(base, songs, settings, lam, learning_rate)
    return adaptations[: len(lanes)]


def scored(
    sweep: Sweep, lane: Lane, result: AdaptationResult, measured: dict[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Separate a song with what its lane has learnt, and score that; return the estimates and the cell's record.

    Raises:
      InputError: the estimates are not finite.
    """
    started = time.perf_counter()
    estimates = api.separate(sweep.base, lane.song, sweep.grid.separate, result.tuned)
    separated = time.perf_counter()
    found = scoring.evaluate(lane.song, estimates, sweep.grid.evaluate)
    times = {"separation_s": separated - started, "evaluation_s": time.perf_counter() - separated}
    return estimates, {
        "status": "done",
        "error": None,
        "n_tuned": strategy.n_parameters(result.tuned),
        "adaptation": record.describe_adaptation(result) | times | measured,
        "scores": found.rows(),
        "notes": lane.song.notes,
        "environment": record.environment(),
    }


def has_kept(sweep: Sweep, cell: Cell) -> bool:
    """Tell whether all that is to be kept of a cell beside its record is there."""
    return all(path.exists() for path in kept(sweep, cell))


def kept(sweep: Sweep, cell: Cell) -> list[Path]:
    """Return the files that tuned layers and estimates of a cell are to be kept in; B0 tunes no layers."""
    delta = sweep.folder / "deltas" / f"{cell.id}.safetensors"
    stems = [sweep.folder / "stems" / cell.id / f"{source}.wav" for source in sweep.base.architecture.sources]
    return [delta] * (sweep.keep_deltas and cell.adapt.strategy != "B0") + stems * sweep.keep_stems


def keep(sweep: Sweep, lane: Lane, result: AdaptationResult, estimates: dict[str, np.ndarray]) -> None:
    """Store tuned layers and estimates, where that was asked for."""
    for path in kept(sweep, lane.cell):
        if path.suffix == ".wav":
            sound.write(path, estimates[path.stem], lane.song.mixture.rate_hz)
        else:
            checkpoint.save_delta(result.tuned, sweep.base, path, {"strategy": str(lane.cell.adapt.strategy)})
