"""Names of sources and instruments: their meaning, unknown names, and overrides by users."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugosa_jax.annotations import vocabulary
from ugosa_jax.annotations.unknown_names import guess_name, parse_overrides, read_overrides
from ugosa_jax.annotations.vocabulary import VOCABULARY, Meaning, NameRules
from ugosa_jax.errors import InputError

SOURCES = ("drums", "bass", "other", "vocals")


def find(text, sources=SOURCES, overrides=()):
    return vocabulary.find_meaning(text, sources, NameRules(parse_overrides(overrides)))


@pytest.mark.parametrize("name", ["vox", "Voice", "VOCALS", "vocal", "singing"])
def test_names_of_the_vocals(name):
    assert find(name) == Meaning("vocals")


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
def test_names_of_one_instrument(name, source):
    assert find(name) == Meaning(source, vocabulary.normalise(name))


@pytest.mark.parametrize(
    "name", ["", "kazoo", "verse", "drums and vocals", "lead", "section", "voclas", "s01", "alto", "no", "none", "12"]
)
def test_unknown_names_are_not_guessed(name):
    assert find(name) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nosing", Meaning("vocals", negated=True)),
        ("no vocals", Meaning("vocals", negated=True)),
        ("non-vocal", Meaning("vocals", negated=True)),
        ("no drums", Meaning("drums", negated=True)),
        ("no piano", Meaning("other", "piano", negated=True)),
    ],
)
def test_negated_names_are_silent(name, expected):
    assert find(name) == expected


def test_only_the_sources_own_names_are_known_by_default():
    assert vocabulary.find_meaning("Vocals", SOURCES, None) == Meaning("vocals")
    assert vocabulary.find_meaning("vox", SOURCES, None) is None


def test_a_sources_own_name_comes_before_the_vocabulary():
    sources = ("piano", "vocals", "drums")
    assert find("Piano", sources) == Meaning("piano")
    assert find("guitar", sources) is None  # this network has no other
    assert find("vox", sources) == Meaning("vocals")


def test_overrides_come_before_the_vocabulary():
    assert find("Klavier", overrides=["klavier=one of other"]) == Meaning("other", "klavier")
    assert find("piano", overrides=["piano = vocals"]) == Meaning("vocals")
    assert find("S01", overrides=["S01=male singer"]) == Meaning("vocals", "s01")
    assert find("verse", overrides=["verse="]) == Meaning("")
    assert find("break", overrides=["break=no drums"]) == Meaning("drums", negated=True)
    with pytest.raises(InputError, match="map: 'x' = kazoo is not one of drums, bass, other, vocals, nor a known name"):
        find("x", overrides=["x=kazoo"])


def test_overrides_hold_for_numbered_names_too():
    assert find("Gesang 2", overrides=["Gesang=vocals"]) == Meaning("vocals", "gesang 2")
    assert find("Strophe_12", overrides=["strophe="]) == Meaning("")
    assert find("Gesang", overrides=["Gesang=vocals"]) == Meaning("vocals")


def test_a_stem_of_several_instruments_may_belong_to_several_sources():
    names = NameRules(
        stems={"S01": ("male singer", "vocalists"), "S02": ("piano", "male singer"), "S03": ("Unlabeled",)}
    )
    assert vocabulary.find_meaning("S01", SOURCES, names) == Meaning("vocals", "s01")
    assert vocabulary.find_meaning("S02", SOURCES, names) == Meaning("", "s02", perhaps=("other", "vocals"))
    assert vocabulary.find_meaning("S03", SOURCES, names) == Meaning("", "s03", perhaps=SOURCES)


@pytest.mark.parametrize("pairs", [["piano"], ["=other"], ["a=other", "A=bass"]])
def test_malformed_overrides_are_refused(pairs):
    with pytest.raises(InputError, match="map: "):
        parse_overrides(pairs)


def test_no_name_belongs_to_two_kinds():
    kinds: dict[str, str] = {}
    for line, listed in VOCABULARY["instruments"].items():
        kind = line.partition("<")[0].strip()
        for name in (kind, *vocabulary.split_names(listed)):
            assert name == vocabulary.normalise(name)
            for form in {name, vocabulary._remove_accents(name)}:
                assert kinds.setdefault(form, kind) == kind, form


def test_every_kind_ends_in_other_or_accompaniment():
    for kind in VOCABULARY["instruments"]:
        chain = vocabulary.list_ancestors(kind.partition("<")[0].strip())
        assert "other" in chain or chain == ("accompaniment",)
        assert ("accompaniment" in chain) != ("vocals" in chain)


@given(text=st.text(max_size=30))
def test_any_text(text):
    name = find(text)
    assert name is None or name.source in SOURCES


SIX = ("drums", "bass", "other", "vocals", "guitar", "piano")


@pytest.mark.parametrize(
    ("name", "sources", "expected"),
    [
        ("E-Gitarre", SIX, Meaning("guitar", "e gitarre")),
        ("guitars", SIX, Meaning("guitar")),
        ("Klavier", SIX, Meaning("piano")),
        ("Rhodes", SIX, Meaning("piano", "rhodes")),
        ("Hammond", SIX, Meaning("other", "hammond")),
        ("keys", SIX, None),  # the piano is a part of them, others are in other
        ("strings", SIX, Meaning("other", "strings")),
        ("violin", ("strings", "other"), Meaning("strings", "violin")),
        ("vln", ("violin", "strings", "other"), Meaning("violin")),
        ("Geige", ("other",), Meaning("other", "geige")),
        ("kick", ("kick", "snare", "other"), Meaning("kick")),
        ("drums", ("kick", "snare", "other"), None),
        ("Lead Vox", ("lead_vocals", "backing_vocals", "other"), Meaning("lead_vocals")),
        ("choir", ("lead_vocals", "backing_vocals", "other"), None),  # either of the two
        ("vocals", ("drums", "other"), Meaning("other", "vocals")),
        ("bass", ("vocals", "accompaniment"), Meaning("accompaniment", "bass")),
        ("vocals", ("accompaniment", "drums"), None),
        ("drums", ("vocals", "no_vocals"), Meaning("no_vocals", "drums")),
        ("Gesang", ("voice", "music"), Meaning("voice")),
        ("no vocals", ("vocals", "other"), Meaning("vocals", negated=True)),
    ],
)
def test_any_sources_have_their_own_names(name, sources, expected):
    assert find(name, sources) == expected


@pytest.mark.parametrize(
    ("names", "source"),
    [
        ("BV, BGV 2, LV, bvs L, LEADVOX, Chor, chœur, Sängerin, voz principal, voce solista, backing vocais", "vocals"),
        (
            "OH, OH_L, BD, SN Top, HH, Kick In, KickOut, Snare Btm, 01 Tom2, cassa, caja, bombo, Becken, percussão",
            "drums",
        ),
        ("Bass DI, BassAmp, E-Bass, Kontrabass, contrebasse, bajo eléctrico, contrabbasso, baixo elétrico", "bass"),
        ("EGtr L, AGtr (Dbl), Gtr1L, Pno, EP, B3, Vln I, Tpt, Git, Klavier, Flügel, Streicher, Bläser, FX", "other"),
        ("guitare électrique, guitarra acústica, chitarra, violão, clavier, teclado, tastiera, flûte, flauta", "other"),
    ],
)
def test_abbreviations_takes_and_languages_are_known(names, source):
    for name in names.split(", "):
        of = find(name)
        assert of is not None, name
        assert (of.source, bool(of.instrument)) == (source, True), name


@pytest.mark.parametrize(
    ("names", "source"),
    [
        ("Gesang, Stimme, voix, chant, voz, voces, voce, vozes, Vocals Bus, all vocals, vocal stem", "vocals"),
        ("Schlagzeug, Batterie, batería, bateria, BATTERIA, Drum Bus, DRUMS GRP", "drums"),
        ("basse, bajo, basso, baixo, Bass Stem", "bass"),
    ],
)
def test_words_for_a_whole_source(names, source):
    assert {find(name) for name in names.split(", ")} == {Meaning(source)}


@pytest.mark.parametrize(
    "name", ["coro", "outro", "drums & bass", "Gtr/Keys", "bass/drum", "acoustic", "in", "DI", "L", "FX1x"]
)
def test_ambiguous_names_are_unknown(name):
    assert find(name) is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("voclas", "vocals"),
        ("Schlagzueg", "drums"),
        ("pianoo", "one of other"),
        ("weird guitar thing", "one of other"),
        ("Batterie", "drums"),
        ("kazoo", ""),
        ("drums & bass", ""),
        ("verse", ""),
        ("chorus", ""),
        ("violonist", ""),
        ("bassoonvocals", ""),
        ("x" * 1000, ""),
    ],
)
def test_guesses_come_from_the_vocabulary(name, hint):
    assert guess_name(name, SOURCES) == hint


def test_overrides_are_read_from_toml(tmp_path):
    path = tmp_path / "names.toml"
    path.write_text('Krach = "one of other"\n"intro" = ""\n"Mein Chor" = "vocals"\n')
    assert read_overrides(path) == {"Krach": "one of other", "intro": "", "Mein Chor": "vocals"}
    for content, message in [
        ("Krach = other", "is not TOML"),
        ("Krach = 1", "'Krach': is not a string such as"),
        ('[x]\na = "b"', "'x': is not a string such as"),
        ('a = "vocals"\nA = "drums"', "'A' is listed twice"),
    ]:
        path.write_text(content)
        with pytest.raises(InputError, match=message):
            read_overrides(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_overrides(tmp_path / "none.toml")
