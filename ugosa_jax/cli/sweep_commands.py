"""The commands `ugosa-jax sweep run`, `status` and `collect`."""

import collections
import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ugosa_jax import files
from ugosa_jax.cli import options
from ugosa_jax.cli.output import cache_compiled_programs, print_above_bars, print_line
from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError, error_context, require_extra, to_one_line
from ugosa_jax.sweeps import cluster, executor, grid, lock, results, search, sweep, tensorboard
from ugosa_jax.sweeps.cell import Cell
from ugosa_jax.sweeps.executor import Executor, LocalExecutor
from ugosa_jax.sweeps.grid import Grid
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
        cluster.import_ray(parse_address(args.ray))
    if args.tensorboard:
        tensorboard.check_installed()
    cache_compiled_programs()
    asked = load_sweep(args)
    if asked.grid.search is not None:
        search.check_installed()
    cells = sweep.list_cells(asked)
    results.check_folder(asked.folder)
    with lock.lock_folder(asked.folder):
        results.write_plan(asked.folder, asked.grid, cells, asked.base.fingerprint)
        with contextlib.closing(make_executor(args.ray)) as runs:
            if asked.grid.search is None:
                size = f"{len(asked.tracks)} songs × {len(asked.grid.adapt)} settings = {len(cells)} cells"
                print_line(f"{asked.grid.name}: {size} in {asked.folder}")
                n_failed = run_cells(args, asked, cells, runs)
            else:
                n_failed = run_search(args, asked, runs)
    # A cell that is run again for missing files keeps its record if it fails now, but counts as failed.
    return max(print_summary(asked.folder), int(n_failed > 0))


def make_executor(ray: tuple[str, ...] | None) -> Executor:
    """Return an executor that runs cells in this process, or on a Ray cluster.

    Raises:
      InputError: Ray is not installed, or there is no such cluster.
    """
    return LocalExecutor() if ray is None else cluster.RayExecutor(parse_address(ray), print_above_bars)


def parse_address(ray: tuple[str, ...]) -> str:
    """Return the address given with --ray, or "local", which starts a cluster, if none is given."""
    if len(ray) > 1:
        raise InputError(f"--ray: accepts one address, not {' '.join(ray)!r}")
    return ray[0] if ray else "local"


def run_cells(args: options.RunSweep, asked: Sweep, cells: Sequence[Cell], runs: Executor) -> int:
    """Run the cells that have no results yet, with a progress bar; return the number of cells that failed."""
    todo = select_unfinished(args, asked, cells)
    failed = []
    with tqdm(total=len(cells), initial=len(cells) - len(todo), unit="cell", smoothing=0.1) as bar:

        def on_cell(cell: Cell, record: dict[str, Any]) -> None:
            if record["status"] == "failed":
                failed.append(cell)
                bar.write(to_one_line(f"failed: {cell.song}, {cell.adapt.strategy}: {record['error']}"))
            if args.tensorboard:
                tensorboard.write_run(asked.folder / "tensorboard", cell, record)
            bar.set_postfix_str(to_one_line(f"{cell.song[:20]} {cell.adapt.strategy}"))
            bar.update()

        try:
            executor.run_cells(asked, todo, runs, on_cell)
        except KeyboardInterrupt:
            bar.close()
            print("interrupted; run the same command again to continue")
            raise
    return len(failed)


def run_search(args: options.RunSweep, asked: Sweep, runs: Executor) -> int:
    """Search for the best settings of a grid and print them; return the number of cells that failed."""
    space, wanted = asked.grid.space, asked.grid.search
    assert space and wanted
    print_line(f"{asked.grid.name}: {wanted.settings} settings, {len(asked.tracks)} songs, in {asked.folder}")
    sha256, planned, failed = sweep.hash_songs(asked), {}, []

    def run_settings(settings: Sequence[AdaptConfig]) -> list[list[Cell]]:
        cells = [sweep.make_cells(asked, [one], sha256) for one in settings]
        new = {cell.id: cell for group in cells for cell in group}
        planned.update(new)
        results.write_plan(asked.folder, asked.grid, [*planned.values()], asked.base.fingerprint)
        failed.append(run_cells(args, asked, [*new.values()], runs))
        return cells

    best = search.find_best(space, wanted, asked.folder, run_settings)
    values = {key: getattr(best.adapt, key) for key in (*space.choices, *space.ranges, "epochs")}
    settings = ", ".join(
        f"{key} = {value:.4g}" if isinstance(value, float) else f"{key} = {value}" for key, value in values.items()
    )
    print_line(f"best of {best.n_tried} settings, {best.n_dropped} stopped early: {settings}")
    print_line(f"its {wanted.score}: {best.score_db:.2f} dB, mean over songs and sources")
    return sum(failed)


