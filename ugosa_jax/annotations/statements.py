"""What each label says: whose it is, and in which state.

A label's own words say whose it is, or else the tier, layer or file that it stands in. A state is one only in a column
of its own, or behind a name and a mark between them: `vocals: silent`. Whatever else stands beside a name, brackets,
takes and the words of mixing desks, is part of the name.

| the words are | in a tier, layer or file named after a source | elsewhere |
|---|---|---|
| a name | of a tier: free words of its source; else that name | that name |
| a state | that state of the source | a name that nobody knows |
| a word for silence | the source is silent | left out: it names nobody |
| empty | the source is active | the name of the file is not known |
| anything else | the source is active, unless others of its labels are names | a name that nobody knows |
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from ugosa_jax.annotations.formats.label import Label, quote
from ugosa_jax.annotations.interval import STATES, State
from ugosa_jax.annotations.unknown_names import MANY, UnknownName, guess_name, make_unknown_names_error
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
_COPIES = re.compile(
    r"(?:[\s_-]*(?:\([0-9]+\)|copy|kopie|copie|v[0-9]+|final|edit(?:ed)?|labels?|annotations?))+$", re.IGNORECASE
)
_SUFFIXES = re.compile(
    r"(?:\.(?:csv|tsv|txt|lab|jams|json|svl?|textgrid|rttm|eaf|wav|flac|mp3|aiff?|ogg|m4a))+$", re.IGNORECASE
)

_NOTE = re.compile(r"[A-G][#♯b♭]?-?[0-9]")
"""A note. B3 is an organ too, and Db2 a double bass, but not in a file of notes that is named after a source."""
Find = Callable[[str], Meaning | None]


class Statement(NamedTuple):
    """A label, understood."""

    label: Label
    name: Meaning
    state: State
    by_word: bool = False
    """Whether a word for silence says so: a tier that has some beside sung words is silent where it is empty too."""


class Statements(NamedTuple):
    """What all labels say."""

    stated: list[Statement]
    names: dict[str, Meaning]
    """What each name was taken for."""
    warnings: list[str]
    left_out: list[str]
    """What is left out, and why, in a few words."""


class _Group(NamedTuple):
    """Labels of one tier, layer or file."""

    labels: list[Label]
    found: Find
    home: Meaning | None
    """The source that it is named after."""
    written: str
    """Its name."""
    whole: bool
    """Whether its whole name is that, and not only the end of it."""
    free: bool
    """Whether labels that are no names are words of its source."""
    is_container: bool
    are_words: bool = False
    """Whether its name says that its labels are no names."""


def interpret(labels: Iterable[Label], sources: Sequence[str], names: NameRules | None, path: str) -> Statements:
    """Return what labels say.

    Args:
      labels: of one file, or of the files of a folder.
      sources: the network's.
      names: how names are understood; if None, only the sources' own are.
      path: the file or folder, for messages.
    """
    cache: dict[str, Meaning | None] = {}

    def found(text: str) -> Meaning | None:
        if text not in cache:
            cache[text] = find_meaning(text, sources, names)
        return cache[text]

    def found_but_notes(text: str) -> Meaning | None:
        name = found(text)
        return None if _NOTE.fullmatch(text) and name == find_meaning(text, sources, NameRules()) else name

    groups: dict[tuple[str, str], list[Label]] = {}
    for label in labels:
        groups.setdefault((label.path, label.container), []).append(label)
    several = len({file for file, _ in groups}) > 1
    result, not_known = Statements([], {}, [], []), []
    for members in groups.values():
        group = _make_group(members, found, found_but_notes, several)
        missing: dict[str, UnknownName] = {}
        left: dict[str, list[Label]] = {}
        for label in members:
            _interpret(label, group, result, missing, left)
        if missing and members[0].perhaps_sections and len(groups) > 1 and _is_none_known(members, missing, left):
            left["sections"] = members
        elif missing and group.are_words and not group.is_container:
            left["words"] = members
        else:
            one_of_several = several or group.is_container
            none_known = one_of_several and _is_none_known(members, missing, left)
            not_known += _list_questions(group, missing, none_known, sources)
        for kind, of_kind in left.items():
            result.left_out.append(describe_left_out(kind, of_kind))
            result.warnings.extend(warn_left_out(kind, of_kind))
        if group.home and group.free and not group.is_container and (words := _list_free_words(group)):
            said = f"labels such as {quote(words[0])} are taken as words of the file's source, {group.home.source}"
            result.warnings.append(f"{members[0].path}:{members[0].line}: {said}")
    if not_known:
        raise make_unknown_names_error(not_known, sources, path)
    return result


def _make_group(labels: list[Label], found: Find, found_but_notes: Find, several: bool) -> _Group:
    """Return what is known of labels of one tier, layer or file; one of several files may hold words."""
    first = labels[0]
    stem = clean_file_name(first.path)
    if holds_words(first.container or (stem if several else "")):
        written = first.container or stem
        home = found(written)
        words = _Group(labels, lambda _: None, home, written, home is not None, home is not None, bool(first.container))
        return words._replace(are_words=True)
    candidates = [first.container] if first.own_words else [first.container, stem]
    written = next((name for name in candidates if name and found(name) is not None), "")
    whole = bool(written)
    texts = {label.text for label in labels}
    free = whole and (first.own_words or not any(_split_state(text, found_but_notes)[1] for text in texts))
    if free and not first.own_words:
        found = found_but_notes
    if not written and not first.own_words:
        words = re.split(r"[-_ .]+", stem)
        tails = (" ".join(words[n:]) for n in range(1, len(words)))
        written = next((tail for tail in tails if found(tail) is not None), "")
    home = found(written) if written else None
    return _Group(labels, found, home, written or first.container or stem, whole, free, bool(first.container))


def clean_file_name(path: str) -> str:
    """Return what a file is called, without suffixes and what copies and versions put behind the name."""
    stem = _SUFFIXES.sub("", Path(path).name)
    return _COPIES.sub("", stem) or stem


def is_named_after_source(path: Path, sources: Sequence[str], names: NameRules | None) -> bool:
    """Return whether a file, or the end of its name, is called like a source or an instrument that is wanted."""
    words = normalise(clean_file_name(path.name)).split()
    tails = [clean_file_name(path.name), *(" ".join(words[n:]) for n in range(len(words)))]
    name = next((found for tail in tails if (found := find_meaning(tail, sources, names)) is not None), None)
    return name is not None and bool(name.source)


def _split_state(text: str, found: Find) -> tuple[str, Meaning | None, str | None]:
    """Return a label's name as it is written, what that stands for if it is known, and the state behind it."""
    meaning = found(text)
    if meaning is not None:
        return text, meaning, None
    stripped = text.rstrip(" :=|;,-")
    if stripped != text and (meaning := found(stripped)) is not None:
        return stripped, meaning, None
    match = _STATE.fullmatch(text)
    if match and match["name"]:
        name, word, blank = match["name"], fold(match["state"]), not match["mark"].strip()
        says_so = word in WORDS["clearly_silent"] if blank else is_silence(word) or word in WORDS["active"]
        if word in STATES or says_so:
            return name, found(name), word
    return text, None, None


