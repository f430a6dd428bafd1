"""The native table: start,end,source[,state[,confidence]] in seconds.

Commas, semicolons or tabs stand between fields; with the last two, decimal signs may be commas. A header is not
needed, but only a header that names it makes room for the fifth column.
"""

import csv
import io
from collections.abc import Sequence

from ugosa_jax.annotations.formats.label import Label, Reading
from ugosa_jax.annotations.formats.rows import Row, delimiter_of, rows, said
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.errors import InputError

HEADER = ["start", "end", "source", "state", "confidence"]


def read(text: str, path: str) -> Reading:
    """Read a native table.

    Raises:
      InputError: a line is no interval.
    """
    lines = said(text)
    table = list(rows(path, lines, delimiter_of(lines)))
    header = [field.lower() for field in table[0].fields] if table else []
    is_header = header[:3] == HEADER[:3]
    most = 5 if is_header and header == HEADER else 4
    return Reading([label(row, most) for row in table[is_header:]])


def label(row: Row, most: int = 4) -> Label:
    """Return what a line of a table says.

    Args:
      row: its fields.
      most: how many there may be: 4, or 5 in a table with confidences.

    Raises:
      InputError: the line is no interval.
    """
    if not 3 <= len(row.fields) <= most:
        hint = "start,end,source or start,end,source,state (decimal commas need semicolons between fields)"
        raise InputError(f"{row.path}:{row.line}: fields: {len(row.fields)} instead of {hint}")
    start_s, end_s = row.stretch()
    state = row.fields[3] if len(row.fields) > 3 else None
    confidence = row.confidence(4) if len(row.fields) > 4 else None
    return Label(start_s, end_s, row.fields[2], row.path, row.line, state or None, confidence)


def written(intervals: Sequence[Interval]) -> str:
    """Return the text of a native table; a column of confidences only where there are any."""
    n_columns = 5 if any(i.confidence is not None for i in intervals) else 4
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(HEADER[:n_columns])
    for i in intervals:
        confidence = "" if i.confidence is None else repr(float(i.confidence))
        line = (repr(float(i.start_s)), repr(float(i.end_s)), i.source, i.state, confidence)
        table.writerow(line[:n_columns])
    return out.getvalue()
