"""Which column of a table holds what, by its header, as common exporters call them."""

import functools
import re
import unicodedata
from collections.abc import Sequence

COLUMNS = {
    "start": (
        "start, begin, onset, starttime, start time, begin time, onset time, xmin, tmin, from, in, in point, "
        "t0, t start, time start, segment start, time, start timestamp, anfang, beginn, startzeit, "
        "anfangszeit, von, début, debut, temps début, inicio, início, comienzo, inizio, da, desde"
    ),
    "end": (
        "end, stop, offset, endtime, end time, stop time, offset time, finish, xmax, tmax, to, out, out point, "
        "t1, t end, time end, segment end, end timestamp, ende, endzeit, bis, schluss, fin, fine, fim, temps "
        "fin, a, até, hasta"
    ),
    "duration": "duration, dur, length, len, dauer, länge, durée, duración, durata, duração",
    "source": (
        "source, label, labels, instrument, instrument label, event label, name, text, class, category, trial type, "
        "stem, annotation, event, value, description, marker name, track, track name, part, voice, tag, "
        "transcription, speaker, quelle, bezeichnung, spur, stimme, beschriftung, text label, étiquette, "
        "libellé, nom, piste, fuente, etiqueta, nombre, pista, fonte, etichetta, nome, rótulo, faixa, traccia, "
        "strumento, instrumento, titel, title, comment"
    ),
    "recording": (
        "recording, filename, file name, file, audio filename, audio file, audio, sound file, wav, wav file, path, "
        "file path, audio path, uri, song, song id, song name, file id, recording id, datei, "
        "dateiname, fichier, archivo, aufnahme"
    ),
    "state": "state, status, active, activity, zustand, état, estado, stato, aktiv, actif",
    "confidence": ("confidence, probability, prob, likelihood, konfidenz, confiance, confianza, confidenza, confiança"),
    "tier": "tier, tier name, layer, layer name, ebene, tiername",
}
"""What a column holds → what it is called; of several, the earlier name counts."""


def find(header: Sequence[str]) -> dict[str, int]:
    """Return {what it holds: position} of known columns; none if there is no start, or neither end nor duration."""
    names = [_without_unit(folded(field)) for field in header]
    found = {}
    for role, called in COLUMNS.items():
        position = next((names.index(name) for name in _listed(called) if name in names), None)
        if position is not None:
            found[role] = position
    return found if "start" in found and ("end" in found or "duration" in found) else {}


def is_called(field: str, role: str) -> bool:
    """Return whether a header is that of a column that holds such things."""
    return _without_unit(folded(field)) in _listed(COLUMNS[role])


def is_known(field: str) -> bool:
    """Return whether a header is that of any column that is known."""
    name = _without_unit(folded(field))
    return any(name in _listed(called) for called in COLUMNS.values())


def in_milliseconds(field: str) -> bool:
    """Return whether a header says that its column counts milliseconds."""
    return re.search(rf"{_CLOCK}$", folded(field)) is None and re.search(rf" {_MS}$", folded(field)) is not None


def folded(field: str) -> str:
    """Return a header as it is compared: small letters, blanks for marks, no accents."""
    plain = unicodedata.normalize("NFD", field.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^\w]+|_", " ", plain).split())


_MS = "(?:ms|msec|millis|milliseconds|millisekunden)"
_CLOCK = " (?:hh mm )?ss(?: ms| msec| f+)?"
"""How ELAN says that a column counts hours, minutes and seconds, or seconds."""


def _without_unit(name: str) -> str:
    """Return a header without the unit behind it."""
    return re.sub(rf"(?<=\w)(?:{_CLOCK}| (?:s|sec|secs|seconds|sekunden)| {_MS})$", "", name)


@functools.cache
def _listed(called: str) -> list[str]:
    return [folded(name) for name in called.split(",")]
