"""The vocabulary: which source of a network a name in an annotation means.

A network has a few sources, but people write names of instruments. A name means a source (vox is vocals), or one
instrument of a source (piano is one instrument of other, unless the network has a source piano). A label of one
instrument says nothing about the others: a source need not be silent where one of its instruments is.
"""

import dataclasses
import functools
import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from ugosa_jax.errors import InputError

VOCABULARY: dict[str, dict[str, Any]] = tomllib.loads(
    resources.files("ugosa_jax.annotations").joinpath("vocabulary.toml").read_text("utf-8")
)
"""Names of instruments, and other words in annotations; comments in the file explain them."""
ALL_BUT_VOCALS = "accompaniment"
"""The kind of instruments that contains all but the vocals, for networks with two sources."""
MAX_LENGTH = 80
"""Longest name, in characters."""
MAX_WORDS = 8


class Meaning(NamedTuple):
    """The meaning of a name: a source, or one instrument of it."""

    source: str
    """A source of the network; empty if labels with the name are to be left out."""
    instrument: str = ""
    """One instrument of the source; empty for the whole source."""
    negated: bool = False
    """Whether the name means that the source is silent: nosing, no drums."""
    perhaps: tuple[str, ...] = ()
    """Sources that a stem may belong to if it has no label or several instruments."""


@dataclasses.dataclass(frozen=True)
class NameRules:
    """Rules for the interpretation of names."""

    overrides: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The user's meaning of names: a source, a known name, or `one of` a source; empty to leave labels out."""
    complete: bool = False
    """Whether all instruments of each named source are annotated, so that a source is silent where they all are."""
    stems: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """The instruments of each stem, from the metadata of a data set."""


def fold(text: str) -> str:
    """Return a string in lower case, with accented letters as single characters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def normalise(text: str) -> str:
    """Return a name in lower case, with single spaces in place of brackets, hyphens, underscores, full stops etc.

    Signs that join names (/, &, +) become separate words.
    """
    return " ".join(re.sub(r"([/&+])", r" \1 ", re.sub(r"[^\w/&+']|_", " ", fold(text))).split())


def find_meaning(text: str, sources: Sequence[str], names: NameRules | None) -> Meaning | None:
    """Return the meaning of a name; None if it is unknown.

    Args:
      text: the name as written.
      sources: sources of the network.
      names: how to interpret names; if None, only the sources' own names are known, in any case.
    """
    if names is not None:
        overridden = _find_override(text, sources, names.overrides)
        if overridden is not None:
            return overridden
        if text in names.stems:
            return _find_stem(text, names.stems[text], sources)
    for source in sources:
        if fold(source) == fold(text):
            return Meaning(source)
    return None if names is None else look_up_name(text, tuple(sources))


@functools.lru_cache(10_000)
def look_up_name(text: str, sources: tuple[str, ...]) -> Meaning | None:
    """Return the meaning of a name in the vocabulary; None if it is unknown."""
    if len(text) > MAX_LENGTH:
        return None
    if sign := re.match(r"[!¬−–+-](?=\w)", text):  # "- bass" is an item of a list
        name = look_up_name(text[1:], sources)
        return name and (None if name.negated else name._replace(negated=sign[0] != "+"))
    text = re.sub(r"\.(?:wav|aiff?|flac|mp3|m4a|ogg)$", "", text, flags=re.IGNORECASE)  # tracks are named after files
    names = (_find_in_form(form, normalise(text), sources) for form in _list_forms(text))
    return next((name for name in names if name is not None), None)


def is_silence(text: str) -> bool:
    """Return whether a text is a word for silence."""
    return fold(" ".join(text.split())) in _SILENCE


def holds_words(container: str) -> bool:
    """Return whether a tier or file of this name contains words, chords or the like, not names of sources."""
    return normalise(container) in WORDS["no_names"]


def _find_override(text: str, sources: Sequence[str], overrides: Mapping[str, str]) -> Meaning | None:
    """Return the user's meaning of a name, or else of the name without a number at its end."""
    if not overrides:
        return None
    decided = {fold(name): target for name, target in overrides.items()}
    wanted = fold(text)
    if wanted in decided:
        return _parse_override(text, decided[wanted], sources)
    unnumbered = re.sub(r"[\s_.#-]*\(?[0-9]{1,3}\)?$", "", wanted)
    if unnumbered == wanted or unnumbered not in decided:
        return None
    name = _parse_override(text, decided[unnumbered], sources)
    return name._replace(instrument=normalise(text)) if name.source else name


