"""Run a job and write its folder: stems, adapted layers, record and report. If it fails, nothing is written."""

import collections
import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import numpy as np

from ugosa_jax import files
from ugosa_jax.adaptation import engine, plan
from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.data.writing import Writer, open_writer
from ugosa_jax.evaluation.leakage import LeakageMeter
from ugosa_jax.song_job.job import (
    Adapted,
    OnFootprint,
    OnProgress,
    Separation,
    SongJob,
    adapt,
    ignore_progress,
    load_true_stems,
)
from ugosa_jax.song_job.output_names import ADAPTED_LAYERS, RECORD, REPORT
from ugosa_jax.song_job.output_stage import OutputStage
from ugosa_jax.song_job.record import (
    InputsRecord,
    Record,
    SettingsRecord,
    StemRecord,
    describe_adaptation,
    describe_environment,
)
from ugosa_jax.weights import adapted_layers
from ugosa_jax.weights.chain import Chain

if TYPE_CHECKING:
    from ugosa_jax.reports.song.song_report import ReportRun


class Outcome(NamedTuple):
    """The outcome of a job.

    Attributes:
      adapted: the adaptation.
      record: the record.
      report_run: the data of the report; None if no report is made.
      leakage_db: level of each source's stem where the source is annotated silent, before muting, in decibels; None
        without an annotation.
    """

    adapted: Adapted
    record: Record
    report_run: "ReportRun | None"
    leakage_db: dict[str, float] | None = None


def run(
    job: SongJob,
    inputs: InputsRecord,
    out: Path,
    *,
    report: Literal["page", "data", "none"] = "page",
    excerpt_s: tuple[float, float] | None = None,
    unadapted: Callable[[], OutputStage] | None = None,
    write_more: Callable[[Path, Outcome], None] | None = None,
    on_progress: OnProgress = ignore_progress,
    on_footprint: OnFootprint = ignore_progress,
) -> Outcome:
    """Adapt, separate, and write stems, adapted layers, record and report.

    Args:
      job: the job.
      inputs: the inputs, for the record.
      out: folder to write to; other files in it are kept.
      report: "page" writes the report, "data" only collects its data, for callers that compare several jobs, "none"
        does neither. The first two need the packages of the extra `reports`.
      excerpt_s: begin and end of the excerpt in the report; chosen for this job if not given.
      unadapted: returns an iterator over blocks of the stems of the unadapted network, refined like those of the job,
        for the comparison in the report; if not given, the song is separated once more.
      write_more: writes additional files into the folder before it is moved into place.
      on_progress: called with the progress.
      on_footprint: called with the memory that the adaptation needs.

    Raises:
      InputError: an input cannot be used, or the folder cannot be written; no incomplete file remains.
    """
    files.check_writable(out)  # an error here costs no computation
    adapted = adapt(job, on_progress, on_footprint)
    with files.replace_folder_when_done(out, RECORD) as folder:
        separated = Separation(job, adapted.result, "separating", on_progress)
        with _open_stem_files(folder, job) as writers:
            blocks = _write_blocks(writers, separated)
            leakage = separated.leakage
            if report == "none":
                report_run = _exhaust(blocks)
            else:
                excerpt_s = excerpt_s or _choose_excerpt(job)
                report_run = _summarise(job, inputs, adapted.result, blocks, excerpt_s, leakage)
        if job.plan.tuned:
            adapted_layers.save(adapted.result.tuned, job.net, folder / ADAPTED_LAYERS, {"strategy": job.plan.name})
        stems = {f"{source}.wav": StemRecord(writer.peak, writer.above) for source, writer in writers.items()}
        record = _make_record(job, inputs, adapted, separated.seconds, stems, report_run)
        files.write_json(msgspec.to_builtins(record), folder / RECORD)
        if report_run is not None and excerpt_s is not None and report == "page":
            before = unadapted or (
                lambda: Separation(job, engine.make_unadapted_result(), "separating, not adapted", on_progress)
            )
            _write_report(folder, job, record, report_run, excerpt_s, before)
        outcome = Outcome(adapted, record, report_run, leakage.compute_db() if leakage else None)
        if write_more is not None:
            write_more(folder, outcome)
    return outcome


