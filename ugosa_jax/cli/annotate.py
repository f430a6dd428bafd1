"""The commands `ugosa-jax annotation …`: look at annotations, convert them, make them from stems."""

import math
from pathlib import Path

from ugosa_jax.annotations import activation, annotation, formats
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.formats.content import read_text
from ugosa_jax.annotations.interval import STATES
from ugosa_jax.cli import options
from ugosa_jax.cli.names import print_names, read, read_asking
from ugosa_jax.cli.output import say
from ugosa_jax.data import sound, stems
from ugosa_jax.errors import InputError
from ugosa_jax.reports import timeline

MIN_SILENCE_S = 4.0
"""Less annotated silence than this, one of the paper's segments, is too little to learn from."""

UNENDED_S = 10.0
"""How much is shown of what is said up to the end of a song of unknown length."""


def check(args: options.CheckAnnotation) -> int:
    """Show what was understood of an annotation; return 0.

    Raises:
      InputError: the annotation cannot be understood, or does not fit the song.
    """
    if args.picture is not None:
        timeline.check_picture(args.picture)
    said = read_asking(args.file, args.reading, args.reading.sources)
    mixture = None if args.song is None else sound.read(args.song)
    if mixture is None:
        duration_s, extent = find_last_s(said), "up to the last label; name the song for all of it"
    else:
        annotation.check_against(said, mixture.duration_s)
        duration_s, extent = mixture.duration_s, f"all of {mixture.name}"
    extent = f"{duration_s:.1f} s ({extent})"
    say(f"{args.file}: {describe_format(args.file, args.reading)}, {len(said.intervals)} intervals in {extent}")
    print_names(said)
    outside = "silent, for sources it names" if said.outside == "silent" else "unknown"
    exceptions = f"; unknown for {', '.join(sorted(said.open_sources))}" if said.open_sources else ""
    print(f"where nothing is said: {outside}{exceptions}\n")
    print_seconds(said, duration_s)
    print("\n" + "\n".join(timeline.text(said, duration_s)))
    say(f"{'':11} # active, . silent, blank unknown; a column is {duration_s / 60:.2g} s")
    for warning in (*said.warnings, *warn_too_little(said, duration_s)):
        say(f"warning: {warning}")
    if args.picture is not None:
        timeline.write(args.picture, said, duration_s, mixture)
        say(f"written {args.picture}")
    return 0


def convert(args: options.ConvertAnnotation) -> int:
    """Write an annotation in another format, which the name of the new file says; return 0.

    Raises:
      InputError: the annotation cannot be understood, or not be written.
    """
    format = formats.choose_format(args.out)
    said = read(args.file, args.reading, args.reading.sources)
    if args.song is not None:
        duration_s = sound.read(args.song).duration_s
        annotation.check_against(said, duration_s)
        said = annotation.make_explicit(said, duration_s)
    if args.file.resolve() == args.out.resolve():
        raise InputError(f"{args.out}: is the annotation itself; name another file to write")
    annotation.write(said, args.out, format)
    print_names(said)
    for warning in (*said.warnings, *list_losses(said, format)):
        say(f"warning: {warning}")
    say(f"written {args.out}: {len(said.intervals)} intervals")
    return 0


def from_stems(args: options.AnnotateStems) -> int:
    """Write when each stem of a folder sounds, by the procedure of MedleyDB; return 0.

    Raises:
      InputError: a stem is missing, cannot be read, or is of another rate or length; or the file cannot be written.
    """
    format = formats.choose_format(args.out)
    stems_SxCxT, rate_hz = stems.read(stems.find(args.folder, args.sources))
    active_SxT = activation.detect_activity(stems_SxCxT, rate_hz, args.threshold)
    said = annotation.from_mask(active_SxT, rate_hz, args.sources)
    annotation.write(said, args.out, format)
    print_seconds(said, stems_SxCxT.shape[-1] / rate_hz)
    say(f"written {args.out}: {len(said.intervals)} intervals")
    return 0


def find_last_s(said: Annotation) -> float:
    """Return up to when an annotation says anything; of what has no end, a stretch is counted."""
    times_s = [time_s for i in said.intervals for time_s in (i.start_s, i.end_s) if math.isfinite(time_s)]
    return max(times_s) + (UNENDED_S if any(math.isinf(i.end_s) for i in said.intervals) else 0)


def describe_format(file: Path, how: options.ReadingForSources) -> str:
    """Return the format in which a file was read."""
    return how.format or ("folder" if file.is_dir() else formats.recognise(read_text(file), file))


def warn_too_little(said: Annotation, duration_s: float) -> list[str]:
    """Return a plain statement if there is too little annotated silence to learn from, else nothing."""
    silent_s = sum(annotation.count_silent_seconds(said, duration_s).values())
    if silent_s == 0:
        return ["no source is annotated silent anywhere: there is nothing to learn from"]
    if silent_s < MIN_SILENCE_S:
        return [f"{silent_s:.1f} s of silence in all is too little to learn from: a segment has {MIN_SILENCE_S:g} s"]
    return []


def list_losses(said: Annotation, format: formats.Format) -> list[str]:
    """Return what a format does not hold of an annotation."""
    lost = []
    if format != "jams" and said.outside == "silent":
        if said.open_sources:
            left_out = ", ".join(sorted(said.open_sources))
            lost.append(f"{left_out}: left out, or they would be read as silent elsewhere; give --song")
        if any(i.state != "active" for i in said.intervals):
            lost.append("what is silent outside of all intervals is not in the file: give --song")
    if format == "audacity" and any(i.confidence is not None for i in said.intervals):
        lost.append("confidences are not in the file: Audacity's labels have none")
    return lost


def print_seconds(said: Annotation, duration_s: float) -> None:
    """Print how long each source is active, silent and unknown."""
    print(f"{'source':10}" + "".join(f"{state:>16}" for state in STATES))
    for source, seconds in annotation.count_state_seconds(said, duration_s).items():
        shares = (f"{s:8.1f} s {s / duration_s:4.0%}" for s in seconds.values())
        print(f"{source:10}" + "".join(f"{share:>16}" for share in shares))
