r"""Readers and writers of text files with one label per line: tables, Audacity's label tracks, .lab, lists of starts.

`csv`: start,end,source[,state[,confidence]] in seconds, or the columns that a header names. A missing start or end is
that of the song, as in exports from LosslessCut.

`audacity`: fields separated by tabs (Audacity manual, "Importing and Exporting Labels"). In the extended style, a line
`\`, low, high may follow a label. The end of a point label equals its start; versions before 1.3.3 wrote only start and
text. An export of several tracks is one list, without the names of the tracks.

`lab`: start, end and label separated by spaces, as in MIREX and `mir_eval.io.load_labeled_intervals`. HTK's files with
this suffix have times in units of 100 ns.

`starts`: a start and a text, which is valid until the next start, as in the AIST annotations of the RWC data set
(Goto 2006). Markers such as `in` and `out` are read as points instead.
"""

import csv
import dataclasses
import io
import math
import re
from collections.abc import Sequence

from ugosa_jax.annotations.formats.label import Label, LabelFile, is_time, parse_time, quote, refuse_several
from ugosa_jax.annotations.formats.table import (
    BEFORE_S,
    TableRow,
    content_lines,
    find_columns,
    find_delimiter,
    find_unit_s,
    fold_header,
    read_table,
    split_lines,
)
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.errors import InputError

HEADER = ["start", "end", "source", "state", "confidence"]


def read_csv(text: str, path: str) -> LabelFile:
    """Read a table."""
    table = read_table(text, path)
    if not table or any(map(is_time, table[0].fields)):
        return LabelFile(_read_without_header(table, path))
    header, body = table[0], table[1:]
    found = find_columns(header.fields)
    if not found:
        if not any(is_time(field) for row in body for field in row.fields):
            what = "no field is a time; a line is start,end,source or start,end,source,state"
        else:
            fields = quote(",".join(header.fields))
            what = f"header {fields} has no columns for start and end: call the columns start, end and source"
            what += " (or duration instead of end)"
        raise InputError(f"{path}:{header.line}: {what}")
    width = max(len(header.fields), *found.values())
    body = [row._replace(fields=[_or_empty(f) for f in row.fields] + [""] * (width - len(row.fields))) for row in body]
    if "recording" in found:
        refuse_several(path, (row.fields[found["recording"]] for row in body))
    timed = [row for row in body if row.fields[found["start"]] or "end" in found]
    warnings = [f"{row.path}:{row.line}: left out: no start" for row in body if row not in timed]
    left = [n for n, field in enumerate(header.fields) if field and n not in found.values()]
    if "source" not in found:
        if timed and all(row.fields[n] in ("0", "1", "0.0", "1.0") for row in timed for n in left):
            return LabelFile(_read_wide(header, timed, found, left))
        cells = {n: [row.fields[n] for row in timed if row.fields[n]] for n in left}
        texts = [n for n in left if cells[n] and not any(map(is_time, cells[n]))]
        if len(texts) == 1:
            found["source"] = texts[0]
            left.remove(texts[0])
            name = quote(header.fields[texts[0]])
            warnings.append(f"{path}:{header.line}: column {name} is read as the labels: no column is called label")
    labels = [_read_columns(row, header, found) for row in timed]
    if left and labels:
        left_out = f"columns left out: {', '.join(quote(header.fields[n]) for n in left[:8])}"
        warnings.append(f"{path}:{header.line}: {left_out}")
        if "source" not in found:
            labels = [dataclasses.replace(label, beside=left_out) for label in labels]
    return LabelFile(labels, tuple(warnings))


def _or_empty(field: str) -> str:
    """Return a field, or an empty string for n/a, which marks missing values in BIDS."""
    return "" if field.casefold() == "n/a" else field


def _read_wide(header: TableRow, body: list[TableRow], found: dict[str, int], columns: list[int]) -> list[Label]:
    """Read a table with a column of 1 and 0 for each source."""
    return [
        dataclasses.replace(label, text=header.fields[n], state="active" if float(row.fields[n]) else "silent")
        for row in body
        for label in [_read_columns(row, header, found)]
        for n in columns
    ]


