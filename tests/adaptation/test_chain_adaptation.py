"""Adaptation of chains: each network on what it hears, the second one after the first."""

import dataclasses

import numpy as np
import pytest

from tests.helpers.chains import make_chain
from tests.helpers.networks import assert_same
from ugosa_jax.adaptation import bags, chains, engine, remixes, segments, strategy
from ugosa_jax.adaptation.chains import Heard
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data.standard import Standard, standardise_by
from ugosa_jax.networks import tree
from ugosa_jax.separation import members

RATE_HZ = 8000
STANDARD = Standard(0.0, 0.1)
FAST = AdaptConfig(strategy="P-L2:D", epochs=2, segment_s=0.4, learning_rate=1e-3)
SAID = Annotation(
    (Interval(0, 0.5, "voice", "silent"), Interval(0, 0.3, "drums", "silent"), Interval(0.2, 0.7, "bass", "silent")),
    ("drums", "voice", "bass"),
    "unknown",
)


@pytest.fixture(scope="module")
def song():
    mix_CxT = np.random.default_rng(0).normal(0, 0.1, (2, RATE_HZ)).astype(np.float32)
    return Heard(mix_CxT, {"duo": STANDARD, "trio": STANDARD}, SAID)


def adapt(chain, song, duo, trio, on_epoch=None):
    own = {"duo": dataclasses.replace(FAST, strategy=duo), "trio": dataclasses.replace(FAST, strategy=trio)}
    return chains.adapt_lanes(chain, [song], own, on_epoch=on_epoch)[0]


def adapt_weights(weights, cut, settings):
    plan = strategy.parse(settings.strategy, weights.architecture)
    return bags.adapt_lanes(weights, [cut], plan, engine.hyper_of(settings, 1), settings)[0]


def annotate(*intervals, sources):
    said = Annotation(tuple(Interval(*each, "silent") for each in intervals), sources, "unknown")
    return said, annotation.compute_active_mask(said, RATE_HZ, RATE_HZ)


def test_each_network_is_adapted_on_what_it_hears(song):
    chain = make_chain()
    run = adapt(chain, song, "P-L2:D", "P-L2:D")
    duo, trio = chain.members["duo"], chain.members["trio"]
    seen_CxT = standardise_by(song.mix_CxT, STANDARD)
    _, active_SxT = annotate((0, 0.5, "voice"), (0.2, 0.3, "rest"), sources=("voice", "rest"))
    first = adapt_weights(duo, segments.cut(seen_CxT, active_SxT, FAST, duo.architecture), FAST)
    voice_CxT = members.separate(duo, tree.merge(first.tuned, duo.params), seen_CxT, SeparateConfig())[0]
    intervals = (0, 1, "voice"), (0, 0.3, "drums"), (0.2, 0.7, "bass")
    _, active_SxT = annotate(*intervals, sources=("drums", "voice", "bass"))
    left_CxT = standardise_by(song.mix_CxT - voice_CxT * np.float32(STANDARD.std), STANDARD)
    second = adapt_weights(trio, segments.cut(left_CxT, active_SxT, FAST, trio.architecture), FAST)
    assert_same(run.tuned["duo"], first.tuned)
    for path, leaf in tree.flat(run.tuned["trio"]).items():
        np.testing.assert_allclose(leaf, tree.flat(second.tuned)[path], atol=1e-5, err_msg=path)
    together = np.concatenate([first.losses_ExIx3, second.losses_ExIx3], 1)
    np.testing.assert_allclose(run.losses_ExIx3, together, rtol=1e-4)


def test_a_network_that_is_not_adapted_takes_its_sources_all_the_same(song):
    chain, epochs = make_chain(), []
    run = adapt(chain, song, "B0", "R-L2:D", lambda epoch, losses: epochs.append(epoch))
    assert run.tuned.keys() == {"trio"} and epochs == [0, 1] and run.losses_ExIx3.shape == (2, 3, 3)
    left = chains.leave(chain.links[0], song, {})
    assert np.abs(left.mix_CxT - song.mix_CxT).max() > 0.1
    alone = chains.cut(chain.links[1], left, dataclasses.replace(FAST, strategy="R-L2:D"))
    again = adapt_weights(chain.members["trio"], alone, dataclasses.replace(FAST, strategy="R-L2:D"))
    assert_same(run.tuned["trio"], again.tuned)


def test_remixes_of_the_second_network_are_of_what_it_hears(song):
    chain = make_chain()
    left = chains.leave(chain.links[0], song, {})
    cuts = chains.cut(chain.links[1], left, dataclasses.replace(FAST, strategy="R-L2:D"))
    seen_CxT = standardise_by(left.mix_CxT, STANDARD)
    said, _ = annotate((0, 1, "voice"), (0, 0.3, "drums"), (0.2, 0.7, "bass"), sources=("drums", "voice", "bass"))
    expected_SxCxT = remixes.first_stems(chain.members["trio"], seen_CxT, said)
    np.testing.assert_array_equal(cuts.stems_GxSxCxT[0], expected_SxCxT[..., : cuts.stems_GxSxCxT.shape[-1]])
    assert not cuts.stems_GxSxCxT[: cuts.n, 1].any()  # the voice is taken
    assert not cuts.active_GxSxT[: cuts.n, 1].any()


def test_the_last_network_that_is_adapted_ends_it(song):
    chain = make_chain()
    run = adapt(chain, song, "P-L2:D", "B0")
    assert run.tuned.keys() == {"duo"} and run.losses_ExIx3.shape == (2, 3, 3)
    assert adapt(chain, song, "B0", "B0").tuned == {}


@pytest.mark.parametrize("same", [True, False])
def test_lanes_are_adapted_as_each_alone(song, same):
    chain = make_chain()
    other = song if same else dataclasses.replace(song, mix_CxT=song.mix_CxT[:, ::-1].copy())
    own = {"duo": FAST, "trio": FAST}
    lanes = chains.adapt_lanes(chain, [song, other], own, lam=[0.5, 2.0])
    for one, lam, lane in zip([song, other], [0.5, 2.0], lanes, strict=True):
        alone = {name: dataclasses.replace(FAST, lam=lam) for name in own}
        expected = chains.adapt_lanes(chain, [one], alone)[0]
        np.testing.assert_allclose(lane.losses_ExIx3, expected.losses_ExIx3, rtol=1e-3)
        for path, leaf in tree.flat(lane.tuned).items():
            np.testing.assert_allclose(leaf, tree.flat(expected.tuned)[path], atol=1e-4, err_msg=path)
