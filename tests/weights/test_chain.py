"""Chains of networks: who takes which source, and what is refused."""

import dataclasses

import pytest

from tests.helpers.chains import TRIO, make_chain
from tests.helpers.networks import DUO, make_checkpoint
from ugosa_jax.errors import InputError
from ugosa_jax.weights import chain
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.chain import Chain

BAND = ("drums", "bass", "other", "vocals")


def network(*sources, **changes):
    return make_checkpoint(dataclasses.replace(DUO, sources=sources, **changes))


def test_the_first_network_takes_its_sources_and_the_second_divides_the_rest():
    links = make_chain().links
    assert [(link.name, link.takes) for link in links] == [("duo", ("voice",)), ("trio", ("drums", "bass"))]
    assert links[0].parts == {"voice": ("voice",), "rest": ("drums", "bass")}
    assert links[1].parts == {"drums": ("drums",), "voice": (), "bass": ("bass",)}


def test_chain_of_spleeter_and_mini_has_the_sources_of_mini():
    first, second = network("vocals", "accompaniment"), network(*BAND)
    joined = chain.build_chain({"first": first, "second": second})
    assert joined.sources == BAND and joined.remainders == ("accompaniment",)
    assert joined.links[0].parts["accompaniment"] == ("drums", "bass", "other")


def test_sources_missing_in_the_last_network_come_first():
    joined = chain.build_chain(
        {"first": network("vocals", "choir", "rest"), "second": network("drums", "vocals", "bass")}
    )
    assert joined.sources == ("choir", "drums", "vocals", "bass")


def test_chain_of_three_networks_has_the_sources_of_all():
    members = {
        "voice": network("vocals", "accompaniment"),
        "band": network(*BAND),
        "strings": network(*BAND, "guitar", "piano"),
    }
    joined = chain.build_chain(members)
    assert joined.remainders == ("accompaniment", "other") and joined.sources == (*BAND, "guitar", "piano")
    assert [link.takes for link in joined.links] == [("vocals",), ("drums", "bass"), ("other", "guitar", "piano")]
    assert joined.links[0].parts["accompaniment"] == ("drums", "bass", "other", "guitar", "piano")
    assert joined.links[1].parts["other"] == ("other", "guitar", "piano")
    assert joined.links[1].parts["vocals"] == () and joined.links[2].parts["drums"] == ()


def test_remainder_can_have_any_name_if_leaves_names_it():
    members = {"first": network("a", "b"), "second": network("c", "d")}
    assert Chain(members, ("b",)).sources == ("a", "c", "d")
    with pytest.raises(InputError, match=r"first: leaves nothing to the next network: none of its sources \(a, b\)"):
        chain.build_chain(members)


def test_a_bag_can_be_a_member():
    bag = Bag({"one": make_checkpoint(DUO, seed=1), "two": make_checkpoint(DUO, seed=2)}, ((1.0, 0.0), (0.0, 1.0)))
    joined = chain.build_chain({"bag": bag, "trio": make_checkpoint(TRIO)})
    assert joined.sources == ("drums", "voice", "bass")
    assert joined.params["bag"].keys() == {"one", "two"}
    assert {path.split(".")[0] for path in joined.shapes} == {"bag", "trio"}
    assert sum(path.startswith("bag.two.") for path in joined.shapes) == len(bag.members["two"].shapes)


def test_fingerprint_depends_on_networks_order_and_remainders():
    one, two = network("a", "b", "rest"), network("c", "d", "rest", "b")
    chains = [
        Chain({"x": one, "y": two}, ("rest",)),
        Chain({"x": two, "y": one}, ("rest",)),
        Chain({"x": one, "y": two}, ("a",)),
        Chain({"x": make_checkpoint(one.architecture, seed=5), "y": two}, ("rest",)),
    ]
    assert len({each.fingerprint for each in chains}) == len(chains)
    assert Chain({"n": one, "m": two}, ("rest",)).fingerprint == chains[0].fingerprint


@pytest.mark.parametrize(
    ("members", "leaves", "complaint"),
    [
        ({"a": network(*BAND)}, (), "a chain must be of two networks or more"),
        ({"a": network("vocals", "rest"), "b": network("vocals", "rest")}, None,
         "b: has nothing to separate: of the sources in its input, it knows rest"),
        ({"a": network("vocals", "rest"), "b": network("vocals", "rest"), "c": network(*BAND)}, None,
         "b: has nothing to separate: of the sources in its input, it knows nothing"),
        ({"a": network(*BAND), "b": network(*BAND)}, None, "b: has nothing to separate"),
        ({"a": network("vocals", "rest"), "b": network("Vocals", "drums")}, None,
         "sources vocals of a and Vocals of b have one name"),
        ({"a": network("vocals", "rest"), "b": network(*BAND, sample_rate_hz=16000)}, None,
         "b: sample_rate_hz must be 8000, as that of a, not 16000"),
        ({"a": network("vocals", "rest"), "b": network(*BAND, C=1)}, None, "b: channels must be 2"),
        ({"a": network("vocals", "rest"), "b": network(*BAND)}, ("drums",), "leaves: a must be one of vocals, rest"),
        ({"a": network("vocals", "rest"), "b": network(*BAND)}, ("rest", "other"), "leaves must be 1 sources"),
    ],
)  # fmt: skip
def test_networks_that_do_not_fit_each_other_are_refused(members, leaves, complaint):
    with pytest.raises(InputError, match=complaint):
        chain.build_chain(members, leaves)
