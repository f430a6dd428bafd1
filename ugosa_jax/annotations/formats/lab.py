"""Plain .lab files of MIREX tasks: start, end and label between blanks, in seconds.

Format: the labelled intervals that MIREX's structure and singing-voice tasks and mir_eval.io.load_labeled_intervals
use. HTK's files of the same suffix count in 100 ns and are refused.
"""

from ugosa_jax.annotations.formats.label import Label, Reading
from ugosa_jax.annotations.formats.rows import Row, said
from ugosa_jax.errors import InputError

LONGEST_S = 100_000.0
"""More than a day; a whole number beyond it counts something else than seconds."""


def read(text: str, path: str) -> Reading:
    """Read labelled intervals.

    Raises:
      InputError: a line is none.
    """
    return Reading([_label(Row(path, n, line.split(maxsplit=2))) for n, line in said(text)])


def _label(row: Row) -> Label:
    if len(row.fields) < 2:
        raise InputError(f"{row.path}:{row.line}: fields: 1 instead of start, end and label")
    start_s, end_s = row.stretch()
    if end_s > LONGEST_S and row.fields[1].isdigit():
        raise row.error("end", row.fields[1], "is no time of a song in seconds (HTK's units of 100 ns?)")
    return Label(start_s, end_s, " ".join(row.fields[2:]).strip(), row.path, row.line)
