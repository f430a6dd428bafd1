"""ELAN's annotation documents (.eaf): XML with tiers of aligned annotations.

Format: ELAN Annotation Format 2.7 to 3.0 (Max Planck Institute for Psycholinguistics). An ALIGNABLE_ANNOTATION refers
to two time slots in milliseconds. A REF_ANNOTATION says something of another annotation, and has no times of its own.
The annotation's time 0 is the medium's time TIME_ORIGIN, in milliseconds, of a MEDIA_DESCRIPTOR.
"""

import dataclasses
import math
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ugosa_jax.annotations.formats import xml
from ugosa_jax.annotations.formats.clock import is_number
from ugosa_jax.annotations.formats.label import Label, Reading, shown
from ugosa_jax.errors import InputError

MAX_MS = 1e12
UNITS_MS = {"milliseconds": 1.0, "pal-frames": 40.0}
"""Milliseconds per unit of TIME_UNITS; the documentation gives NTSC frames no exact length."""


def read(text: str, path: str) -> Reading:
    """Read all tiers; annotations without times are left out with a warning.

    Raises:
      InputError: the file is no well-formed XML, or no document of ELAN's, or has times that cannot be used.
    """
    slots: dict[str, float | None] = {}
    media: list[_Medium] = []
    unit_ms = 1.0
    labels: list[Label] = []
    untimed: Counter[str] = Counter()
    tier, reference, is_elan = "", ("", ""), False

    def start(name: str, attributes: dict[str, str], line: int) -> None:
        nonlocal tier, reference, is_elan, unit_ms
        is_elan = is_elan or name == "ANNOTATION_DOCUMENT"
        if name == "TIME_SLOT":
            slots[attributes.get("TIME_SLOT_ID", "")] = _milliseconds("TIME_VALUE", attributes, path, line)
        elif name == "HEADER":
            unit_ms = _unit_ms(attributes.get("TIME_UNITS") or "milliseconds", path, line)
        elif name == "MEDIA_DESCRIPTOR":
            url, kind = attributes.get("MEDIA_URL", ""), attributes.get("MIME_TYPE", "")
            media.append(_Medium(line, url, kind, _milliseconds("TIME_ORIGIN", attributes, path, line) or 0.0))
        elif name == "TIER":
            tier = attributes.get("TIER_ID", "").strip()
        elif name == "ALIGNABLE_ANNOTATION":
            reference = attributes.get("TIME_SLOT_REF1", ""), attributes.get("TIME_SLOT_REF2", "")
        elif name == "REF_ANNOTATION":
            untimed[tier] += 1
            reference = ("", "")

    def end(name: str, words: str, line: int) -> None:
        if name != "ANNOTATION_VALUE" or not any(reference):
            return
        first, last = (slots.get(slot) for slot in reference)
        if first is None or last is None:
            untimed[tier] += 1
            return
        if last < first:
            raise InputError(
                f"{path}:{line}: an annotation of {shown(tier)}: from {first:g} to {last:g} ms is no stretch of a song"
            )
        said = " ".join(words.split())
        start_s, end_s = first * unit_ms / 1000, last * unit_ms / 1000
        labels.append(Label(start_s, end_s, said, path, line, container=tier, own_words=True))

    xml.parse(text, path, xml.Handlers(start, end))
    if not is_elan:
        raise InputError(f"{path}: is no annotation document of ELAN's")
    left_out = tuple(f"tier {shown(name)}: annotations without times of their own ({n})" for name, n in untimed.items())
    warnings = [f"{path}: left out: {what}" for what in left_out]
    if any(medium.origin_ms for medium in media):
        origin_s, how = _origin(media, path)
        labels = [_shifted(label, origin_s) for label in labels if label.end_s + origin_s >= 0]
        warnings.append(how)
    return Reading(labels, tuple(warnings), left_out=left_out)


class _Medium(NamedTuple):
    """A sound or video file that the document annotates."""

    line: int
    url: str
    mime_type: str
    origin_ms: float


def _origin(media: list[_Medium], path: str) -> tuple[float, str]:
    """Return at which second of the song the annotation begins, and a warning that says so.

    Raises:
      InputError: several sounds begin at different times.
    """
    sounds = [medium for medium in media if medium.mime_type.startswith("audio/")] or media
    if len({medium.origin_ms for medium in sounds}) > 1:
        begin = ", ".join(f"{Path(medium.url).name} ({medium.origin_ms:g} ms)" for medium in sounds)
        raise InputError(
            f"{path}:{sounds[0].line}: TIME_ORIGIN: its sounds begin at different times: {begin}; "
            "keep the song alone under Edit > Linked Files in ELAN"
        )
    first = sounds[0]
    origin_s = first.origin_ms / 1000
    return origin_s, (
        f"{path}:{first.line}: TIME_ORIGIN {first.origin_ms:g}: all times are taken {abs(origin_s):g} s "
        f"{'later' if origin_s >= 0 else 'earlier'}, as ELAN plays {shown(Path(first.url).name)}"
    )


def _shifted(label: Label, by_s: float) -> Label:
    """Return a label later in the song; what would be before it is cut off."""
    return dataclasses.replace(label, start_s=max(0.0, label.start_s + by_s), end_s=label.end_s + by_s)


def _unit_ms(unit: str, path: str, line: int) -> float:
    if unit.casefold() not in UNITS_MS:
        raise InputError(f"{path}:{line}: TIME_UNITS {shown(unit)} is not {' or '.join(UNITS_MS)}")
    return UNITS_MS[unit.casefold()]


def _milliseconds(field: str, attributes: dict[str, str], path: str, line: int) -> float | None:
    """Return a time; None if it is not given, as that of a slot between aligned ones."""
    value = attributes.get(field, "").strip().replace(",", ".")
    if not value:
        return None
    time_ms = float(value) if is_number(value) else math.nan
    if not abs(time_ms) < MAX_MS or (time_ms < 0 and field == "TIME_VALUE"):
        raise InputError(f"{path}:{line}: {field} {shown(value)} is not a number of milliseconds")
    return time_ms
