"""Rich Transcription Time Marked files: who speaks when, as diarisation programs write it.

Format: NIST, "The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan", appendix A: type, file,
channel, start, duration, two fields, name, confidence, signal lookahead time. Lines of other types than SPEAKER and
LEXEME say nothing of who sounds. Blanks separate the fields, and programs write names that hold blanks all the same:
the two fields behind the times are <NA> for speakers, and tell where the times are.
"""

from ugosa_jax.annotations.formats.label import Label, Reading, is_confidence
from ugosa_jax.annotations.formats.rows import Row, is_number, is_time, numbered
from ugosa_jax.errors import InputError

TYPES = ("SPEAKER", "LEXEME")
_NONE = "<NA>"


def is_line(line: str) -> bool:
    """Return whether a file that has this line is one."""
    fields = line.split()
    return len(fields) >= 8 and fields[0] in TYPES and all(map(is_number, _joined(fields)[3:5]))


def read(text: str, path: str) -> Reading:
    """Read the stretches of all speakers of one recording.

    Raises:
      InputError: a line has too few fields, a time cannot be read, or there are several recordings.
    """
    lines = [(n, line) for n, line in numbered(text) if line.split()[0] in TYPES]
    table = [Row(path, n, _joined(line.split())) for n, line in lines]
    for row in table:
        if len(row.fields) < 8:
            raise InputError(
                f"{path}:{row.line}: fields: {len(row.fields)} instead of at least 8, as in a line of RTTM"
            )
        if not all(map(is_time, row.fields[3:5])) or is_number(row.fields[5]):
            wrong = next((field for field in row.fields[3:5] if not is_time(field)), row.fields[3])
            raise row.error(
                "start", wrong, "and the duration are to be fields 4 and 5: does the recording's name hold a blank?"
            )
    recordings = list(dict.fromkeys(row.fields[1] for row in table))
    if len(recordings) > 1:
        raise InputError(
            f"{path}: holds {len(recordings)} recordings ({', '.join(recordings[:3])} …): keep the lines of one"
        )
    return Reading([_label(row) for row in table])


def _joined(fields: list[str]) -> list[str]:
    """Return the fields with those that are one name joined, as far as <NA> tells where names end."""
    n = next((n for n in range(5, len(fields) - 2) if fields[n] == fields[n + 1] == _NONE), 0)
    if not n or not all(map(is_number, fields[n - 2 : n])):
        return fields
    name, last = fields[n + 2 :], []
    while len(name) > 1 and len(last) < 2 and (name[-1] == _NONE or is_number(name[-1])):
        last.insert(0, name.pop())
    return [fields[0], " ".join(fields[1 : n - 3]), *fields[n - 3 : n + 2], " ".join(name), *last]


def _label(row: Row) -> Label:
    start_s, duration_s = row.seconds("start", 3), row.seconds("duration", 4)
    confidence = row.fields[8] if len(row.fields) > 8 else ""
    sure = float(confidence) if is_number(confidence) and "," not in confidence else None
    sure = sure if sure is not None and is_confidence(sure) else None
    whole = row.is_whole(3) and row.is_whole(4)
    return Label(start_s, start_s + duration_s, row.fields[7], row.path, row.line, None, sure, whole=whole)
