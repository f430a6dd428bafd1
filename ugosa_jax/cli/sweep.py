"""The commands `ugosa-jax sweep …`: run, status, collect."""

import collections
import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ugosa_jax import files
from ugosa_jax.cli import options
from ugosa_jax.cli.output import keep_compiled_programs, say, say_above_bars
from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError, error_context, one_line, require_extra
from ugosa_jax.sweeps import cluster, engine, grid, lock, results, search, sweep, tensorboard
from ugosa_jax.sweeps.cell import Cell
from ugosa_jax.sweeps.executor import Executor, Local
from ugosa_jax.sweeps.sweep import Sweep
from ugosa_jax.weights import hub


def run(args: options.RunSweep) -> int:
    """Run the cells of a grid that have no results yet; return 1 if cells failed, else 0.

    Raises:
      InputError: grid, songs, network or results directory cannot be used.
    """
    if args.lanes is not None and args.lanes < 1:
        raise InputError(f"--lanes: must be at least 1, not {args.lanes}")
    if args.ray is not None:
        cluster.imported(address_of(args.ray))
    if args.tensorboard:
        tensorboard.check()
    keep_compiled_programs()
    wanted = sweep_of(args)
    if wanted.grid.search is not None:
        search.check()
    cells = sweep.cells_of(wanted)
    results.check(wanted.folder)
    with lock.held(wanted.folder):
        results.begin(wanted.folder, wanted.grid, cells, wanted.base.fingerprint)
        with contextlib.closing(executor(args.ray)) as runs:
            if wanted.grid.search is None:
                size = f"{len(wanted.tracks)} songs × {len(wanted.grid.adapt)} settings = {len(cells)} cells"
                say(f"{wanted.grid.name}: {size} in {wanted.folder}")
                n_failed = run_cells(args, wanted, cells, runs)
            else:
                n_failed = run_search(args, wanted, runs)
    return max(summary(wanted.folder), int(n_failed > 0))  # what was done before stays done, and yet lacks files


def executor(ray: tuple[str, ...] | None) -> Executor:
    """Return what runs cells: this process, or the workers of a Ray cluster.

    Raises:
      InputError: Ray is not installed, or there is no such cluster.
    """
    return Local() if ray is None else cluster.Cluster(address_of(ray), say_above_bars)


def address_of(ray: tuple[str, ...]) -> str:
    """Return the address that stands behind --ray; without one, a cluster is started here."""
    if len(ray) > 1:
        raise InputError(f"--ray: takes one address, not {' '.join(ray)!r}")
    return ray[0] if ray else "local"


def run_cells(args: options.RunSweep, wanted: Sweep, cells: Sequence[Cell], executor: Executor) -> int:
    """Run those of the cells that are to be run, and show how far they are; return how many failed."""
    todo = unfinished(args, wanted, cells)
    failed = []
    with tqdm(total=len(cells), initial=len(cells) - len(todo), unit="cell", smoothing=0.1) as bar:

        def on_cell(cell: Cell, outcome: dict[str, Any]) -> None:
            if outcome["status"] == "failed":
                failed.append(cell)
                bar.write(one_line(f"failed: {cell.song}, {cell.adapt.strategy}: {outcome['error']}"))
            if args.tensorboard:
                tensorboard.write(wanted.folder / "tensorboard", cell, outcome)
            bar.set_postfix_str(one_line(f"{cell.song[:20]} {cell.adapt.strategy}"))
            bar.update()

        try:
            engine.run(wanted, todo, executor, on_cell)
        except KeyboardInterrupt:
            bar.close()
            print("interrupted; the same command goes on from here")
            raise
    return len(failed)


def run_search(args: options.RunSweep, wanted: Sweep, executor: Executor) -> int:
    """Search the best settings of a grid, and say which they are; return how many cells failed."""
    space, asked = wanted.grid.space, wanted.grid.search
    assert space and asked
    say(f"{wanted.grid.name}: {asked.settings} settings, {len(wanted.tracks)} songs, in {wanted.folder}")
    sha256, planned, failed = sweep.hashes(wanted), {}, []

    def score_of(settings: Sequence[AdaptConfig]) -> list[list[Cell]]:
        cells = [sweep.cells_with(wanted, [one], sha256) for one in settings]
        planned.update((cell.id, cell) for its in cells for cell in its)
        results.begin(wanted.folder, wanted.grid, [*planned.values()], wanted.base.fingerprint)
        among = {cell.id: cell for its in cells for cell in its}
        failed.append(run_cells(args, wanted, [*among.values()], executor))
        return cells

    best = search.run(space, asked, wanted.folder, score_of)
    found = ", ".join(
        f"{key} = {getattr(best.adapt, key):.4g}"
        if isinstance(getattr(best.adapt, key), float)
        else f"{key} = {getattr(best.adapt, key)}"
        for key in (*space.choices, *space.ranges, "epochs")
    )
    say(f"best of {best.n_tried} settings, {best.n_given_up} given up early: {found}")
    say(f"its {asked.score}: {best.score_db:.2f} dB, mean over songs and sources")
    return sum(failed)


