"""What is done to a song when a page asks for it; everything that needs JAX is here.

Each function takes a job, tells how far it is, and leaves a run behind that is complete or absent.
"""

import dataclasses
import datetime
import functools
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ugosa_jax import api, files
from ugosa_jax.adaptation import engine, record, strategy
from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.suggest import draft
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data import sound
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.reports.song import facts, report
from ugosa_jax.studio import marks, stem_files
from ugosa_jax.studio.library import Library
from ugosa_jax.studio.runs import DELTA, Run, Runs
from ugosa_jax.weights import checkpoint, hub
from ugosa_jax.weights.bag import Weights, members_of, with_params


class Cancelled(Exception):
    """Raised between two steps when nobody wants the result any more."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What was asked for, with everything that it needs read."""

    id: str
    song: Song
    net: Weights
    network: str
    runs: Runs
    sha256: str
    labels: Annotation
    adapt: AdaptConfig
    separate: SeparateConfig
    start: str
    tell: Callable[[dict[str, Any]], None]
    """Says how far the work is, and raises Cancelled if it is to end."""


def job(order: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> Job:
    """Read all that an order speaks of.

    Raises:
      InputError: some of it cannot be used.
    """
    library = Library(Path(order["root"]))
    known, mixture = library.song(order["song"]), library.original(order["song"])
    net = loaded(order["network"])
    said = marks.parse(order["marks"], known.duration_s)
    labels = marks.annotation_of(said, net.architecture.sources, known.duration_s)
    return Job(
        order["id"],
        Song(mixture, annotation=labels),
        net,
        order["network"],
        Runs(library.folder(known.id)),
        known.sha256,
        labels,
        strategy.resolved(AdaptConfig(**order["adapt"]), net.architecture),
        SeparateConfig(**order["separate"]),
        order["start"],
        tell,
    )


@functools.lru_cache(maxsize=2)
def loaded(network: str) -> Weights:
    """Return a network; the last ones stay in memory."""
    return hub.load(network)


def adapted(job: Job) -> dict[str, Any]:
    """Adapt, separate, and leave a run with stems, delta, record and report.

    Raises:
      InputError: as `api.adapt`.
      Cancelled: nothing is left then, but the run of the unadapted network.
    """
    before, plan = unadapted(job)["run"], strategy.parse(job.adapt.strategy, job.net.architecture)
    tuned = checkpoint.load_delta(job.runs.folder(job.start) / DELTA, job.net) if job.start != "anew" else {}
    net = with_params(job.net, tree.merge(tuned, job.net.params)) if tuned else job.net
    n_epochs = job.adapt.epochs * len(members_of(net))
    job.tell({"stage": "adapting", "done": 0, "total": n_epochs})
    epochs: list[list[float | None]] = []

    def on_epoch(epoch: int, losses: np.ndarray) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Mean of empty slice")  # an epoch that stopped at its first step
            epochs.append([_number(loss) for loss in np.nanmean(losses, (0, 1))])
        steps = [_number(loss) for loss in losses[0, :, 0]]
        heard = {"loss": epochs[-1], "steps": steps}
        job.tell({"stage": "adapting", "done": epoch + 1, "total": n_epochs, **heard})

    started = time.perf_counter()
    result = api.adapt(net, job.song, settings=job.adapt, on_epoch=on_epoch)
    adapting_s = time.perf_counter() - started
    result = dataclasses.replace(result, tuned=tree.merge(result.tuned, tuned))
    started = time.perf_counter()
    stems = separated(job, job.separate, result, "separating")
    separation_s = time.perf_counter() - started
    job.tell({"stage": "writing"})
    n_steps = result.losses_ExIx3[..., 0].size
    said = described(job, result, separation_s)
    with files.folder_when_done(job.runs.root / job.id) as folder:
        checkpoint.save_delta(result.tuned, job.net, folder / DELTA, {"strategy": plan.name})
        files.write_json(said, folder / "record.json")
        excerpt_s = report.excerpt(job.song, 2)
        shown = report.run_of(job.song, plan.name, "adapted", result, [np.stack([*stems.values()])], excerpt_s)
        spectra = {source: one.spectrum_db_FxN for source, one in shown.stems.items()}
        levels = stem_files.write(folder, job.song, job.labels, stems, spectra)
        del stems  # makes room for those of the unadapted network
        others = stem_files.read(job.runs, before)
        before_levels = stem_files.levels(job.song, job.labels, others)
        plain = report.run_of(
            job.song, "B0", "not adapted", engine.unadapted(), [np.stack([*others.values()])], excerpt_s
        )
        report.write(folder / report.NAME, job.song, excerpt_s, [plain, shown], facts.describe(said), said)
        for source, level in levels.items():
            level.silent_before = before_levels[source].silent
        took_s = adapting_s + separation_s
        run = Run(job.id, job.network, plan.name, [*levels], _now(), took_s, levels)
        run.settings = {"adapt": dataclasses.asdict(job.adapt), "separate": dataclasses.asdict(job.separate)}
        run.start, run.losses, run.stopped_at = job.start, epochs, result.stopped_at
        run.silent_s = annotation.silent_seconds(job.labels, job.song.mixture.duration_s)
        files.write_json(msgspec.to_builtins(run), folder / "run.json")
    measured = {
        "fixed": adapting_s - result.timing.steps_s,
        "step_per_s": result.timing.steps_s / max(1, n_steps) / (job.adapt.segment_s or 1),
        "separate_per_s": separation_s / job.song.mixture.duration_s / max(1, job.separate.shifts),
    }
    return {"run": job.id, "strategy": plan.name, "measured": measured}


def unadapted(job: Job) -> dict[str, Any]:
    """Separate with the network as it is, unless that was done before, and leave a run without a report."""
    id = job.net.fingerprint[:16]
    try:
        job.runs.folder(id)
        return {"run": id}
    except KeyError:
        pass
    started = time.perf_counter()
    plain = dataclasses.replace(job, adapt=dataclasses.replace(job.adapt, strategy="B0"), separate=SeparateConfig())
    stems = separated(plain, plain.separate, engine.unadapted(), "separating, not adapted")
    took_s = time.perf_counter() - started
    job.tell({"stage": "writing"})
    said = described(plain, engine.unadapted(), took_s)
    with files.folder_when_done(job.runs.root / id) as folder:  # the report is of the run that is compared with it
        files.write_json(said, folder / "record.json")
        spectra = {
            source: stem_files.spectrum_db(est_CxT, job.song.mixture.rate_hz) for source, est_CxT in stems.items()
        }
        levels = stem_files.write(folder, job.song, job.labels, stems, spectra)
        run = Run(id, job.network, "B0", [*levels], _now(), took_s, levels)
        files.write_json(msgspec.to_builtins(run), folder / "run.json")
    job.tell({"run": id})
    return {"run": id}


def suggested(job: Job) -> dict[str, Any]:
    """Return the silences that the unadapted network is sure of, as marks."""
    run = unadapted(job)["run"]
    stems = stem_files.read(job.runs, run)
    est_SxCxT = np.stack([*stems.values()])
    mixture = job.song.mixture
    said = draft(est_SxCxT, mixture.samples_CxT, mixture.rate_hz, tuple(stems))
    found = marks.of_annotation(said, mixture.duration_s)
    return {"run": run, "marks": msgspec.to_builtins(found.marks)}


def separated(job: Job, settings: SeparateConfig, result: AdaptationResult, stage: str) -> dict[str, np.ndarray]:
    """Separate, telling how far it is."""
    job.tell({"stage": stage, "done": 0})

    def on_chunk(done: int, total: int) -> None:
        job.tell({"stage": stage, "done": done, "total": total})

    return api.separate(job.net, job.song, settings, result.tuned, job.labels, on_chunk)


def described(job: Job, result: AdaptationResult, separation_s: float) -> dict[str, Any]:
    """Return the record of a run, as `ugosa-jax separate` writes it."""
    mixture, net = job.song.mixture, job.net.architecture
    silent_s = annotation.silent_seconds(job.labels, mixture.duration_s)
    return {
        "song": {
            "file": mixture.name,
            "sha256": job.sha256,
            "rate_hz": mixture.rate_hz,
            "channels": mixture.n_channels,
            "samples": mixture.n_samples,
            "conversions": sound.conversions(mixture, net.sample_rate_hz, net.channels),
        },
        "annotation": {
            "file": "marks of the studio",
            "intervals": [[i.start_s, i.end_s, i.source, i.state] for i in job.labels.intervals],
            "silent_s": silent_s,
        },
        "weights": {"name": job.network} | record.describe_weights(job.net),
        "delta": None if job.start == "anew" else {"file": f"run {job.start}"},
        "settings": {
            "adapt": dataclasses.asdict(job.adapt) if job.adapt.strategy != "B0" else None,
            "separate": dataclasses.asdict(job.separate),
            "encoding": "float",
        },
        "environment": record.environment(),
        "adaptation": record.describe_adaptation(result) | {"separation_s": separation_s},
    }


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
    return kinds[order["kind"]](job(order, tell))


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if np.isfinite(value) else None


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
