"""The command `ugosa-jax separate`: files in, files out, and what is printed on the way."""

import contextlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from tqdm import tqdm

from ugosa_jax import api, device, files
from ugosa_jax.adaptation import bags, engine, record
from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.cli import options
from ugosa_jax.cli.separate_job import DELTA, Job, read, with_true_stems
from ugosa_jax.data.writing import writing
from ugosa_jax.separation import song as separation
from ugosa_jax.weights import checkpoint
from ugosa_jax.weights.bag import members_of

if TYPE_CHECKING:
    from ugosa_jax.reports.song.report import Run

Item = TypeVar("Item")
PROGRAMS_GB = 0.55
"""What compiling, and the separation and report that follow, take of a process on a CPU, roughly."""


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
        watch = Stopwatch()
        outputs, run = written(folder, job, result, watch)
        if job.plan.tuned:
            checkpoint.save_delta(result.tuned, job.base, folder / DELTA, {"strategy": job.plan.name})
        adaptation = record.describe_adaptation(result) | {"separation_s": watch.seconds}
        said = job.inputs | {"adaptation": adaptation, "outputs": outputs}
        files.write_json(said, folder / "record.json")
        if run is not None:
            write_report(folder, job, run, said)
        if not job.plan.tuned:
            forget_delta(out, args.delta)
    print_outcome(out, outputs, result, watch.seconds)
    if job.why_no_report:
        print(f"report     left out: {job.why_no_report}")
    return 0 if result.stopped_at is None else 1


def forget_delta(out: Path, delta: Path | None) -> None:
    """Remove the delta of an earlier run, which does not belong to these stems, unless they were made with it."""
    stale = out / DELTA
    if stale.is_file() and (delta is None or stale.resolve() != delta.resolve()):
        stale.unlink()


def adapted(job: Job) -> AdaptationResult:
    """Adapt under a progress bar, or take the delta of an earlier run, or nothing."""
    if not job.plan.tuned:
        return engine.unadapted(checkpoint.load_delta(job.args.delta, job.base) if job.args.delta else None)
    settings = job.args.adapt
    if settings.pitch_shifts:
        print(f"shifting   the pitch of every segment, {settings.pitch_shifts} times")
    segments = api.cut(job.base, job.song, None, settings, job.plan)
    n_epochs = settings.epochs * len(members_of(job.base))
    with tqdm(total=n_epochs, desc="adapting", unit="epoch") as bar, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")  # an epoch that stopped at its first step

        def on_epoch(_: int, losses: np.ndarray) -> None:
            total, reconstruction, activation = np.nanmean(losses, (0, 1))
            bar.set_postfix_str(f"loss {total:.4f} = {reconstruction:.4f} + λ·{activation:.4f}")
            bar.update()

        (result,) = bags.adapt_lanes(job.base, [segments], job.plan, engine.hyper_of(settings, 1), settings, on_epoch)
    job.inputs["settings"]["features"] = result.features
    print_memory(segments, result)
    return result


def written(
    folder: Path, job: Job, result: AdaptationResult, watch: "Stopwatch"
) -> tuple[dict[str, dict], "Run | None"]:
    """Separate and write SOURCE.wav for every source, stretch by stretch.

    Returns:
      What the record says of each file, and what the report shows of them, if there will be one.
    """
    mixture, sources = job.song.mixture, job.base.sources
    shape = min(mixture.n_channels, 2), mixture.n_samples
    with contextlib.ExitStack() as open_files:
        paths = [folder / f"{source}.wav" for source in sources]
        opened = (writing(path, mixture.rate_hz, *shape, job.args.encoding) for path in paths)
        writers = [open_files.enter_context(file) for file in opened]

        def passing() -> Iterator[np.ndarray]:
            for stems_SxCxn in separated(job, result, watch):
                for writer, stem_Cxn in zip(writers, stems_SxCxn, strict=True):
                    writer.write(stem_Cxn)
                yield stems_SxCxn

        run = None if job.why_no_report else run_of(job, *name_of(job), result, passing())
        for _ in passing() if run is None else ():
            pass
    said = [{"peak": writer.peak, "samples_above_full_scale": writer.above} for writer in writers]
    return {path.name: of_it for path, of_it in zip(paths, said, strict=True)}, run


def run_of(job: Job, name: str, meaning: str, result: AdaptationResult, stretches: Iterator[np.ndarray]) -> "Run":
    """Return what the report shows of stems that go by."""
    from ugosa_jax.reports.song import report

    true = with_true_stems(job.args, job.song)
    return report.run_of(true, name, meaning, result, stretches, excerpt_s(job))


def excerpt_s(job: Job) -> tuple[float, float]:
    """Return begin and end of what can be heard in the report."""
    from ugosa_jax.reports.song import report

    return report.excerpt(job.song, 2 if job.plan.tuned else 1)


def write_report(folder: Path, job: Job, run: "Run", said: dict[str, Any]) -> None:
    """Write the report of what was separated, beside what the network gives before it is adapted."""
    from ugosa_jax.reports.song import facts, report

    runs = [run]
    if job.plan.tuned:
        plain = engine.unadapted()
        before = separated(job, plain, Stopwatch(), "separating, not adapted")
        runs.insert(0, run_of(job, "B0", "not adapted", plain, before))
    report.write(folder / report.NAME, job.song, excerpt_s(job), runs, facts.describe(said), said)


def name_of(job: Job) -> tuple[str, str]:
    """Return what the report calls the stems that are written, and a few words."""
    if job.args.delta:
        return "delta", f"with {job.args.delta.name}"
    return job.plan.name, "adapted" if job.plan.tuned else "not adapted"


class Stopwatch:
    """Seconds of work that goes on with breaks."""

    seconds = 0.0

    def timed(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield items, and count the time that they take to be made."""
        while True:
            started = time.perf_counter()
            item = next(items, None)
            self.seconds += time.perf_counter() - started
            if item is None:
                return
            yield item


def separated(job: Job, result: AdaptationResult, watch: Stopwatch, what: str = "separating") -> Iterator[np.ndarray]:
    """Separate under a progress bar."""
    with tqdm(desc=what, unit="chunk") as bar:

        def on_chunk(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        stems = separation.stretches(job.base, job.song, job.args.separate, result.tuned, on_chunk=on_chunk)
        yield from watch.timed(stems)


def print_memory(segments: Segments, result: AdaptationResult) -> None:
    """Say what the device, or the process on a CPU, has held, and how the frozen stages' output was kept."""
    if (needs := result.needs) is None:
        return
    features, inputs, step = (part / 1e9 for part in needs)
    kept = f"{features:.2f} kept from the frozen stages" if features else "frozen stages recomputed in every step"
    parts = f"{inputs:.2f} song and weights, {step:.2f} a step, {kept}"
    peak = device.peak_bytes() / 1e9
    print(f"memory     {peak:.2f} GB at most, for {segments.n} segments {features + inputs + step:.2f} ({parts})")


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
