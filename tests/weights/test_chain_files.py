"""Chains by name and from files, and the choice of the best installed weights."""

import dataclasses

import pytest

from tests.helpers.chains import make_chain
from tests.helpers.networks import DUO, assert_same, make_checkpoint
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.weights import adapted_layers, checkpoint, hub, weights
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.chain import Chain


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with the networks of a chain, and a folder to be in."""
    monkeypatch.setenv("UGOSA_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name, member in make_chain().members.items():
        checkpoint.save(member, tmp_path / "cache" / "weights" / f"{name}.safetensors")
    return tmp_path / "cache" / "weights"


def test_names_with_a_plus_between_them_are_a_chain(cache):
    found = hub.load_network("duo+trio")
    assert isinstance(found, Chain) and found.fingerprint == make_chain().fingerprint
    assert [*found.members] == ["duo", "trio"]


def test_files_in_a_chain_are_named_by_their_stems(cache, tmp_path):
    checkpoint.save(make_chain().members["duo"], tmp_path / "my net.v2.safetensors")
    found = hub.load_network(f"{tmp_path}/my net.v2.safetensors+trio")
    assert isinstance(found, Chain) and [*found.members] == ["my-net-v2", "trio"]


def test_a_file_whose_name_has_a_plus_is_a_file(cache, tmp_path):
    checkpoint.save(make_checkpoint(), tmp_path / "a+b.safetensors")
    assert hub.load_network("a+b.safetensors").fingerprint == make_checkpoint().fingerprint


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("duo+absent", r"duo\+absent: absent: no such file, and no weights of that name"),
        ("duo+duo", "a chain must be of networks of different names"),
        ("trio+duo", "trio: leaves nothing to the next network"),
        ("duo+trio+", r"duo\+trio\+: no such file, and no weights of that name"),
    ],
)
def test_invalid_chain_names_are_refused(cache, name, complaint):
    with pytest.raises(InputError, match=complaint):
        hub.load_network(name)


def test_a_description_names_networks_beside_it_or_known_ones(cache, tmp_path):
    checkpoint.save(make_checkpoint(seed=7), tmp_path / "duo.safetensors")  # precedes that of the cache
    (tmp_path / "mine.yaml").write_text("chain: [duo, trio]\n")
    found = hub.load_network(tmp_path / "mine.yaml")
    assert isinstance(found, Chain)
    assert found.members["duo"].fingerprint == make_checkpoint(seed=7).fingerprint
    assert found.members["trio"].fingerprint == make_chain().members["trio"].fingerprint
    (tmp_path / "mine.yaml").write_text("chain: [duo, trio]\nleaves: [voice]\n")
    assert hub.load_network(tmp_path / "mine.yaml").sources == ("rest", "drums", "voice", "bass")


def test_a_chain_in_the_cache_has_a_name(cache):
    (cache / "both").mkdir()
    (cache / "both" / "both.yaml").write_text("chain: [duo, trio]\n")
    assert hub.load_network("both").fingerprint == make_chain().fingerprint
    assert "both" in [entry.name for entry in hub.list_weights()]
    with pytest.raises(InputError, match=r"both\+trio: both: is a chain itself; name its networks one by one"):
        hub.load_network("both+trio")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("chain: duo", "chain must be a list of different names"),
        ("chain: [duo]", "a chain must be of two networks or more"),
        ("chain: [duo, duo]", "chain must be a list of different names"),
        ("chain: [duo, trio]\nweights: [[1]]", "fields of a chain must be chain, leaves, not 'weights'"),
        ("chain: [duo, trio]\nleaves: rest", "leaves must be a list of sources"),
        ("chain: [duo, trio]\nleaves: [drums]", "leaves: duo must be one of voice, rest, not 'drums'"),
        ("chain: [duo, ../trio]", "chain must be a list of different names"),
    ],
)
def test_invalid_chain_descriptions_are_refused(cache, tmp_path, text, complaint):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"mine\.yaml: .*{complaint}") as caught:
        hub.load_network(tmp_path / "mine.yaml")
    assert "\n" not in str(caught.value)


def test_layers_of_a_chain_are_stored_under_its_networks(cache, tmp_path):
    chain = make_chain()
    tuned = {"trio": {"mask": make_checkpoint(chain.members["trio"].architecture, seed=9).params["mask"]}}
    adapted_layers.save(tuned, chain, tmp_path / "delta.safetensors", {})
    assert_same(adapted_layers.load(tmp_path / "delta.safetensors", chain), tuned)
    other = Chain(chain.members, ("voice",))
    with pytest.raises(InputError, match="base weights"):
        adapted_layers.load(tmp_path / "delta.safetensors", other)
    adapted = weights.replace_params(chain, tree.merge(tuned, chain.params))
    assert isinstance(adapted, Chain) and adapted.fingerprint != chain.fingerprint
    assert_same(adapted.members["duo"].params, chain.members["duo"].params)


def test_networks_are_listed_with_those_of_bags_in_chains():
    bag = Bag({"one": make_checkpoint(seed=1), "two": make_checkpoint(seed=2)}, ((1.0, 0.0), (0.0, 1.0)))
    trio = make_chain().members["trio"]
    assert [*weights.list_networks(Chain({"bag": bag, "trio": trio}, ("rest",)))] == ["bag.one", "bag.two", "trio"]
    assert [*weights.list_networks(bag)] == ["one", "two"] and [*weights.list_networks(make_checkpoint())] == [""]


def test_choose_best_prefers_the_best_installed_weights(cache):
    assert hub.choose_best() == ("mini", "spleeter") and hub.list_available_chains() == []
    assert "for better ones: ugosa-jax weights download spleeter" in str(hub.choose_best())
    duo = dataclasses.replace(DUO, sources=("vocals", "accompaniment"), sample_rate_hz=44100)
    checkpoint.save(make_checkpoint(duo), cache / "spleeter.safetensors")
    assert hub.choose_best() == ("spleeter+mini", "spleeter_4stems") and hub.list_available_chains() == [
        "spleeter+mini"
    ]
    assert hub.load_network(hub.choose_best().name).sources == ("drums", "bass", "other", "vocals")
    checkpoint.save(make_checkpoint(), cache / "tasnet.safetensors")
    assert hub.choose_best() == ("tasnet", "htdemucs")
    checkpoint.save(make_checkpoint(), cache / "htdemucs_ft.safetensors")
    assert hub.choose_best() == ("htdemucs_ft", None) and "download" not in str(hub.choose_best())
