"""ELAN's annotation documents (.eaf): XML with tiers of aligned annotations.

Format: ELAN Annotation Format 2.7 to 3.0 (Max Planck Institute for Psycholinguistics). An ALIGNABLE_ANNOTATION refers
to two time slots in milliseconds. A REF_ANNOTATION says something of another annotation, and has no times of its own.
"""

from collections import Counter

from ugosa_jax.annotations.formats import xml
from ugosa_jax.annotations.formats.label import Label, Reading, shown
from ugosa_jax.errors import InputError


def read(text: str, path: str) -> Reading:
    """Read all tiers; annotations without times are left out with a warning.

    Raises:
      InputError: the file is no well-formed XML, or no document of ELAN's, or has times that cannot be used.
    """
    slots: dict[str, int | None] = {}
    labels: list[Label] = []
    untimed: Counter[str] = Counter()
    tier, reference, is_elan = "", ("", ""), False

    def start(name: str, attributes: dict[str, str], line: int) -> None:
        nonlocal tier, reference, is_elan
        is_elan = is_elan or name == "ANNOTATION_DOCUMENT"
        if name == "TIME_SLOT":
            slots[attributes.get("TIME_SLOT_ID", "")] = _milliseconds(attributes.get("TIME_VALUE"), path, line)
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
                f"{path}:{line}: an annotation of {shown(tier)}: from {first} to {last} ms is no stretch of a song"
            )
        said = " ".join(words.split())
        labels.append(Label(first / 1000, last / 1000, said, path, line, container=tier, own_words=True))

    xml.parse(text, path, xml.Handlers(start, end))
    if not is_elan:
        raise InputError(f"{path}: is no annotation document of ELAN's")
    left_out = tuple(f"tier {shown(name)}: annotations without times of their own ({n})" for name, n in untimed.items())
    return Reading(labels, tuple(f"{path}: left out: {what}" for what in left_out), left_out=left_out)


def _milliseconds(value: str | None, path: str, line: int) -> int | None:
    """Return the time of a slot; None if it has none, as between aligned ones."""
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 12):
        raise InputError(f"{path}:{line}: TIME_VALUE {shown(value)} is not a whole number of milliseconds")
    return int(value)
