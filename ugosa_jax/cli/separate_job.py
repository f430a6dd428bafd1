"""What `ugosa-jax separate` begins with: inputs that were read and checked, and what is said of them."""

import dataclasses
from pathlib import Path
from typing import Any

from ugosa_jax import device
from ugosa_jax.adaptation import record, strategy
from ugosa_jax.adaptation.strategy import Strategy
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.cli import options, weights
from ugosa_jax.cli.names import print_names
from ugosa_jax.cli.names import read as read_annotation
from ugosa_jax.data import recording, sound, stems
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError, require_extra
from ugosa_jax.weights import hub
from ugosa_jax.weights.weights import Weights

DELTA = "adapted.delta.safetensors"
REPORT = "report.html"


@dataclasses.dataclass(frozen=True)
class Job:
    """What a run begins with: read, checked, and described for the record while it is what was read."""

    args: options.Separate
    base: Weights
    plan: Strategy
    song: Song
    inputs: dict[str, Any]
    why_no_report: str
    """What the report needs and does not have; empty if there will be one."""


def read(args: options.Separate, out: Path) -> Job:
    """Read and check all inputs, and say what was understood.

    Raises:
      InputError: one of them cannot be used, or would be overwritten.
    """
    missing = why_no_report(args)
    if args.download and not hub.is_here(args.weights):
        weights.fetched(args.weights)
    base = hub.load(args.weights)
    args = dataclasses.replace(args, adapt=strategy.resolved(args.adapt, base.architecture))
    plan = strategy.parse("B0" if args.delta else args.adapt.strategy, base.architecture)
    song = Song(recording.open_sound(args.song, may_be_cut=args.truncated == "ok"))
    mixture = song.mixture
    keep_inputs(args, base, out, tunes=bool(plan.tuned))
    notes = sound.conversions(mixture, base.architecture.sample_rate_hz, base.architecture.channels)
    labels = read_labels(args, base, needed=plan.loss != "B")
    annotation.check_against(labels, mixture.duration_s)  # here too: what only gates is not checked by adapting
    silent_s = annotation.silent_seconds(labels, mixture.duration_s)
    inputs = {
        "song": record.describe_song(args.song, mixture, notes),
        "annotation": args.annotation and record.describe_annotation(args.annotation, labels, silent_s),
        "weights": {"name": args.weights} | record.describe_weights(base),
        "delta": args.delta and record.describe_file(args.delta),
        "settings": {
            "preset": args.preset,
            "annotation": {
                "format": args.reading.format,
                "map": args.reading.map,
                "names": args.reading.names and str(args.reading.names),
                "unit": args.reading.unit,
                "stems": args.reading.stems and str(args.reading.stems),
                "complete": args.reading.complete,
            },
            "adapt": dataclasses.asdict(args.adapt) if plan.tuned else None,
            "separate": dataclasses.asdict(args.separate),
            "encoding": args.encoding,
        },
        "environment": record.environment(),
    }
    song = dataclasses.replace(song, annotation=labels)
    with_true_stems(args, song)  # now too: what cannot be used shows before the work, which needs their memory
    job = Job(args, base, plan, song, inputs, missing)
    print_inputs(job, notes, silent_s)
    return job


def keep_inputs(args: options.Separate, base: Weights, out: Path, tunes: bool) -> None:
    """Refuse to write where an input lies: none is ever overwritten or removed.

    Raises:
      InputError: an input has the name of an output.
    """
    written = {out / f"{source}.wav" for source in base.sources} | {out / "record.json", out / REPORT}
    # Without tuned layers a delta of an earlier run is removed, but not the one that the stems are made with.
    written |= {out / DELTA} if tunes or args.delta is None else set()
    taken = {path.resolve() for path in written}
    inputs = [args.song, args.annotation, Path(args.weights), args.delta]
    for path in filter(None, inputs):
        if path.resolve() in taken:
            raise InputError(f"{path}: would be overwritten by an output; choose another --out")
    if args.references is not None and args.references.resolve() == out.resolve():
        raise InputError(f"{args.references}: would be overwritten by the stems; choose another --out")


def why_no_report(args: options.Separate) -> str:
    """Return which package the report is missing, if one is; stems are worth having without it.

    Raises:
      InputError: they are not, and scores are asked for, which only the report has.
    """
    try:
        with require_extra("reports"):
            import ugosa_jax.reports.song.report  # noqa: F401
    except InputError as error:
        if args.references is not None:
            raise InputError(f"--references: are scored in the report; {error}") from error
        return str(error)
    return ""


def read_labels(args: options.Separate, base: Weights, needed: bool) -> Annotation:
    """Return the annotation, or one that says nothing where none is given and none is needed."""
    if args.annotation is not None:
        return read_annotation(args.annotation, args.reading, base.architecture.sources)
    if needed or args.separate.gate:
        what = "--gate" if args.separate.gate else f"strategy {args.adapt.strategy}"
        raise InputError(f"--annotation: {what} needs to be told when each source plays (or try --strategy B0)")
    return Annotation((), base.architecture.sources, "unknown")


def with_true_stems(args: options.Separate, song: Song) -> Song:
    """Return the song with its true stems, if there are any.

    Raises:
      InputError: they cannot be read, or do not fit the song.
    """
    folder, mixture, sources = args.references, song.mixture, song.known_annotation().sources
    if folder is None:
        return song
    stems_SxCxT, rate_hz = stems.read(stems.find(folder, sources))
    formats = (rate_hz, *stems_SxCxT.shape[1:]), (mixture.rate_hz, min(mixture.n_channels, 2), mixture.n_samples)
    if formats[0] != formats[1]:
        said = ["{} Hz, {} channels, {} samples".format(*numbers) for numbers in formats]
        raise InputError(f"{folder}: true stems of {said[0]} do not fit the stems of {args.song}: {said[1]}")
    return dataclasses.replace(song, stems_SxCxT=stems_SxCxT, sources=sources)


def print_inputs(job: Job, notes: list[str], silent_s: dict[str, float]) -> None:
    """Say what was understood, before the work begins."""
    args, mixture = job.args, job.song.mixture
    channels = {1: "mono", 2: "stereo"}.get(mixture.n_channels, f"{mixture.n_channels} channels")
    said = "; ".join([f"{mixture.duration_s:.1f} s", f"{mixture.rate_hz} Hz", channels, *notes])
    print(f"song       {args.song} ({said})")
    if args.annotation is not None:
        print_names(job.song.known_annotation())
        print("annotation silent for " + ", ".join(f"{source} {s:.1f} s" for source, s in silent_s.items()))
        for warning in job.song.known_annotation().warnings:
            print(f"warning: {warning}")
    if job.plan.loss != "B" and sum(silent_s.values()) < 1e-3:
        print("warning: no source is annotated silent anywhere: there is no silence to learn from")
    how = f"with {args.delta}" if args.delta else f"strategy {job.plan.name}"
    how += f", λ {args.adapt.lam:g}" if job.plan.loss == "P" else ""
    print(f"weights    {args.weights} ({job.base.fingerprint[:16]}), {how}")
    print(f"device     {device.describe()}")
