"""Interpretation of labels: which source each label is about, and which state it gives the source.

The source is named by the text of a label, or else by the tier, layer or file that contains the label. A state is read
only from a separate column, or after a name and a punctuation mark: `vocals: silent`. Everything else beside a name
(brackets, take numbers, words such as "left" or "dry") is part of the name.

| the text is | in a tier, layer or file named after a source | elsewhere |
|---|---|---|
| a name | in a tier: words of its source; else that name | that name |
| a state | that state of the source | an unknown name |
| a word for silence | the source is silent | left out: it names no source |
| empty | the source is active | the name of the file is unknown |
| anything else | the source is active, unless other labels beside it are names | an unknown name |
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from ugosa_jax.annotations.formats.label import Label, quote, quote_first
from ugosa_jax.annotations.formats.registry import clean_file_name
from ugosa_jax.annotations.interval import STATES, State
from ugosa_jax.annotations.unknown_names import MAX_UNKNOWN_NAMES, UnknownName, guess_name, make_unknown_names_error
from ugosa_jax.annotations.vocabulary import (
    WORDS,
    Meaning,
    NameRules,
    find_meaning,
    fold,
    holds_words,
    is_silence,
    normalise,
)

_STATE = re.compile(
    r"(?P<name>.*?)(?P<mark>\s*[:=|;,]\s*|\s+[-–—>]+\s+|\s*[(\[]\s*|\s+)(?P<state>[^\s:=|;,()\[\]]+)[)\]]?"
)
_NOTE = re.compile(r"[A-G][#♯b♭]?-?[0-9]")
"""A note. In a file of notes that is named after a source, B3 is a note and not an organ, Db2 not a double bass."""
Find = Callable[[str], Meaning | None]


class Statement(NamedTuple):
    """The meaning of one label: the state of a source."""

    label: Label
    name: Meaning
    state: State
    by_word: bool = False
    """Whether a word for silence states it; if the group also has lyrics, the source is silent without labels."""


class Statements(NamedTuple):
    """The meaning of all labels."""

    stated: list[Statement]
    names: dict[str, Meaning]
    """Meaning of each name in the file."""
    warnings: list[str]
    left_out: list[str]
    """Short descriptions of labels that were left out, with the reason."""


@dataclasses.dataclass
class _Group:
    """The labels of one tier, layer or file."""

    labels: list[Label]
    find: Find
    """Returns the meaning of a name in this group; None if the name is unknown."""
    home: Meaning | None
    """Meaning of the group's own name."""
    written: str
    """The group's own name."""
    whole: bool
    """Whether the whole name has this meaning, rather than only its end."""
    free: bool
    """Whether labels that are not names may be any words, such as lyrics, and mean that the source is active."""
    are_words: bool = False
    """Whether labels of the group are not names, according to the group's name."""
    unknown: dict[str, UnknownName] = dataclasses.field(default_factory=dict)
    left_out: dict[str, list[Label]] = dataclasses.field(default_factory=dict)
    """Labels that are left out, by a key of _LEFT_OUT."""

    @property
    def is_container(self) -> bool:
        """Whether the group is a tier or a layer, not a whole file."""
        return bool(self.labels[0].container)

    @property
    def is_unknown(self) -> bool:
        """Whether no label of the group has a known meaning."""
        n_unknown = sum(len(name.labels) for name in self.unknown.values())
        return n_unknown + sum(map(len, self.left_out.values())) == len(self.labels)


def interpret(labels: Iterable[Label], sources: Sequence[str], names: NameRules | None, path: str) -> Statements:
    """Return the meaning of labels.

    Args:
      labels: labels of one file, or of the files in a folder.
      sources: sources of the network.
      names: how to interpret names; if None, only the sources' own names are known.
      path: the file or folder, for messages.

    Raises:
      UnknownNames: labels have names that are neither sources nor in the vocabulary.
    """

    @functools.cache
    def find(text: str) -> Meaning | None:
        return find_meaning(text, sources, names)

    def find_unless_note(text: str) -> Meaning | None:
        name = find(text)
        return None if _NOTE.fullmatch(text) and name == find_meaning(text, sources, NameRules()) else name

    by_group: dict[tuple[str, str], list[Label]] = {}
    for label in labels:
        by_group.setdefault((label.path, label.container), []).append(label)
    several_files = len({file for file, _ in by_group}) > 1
    result, unknown = Statements([], {}, [], []), []
    for members in by_group.values():
        group = _make_group(members, find, find_unless_note, several_files)
        for label in members:
            _interpret(label, group, result)
        if group.unknown and members[0].perhaps_sections and len(by_group) > 1 and group.is_unknown:
            group.left_out["sections"] = members
        elif group.unknown and group.are_words and not group.is_container:
            group.left_out["words"] = members
        else:
            unknown += _list_questions(group, several_files, sources)
        for kind, of_kind in group.left_out.items():
            result.left_out.append(describe_left_out(kind, of_kind))
            result.warnings.extend(warn_left_out(kind, of_kind))
        result.warnings.extend(_warn_free_words(group))
    if unknown:
        raise make_unknown_names_error(unknown, sources, path)
    return result


