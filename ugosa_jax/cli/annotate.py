"""The commands `ugosa-jax annotation check`, `convert` and `from-stems`."""

import math
from pathlib import Path

from ugosa_jax.annotations import activation, formats
from ugosa_jax.annotations import annotation as annotations
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.formats.content import read_text
from ugosa_jax.annotations.interval import STATES
from ugosa_jax.cli import annotation_options as options
from ugosa_jax.cli.names import print_names, read_interactively, read_with_options
from ugosa_jax.cli.output import print_line
from ugosa_jax.data import sound, stems
from ugosa_jax.errors import InputError
from ugosa_jax.reports import timeline

MIN_SILENCE_S = 4.0
"""Smallest annotated silence to learn from: one segment of the paper."""

OPEN_END_S = 10.0
"""Length that is shown for an interval up to the end of a song of unknown length."""


def check(args: options.CheckAnnotation) -> int:
    """Print how an annotation is interpreted; return 0.

    Raises:
      InputError: the annotation cannot be read, or does not fit the song.
    """
    if args.picture is not None:
        timeline.check_picture(args.picture)
    annotation = read_interactively(args.file, args.reading, args.reading.sources)
    mixture = None if args.song is None else sound.read(args.song)
    if mixture is None:
        duration_s, extent = find_last_s(annotation), "up to the last label; give the song to show all of it"
    else:
        annotations.check_against(annotation, mixture.duration_s)
        duration_s, extent = mixture.duration_s, f"all of {mixture.name}"
    extent = f"{duration_s:.1f} s ({extent})"
    print_line(f"{args.file}: {describe_format(args.file, args.reading)}, {count_intervals(annotation)} in {extent}")
    print_names(annotation)
    outside = "silent, for the sources in the file" if annotation.outside == "silent" else "unknown"
    exceptions = f"; unknown for {', '.join(sorted(annotation.open_sources))}" if annotation.open_sources else ""
    print(f"elsewhere: {outside}{exceptions}\n")
    print_seconds(annotation, duration_s)
    print("\n" + "\n".join(timeline.render_text(annotation, duration_s)))
    print_line(f"{'':11} # active, . silent, blank unknown; a column is {duration_s / 60:.2g} s")
    for warning in (*annotation.warnings, *warn_too_little(annotation, duration_s)):
        print_line(f"warning: {warning}")
    if args.picture is not None:
        timeline.write_picture(args.picture, annotation, duration_s, mixture)
        print_line(f"written {args.picture}")
    return 0


def convert(args: options.ConvertAnnotation) -> int:
    """Write an annotation in another format, which the suffix of the new file defines; return 0.

    Raises:
      InputError: the annotation cannot be read or written.
    """
    format = formats.choose_format(args.out)
    annotation = read_with_options(args.file, args.reading, args.reading.sources)
    if args.song is not None:
        duration_s = sound.read(args.song).duration_s
        annotations.check_against(annotation, duration_s)
        annotation = annotations.make_explicit(annotation, duration_s)
    if args.file.resolve() == args.out.resolve():
        raise InputError(f"{args.out}: is the annotation itself; choose another file for the output")
    annotations.write_annotation(annotation, args.out, format)
    print_names(annotation)
    for warning in (*annotation.warnings, *list_losses(annotation, format)):
        print_line(f"warning: {warning}")
    print_line(f"written {args.out}: {count_intervals(annotation)}")
    return 0


def from_stems(args: options.AnnotateStems) -> int:
    """Compute when each stem in a folder is active, and write the annotation; return 0.

    Raises:
      InputError: a stem is missing, cannot be read, or has another rate or length; or the file cannot be written.
    """
    format = formats.choose_format(args.out)
    stems_SxCxT, rate_hz = stems.read(stems.find_stems(args.folder, args.sources))
    active_SxT = activation.detect_activity(stems_SxCxT, rate_hz, args.threshold)
    annotation = annotations.from_mask(active_SxT, rate_hz, args.sources)
    annotations.write_annotation(annotation, args.out, format)
    print_seconds(annotation, stems_SxCxT.shape[-1] / rate_hz)
    print_line(f"written {args.out}: {count_intervals(annotation)}")
    return 0


def count_intervals(annotation: Annotation) -> str:
    """Return the number of intervals as text: "1 interval" or "3 intervals"."""
    n = len(annotation.intervals)
    return f"{n} interval{'' if n == 1 else 's'}"


def find_last_s(annotation: Annotation) -> float:
    """Return the last time in an annotation; an interval up to the end of the song adds OPEN_END_S."""
    times_s = [time_s for i in annotation.intervals for time_s in (i.start_s, i.end_s) if math.isfinite(time_s)]
    return max(times_s) + (OPEN_END_S if any(math.isinf(i.end_s) for i in annotation.intervals) else 0)


def describe_format(file: Path, how: options.ReadingWithSources) -> str:
    """Return the format of a file, or "folder"."""
    return how.format or ("folder" if file.is_dir() else formats.recognise(read_text(file), file))


def warn_too_little(annotation: Annotation, duration_s: float) -> list[str]:
    """Return a warning if there is too little annotated silence to learn from."""
    silent_s = sum(annotations.count_silent_seconds(annotation, duration_s).values())
    if silent_s == 0:
        return ["no source is annotated silent anywhere, so that there is nothing to learn from"]
    if silent_s < MIN_SILENCE_S:
        return [f"{silent_s:.1f} s of silence in all is too little to learn from: a segment has {MIN_SILENCE_S:g} s"]
    return []


def list_losses(annotation: Annotation, format: formats.Format) -> list[str]:
    """Return messages about the parts of an annotation that a format cannot hold."""
    lost = []
    if format != "jams" and annotation.outside == "silent":
        if annotation.open_sources:
            left_out = ", ".join(sorted(annotation.open_sources))
            lost.append(f"{left_out}: left out, or they would be read as silent elsewhere; give --song")
        if any(i.state != "active" for i in annotation.intervals):
            lost.append("silence outside of all intervals is not in the file: give --song")
    if format == "audacity" and any(i.confidence is not None for i in annotation.intervals):
        lost.append("confidences are not in the file, because Audacity's labels have none")
    return lost


def print_seconds(annotation: Annotation, duration_s: float) -> None:
    """Print for how many seconds each source is active, silent and unknown."""
    print(f"{'source':10}" + "".join(f"{state:>16}" for state in STATES))
    for source, seconds in annotations.count_state_seconds(annotation, duration_s).items():
        shares = (f"{s:8.1f} s {s / duration_s:4.0%}" for s in seconds.values())
        print(f"{source:10}" + "".join(f"{share:>16}" for share in shares))
