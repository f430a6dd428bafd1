"""Grids: what they expand to, and what is refused."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.networks import DATA
from ugosa_jax import config
from ugosa_jax.adaptation import strategy
from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.sweeps import grid


def adapt_of(text: str) -> list[AdaptConfig]:
    return list(grid.parse(f"[adapt]\n{text}", "g").adapt)


def test_lists_expand_to_all_combinations():
    cells = adapt_of('strategy = ["P-L3:M", "P-L2:D"]\nlam = [0.1, 1]\nepochs = 3')
    assert [(c.strategy, c.lam, c.epochs) for c in cells] == [
        ("P-L3:M", 0.1, 3),
        ("P-L3:M", 1.0, 3),
        ("P-L2:D", 0.1, 3),
        ("P-L2:D", 1.0, 3),
    ]


def test_an_empty_grid_is_one_cell_with_the_defaults():
    parsed = grid.parse("", "g")
    assert parsed.adapt == (AdaptConfig(),)
    assert parsed.weights is None
    assert parsed.songs.folder is None


def test_keys_that_a_grid_lacks_come_from_the_preset_of_its_weights():
    """As in `ugosa-jax separate`: a chain has the preset of its last network, and any preset can be named."""
    for weights in ("mini", "spleeter+mini"):
        parsed = grid.parse(f'weights = "{weights}"\n[adapt]\nepochs = 3', "g")
        assert parsed.adapt == (dataclasses.replace(config.get_preset("recommended").adapt, epochs=3),)
        assert parsed.separate == config.get_preset("recommended").separate
    assert grid.parse('weights = "mini"\npreset = "paper"', "g").adapt == (AdaptConfig(),)
    assert grid.parse("", "g", weights="mini").adapt == grid.parse('weights = "mini"', "g").adapt
    assert grid.parse("", "g", weights="mini").weights == "mini"
    assert grid.parse('weights = "spleeter"', "g").adapt == (AdaptConfig(strategy="B0"),)
    ranges = "[adapt]\nlam = {low = 1, high = 2}\n[search]"
    assert grid.parse(ranges, "g", weights="mini").space.start == config.get_preset("recommended").adapt


def test_settings_that_a_strategy_ignores_make_no_cells():
    """B0 uses no settings, B does not use λ, and without pitch shifts the seed is not used."""
    assert len(adapt_of('strategy = "B0"\nlam = [1, 2]\nepochs = [5, 10]')) == 1
    for loss in "BR":
        assert len(adapt_of(f'strategy = "{loss}-L3:M"\nlam = [1, 2]\nepochs = [5, 10]')) == 2
    assert len(adapt_of("pitch_seed = [0, 1, 2]")) == 1
    assert len(adapt_of("pitch_seed = [0, 1, 2]\npitch_shifts = 1")) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[adapt]\nlamda = 1", "adapt.lamda: there is no such key; did you mean adapt.lam?"),
        ("[adopt]\nlam = 1", "adopt: there is no such key; did you mean adapt?"),
        ("adapt = 3", "adapt: must be a section"),
        ("[adapt]\nlam = 'one'", "adapt.lam: Expected `float`, got `str`"),
        ("[adapt]\nepochs = 1.5", "adapt.epochs: Expected `int`"),
        ("[adapt]\nepochs = true", "adapt.epochs: Expected `int`, got `bool`"),
        ("[adapt]\nlam = [1, 2, 1.0]", "adapt.lam: 1.0 is listed twice"),
        ("[adapt]\nlam = []", "adapt.lam: the list is empty"),
        ("[adapt]\nlam = -1", "[adapt]: lam must be at least 0"),
        ("[adapt]\nlam = nan", "[adapt]: lam must be at least 0"),
        ("[separate]\nchunk_s = [1, 2]", "separate.chunk_s: Expected `float"),
        ("[separate]\ngate = true", 'write outputs = "gated" under [evaluate]'),
        ("[evaluate]\nengine = 'mir_eval'", "evaluate.engine: Invalid enum value 'mir_eval'"),
        ("[songs]\nlimit = 0", "[songs]: limit must be at least 1"),
        ("[adapt\n", "not TOML"),
        ("weights = 3", "weights: Expected `str`"),
        ("preset = 'papr'", "preset must be one of recommended, paper, reference, masks, not 'papr'"),
        (f"[adapt]\nlam = {list(range(1100))}\nepochs = {list(range(1, 1001))}", "1100000 combinations are more than"),
    ],
)
def test_bad_grids_name_the_key(text, said):
    with pytest.raises(InputError) as error:
        grid.parse(text, "g")
    assert said in str(error.value)


def changed(text: str, *changes: str) -> grid.Grid:
    return grid.parse(text, "g", [grid.parse_change(change) for change in changes])


def test_changes_override_the_grid():
    text = "[adapt]\nlam = [1, 2]\nepochs = 3"
    assert [(c.lam, c.epochs) for c in changed(text, "adapt.lam=1e-3").adapt] == [(0.001, 3)]
    assert [(c.lam, c.epochs) for c in changed(text, "adapt.epochs = [4, 5]").adapt] == [(1, 4), (1, 5), (2, 4), (2, 5)]
    assert [c.lam for c in changed(text, "adapt.lam=7", "adapt.lam=8").adapt] == [8]
    assert changed(text, "weights=mini", "songs.names=['a', 'b']").weights == "mini"
    assert changed(text, "songs.names=['a', 'b']").songs.names == ("a", "b")
    assert changed("", "adapt.strategy=P-L2:D", "evaluate.outputs=plain").adapt == (AdaptConfig(strategy="P-L2:D"),)


def test_a_grid_with_changes_has_their_names():
    parsed = changed("[adapt]", "adapt.lam=[1, 2]", "songs.folder=/data/songs", "adapt.strategy=P-L3:M")
    assert parsed.name == "g,adapt.lam=1-2,songs.folder=data-songs,adapt.strategy=P-L3-M"
    first = "# changed: adapt.lam=[1, 2]\n# changed: songs.folder=/data/songs\n# changed: adapt.strategy=P-L3:M\n"
    assert parsed.text == first + "[adapt]"
    assert (changed("[adapt]").name, changed("[adapt]").text) == ("g", "[adapt]")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("adapt.lamda=1", "adapt.lamda=1: adapt.lamda: there is no such key; did you mean adapt.lam?"),
        ("adopt.lam=1", "adopt: there is no such key; did you mean adapt?"),
        ("lam=1", "lam: there is no such key"),
        ("adapt=3", "adapt: must be a section"),
        ("adapt.lam=one", "adapt.lam: Expected `float`, got `str`"),
        ("adapt.epochs=1.5", "adapt.epochs: Expected `int`"),
        ("adapt.epochs=true", "adapt.epochs: Expected `int`, got `bool`"),
        ("adapt.lam=[]", "adapt.lam: the list is empty"),
        ("adapt.lam=[1, 1]", "is listed twice"),
        ("adapt.lam=-1", "[adapt]: lam must be at least 0"),
        ("separate.gate=true", 'write outputs = "gated" under [evaluate]'),
        ("songs.folder=3", "songs.folder: Expected `str | null`, got `int`"),
        ("weights=3", "weights: Expected `str`"),
        ("adapt.lam=1\n[songs]\nlimit=1", "adapt.lam: Expected `float`, got `str`"),
        ("adapt.lam", "'adapt.lam': is not SECTION.KEY=VALUE, such as adapt.learning_rate=1e-4"),
        ("=1", "is not SECTION.KEY=VALUE"),
        ("adapt.lam=", "is not SECTION.KEY=VALUE"),
    ],
)
def test_bad_changes_name_the_key(change, said):
    with pytest.raises(InputError) as error:
        grid.parse_change(change)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@given(st.text(max_size=100))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_change_or_an_input_error(text):
    for change in (text, f"adapt.strategy={text}"):
        try:
            grid.parse_change(change)
        except InputError:
            continue


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_grid_or_an_input_error(text):
    try:
        grid.parse(text, "g")
    except InputError:
        return


def test_a_grid_that_is_not_there_names_those_that_ship():
    with pytest.raises(InputError, match="grids that ship with ugosa_jax: lambda, reference"):
        grid.read("tabel1")


def test_errors_of_a_grid_name_its_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[adapt]\nlamda = 1")
    with pytest.raises(InputError, match=r"mine\.toml: adapt\.lamda"):
        grid.read(str(path))


@pytest.mark.parametrize("name", grid.names())
def test_grids_that_ship_fit_the_published_network(name):
    for adapt in grid.read(name).adapt:
        strategy.parse(adapt.strategy, ConvTasNet())


def test_grids_that_ship_have_the_settings_of_the_paper_with_any_network():
    for name in grid.names():
        asked = grid.read(name)
        start = config.get_preset("reference" if name == "reference" else "paper")
        assert asked == dataclasses.replace(grid.read(name, weights="mini"), weights="tasnet")
        assert asked.separate == start.separate
        assert {adapt.learning_rate for adapt in asked.adapt} == {start.adapt.learning_rate}
    assert grid.read("reference").adapt[1] == dataclasses.replace(
        config.get_preset("reference").adapt, strategy="P-L3:M"
    )


def test_grids_of_the_paper():
    assert len(grid.read("table1").adapt) == 11
    lam = [adapt.lam for adapt in grid.read("lambda").adapt if adapt.strategy != "B0"]
    assert lam == [10.0**i for i in range(-4, 5)]
    segments = [adapt.segment_s for adapt in grid.read("segments").adapt if adapt.strategy != "B0"]
    assert segments == [2, 4, 6, 8, 10]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("grid_folder_nul.toml", r"songs\.folder: contains a zero byte"),
        ("grid_int_5000_digits.toml", "not TOML: .*digits"),
        ("grid_strategy_5000_digits.toml", "strategy"),
    ],
)
def test_malicious_grids_are_refused_in_one_short_line(name, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        for settings in grid.read(str(DATA / "hostile" / name)).adapt:
            strategy.parse(settings.strategy, ConvTasNet())
    assert len(str(caught.value)) < 700 and "\n" not in str(caught.value)


def test_many_values_are_counted_not_compared():
    """A hundred thousand values, and seven keys of ten each: refused at once, before any setting is made."""
    many = "[adapt]\nlam = [" + ",".join(f"{i}.5" for i in range(100_000)) + "]"
    with pytest.raises(InputError, match="100000 combinations are more than"):
        grid.parse(many, "many")
    keys = ("lam", "learning_rate", "epochs", "segment_s", "hop_s", "pitch_shifts", "pitch_seed")
    with pytest.raises(InputError, match="10000000 combinations are more than"):
        grid.parse("[adapt]\n" + "\n".join(f"{key} = {list(range(1, 11))}" for key in keys), "many")


def test_a_number_beyond_a_float_is_refused_by_its_key():
    with pytest.raises(InputError, match=r"adapt\.lam"):
        grid.parse(f"[adapt]\nlam = {'9' * 400}", "large")


def test_a_change_of_thousands_of_digits_is_one_short_line():
    with pytest.raises(InputError, match=r"adapt\.epochs: Expected `int`, got `str`") as caught:
        grid.parse_change("adapt.epochs=" + "9" * 5000)
    assert len(str(caught.value)) < 200