def _parse_override(text: str, target: str, sources: Sequence[str]) -> Meaning:
    """Return the meaning of an override; an instrument gets the name as written."""
    if not target:
        return Meaning("")
    one = re.fullmatch(r"(?:one|part|instrument)(?: instrument)? of (.+)", target, re.IGNORECASE)
    name = find_meaning(one[1] if one else target, sources, NameRules())
    if name is None:
        raise InputError(f"map: {text!r} = {target} is not one of {', '.join(sources)}, nor a known name")
    return name._replace(instrument=normalise(text) if one or name.instrument else "")


def _find_stem(stem: str, instruments: tuple[str, ...], sources: Sequence[str]) -> Meaning:
    """Return the meaning of a stem; it has no source if its instruments are unknown or belong to several sources."""
    names = [look_up_name(instrument, tuple(sources)) for instrument in instruments]
    meant = dict.fromkeys(name.source for name in names if name is not None)
    if None not in names and len(meant) == 1:
        return Meaning(next(iter(meant)), normalise(stem))
    return Meaning("", normalise(stem), perhaps=tuple(sources if None in names or not meant else meant))


def _list_forms(text: str) -> list[str]:
    """Return spellings of a name to look up: unchanged, split at capitals and numbers, and without accents."""
    humps = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    cut = re.sub(r"(?<=[^\W\d_])(?=[0-9])|(?<=[0-9])(?=[^\W\d_])", " ", humps)
    forms = [normalise(form) for form in (text, humps, cut)]
    plain = [_remove_accents(form) for form in forms]
    return list(dict.fromkeys([*forms, *plain]))


