"""The commands `ugosa-jax annotation …`: check annotations, convert them, compute them from stems."""

import math
from pathlib import Path

from ugosa_jax.annotations import activation, formats
from ugosa_jax.annotations import annotation as annotations
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.formats.content import read_text
from ugosa_jax.annotations.interval import STATES
from ugosa_jax.cli import annotation_options as options
from ugosa_jax.cli.names import print_names, read, read_asking
from ugosa_jax.cli.output import print_line
from ugosa_jax.data import sound, stems
from ugosa_jax.errors import InputError
from ugosa_jax.reports import timeline

MIN_SILENCE_S = 4.0
"""Least annotated silence to learn from: one of the paper's segments."""

UNENDED_S = 10.0
"""Shown length of an interval that lasts to the end of a song of unknown length."""


def check(args: options.CheckAnnotation) -> int:
    """Print how an annotation is understood; return 0.

    Raises:
      InputError: the annotation cannot be read, or does not fit the song.
    """
    if args.picture is not None:
        timeline.check_picture(args.picture)
    annotation = read_asking(args.file, args.reading, args.reading.sources)
    mixture = None if args.song is None else sound.read(args.song)
    if mixture is None:
        duration_s, extent = find_last_s(annotation), "up to the last label; name the song for all of it"
    else:
        annotations.check_against(annotation, mixture.duration_s)
        duration_s, extent = mixture.duration_s, f"all of {mixture.name}"
    extent = f"{duration_s:.1f} s ({extent})"
    print_line(f"{args.file}: {describe_format(args.file, args.reading)}, {count_intervals(annotation)} in {extent}")
    print_names(annotation)
    outside = "silent, for the sources it names" if annotation.outside == "silent" else "unknown"
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
    """Write an annotation in the format of the new file's suffix; return 0.

    Raises:
      InputError: the annotation cannot be read or written.
    """
    format = formats.choose_format(args.out)
    annotation = read(args.file, args.reading, args.reading.sources)
    if args.song is not None:
        duration_s = sound.read(args.song).duration_s
        annotations.check_against(annotation, duration_s)
        annotation = annotations.make_explicit(annotation, duration_s)
    if args.file.resolve() == args.out.resolve():
        raise InputError(f"{args.out}: is the annotation itself; name another file to write")
    annotations.write_annotation(annotation, args.out, format)
    print_names(annotation)
    for warning in (*annotation.warnings, *list_losses(annotation, format)):
        print_line(f"warning: {warning}")
    print_line(f"written {args.out}: {count_intervals(annotation)}")
    return 0


def from_stems(args: options.AnnotateStems) -> int:
    """Write when each stem in a folder is active, by the procedure of MedleyDB; return 0.

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
    """Return the number of intervals, with the noun."""
    n = len(annotation.intervals)
    return f"{n} interval{'' if n == 1 else 's'}"


def find_last_s(annotation: Annotation) -> float:
    """Return the last time in an annotation, plus UNENDED_S if an interval lasts to the end of the song."""
    times_s = [time_s for i in annotation.intervals for time_s in (i.start_s, i.end_s) if math.isfinite(time_s)]
    return max(times_s) + (UNENDED_S if any(math.isinf(i.end_s) for i in annotation.intervals) else 0)


def describe_format(file: Path, how: options.ReadingForSources) -> str:
    """Return the format of a file, or "folder"."""
    return how.format or ("folder" if file.is_dir() else formats.recognise(read_text(file), file))


def warn_too_little(annotation: Annotation, duration_s: float) -> list[str]:
    """Return a warning if there is too little annotated silence to learn from."""
    silent_s = sum(annotations.count_silent_seconds(annotation, duration_s).values())
    if silent_s == 0:
        return ["no source is annotated silent anywhere: there is nothing to learn from"]
    if silent_s < MIN_SILENCE_S:
        return [f"{silent_s:.1f} s of silence in all is too little to learn from: a segment has {MIN_SILENCE_S:g} s"]
    return []


def list_losses(annotation: Annotation, format: formats.Format) -> list[str]:
    """Return the parts of an annotation that a format cannot hold."""
    lost = []
    if format != "jams" and annotation.outside == "silent":
        if annotation.open_sources:
            left_out = ", ".join(sorted(annotation.open_sources))
            lost.append(f"{left_out}: left out, or they would be read as silent elsewhere; give --song")
        if any(i.state != "active" for i in annotation.intervals):
            lost.append("silence outside of all intervals is not in the file: give --song")
    if format == "audacity" and any(i.confidence is not None for i in annotation.intervals):
        lost.append("confidences are not in the file: Audacity's labels have none")
    return lost


def print_seconds(annotation: Annotation, duration_s: float) -> None:
    """Print for how many seconds each source is active, silent and unknown."""
    print(f"{'source':10}" + "".join(f"{state:>16}" for state in STATES))
    for source, seconds in annotations.count_state_seconds(annotation, duration_s).items():
        shares = (f"{s:8.1f} s {s / duration_s:4.0%}" for s in seconds.values())
        print(f"{source:10}" + "".join(f"{share:>16}" for share in shares))