@contextlib.contextmanager
def _open_stem_files(folder: Path, job: SongJob) -> Iterator[dict[str, Writer]]:
    """Open a sound file for each source; the files remain only if the block succeeds."""
    mixture = job.song.mixture
    shape = min(mixture.n_channels, 2), mixture.n_samples
    with contextlib.ExitStack() as opened:
        yield {
            source: opened.enter_context(open_writer(folder / f"{source}.wav", mixture.rate_hz, *shape, job.encoding))
            for source in job.net.sources
        }


def _write_blocks(writers: Mapping[str, Writer], blocks_SxCxn: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Write blocks of stems, and yield them."""
    for stems_SxCxn in blocks_SxCxn:
        for writer, stem_Cxn in zip(writers.values(), stems_SxCxn, strict=True):
            writer.write(stem_Cxn)
        yield stems_SxCxn


def _exhaust(blocks: Iterable[np.ndarray]) -> None:
    collections.deque(blocks, maxlen=0)


def _make_record(
    job: SongJob,
    inputs: InputsRecord,
    adapted: Adapted,
    separation_s: float,
    stems: dict[str, StemRecord],
    report_run: "ReportRun | None",
) -> Record:
    """Return the record of a finished job."""
    settings = SettingsRecord(
        preset=inputs.preset,
        annotation=inputs.reading,
        adapt=dataclasses.asdict(job.adapt) if job.plan.tuned else None,
        separate=dataclasses.asdict(job.separate),
        encoding=job.encoding,
        features=adapted.footprint and adapted.footprint.features,
        members=_describe_members(job) if job.plan.tuned and isinstance(job.net, Chain) else None,
    )
    return Record(
        song=inputs.song,
        annotation=inputs.annotation,
        weights=inputs.weights,
        delta=inputs.delta,
        settings=settings,
        environment=describe_environment(),
        adaptation=describe_adaptation(adapted.result, separation_s),
        outputs=stems,
        scores=report_run.scores.rows() if report_run and report_run.scores else None,
    )


def _describe_members(job: SongJob) -> dict[str, dict[str, Any]]:
    """Return the settings of each network of a chain."""
    return {name: dataclasses.asdict(own) for name, own in plan.split_settings(job.net, job.adapt).items()}


def _summarise(
    job: SongJob,
    inputs: InputsRecord,
    result: AdaptationResult,
    blocks_SxCxn: Iterable[np.ndarray],
    excerpt_s: tuple[float, float],
    leakage: LeakageMeter | None,
) -> "ReportRun":
    """Consume all blocks of the stems; return the data of the report, with scores if the true stems are known."""
    from ugosa_jax.reports.song import song_report

    if job.plan.tuned:
        name, meaning = job.plan.name, "adapted"
    elif inputs.delta is not None:
        name, meaning = "delta", f"with {inputs.delta.file}"
    else:
        name, meaning = "B0", "not adapted"
    song = load_true_stems(job)
    return song_report.summarise_run(song, name, meaning, result, blocks_SxCxn, excerpt_s, leakage)


def _write_report(
    folder: Path,
    job: SongJob,
    record: Record,
    report_run: "ReportRun",
    excerpt_s: tuple[float, float],
    unadapted: Callable[[], OutputStage | Separation],
) -> None:
    """Write the report, which compares the stems with those of the unadapted network."""
    from ugosa_jax.reports.song import facts, song_report

    runs = [report_run]
    if job.plan.tuned:
        song, unadapted_result, stems = load_true_stems(job), engine.make_unadapted_result(), unadapted()
        run = song_report.summarise_run(song, "B0", "not adapted", unadapted_result, stems, excerpt_s, stems.leakage)
        runs.insert(0, run)
    content = msgspec.to_builtins(record)
    song_report.write(folder / REPORT, job.song, excerpt_s, runs, facts.describe_run(content), content)


def _choose_excerpt(job: SongJob) -> tuple[float, float]:
    """Return begin and end of the excerpt in the report."""
    from ugosa_jax.reports.song import song_report

    return song_report.choose_excerpt(job.song, 2 if job.plan.tuned else 1)