def unfinished(args: options.RunSweep, wanted: Sweep, cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells that are to be run; what TensorBoard lacks of the others is written."""
    known = results.read_cells(wanted.folder)
    done = [cell for cell in cells if cell.id in known and known[cell.id]["status"] == "done"]
    if args.tensorboard:
        for cell in done:
            tensorboard.write(wanted.folder / "tensorboard", cell, known[cell.id])
    again = {cell.id for cell in done if not engine.has_kept(wanted, cell)}
    if again:
        say(f"{len(again)} cells are done, but lack files that are to be kept; they are run again")
    settled = {cell.id for cell in done} if args.retry else known.keys()
    return [cell for cell in cells if cell.id in again or cell.id not in settled]


def sweep_of(args: options.RunSweep) -> Sweep:
    """Return what a command line and its grid ask for."""
    with error_context("--set"):
        changes = [grid.change_of(change) for change in args.set]
    asked = grid.read(args.grid, changes)
    if args.songs is not None:
        asked = dataclasses.replace(asked, songs=dataclasses.replace(asked.songs, folder=str(args.songs)))
    if args.weights is not None:
        asked = dataclasses.replace(asked, weights=args.weights)
    return Sweep(
        asked,
        hub.load_network(asked.weights),
        sweep.tracks(asked.songs),
        args.results or Path("sweeps") / asked.name,
        args.lanes,
        args.keep_deltas,
        args.keep_stems,
    )


def status(args: options.Status) -> int:
    """Print how far a sweep has come; return 1 if cells failed, else 0."""
    return summary(args.results)


def summary(folder: Path) -> int:
    """Print what became of the cells, what they took and still take, and what failed; return 1 if any failed."""
    driver = lock.holder(folder)
    planned, cells = results.plan(folder)["cells"], results.read_cells(folder)
    records = [cells.get(wanted["id"], {"status": "missing"}) for wanted in planned]
    count = collections.Counter(record["status"] for record in records)
    done = [record["adaptation"] for record in records if record["status"] == "done"]
    not_done = f"{count['failed']} failed, {count['missing']} missing"
    say(f"{folder}: {count['done']} of {len(planned)} cells done, {not_done}")
    if driver:
        say(f"at work: {driver}")
    if done:
        adapting_s = sum(sum(of["timing"].values()) / of["lanes"] for of in done)
        scoring_s = sum(of["separation_s"] + of["evaluation_s"] for of in done)
        say(f"adapting took {adapting_s:.0f} s, separating and scoring {scoring_s:.0f} s")
        if left := count["missing"]:
            say(f"about {left * (adapting_s + scoring_s) / len(done) / 60:.0f} min of work remain")
    if stopped := sum(of["stopped_at"] is not None for of in done):
        say(f"{stopped} stopped early, at a loss that was not finite: the last good weights were scored")
    reasons = collections.Counter(record["error"] for record in records if record["status"] == "failed")
    for reason, times in reasons.most_common():
        print(f"failed {times} times: {reason}" if times > 1 else f"failed: {reason}")
    return 1 if count["failed"] else 0


def collect(args: options.Collect) -> int:
    """Write the scores of one or more results directories as one tidy table; return 0.

    Raises:
      InputError: a directory has no cell that is done, or the table cannot be written.
    """
    if not args.results:
        raise InputError("RESULTS: name at least one results directory")
    if args.out.suffix not in (".csv", ".parquet"):
        raise InputError(f"{args.out}: a table is written as .csv or .parquet")
    with require_extra("reports"):
        import pandas as pd

        from ugosa_jax.sweeps import tidy
    if args.out.suffix == ".parquet":
        with require_extra("parquet"):
            import pyarrow  # noqa: F401
    whole = pd.concat([tidy.finished(folder) for folder in args.results], ignore_index=True)
    if whole.duplicated(list(set(whole.columns) - {"value_db", "n_frames"})).any():
        raise InputError("the results directories hold the same cells of the same sweep; name each of them once")
    with files.replaced_when_done(args.out) as temporary:
        if args.out.suffix == ".parquet":
            whole.to_parquet(temporary, index=False)
        else:
            whole.to_csv(temporary, index=False)
    say(f"{args.out}: {len(whole)} scores")
    return 0
