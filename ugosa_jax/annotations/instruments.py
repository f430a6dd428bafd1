"""Names of instruments ⇄ sources of a network.

A network knows a few sources, people know instruments. A name is the source itself (vox is vocals), or one
instrument of it (piano is one of other): what is said of an instrument is said of no other, so a source is not silent
only because one of its instruments is.
"""

import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ugosa_jax.errors import InputError

SYNONYMS = {
    "vocals": "vocals, vocal, vox, voc, voice, voices, singing, sing",
    "drums": "drums, drum",
    "bass": "bass",
    "other": "other, others",
}
"""Names of a source as a whole."""

INSTRUMENTS = {
    "vocals": (
        "singer, vocalist, vocalists, choir, chorus vocals, harmonies, rapper, rap, speaker, speech, spoken "
        "word, screamer, screams, adlibs, ad libs, beatbox"
    ),
    "drums": (
        "kit, drum kit, drum set, drumset, drumkit, kick, snare, toms, tom, hi hat, hihat, high hat, hh, "
        "cymbal, cymbals, crash, ride, overheads, percussion, perc, drum machine, bass drum, snare drum, kick "
        "drum, floor tom, claps, clap, snaps, shaker, tambourine, cowbell, bongo, bongos, conga, congas, "
        "timbales, tabla, cajon, djembe, doumbek, darbuka, castanet, castanets, cabasa, guiro, woodblock, gu, "
        "gong, sleigh bells, timpani, triangle, rim shot"
    ),
    "bass": (
        "bass guitar, e bass, double bass, upright bass, contrabass, fretless bass, synth bass, sub bass, "
        "808, 808s, slap bass"
    ),
    "other": (
        "piano, keys, keyboard, keyboards, guitar, guitars, gtr, gtrs, synth, synths, synthesizer, "
        "synthesiser, pad, pads, organ, rhodes, wurlitzer, clavinet, harpsichord, celesta, accordion, "
        "melodica, harmonica, strings, string, violin, violins, viola, violas, cello, cellos, fiddle, harp, "
        "orchestra, brass, horn, horns, trumpet, trumpets, trombone, trombones, tuba, euphonium, cornet, sax, "
        "saxophone, saxes, clarinet, bass clarinet, flute, flutes, piccolo, oboe, bassoon, recorder, "
        "woodwind, woodwinds, winds, whistle, bagpipes, banjo, mandolin, ukulele, sitar, oud, lute, bouzouki, "
        "lap steel guitar, pedal steel, vibraphone, vibes, marimba, xylophone, glockenspiel, steel drum, "
        "steel drums, steel pan, bells, chimes, sampler, samples, scratches, turntables, fx, sfx, effects, fx "
        "processed sound, arpeggio, arp, sequencer, theremin, erhu, guzheng, dizi, yangqin, zhongruan, "
        "liuqin, dilruba, crowd"
    ),
}
"""Names of instruments of a source."""

QUALIFIERS = (
    "lead, main, solo, rhythm, first, second, back, backing, background, bg, harmony, male, female, clean, distorted, "
    "dist, electric, acoustic, ac, el, nylon, steel, muted, left, right, top, bottom, high, low, inside, outside, "
    "french, alto, tenor, soprano, baritone, bamboo, tack, grand, upright, electronic, analog, digital, section, "
    "auxiliary, aux, live, closed, open, floor, rack, room"
)
"""Words beside a name that do not change whose it is: lead vocal, clean electric guitar, string section."""


LONGEST = 80
"""Characters of a name; what is longer is none."""


class Name(NamedTuple):
    """What a name stands for."""

    source: str
    """A source of the network; empty if the label is to be left out."""
    instrument: str = ""
    """One instrument of the source, or empty: all of it."""
    negated: bool = False
    """Whether the name says that the source is silent: nosing, no drums."""


@dataclasses.dataclass(frozen=True)
class Names:
    """How names are understood."""

    overrides: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Name → a source, or names of instruments of one source; nothing to leave its labels out."""
    complete: bool = False
    """Whether all instruments of each source that is named are annotated, so that together they are the source."""


def found(text: str, sources: Sequence[str], names: Names | None) -> Name | None:
    """Return what a name stands for; None if that is not known.

    Args:
      text: the name as written.
      sources: the network's.
      names: how names are understood; if None, only the sources' own are, whose capitals do not matter.
    """
    if names is not None:
        for name, targets in names.overrides.items():
            if name.casefold() == text.casefold():
                return _overridden(text, targets, sources)
    for source in sources:
        if source.casefold() == text.casefold():
            return Name(source)
    return None if names is None or len(text) > LONGEST else _alias(normalised(text), sources)


def suggestion(text: str, sources: Sequence[str]) -> str:
    """Return the end of a message about a name that is not known: the sources, and the nearest of them."""
    known = {source.casefold(): source for source in sources}
    near = difflib.get_close_matches(text.casefold(), known, 1, cutoff=0.4)
    return f"is not one of {', '.join(sources)}" + (f"; did you mean {known[near[0]]!r}?" if near else "")


def overrides(pairs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return what NAME=SOURCE says, for each such text.

    Raises:
      InputError: one of them has no equals sign or no name, or two are for the same name.
    """
    found_pairs: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        name, equals, target = (part.strip() for part in pair.partition("="))
        if not equals or not name:
            raise InputError(f"map: {pair!r} is not NAME=SOURCE, such as piano=other")
        if name.casefold() in map(str.casefold, found_pairs):
            raise InputError(f"map: {name!r} is there twice")
        found_pairs[name] = (target,) if target else ()
    return found_pairs


def normalised(text: str) -> str:
    """Return a name in small letters, with single blanks for hyphens, underscores and slashes."""
    return " ".join(re.sub(r"[-_/.\s]+", " ", text.casefold()).split())


def _overridden(text: str, targets: tuple[str, ...], sources: Sequence[str]) -> Name:
    """Return what an override stands for: always one instrument, which is called as it is written."""
    if not targets:
        return Name("")
    standing = [found(target, sources, Names()) for target in targets]
    meant = {name.source for name in standing if name is not None and not name.negated}
    if None in standing or len(meant) != 1:
        raise InputError(f"map: {text!r} = {' and '.join(targets)} {suggestion(targets[0], sources)}")
    return Name(meant.pop(), normalised(text))


def _alias(name: str, sources: Sequence[str]) -> Name | None:
    plain = name if name in _TABLE else re.sub(r" ?[0-9]{1,3}$", "", name)
    words = plain.split()
    while plain not in _TABLE and len(words) > 1 and (words[0] in _QUALIFIERS or words[-1] in _QUALIFIERS):
        words = words[1:] if words[0] in _QUALIFIERS else words[:-1]
        plain = " ".join(words)
    if plain in _TABLE:
        source, whole = _TABLE[plain]
        return Name(source, "" if whole and plain == name else name) if source in sources else None
    negation = re.fullmatch(r"non? ?(.+)", name)
    inner = _TABLE.get(negation[1]) if negation else None
    if inner is None or inner[0] not in sources or negation is None:
        return None
    return Name(inner[0], "" if inner[1] else negation[1], negated=True)


def _listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


_TABLE = {name: (source, False) for source, names in INSTRUMENTS.items() for name in _listed(names)} | {
    name: (source, True) for source, names in SYNONYMS.items() for name in _listed(names)
}
"""Name → source, and whether it is all of it."""
_QUALIFIERS = frozenset(_listed(QUALIFIERS))
