"""The command `ugosa-jax separate`: files in, files out, and what is printed on the way."""

import dataclasses
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ugosa_jax import api, device, files
from ugosa_jax.adaptation import bags, engine, memory, record, strategy
from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.adaptation.strategy import Strategy
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.cli import options
from ugosa_jax.cli.names import print_names
from ugosa_jax.cli.names import read as read_annotation
from ugosa_jax.data import loading, sound, stems
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError, needs
from ugosa_jax.networks import checkpoint, hub
from ugosa_jax.networks.bag import Weights, members_of


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


def separate(args: options.Separate) -> int:
    """Adapt, separate, write stems, delta, record and report; return 1 if the adaptation stopped early, else 0.

    Raises:
      InputError: an input cannot be used, or an output not be written; nothing is left half-written then.
    """
    device.keep_compiled_programs()
    out = args.out or Path("separated") / files.folder_name(args.song)
    job = read(args, out)
    with files.folder_when_done(out) as folder:  # entered first: what cannot be written to shows before the work
        result = adapted(job)
        started = time.perf_counter()
        estimates = separated(job, result)
        separation_s = time.perf_counter() - started
        outputs = write_stems(folder, estimates, job.song.mixture.rate_hz, args.encoding)
        if job.plan.tuned:
            checkpoint.save_delta(result.tuned, job.base, folder / DELTA, {"strategy": job.plan.name})
        adaptation = record.describe_adaptation(result) | {"separation_s": separation_s}
        said = job.inputs | {"adaptation": adaptation, "outputs": outputs}
        files.write_json(said, folder / "record.json")
        if not job.why_no_report:
            write_report(folder, job, result, estimates, said)
        if not job.plan.tuned:
            forget_delta(out, args.delta)
    print_outcome(out, outputs, result, separation_s)
    if job.why_no_report:
        print(f"report     left out: {job.why_no_report}")
    return 0 if result.stopped_at is None else 1


DELTA = "adapted.delta.safetensors"
REPORT = "report.html"


def forget_delta(out: Path, delta: Path | None) -> None:
    """Remove the delta of an earlier run, which does not belong to these stems, unless they were made with it."""
    stale = out / DELTA
    if stale.is_file() and (delta is None or stale.resolve() != delta.resolve()):
        stale.unlink()


def read(args: options.Separate, out: Path) -> Job:
    """Read and check all inputs, and say what was understood.

    Raises:
      InputError: one of them cannot be used, or would be overwritten.
    """
    missing = why_no_report(args)
    base = hub.load(args.weights)
    args = dataclasses.replace(args, adapt=strategy.resolved(args.adapt, base.architecture))
    plan = strategy.parse("B0" if args.delta else args.adapt.strategy, base.architecture)
    song = loading.mixture(args.song, may_be_cut=args.truncated == "ok")
    mixture = song.mixture
    keep_inputs(args, base, out, tunes=bool(plan.tuned))
    notes = sound.conversions(mixture, base.architecture.sample_rate_hz, base.architecture.channels)
    labels = read_labels(args, base, needed=plan.loss == "P")
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
        with needs("reports"):
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


def adapted(job: Job) -> AdaptationResult:
    """Adapt under a progress bar, or take the delta of an earlier run, or nothing."""
    if not job.plan.tuned:
        return engine.unadapted(checkpoint.load_delta(job.args.delta, job.base) if job.args.delta else None)
    settings = job.args.adapt
    if settings.pitch_shifts:
        print(f"shifting   the pitch of every segment, {settings.pitch_shifts} times")
    segments = api.cut(job.base, job.song, None, settings)
    job.inputs["settings"]["features"] = print_plan(job, segments)
    n_epochs = settings.epochs * len(members_of(job.base))
    with tqdm(total=n_epochs, desc="adapting", unit="epoch") as bar, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")  # an epoch that stopped at its first step

        def on_epoch(_: int, losses: np.ndarray) -> None:
            total, reconstruction, activation = np.nanmean(losses, (0, 1))
            bar.set_postfix_str(f"loss {total:.4f} = {reconstruction:.4f} + λ·{activation:.4f}")
            bar.update()

        return bags.adapt(job.base, segments, settings, on_epoch)


