"""Readers of files of speech tools: Praat's TextGrids, ELAN's documents, and RTTM.

TextGrid (Praat manual, "TextGrid file formats"): the long and the short text format consist of the same sequence of
numbers, strings and flags; everything else in the file is a comment. Numbers and flags are separated by spaces. Strings
are in double quotes, which are doubled inside a string. An exclamation mark begins a comment up to the end of the line.

ELAN Annotation Format 2.7 to 3.0: an ALIGNABLE_ANNOTATION refers to two time slots in milliseconds; a REF_ANNOTATION
has no times of its own. Time 0 of the document is the time TIME_ORIGIN of the medium in a MEDIA_DESCRIPTOR.

RTTM (NIST, RT-09 evaluation plan, appendix A): type, file, channel, start, duration, two fields, name, confidence,
lookahead. Spaces separate the fields. Some programs write names that contain spaces; the two fields after the times,
which are <NA> for speakers, then show where the times are.
"""

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ugosa_jax.annotations.formats.content import parse_xml
from ugosa_jax.annotations.formats.label import (
    Label,
    LabelFile,
    check_stretch,
    is_number,
    is_stretch,
    is_time,
    quote,
    refuse_several,
)
from ugosa_jax.annotations.formats.table import TableRow, number_lines
from ugosa_jax.errors import InputError

_PIECE = re.compile(r'"(?:[^"]|"")*"|"|![^\n]*|[^\s"]+')


class _Token(NamedTuple):
    line: int
    kind: str
    """"number", "text" or "flag"."""
    value: str


class _Stream(NamedTuple):
    """Remaining tokens of a file."""

    path: str
    tokens: Iterator[_Token]

    def take(self, kind: str, field: str) -> _Token:
        """Return the next token; raise InputError if it is of another kind."""
        token = next(self.tokens, None)
        if token is None:
            raise InputError(f"{self.path}: ends where {field} should be")
        if token.kind != kind:
            raise InputError(f"{self.path}:{token.line}: {field} should be a {kind}, not {quote(token.value)}")
        return token

    def take_seconds(self, field: str) -> float:
        token = self.take("number", field)
        if not math.isfinite(float(token.value)):
            raise InputError(f"{self.path}:{token.line}: {field} {quote(token.value)} is not finite")
        return float(token.value)

    def take_count(self, field: str) -> int:
        token = self.take("number", field)
        if not (token.value.isdigit() and len(token.value) <= 9):
            raise InputError(f"{self.path}:{token.line}: {field} {quote(token.value)} is not a count")
        return int(token.value)

    def take_stretch(self, field: str) -> tuple[float, float]:
        start_s, end_s = self.take_seconds(f"xmin of {field}"), self.take_seconds(f"xmax of {field}")
        return check_stretch(f"{self.path}: {field}", start_s, end_s)


def read_textgrid(text: str, path: str) -> LabelFile:
    """Read all labels that have a text, in all tiers. A tier is annotated from its xmin to its xmax."""
    stream = _Stream(path, _split_tokens(text, path))
    if stream.take("text", "the file type").value not in ("ooTextFile", "ooTextFile short"):
        raise InputError(f"{path}: is not a Praat text file")
    if (kind := stream.take("text", "the object class").value) != "TextGrid":
        raise InputError(f"{path}: holds {quote(kind)}, not a TextGrid")
    stream.take_stretch("the TextGrid")
    if stream.take("flag", "whether there are tiers").value != "<exists>":
        return LabelFile([])
    return LabelFile([label for _ in range(stream.take_count("the number of tiers")) for label in _take_tier(stream)])


def _take_tier(stream: _Stream) -> list[Label]:
    """Return the labels that have a text in the next tier of a stream."""
    kind = stream.take("text", "the class of a tier")
    if kind.value not in ("IntervalTier", "TextTier"):
        raise InputError(f"{stream.path}:{kind.line}: class {quote(kind.value)} is not IntervalTier or TextTier")
    name = stream.take("text", "the name of a tier").value.strip()
    span_s = stream.take_stretch(f"tier {quote(name)}")
    labels = []
    for _ in range(stream.take_count("the number of labels")):
        if kind.value == "IntervalTier":
            start_s, end_s = stream.take_stretch(f"an interval of {quote(name)}")
        else:
            start_s = end_s = stream.take_seconds(f"a point of {quote(name)}")
        text = stream.take("text", "the text of a label")
        if text.value.strip() and is_stretch(start_s, end_s):
            words = " ".join(text.value.split())
            label = Label(start_s, end_s, words, stream.path, text.line, container=name, own_words=True, span_s=span_s)
            labels.append(label)
    return labels


