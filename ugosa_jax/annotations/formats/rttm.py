"""Rich Transcription Time Marked files: who speaks when, as diarisation programs write it.

Format: NIST, "The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan", appendix A: type, file,
channel, start, duration, two fields, name, confidence. Lines of other types than SPEAKER and LEXEME say
nothing of who sounds.
"""

from ugosa_jax.annotations.formats.label import Label, Reading, is_confidence
from ugosa_jax.annotations.formats.rows import Row, is_number, numbered
from ugosa_jax.errors import InputError

TYPES = ("SPEAKER", "LEXEME")


def is_line(line: str) -> bool:
    """Return whether a file that has this line is one."""
    fields = line.split()
    return len(fields) >= 8 and fields[0] in TYPES and all(map(is_number, fields[3:5]))


def read(text: str, path: str) -> Reading:
    """Read the stretches of all speakers of one recording.

    Raises:
      InputError: a line has too few fields, a time cannot be read, or there are several recordings.
    """
    table = [Row(path, n, line.split()) for n, line in numbered(text) if not line.startswith(";;")]
    table = [row for row in table if row.fields[0] in TYPES]
    for row in table:
        if len(row.fields) < 8:
            raise InputError(
                f"{path}:{row.line}: fields: {len(row.fields)} instead of at least 8, as in a line of RTTM"
            )
    recordings = list(dict.fromkeys(row.fields[1] for row in table))
    if len(recordings) > 1:
        raise InputError(
            f"{path}: holds {len(recordings)} recordings ({', '.join(recordings[:3])} …): keep the lines of one"
        )
    return Reading([_label(row) for row in table])


def _label(row: Row) -> Label:
    start_s, duration_s = row.seconds("start", 3), row.seconds("duration", 4)
    confidence = row.fields[8] if len(row.fields) > 8 else ""
    sure = float(confidence) if is_number(confidence) and "," not in confidence else None
    sure = sure if sure is not None and is_confidence(sure) else None
    whole = row.is_whole(3) and row.is_whole(4)
    return Label(start_s, start_s + duration_s, row.fields[7], row.path, row.line, None, sure, whole=whole)