def _read_columns(row: TableRow, header: TableRow, found: dict[str, int]) -> Label:
    """Return the label in a line with a header."""
    fields = {role: row.fields[n] for role, n in found.items()}
    unit_s = {role: find_unit_s(header.fields[n]) for role, n in found.items()}
    if "end" in found:
        start_s, end_s = row.parse_stretch(found["start"], found["end"])
        end_s *= unit_s["end"]
        start_s *= unit_s["start"]
    else:
        start_s = (parse_time(fields["start"]) or 0.0) * unit_s["start"]
        if not -BEFORE_S <= start_s < 0:
            start_s = row.parse_seconds("start", found["start"]) * unit_s["start"]
        lasts_s = row.parse_seconds("duration", found["duration"]) * unit_s["duration"] if fields["duration"] else 0.0
        start_s, end_s = max(0.0, start_s), max(0.0, start_s + lasts_s)
    confidence = row.parse_confidence(found["confidence"]) if "confidence" in found else None
    whole = row.is_whole(found["start"]) and ("end" not in found or row.is_whole(found["end"]))
    tier = fields.get("tier", "")
    return Label(
        start_s,
        end_s,
        fields.get("source", ""),
        row.path,
        row.line,
        fields.get("state") or None,
        confidence,
        container=tier,
        own_words=bool(tier),
        whole=whole and unit_s["start"] == 1,
    )


def _read_without_header(table: list[TableRow], path: str) -> list[Label]:
    """Return the labels in lines of start, end and source, also if the source comes first."""
    if table and all(len(row.fields) == 2 and all(map(is_time, row.fields)) for row in table):
        return [_parse_pair(row) for row in table]
    if table and all(map(_is_of_a_recording, table)):
        refuse_several(path, (row.fields[0] for row in table))
        table = [row._replace(fields=row.fields[1:]) for row in table]
    elif _is_numbered(table):
        table = [row._replace(fields=row.fields[1:]) for row in table]
    return [parse_line(_reorder(row)) for row in table]


def _parse_pair(row: TableRow) -> Label:
    """Return the label without a text in a line of two times."""
    if row.parse_seconds("end", 1) < row.parse_seconds("start", 0):
        what = "the second number is not an end; a list of times and values, such as pitches, has no ends"
        raise InputError(f"{row.path}:{row.line}: {what}; write start, end and source into each line")
    return row.make_label("")


def _is_of_a_recording(row: TableRow) -> bool:
    """Return whether a line begins with the name of a sound file, as in lists of DCASE."""
    is_file = re.search(r"\.(?:wav|flac|mp3|ogg|aiff?|m4a)$", row.fields[0], re.IGNORECASE) is not None
    return is_file and len(row.fields) > 3 and all(map(is_time, row.fields[1:3]))


def _is_numbered(table: list[TableRow]) -> bool:
    """Return whether lines begin with their numbers, as pandas writes them."""
    first = [row.fields[0] for row in table]
    counts = any(first == [str(n + begin) for n in range(len(table))] for begin in (0, 1))
    return counts and all(
        len(row.fields) > 3 and all(map(is_time, row.fields[1:3])) and not is_time(row.fields[3]) for row in table
    )


def _reorder(row: TableRow) -> TableRow:
    """Return a line with the name moved behind the times if it precedes them."""
    first = row.fields[0] if row.fields else ""
    if len(row.fields) < 3 or not first or is_time(first) or not all(map(is_time, row.fields[1:3])):
        return row
    if len(row.fields) > 3 and is_time(row.fields[3]):
        return row
    return row._replace(fields=[*row.fields[1:3], first, *row.fields[3:]])


def parse_line(row: TableRow) -> Label:
    """Return the label in a line of start, end, source and an optional state."""
    decimals = "decimal commas need semicolons between fields"
    row.check_width((3, 4), f"start,end,source or start,end,source,state ({decimals})")
    return row.make_label(row.fields[2], state=(*row.fields, "")[3] or None)


def format_csv(intervals: Sequence[Interval]) -> str:
    """Format intervals as a table, with a column of confidences if any interval has one."""
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


def read_audacity(text: str, path: str) -> LabelFile:
    """Read one or several label tracks in one file."""
    lines = [(n, line) for n, line in content_lines(text) if not line.startswith("\\")]
    table = list(split_lines(path, lines, "\t"))
    if all(len(row.fields) == 4 and not row.fields[2] for row in table):  # with two tabs before each label
        table = [row._replace(fields=[*row.fields[:2], row.fields[3]]) for row in table]
    return LabelFile([_parse_audacity(row) for row in table])


