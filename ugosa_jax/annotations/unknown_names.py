"""Names that users have to explain: names that are not known, what they probably are, and what users decide they are.

A decision is an option of the command line or a line of a TOML file, such as `"Klavier" = "one of other"`. A name may
stand for a source (all of it), a name that is known, `one of` a source, `no` source, or nothing, which leaves its
labels out.
"""

import dataclasses
import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ugosa_jax.annotations.formats.label import Label, quote, quote_first
from ugosa_jax.annotations.vocabulary import (
    KINDS,
    MAX_LENGTH,
    WORDS,
    Meaning,
    NameRules,
    find_meaning,
    fold,
    look_up_name,
    normalise,
)
from ugosa_jax.errors import InputError

LISTED = 12
"""Names that a message holds; of more, it holds the first ones."""
MANY = 40
"""More names than instruments have are words: lyrics, notes, chords."""


@dataclasses.dataclass
class UnknownName:
    """One name, and where it stands."""

    name: str
    labels: list[Label]
    kind: str = "name"
    """name, tier or file: what is called so; of the last two, no label is known."""
    hint: str = ""
    """What it most probably is, as an override is written; empty if that is not sure."""

    def describe_place(self) -> str:
        """Return when it is said, and where."""
        first = self.labels[0]
        if self.kind != "name":
            texts = quote_first(label.text for label in self.labels)
            said = f": {texts}" if texts else ""
            of = "tier or layer" if self.kind == "tier" else "file"
            return f"a {of} of {len(self.labels)} label{'s' if len(self.labels) > 1 else ''}{said}"
        end = "the end" if first.end_s == float("inf") else f"{first.end_s:.7g} s"
        times = f"{first.start_s:.7g} to {end}"
        more = f"{len(self.labels)} times, first " if len(self.labels) > 1 else ""
        line = f"line {first.line}" if isinstance(first.line, int) else str(first.line)
        tier = f", tier {quote(first.container)}" if first.container else ""
        return f"{more}{times}, {line}{tier}"

    def format_option(self) -> str:
        """Return the option to copy: with the hint, or as it leaves the name out."""
        return "--map '" + " ".join(f"{self.name}={self.hint}".split()).replace("'", "'\\''") + "'"


class UnknownNames(InputError):
    """Names of an annotation that stand for nothing."""

    def __init__(self, message: str, names: Sequence[UnknownName]):
        super().__init__(message)
        self.names = tuple(names)


def make_unknown_names_error(unknown: Sequence[UnknownName], sources: Sequence[str], path: str) -> UnknownNames:
    """Return an error that names all of them, each with its times and its tier, and the options to copy."""
    of = f"one of {', '.join(sources)}"
    first = unknown[0]
    label = first.labels[0]
    if len(unknown) == 1:
        where, what = f"{label.path}:{label.line}", f"source {quote(first.name)} is not {of}"
        if first.kind != "name" or len(first.labels) > 1:
            what += f" ({first.describe_place()})"
    else:
        listed = ", ".join(f"{quote(u.name)} ({u.describe_place()})" for u in unknown[:LISTED])
        more = f" and {len(unknown) - LISTED} more" if len(unknown) > LISTED else ""
        where, what = path, f"{len(unknown)} names are not {of}: {listed}{more}"
    return UnknownNames(f"{where}: {what}; {_next_step(unknown)}", unknown)


def _next_step(unknown: Sequence[UnknownName]) -> str:
    first = unknown[0]
    if len(unknown) > MANY:
        return "if they are the words or notes of one source, name the file after it, such as vocals.txt"
    if not first.name:
        return "write into the label who plays, or name the file after the source, such as vocals.txt"
    what, them = ("it is", "it") if len(unknown) == 1 else ("they are", "them")
    ways = f"say what {what}, or nothing behind the = to leave {them} out"
    if first.kind == "file" and not any(label.text for label in first.labels):
        beside = first.labels[0].beside
        why = f" ({beside}; call the one with the labels label)" if beside else ""
        ways = f"its labels are empty{why}, so it has to be named after a source, such as vocals.txt, or mapped to one"
    if any(re.fullmatch("[sS][0-9]+", u.name) for u in unknown) and first.labels[0].state is not None:
        ways = "--stems METADATA.yaml tells whose stems they are, or say it yourself"
    return f"{ways}: {' '.join(u.format_option() for u in unknown[:MANY])}"


CLEAR = 4
"""Letters of a word that is not taken for an abbreviation by chance."""


def guess_name(text: str, sources: Sequence[str]) -> str:
    """Return what a name that is not known most probably is, as an override is written; empty if nothing is sure.

    It is what the table says of it, of the name with one slip of the keyboard mended, or of the only name within it.
    """
    if len(text) > MAX_LENGTH:
        return ""
    sources = tuple(sources)
    name = look_up_name(text, sources)
    if name is None:
        near = {n for mended in _mend_typo(normalise(text)) if (n := look_up_name(mended, sources)) is not None}
        name = near.pop() if len(near) == 1 else None
    if name is None:
        words = normalise(text).split()
        inner = {n for word in words if len(word) >= CLEAR and (n := look_up_name(word, sources)) is not None}
        of = {n.source for n in inner}
        if len(of) == 1 and not any(n.negated for n in inner):
            silent = not set(WORDS["probably_silent"]).isdisjoint(words)
            name = Meaning(of.pop(), "" if silent else text, silent)
    return "" if name is None else format_override(name)


def format_override(name: Meaning) -> str:
    """Return how an override says what a name stands for."""
    return ("no " if name.negated else "") + (f"one of {name.source}" if name.instrument else name.source)


def _mend_typo(name: str) -> list[str]:
    """Return what is called almost so: two letters swapped, one too many, or one missing."""
    if not 5 <= len(name) <= 20 or " " in name:
        return []
    letters = Counter(name)
    near = [(kind, Counter(kind)) for kind in difflib.get_close_matches(name, KINDS, n=5, cutoff=0.8)]
    return [kind for kind, its in near if (its - letters).total() + (letters - its).total() <= 1]


def parse_overrides(pairs: Sequence[str]) -> dict[str, str]:
    """Return what NAME=SOURCE says, for each such text.

    Raises:
      InputError: one of them has no equals sign or no name, or two are for the same name.
    """
    decided: dict[str, str] = {}
    for pair in pairs:
        name, equals, target = (part.strip() for part in pair.rpartition("="))
        if not equals or not name:
            raise InputError(f"map: {pair!r} is not NAME=SOURCE, such as Gesang=vocals or 'piano=one of other'")
        _add(decided, name, target, "map")
    return decided


def read_overrides(path: Path) -> dict[str, str]:
    """Return what a file of names says.

    Raises:
      InputError: the file cannot be read, is no TOML, or holds something else than texts.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        hint = 'lines are "NAME" = "SOURCE"'
        raise InputError(f"{path}: is not TOML ({' '.join(str(error).split())[:200]}); {hint}") from error
    decided: dict[str, str] = {}
    for name, target in content.items():
        if not isinstance(target, str):
            raise InputError(f'{path}: {name!r}: is not a text such as "one of other"; lines are "NAME" = "SOURCE"')
        _add(decided, name.strip(), target.strip(), str(path))
    return decided


def check_override(target: str, sources: Sequence[str]) -> None:
    """Refuse what a name cannot stand for.

    Raises:
      InputError: saying what it could.
    """
    find_meaning("x", sources, NameRules({"x": target}))


def _add(decided: dict[str, str], name: str, target: str, where: str) -> None:
    if fold(name) in map(fold, decided):
        raise InputError(f"{where}: {name!r} is there twice")
    decided[name] = target