def _interpret(
    label: Label, group: _Group, result: Statements, missing: dict[str, UnknownName], left: dict[str, list[Label]]
) -> None:
    """Put what a label says where it belongs: what is said, what is not known, or what is left out."""
    written, name, state, by_word = _find_owner(label, group)
    if label.start_s == label.end_s:
        left.setdefault("point", []).append(label)
    elif name is None and group.home is None and label.text and is_silence(label.text):
        left.setdefault("nobody", []).append(label)
    elif name is None:
        missing.setdefault(written, UnknownName(written, [])).labels.append(label)
    elif name.perhaps:
        left.setdefault("stem", []).append(label)
        result.names[written] = name
        result.stated.append(Statement(label, name, _find_state(label, name, state)))
    elif name.source:
        result.names[written] = name
        result.stated.append(Statement(label, name, _find_state(label, name, state), by_word))
    else:
        left.setdefault("map", []).append(label)


def _find_owner(label: Label, group: _Group) -> tuple[str, Meaning | None, str | None, bool]:
    """Return the name as it is written, what it stands for, the state beside it, and whether silence is a word."""
    text, home = label.text, group.home
    if home is not None and not home.source and not home.perhaps and group.whole:
        return group.written, home, None, False
    if home is not None and label.own_words:
        _, meaning, state = _split_state(text, group.found)
        same = meaning is not None and meaning._replace(negated=False) == home._replace(negated=False)
        if meaning is not None and same:
            return group.written, meaning, state, False
        if fold(text) in STATES:
            return group.written, home, text, False
        by_word = is_silence(text)
        return group.written, home, "silent" if by_word else None, by_word
    name, meaning, state = _split_state(text, group.found)
    if meaning is not None or (label.state is not None and text):
        return name, meaning, label.state or state, False
    if home is not None and (not text or fold(text) in STATES):
        return group.written, home, label.state or text or None, False
    if home is not None and is_silence(text):
        return group.written, home, "silent", True
    if home is not None and group.free:
        return group.written, home, state, False
    return name or group.written, None, state, False


