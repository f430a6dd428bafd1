"""What a name that is not known most probably is: only what the table of instruments tells, or nothing."""

from collections.abc import Sequence

from ugosa_jax.annotations.instruments import KINDS, MAX_LENGTH, MAX_WORDS, Name, known, normalised

CLEAR = 4
"""Letters of a word that is not taken for an abbreviation by chance."""

RESTS = frozenset(
    [
        "absent",
        "breaks",
        "drops",
        "ends",
        "exits",
        "gone",
        "inactive",
        "mute",
        "muted",
        "mutes",
        "no",
        "not",
        "off",
        "out",
        "pause",
        "pauses",
        "rest",
        "rests",
        "resting",
        "silence",
        "silent",
        "stop",
        "stops",
        "tacet",
        "without",
        "aus",
        "raus",
        "stumm",
        "pausiert",
    ]
)
"""Words that, beside a name, probably say that it rests."""


def guess(text: str, sources: Sequence[str]) -> str:
    """Return what a name that is not known most probably is, as an override is written; empty if nothing is sure.

    It is what the table says of it, or of the name with one slip of the keyboard mended, or of the only name that
    stands between words that are not known.
    """
    if len(text) > MAX_LENGTH:
        return ""
    sources = tuple(sources)
    name = known(text, sources)
    if name is None:
        near = {n for mended in _mended(normalised(text)) if (n := known(mended, sources)) is not None}
        name = near.pop() if len(near) == 1 else None
    if name is None:
        words = [word for word in normalised(text).split()[:MAX_WORDS] if len(word) >= CLEAR]
        inner = {n for word in words if (n := known(word, sources)) is not None}
        of = {n.source for n in inner}
        silent = any(word in RESTS for word in normalised(text).split())
        sure = len(of) == 1 and not any(n.negated for n in inner)
        name = Name(of.pop(), "" if silent else text, silent) if sure else None
    return "" if name is None else as_override(name)


def as_override(name: Name) -> str:
    """Return how an override says what a name stands for."""
    return ("no " if name.negated else "") + (f"one of {name.source}" if name.instrument else name.source)


def _mended(name: str) -> list[str]:
    """Return a name with one slip mended: two letters swapped, one too many, or one doubled that should not be."""
    if not 5 <= len(name) <= 20 or " " in name:
        return []
    swapped = [name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in range(1, len(name) - 1)]
    dropped = [name[:i] + name[i + 1 :] for i in range(1, len(name))]
    missing = [
        kind
        for kind in KINDS
        if len(kind) == len(name) + 1 and any(kind[:i] + kind[i + 1 :] == name for i in range(1, len(kind)))
    ]
    return [word for word in (*swapped, *dropped, *missing) if len(word) >= 4 and word in KINDS]