def write_report(
    folder: Path, job: Job, result: AdaptationResult, estimates: dict[str, np.ndarray], said: dict[str, Any]
) -> None:
    """Write the report of what was separated; `estimates` is emptied, to make room for those of the network before."""
    from ugosa_jax.reports.song import facts, report

    true = with_true_stems(job.args, job.song)
    excerpt_s = report.excerpt(true, 2 if job.plan.tuned else 1)
    runs = [report.run_of(true, *name_of(job), result, estimates, excerpt_s)]
    estimates.clear()
    if job.plan.tuned:
        plain = engine.unadapted()
        before = separated(job, plain, "separating, not adapted")
        runs.insert(0, report.run_of(true, "B0", "not adapted", plain, before, excerpt_s))
    report.write(folder / report.NAME, true, excerpt_s, runs, facts.of(said), said)


def name_of(job: Job) -> tuple[str, str]:
    """Return what the report calls the stems that are written, and a few words."""
    if job.args.delta:
        return "delta", f"with {job.args.delta.name}"
    return job.plan.name, "adapted" if job.plan.tuned else "not adapted"


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


def separated(job: Job, result: AdaptationResult, what: str = "separating") -> dict[str, np.ndarray]:
    """Separate under a progress bar."""
    with tqdm(desc=what, unit="chunk") as bar:

        def on_chunk(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return api.separate(job.base, job.song, job.args.separate, result.tuned, on_chunk=on_chunk)


def write_stems(folder: Path, estimates: dict[str, np.ndarray], rate_hz: int, encoding: Any) -> dict[str, dict]:
    """Write SOURCE.wav for every source; return what the record says of each."""
    outputs = {}
    for source, samples_CxT in estimates.items():
        path = folder / f"{source}.wav"
        above = sound.write(path, samples_CxT, rate_hz, encoding)
        outputs[path.name] = {"peak": float(np.abs(samples_CxT).max()), "samples_above_full_scale": above}
    return outputs


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
    if job.plan.loss == "P" and sum(silent_s.values()) < 1e-3:
        print("warning: no source is annotated silent anywhere: there is no silence to learn from")
    how = f"with {args.delta}" if args.delta else f"strategy {job.plan.name}"
    how += f", λ {args.adapt.lam:g}" if job.plan.loss == "P" else ""
    print(f"weights    {args.weights} ({job.base.fingerprint[:16]}), {how}")
    print(f"device     {device.describe()}")


def print_plan(job: Job, segments: Segments) -> str:
    """Say what adapting will take of the memory; return how the frozen stages' output is kept."""
    shape = segments.mix_GxVxCxT.shape
    program = memory.plan(job.base.architecture, shape, job.args.adapt)
    features, own, step = (part / 1e9 for part in memory.estimate(program, shape))
    kept = f"{features:.2f} kept from the frozen stages" if features else "frozen stages recomputed in every step"
    total = features + own + step
    print(f"memory     about {total:.2f} GB for {segments.n} segments ({step:.2f} a step, {own:.2f} the song, {kept})")
    return program.features


def print_outcome(out: Path, outputs: dict[str, dict], result: AdaptationResult, separation_s: float) -> None:
    """Say what was written, how long it took, and what to look at twice."""
    t = result.timing
    adaptation = f"compiling {t.compile_s:.1f} s, prefix {t.prefix_s:.1f} s, steps {t.steps_s:.1f} s"
    print(f"time       {adaptation}, separation {separation_s:.1f} s")
    for name, stem in outputs.items():
        if above := stem["samples_above_full_scale"]:
            print(f"warning: {name}: {above} samples above full scale (peak {stem['peak']:.2f})")
    if result.stopped_at is not None:
        epoch, step = result.stopped_at
        where = f"epoch {epoch + 1}, step {step + 1}"
        print(f"warning: not finite in {where}: the last good weights were used; try a lower --learning-rate")
    print(f"written    {out}")
