"""What labels say, one by one: whose they are, and in which state.

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

from ugosa_jax.annotations import hints, instruments, left_out, unknown
from ugosa_jax.annotations.formats.label import Label, shown
from ugosa_jax.annotations.instruments import Name, Names, folded
from ugosa_jax.annotations.interval import STATES, State
from ugosa_jax.annotations.unknown import Unknown

ACTIVE = frozenset(
    {"active", "on", "yes", "true", "1", "playing", "plays", "sounding", "present", "sing", "singing"}
    | {"aktiv", "an", "ja", "actif", "oui", "sí", "si", "sim"}
)
SILENT = frozenset({"silent", "off", "no", "false", "0", "absent", "inactive", "inaktiv", "nein", "non", "não"})
"""What a column of states may say instead of active and silent, besides all words for silence."""
CLEARLY_SILENT = frozenset({"silence", "rest", "rests", "pause", "tacet", "off", "absent", "inactive", "aus", "stumm"})
"""Words that say so behind a blank, which other words for silence do behind a colon or a dash only."""
_STATE = re.compile(
    r"(?P<name>.*?)(?P<mark>\s*[:=|;,]\s*|\s+[-–—>]+\s+|\s*[(\[]\s*|\s+)(?P<state>[^\s:=|;,()\[\]]+)[)\]]?"
)
_COPIES = re.compile(
    r"(?:[\s_-]*(?:\([0-9]+\)|copy|kopie|copie|v[0-9]+|final|edit(?:ed)?|labels?|annotations?))+$", re.IGNORECASE
)
_SUFFIXES = re.compile(
    r"(?:\.(?:csv|tsv|txt|lab|jams|json|svl?|textgrid|rttm|eaf|wav|flac|mp3|aiff?|ogg|m4a))+$", re.IGNORECASE
)


class Stated(NamedTuple):
    """A label, understood."""

    label: Label
    name: Name
    state: State
    by_word: bool = False
    """Whether a word for silence says so: a tier that has some beside sung words is silent where it is empty too."""


class Understood(NamedTuple):
    """What all labels say."""

    stated: list[Stated]
    names: dict[str, Name]
    """What each name was taken for."""
    warnings: list[str]
    left_out: list[str]
    """What is left out, and why, in a few words."""


class _Group(NamedTuple):
    """Labels of one tier, layer or file."""

    labels: list[Label]
    found: Callable[[str], Name | None]
    home: Name | None
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


def understand(labels: Iterable[Label], sources: Sequence[str], names: Names | None, path: str) -> Understood:
    """Return what labels say.

    Args:
      labels: of one file, or of the files of a folder.
      sources: the network's.
      names: how names are understood; if None, only the sources' own are.
      path: the file or folder, for messages.

    Raises:
      UnknownNames: names stand for nothing; all of them are in the message.
      InputError: a state is none.
    """
    cache: dict[str, Name | None] = {}

    def found(text: str) -> Name | None:
        if text not in cache:
            cache[text] = instruments.found(text, sources, names)
        return cache[text]

    groups: dict[tuple[str, str], list[Label]] = {}
    for label in labels:
        groups.setdefault((label.path, label.container), []).append(label)
    several = len({file for file, _ in groups}) > 1
    result, not_known = Understood([], {}, [], []), []
    for members in groups.values():
        group = _group(members, found, several)
        missing: dict[str, Unknown] = {}
        left: dict[str, list[Label]] = {}
        for label in members:
            _understand(label, group, result, missing, left)
        if missing and members[0].perhaps_sections and len(groups) > 1 and _none_known(members, missing, left):
            left["sections"] = members
        elif missing and group.are_words and not group.is_container:
            left["words"] = members
        else:
            one_of_several = several or group.is_container
            none_known = one_of_several and _none_known(members, missing, left)
            not_known += _asked(group, missing, none_known, sources)
        for kind, of_kind in left.items():
            result.left_out.append(left_out.described(kind, of_kind))
            result.warnings.extend(left_out.warnings(kind, of_kind))
        if group.home and group.free and not group.is_container and (words := _free_words(group)):
            said = f"labels such as {shown(words[0])} are taken as words of the file's source, {group.home.source}"
            result.warnings.append(f"{members[0].path}:{members[0].line}: {said}")
    if not_known:
        raise unknown.error(not_known, sources, path)
    return result


def _group(labels: list[Label], found: Callable[[str], Name | None], several: bool) -> _Group:
    """Return what is known of labels of one tier, layer or file.

    Args:
      labels: all of them.
      found: what a name stands for.
      several: whether there are other files: then one may hold words.
    """
    first = labels[0]
    stem = stem_of(first.path)
    if instruments.holds_words(first.container or (stem if several else "")):
        written = first.container or stem
        home = found(written)
        words = _Group(labels, lambda _: None, home, written, home is not None, home is not None, bool(first.container))
        return words._replace(are_words=True)
    candidates = [first.container] if first.own_words else [first.container, stem]
    written = next((name for name in candidates if name and found(name) is not None), "")
    whole = bool(written)
    free = whole and (first.own_words or not any(_parted(text, found)[1] for text in {i.text for i in labels}))
    if not written and not first.own_words:
        words = re.split(r"[-_ .]+", stem)
        tails = (" ".join(words[n:]) for n in range(1, len(words)))
        written = next((tail for tail in tails if found(tail) is not None), "")
    home = found(written) if written else None
    return _Group(labels, found, home, written or first.container or stem, whole, free, bool(first.container))


def stem_of(path: str) -> str:
    """Return what a file is called, without suffixes and what copies and versions put behind the name."""
    stem = _SUFFIXES.sub("", Path(path).name)
    return _COPIES.sub("", stem) or stem


def _parted(text: str, found: Callable[[str], Name | None]) -> tuple[str, Name | None, str | None]:
    """Return a label's name as it is written, what that stands for if it is known, and the state behind it."""
    meaning = found(text)
    if meaning is not None:
        return text, meaning, None
    stripped = text.rstrip(" :=|;,-")
    if stripped != text and (meaning := found(stripped)) is not None:
        return stripped, meaning, None
    match = _STATE.fullmatch(text)
    if match and match["name"]:
        name, word, blank = match["name"], folded(match["state"]), not match["mark"].strip()
        if word in STATES or (word in CLEARLY_SILENT if blank else instruments.is_silence(word) or word in ACTIVE):
            return name, found(name), word
    return text, None, None


