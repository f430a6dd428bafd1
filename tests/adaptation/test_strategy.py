"""Names of strategies, the parameters they tune, and the two halves of a tree."""

import jax
import numpy as np
import optax
import pytest

from ugosa_jax.adaptation import strategy
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.networks.convtasnet import ConvTasNet

FULL = ConvTasNet()


def count_parameters(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize(
    ("name", "n_tuned"),
    [
        ("P-L1:D", 8_244_284),
        ("P-L2:D", 5_586_984),
        ("P-L3:D", 2_929_684),
        ("P-L4:D", 272_384),
        ("P-L5:D", 10_240),
        ("P-L3:M", 2_919_444),
        ("B-L3:M", 2_919_444),
        ("P-L4:M", 262_144),
        ("P-L3:3", 2_929_684 - 272_384),
        ("B0", 0),
    ],
)
def test_strategies_tune_the_numbers_of_parameters_of_the_paper(name, n_tuned):
    params = tree.infer_params(FULL)
    tuned, frozen = tree.split(params, strategy.label_params(strategy.parse(name, FULL), params))
    assert count_parameters(tuned) == n_tuned
    assert count_parameters(frozen) == 10_977_872 - n_tuned


@pytest.mark.parametrize(
    ("name", "since"),
    [("P-L1:D", "repeat2"), ("P-L3:3", "repeat4"), ("P-L4:M", "mask"), ("P-L5:D", "mask"), ("B0", "mask")],
)
def test_find_cut_is_the_last_before_the_first_tuned_stage(name, since):
    assert strategy.parse(name, FULL).find_cut(FULL) == since


@pytest.mark.parametrize("name", ["", "P", "R", "L3:M", "P-L0:D", "P-L6:D", "P-L3:X", "X-L3:M", "P-L3:M ", "b0"])
def test_parse_refuses_unknown_names(name):
    with pytest.raises(InputError, match="strategy"):
        strategy.parse(name, FULL)


@pytest.mark.parametrize("name", ["P-L4:3", "P-L5:M", "B-L5:3"])
def test_parse_refuses_strategies_that_tune_nothing(name):
    with pytest.raises(InputError, match="tunes nothing"):
        strategy.parse(name, FULL)


def test_starts_follow_the_number_of_repeats():
    two_repeats = ConvTasNet(R=2)
    assert strategy.parse("P-L1:D", two_repeats).tuned == ("repeat2", "mask", "decoder")
    assert strategy.parse("P-L3:D", two_repeats).tuned == ("decoder",)


def test_running_statistics_stay_frozen():
    config = ConvTasNet(N=4, B=4, H=4, X=1, R=2, norm="BN")
    params = config.init()
    tuned, frozen = tree.split(params, strategy.label_params(strategy.parse("P-L1:D", config), params))
    assert set(tuned["repeat2"]["block1"]["norm1"]) == {"gamma", "beta"}
    assert set(frozen["repeat2"]["block1"]["norm1"]) == {"mean", "var"}


def test_merge_undoes_split(config, params):
    tuned, frozen = tree.split(params, strategy.label_params(strategy.parse("P-L3:M", config), params))
    merged = tree.merge(tuned, frozen)
    assert jax.tree.structure(merged) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, merged, params)


def test_partition_moves_only_the_tuned_leaves(config, params):
    labels = strategy.label_params(strategy.parse("P-L4:D", config), params)
    optimizer = strategy.partition(optax.sgd(1.0), labels)
    updates, _ = optimizer.update(jax.tree.map(np.ones_like, params), optimizer.init(params))
    moved = jax.tree.map(lambda update: bool(np.any(update)), updates)
    assert moved == jax.tree.map(lambda label: label == strategy.TUNED, labels)