def _remove_accents(text: str) -> str:
    """Return a string without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _find_in_form(form: str, instrument: str, sources: tuple[str, ...]) -> Meaning | None:
    """Return the meaning of the longest known name in a text whose other words are qualifiers.

    Args:
      form: one spelling of the text.
      instrument: name to use if the meaning is one instrument of a source.
      sources: sources of the network.
    """
    for negation in WORDS["negations"]:
        rest = form.removeprefix(negation + " ")
        if rest != form:
            name = _find_in_form(rest, rest, sources)
            return name and (None if name.negated else name._replace(negated=True))
    rest, _, last = form.rpartition(" ")
    is_kick = "kick" in list_ancestors(KINDS.get(rest, rest))  # "in" and "out" are microphones of a kick drum
    if last in ("in", "out") and not is_kick and (name := _find_kind(rest, rest, [], sources)) is not None:
        return name._replace(negated=last == "out")
    words = form.split()
    for length in range(min(len(words), MAX_WORDS), 0, -1):
        names = [
            name
            for start in range(len(words) - length + 1)
            if _are_qualifiers(around := words[:start] + words[start + length :])
            and (name := _find_kind(" ".join(words[start : start + length]), instrument, around, sources)) is not None
        ]
        if names:
            return names[0] if len(set(names)) == 1 else None
    joined = re.fullmatch(r"non?(\w{4,})", form)
    if joined and joined[1] in KINDS and (name := _find_in_form(joined[1], joined[1], sources)):
        return name._replace(negated=True)
    return None


def _are_qualifiers(words: list[str]) -> bool:
    return len(words) <= MAX_WORDS and all(w in _QUALIFIERS or re.fullmatch(r"[v#]?[0-9]{1,3}", w) for w in words)


def _find_kind(name: str, instrument: str, around: list[str], sources: tuple[str, ...]) -> Meaning | None:
    """Return the meaning of a name in the vocabulary with other words around it; None if it is unknown."""
    kinds = _list_kinds(sources)
    if _may_be_silent(KINDS.get(name, name), around):
        return None
    if name in kinds.direct:
        kind, source = name, kinds.direct[name]
    else:
        kind = KINDS.get(name, "")
        if not kind:
            return None
        chain = [k for k in list_ancestors(kind) if k == kind or k not in kinds.split or k in _WHOLLY_SPLIT]
        kind_there = next((k for k in chain if k in kinds.sources or k in kinds.split), "")
        if kind_there not in kinds.sources:
            return None
        source = kinds.sources[kind_there]
        if kind_there != kind:
            return Meaning(source, instrument)
    return Meaning(source, instrument if not all(word in _WHOLE for word in around) else "")


def _may_be_silent(kind: str, around: list[str]) -> bool:
    """Return whether words beside a kind may mean that it is silent; they do not beside a kick ("out") or a trumpet."""
    if "out" in around:
        return "kick" not in list_ancestors(kind)
    return kind in _WHOLLY_SPLIT and not {"mute", "muted"}.isdisjoint(around)


class _Kinds(NamedTuple):
    """The kinds of instruments that correspond to the sources of a network."""

    direct: dict[str, str]
    """The source of each normalised source name."""
    sources: dict[str, str]
    """The source of each kind."""
    split: frozenset[str]
    """Kinds that are divided among several sources, so that their names may mean any of them."""


@functools.lru_cache(100)
def _list_kinds(sources: tuple[str, ...]) -> _Kinds:
    direct = {normalise(source): source for source in sources}
    kind_of = {source: VOCABULARY["sources"].get(name) or KINDS.get(name, name) for name, source in direct.items()}
    kinds = {kind: source for source, kind in reversed(kind_of.items())}
    above = {k for kind in kinds for k in list_ancestors(kind)[1:]}
    return _Kinds(direct, kinds, frozenset(above - kinds.keys() - {"other", ALL_BUT_VOCALS}))


@functools.cache
def list_ancestors(kind: str) -> tuple[str, ...]:
    """Return a kind of instrument and the kinds that contain it, from the most specific to the most general."""
    chain = [kind]
    while chain[-1] in _PARENTS:
        chain.append(_PARENTS[chain[-1]])
    general = [] if chain[-1] == ALL_BUT_VOCALS else ["other"]
    general += [] if "vocals" in chain or chain[-1] == ALL_BUT_VOCALS else [ALL_BUT_VOCALS]
    return tuple(dict.fromkeys([*chain, *general]))


def split_names(names: str) -> list[str]:
    """Return the names in one entry of the vocabulary."""
    return [name.strip() for name in names.split(",") if name.strip()]


WORDS = {use: split_names(words) for use, words in VOCABULARY["words"].items()}
"""Words by their use."""
_PARENTS = {
    kind.strip(): parent.strip() for kind, mark, parent in (k.partition("<") for k in VOCABULARY["instruments"]) if mark
}
KINDS = {
    form: kind
    for line, listed in VOCABULARY["instruments"].items()
    for kind in [line.partition("<")[0].strip()]
    for name in (kind, *split_names(listed))
    for form in (_remove_accents(normalise(name)), normalise(name))
}
"""The kind of each normalised name, with and without accents."""
_WHOLLY_SPLIT = ("vocals", "drums", "bass")
"""Kinds that consist only of their parts: vocals are either lead or backing vocals. Keys are not such a kind: an organ
is neither a piano nor another part of keys, and therefore belongs to other."""
_WHOLE = frozenset(WORDS["whole"])
_QUALIFIERS = _WHOLE | {form for word in WORDS["qualifiers"] for form in (fold(word), _remove_accents(fold(word)))}
_SILENCE = frozenset(fold(word) for word in ("", *WORDS["silence"]))