def _split_tokens(text: str, path: str) -> Iterator[_Token]:
    line, at = 1, 0
    for piece in _PIECE.finditer(text):
        line += text.count("\n", at, piece.start())
        at = piece.start()
        word = piece.group()
        if word == '"':
            raise InputError(f"{path}:{line}: a text has no closing quote")
        if word.startswith('"'):
            yield _Token(line, "text", word[1:-1].replace('""', '"'))
        elif re.fullmatch(r"<\w+>", word):
            yield _Token(line, "flag", word)
        elif is_number(word) and "," not in word:
            yield _Token(line, "number", word)


MAX_MS = 1e12
UNITS_MS = {"milliseconds": 1.0, "pal-frames": 40.0}
"""Milliseconds per unit of TIME_UNITS; the documentation does not define the length of NTSC frames."""


def read_elan(text: str, path: str) -> LabelFile:
    """Read all tiers; warn about annotations without times, which are left out."""
    elements = parse_xml(text, path)
    if all(element.name != "ANNOTATION_DOCUMENT" for element in elements):
        raise InputError(f"{path}: is not an ELAN annotation document")
    slots: dict[str, float | None] = {}
    media: list[_Medium] = []
    labels: list[Label] = []
    untimed: Counter[str] = Counter()
    tier, times, unit_ms = "", (), 1.0
    for element in elements:
        line, name, attributes = element.line, element.name, element.attributes
        if name == "ANNOTATION_VALUE" and times:
            first, last = times
            if first is None or last is None:
                untimed[tier] += 1
                continue
            if last < first:
                problem = f"an annotation of {quote(tier)}: from {first:g} to {last:g} ms is not a valid time span"
                raise InputError(f"{path}:{line}: {problem}")
            start_s, end_s = first * unit_ms / 1000, last * unit_ms / 1000
            words = " ".join(element.text.split())
            labels.append(Label(start_s, end_s, words, path, line, container=tier, own_words=True))
        elif name == "HEADER":
            unit = attributes.get("TIME_UNITS") or "milliseconds"
            if unit.casefold() not in UNITS_MS:
                raise InputError(f"{path}:{line}: TIME_UNITS {quote(unit)} is not {' or '.join(UNITS_MS)}")
            unit_ms = UNITS_MS[unit.casefold()]
        elif name == "MEDIA_DESCRIPTOR":
            origin_ms = _parse_milliseconds("TIME_ORIGIN", attributes, path, line) or 0.0
            media.append(_Medium(line, attributes.get("MEDIA_URL", ""), attributes.get("MIME_TYPE", ""), origin_ms))
        elif name == "TIME_SLOT":
            slots[attributes.get("TIME_SLOT_ID", "")] = _parse_milliseconds("TIME_VALUE", attributes, path, line)
        elif name == "TIER":
            tier = attributes.get("TIER_ID", "").strip()
        elif name == "ALIGNABLE_ANNOTATION":
            times = tuple(slots.get(attributes.get(f"TIME_SLOT_REF{n}", "")) for n in (1, 2))
        elif name == "REF_ANNOTATION":
            untimed[tier] += 1
            times = ()
    left_out = tuple(f"tier {quote(name)}: annotations without times of their own ({n})" for name, n in untimed.items())
    warnings = [f"{path}: left out: {part}" for part in left_out]
    if any(medium.origin_ms for medium in media):
        origin_s, how = _find_origin(media, path)
        labels = [
            dataclasses.replace(i, start_s=max(0.0, i.start_s + origin_s), end_s=i.end_s + origin_s)
            for i in labels
            if i.end_s + origin_s >= 0
        ]
        warnings.append(how)
    return LabelFile(labels, tuple(warnings), left_out=left_out)


