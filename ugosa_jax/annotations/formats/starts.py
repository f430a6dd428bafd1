"""Lists of a start and a text in each line, of which each is valid until the next.

Format: lists of sections and states as people type them, and as the AIST annotations of the RWC data set have them
(Goto 2006). Of markers that say `in` and `out`, nobody can tell that; they are points.
"""

import math
import re

from ugosa_jax.annotations.formats import columns
from ugosa_jax.annotations.formats.clock import is_time
from ugosa_jax.annotations.formats.label import Label, Reading
from ugosa_jax.annotations.formats.rows import Row, delimiter_of, rows, said
from ugosa_jax.errors import InputError

_MARKS = re.compile(
    r".*\b(in|out|on|off|start|stop|end|begin|enter|exit|enters|exits|ein|aus|anfang|ende|début|fin)", re.IGNORECASE
)


def pairs(text: str, path: str) -> list[Row]:
    """Return the lines, cut in two; none if one of them cannot be, or their times do not grow."""
    lines = said(text)
    if not any(map(_is_pair, (Row(path, n, _cut(line)) for n, line in lines[:3]))):
        return []
    delimiter = delimiter_of(lines)
    table = list(rows(path, lines, delimiter)) if delimiter in "\t;" or all("," in line for _, line in lines) else []
    if not table or any(len(row.fields) != 2 for row in table):
        table = [Row(path, n, line.split(maxsplit=1)) for n, line in lines]
    if table and re.match("piece no", " ".join(table[0].fields), re.IGNORECASE):
        table = table[1:]
    if (
        table
        and not is_time(table[0].fields[0])
        and columns.folded(table[0].fields[0]) in ("time", "start", "onset", "zeit")
    ):
        table = table[1:]
    if len(table) < 2 or not all(map(_is_pair, table)):
        return []
    times_s = [row.seconds("start", 0) for row in table]
    return table if times_s == sorted(set(times_s)) else []


def _cut(line: str) -> list[str]:
    """Return a line cut after its first field, as far as that can be told from the line alone."""
    return [field.strip() for field in re.split(r"[\t;]|,(?![0-9])|\s", line.strip(), maxsplit=1)]


def _is_pair(row: Row) -> bool:
    """Return whether a line is a time and a text; the text of a stretch would begin with its end."""
    if len(row.fields) != 2 or not is_time(row.fields[0]):
        return False
    words = [word.strip("-–—]") for word in row.fields[1].split()[:2]]
    return bool(words) and not any(word and is_time(word) for word in words)


def read(text: str, path: str) -> Reading:
    """Read states; the last one is valid up to the end of the song.

    Raises:
      InputError: a line is none, or its time is not after that of the line before.
    """
    table = pairs(text, path)
    if not table:
        raise InputError(
            f"{path}: is no list of a start and a text in each line, with at least two lines in order of time"
        )
    starts_s = [row.seconds("start", 0) for row in table]
    texts = [row.fields[1] for row in table]
    if any(_MARKS.fullmatch(text) for text in texts):
        points = [
            Label(start_s, start_s, row.fields[1], path, row.line) for row, start_s in zip(table, starts_s, strict=True)
        ]
        return Reading(points)
    ends_s = [*starts_s[1:], math.inf]
    labels = [
        Label(start_s, end_s, row.fields[1], path, row.line, whole=row.is_whole(0))
        for row, start_s, end_s in zip(table, starts_s, ends_s, strict=True)
    ]
    return Reading(
        labels, (f"{path}:{table[0].line}: lines of a start and a text: each is taken to be valid until the next",)
    )
