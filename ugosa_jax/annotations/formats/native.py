"""Tables: start,end,source[,state[,confidence]] in seconds, or whatever columns a header names.

Commas, semicolons or tabs stand between fields; with the last two, decimal signs may be commas. A spreadsheet's first
line `sep=;` may say which. Without a header the columns are the first four of those above. A missing end means up to
the end of the song, a missing start its beginning, as LosslessCut exports segments.
"""

import csv
import dataclasses
import io
import math
import re
from collections.abc import Sequence

from ugosa_jax.annotations.formats import columns
from ugosa_jax.annotations.formats.label import Label, Reading, shown
from ugosa_jax.annotations.formats.rows import Row, is_time, table_of
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.errors import InputError

HEADER = ["start", "end", "source", "state", "confidence"]


def read(text: str, path: str) -> Reading:
    """Read a table.

    Raises:
      InputError: a line is no interval.
    """
    table = table_of(text, path)
    if not table or any(map(is_time, table[0].fields)):
        if table and all(len(row.fields) == 2 and all(map(is_time, row.fields)) for row in table):
            return _pairs(table)
        if table and all(map(_is_of_a_recording, table)):
            _refuse_several([row.fields[0] for row in table], path)
            table = [row._replace(fields=row.fields[1:]) for row in table]
        return Reading([label(_in_order(row)) for row in table])
    header, body = table[0], table[1:]
    found = columns.find(header.fields)
    if not found and not any(is_time(field) for row in body for field in row.fields):
        raise InputError(
            f"{path}:{header.line}: no field is a time; a line is start,end,source or start,end,source,state"
        )
    if not found:
        raise InputError(
            f"{path}:{header.line}: header {shown(','.join(header.fields))} names no columns for start and end: "
            "call them start, end and source (or duration instead of end)"
        )
    body = [row._replace(fields=["" if field.casefold() == "n/a" else field for field in row.fields]) for row in body]
    if "recording" in found:
        _refuse_several([row.fields[found["recording"]] for row in body if found["recording"] < len(row.fields)], path)
    if "source" not in found and (wide := _wide(header, body, found)):
        return Reading(wide)
    warnings = []
    texts = [] if "source" in found else _texts(header, body, found)
    if len(texts) == 1:
        found["source"] = texts[0]
        name = shown(header.fields[texts[0]])
        warnings.append(f"{path}:{header.line}: column {name} is taken for the labels: none is called label or source")
    unused = [field for n, field in enumerate(header.fields) if field and n not in found.values()]
    left_out = f"columns left out: {', '.join(map(shown, unused[:8]))}"
    labels = [_by_columns(row, header, found) for row in body]
    if unused and body:
        warnings.append(f"{path}:{header.line}: {left_out}")
        if "source" not in found:
            labels = [dataclasses.replace(label, beside=left_out) for label in labels]
    return Reading(labels, tuple(warnings))


def _refuse_several(recordings: list[str], path: str) -> None:
    several = [name for name in dict.fromkeys(recordings) if name]
    if len(several) > 1:
        named = ", ".join(map(shown, several[:3])) + (" …" if len(several) > 3 else "")
        raise InputError(f"{path}: holds {len(several)} recordings ({named}): keep the lines of one")


def _texts(header: Row, body: list[Row], found: dict[str, int]) -> list[int]:
    """Return the columns that may hold labels: those not known otherwise that hold something else than numbers."""
    cells = {
        n: [row.fields[n] for row in body if n < len(row.fields) and row.fields[n]]
        for n, field in enumerate(header.fields)
        if field and n not in found.values()
    }
    return [n for n, texts in cells.items() if texts and not any(map(is_time, texts))]


def _wide(header: Row, body: list[Row], found: dict[str, int]) -> list[Label]:
    """Return labels of columns that are called after sources and say 1 or 0; none if they say something else."""
    columns_left = [n for n, field in enumerate(header.fields) if field and n not in found.values()]
    if not all(len(row.fields) > max(columns_left, default=0) for row in body):
        return []
    if not all(row.fields[n] in ("0", "1", "0.0", "1.0") for row in body for n in columns_left):
        return []
    return [
        dataclasses.replace(label, text=header.fields[n], state="active" if float(row.fields[n]) else "silent")
        for row in body
        for label in [_by_columns(row, header, found)]
        for n in columns_left
    ]


