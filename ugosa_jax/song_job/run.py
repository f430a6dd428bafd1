"""A job whose outcome is a folder: stems, adapted layers, record and report; complete or absent."""

import collections
import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from ugosa_jax import files
from ugosa_jax.adaptation import engine, plan
from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.data.writing import Writer, open_writer
from ugosa_jax.evaluation.leakage import LeakageMeter
from ugosa_jax.song_job import record
from ugosa_jax.song_job.job import Adapted, Job, OnFootprint, OnProgress, Separation, adapt, unheard, with_true_stems
from ugosa_jax.song_job.names import ADAPTED_LAYERS, RECORD, REPORT
from ugosa_jax.song_job.output_stage import OutputStage
from ugosa_jax.song_job.record import Inputs, Record, Settings, Stem
from ugosa_jax.weights import adapted_layers
from ugosa_jax.weights.chain import Chain

if TYPE_CHECKING:
    from ugosa_jax.reports.song.report import Run


class Outcome(NamedTuple):
    """What came of a job.

    Attributes:
      adapted: the adaptation.
      record: what was written about it.
      spectra_db: of each stem, (F, N), where a report was written.
      leakage_db: by source, of the network's own output; None without an annotation.
    """

    adapted: Adapted
    record: Record
    spectra_db: dict[str, np.ndarray]
    leakage_db: dict[str, float] | None = None


def run(
    job: Job,
    inputs: Inputs,
    out: Path,
    *,
    report: bool = True,
    unadapted: Callable[[], OutputStage] | None = None,
    also: Callable[[Path, Outcome], None] | None = None,
    on_progress: OnProgress = unheard,
    on_footprint: OnFootprint = unheard,
) -> Outcome:
    """Adapt, separate, and write stems, adapted layers, record and report.

    Args:
      job: what to do.
      inputs: what the record says of what was read.
      out: folder to write to; other files there stay.
      report: whether to write one; it needs the packages of the extra `reports`.
      unadapted: returns the stems of the unadapted network, refined as those of the job, which the report compares
        with; separated anew if not given.
      also: writes more files into the folder, which is not complete before.
      on_progress: told how far the job is.
      on_footprint: told what memory the adaptation takes.

    Raises:
      InputError: an input cannot be used, or the folder not be written; nothing is left half-written then.
    """
    files.check_writable(out)  # shows before the work
    adapted = adapt(job, on_progress, on_footprint)
    with files.folder_when_done(out, RECORD) as folder:
        separated = Separation(job, adapted.result, "separating", on_progress)
        with _stem_files(folder, job) as writers:
            stretches = _written(writers, separated)
            leakage = separated.leakage
            shown = _look(job, inputs, adapted.result, stretches, leakage) if report else _exhaust(stretches)
        if job.plan.tuned:
            adapted_layers.save(adapted.result.tuned, job.net, folder / ADAPTED_LAYERS, {"strategy": job.plan.name})
        stems = {f"{source}.wav": Stem(writer.peak, writer.above) for source, writer in writers.items()}
        said = _record(job, inputs, adapted, separated.seconds, stems, shown)
        files.write_json(msgspec.to_builtins(said), folder / RECORD)
        if shown is not None:
            before = unadapted or (
                lambda: Separation(job, engine.make_unadapted_result(), "separating, not adapted", on_progress)
            )
            _write_report(folder, job, said, shown, before)
        spectra_db = {source: stem.spectrum_db_FxN for source, stem in shown.stems.items()} if shown else {}
        outcome = Outcome(adapted, said, spectra_db, leakage.compute_db() if leakage else None)
        if also is not None:
            also(folder, outcome)
    return outcome


@contextlib.contextmanager
def _stem_files(folder: Path, job: Job) -> Iterator[dict[str, Writer]]:
    """Open a file for each source; they are complete when the block ends well."""
    mixture = job.song.mixture
    shape = min(mixture.n_channels, 2), mixture.n_samples
    with contextlib.ExitStack() as opened:
        yield {
            source: opened.enter_context(open_writer(folder / f"{source}.wav", mixture.rate_hz, *shape, job.encoding))
            for source in job.net.sources
        }


def _written(writers: Mapping[str, Writer], stretches_SxCxn: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Write stretches and pass them on."""
    for stems_SxCxn in stretches_SxCxn:
        for writer, stem_Cxn in zip(writers.values(), stems_SxCxn, strict=True):
            writer.write(stem_Cxn)
        yield stems_SxCxn


def _exhaust(stretches: Iterable[np.ndarray]) -> None:
    collections.deque(stretches, maxlen=0)


def _record(
    job: Job, inputs: Inputs, adapted: Adapted, separation_s: float, stems: dict[str, Stem], shown: "Run | None"
) -> Record:
    """Return what there is to say of a job that is done."""
    settings = Settings(
        preset=inputs.preset,
        annotation=inputs.reading,
        adapt=dataclasses.asdict(job.adapt) if job.plan.tuned else None,
        separate=dataclasses.asdict(job.separate),
        encoding=job.encoding,
        features=adapted.footprint and adapted.footprint.features,
        members=_members(job) if job.plan.tuned and isinstance(job.net, Chain) else None,
    )
    return Record(
        song=inputs.song,
        annotation=inputs.annotation,
        weights=inputs.weights,
        delta=inputs.delta,
        settings=settings,
        environment=record.environment(),
        adaptation=record.adaptation(adapted.result, separation_s),
        outputs=stems,
        scores=shown.scores.rows() if shown and shown.scores else None,
    )


def _members(job: Job) -> dict[str, dict[str, Any]]:
    """Return the settings of each network of a chain."""
    return {name: dataclasses.asdict(own) for name, own in plan.split_settings(job.net, job.adapt).items()}


def _look(
    job: Job,
    inputs: Inputs,
    result: AdaptationResult,
    stretches_SxCxn: Iterable[np.ndarray],
    leakage: LeakageMeter | None,
) -> "Run":
    """Return what the report shows of stems that go by, and score them if the true ones are known."""
    from ugosa_jax.reports.song import report

    if job.plan.tuned:
        name, meaning = job.plan.name, "adapted"
    elif inputs.delta is not None:
        name, meaning = "delta", f"with {inputs.delta.file}"
    else:
        name, meaning = "B0", "not adapted"
    return report.run_of(with_true_stems(job), name, meaning, result, stretches_SxCxn, _excerpt_s(job), leakage)


def _write_report(
    folder: Path, job: Job, said: Record, shown: "Run", unadapted: Callable[[], OutputStage | Separation]
) -> None:
    """Write the report of what was separated, beside what the network gives before it is adapted."""
    from ugosa_jax.reports.song import facts, report

    runs, excerpt_s = [shown], _excerpt_s(job)
    if job.plan.tuned:
        song, nothing, stems = with_true_stems(job), engine.make_unadapted_result(), unadapted()
        runs.insert(0, report.run_of(song, "B0", "not adapted", nothing, stems, excerpt_s, stems.leakage))
    read = msgspec.to_builtins(said)
    report.write(folder / REPORT, job.song, excerpt_s, runs, facts.describe(read), read)


def _excerpt_s(job: Job) -> tuple[float, float]:
    """Return begin and end of what can be heard in the report."""
    from ugosa_jax.reports.song import report

    return report.excerpt(job.song, 2 if job.plan.tuned else 1)
