"""The job of adapting a network to one song and separating the song, for the command line, the studio and sweeps.

    SongJob ── adapt ──> Adapted ── run ────> SOURCE.wav, adapted layers, record.json, report.html
                                 └─ score ──> stems and scores in memory

The command line and the studio use `ugosa_jax.song_job.run`. A sweep adapts many songs side by side, then uses `score`.
"""

import dataclasses
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ugosa_jax.adaptation import engine, plan
from ugosa_jax.adaptation import song_adaptation as adaptation
from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.adaptation.plan import Plan
from ugosa_jax.adaptation.song_adaptation import Footprint
from ugosa_jax.config import AdaptConfig, EvaluateConfig, SeparateConfig
from ugosa_jax.data import stems
from ugosa_jax.data.song import Song
from ugosa_jax.data.writing import Encoding
from ugosa_jax.errors import InputError
from ugosa_jax.evaluation import scoring
from ugosa_jax.evaluation.leakage import LeakageMeter
from ugosa_jax.evaluation.scoring import Evaluation
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Params
from ugosa_jax.separation import chunks
from ugosa_jax.separation import song_separation as separation
from ugosa_jax.song_job.output_stage import OutputStage
from ugosa_jax.weights.weights import Weights, replace_params

Stage = Literal["adapting", "separating", "separating, not adapted"]


@dataclasses.dataclass(frozen=True)
class SongJob:
    """A song, a network, and the settings for adaptation and separation.

    Attributes:
      net: the network before adaptation.
      song: the song with its annotation.
      adapt: settings of the adaptation; strategy B0 adapts nothing.
      separate: settings of the separation.
      start: adapted layers of an earlier adaptation, from which this one continues.
      references: folder of the true stems, which are read when they are scored.
      encoding: sample format of the stems.
    """

    net: Weights
    song: Song
    adapt: AdaptConfig
    separate: SeparateConfig
    start: Params = dataclasses.field(default_factory=dict)
    references: Path | None = None
    encoding: Encoding = "float"

    @property
    def plan(self) -> Plan:
        """The loss and the stages that are tuned, of each network."""
        return plan.parse(self.adapt.strategy, self.net)