def _pairs(table: list[Row]) -> Reading:
    """Return what lines of two times say: stretches without a name."""
    backwards = next((row for row in table if row.seconds("end", 1) < row.seconds("start", 0)), None)
    if backwards is not None:
        what = "the second of two numbers is no end: times and values, as of pitch or beats, have none"
        raise InputError(f"{backwards.path}:{backwards.line}: {what}; write start, end and source into each line")
    whole = all(row.is_whole(0) and row.is_whole(1) for row in table)
    return Reading([Label(*row.stretch(), "", row.path, row.line, whole=whole) for row in table])


def _is_of_a_recording(row: Row) -> bool:
    """Return whether a line begins with the name of a sound file, as in the lists of DCASE."""
    is_file = re.search(r"\.(?:wav|flac|mp3|ogg|aiff?|m4a)$", row.fields[0], re.IGNORECASE) is not None
    return is_file and len(row.fields) > 3 and all(map(is_time, row.fields[1:3]))


def _in_order(row: Row) -> Row:
    """Return a line with its name behind its times, where it stands before them."""
    first = row.fields[0] if row.fields else ""
    if len(row.fields) < 3 or not first or is_time(first) or not all(map(is_time, row.fields[1:3])):
        return row
    if len(row.fields) > 3 and is_time(row.fields[3]):
        return row
    return row._replace(fields=[*row.fields[1:3], first, *row.fields[3:]])


def _by_columns(row: Row, header: Row, found: dict[str, int]) -> Label:
    """Return what a line says, whose columns a header names; perhaps in milliseconds."""
    in_ms = columns.in_milliseconds(header.fields[found["start"]])
    fields = row.fields + [""] * (max(found.values()) + 1 - len(row.fields))
    row = row._replace(fields=fields)
    if "end" in found:
        start_s, end_s = row.stretch(found["start"], found["end"])
    else:
        start_s = row.seconds("start", found["start"])
        lasts = fields[found["duration"]]  # BIDS has n/a where nobody knows for how long
        end_s = start_s + (row.seconds("duration", found["duration"]) if lasts else 0.0)
    if in_ms:
        start_s, end_s = start_s / 1000, end_s / 1000
    text = fields[found["source"]] if "source" in found else ""
    tier = fields[found["tier"]] if "tier" in found else ""
    return Label(
        start_s,
        end_s,
        text,
        row.path,
        row.line,
        (fields[found["state"]] or None) if "state" in found else None,
        row.confidence(found["confidence"]) if "confidence" in found else None,
        container=tier,
        own_words=bool(tier),
        whole=row.is_whole(found["start"]) and ("end" not in found or row.is_whole(found["end"])),
    )


def label(row: Row) -> Label:
    """Return what a line of a table without header says.

    Raises:
      InputError: the line is no interval.
    """
    if not 3 <= len(row.fields) <= 4:
        hint = "start,end,source or start,end,source,state (decimal commas need semicolons between fields)"
        raise InputError(f"{row.path}:{row.line}: fields: {len(row.fields)} instead of {hint}")
    start_s, end_s = row.stretch()
    state = row.fields[3] if len(row.fields) > 3 else None
    whole = row.is_whole(0) and row.is_whole(1)
    return Label(start_s, end_s, row.fields[2], row.path, row.line, state or None, whole=whole)


def written(intervals: Sequence[Interval]) -> str:
    """Return the text of a native table; a column of confidences only where there are any."""
    n_columns = 5 if any(i.confidence is not None for i in intervals) else 4
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(HEADER[:n_columns])
    for i in intervals:
        confidence = "" if i.confidence is None else repr(float(i.confidence))
        end = repr(float(i.end_s)) if math.isfinite(i.end_s) else ""
        line = (repr(float(i.start_s)), end, i.source, i.state, confidence)
        table.writerow(line[:n_columns])
    return out.getvalue()
