"""The command `ugosa-jax separate`: build a job from the options, run it, and print inputs, progress and results."""

import dataclasses
from pathlib import Path

import jax
from tqdm import tqdm

from ugosa_jax import config, device, files
from ugosa_jax.adaptation import plan
from ugosa_jax.adaptation.plan import Plan
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.cli import options, weights_commands
from ugosa_jax.cli.names import print_names
from ugosa_jax.cli.names import read_with_options as read_annotation
from ugosa_jax.cli.output import cache_compiled_programs, print_line
from ugosa_jax.data import recording
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError, require_extra
from ugosa_jax.song_job import record
from ugosa_jax.song_job.job import Footprint, Progress, SongJob, load_true_stems
from ugosa_jax.song_job.output_names import ADAPTED_LAYERS, RECORD, REPORT
from ugosa_jax.song_job.record import InputsRecord
from ugosa_jax.song_job.run import Outcome, run
from ugosa_jax.weights import adapted_layers, hub
from ugosa_jax.weights.weights import Weights

PROGRAMS_GB = 0.55
"""Rough estimate of the memory that compilation, separation and report need on a CPU."""


def separate(args: options.Separate) -> int:
    """Adapt, separate, write stems, adapted layers, record and report; return 1 if adaptation stopped early, else 0.

    Raises:
      InputError: an input cannot be used, or an output cannot be written; no incomplete file remains.
    """
    cache_compiled_programs()
    out = args.out or Path("separated") / files.name_folder(args.song)
    missing = explain_missing_report(args)
    if args.weights is None:
        args = choose_weights(args)
    job, inputs = read_job(args, out)
    print_inputs(args, job, inputs)
    check_earlier_run(out, inputs.song, may_replace=args.out is not None)
    with ProgressBars() as bars:
        outcome = run(
            job, inputs, out, report="none" if missing else "page", on_progress=bars.show, on_footprint=print_footprint
        )
    if not job.plan.tuned:
        remove_stale_layers(out, args.delta)
    print_outcome(out, outcome)
    if missing:
        print_line(f"report     not written: {missing}")
    return 0 if outcome.adapted.result.stopped_at is None else 1


def choose_weights(args: options.Separate) -> options.Separate:
    """Return options with the best weights that are installed, and print their name.

    Without an annotation, the options adapt nothing, unless the user has chosen another strategy than the preset's.
    """
    choice = hub.choose_best()
    print(f"weights    {choice}")
    is_preset = args.adapt.strategy == config.get_preset(args.preset).adapt.strategy
    if args.annotation is None and is_preset and not args.delta and not args.separate.gate:
        print("annotation none: the network is not adapted (--annotation FILE specifies when each source plays)")
        args = dataclasses.replace(args, adapt=dataclasses.replace(args.adapt, strategy="B0"))
    return dataclasses.replace(args, weights=choice.name)


def read_job(args: options.Separate, out: Path) -> tuple[SongJob, InputsRecord]:
    """Read and check all inputs.

    Raises:
      InputError: an input cannot be used, or would be overwritten.
    """
    name = str(args.weights)
    for part in hub.split_chain(name) if args.download else ():
        if not hub.is_available(part):
            weights_commands.fetch(part)
    net = hub.load_network(name)
    adapt = dataclasses.replace(args.adapt, strategy="B0") if args.delta else args.adapt
    adapt = plan.fill_defaults(adapt, net)
    planned = plan.parse(adapt.strategy, net)
    mixture = recording.open_sound(args.song, may_be_cut=args.truncated == "ok")
    refuse_overwriting(args, net, out, tunes=bool(planned.tuned))
    labels = read_labels(args, net, planned)
    annotation.check_against(
        labels, mixture.duration_s
    )  # the adaptation checks it too, but gating alone does not adapt
    start = adapted_layers.load(args.delta, net) if args.delta else {}
    song = Song(mixture, annotation=labels)
    job = SongJob(net, song, adapt, args.separate, start, args.references, args.encoding)
    load_true_stems(job)  # only to check them before the adaptation; they are loaded again when they are needed
    return job, describe_inputs(args, job)


