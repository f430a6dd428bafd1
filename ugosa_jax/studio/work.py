"""What is done to a song when a page asks for it; everything that needs JAX is here.

Each function takes an order, tells how far it is, and leaves a run behind that is complete or absent.
"""

import dataclasses
import datetime
import functools
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
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError
from ugosa_jax.song_job import record
from ugosa_jax.song_job import run as song_job
from ugosa_jax.song_job.job import Job, Progress
from ugosa_jax.song_job.names import ADAPTED_LAYERS
from ugosa_jax.song_job.record import Inputs
from ugosa_jax.song_job.run import Outcome
from ugosa_jax.studio import marks, stem_files
from ugosa_jax.studio.library import Library
from ugosa_jax.studio.runs import Run, Runs
from ugosa_jax.weights import checkpoint, hub
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
        return self.job.song.known_annotation()

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
        checkpoint.load_delta(runs.folder(start) / ADAPTED_LAYERS, net) if start != "anew" else {},
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
    return hub.load(network)


def adapted(order: Order) -> dict[str, Any]:
    """Adapt, separate, and leave a run with stems, adapted layers, record and report.

    Raises:
      InputError: as `ugosa_jax.adapt`.
      Cancelled: nothing is left then, but the run of the unadapted network.
    """
    job, mixture = order.job, order.job.song.mixture
    before = functools.partial(stem_files.read, order.runs, unadapted(order)["run"])

    def also(folder: Path, outcome: Outcome) -> None:
        run = described(order, order.id, job, folder, outcome)
        for source, level in stem_files.levels(job.song, order.labels, before()).items():
            run.levels[source].silent_before = level.silent
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
        unadapted=lambda: [np.stack([*before().values()])],
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
    """Separate with the network as it is, unless that was done before, and leave a run without a report."""
    id = order.inputs.weights.fingerprint[:16]
    try:
        order.runs.folder(id)
        return {"run": id}
    except KeyError:
        pass
    nothing = dataclasses.replace(order.job.adapt, strategy="B0")
    job = dataclasses.replace(order.job, adapt=nothing, separate=SeparateConfig(), start={})

    def also(folder: Path, outcome: Outcome) -> None:
        files.write_json(msgspec.to_builtins(described(order, id, job, folder, outcome)), folder / "run.json")

    def told(progress: Progress) -> None:
        order.told(progress._replace(stage="separating, not adapted"))

    inputs = msgspec.structs.replace(order.inputs, delta=None)  # the report is of the run that is compared with it
    song_job.run(job, inputs, order.runs.root / id, report=False, also=also, on_progress=told)
    order.tell({"run": id})
    return {"run": id}


def described(order: Order, id: str, job: Job, folder: Path, outcome: Outcome) -> Run:
    """Write outlines, spectrograms and the residual beside the stems; return what is known of the run."""
    order.tell({"stage": "writing"})
    spectra = outcome.spectra_db
    levels = stem_files.write(folder, job.song, order.labels, spectra)
    took_s = outcome.adapted.seconds + outcome.record.adaptation.separation_s
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    return Run(id, order.inputs.weights.name, job.plan.name, [*levels], created, took_s, levels)


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
