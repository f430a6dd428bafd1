"""Annotations: when each source of a song plays and when it is silent.

An annotation is a list of intervals, each with a source and a state: active, silent or unknown. `outside` is the state
of a source where it has no interval: silent or unknown. A source without any interval is unknown throughout, even if
`outside` is silent, because intervals of the vocals say nothing about the drums.

`formats` reads and writes files; `claims` turns the labels in files into intervals.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ugosa_jax import files
from ugosa_jax.annotations import claims, formats
from ugosa_jax.annotations.formats import Format
from ugosa_jax.annotations.formats.jams import format_jams
from ugosa_jax.annotations.formats.text_lists import format_audacity, format_csv
from ugosa_jax.annotations.interval import STATES, Interval, Outside, State, list_gaps, merge_overlaps, parse_interval
from ugosa_jax.annotations.silences import Silences, find_gaps, find_runs, join_runs
from ugosa_jax.annotations.statements import is_named_after_source
from ugosa_jax.annotations.vocabulary import Meaning, NameRules
from ugosa_jax.errors import InputError, require
from ugosa_jax.notebook import html_table

PAST_END_S = 0.5
"""Largest time by which an interval may exceed the end of the song, because programs round times and durations."""
NOTHING = "has no intervals (a line is start,end,source or start,end,source,state)"


@dataclasses.dataclass(frozen=True, repr=False)
class Annotation:
    """Intervals of one song. Those of one source do not overlap; `merge_overlaps` ensures it."""

    intervals: tuple[Interval, ...]
    sources: tuple[str, ...]
    """All sources of the network, in its order."""
    outside: Outside
    path: str = dataclasses.field(default="annotation", compare=False)
    """File that the annotation was read from, for messages."""
    open_sources: frozenset[str] = frozenset()
    """Sources that are unknown outside of their intervals even if `outside` is silent."""
    warnings: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    """Messages of one line about labels that were ignored or need attention; they begin with file and line."""
    names: Mapping[str, Meaning] = dataclasses.field(default_factory=dict, compare=False)
    """Meaning of each name in the file."""

    @classmethod
    def from_intervals(
        cls,
        intervals: Iterable[tuple[str, float, float] | tuple[str, float, float, State]],
        sources: Sequence[str],
        elsewhere: Outside | None = None,
    ) -> "Annotation":
        """Return an annotation with the given intervals.

        Args:
          intervals: tuples (source, start in seconds, end in seconds, state); the state is "active", "silent" or
            "unknown", and "active" by default.
          sources: sources of the network, `net.sources`.
          elsewhere: state of a source outside of its intervals, if it has any; by default "silent" if all intervals
            are active, else "unknown".

        Raises:
          InputError: a source or state does not exist, an interval does not end after its start, or two intervals
            contradict each other.
        """
        require(not isinstance(sources, str), "sources", "a list of names, such as net.sources", sources)
        found = [parse_interval(item, sources, f"intervals[{n}]") for n, item in enumerate(intervals)]
        is_listing = all(interval.state == "active" for interval in found)
        return cls(merge_overlaps(found), tuple(sources), elsewhere or ("silent" if is_listing else "unknown"))

    def __repr__(self) -> str:
        counts = [f"{source} {n}" for source in self.sources if (n := len(self.select(source)))]
        intervals = ", ".join(counts) or "none"
        return f"Annotation({self.path!r}, intervals: {intervals}; elsewhere {self.outside})"

    def _repr_html_(self) -> str:
        rows = [[i.source, f"{i.start_s:.3f}", f"{i.end_s:.3f}", i.state] for i in self.intervals]
        return html_table(f"elsewhere {self.outside}", ["source", "start (s)", "end (s)", "state"], rows)

    def select(self, source: str) -> list[Interval]:
        """Return the intervals of one source."""
        return [interval for interval in self.intervals if interval.source == source]

    def is_silent_outside(self, source: str) -> bool:
        """Return whether a source is silent outside of its intervals."""
        return self.outside == "silent" and source not in self.open_sources and bool(self.select(source))


def read_annotation(
    path: str | Path,
    sources: Sequence[str],
    outside: Outside | None = None,
    names: NameRules | None = None,
    format: Format | None = None,
    unit: str | None = None,
) -> Annotation:
    """Read an annotation.

    Args:
      path: a file in any format of `ugosa_jax.annotations.formats`, or a folder of such files.
      sources: names of the network's sources; case does not matter.
      outside: state of a source outside of its intervals. By default, the state that the file specifies, or else silent
        if the file marks activity only, and unknown otherwise.
      names: how to interpret names that are not those of sources; by default, such names are errors.
      format: format of the file; by default recognised by content and suffix.
      unit: unit of the times, see `formats.label.parse_unit`; by default seconds, if the numbers can be seconds.

    Returns:
      The annotation. Overlapping intervals of a source with the same state are merged.

    Raises:
      InputError: the file cannot be read, is empty, or has a line that is not an interval or contradicts another one;
        the message begins with `path:line: field`.
    """
    require(not isinstance(sources, str), "sources", "a list of names, such as net.sources", sources)
    if Path(path).is_dir():
        reading = formats.read_folder(
            Path(path), lambda file: is_named_after_source(file, sources, names), format, unit
        )
    else:
        reading = formats.read(path, format, unit)
    intervals, outside, open_sources, warnings, meanings, left_out = claims.resolve(
        reading, sources, outside, names, str(path)
    )
    if not intervals:
        why = f"no label says when a source plays: {'; '.join(left_out)}"
        raise InputError(f"{path}: {why if left_out else NOTHING}")
    return Annotation(intervals, tuple(sources), outside, str(path), open_sources, warnings, meanings)


def make_explicit(annotation: Annotation, duration_s: float) -> Annotation:
    """Return an equivalent annotation with intervals for the silence outside of the annotated intervals."""
    intervals = [i if math.isfinite(i.end_s) else _end_at(duration_s, i) for i in annotation.intervals]
    for source in filter(annotation.is_silent_outside, annotation.sources):
        gaps = list_gaps(annotation.select(source), 0.0, duration_s)
        intervals += [Interval(start, end, source, "silent") for start, end in gaps]
    return dataclasses.replace(
        annotation, intervals=merge_overlaps(intervals, annotation.path), outside="unknown", open_sources=frozenset()
    )


def _end_at(duration_s: float, interval: Interval) -> Interval:
    """Return an interval whose end is the end of the song if it was infinite."""
    return dataclasses.replace(interval, end_s=max(duration_s, math.nextafter(interval.start_s, math.inf)))


def write_annotation(annotation: Annotation, path: str | Path, format: Format = "csv") -> None:
    """Write an annotation to a file; `read_annotation` returns the same intervals.

    JAMS stores the whole annotation. The other formats cannot store `outside`, and reading them without options must
    not yield silence that was not annotated. Sources in `open_sources` are therefore left out if others are silent
    outside; and if only activity is marked and nothing is silent outside, an interval of one second with the state
    unknown is added. To avoid such losses, write the result of `make_explicit`. Audacity's labels have no confidences.

    Args:
      annotation: the annotation.
      path: the file.
      format: "csv", "audacity" or "jams".

    Raises:
      InputError: the file cannot be written, or the format is none of these.
    """
    text = _format(annotation, format)
    with files.replace_when_done(path) as temporary:
        temporary.write_text(text, "utf-8", newline="")


def _format(annotation: Annotation, format: Format) -> str:
    if format == "jams":
        return format_jams(
            annotation.intervals, annotation.sources, annotation.outside, sorted(annotation.open_sources)
        )
    left_out = annotation.open_sources if annotation.outside == "silent" else frozenset()
    intervals = [i for i in annotation.intervals if i.source not in left_out]
    if annotation.outside == "unknown" and intervals and all(i.state == "active" for i in intervals):
        last = max(intervals, key=lambda i: i.end_s)
        intervals.append(dataclasses.replace(last, start_s=last.end_s, end_s=last.end_s + 1, state="unknown"))
    if format == "audacity":
        return format_audacity(intervals)
    if format == "csv":
        return format_csv(intervals)
    raise InputError(f"annotations are written in the formats csv, audacity and jams, not {format!r}")


def check_against(annotation: Annotation, duration_s: float) -> None:
    """Check that no interval lies past the end of the song.

    An interval may end up to PAST_END_S after the song; the excess is ignored. Unknown intervals may lie anywhere.

    Raises:
      InputError: an interval lies past the end; the message names its line, its time and the song's duration.
    """
    for i in annotation.intervals:
        ends_within = i.end_s <= duration_s + PAST_END_S or math.isinf(i.end_s)
        if i.state == "unknown" or (i.start_s < duration_s and ends_within):
            continue
        field, time_s = ("start", i.start_s) if i.start_s >= duration_s else ("end", i.end_s)
        where = f"{i.path or annotation.path}:{i.line}: {field} {time_s:g} s"
        raise InputError(f"{where} is past the end of the song, which lasts {duration_s:.3f} s")


def find_silences(annotation: Annotation, n_samples: int, rate_hz: float) -> Silences:
    """Return the annotated silence of each source, in the order of `annotation.sources`.

    Times are rounded to the nearest sample, halves upwards; sample n then lies in an interval if
    start ≤ n / rate_hz < end.

    Args:
      annotation: annotation of the song.
      n_samples: length of the song, T.
      rate_hz: sample rate of the song.
    """
    by_source: dict[str, tuple[list[Interval], list[Interval]]] = {source: ([], []) for source in annotation.sources}
    for i in annotation.intervals:
        if i.source in by_source:
            by_source[i.source][i.state == "silent"].append(i)

    def to_samples(intervals: list[Interval]) -> np.ndarray:
        times_s = np.array([(i.start_s, i.end_s) for i in intervals], np.float64).reshape(-1, 2)
        with np.errstate(over="ignore"):  # a time that overflows is past the end of the song
            return (np.minimum(times_s * rate_hz, n_samples) + 0.5).astype(np.int64)

    runs = []
    for source, (not_silent, silent) in by_source.items():
        outside = annotation.is_silent_outside(source)
        runs.append(find_gaps(to_samples(not_silent), n_samples) if outside else join_runs(to_samples(silent)))
    return Silences(tuple(runs), n_samples)


def compute_active_mask(annotation: Annotation, n_samples: int, rate_hz: float) -> np.ndarray:
    """Compute h of eq. (1): False where a source is annotated silent, True where it is active or unknown.

    Args:
      annotation: annotation of the song.
      n_samples: length of the song, T.
      rate_hz: sample rate of the song.

    Returns:
      Boolean (S, T), in the order of `annotation.sources`.
    """
    return find_silences(annotation, n_samples, rate_hz).compute_active()


def compute_gains(annotation: Annotation, n_samples: int, rate_hz: float, fade_s: float) -> np.ndarray:
    """Compute gains that mute each source where it is annotated silent; see `Silences.compute_gains`.

    Args:
      annotation: annotation of the song.
      n_samples: length of the song, T.
      rate_hz: sample rate of the song.
      fade_s: length of a fade in seconds.

    Returns:
      Float32 (S, T), in the order of `annotation.sources`.
    """
    return find_silences(annotation, n_samples, rate_hz).compute_gains(count_fade_samples(fade_s, rate_hz))


def count_fade_samples(fade_s: float, rate_hz: float) -> int:
    """Return the length of a fade in samples, at least one."""
    return max(1, round(fade_s * rate_hz))


def count_silent_seconds(annotation: Annotation, duration_s: float) -> dict[str, float]:
    """Return for how many seconds each source is annotated silent; the adaptation learns from this silence."""
    return {source: seconds["silent"] for source, seconds in count_state_seconds(annotation, duration_s).items()}


def count_state_seconds(annotation: Annotation, duration_s: float) -> dict[str, dict[State, float]]:
    """Return for how many seconds of the song each source is active, silent and unknown."""
    annotation = make_explicit(annotation, duration_s)
    seconds: dict[str, dict[State, float]] = {}
    for source in annotation.sources:
        its_seconds = seconds[source] = dict.fromkeys(STATES, 0.0)
        for i in annotation.select(source):
            its_seconds[i.state] += max(0.0, min(i.end_s, duration_s) - i.start_s)
        its_seconds["unknown"] = max(0.0, duration_s - its_seconds["active"] - its_seconds["silent"])
    return seconds


def from_mask(active_SxT: np.ndarray, rate_hz: float, sources: Sequence[str]) -> Annotation:
    """Return the annotation whose `compute_active_mask` is the given mask, without unknown intervals.

    Args:
      active_SxT: Boolean.
      rate_hz: sample rate of the mask.
      sources: name of each row.
    """
    intervals = [
        Interval(start / rate_hz, end / rate_hz, source, STATES[silent])
        for source, active_T in zip(sources, active_SxT, strict=True)
        for silent in (False, True)
        for start, end in find_runs(active_T != silent)
    ]
    return Annotation(merge_overlaps(intervals), tuple(sources), "unknown")
