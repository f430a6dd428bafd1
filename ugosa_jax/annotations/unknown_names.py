"""Unknown names: the error that lists them, guesses of their meaning, and the overrides with which users define it.

An override is an option of the command line or a line of a TOML file, such as `"Klavier" = "one of other"`. It maps a
name to a source, to a known name, to `one of` a source (one instrument of it), to `no` source (it is silent), or to
nothing, which leaves the labels out.
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
"""Largest number of names that a message lists."""
MAX_UNKNOWN_NAMES = 40
"""A file with more unknown names is taken to hold lyrics, notes or chords."""


@dataclasses.dataclass
class UnknownName:
    """An unknown name, and its labels."""

    name: str
    labels: list[Label]
    kind: str = "name"
    """"name" for the name in labels; "tier" or "file" for the name of a tier or file without known labels."""
    hint: str = ""
    """Most probable meaning, as an override; empty if there is none."""

    def describe_place(self) -> str:
        """Return times and place of the labels, for messages."""
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
        """Return an option that the user can copy: it maps the name to the hint, or to nothing if there is no hint."""
        return "--map '" + " ".join(f"{self.name}={self.hint}".split()).replace("'", "'\\''") + "'"


class UnknownNames(InputError):
    """Error: an annotation contains names without a known meaning."""

    def __init__(self, message: str, names: Sequence[UnknownName]):
        super().__init__(message)
        self.names = tuple(names)


def make_unknown_names_error(unknown: Sequence[UnknownName], sources: Sequence[str], path: str) -> UnknownNames:
    """Return the error that lists unknown names with their times and tiers, and the options that define them."""
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
    if len(unknown) > MAX_UNKNOWN_NAMES or any(len(name.name) > MAX_LENGTH for name in unknown):
        return "if they are words or notes of one source, name the file after the source, such as vocals.txt"
    if not first.name:
        return "write the source into the label, or name the file after the source, such as vocals.txt"
    each, them = ("it", "it") if len(unknown) == 1 else ("each", "them")
    ways = f"map {each} to a source, or to nothing to leave {them} out"
    if first.kind == "file" and not any(label.text for label in first.labels):
        beside = first.labels[0].beside
        why = f" ({beside}; call the one with the labels label)" if beside else ""
        ways = f"its labels are empty{why}, so name it after a source, such as vocals.txt, or map it to one"
    if any(re.fullmatch("[sS][0-9]+", u.name) for u in unknown) and first.labels[0].state is not None:
        ways = "give the stems' sources with --stems METADATA.yaml, or map them yourself"
    return f"{ways}: {' '.join(u.format_option() for u in unknown[:MAX_UNKNOWN_NAMES])}"


MIN_LETTERS = 4
"""Smallest length of a known word that is searched within a name; shorter words may match by chance."""


def guess_name(text: str, sources: Sequence[str]) -> str:
    """Return the most probable meaning of an unknown name, as an override; empty if there is none.

    It is the meaning, in the vocabulary, of the name itself, of the name with one typo corrected, or of the only known
    name within it.
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
        inner = {n for word in words if len(word) >= MIN_LETTERS and (n := look_up_name(word, sources)) is not None}
        of = {n.source for n in inner}
        if len(of) == 1 and not any(n.negated for n in inner):
            silent = not set(WORDS["probably_silent"]).isdisjoint(words)
            name = Meaning(of.pop(), "" if silent else text, silent)
    return "" if name is None else format_override(name)


def format_override(name: Meaning) -> str:
    """Return a meaning as an override."""
    return ("no " if name.negated else "") + (f"one of {name.source}" if name.instrument else name.source)


def _mend_typo(name: str) -> list[str]:
    """Return the known names that differ by two swapped letters, one letter too many, or one missing."""
    if not 5 <= len(name) <= 20 or " " in name:
        return []
    letters = Counter(name)
    near = [(kind, Counter(kind)) for kind in difflib.get_close_matches(name, KINDS, n=5, cutoff=0.8)]
    return [kind for kind, its in near if (its - letters).total() + (letters - its).total() <= 1]


def parse_overrides(pairs: Sequence[str]) -> dict[str, str]:
    """Parse strings NAME=SOURCE into {name: source}.

    Raises:
      InputError: a string has no equals sign or no name, or two strings have the same name.
    """
    decided: dict[str, str] = {}
    for pair in pairs:
        name, equals, target = (part.strip() for part in pair.rpartition("="))
        if not equals or not name:
            raise InputError(f"map: {pair!r} is not NAME=SOURCE, such as Gesang=vocals or 'piano=one of other'")
        _add(decided, name, target, "map")
    return decided


def read_overrides(path: Path) -> dict[str, str]:
    """Read {name: source} from a TOML file.

    Raises:
      InputError: the file cannot be read, is not TOML, or holds a value that is not a string.
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
            raise InputError(f'{path}: {name!r}: is not a string such as "one of other"; lines are "NAME" = "SOURCE"')
        _add(decided, name.strip(), target.strip(), str(path))
    return decided


def check_override(target: str, sources: Sequence[str]) -> None:
    """Check that a name can be mapped to `target`.

    Raises:
      InputError: the name cannot be mapped to it; the message lists the sources.
    """
    find_meaning("x", sources, NameRules({"x": target}))


def _add(decided: dict[str, str], name: str, target: str, where: str) -> None:
    if fold(name) in map(fold, decided):
        raise InputError(f"{where}: {name!r} is listed twice")
    decided[name] = target
