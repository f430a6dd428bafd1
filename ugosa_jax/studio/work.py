"""What is done to a song when a page asks for it; everything that needs JAX is here.

Each function takes an order, tells how far it is, and leaves a run behind that is complete or absent.
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
from ugosa_jax.annotations.suggest import draft
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data import sound
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError
from ugosa_jax.song_job import record
from ugosa_jax.song_job import run as song_job
from ugosa_jax.song_job.job import Job, Progress
from ugosa_jax.song_job.names import ADAPTED_LAYERS, RECORD
from ugosa_jax.song_job.output_stage import OutputStage
from ugosa_jax.song_job.record import Inputs
from ugosa_jax.song_job.run import Outcome
from ugosa_jax.studio import marks, stem_files
from ugosa_jax.studio.library import Library
from ugosa_jax.studio.runs import Levels, Run, Runs
from ugosa_jax.weights import adapted_layers, hub
from ugosa_jax.weights.weights import Weights


class Cancelled(Exception):
    """Raised between two steps when nobody wants the result any more."""


@dataclasses.dataclass(frozen=True)
class Order:
    """What was asked for, with everything that it needs read."""

    id: str
    job: Job
    inputs: Inputs
    runs: Runs
    start: str
    tell: Callable[[dict[str, Any]], None]
    """Says how far the work is, and raises Cancelled if it is to end."""

    @property
    def labels(self) -> Annotation:
        """The marks."""
        return self.job.song.require_annotation()

    def told(self, progress: Progress) -> None:
        """Tell the page how far a stage is."""
        said: dict[str, Any] = {"stage": progress.stage, "done": progress.done}
        if progress.total is not None:
            said["total"] = progress.total
        if progress.losses_Ix3 is not None:
            said["loss"] = record.numbers(progress.mean_losses())
            said["steps"] = record.numbers(progress.losses_Ix3[:, 0])
        self.tell(said)


def read(order: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> Order:
    """Read all that an order speaks of.

    Raises:
      InputError: some of it cannot be used.
    """
    library = Library(Path(order["root"]))
    known, mixture = library.song(order["song"]), library.original(order["song"])
    net, runs, start = loaded(order["network"]), Runs(library.folder(known.id)), order["start"]
    said = marks.parse(order["marks"], known.duration_s)
    labels = marks.annotation_of(said, net.sources, known.duration_s)
    job = Job(
        net,
        Song(mixture, annotation=labels),
        plan.resolve(AdaptConfig(**order["adapt"]), net),
        SeparateConfig(**order["separate"]),
        adapted_layers.load(runs.folder(start) / ADAPTED_LAYERS, net) if start != "anew" else {},
    )
    inputs = Inputs(
        song=record.song(mixture, net, known.sha256),
        weights=record.network(net, order["network"]),
        annotation=record.labels(record.File("marks of the studio"), labels, mixture.duration_s),
        delta=None if start == "anew" else record.File(f"run {start}"),
    )
    return Order(order["id"], job, inputs, runs, start, tell)


@functools.lru_cache(maxsize=2)
def loaded(network: str) -> Weights:
    """Return a network; the last ones stay in memory."""
    return hub.load_network(network)


def adapted(order: Order) -> dict[str, Any]:
    """Adapt, separate, and leave a run with stems, adapted layers, record and report.

    Raises:
      InputError: as `ugosa_jax.adapt`.
      Cancelled: nothing is left then, but the runs of the unadapted network.
    """
    job, mixture = order.job, order.job.song.mixture
    own = unadapted(order)["run"]
    baseline, levels = finished(order, own)

    def also(folder: Path, outcome: Outcome) -> None:
        run = described(order, order.id, job, folder, outcome)
        run.baseline = baseline
        for source, level in levels.items():
            run.levels[source].unadapted = level
        run.settings = {"adapt": dataclasses.asdict(job.adapt), "separate": dataclasses.asdict(job.separate)}
        losses = outcome.record.adaptation.losses
        run.start, run.stopped_at = order.start, outcome.adapted.result.stopped_at
        run.losses = [[epoch.total, epoch.reconstruction, epoch.activation] for epoch in losses]
        run.silent_s = annotation.silent_seconds(order.labels, mixture.duration_s)
        files.write_json(msgspec.to_builtins(run), folder / "run.json")

    outcome = song_job.run(
        job,
        order.inputs,
        order.runs.root / order.id,
        unadapted=lambda: refined(order, own),
        also=also,
        on_progress=order.told,
    )
    result, adapting_s = outcome.adapted.result, outcome.adapted.seconds
    measured = {
        "fixed": adapting_s - result.timing.steps_s,
        "step_per_s": result.timing.steps_s / max(1, result.losses_ExIx3[..., 0].size) / (job.adapt.segment_s or 1),
        "separate_per_s": outcome.record.adaptation.separation_s / mixture.duration_s / max(1, job.separate.shifts),
    }
    return {"run": order.id, "strategy": job.plan.name, "measured": measured}


def unadapted(order: Order) -> dict[str, Any]:
    """Separate with the network as it is, neither muted nor refined, unless that was done before."""
    as_is = dataclasses.replace(order.job.separate, gate=False, refine="none")
    id = _id_of(order, as_is, None)
    if _is_there(order, id):
        return {"run": id}
    nothing = dataclasses.replace(order.job.adapt, strategy="B0")
    job = dataclasses.replace(order.job, adapt=nothing, separate=as_is, start={})

    def also(folder: Path, outcome: Outcome) -> None:
        files.write_json(msgspec.to_builtins(described(order, id, job, folder, outcome)), folder / "run.json")

    def told(progress: Progress) -> None:
        order.told(progress._replace(stage="separating, not adapted"))

    inputs = msgspec.structs.replace(order.inputs, delta=None)  # the report is of the run that is compared with it
    song_job.run(job, inputs, order.runs.root / id, report=False, also=also, on_progress=told)
    order.tell({"run": id})
    return {"run": id}


def refined(order: Order, own: str) -> OutputStage:
    """Return the stems of an unadapted run, muted and refined as those of the order."""
    return OutputStage([np.stack([*stem_files.read(order.runs, own).values()])], order.job.song, order.job.separate)


def finished(order: Order, own: str) -> tuple[str, dict[str, Levels]]:
    """Return the run that the order's is compared with, the unadapted one with the same output stage, and its levels.

    Where stems are muted or refined, that depends on the marks, and so it is a run of its own.

    Args:
      order: what was asked for.
      own: the run of the network as it is.
    """
    job, before, stage = order.job, order.runs.run(own), refined(order, own)
    stems = dict(zip(job.net.sources, np.concatenate([*stage], axis=-1), strict=True))
    if not job.separate.gate and job.separate.refine == "none":
        return own, stem_files.levels(job.song, order.labels, stems, stage.leakage.db())
    id = _id_of(order, job.separate, order.labels)
    if _is_there(order, id):
        return id, order.runs.run(id).levels
    with files.folder_when_done(order.runs.root / id) as folder:
        for source, est_CxT in stems.items():
            sound.write(folder / f"{source}.wav", est_CxT, job.song.mixture.rate_hz)
        levels = stem_files.write(folder, job.song, order.labels, {}, stage.leakage.db())
        shutil.copyfile(order.runs.folder(own) / RECORD, folder / RECORD)
        run = Run(id, before.network, "B0", before.sources, _now(), before.took_s, levels)
        run.settings = {"separate": dataclasses.asdict(job.separate)}
        files.write_json(msgspec.to_builtins(run), folder / "run.json")
    order.tell({"run": id})
    return id, levels


def described(order: Order, id: str, job: Job, folder: Path, outcome: Outcome) -> Run:
    """Write outlines, spectrograms and the residual beside the stems; return what is known of the run."""
    order.tell({"stage": "writing"})
    levels = stem_files.write(folder, job.song, order.labels, outcome.spectra_db, outcome.leakage_db)
    took_s = outcome.adapted.seconds + outcome.record.adaptation.separation_s
    return Run(id, order.inputs.weights.name, job.plan.name, [*levels], _now(), took_s, levels)


def _is_there(order: Order, id: str) -> bool:
    try:
        return bool(order.runs.folder(id))
    except KeyError:
        return False


def _id_of(order: Order, separate: SeparateConfig, labels: Annotation | None) -> str:
    """Return the name of an unadapted run: a digest of what determines its stems."""
    marked = labels and [(i.start_s, i.end_s, i.source, i.state) for i in labels.intervals]
    said = [order.inputs.weights.fingerprint, dataclasses.asdict(separate), marked]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def suggested(order: Order) -> dict[str, Any]:
    """Return the silences that the unadapted network is sure of, as marks."""
    run = unadapted(order)["run"]
    stems = stem_files.read(order.runs, run)
    est_SxCxT = np.stack([*stems.values()])
    mixture = order.job.song.mixture
    said = draft(est_SxCxT, mixture.samples_CxT, mixture.rate_hz, tuple(stems))
    found = marks.of_annotation(said, mixture.duration_s)
    return {"run": run, "marks": msgspec.to_builtins(found.marks)}


def do(order: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Do what an order says, and return what came out.

    Raises:
      InputError: it cannot be done with this input.
      Cancelled: `tell` said so.
    """
    kinds = {"adapt": adapted, "separate": unadapted, "suggest": suggested}
    if order["kind"] not in kinds:
        raise InputError(f"job: {order['kind']!r} is not one of {', '.join(kinds)}")
    tell({"stage": "reading"})
    return kinds[order["kind"]](read(order, tell))
