"""Strategies of chains: one name for all networks that have its stages, or one for each."""

import dataclasses

import pytest

from tests.helpers.chains import TRIO, make_chain
from tests.helpers.networks import DUO, make_checkpoint
from ugosa_jax.adaptation import plan, strategy
from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks.spleeter import Spleeter
from ugosa_jax.weights import chain

TALL = dataclasses.replace(DUO, R=4)
"""With one more repeat than the others."""


def make_uneven():
    return chain.build_chain({"tall": make_checkpoint(TALL, seed=1), "trio": make_checkpoint(TRIO, seed=2)})


@pytest.mark.parametrize(
    ("asked", "name", "each"),
    [
        ("B0", "B0", ["B0", "B0"]),
        ("R-L2:M", "R-L2:M", ["R-L2:M", "R-L2:M"]),
        ("R-L3:M+R-L3:M", "R-L3:M", ["R-L3:M", "R-L3:M"]),
        ("B0+B0", "B0", ["B0", "B0"]),
        ("B0+R-L3:M", "B0+R-L3:M", ["B0", "R-L3:M"]),
        ("P-L2:D+R-L3:M", "P-L2:D+R-L3:M", ["P-L2:D", "R-L3:M"]),
        (None, "P-L3:M", ["P-L3:M", "P-L3:M"]),
    ],
)
def test_parse_gives_the_shortest_name_and_the_strategy_of_each_network(asked, name, each):
    found = plan.parse(asked, make_chain())
    assert found.name == name and [own.name for own in found.strategies.values()] == each
    assert plan.parse(found.name, make_chain()) == found
    assert found.tuned == tuple(n for n, own in zip(["duo", "trio"], each, strict=True) if own != "B0")


def test_a_single_name_applies_to_the_networks_with_these_stages():
    uneven = make_uneven()
    assert set(TALL.starts) > set(TRIO.starts)
    only_tall = next(start for start in TALL.starts if start not in TRIO.starts)
    found = plan.parse(f"P-{only_tall}:D", uneven)
    assert found.name == f"P-{only_tall}:D" and found.tuned == ("tall",)
    assert plan.parse(f"P-{only_tall}:D+B0", uneven) == found


def test_a_plan_knows_its_losses_and_whether_it_needs_an_annotation():
    assert plan.parse("B0+B-L3:M", make_chain()).needs_annotation is False
    assert plan.parse("B-L3:M+P-L3:M", make_chain()).losses == {"B", "P"}
    alone = plan.parse("R-L3:M", make_checkpoint())
    assert alone.needs_annotation and alone.tuned == ("",)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ("P-X9:M", "duo: strategy 'P-X9:M' is not B0 or one of .*; trio: strategy"),
        ("B0+P-X9:M", "^trio: strategy 'P-X9:M' is not B0"),
        ("B0+B0+B0", "one for each network, joined with [+]: duo, trio"),
        ("+", "^duo: strategy '' is not B0"),
    ],
)
def test_parse_refuses_unknown_strategies_and_wrong_numbers(asked, complaint):
    with pytest.raises(InputError, match=complaint):
        plan.parse(asked, make_chain())


def test_loss_b_is_refused_if_estimates_always_add_up_to_the_mixture():
    net = Spleeter()
    with pytest.raises(InputError, match="always add up to the mixture, so B cannot change them"):
        strategy.parse(net.default_strategy.replace(net.default_strategy[0], "B", 1), net)
    assert strategy.parse(net.default_strategy, net).tuned


def test_split_settings_and_fill_defaults_of_a_chain():
    chain = make_chain()
    each = plan.split_settings(chain, AdaptConfig("B0+R-L3:M", learning_rate=1e-3, epochs=3))
    assert each["duo"].strategy == "B0" and each["trio"].strategy == "R-L3:M"
    assert {own.learning_rate for own in each.values()} == {1e-3}
    assert plan.fill_defaults(AdaptConfig("B0+R-L3:M"), chain).segment_s == TRIO.segment_s
    assert plan.fill_defaults(AdaptConfig("B0+B0", segment_s=0.5), chain) == AdaptConfig("B0", segment_s=0.5)