def describe_inputs(args: options.Separate, job: SongJob) -> InputsRecord:
    """Return the inputs for the record."""
    mixture, labels = job.song.mixture, job.song.require_annotation()
    return InputsRecord(
        song=record.describe_song(mixture, job.net, files.compute_sha256(args.song), args.song.name),
        weights=record.describe_network(job.net, str(args.weights)),
        annotation=args.annotation
        and record.describe_annotation(record.describe_file(args.annotation), labels, mixture.duration_s),
        delta=args.delta and record.describe_file(args.delta),
        preset=args.preset,
        reading={
            "format": args.reading.format,
            "map": args.reading.map,
            "names": args.reading.names and str(args.reading.names),
            "unit": args.reading.unit,
            "stems": args.reading.stems and str(args.reading.stems),
            "complete": args.reading.complete,
        },
    )


def refuse_overwriting(args: options.Separate, net: Weights, out: Path, tunes: bool) -> None:
    """Raise InputError if an input file is also an output file, and so would be overwritten or removed."""
    written = {out / f"{source}.wav" for source in net.sources} | {out / RECORD, out / REPORT}
    # Without tuning, the adapted layers of an earlier run are removed, unless they are an input (--delta).
    written |= {out / ADAPTED_LAYERS} if tunes or args.delta is None else set()
    taken = {path.resolve() for path in written}
    inputs = [args.song, args.annotation, Path(str(args.weights)), args.delta]
    for path in filter(None, inputs):
        if path.resolve() in taken:
            raise InputError(f"{path}: would be overwritten by an output; choose another --out")
    if args.references is not None and args.references.resolve() == out.resolve():
        raise InputError(f"{args.references}: would be overwritten by the stems; choose another --out")


def check_earlier_run(out: Path, song: record.SongRecord, may_replace: bool) -> None:
    """Print a line if a folder holds the stems of an earlier run, which are replaced.

    Raises:
      InputError: they are those of another song, and the user has not named the folder (`may_replace`).
    """
    earlier = record.read_song(out)
    if earlier is None:
        return
    if earlier.sha256 == song.sha256:
        print_line(f"replacing  the stems of an earlier run in {out} (--out FOLDER keeps them)")
        return
    if not may_replace:
        how = f"--out {out} replaces them, another --out keeps them"
        raise InputError(f"{out}: holds the stems of another song, {earlier.file}; {how}")
    print_line(f"warning: {out}: the stems of another song, {earlier.file}, are replaced")


def remove_stale_layers(out: Path, delta: Path | None) -> None:
    """Remove the adapted layers of an earlier run, unless they are the input `delta` of this one."""
    stale = out / ADAPTED_LAYERS
    if stale.is_file() and (delta is None or stale.resolve() != delta.resolve()):
        stale.unlink()


def explain_missing_report(args: options.Separate) -> str:
    """Return a message about the package that the report needs and that is missing, or "" if none is.

    Raises:
      InputError: a package is missing, and the user wants scores, which are part of the report.
    """
    try:
        with require_extra("reports"):
            import ugosa_jax.reports.song.song_report  # noqa: F401
    except InputError as error:
        if args.references is not None:
            raise InputError(f"--references: the scores are part of the report: {error}") from error
        return str(error)
    return ""


def read_labels(args: options.Separate, net: Weights, planned: Plan) -> Annotation:
    """Read the annotation; return an empty one if none is given and none is needed."""
    if args.annotation is not None:
        return read_annotation(args.annotation, args.reading, net.sources)
    if planned.needs_annotation or args.separate.gate:
        needing = "--gate" if args.separate.gate else f"strategy {planned.name}"
        raise InputError(f"--annotation: {needing} needs the times at which each source plays (or try --strategy B0)")
    return Annotation((), net.sources, "unknown")


