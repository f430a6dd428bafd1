r"""Audacity's label tracks: start, end and text between tabs.

Format: Audacity manual, "Importing and Exporting Labels". In the extended style a line `\`, low, high with the
frequencies of a spectral selection may follow a label. A point label has its start as its end; versions before 1.3.3
wrote start and text only. Numbers have the decimal comma in some languages. An export of several tracks is one
list, without the tracks' names.
"""

import math
from collections.abc import Sequence

from ugosa_jax.annotations.formats.label import Label, Reading
from ugosa_jax.annotations.formats.native import label
from ugosa_jax.annotations.formats.rows import Row, is_time, rows, said
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.errors import InputError


def read(text: str, path: str) -> Reading:
    """Read a label track, or several in one file.

    Raises:
      InputError: a line is no label.
    """
    lines = [(n, line) for n, line in said(text) if not line.startswith("\\")]
    return Reading([_label(row) for row in rows(path, lines, "\t")])


def _label(row: Row) -> Label:
    if len(row.fields) != 2:
        return label(row)
    if is_time(row.fields[1]):  # a region without text; the manual says that the third column may be missing
        return Label(*row.stretch(), "", row.path, row.line, whole=row.is_whole(0) and row.is_whole(1))
    start_s = row.seconds("start", 0)
    return Label(start_s, start_s, row.fields[1], row.path, row.line)


def written(intervals: Sequence[Interval]) -> str:
    """Return the text of a label track, whose labels are `source`, or `source state` if not active.

    Raises:
      InputError: the name of a source would not be read back.
    """
    for i in intervals:
        if any(mark in i.source for mark in '\t\n\r"') or i.source != i.source.strip():
            raise InputError(f"source {i.source!r}: its name cannot stand in a label track")
        if not math.isfinite(i.end_s):
            raise InputError(
                f"source {i.source!r}: plays to the end of the song, which a label track cannot say: give --song"
            )
    texts = [i.source if i.state == "active" else f"{i.source} {i.state}" for i in intervals]
    return "".join(
        f"{float(i.start_s)!r}\t{float(i.end_s)!r}\t{text}\n" for i, text in zip(intervals, texts, strict=True)
    )