class _Medium(NamedTuple):
    """A sound or video file that the document annotates."""

    line: int
    url: str
    mime_type: str
    origin_ms: float


def _find_origin(media: list[_Medium], path: str) -> tuple[float, str]:
    """Return the time in the song, in seconds, at which time 0 of the document lies, and a warning about it."""
    sounds = [medium for medium in media if medium.mime_type.startswith("audio/")] or media
    first, where = sounds[0], f"{path}:{sounds[0].line}: TIME_ORIGIN"
    if len({medium.origin_ms for medium in sounds}) > 1:
        begin = ", ".join(f"{Path(medium.url).name} ({medium.origin_ms:g} ms)" for medium in sounds)
        problem = "its sounds begin at different times"
        raise InputError(f"{where}: {problem}: {begin}; keep the song alone under Edit > Linked Files in ELAN")
    moved = f"{abs(first.origin_ms) / 1000:g} s {'later' if first.origin_ms >= 0 else 'earlier'}"
    how = f"all times are taken {moved}, as ELAN plays {quote(Path(first.url).name)}"
    return first.origin_ms / 1000, f"{where} {first.origin_ms:g}: {how}"


def _parse_milliseconds(field: str, attributes: dict[str, str], path: str, line: int) -> float | None:
    """Return a time in milliseconds; None if it is missing, as in time slots that are not aligned."""
    value = attributes.get(field, "").strip().replace(",", ".")
    if not value:
        return None
    time_ms = float(value) if is_number(value) else math.nan
    if not abs(time_ms) < MAX_MS or (time_ms < 0 and field == "TIME_VALUE"):
        raise InputError(f"{path}:{line}: {field} {quote(value)} is not a number of milliseconds")
    return time_ms


TYPES = ("SPEAKER", "LEXEME")
_NONE = "<NA>"


def is_rttm_line(line: str) -> bool:
    """Return whether a line is one of RTTM."""
    fields = line.split()
    return len(fields) >= 8 and fields[0] in TYPES and all(map(is_number, _join_names(fields)[3:5]))


def read_rttm(text: str, path: str) -> LabelFile:
    """Read the turns of all speakers in one recording."""
    lines = [(n, line) for n, line in number_lines(text) if line.split()[0] in TYPES]
    table = [TableRow(path, n, _join_names(line.split())) for n, line in lines]
    for row in table:
        row.check_width(range(8, 999), "at least 8, as in a line of RTTM")
        if not all(map(is_time, row.fields[3:5])) or is_number(row.fields[5]):
            wrong = next((field for field in row.fields[3:5] if not is_time(field)), row.fields[3])
            how = "and the duration should be fields 4 and 5: does the recording's name contain a space?"
            raise row.make_error("start", wrong, how)
    refuse_several(path, (row.fields[1] for row in table))
    return LabelFile([_parse_turn(row) for row in table])


def _join_names(fields: list[str]) -> list[str]:
    """Join the fields of a name that contains spaces, if <NA> shows where the name ends."""
    n = next((n for n in range(5, len(fields) - 2) if fields[n] == fields[n + 1] == _NONE), 0)
    if not n or not all(map(is_number, fields[n - 2 : n])):
        return fields
    name, last = fields[n + 2 :], []
    while len(name) > 1 and len(last) < 2 and (name[-1] == _NONE or is_number(name[-1])):
        last.insert(0, name.pop())
    return [fields[0], " ".join(fields[1 : n - 3]), *fields[n - 3 : n + 2], " ".join(name), *last]


def _parse_turn(row: TableRow) -> Label:
    start_s, duration_s = row.parse_seconds("start", 3), row.parse_seconds("duration", 4)
    confidence = (*row.fields, "")[8]
    sure = float(confidence) if is_number(confidence) and "," not in confidence else -1.0
    whole = row.is_whole(3) and row.is_whole(4)
    end_s, known = start_s + duration_s, sure if 0 <= sure <= 1 else None
    return Label(start_s, end_s, row.fields[7], row.path, row.line, None, known, whole=whole)
