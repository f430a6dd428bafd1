"""A label as it stands in a file: times, and what is written there. What it claims `annotations.resolve` says."""

import dataclasses
import math
from typing import NamedTuple

from ugosa_jax.annotations.interval import Outside
from ugosa_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Label:
    """One label; a point if it ends where it starts, valid to the end of the song if its end is infinite."""

    start_s: float
    end_s: float
    text: str
    """What is written: the name of a source or an instrument, a state, or a name and then a state."""
    path: str
    line: int | str
    """Line of the file; in JSON, whose lines mean nothing, the entry, such as annotations[0].data[3]."""
    state: str | None = None
    """What a column of its own says the state is, as written; None if there is none."""
    confidence: float | None = None
    """How sure the label is, in [0, 1]; None if that is not told."""
    container: str = ""
    """Name of the tier or layer that the label stands in; empty if there is none, or it has none."""
    own_words: bool = False
    """Whether labels of a tier that is named after a source are the annotator's own words, such as lyrics."""
    span_s: tuple[float, float] | None = None
    """From where to where whoever wrote the label looked; None if that is not told."""
    perhaps_sections: bool = False
    """Whether its container holds a song's sections, if none of its labels names who plays."""
    beside: str = ""
    """What stands beside an empty text that was not read, for when nothing else says whose the label is."""
    whole: bool = False
    """Whether its times are written as whole numbers, as samples and milliseconds are."""

    def error(self, field: str, value: str, problem: str) -> InputError:
        """Return an error that points at this label."""
        return InputError(f"{self.path}:{self.line}: {field} {shown(value)} {problem}")


class Reading(NamedTuple):
    """What stands in a file."""

    labels: list[Label]
    warnings: tuple[str, ...] = ()
    """What was left out, one line each, beginning with file and line."""
    outside: Outside | None = None
    """What holds where nothing is said, if the file tells."""
    open: tuple[str, ...] = ()
    """Sources of which nothing is known there all the same."""
    left_out: tuple[str, ...] = ()
    """What holds no labels, in a few words each, for when nothing else is left."""


def shown(value: str) -> str:
    """Return what was written, quoted and not too long for a message."""
    return repr(value if len(value) <= 40 else value[:40] + "…")


def is_confidence(value: float) -> bool:
    """Return whether a number is a confidence."""
    return 0 <= value <= 1


def ordered(start_s: float, end_s: float) -> bool:
    """Return whether two times bound a stretch of a song, or are one point of it."""
    return 0 <= start_s <= end_s < math.inf
