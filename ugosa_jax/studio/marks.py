"""The marks of a song, which are the studio's annotation, in the form that the page edits and the disk stores.

Marks are intervals with a state; `elsewhere` is the state of each source outside its marks. Each save increments the
revision, and a save based on an older revision is refused, so that two windows cannot overwrite each other's marks.
"""

import dataclasses
import itertools
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ugosa_jax import files
from ugosa_jax.annotations import annotation, formats, vocabulary
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import TOUCH_S, Interval, Outside, State, list_gaps, merge_overlaps
from ugosa_jax.annotations.unknown_names import UnknownNames
from ugosa_jax.config import require
from ugosa_jax.errors import InputError

MAX_MARKS = 20_000
"""Largest number of marks of a song."""
SUFFIXES = (*formats.SUFFIXES, ".yaml")
_NAME = re.compile(r"\w[\w +&-]{0,63}")


class Mark(msgspec.Struct, forbid_unknown_fields=True):
    """One mark; times are in seconds."""

    start: float
    end: float
    source: str
    state: State


class Marks(msgspec.Struct, forbid_unknown_fields=True):
    """All marks of a song."""

    marks: list[Mark] = msgspec.field(default_factory=list)
    elsewhere: dict[str, Outside] = msgspec.field(default_factory=dict)
    revision: int = 0


class Stale(Exception):
    """Error: a save is based on an older revision; `now` are the current marks."""

    def __init__(self, now: Marks):
        super().__init__("the marks were changed in another window")
        self.now = now


def parse(value: Any, duration_s: float) -> Marks:
    """Parse marks that a page sent.

    Raises:
      InputError: they are malformed, outside of the song, or overlap.
    """
    try:
        marks = msgspec.convert(value, Marks)
    except msgspec.ValidationError as error:
        raise InputError(f"marks: {error}") from error
    require(len(marks.marks) <= MAX_MARKS, "marks", f"at most {MAX_MARKS}", len(marks.marks))
    for source in {mark.source for mark in marks.marks} | marks.elsewhere.keys():
        require(bool(_NAME.fullmatch(source)), "source", "letters, digits, spaces or + & - _", source[:64])
    for mark in marks.marks:
        inside = 0 <= mark.start < mark.end <= duration_s + annotation.PAST_END_S
        require(inside, "mark", f"a stretch of the song, 0 to {duration_s:.3f} s", (mark.start, mark.end))
    merge_overlaps([_to_interval(mark) for mark in marks.marks], "marks")
    ordered = sorted(marks.marks, key=lambda mark: (mark.source, mark.start))
    for before, mark in itertools.pairwise(ordered):
        apart = before.source != mark.source or before.end <= mark.start + TOUCH_S
        require(apart, "marks", f"disjoint, but two of {mark.source} overlap", (mark.start, before.end))
    return marks


def load(folder: Path) -> Marks:
    """Load the marks of a song's folder, empty if none were saved.

    Raises:
      InputError: the file is damaged.
    """
    path = folder / "marks.json"
    return files.read_json(path, Marks) if path.is_file() else Marks()


def save(folder: Path, marks: Marks) -> Marks:
    """Save marks and return them with their new revision.

    Raises:
      Stale: they are based on an older revision.
      InputError: the file cannot be written.
    """
    now = load(folder)
    if marks.revision != now.revision:
        raise Stale(now)
    marks = msgspec.structs.replace(marks, revision=now.revision + 1)
    files.write_json(msgspec.to_builtins(marks), folder / "marks.json")
    return marks


def to_annotation(marks: Marks, sources: Sequence[str], duration_s: float) -> Annotation:
    """Convert the marks of a network's sources to an annotation, in which all silence is explicit intervals."""
    intervals = []
    for source in sources:
        own = [_to_interval(mark) for mark in marks.marks if mark.source == source]
        intervals += own
        if marks.elsewhere.get(source) == "silent":
            intervals += [Interval(start, end, source, "silent") for start, end in list_gaps(own, 0.0, duration_s)]
    return Annotation(merge_overlaps(intervals, "marks"), tuple(sources), "unknown", "marks")


def from_annotation(labels: Annotation, duration_s: float) -> Marks:
    """Convert an annotation to marks within the song."""
    annotation.check_against(labels, duration_s)
    marks = [
        Mark(i.start_s, min(i.end_s, duration_s), i.source, i.state) for i in labels.intervals if i.start_s < duration_s
    ]
    elsewhere: dict[str, Outside] = {
        source: "silent" if labels.is_silent_outside(source) else "unknown"
        for source in labels.sources
        if labels.select(source)
    }
    return Marks(marks, elsewhere)


def import_file(
    content: bytes,
    name: str,
    sources: Sequence[str],
    duration_s: float,
    meanings: Mapping[str, str] | None = None,
    unit: str | None = None,
) -> tuple[Marks, list[str]]:
    """Read an annotation file of any format.

    Args:
      content: the file.
      name: name of the file. Its suffix may determine the format, the rest may name the source; only letters and digits
        of it are used in paths.
      sources: sources of the network. duration_s: length of the song. meanings: meanings of names as in `--map`: a
      source, `one of` a source, or an empty text, which leaves the labels out.
      unit: unit of times as in `--unit`.

    Returns:
      The marks, and notes on the interpretation of names and on labels that were left out.

    Raises:
      UnknownNames, UnknownUnit: the meaning of names, or the unit of times, is needed.
      InputError: the file cannot be parsed or does not fit the song.
    """
    suffix = Path(name).suffix.lower()
    with tempfile.TemporaryDirectory(prefix="ugosa-") as scratch:
        stem = re.sub(r"[^\w+& -]", "_", Path(name).stem)[:64] or "annotation"
        path = Path(scratch) / f"{stem}{suffix if suffix in SUFFIXES else ''}"
        path.write_bytes(content)
        try:
            labels = annotation.read_annotation(path, sources, names=vocabulary.NameRules(meanings or {}), unit=unit)
            marks = from_annotation(labels, duration_s)
        except UnknownNames as error:
            raise UnknownNames(str(error).replace(str(path), name), error.names) from error
        except InputError as error:
            raise type(error)(str(error).replace(str(path), name)) from error
        notes = [warning.replace(str(path), name) for warning in labels.warnings]
    meant = [f"{text} = {_describe_name(name)}" for text, name in labels.names.items() if _needs_note(text, name)]
    return marks, meant + notes


def export_file(marks: Marks, sources: Sequence[str], duration_s: float, format: formats.Format) -> bytes:
    """Return the content of an annotation file with the marks, in which all silence is explicit intervals."""
    labels = to_annotation(marks, sources, duration_s)
    labels = dataclasses.replace(labels, intervals=tuple(i for i in labels.intervals if i.state != "unknown"))
    with tempfile.TemporaryDirectory(prefix="ugosa-") as scratch:
        annotation.write_annotation(labels, Path(scratch) / "out", format)
        return (Path(scratch) / "out").read_bytes()


def _to_interval(mark: Mark) -> Interval:
    return Interval(mark.start, mark.end, mark.source, mark.state)


def _needs_note(written: str, name: vocabulary.Meaning) -> bool:
    return written.casefold() != name.source.casefold() or name.negated


def _describe_name(name: vocabulary.Meaning) -> str:
    meaning = f"one instrument of {name.source}" if name.instrument else name.source
    return f"{meaning}, silent" if name.negated else meaning
