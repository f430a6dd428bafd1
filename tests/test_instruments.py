"""Names: what they stand for, what they do not, and how users decide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugosa_jax.annotations import instruments
from ugosa_jax.annotations.instruments import Name, Names
from ugosa_jax.errors import InputError

SOURCES = ("drums", "bass", "other", "vocals")


def found(text, sources=SOURCES, overrides=()):
    return instruments.found(text, sources, Names(instruments.overrides(overrides)))


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
    assert found("Klavier", overrides=["klavier=other"]) == Name("other", "klavier")
    assert found("piano", overrides=["piano = vocals"]) == Name("vocals", "piano")
    assert found("S01", overrides=["S01=male singer"]) == Name("vocals", "s01")
    assert found("verse", overrides=["verse="]) == Name("")
    with pytest.raises(InputError, match="map: 'x' = kazoo is not one of drums, bass"):
        found("x", overrides=["x=kazoo"])


def test_stems_of_several_instruments():
    names = Names({"S01": ("male singer", "vocalists"), "S02": ("piano", "male singer")})
    assert instruments.found("S01", SOURCES, names) == Name("vocals", "s01")
    with pytest.raises(InputError, match="map: 'S02' = piano and male singer is not one of"):
        instruments.found("S02", SOURCES, names)


@pytest.mark.parametrize("pairs", [["piano"], ["=other"], ["a=other", "A=bass"]])
def test_overrides_that_are_none(pairs):
    with pytest.raises(InputError, match="map: "):
        instruments.overrides(pairs)


def test_no_name_is_in_the_table_twice():
    names = [
        name
        for table in (instruments.SYNONYMS, instruments.INSTRUMENTS)
        for listed in table.values()
        for name in instruments._listed(listed)
    ]
    assert len(names) == len(set(names))
    assert all(name == instruments.normalised(name) for name in names)


@given(text=st.text(max_size=30))
def test_any_text(text):
    name = found(text)
    assert name is None or name.source in SOURCES