def _find_state(label: Label, name: Meaning, state: str | None) -> State:
    word = None if state is None else fold(state)
    if word is not None and word not in STATES:
        if word not in WORDS["active"] and word not in WORDS["inactive"] and not is_silence(word):
            raise label.make_error("state", state or "", f"is not one of {', '.join(STATES)}")
        word = "active" if word in WORDS["active"] else "silent"
    if name.negated and word is not None:
        raise label.make_error("state", state or "", "stands beside a name that says silent by itself")
    return cast(State, word or ("silent" if name.negated else "active"))


def _list_free_words(group: _Group) -> list[str]:
    texts = dict.fromkeys(label.text for label in group.labels if label.start_s < label.end_s)
    return [text for text in texts if text and fold(text) not in STATES and not is_silence(text)]


def _is_none_known(labels: list[Label], missing: dict[str, UnknownName], left: dict[str, list[Label]]) -> bool:
    """Return whether no label says anything of a source."""
    return sum(len(one.labels) for one in missing.values()) + sum(map(len, left.values())) == len(labels)


def _list_questions(
    group: _Group, missing: dict[str, UnknownName], none_known: bool, sources: Sequence[str]
) -> list[UnknownName]:
    """Return what is to be asked: each label that is not known, or the name of a tier or file of which none is."""
    asked = list(missing.values())
    for one in asked[:MANY]:
        one.hint = "" if group.are_words else guess_name(one.name, sources)
    labels = [label for one in asked for label in one.labels]
    empty = not any(label.text for label in labels)
    if not asked or not group.written or not (empty or (none_known and not any(one.hint for one in asked))):
        return asked
    kind = "tier" if group.is_container else "file"
    return [UnknownName(group.written, labels, kind, guess_name(group.written, sources))]


WARNED = 3
"""Labels of a kind that are left out with a warning each; of more, there is one warning for all."""
_LEFT_OUT = {
    "point": ("point label", " without length: mark regions", ""),
    "nobody": ("label", " for silence that name no source", ": it does not say who is silent"),
    "stem": ("stem", ", whose source nobody knows", ": its instruments are unknown, or of several sources"),
    "map": ("label", ", which --map leaves out", ""),
    "sections": ("section", ", which do not name who plays", ": beside labels that name who plays, it does not"),
    "words": ("label", " of a file of words", ": the file is called after words or sounds, not after a source"),
}
"""Kind of what is left out → what one is called, why all of them are left out, why one is."""


def describe_left_out(kind: str, labels: list[Label], of_several: int = 0) -> str:
    """Return in a few words what is left out: so many labels of a kind, and why all are (0) or one is (1)."""
    one, *why = _LEFT_OUT[kind]
    texts = list(dict.fromkeys(label.text for label in labels if label.text))
    such = f" ({', '.join(map(quote, texts[:3]))}{' …' if len(texts) > 3 else ''})" if texts else ""
    return f"{len(labels)} {one}{'s' if len(labels) > 1 else ''}{such}{why[of_several]}"


def warn_left_out(kind: str, labels: list[Label]) -> list[str]:
    """Return warnings, one by one if they are few; what the user left out needs none."""
    if kind == "map":
        return []
    if kind == "stem":
        labels = list({label.text: label for label in reversed(labels)}.values())[::-1]
    if len(labels) > WARNED and kind != "stem":
        counted = describe_left_out(kind, labels, 1)
        return [f"{labels[0].path}:{labels[0].line}: left out: {counted}; this is the first"]
    one, _, why = _LEFT_OUT[kind]
    return [f"{i.path}:{i.line}: left out: {one} {quote(i.text)}{why}" for i in labels]
