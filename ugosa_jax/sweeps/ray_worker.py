"""The worker of a sweep on a Ray cluster, which runs units of cells for the driver on one device."""

import functools
import os
import threading
from collections.abc import Sequence

import jax

from ugosa_jax import device
from ugosa_jax.data.song import Song
from ugosa_jax.sweeps import batch, processing
from ugosa_jax.sweeps.cell import Cell
from ugosa_jax.sweeps.processing import CellOutcome
from ugosa_jax.sweeps.sweep import Sweep, hash_song, load_song


class RayWorker:
    """A worker, which runs units of cells in three threads: one loads songs, another adapts, and a third scores.

    Args:
      sweep: the sweep of the driver; settings of the adaptation are taken from the cells.
      kind: kind of the device: CPU, GPU or TPU.
      threads: number of threads on a CPU.
    """

    def __init__(self, sweep: Sweep, kind: str, threads: int):
        if kind == "CPU":
            jax.config.update("jax_platforms", "cpu")
            os.environ["PJRT_NPROC"] = str(threads)  # XLA would use all cores of the machine
        device.cache_compiled_programs()
        self.sweep = sweep
        self.free_bytes = device.get_free_bytes()
        self.loading, self.adapting, self.scoring = threading.Lock(), threading.Lock(), threading.Lock()
        self.has_file = functools.cache(lambda name, sha256: hash_song(sweep.tracks[name], sweep.base) == sha256)
        self.load = functools.lru_cache(maxsize=4)(lambda name: load_song(sweep.tracks[name], sweep.base))

    def run_unit(self, cells: Sequence[Cell], names: Sequence[str] = (), *songs: Song) -> list[CellOutcome] | None:
        """Run the cells of a unit.

        Args:
          cells: the cells.
          names: names of the songs that the driver sends.
          songs: the songs that the driver sends.

        Returns:
          The outcomes; None if a song that the driver did not send is missing or different on this machine.
        """
        sweep, outcomes = self.sweep, []
        sent = dict(zip(names, songs, strict=True))

        def load(name: str) -> Song:
            return sent[name] if name in sent else self.load(name)

        def on_failure(cell: Cell, error: Exception) -> None:
            outcomes.append(processing.record_failure(cell, error))

        with self.loading:
            unsent = [one for one in cells if one.song not in sent]
            if not all(self.has_file(one.song, one.determinants["song_sha256"]) for one in unsent):
                return None
            batches = [*batch.iterate_batches(sweep.base, load, cells, sweep.lanes, self.free_bytes, on_failure)]
        for lanes in batches:
            with self.adapting:
                adapted = processing.adapt_batch(sweep.base, lanes, on_failure)
            with self.scoring:
                outcomes += processing.score_batch(sweep, adapted)
        return outcomes
