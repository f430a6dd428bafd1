"""Where a sweep keeps its results: a folder with one JSON file a cell.

    grid.toml                  the grid as its user wrote it
    plan.json                  the cells that the grid asks for
    cells/ID.json              a cell: settings, losses, timing, scores; or why it failed
    deltas/ID.safetensors, stems/ID/SOURCE.wav   if asked for
    running/HOST-PID.json   what a process works on, for as long as it does

Every file is complete or absent. Processes that share a results directory do not need to know of each other: what they
write for one cell is the same. What they say in `running` spares them doing it twice, and nothing else hangs on it.
"""

import contextlib
import dataclasses
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from ugosa_jax import files
from ugosa_jax.data import stems
from ugosa_jax.errors import InputError
from ugosa_jax.sweeps.cell import RESULTS_VERSION, Cell
from ugosa_jax.sweeps.grid import Grid
from ugosa_jax.sweeps.shapes import CellHead, Done, Plan, PlanHead

FORMAT = 2
BEAT_S = 20.0
"""How often a process says anew what it works on."""
STALE_S = 6 * BEAT_S
"""After so long without a word a process counts as gone, wherever it ran. Clocks of hosts may differ by less."""


def begin(folder: Path, grid: Grid, cells: Sequence[Cell], weights: str) -> None:
    """Make a results directory, or take up one again, possibly with a grid that has changed since.

    Args:
      folder: the results directory.
      grid: what was asked for.
      cells: the grid's cells.
      weights: fingerprint of the network.

    Raises:
      InputError: the folder holds something else, was has results of another version, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is not a folder")
    if (folder / "plan.json").exists():
        if (version := plan(folder)["results_version"]) != RESULTS_VERSION:
            compared = f"has results of version {version}; those of today, version {RESULTS_VERSION}, differ in numbers"
            raise InputError(f"{folder}: {compared}; name another folder")
    elif folder.exists() and not {path.name for path in stems.visible(folder)} <= {"grid.toml", "cells"}:
        raise InputError(f"{folder}: is neither empty nor a results directory of a sweep; name another folder")
    with files.replaced_when_done(folder / "grid.toml") as temporary:
        temporary.write_text(grid.text, "utf-8")
    listed = [{"id": cell.id, "song": cell.song, "adapt": dataclasses.asdict(cell.adapt)} for cell in cells]
    made_by = {"format": FORMAT, "results_version": RESULTS_VERSION, "grid": grid.name, "weights": weights}
    files.write_json(made_by | {"cells": listed}, folder / "plan.json")


def plan(folder: Path) -> Plan:
    """Return what a results directory was asked for.

    Raises:
      InputError: it is none, or one of another format.
    """
    path = folder / "plan.json"
    if not path.is_file():
        raise InputError(f"{folder}: is not a results directory of a sweep (it has no plan.json)")
    if (found := files.read_json(path, PlanHead)["format"]) != FORMAT:
        raise InputError(
            f"{folder}: has results of format {found}, of another version of ugosa_jax; this one reads "
            f"format {FORMAT}: run the grid into another folder"
        )
    return files.read_json(path, Plan)


def write_cell(folder: Path, cell: Cell, result: dict[str, Any]) -> None:
    """Write what became of a cell.

    Raises:
      InputError: the file cannot be written.
    """
    files.write_json({"id": cell.id} | cell.determines | result, folder / "cells" / f"{cell.id}.json")


def read_cells(folder: Path) -> dict[str, dict[str, Any]]:
    """Return {id: record} of the cells that are done or failed, of this grid or of earlier ones.

    Raises:
      InputError: a file is not what this module writes.
    """
    paths = sorted(path for path in (folder / "cells").glob("*.json") if not path.name.startswith("."))
    return {path.stem: _read_cell(path) for path in paths}


def has(folder: Path, cell: Cell) -> bool:
    """Tell whether a cell is done by now, perhaps by another process."""
    path = folder / "cells" / f"{cell.id}.json"
    return path.exists() and _read_cell(path)["status"] == "done"


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a process says that it works on.

    Attributes:
      host: the machine that it runs on.
      pid: its number there.
      said_s: when it said so, in seconds of Unix time.
      cells: IDs.
    """

    host: str
    pid: int
    said_s: float
    cells: tuple[str, ...]


@contextlib.contextmanager
def at_work(folder: Path) -> Iterator[tuple[Callable[[Cell], bool], Callable[[Cell], None]]]:
    """Say in a store what this process works on, as long as the block lasts; a thread says it anew every BEAT_S.

    Yields:
      `claim`, which returns whether a cell is this process's from now on: not if another one, alive, has it; and
      `release`, to be called when its result is stored. Two that claim at the same instant may both get a cell.

    Raises:
      InputError: the store cannot be written.
    """
    host, pid = socket.gethostname(), os.getpid()
    path = folder / "running" / f"{host}-{pid}.json"
    ids: set[str] = set()
    lock, ended = threading.Lock(), threading.Event()

    def say() -> None:
        with lock:
            files.write_json(dataclasses.asdict(Claim(host, pid, time.time(), tuple(sorted(ids)))), path)

    def beat() -> None:
        while not ended.wait(BEAT_S):
            with contextlib.suppress(InputError):  # a full disk stops who writes results
                say()

    def claim(cell: Cell) -> bool:
        if any(cell.id in other.cells for other in running(folder) if (other.host, other.pid) != (host, pid)):
            return False
        with lock:
            ids.add(cell.id)
        say()
        return True

    def release(cell: Cell) -> None:
        with lock:
            ids.discard(cell.id)

    for dead in [file for file, other in _claims(folder) if not _is_alive(other)]:
        with contextlib.suppress(OSError):
            dead.unlink()
    say()
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield claim, release
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(OSError):
            path.unlink()


def running(folder: Path) -> list[Claim]:
    """Return what the processes say that are at work on a store; those that were killed do not count."""
    return [claim for _, claim in _claims(folder) if _is_alive(claim)]


def _claims(folder: Path) -> Iterator[tuple[Path, Claim]]:
    """Yield claims and their files, but for those that are gone by now, or damaged."""
    for path in (folder / "running").glob("[!.]*.json"):
        with contextlib.suppress(InputError):
            yield path, files.read_json(path, Claim)


def _is_alive(claim: Claim) -> bool:
    """Tell whether a process still works on what it has claimed."""
    if abs(time.time() - claim.said_s) > STALE_S:
        return False
    if claim.host != socket.gethostname():
        return True
    try:
        process = psutil.Process(claim.pid)
        # One that started after the claim was made is another process with the same number.
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= claim.said_s + 1
    except (psutil.Error, ValueError, OverflowError):
        return False


def _read_cell(path: Path) -> Any:
    try:
        found = files.read_json(path, CellHead)
        return files.read_json(path, Done) if found["status"] == "done" else found
    except InputError as error:
        raise InputError(f"{error}; delete it, and its cell is run again") from error