def _make_group(labels: list[Label], find: Find, find_unless_note: Find, several_files: bool) -> _Group:
    """Return the labels of one tier, layer or file as a group; one of several files may contain free text."""
    first = labels[0]
    stem = clean_file_name(first.path)
    if holds_words(first.container or (stem if several_files else "")):
        home = find(written := first.container or stem)
        known = home is not None
        return _Group(labels, lambda _: None, home, written, whole=known, free=known, are_words=True)
    candidates = [first.container] if first.own_words else [first.container, stem]
    written = next((name for name in candidates if name and find(name) is not None), "")
    whole = bool(written)
    texts = {label.text for label in labels}
    free = whole and (first.own_words or not any(_split_state(text, find_unless_note)[1] for text in texts))
    if not written and not first.own_words:
        words = re.split(r"[-_ .]+", stem)
        ends = (" ".join(words[n:]) for n in range(1, len(words)))
        written = next((end for end in ends if find(end) is not None), "")
    home = find(written) if written else None
    find_here = find_unless_note if free and not first.own_words else find
    return _Group(labels, find_here, home, written or first.container or stem, whole, free)


def is_named_after_source(path: Path, sources: Sequence[str], names: NameRules | None) -> bool:
    """Return whether the name of a file, or its end, is the name of a source or of one of its instruments."""
    stem = clean_file_name(path.name)
    words = normalise(stem).split()
    candidates = [stem, *(" ".join(words[n:]) for n in range(len(words)))]
    meanings = filter(None, (find_meaning(candidate, sources, names) for candidate in candidates))
    return bool(next(meanings, Meaning("")).source)


def _split_state(text: str, find: Find) -> tuple[str, Meaning | None, str | None]:
    """Return the name in a label as written, its meaning (None if unknown), and the state written after it."""
    if (meaning := find(text)) is not None:
        return text, meaning, None
    stripped = text.rstrip(" :=|;,-")
    if stripped != text and (meaning := find(stripped)) is not None:
        return stripped, meaning, None
    match = _STATE.fullmatch(text)
    if match and match["name"]:
        name, word, is_blank = match["name"], fold(match["state"]), not match["mark"].strip()
        is_clear = word in WORDS["clearly_silent"] if is_blank else is_silence(word) or word in WORDS["active"]
        if word in STATES or is_clear:
            return name, find(name), word
    return text, None, None


def _interpret(label: Label, group: _Group, result: Statements) -> None:
    """Interpret a label: add a statement to `result`, or the label to `unknown` or `left_out` of its group."""
    written, name, state, by_word = _find_owner(label, group)
    if label.start_s == label.end_s:
        group.left_out.setdefault("point", []).append(label)
    elif name is None and group.home is None and label.text and is_silence(label.text):
        group.left_out.setdefault("nobody", []).append(label)
    elif name is None:
        group.unknown.setdefault(written, UnknownName(written, [])).labels.append(label)
    elif not name.source and not name.perhaps:
        group.left_out.setdefault("map", []).append(label)
    else:
        if name.perhaps:
            group.left_out.setdefault("stem", []).append(label)
        result.names[written] = name
        result.stated.append(Statement(label, name, _parse_state(label, name, state), by_word and bool(name.source)))


