"""A worker of a sweep: it holds the network and one device, and runs units of cells that a driver gives it."""

import functools
import os
import threading
from collections.abc import Sequence

import jax

from ugosa_jax import device
from ugosa_jax.data.song import Song
from ugosa_jax.sweeps import batch, work
from ugosa_jax.sweeps.cell import Cell
from ugosa_jax.sweeps.sweep import Sweep, hash_of, song_of
from ugosa_jax.sweeps.work import Settled


class Worker:
    """Runs units in several threads: one loads while another one adapts and a third one scores.

    Args:
      sweep: what the driver works on; its settings stand in the cells.
      kind: of the device: CPU, GPU or TPU.
      threads: that a CPU may use.
    """

    def __init__(self, sweep: Sweep, kind: str, threads: int):
        if kind == "CPU":
            jax.config.update("jax_platforms", "cpu")
            os.environ["PJRT_NPROC"] = str(threads)  # XLA would use all cores of the machine
        device.keep_compiled_programs()
        self.sweep = sweep
        self.free_bytes = device.get_free_bytes()
        self.loading, self.adapting, self.scoring = threading.Lock(), threading.Lock(), threading.Lock()
        self.has_file = functools.cache(lambda name, sha256: hash_of(sweep.tracks[name], sweep.base) == sha256)
        self.load = functools.lru_cache(maxsize=4)(lambda name: song_of(sweep.tracks[name], sweep.base))

    def work(self, cells: Sequence[Cell], names: Sequence[str] = (), *songs: Song) -> list[Settled] | None:
        """Run cells.

        Args:
          cells: those of a unit.
          names: of the songs that the driver sends.
          songs: these songs.

        Returns:
          What became of the cells; None if a song that was not sent is not where the driver has it.
        """
        sweep, done = self.sweep, []
        given = dict(zip(names, songs, strict=True))

        def load(name: str) -> Song:
            return given[name] if name in given else self.load(name)

        def fail(cell: Cell, error: Exception) -> None:
            done.append(work.failed(cell, error))

        with self.loading:
            unsent = [one for one in cells if one.song not in given]
            if not all(self.has_file(one.song, one.determines["song_sha256"]) for one in unsent):
                return None
            packed = [*batch.batches(sweep.base, load, cells, sweep.lanes, self.free_bytes, fail)]
        for lanes in packed:
            with self.adapting:
                adapted = work.adapted(sweep.base, lanes, fail)
            with self.scoring:
                done += work.settled(sweep, adapted)
        return done