class Progress(NamedTuple):
    """The progress of a stage.

    Attributes:
      stage: the stage.
      done: number of finished epochs or chunks.
      total: their total number, if it is known.
      losses_Ix3: total, reconstruction and activation loss of each step of the last epoch.
    """

    stage: Stage
    done: int
    total: int | None
    losses_Ix3: np.ndarray | None = None

    def mean_losses(self) -> np.ndarray:
        """Return the means over the steps that were taken, or NaN."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Mean of empty slice")
            return np.full(3, np.nan) if self.losses_Ix3 is None else np.nanmean(self.losses_Ix3, 0)


OnProgress = Callable[[Progress], None]
"""Called when a stage begins and after each epoch or chunk. If it raises an exception, the job ends without files."""
OnFootprint = Callable[[Footprint], None]
"""Called with the memory needs before an adaptation begins."""


def ignore_progress(_: Progress | Footprint) -> None:
    """Do nothing."""


class Adapted(NamedTuple):
    """The outcome of an adaptation.

    Attributes:
      result: losses and adapted layers, including those of `SongJob.start`.
      footprint: memory that the adaptation needs; None if nothing was adapted.
      seconds: wall time.
    """

    result: AdaptationResult
    footprint: Footprint | None
    seconds: float


def adapt(
    job: SongJob, on_progress: OnProgress = ignore_progress, on_footprint: OnFootprint = ignore_progress
) -> Adapted:
    """Adapt the network to the song, starting from the layers of an earlier adaptation if there are any.

    Raises:
      InputError: as `ugosa_jax.adapt`.
    """
    if not job.plan.tuned:
        return Adapted(engine.make_unadapted_result(job.start), None, 0.0)
    started = time.perf_counter()
    net = replace_params(job.net, tree.merge(job.start, job.net.params)) if job.start else job.net
    material = adaptation.prepare(net, job.song, None, job.adapt)
    asked = time.perf_counter()
    footprint = adaptation.find_footprint(net, material, job.adapt)
    planned_s = time.perf_counter() - asked  # includes compiling: the footprint is read from the compiled program
    on_footprint(footprint)
    total = adaptation.count_epochs(net, job.adapt)
    on_progress(Progress("adapting", 0, total))

    def on_epoch(epoch: int, losses_LxIx3: np.ndarray) -> None:
        on_progress(Progress("adapting", epoch + 1, total, losses_LxIx3[0]))

    result = adaptation.adapt(net, material, job.adapt, on_epoch)
    timing = dataclasses.replace(result.timing, compile_s=result.timing.compile_s + planned_s)
    result = dataclasses.replace(result, tuned=tree.merge(result.tuned, job.start), timing=timing)
    return Adapted(result, footprint, time.perf_counter() - started)


class Separation:
    """An iterator over the stems of a song, in blocks (S, C, n) at the song's rate.

    Attributes:
      leakage: meter of the leakage of the network's output, complete after the last block; None without an annotation.
      seconds: wall time of the separation so far.
    """

    def __init__(self, job: SongJob, result: AdaptationResult, stage: Stage, on_progress: OnProgress = ignore_progress):
        """Prepare the separation, which starts when it is iterated over."""
        self.seconds = 0.0
        self._stage: Stage = stage
        self._on_progress = on_progress
        self.leakage: LeakageMeter | None = None
        if job.song.annotation is None:
            self._stems = separation.separate_song(
                job.net, job.song, job.separate, result.tuned, on_chunk=self._on_chunk
            )
            return
        as_is = dataclasses.replace(job.separate, gate=False, refine="none")
        own = separation.separate_song(job.net, job.song, as_is, result.tuned, on_chunk=self._on_chunk)
        finished = OutputStage(own, job.song, job.separate)
        self._stems, self.leakage = iter(finished), finished.leakage

    def _on_chunk(self, done: int, total: int) -> None:
        self._on_progress(Progress(self._stage, done, total))

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the blocks."""
        self._on_progress(Progress(self._stage, 0, None))
        while True:
            started = time.perf_counter()
            stems_SxCxn = next(self._stems, None)
            self.seconds += time.perf_counter() - started
            if stems_SxCxn is None:
                return
            yield stems_SxCxn


class Scored(NamedTuple):
    """Stems in memory, (C, T) by source, and their scores."""

    stems: dict[str, np.ndarray]
    scores: Evaluation
    separation_s: float
    evaluation_s: float


def score(job: SongJob, result: AdaptationResult, settings: EvaluateConfig) -> Scored:
    """Separate the song with adapted layers and score the stems, without writing files.

    Raises:
      InputError: the stems are not finite, or the song lacks true stems.
    """
    separated, mixture = Separation(job, result, "separating"), job.song.mixture
    shape = len(job.net.sources), min(mixture.n_channels, 2), mixture.n_samples
    estimates = dict(zip(job.net.sources, chunks.join_blocks(separated, shape), strict=True))
    started = time.perf_counter()
    scores = scoring.evaluate(job.song, estimates, settings)
    return Scored(estimates, scores, separated.seconds, time.perf_counter() - started)


def load_true_stems(job: SongJob) -> Song:
    """Return the song with its true stems, if they are known.

    Raises:
      InputError: the stems cannot be read, or do not fit the song.
    """
    folder, mixture, sources = job.references, job.song.mixture, job.net.sources
    if folder is None:
        return job.song
    stems_SxCxT, rate_hz = stems.read(stems.find_stems(folder, sources))
    formats = (rate_hz, *stems_SxCxT.shape[1:]), (mixture.rate_hz, min(mixture.n_channels, 2), mixture.n_samples)
    if formats[0] != formats[1]:
        have, need = ("{} Hz, {} channels, {} samples".format(*numbers) for numbers in formats)
        raise InputError(f"{folder}: the true stems have {have}, but the stems of {mixture.name} have {need}")
    return dataclasses.replace(job.song, stems_SxCxT=stems_SxCxT, sources=sources)
