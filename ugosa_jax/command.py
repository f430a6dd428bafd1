"""The command `ugosa-jax separate`: files in, files out, and what is printed on the way."""

import dataclasses
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ugosa_jax import adapt, annotation, audio, device, files, published, record, song, strategy, weights
from ugosa_jax.adapt import AdaptationResult
from ugosa_jax.annotation import Annotation
from ugosa_jax.audio import Audio
from ugosa_jax.cli import Separate
from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError
from ugosa_jax.strategy import Strategy
from ugosa_jax.weights import Checkpoint


def separate(args: Separate) -> int:
    """Adapt, separate, write stems, delta and record; return 1 if the adaptation stopped early, else 0.

    Raises:
      InputError: any of the inputs cannot be used; nothing has been written then.
    """
    device.keep_compiled_programs()
    base = published.load(args.weights)
    plan = strategy.parse("B0" if args.delta else args.adapt.strategy, base.config)
    mixture = audio.read(args.song)
    _, notes = audio.to_model(mixture, base.config.sample_rate_hz, base.config.C)
    labels = read_labels(args, base, needed=plan.loss == "P")
    annotation.check_against(labels, mixture.duration_s)
    print_inputs(args, mixture, notes, labels, base, plan)

    if plan.tuned:
        result = adapt_with_progress(base, mixture, labels, args.adapt)
    else:
        result = adapt.unadapted(weights.load_delta(args.delta, base) if args.delta else None)
    stems = separate_with_progress(args, base, mixture, labels, result)
    out = args.out or Path("separated") / args.song.stem
    with files.folder_when_done(out) as folder:
        outputs = write_stems(folder, stems, mixture.rate_hz, args.encoding)
        if plan.tuned:
            weights.save_delta(result.tuned, base, folder / "adapted.delta.safetensors", {"strategy": plan.name})
        written = {
            "song": record.describe_song(args.song, mixture, notes),
            "annotation": record.describe_annotation(args.annotation, labels, mixture.duration_s),
            "weights": record.describe_weights(base),
            "delta": args.delta and {"file": args.delta.name, "sha256": files.sha256_of(args.delta)},
            "settings": {"adapt": dataclasses.asdict(args.adapt), "separate": dataclasses.asdict(args.separate)},
            "adaptation": record.describe_adaptation(result),
            "outputs": outputs,
            "environment": record.environment(),
        }
        record.write(written, folder / "record.json")
    print_outcome(out, outputs, result)
    return 0 if result.stopped_at is None else 1


def read_labels(args: Separate, base: Checkpoint, needed: bool) -> Annotation:
    """Return the annotation, or one that says nothing where none is given and none is needed."""
    if args.annotation is not None:
        return annotation.read(args.annotation, base.config.sources, args.outside)
    if needed or args.separate.gate:
        what = "--gate" if args.separate.gate else f"strategy {args.adapt.strategy}"
        raise InputError(f"--annotation: {what} needs to be told when each source plays (or try --strategy B0)")
    return Annotation((), base.config.sources, "unknown")


def adapt_with_progress(
    base: Checkpoint, mixture: Audio, labels: Annotation, settings: AdaptConfig
) -> AdaptationResult:
    """Adapt under a progress bar with the mean loss of the last epoch."""
    segments = song.cut_song(base.config, mixture, labels, settings)
    print(f"adapting   {segments.n} segments, {adapt.memory_plan(base.config, segments, settings)}")
    with tqdm(total=settings.epochs, desc="adapting", unit="epoch") as bar:

        def on_epoch(_: int, losses: np.ndarray) -> None:
            total, reconstruction, activation = np.nanmean(losses, (0, 1))
            bar.set_postfix_str(f"loss {total:.4f} = {reconstruction:.4f} + λ·{activation:.4f}")
            bar.update()

        return adapt.adapt(base.config, base.params, segments, settings, on_epoch)


def separate_with_progress(
    args: Separate, base: Checkpoint, mixture: Audio, labels: Annotation, result: AdaptationResult
) -> dict[str, np.ndarray]:
    """Separate under a progress bar."""
    with tqdm(desc="separating", unit="chunk") as bar:

        def on_chunk(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return song.separate_song(base, mixture, args.separate, result.tuned, labels, on_chunk)


def write_stems(folder: Path, stems: dict[str, np.ndarray], rate_hz: int, encoding) -> dict[str, dict]:
    """Write SOURCE.wav for every source; return what the record says of each."""
    outputs = {}
    for source, samples_CxT in stems.items():
        path = folder / f"{source}.wav"
        above = audio.write(path, samples_CxT, rate_hz, encoding)
        peak = float(np.abs(samples_CxT).max())
        outputs[path.name] = {"sha256": files.sha256_of(path), "peak": peak, "samples_above_full_scale": above}
    return outputs


def print_inputs(
    args: Separate, mixture: Audio, notes: list[str], labels: Annotation, base: Checkpoint, plan: Strategy
) -> None:
    """Say what was understood, before the work begins."""
    channels = {1: "mono", 2: "stereo"}.get(mixture.n_channels, f"{mixture.n_channels} channels")
    said = "; ".join([f"{mixture.duration_s:.1f} s", f"{mixture.rate_hz} Hz", channels, *notes])
    print(f"song       {args.song} ({said})")
    silent_s = annotation.silent_seconds(labels, mixture.duration_s)
    if args.annotation is not None:
        print("annotation silent for " + ", ".join(f"{source} {s:.1f} s" for source, s in silent_s.items()))
    if plan.loss == "P" and not any(silent_s.values()):
        print("warning: no source is annotated silent anywhere: there is no silence to learn from")
    how = f"with {args.delta}" if args.delta else f"strategy {plan.name}, λ {args.adapt.lam:g}"
    print(f"weights    {args.weights} ({base.fingerprint[:16]}), {how}")
    print(f"device     {device.describe()}")


def print_outcome(out: Path, outputs: dict[str, dict], result: AdaptationResult) -> None:
    """Say what was written, how long it took, and what to look at twice."""
    timing = result.timing
    print(
        f"time       compiling {timing.compile_s:.1f} s, prefix {timing.prefix_s:.1f} s, steps {timing.steps_s:.1f} s"
    )
    for name, stem in outputs.items():
        if above := stem["samples_above_full_scale"]:
            print(f"warning: {name}: {above} samples above full scale (peak {stem['peak']:.2f})")
    if result.stopped_at is not None:
        epoch, step = result.stopped_at
        print(
            f"warning: the loss was not finite in epoch {epoch + 1}, step {step + 1}; the last good "
            "weights were used. A lower --learning-rate may help."
        )
    print(f"written    {out}")
