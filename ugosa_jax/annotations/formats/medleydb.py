"""Readers for the MedleyDB data set: ACTIVATION_CONF.lab, SOURCEID.lab, and the stems in METADATA.yaml.

Format: Bittner et al., "MedleyDB: a multitrack dataset for annotation-intensive MIR research", ISMIR 2014, and the
data set's files. ACTIVATION_CONF has a column of times and, for each stem (S01, S02 …), a column with the confidence
that the stem is active. SOURCEID has the columns start_time,end_time,instrument_label.
"""

import itertools
import re

import yaml

from ugosa_jax.annotations.formats.label import Label, LabelFile, is_time
from ugosa_jax.annotations.formats.table import TableRow, fold_header, is_known_column, read_table
from ugosa_jax.errors import InputError

_NOTHING = ("", "~", "null")
"""Spellings of a missing value in YAML."""
SOURCEID_HEADER = ["start_time", "end_time", "instrument_label"]


def read_sourceid(text: str, path: str) -> LabelFile:
    """Read the times of instruments."""
    table = read_table(text, path)
    if not table or [field.lower() for field in table[0].fields] != SOURCEID_HEADER:
        raise InputError(f"{path}: does not begin with {','.join(SOURCEID_HEADER)}")
    for row in table[1:]:
        row.check_width([3], ",".join(SOURCEID_HEADER))
    return LabelFile([Label(*row.parse_stretch(), row.fields[2], path, row.line) for row in table[1:]])


def is_wide(fields: list[str]) -> bool:
    """Return whether a header has a column of times, and a column of confidences or flags for each source."""
    times = len(fields) > 1 and fold_header(fields[0]) in ("time", "time s", "times", "seconds")
    return times and not any(is_known_column(field) or is_time(field) for field in fields[1:])


def is_activation_conf(fields: list[str]) -> bool:
    """Return whether a header is that of the data set's activation confidences."""
    return len(fields) > 1 and fields[0].lower() == "time" and all(re.fullmatch("[sS][0-9]+", f) for f in fields[1:])


def read_activation_conf(text: str, path: str) -> LabelFile:
    """Read activation confidences: a stem is active where its confidence is at least 0.5, as in the data set.

    A line is valid from its time to that of the next line; the last line is as long as the one before it. Consecutive
    lines in which a stem has the same state become one label with the lowest of their confidences.
    """
    table = read_table(text, path)
    if not table or not (is_activation_conf(table[0].fields) or is_wide(table[0].fields)):
        raise InputError(f"{path}: does not begin with time,S01,S02 … or time and the names of sources")
    stems, body = table[0].fields[1:], table[1:]
    if len(body) < 2:
        raise InputError(f"{path}: has fewer than two lines of confidences")
    if len(set(stems)) < len(stems):
        raise InputError(f"{path}:{table[0].line}: a stem is listed twice")
    for row in body:
        row.check_width([len(stems) + 1], str(len(stems) + 1))
    times_s = _read_times(body)
    return LabelFile([label for n, stem in enumerate(stems, 1) for label in _join_runs(stem, n, body, times_s)])


def parse_stem_names(text: str, path: str) -> dict[str, tuple[str, ...]]:
    """Return a dict from each stem of a METADATA.yaml to its instruments; unknown instruments are omitted."""
    try:
        content = yaml.load(text, yaml.BaseLoader)  # keeps all scalars as strings: "no" may be a name
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())[:200]})") from error
    stems = content.get("stems") if isinstance(content, dict) else None
    if not isinstance(stems, dict):
        raise InputError(f"{path}: stems: missing; MedleyDB's METADATA.yaml lists them")
    names = {}
    for stem, entry in stems.items():
        said_of_it = entry.get("instrument") if isinstance(entry, dict) else None
        instruments = said_of_it if isinstance(said_of_it, list) else [said_of_it]
        names[str(stem)] = tuple(name for name in instruments if isinstance(name, str) and name not in _NOTHING)
    return names


def _read_times(body: list[TableRow]) -> list[float]:
    """Return the times of the lines, and the end of the last one."""
    times_s = [row.parse_seconds("time", 0) for row in body]
    for before_s, time_s, row in zip(times_s, times_s[1:], body[1:], strict=False):
        if time_s <= before_s:
            raise row.make_error("time", row.fields[0], f"is not after {before_s:g}, that of the line before")
    return [*times_s, times_s[-1] + (times_s[-1] - times_s[-2])]


def _join_runs(stem: str, column: int, body: list[TableRow], times_s: list[float]) -> list[Label]:
    """Return the labels of one stem, alternately active and silent."""
    confidences = []
    for row in body:
        confidences.append(row.parse_confidence(column))
        if confidences[-1] is None:
            raise row.make_error("confidence", row.fields[column], "is not a number between 0 and 1")
    labels = []
    for is_active, run in itertools.groupby(range(len(body)), key=lambda k: confidences[k] >= 0.5):
        lines = list(run)
        sure = min(max(confidences[k], 1 - confidences[k]) for k in lines)
        first, state = body[lines[0]], "active" if is_active else "silent"
        labels.append(Label(times_s[lines[0]], times_s[lines[-1] + 1], stem, first.path, first.line, state, sure))
    return labels