class ProgressBars:
    """The progress bars of the stages, of which one is shown at a time."""

    def __enter__(self) -> "ProgressBars":
        self._bar, self._stage = None, ""
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, progress: Progress) -> None:
        """Update the bar of a stage, and start a new bar if the stage is new."""
        if self._bar is None or progress.stage != self._stage:
            self.__exit__()
            unit = "epoch" if progress.stage == "adapting" else "chunk"
            self._bar, self._stage = tqdm(desc=progress.stage, total=progress.total, unit=unit), progress.stage
        self._bar.total = progress.total
        if progress.losses_Ix3 is not None:
            total, reconstruction, activation = progress.mean_losses()
            self._bar.set_postfix_str(f"loss {total:.4f} = {reconstruction:.4f} + λ·{activation:.4f}")
        self._bar.update(progress.done - self._bar.n)


def print_inputs(args: options.Separate, job: SongJob, inputs: InputsRecord) -> None:
    """Print the inputs and the main settings."""
    mixture, labels = job.song.mixture, job.song.require_annotation()
    channels = {1: "mono", 2: "stereo"}.get(mixture.n_channels, f"{mixture.n_channels} channels")
    sound = "; ".join([f"{mixture.duration_s:.1f} s", f"{mixture.rate_hz} Hz", channels, *inputs.song.conversions])
    print_line(f"song       {args.song} ({sound})")
    silent_s = annotation.count_silent_seconds(labels, mixture.duration_s)
    if args.annotation is not None:
        print_names(labels)
        print("annotation silent for " + ", ".join(f"{source} {s:.1f} s" for source, s in silent_s.items()))
        for warning in labels.warnings:
            print_line(f"warning: {warning}")
    if job.plan.needs_annotation and sum(silent_s.values()) < 1e-3:
        print("warning: no source is annotated silent anywhere, so that there is no silence to learn from")
    how = f"with {args.delta}" if args.delta else f"strategy {job.plan.name}"
    how += f", λ {job.adapt.lam:g}" if "P" in job.plan.losses else ""
    print_line(f"weights    {args.weights} ({inputs.weights.fingerprint[:16]}), {how}")
    print_line(f"device     {device.describe()}")
    if job.plan.tuned and job.adapt.pitch_shifts:
        print_line(f"shifting   the pitch of every segment, {job.adapt.pitch_shifts} times")


def print_footprint(footprint: Footprint) -> None:
    """Print an estimate of the memory that will be used on the device, or by the process on a CPU."""
    features, own, step = (part / 1e9 for part in footprint.bytes)
    stored = f"frozen stages' output {features:.2f}" if features else "frozen stages recomputed in every step"
    process, programs = device.get_used_bytes() / 1e9, PROGRAMS_GB if jax.default_backend() == "cpu" else 0.0
    parts = f"process {process + programs:.2f}, song {own:.2f}, one step {step:.2f}, {stored}"
    in_all = process + programs + own + step + features
    print_line(f"memory     about {in_all:.2f} GB for {footprint.n_segments} segments ({parts})")


def print_outcome(out: Path, outcome: Outcome) -> None:
    """Print times, warnings and the folder of the results."""
    result, separation_s = outcome.adapted.result, outcome.record.adaptation.separation_s
    t = result.timing
    adaptation = f"compiling {t.compile_s:.1f} s, frozen stages {t.prefix_s:.1f} s, steps {t.steps_s:.1f} s"
    print_line(f"time       {adaptation}, separation {separation_s:.1f} s")
    for name, stem in outcome.record.outputs.items():
        if above := stem.samples_above_full_scale:
            print_line(f"warning: {name}: {above} samples above full scale (peak {stem.peak:.2f})")
    if result.stopped_at is not None:
        epoch, step = result.stopped_at
        where = f"epoch {epoch + 1}, step {step + 1}"
        reason = f"the adaptation stopped in {where}, where the loss, the gradient or the weights were not finite"
        print_line(f"warning: {reason}; the weights before it were used; try a lower --learning-rate")
    print_line(f"written    {out}")