def _parse_audacity(row: TableRow) -> Label:
    if len(row.fields) != 2:
        return parse_line(row)
    # The manual says that the third column of a region may be missing.
    return row.make_label("") if is_time(row.fields[1]) else row.make_point(row.fields[1], 0)


def format_audacity(intervals: Sequence[Interval]) -> str:
    """Format intervals as a label track; labels are `source`, or `source state` if it is not active."""
    for i in intervals:
        if any(mark in i.source for mark in '\t\n\r"') or i.source != i.source.strip():
            raise InputError(f"source {i.source!r}: a label track cannot hold this name")
        if not math.isfinite(i.end_s):
            what = "lasts to the end of the song, which a label track cannot express: give --song"
            raise InputError(f"source {i.source!r}: {what}")
    texts = (i.source if i.state == "active" else f"{i.source} {i.state}" for i in intervals)
    return "".join(f"{float(i.start_s)!r}\t{float(i.end_s)!r}\t{next(texts)}\n" for i in intervals)


def read_lab(text: str, path: str) -> LabelFile:
    """Read labelled intervals."""
    lines = content_lines(text)
    if lines and find_columns(lines[0][1][:1000].split()):
        lines = lines[1:]
    return LabelFile([_parse_lab(TableRow(path, n, line.split(maxsplit=2))) for n, line in lines])


def _parse_lab(row: TableRow) -> Label:
    if len(row.fields) < 2:
        raise InputError(f"{row.path}:{row.line}: fields: 1 instead of start, end and label")
    if len(row.fields) == 3 and not is_time(row.fields[0]) and all(map(is_time, row.fields[1:])):
        row = row._replace(fields=[*row.fields[1:], row.fields[0]])
    return row.make_label(" ".join(row.fields[2:]).strip())


_MARKS = re.compile(
    r".*\b(in|out|on|off|start|stop|end|begin|enter|exit|enters|exits|ein|aus|anfang|ende|début|fin)", re.IGNORECASE
)


def find_pairs(text: str, path: str) -> list[TableRow]:
    """Return the lines split into a start and a text; an empty list unless all are such pairs in order of time."""
    lines = content_lines(text)
    if not any(map(_is_pair, (TableRow(path, n, _cut(line)) for n, line in lines[:3]))):
        return []
    delimiter = find_delimiter(lines)
    cut = delimiter in "\t;" or all("," in line for _, line in lines)
    table = list(split_lines(path, lines, delimiter)) if cut else []
    if not table or any(len(row.fields) != 2 for row in table):
        table = [TableRow(path, n, line.split(maxsplit=1)) for n, line in lines]
    if table and re.match("piece no", " ".join(table[0].fields), re.IGNORECASE):
        table = table[1:]
    if table and fold_header(table[0].fields[0]) in ("time", "start", "onset", "zeit"):
        table = table[1:]
    if len(table) < 2 or not all(map(_is_pair, table)):
        return []
    times_s = [row.parse_seconds("start", 0) for row in table]
    return table if times_s == sorted(set(times_s)) else []


def _cut(line: str) -> list[str]:
    """Return a line split after its first field, with any delimiter."""
    return [field.strip() for field in re.split(r"[\t;]|,(?![0-9])|\s", line.strip(), maxsplit=1)]


def _is_pair(row: TableRow) -> bool:
    """Return whether a line is a start and a text that does not begin with a time, which would be an end."""
    if len(row.fields) != 2 or not is_time(row.fields[0]):
        return False
    words = [word.strip("-–—]") for word in row.fields[1].split()[:2]]
    return bool(words) and not any(word and is_time(word) for word in words)


def read_starts(text: str, path: str) -> LabelFile:
    """Read labels that are valid until the next one, the last one up to the end of the song."""
    table = find_pairs(text, path)
    if not table:
        what = "is not a list of starts and texts: at least two lines, in order of time"
        raise InputError(f"{path}: {what}")
    points = [row.make_point(row.fields[1], 0) for row in table]
    if any(_MARKS.fullmatch(point.text) for point in points):
        return LabelFile(points)
    ends_s = [*(point.start_s for point in points[1:]), math.inf]
    labels = [
        dataclasses.replace(point, end_s=end_s, whole=row.is_whole(0))
        for row, point, end_s in zip(table, points, ends_s, strict=True)
    ]
    how = "lines of a start and a text: each is read as valid until the next start"
    return LabelFile(labels, (f"{path}:{table[0].line}: {how}",))