def _find_owner(label: Label, group: _Group) -> tuple[str, Meaning | None, str | None, bool]:
    """Return the name as written, its meaning, the state, and whether the state follows from a word for silence."""
    text, home = label.text, group.home
    if home is not None and not home.source and not home.perhaps and group.whole:
        return group.written, home, None, False
    if home is not None and label.own_words:
        _, meaning, state = _split_state(text, group.find)
        if meaning is not None and meaning._replace(negated=False) == home._replace(negated=False):
            return group.written, meaning, state, False
        if fold(text) in STATES:
            return group.written, home, text, False
        return (group.written, home, "silent", True) if is_silence(text) else (group.written, home, None, False)
    name, meaning, state = _split_state(text, group.find)
    if meaning is not None or (label.state is not None and text):
        return name, meaning, label.state or state, False
    if home is not None and (not text or fold(text) in STATES):
        return group.written, home, label.state or text or None, False
    if home is not None and is_silence(text):
        return group.written, home, "silent", True
    if home is not None and group.free:
        return group.written, home, state, False
    return name or group.written, None, state, False


def _parse_state(label: Label, name: Meaning, state: str | None) -> State:
    """Return the state that a label states, given the word for it and whether its name is negated."""
    word = None if state is None else fold(state)
    if word is not None and word not in STATES:
        if word not in WORDS["active"] and word not in WORDS["inactive"] and not is_silence(word):
            raise label.make_error("state", state or "", f"is not one of {', '.join(STATES)}")
        word = "active" if word in WORDS["active"] else "silent"
    if name.negated and word is not None:
        raise label.make_error("state", state or "", "contradicts the name, which already means silent")
    return cast(State, word or ("silent" if name.negated else "active"))


def _warn_free_words(group: _Group) -> list[str]:
    """Return a warning if labels of a file named after a source are interpreted as free text, such as lyrics."""
    texts = (label.text for label in group.labels if label.start_s < label.end_s)
    word = next((text for text in texts if fold(text) not in STATES and not is_silence(text)), "")
    if not word or group.home is None or not group.free or group.is_container:
        return []
    how = f"labels such as {quote(word)} are read as words of the file's source, {group.home.source}"
    return [f"{group.labels[0].path}:{group.labels[0].line}: {how}"]


def _list_questions(group: _Group, several_files: bool, sources: Sequence[str]) -> list[UnknownName]:
    """Return the names to ask the user about: unknown names, or the name of a group whose labels are all unknown."""
    asked = list(group.unknown.values())
    for name in asked[:MAX_UNKNOWN_NAMES]:
        name.hint = "" if group.are_words else guess_name(name.name, sources)
    labels = [label for name in asked for label in name.labels]
    is_empty = not any(label.text for label in labels)
    has_no_clue = (several_files or group.is_container) and group.is_unknown and not any(name.hint for name in asked)
    if not asked or not group.written or not (is_empty or has_no_clue):
        return asked
    kind = "tier" if group.is_container else "file"
    return [UnknownName(group.written, labels, kind, guess_name(group.written, sources))]


WARNED = 3
"""Largest number of left-out labels of a kind with a separate warning for each; more of them share one warning."""
_LEFT_OUT = {
    "point": ("point label", " without length: mark regions", ""),
    "nobody": ("label", " for silence that name no source", ": it does not say who is silent"),
    "stem": ("stem", ", whose source is unknown", ": its instruments are unknown, or of several sources"),
    "map": ("label", ", which --map leaves out", ""),
    "sections": ("section", ", which do not name sources", ": other labels name sources, this one does not"),
    "words": ("label", " of a file of words", ": the file is named after words or sounds, not after a source"),
}
"""For each kind of left-out labels: the noun for such a label, the reason for several, and the reason for one."""


def describe_left_out(kind: str, labels: list[Label], of_several: int = 0) -> str:
    """Return the number of left-out labels of a kind and the reason, in the plural (`of_several` 0) or singular (1)."""
    one, *why = _LEFT_OUT[kind]
    texts = quote_first(label.text for label in labels)
    examples = f" ({texts})" if texts else ""
    return f"{len(labels)} {one}{'s' if len(labels) > 1 else ''}{examples}{why[of_several]}"


def warn_left_out(kind: str, labels: list[Label]) -> list[str]:
    """Return a warning for each label if they are few, else one for all; none for labels that the user excluded."""
    if kind == "map":
        return []
    if kind == "stem":
        labels = list({label.text: label for label in reversed(labels)}.values())[::-1]
    if len(labels) > WARNED and kind != "stem":
        return [f"{labels[0].path}:{labels[0].line}: left out: {describe_left_out(kind, labels, 1)}; this is the first"]
    one, _, why = _LEFT_OUT[kind]
    return [f"{i.path}:{i.line}: left out: {one} {quote(i.text)}{why}" for i in labels]
