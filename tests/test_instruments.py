"""Names: what they stand for, what they do not, and how users decide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugosa_jax.annotations import instruments
from ugosa_jax.annotations import overrides as decided
from ugosa_jax.annotations.instrument_table import INSTRUMENTS
from ugosa_jax.annotations.instruments import Name, Names
from ugosa_jax.errors import InputError

SOURCES = ("drums", "bass", "other", "vocals")


def found(text, sources=SOURCES, overrides=()):
    return instruments.found(text, sources, Names(decided.parse(overrides)))


@pytest.mark.parametrize("name", ["vox", "Voice", "VOCALS", "vocal", "singing"])
def test_all_of_the_vocals(name):
    assert found(name) == Name("vocals")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("singer", "vocals"),
        ("Lead Vocal", "vocals"),
        ("lead_vox", "vocals"),
        ("backing-vocals", "vocals"),
        ("vox 2", "vocals"),
        ("female singer", "vocals"),
        ("kit", "drums"),
        ("drum set", "drums"),
        ("percussion", "drums"),
        ("Kick", "drums"),
        ("snare drum", "drums"),
        ("bass drum", "drums"),
        ("hi-hat", "drums"),
        ("e-bass", "bass"),
        ("electric bass", "bass"),
        ("double bass", "bass"),
        ("808", "bass"),
        ("synth bass", "bass"),
        ("piano", "other"),
        ("guitar", "other"),
        ("Gtr1", "other"),
        ("clean electric guitar", "other"),
        ("keys", "other"),
        ("strings", "other"),
        ("string section", "other"),
        ("synth", "other"),
        ("bass clarinet", "other"),
        ("alto saxophone", "other"),
        ("fx/processed sound", "other"),
    ],
)
def test_one_instrument(name, source):
    assert found(name) == Name(source, instruments.normalised(name))


@pytest.mark.parametrize(
    "name", ["", "kazoo", "verse", "drums and vocals", "lead", "section", "voclas", "s01", "alto", "no", "none", "12"]
)
def test_what_is_not_known_is_not_guessed(name):
    assert found(name) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nosing", Name("vocals", negated=True)),
        ("no vocals", Name("vocals", negated=True)),
        ("non-vocal", Name("vocals", negated=True)),
        ("no drums", Name("drums", negated=True)),
        ("no piano", Name("other", "piano", negated=True)),
    ],
)
def test_negation(name, expected):
    assert found(name) == expected


def test_only_the_sources_own_names_if_nothing_else_is_asked_for():
    assert instruments.found("Vocals", SOURCES, None) == Name("vocals")
    assert instruments.found("vox", SOURCES, None) is None


def test_a_networks_own_names_come_first():
    sources = ("piano", "vocals", "drums")
    assert found("Piano", sources) == Name("piano")
    assert found("guitar", sources) is None  # this network has no other
    assert found("vox", sources) == Name("vocals")


def test_overrides():
    assert found("Klavier", overrides=["klavier=one of other"]) == Name("other", "klavier")
    assert found("piano", overrides=["piano = vocals"]) == Name("vocals")
    assert found("S01", overrides=["S01=male singer"]) == Name("vocals", "s01")
    assert found("verse", overrides=["verse="]) == Name("")
    assert found("break", overrides=["break=no drums"]) == Name("drums", negated=True)
    with pytest.raises(InputError, match="map: 'x' = kazoo is not one of drums, bass, other, vocals, nor a name"):
        found("x", overrides=["x=kazoo"])


def test_overrides_hold_for_numbered_names_too():
    assert found("Gesang 2", overrides=["Gesang=vocals"]) == Name("vocals", "gesang 2")
    assert found("Strophe_12", overrides=["strophe="]) == Name("")
    assert found("Gesang", overrides=["Gesang=vocals"]) == Name("vocals")


def test_stems_of_several_instruments():
    names = Names(stems={"S01": ("male singer", "vocalists"), "S02": ("piano", "male singer"), "S03": ("Unlabeled",)})
    assert instruments.found("S01", SOURCES, names) == Name("vocals", "s01")
    assert instruments.found("S02", SOURCES, names) == Name("", "s02", perhaps=("other", "vocals"))
    assert instruments.found("S03", SOURCES, names) == Name("", "s03", perhaps=SOURCES)


@pytest.mark.parametrize("pairs", [["piano"], ["=other"], ["a=other", "A=bass"]])
def test_overrides_that_are_none(pairs):
    with pytest.raises(InputError, match="map: "):
        decided.parse(pairs)


def test_no_name_is_of_two_kinds():
    kinds: dict[str, str] = {}
    for line, listed in INSTRUMENTS.items():
        kind = line.partition("<")[0].strip()
        for name in (kind, *instruments._listed(listed)):
            assert name == instruments.normalised(name)
            for form in {name, instruments._plain(name)}:
                assert kinds.setdefault(form, kind) == kind, form


def test_chains_end_in_what_every_network_has():
    for kind in INSTRUMENTS:
        chain = instruments.chain_of(kind.partition("<")[0].strip())
        assert "other" in chain or chain == ("accompaniment",)
        assert ("accompaniment" in chain) != ("vocals" in chain)


@given(text=st.text(max_size=30))
def test_any_text(text):
    name = found(text)
    assert name is None or name.source in SOURCES
