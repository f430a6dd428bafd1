"""What a person has marked in a song, as the page and the disk hold it.

Marks are intervals with a state; `elsewhere` says for each source what holds where it has none. Every save counts up
the revision, and one that does not build on the last one is refused, so that two windows cannot overwrite each other.
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
from ugosa_jax.annotations.interval import TOUCH_S, Interval, Outside, State, merge_overlaps
from ugosa_jax.annotations.unknown_names import UnknownNames
from ugosa_jax.config import require
from ugosa_jax.errors import InputError

MAX_MARKS = 20_000
"""Marks of a song at most."""
SUFFIXES = (*formats.SUFFIXES, ".yaml")
_NAME = re.compile(r"\w[\w +&-]{0,63}")


class Mark(msgspec.Struct, forbid_unknown_fields=True):
    """One mark; times in seconds."""

    start: float
    end: float
    source: str
    state: State


class Marks(msgspec.Struct, forbid_unknown_fields=True):
    """All that has been marked."""

    marks: list[Mark] = msgspec.field(default_factory=list)
    elsewhere: dict[str, Outside] = msgspec.field(default_factory=dict)
    revision: int = 0


class Stale(Exception):
    """The marks were changed by somebody else; the argument is what they are now."""

    def __init__(self, now: Marks):
        super().__init__("the marks were changed in another window")
        self.now = now


def parse(value: Any, duration_s: float) -> Marks:
    """Return marks from what a page sent.

    Raises:
      InputError: it holds something else, or marks that lie outside of the song or overlap.
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
    merge_overlaps([_interval(mark) for mark in marks.marks], "marks")
    ordered = sorted(marks.marks, key=lambda mark: (mark.source, mark.start))
    for before, mark in itertools.pairwise(ordered):
        apart = before.source != mark.source or before.end <= mark.start + TOUCH_S
        require(apart, "marks", f"disjoint, and two of {mark.source} overlap", (mark.start, before.end))
    return marks


def load(folder: Path) -> Marks:
    """Return the marks of a song's folder; none if none were saved.

    Raises:
      InputError: the file is damaged.
    """
    path = folder / "marks.json"
    if not path.is_file():
        return Marks()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Marks)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def save(folder: Path, marks: Marks) -> Marks:
    """Write marks that build on those of the folder, and return them with their new revision.

    Raises:
      Stale: they build on others.
      InputError: the file cannot be written.
    """
    now = load(folder)
    if marks.revision != now.revision:
        raise Stale(now)
    marks = msgspec.structs.replace(marks, revision=now.revision + 1)
    files.write_json(msgspec.to_builtins(marks), folder / "marks.json")
    return marks


def annotation_of(marks: Marks, sources: Sequence[str], duration_s: float) -> Annotation:
    """Return what marks say of a network's sources, all of it written out; marks of other sources are left out."""
    intervals = []
    for source in sources:
        own = sorted((m for m in marks.marks if m.source == source), key=lambda m: m.start)
        own = [_interval(mark) for mark in own]
        intervals += own
        if marks.elsewhere.get(source) == "silent":
            edges = [0.0, *itertools.chain(*((i.start_s, i.end_s) for i in own)), duration_s]
            gaps = zip(edges[::2], edges[1::2], strict=True)
            intervals += [Interval(start, end, source, "silent") for start, end in gaps if start < end]
    return Annotation(merge_overlaps(intervals, "marks"), tuple(sources), "unknown", "marks")


def of_annotation(said: Annotation, duration_s: float) -> Marks:
    """Return an annotation as marks, within the song; what holds elsewhere stays as it was said."""
    annotation.check_against(said, duration_s)
    marks = [
        Mark(i.start_s, min(i.end_s, duration_s), i.source, i.state) for i in said.intervals if i.start_s < duration_s
    ]
    elsewhere: dict[str, Outside] = {
        source: "silent" if said.is_silent_outside(source) else "unknown"
        for source in said.sources
        if said.select(source)
    }
    return Marks(marks, elsewhere)


def imported(
    content: bytes,
    name: str,
    sources: Sequence[str],
    duration_s: float,
    told: Mapping[str, str] | None = None,
    unit: str | None = None,
) -> tuple[Marks, list[str]]:
    """Read an annotation of any format that a person has dropped.

    Args:
      content: the file.
      name: its name. The suffix tells the format, the rest perhaps whose labels they are; of it nothing but letters
        and digits reaches the disk.
      sources: the network's.
      duration_s: length of the song.
      told: what names stand for, as `--map` says it: a source, `one of` a source, or nothing to leave labels out.
      unit: what times count, as `--unit` says it.

    Returns:
      The marks, and what is to be known of them: what names were taken for, what was left out.

    Raises:
      UnknownNames, UnknownUnit: it has to be told what names stand for, or what times count.
      InputError: the file cannot be understood or does not fit the song.
    """
    suffix = Path(name).suffix.lower()
    with tempfile.TemporaryDirectory(prefix="ugosa-") as scratch:
        stem = re.sub(r"[^\w+& -]", "_", Path(name).stem)[:64] or "annotation"
        path = Path(scratch) / f"{stem}{suffix if suffix in SUFFIXES else ''}"
        path.write_bytes(content)
        try:
            said = annotation.read(path, sources, names=vocabulary.NameRules(told or {}), unit=unit)
            marks = of_annotation(said, duration_s)
        except UnknownNames as error:
            raise UnknownNames(str(error).replace(str(path), name), error.names) from error
        except InputError as error:
            raise type(error)(str(error).replace(str(path), name)) from error
        notes = [warning.replace(str(path), name) for warning in said.warnings]
    taken = [f"{written} = {_meaning(known)}" for written, known in said.names.items() if _is_news(written, known)]
    return marks, taken + notes


def exported(marks: Marks, sources: Sequence[str], duration_s: float, format: formats.Format) -> bytes:
    """Return marks as a file in a format that `annotation.write` knows, silence elsewhere written out."""
    said = annotation_of(marks, sources, duration_s)
    said = dataclasses.replace(said, intervals=tuple(i for i in said.intervals if i.state != "unknown"))
    with tempfile.TemporaryDirectory(prefix="ugosa-") as scratch:
        annotation.write(said, Path(scratch) / "out", format)
        return (Path(scratch) / "out").read_bytes()


def _interval(mark: Mark) -> Interval:
    return Interval(mark.start, mark.end, mark.source, mark.state)


def _is_news(written: str, name: vocabulary.Meaning) -> bool:
    return written.casefold() != name.source.casefold() or name.negated


def _meaning(name: vocabulary.Meaning) -> str:
    meaning = f"one instrument of {name.source}" if name.instrument else name.source
    return f"{meaning}, silent" if name.negated else meaning
