"""The jobs of the studio, which run in the worker process. No other module of the studio's jobs needs JAX.

Each function takes a task, reports its progress, and writes a run that is complete or absent.
"""

import dataclasses
import datetime
import functools
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ugosa_jax import files
from ugosa_jax.adaptation import plan
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.draft import draft_annotation
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data import sound
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError
from ugosa_jax.song_job import record
from ugosa_jax.song_job import run as song_job
from ugosa_jax.song_job.job import Progress, SongJob
from ugosa_jax.song_job.output_names import ADAPTED_LAYERS, RECORD
from ugosa_jax.song_job.output_stage import OutputStage
from ugosa_jax.song_job.record import InputsRecord
from ugosa_jax.song_job.run import Outcome
from ugosa_jax.studio import marks, rhythm, stem_files
from ugosa_jax.studio.library import Library
from ugosa_jax.studio.runs import Levels, Runs, SavedRun
from ugosa_jax.weights import adapted_layers, hub
from ugosa_jax.weights.weights import Weights


class Cancelled(Exception):
    """Raised between two epochs or chunks if the job has been cancelled."""


@dataclasses.dataclass(frozen=True)
class Task:
    """A job of the queue with all its inputs loaded."""

    id: str
    job: SongJob
    inputs: InputsRecord
    runs: Runs
    start: str
    send: Callable[[dict[str, Any]], None]
    """Sends a progress message to the server; raises Cancelled if the job was cancelled."""

    @property
    def labels(self) -> Annotation:
        """The marks as an annotation."""
        return self.job.song.require_annotation()

    def report_progress(self, progress: Progress) -> None:
        """Send the progress of a stage to the server."""
        message: dict[str, Any] = {"stage": progress.stage, "done": progress.done}
        if progress.total is not None:
            message["total"] = progress.total
        if progress.losses_Ix3 is not None:
            message["loss"] = record.to_json_numbers(progress.mean_losses())
            message["steps"] = record.to_json_numbers(progress.losses_Ix3[:, 0])
        self.send(message)