def select_unfinished(args: options.RunSweep, asked: Sweep, cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells to run; write missing TensorBoard files of the cells that are done."""
    known = results.read_cells(asked.folder)
    done = [cell for cell in cells if cell.id in known and known[cell.id]["status"] == "done"]
    if args.tensorboard:
        for cell in done:
            tensorboard.write_run(asked.folder / "tensorboard", cell, known[cell.id])
    again = {cell.id for cell in done if not all(path.exists() for path in results.list_kept_files(asked, cell))}
    if again:
        print_line(f"{len(again)} cells are done, but some of the requested files are missing; they are run again")
    finished = {cell.id for cell in done} if args.retry else known.keys()
    return [cell for cell in cells if cell.id in again or cell.id not in finished]


def load_sweep(args: options.RunSweep) -> Sweep:
    """Read the grid, list the songs and load the network."""
    asked = read_grid(args)
    return Sweep(
        asked,
        hub.load_network(str(asked.weights)),
        sweep.find_tracks(asked.songs),
        args.results or Path("sweeps") / asked.name,
        args.lanes,
        args.keep_deltas,
        args.keep_stems,
    )


def read_grid(args: options.RunSweep) -> Grid:
    """Read the grid with the changes of the command line; if it names no weights, use the best ones and print them."""
    with error_context("--set"):
        changes = [grid.parse_change(change) for change in args.set]
    asked = grid.read(args.grid, changes, args.weights)
    if asked.weights is None:
        choice = hub.choose_best()
        print_line(f"weights    {choice}")
        asked = grid.read(args.grid, changes, choice.name)
    if args.songs is not None:
        asked = dataclasses.replace(asked, songs=dataclasses.replace(asked.songs, folder=str(args.songs)))
    return asked


def status(args: options.Status) -> int:
    """Print the progress of a sweep; return 1 if cells failed, else 0."""
    return print_summary(args.results)


def print_summary(folder: Path) -> int:
    """Print the number of cells in each state, times and errors; return 1 if any cell failed."""
    driver = lock.find_driver(folder)
    planned, cells = results.read_plan(folder)["cells"], results.read_cells(folder)
    records = [cells.get(one["id"], {"status": "missing"}) for one in planned]
    count = collections.Counter(record["status"] for record in records)
    done = [record["adaptation"] for record in records if record["status"] == "done"]
    not_done = f"{count['failed']} failed, {count['missing']} missing"
    print_line(f"{folder}: {count['done']} of {len(planned)} cells done, {not_done}")
    if driver:
        print_line(f"running: {driver}")
    if done:
        adapting_s = sum(sum(of["timing"].values()) / of["lanes"] for of in done)
        scoring_s = sum(of["separation_s"] + of["evaluation_s"] for of in done)
        print_line(f"adapting took {adapting_s:.0f} s, separating and scoring {scoring_s:.0f} s")
        if left := count["missing"]:
            print_line(f"about {left * (adapting_s + scoring_s) / len(done) / 60:.0f} min of work remain")
    if stopped := sum(of["stopped_at"] is not None for of in done):
        print_line(f"{stopped} stopped early because the loss was not finite; the weights before that were scored")
    reasons = collections.Counter(record["error"] for record in records if record["status"] == "failed")
    for reason, times in reasons.most_common():
        print(f"failed {times} times: {reason}" if times > 1 else f"failed: {reason}")
    return 1 if count["failed"] else 0


def collect(args: options.Collect) -> int:
    """Write the scores of results directories as one tidy table; return 0.

    Raises:
      InputError: a directory has no cell that is done, or the table cannot be written.
    """
    if not args.results:
        raise InputError("RESULTS: give at least one results directory")
    if args.out.suffix not in (".csv", ".parquet"):
        raise InputError(f"{args.out}: the table must be a .csv or .parquet file")
    with require_extra("reports"):
        import pandas as pd

        from ugosa_jax.sweeps import score_table
    if args.out.suffix == ".parquet":
        with require_extra("parquet"):
            import pyarrow  # noqa: F401
    whole = pd.concat([score_table.read_scores(folder) for folder in args.results], ignore_index=True)
    if whole.duplicated(list(set(whole.columns) - {"value_db", "n_frames"})).any():
        raise InputError("the results directories hold the same cells of the same sweep; give each of them once")
    with files.replace_when_done(args.out) as temporary:
        if args.out.suffix == ".parquet":
            whole.to_parquet(temporary, index=False)
        else:
            whole.to_csv(temporary, index=False)
    print_line(f"{args.out}: {len(whole)} scores")
    return 0
