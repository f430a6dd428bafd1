"""Names that nobody knows: all of them in one message, with what to say next."""

import dataclasses
import re
from collections.abc import Sequence

from ugosa_jax.annotations.formats.label import Label, shown
from ugosa_jax.errors import InputError

LISTED = 12
"""Names that a message holds; of more, it holds the first ones."""
MANY = 40
"""More names than instruments have are words: lyrics, notes, chords."""


@dataclasses.dataclass
class Unknown:
    """One name, and where it stands."""

    name: str
    labels: list[Label]
    kind: str = "name"
    """name, tier or file: what is called so; of the last two, no label is known."""
    hint: str = ""
    """What it most probably is, as an override is written; empty if that is not sure."""

    def where(self) -> str:
        """Return when it is said, and where."""
        first = self.labels[0]
        if self.kind != "name":
            texts = [text for text in dict.fromkeys(label.text for label in self.labels) if text]
            said = f": {', '.join(map(shown, texts[:3]))}{' …' if len(texts) > 3 else ''}" if texts else ""
            of = "tier or layer" if self.kind == "tier" else "file"
            return f"a {of} of {len(self.labels)} label{'s' if len(self.labels) > 1 else ''}{said}"
        end = "the end" if first.end_s == float("inf") else f"{first.end_s:.7g} s"
        times = f"{first.start_s:.7g} to {end}"
        more = f"{len(self.labels)} times, first " if len(self.labels) > 1 else ""
        line = f"line {first.line}" if isinstance(first.line, int) else str(first.line)
        tier = f", tier {shown(first.container)}" if first.container else ""
        return f"{more}{times}, {line}{tier}"

    def option(self) -> str:
        """Return the option to copy: with the hint, or as it leaves the name out."""
        return "--map " + _quoted(f"{self.name}={self.hint}")


class UnknownNames(InputError):
    """Names of an annotation that stand for nothing."""

    def __init__(self, message: str, names: Sequence[Unknown]):
        super().__init__(message)
        self.names = tuple(names)


def error(unknown: Sequence[Unknown], sources: Sequence[str], path: str) -> UnknownNames:
    """Return an error that names all of them, each with its times and its tier, and the options to copy."""
    of = f"one of {', '.join(sources)}"
    first = unknown[0]
    label = first.labels[0]
    if len(unknown) == 1:
        where, what = f"{label.path}:{label.line}", f"source {shown(first.name)} is not {of}"
        if first.kind != "name" or len(first.labels) > 1:
            what += f" ({first.where()})"
    else:
        listed = ", ".join(f"{shown(u.name)} ({u.where()})" for u in unknown[:LISTED])
        more = f" and {len(unknown) - LISTED} more" if len(unknown) > LISTED else ""
        where, what = path, f"{len(unknown)} names are not {of}: {listed}{more}"
    return UnknownNames(f"{where}: {what}; {_next_step(unknown)}", unknown)


def _next_step(unknown: Sequence[Unknown]) -> str:
    first = unknown[0]
    empty = first.kind == "file" and not any(label.text for label in first.labels)
    if len(unknown) > MANY:
        return "if they are the words or notes of one source, name the file after it, such as vocals.txt"
    if not first.name:
        return "write into the label who plays, or name the file after the source, such as vocals.txt"
    ways = "say what they are, or nothing behind the = to leave them out"
    if len(unknown) == 1:
        ways = "say what it is, or nothing behind the = to leave it out"
    if empty:
        beside = first.labels[0].beside
        why = f" ({beside}; call the one with the labels label)" if beside else ""
        ways = f"its labels are empty{why}, so it has to be named after a source, such as vocals.txt, or mapped to one"
    if any(re.fullmatch("[sS][0-9]+", u.name) for u in unknown) and first.labels[0].state is not None:
        ways = "--stems METADATA.yaml tells whose stems they are, or say it yourself"
    return f"{ways}: {' '.join(u.option() for u in unknown[:MANY])}"


def _quoted(text: str) -> str:
    """Return a text as a shell reads it back, on one line."""
    one_line = " ".join(text.split())
    return "'" + one_line.replace("'", "'\\''") + "'"
