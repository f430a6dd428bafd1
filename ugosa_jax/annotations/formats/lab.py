"""Plain .lab files of MIREX tasks: start, end and label between blanks, in seconds.

Format: the labelled intervals that MIREX's structure and singing-voice tasks and mir_eval.io.load_labeled_intervals
use. HTK's files of the same suffix count in 100 ns, which is to be said.
"""

from ugosa_jax.annotations.formats.label import Label, Reading
from ugosa_jax.annotations.formats.rows import Row, is_time, said
from ugosa_jax.errors import InputError


def read(text: str, path: str) -> Reading:
    """Read labelled intervals.

    Raises:
      InputError: a line is none.
    """
    return Reading([_label(Row(path, n, line.split(maxsplit=2))) for n, line in said(text)])


def _label(row: Row) -> Label:
    if len(row.fields) < 2:
        raise InputError(f"{row.path}:{row.line}: fields: 1 instead of start, end and label")
    if len(row.fields) == 3 and not is_time(row.fields[0]) and all(map(is_time, row.fields[1:])):
        row = row._replace(fields=[*row.fields[1:], row.fields[0]])
    start_s, end_s = row.stretch()
    whole = row.is_whole(0) and row.is_whole(1)
    return Label(start_s, end_s, " ".join(row.fields[2:]).strip(), row.path, row.line, whole=whole)
