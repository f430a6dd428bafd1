"""Files that cannot say when a source plays: what they are, and what to export instead."""

import re

from ugosa_jax.errors import InputError

_LABELS = "export its regions or labels as text instead"
BINARY = [
    (
        rb"RIFF....WAVE|RF64....WAVE|fLaC|OggS|ID3|\xff[\xfb\xf3\xf2]|FORM....AIF[FC]|caff|....ftyp",
        "a sound or video file: the annotation comes first, then the song",
    ),
    (
        rb"SQLite format 3",
        "an Audacity 3 project, or another database: in Audacity, File > Export Other > Export Labels",
    ),
    (rb"\x1f\x8b", "packed with gzip, as an Ableton Live set is: unpack it, or " + _LABELS),
    (rb"PK\x03\x04", "a spreadsheet or another zip archive: save the table as CSV, or unpack it"),
    (rb"\xd0\xcf\x11\xe0", "a spreadsheet or document of an old Office: save the table as CSV"),
    (
        rb"MThd",
        "a MIDI file: its notes are not the song's; mark when each source plays, for example as labels in Audacity",
    ),
    (rb"\0\x05\x16\x07", "what macOS keeps beside a file: take the one whose name does not begin with ._"),
    (rb"%PDF", "a PDF: copy the times into a text file with start, end and source in each line"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|BM....\0\0", "a picture"),
    (rb"\x03....................BINARY|\x03.{15,24}Pro Tools", "a Pro Tools session: " + _LABELS),
]
"""How a file begins → what it is."""

_REAPER = "a REAPER project: export its regions with View > Region/Marker Manager > Export regions/markers"
TEXT = [
    (r"<REAPER_PROJECT", _REAPER),
    (
        r"TITLE:.*\n(?:FCM:|\s*\n|\*|[0-9]{3})|[0-9]{3,6}\s+\S+\s+\S+\s+C\s+[0-9]{2}:",
        "an edit decision list (EDL): it says which clips are cut together, not who plays; " + _LABELS,
    ),
    (
        r"(?:REM|PERFORMER|TITLE|CATALOG|FILE)\s.*(?:\n.*)*\n\s*TRACK\s+[0-9]+\s+AUDIO",
        "a cue sheet: its tracks begin at points; write start, end and source into each line",
    ),
    (r"SESSION NAME:\t", "a Pro Tools session exported as text: write start, end and source of each clip into a table"),
    (
        r"WEBVTT|[0-9]+\n[0-9:]+,[0-9]+\s*-->",
        "subtitles: they say what is sung, not who plays; import them as labels (start, end and vocals in each line)",
    ),
    (
        r"(?:\[[a-z]+:.*\]\s*\n|\s)*\[[0-9]+:[0-9]{2}[.:][0-9]+\]",
        "lyrics with times (LRC): they say when a line begins, not until when; mark when the vocals sing",
    ),
    (r"#EXTM3U", "a playlist"),
    (
        r"(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE[^>]*>\s*|<!--.*?-->\s*)*<(?:audacityproject|project\s[^>]*audacity)",
        "an Audacity project: in Audacity, File > Export Other > Export Labels",
    ),
    (
        r"(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE[^>]*>\s*)*<score-(?:partwise|timewise)",
        "a score (MusicXML): it counts beats, not seconds",
    ),
    (r"(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE[^>]*>\s*)*<(?:fcpxml|xmeml)", "a Final Cut or Premiere project: " + _LABELS),
    (
        r"(?:<\?xml[^>]*>\s*)?<(?:Ableton|Project\s|Song\s|MediaBay|tracklist)",
        "a project of an audio workstation: " + _LABELS,
    ),
    (r"(?:<!doctype html[^>]*>\s*)?<html", "a web page: was the file's page saved instead of the file?"),
    (r"version https://git-lfs", "a pointer of Git LFS, not the file itself: fetch it with git lfs pull"),
    (r"%!|\{\\rtf", "formatted text: save it as plain text"),
    (
        r"RegionName|\S+ Marker List|(?:Bar|Measure)\s+Beat",
        "a list in bars and beats: set the ruler to seconds and export again",
    ),
]
"""How a text begins → what it is."""

FOLDERS = {
    ".logicx": "a Logic Pro project",
    ".band": "a GarageBand project",
    ".ptx": "a Pro Tools session",
    ".fcpbundle": "a Final Cut library",
    ".cpr": "a Cubase project",
}
"""What folders and files of these suffixes are, whatever is in them."""


def refuse_binary(content: bytes, path: object) -> None:
    """Refuse what is known by its first bytes.

    Raises:
      InputError: saying what it is, and what to do.
    """
    refuse_suffix(path)
    for start, what in BINARY:
        if re.match(start, content[:64], re.DOTALL):
            raise InputError(f"{path}: is {what}")


def refuse_text(text: str, path: object) -> None:
    """Refuse what is known by its first lines.

    Raises:
      InputError: saying what it is, and what to do.
    """
    start = text.lstrip().replace("\r\n", "\n")[:2000]
    for pattern, what in TEXT:
        if re.match(pattern, start, re.IGNORECASE):
            raise InputError(f"{path}: is {what}")


def refuse_suffix(path: object) -> None:
    """Refuse projects, which are known by their suffix.

    Raises:
      InputError: saying what it is, and what to do.
    """
    what = next((what for suffix, what in FOLDERS.items() if str(path).lower().endswith(suffix)), None)
    if what is not None:
        raise InputError(f"{path}: is {what}: {_LABELS}")