def _understand(
    label: Label, group: _Group, result: Understood, missing: dict[str, Unknown], left: dict[str, list[Label]]
) -> None:
    """Put what a label says where it belongs: what is said, what is not known, or what is left out."""
    written, name, state, by_word = _whose(label, group)
    if label.start_s == label.end_s:
        left.setdefault("point", []).append(label)
    elif name is None and group.home is None and label.text and instruments.is_silence(label.text):
        left.setdefault("silence of nobody", []).append(label)
    elif name is None:
        missing.setdefault(written, Unknown(written, [])).labels.append(label)
    elif name.perhaps:
        left.setdefault("stem", []).append(label)
        result.names[written] = name
        result.stated.append(Stated(label, name, _state(label, name, state)))
    elif name.source:
        result.names[written] = name
        result.stated.append(Stated(label, name, _state(label, name, state), by_word))
    else:
        left.setdefault("map", []).append(label)


def _whose(label: Label, group: _Group) -> tuple[str, Name | None, str | None, bool]:
    """Return the name as it is written, what it stands for, the state beside it, and whether silence is a word."""
    text, home = label.text, group.home
    if home is not None and not home.source and not home.perhaps and group.whole:
        return group.written, home, None, False
    if home is not None and label.own_words:
        _, meaning, state = _parted(text, group.found)
        same = meaning is not None and meaning._replace(negated=False) == home._replace(negated=False)
        if meaning is not None and same:
            return group.written, meaning, state, False
        if folded(text) in STATES:
            return group.written, home, text, False
        by_word = instruments.is_silence(text)
        return group.written, home, "silent" if by_word else None, by_word
    name, meaning, state = _parted(text, group.found)
    if meaning is not None or (label.state is not None and text):
        return name, meaning, label.state or state, False
    if home is not None and (not text or folded(text) in STATES):
        return group.written, home, label.state or text or None, False
    if home is not None and instruments.is_silence(text):
        return group.written, home, "silent", True
    if home is not None and group.free:
        return group.written, home, state, False
    return name or group.written, None, state, False


def _state(label: Label, name: Name, state: str | None) -> State:
    word = None if state is None else folded(state)
    if word is not None and word not in STATES:
        known = "active" if word in ACTIVE else "silent" if word in SILENT or instruments.is_silence(word) else None
        if known is None:
            raise label.error("state", state or "", f"is not one of {', '.join(STATES)}")
        word = known
    if name.negated and word is not None:
        raise label.error("state", state or "", "stands beside a name that says silent by itself")
    return cast(State, word or ("silent" if name.negated else "active"))


def _free_words(group: _Group) -> list[str]:
    texts = dict.fromkeys(label.text for label in group.labels if label.start_s < label.end_s)
    return [text for text in texts if text and folded(text) not in STATES and not instruments.is_silence(text)]


def _none_known(labels: list[Label], missing: dict[str, Unknown], left: dict[str, list[Label]]) -> bool:
    """Return whether no label says anything of a source."""
    return sum(len(one.labels) for one in missing.values()) + sum(map(len, left.values())) == len(labels)


def _asked(group: _Group, missing: dict[str, Unknown], none_known: bool, sources: Sequence[str]) -> list[Unknown]:
    """Return what is to be asked of a tier or file: its own name, or each label that is not known.

    Args:
      group: its labels.
      missing: those that are not known.
      none_known: whether it is one of several, and none of its labels is known.
      sources: the network's.
    """
    asked = list(missing.values())
    if not asked:
        return []
    for one in asked:
        one.hint = "" if group.are_words else hints.guess(one.name, sources)
    empty = not any(label.text for one in asked for label in one.labels)
    if not group.written or not (empty or (none_known and not any(one.hint for one in asked))):
        return asked
    labels = [label for one in asked for label in one.labels]
    kind = "tier" if group.is_container else "file"
    return [Unknown(group.written, labels, kind, hints.guess(group.written, sources))]