def read_task(order: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> Task:
    """Load the song, marks, network and starting weights that an order of the server names.

    Raises:
      InputError: one of them cannot be used.
    """
    library = Library(Path(order["root"]))
    entry, mixture = library.load_song(order["song"]), library.read_original(order["song"])
    net, runs, start = load_network(order["network"]), Runs(library.find_folder(entry.id)), order["start"]
    labels = marks.to_annotation(marks.parse(order["marks"], entry.duration_s), net.sources, entry.duration_s)
    job = SongJob(
        net,
        Song(mixture, annotation=labels),
        plan.fill_defaults(AdaptConfig(**order["adapt"]), net),
        SeparateConfig(**order["separate"]),
        adapted_layers.load(runs.find_folder(start) / ADAPTED_LAYERS, net) if start != "anew" else {},
    )
    inputs = InputsRecord(
        song=record.describe_song(mixture, net, entry.sha256),
        weights=record.describe_network(net, order["network"]),
        annotation=record.describe_annotation(record.FileRecord("marks of the studio"), labels, mixture.duration_s),
        delta=None if start == "anew" else record.FileRecord(f"run {start}"),
    )
    return Task(order["id"], job, inputs, runs, start, send)


@functools.lru_cache(maxsize=2)
def load_network(network: str) -> Weights:
    """Load a network; the last two stay in memory."""
    return hub.load_network(network)


def adapt(task: Task) -> dict[str, Any]:
    """Adapt and separate; write a run with stems, adapted layers, record and report.

    Raises:
      InputError: as `ugosa_jax.adapt`.
      Cancelled: only the runs of the unadapted network remain.
    """
    job, mixture = task.job, task.job.song.mixture
    own = separate_unadapted(task)["run"]
    baseline, levels = make_baseline(task, own)

    def write_run_file(folder: Path, outcome: Outcome) -> None:
        run = describe_run(task, task.id, job, folder, outcome)
        run.baseline = baseline
        for source, level in levels.items():
            run.levels[source].unadapted = level
        run.settings = {"adapt": dataclasses.asdict(job.adapt), "separate": dataclasses.asdict(job.separate)}
        losses = outcome.record.adaptation.losses
        run.start, run.stopped_at = task.start, outcome.adapted.result.stopped_at
        run.losses = [[epoch.total, epoch.reconstruction, epoch.activation] for epoch in losses]
        run.silent_s = annotation.count_silent_seconds(task.labels, mixture.duration_s)
        files.write_json(msgspec.to_builtins(run), folder / "run.json")

    def begin_report() -> OutputStage:
        task.send({"stage": "writing the report"})
        return finish_unadapted(task, own)

    outcome = song_job.run(
        job,
        task.inputs,
        task.runs.root / task.id,
        unadapted=begin_report,
        write_more=write_run_file,
        on_progress=task.report_progress,
    )
    result, adapting_s = outcome.adapted.result, outcome.adapted.seconds
    measured = {
        "fixed": adapting_s - result.timing.steps_s,
        "step_per_s": result.timing.steps_s / max(1, result.losses_ExIx3[..., 0].size) / (job.adapt.segment_s or 1),
        "separate_per_s": outcome.record.adaptation.separation_s / mixture.duration_s / max(1, job.separate.shifts),
    }
    return {"run": task.id, "strategy": job.plan.name, "measured": measured}


def separate_unadapted(task: Task) -> dict[str, Any]:
    """Separate with the unadapted network, without muting and refinement, unless there is such a run already."""
    as_is = dataclasses.replace(task.job.separate, gate=False, refine="none")
    id = _id_of(task, as_is, None)
    if _is_there(task, id):
        return {"run": id}
    nothing = dataclasses.replace(task.job.adapt, strategy="B0")
    job = dataclasses.replace(task.job, adapt=nothing, separate=as_is, start={})

    def write_run_file(folder: Path, outcome: Outcome) -> None:
        files.write_json(msgspec.to_builtins(describe_run(task, id, job, folder, outcome)), folder / "run.json")

    def report_unadapted(progress: Progress) -> None:
        task.report_progress(progress._replace(stage="separating, not adapted"))

    inputs = msgspec.structs.replace(task.inputs, delta=None)  # the unadapted network starts from no adapted layers
    song_job.run(
        job, inputs, task.runs.root / id, report="none", write_more=write_run_file, on_progress=report_unadapted
    )
    task.send({"run": id})
    return {"run": id}


def finish_unadapted(task: Task, own: str) -> OutputStage:
    """Return the stems of an unadapted run after the output stage of the task."""
    return OutputStage([np.stack([*stem_files.read_stems(task.runs, own).values()])], task.job.song, task.job.separate)


def make_baseline(task: Task, own: str) -> tuple[str, dict[str, Levels]]:
    """Return the ID of the baseline of a task, the unadapted run with the same output stage, and its levels.

    If the output stage mutes or refines, it depends on the marks, so that the baseline is a separate run.

    Args:
      task: the adaptation.
      own: ID of the unadapted run without muting and refinement.
    """
    job, before, stage = task.job, task.runs.load_run(own), finish_unadapted(task, own)
    stems = dict(zip(job.net.sources, np.concatenate([*stage], axis=-1), strict=True))
    if not job.separate.gate and job.separate.refine == "none":
        return own, stem_files.measure_levels(job.song, task.labels, stems, stage.leakage.compute_db())
    id = _id_of(task, job.separate, task.labels)
    if _is_there(task, id):
        return id, task.runs.load_run(id).levels
    with files.replace_folder_when_done(task.runs.root / id) as folder:
        for source, est_CxT in stems.items():
            sound.write_audio(folder / f"{source}.wav", est_CxT, job.song.mixture.rate_hz)
        levels = stem_files.write_pictures(folder, job.song, task.labels, stage.leakage.compute_db())
        shutil.copyfile(task.runs.find_folder(own) / RECORD, folder / RECORD)
        run = SavedRun(id, before.network, "B0", before.sources, _now(), before.took_s, levels)
        run.settings = {"separate": dataclasses.asdict(job.separate)}
        files.write_json(msgspec.to_builtins(run), folder / "run.json")
    task.send({"run": id})
    return id, levels


def describe_run(task: Task, id: str, job: SongJob, folder: Path, outcome: Outcome) -> SavedRun:
    """Write outlines, spectrograms and the residual beside the stems; return the description of the run."""
    task.send({"stage": "writing"})
    levels = stem_files.write_pictures(folder, job.song, task.labels, outcome.leakage_db)
    took_s = outcome.adapted.seconds + outcome.record.adaptation.separation_s
    return SavedRun(id, task.inputs.weights.name, job.plan.name, [*levels], _now(), took_s, levels)


def _is_there(task: Task, id: str) -> bool:
    try:
        return bool(task.runs.find_folder(id))
    except KeyError:
        return False


def _id_of(task: Task, separate: SeparateConfig, labels: Annotation | None) -> str:
    """Return the ID of an unadapted run: a digest of everything that determines its stems."""
    marked = labels and [(i.start_s, i.end_s, i.source, i.state) for i in labels.intervals]
    inputs = [task.inputs.weights.fingerprint, dataclasses.asdict(separate), marked]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def suggest_silences(task: Task) -> dict[str, Any]:
    """Return, as marks, where the unadapted network's estimate of a source is almost silent."""
    run = separate_unadapted(task)["run"]
    stems = stem_files.read_stems(task.runs, run)
    est_SxCxT = np.stack([*stems.values()])
    mixture = task.job.song.mixture
    annotation_ = draft_annotation(est_SxCxT, mixture.samples_CxT, mixture.rate_hz, tuple(stems))
    found = marks.from_annotation(annotation_, mixture.duration_s)
    return {"run": run, "marks": msgspec.to_builtins(found.marks)}


def find_rhythm(order: dict[str, Any]) -> dict[str, Any]:
    """Find the beats and onsets of a song, and store them in its folder.

    Raises:
      InputError: librosa is not installed, or the song cannot be read.
    """
    library = Library(Path(order["root"]))
    found = rhythm.find_rhythm(library.read_original(order["song"]))
    files.write_json(msgspec.to_builtins(found), library.find_folder(order["song"]) / rhythm.FILE)
    return {"beats": len(found.beats_s), "onsets": len(found.onsets_s)}


def run_job(order: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run one job and return its result.

    Args:
      order: the job in the form that the server sends.
      send: sends a progress message; raises Cancelled if the job was cancelled.

    Raises:
      InputError: the input cannot be used.
      Cancelled: `send` raised it.
    """
    kinds = {"adapt": adapt, "separate": separate_unadapted, "suggest": suggest_silences}
    send({"stage": "reading"})
    if order["kind"] == "rhythm":
        return find_rhythm(order)
    if order["kind"] not in kinds:
        raise InputError(f"job: {order['kind']!r} is not one of {', '.join(kinds)}, rhythm")
    return kinds[order["kind"]](read_task(order, send))
