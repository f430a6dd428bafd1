"""Adaptation of chains: each network on its own input, the second one after the first."""

import dataclasses

import chex
import numpy as np
import pytest

from tests.helpers.chains import make_chain
from tests.helpers.networks import assert_same
from ugosa_jax.adaptation import bag_adaptation, chain_adaptation, engine, segments, song_adaptation, strategy
from ugosa_jax.adaptation.chain_adaptation import ChainInput
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data.standardisation import Scaling, standardise_by
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.separation import bag_separation

RATE_HZ = 8000
SCALING = Scaling(0.0, 0.1)
FAST = AdaptConfig(strategy="P-L2:D", epochs=2, segment_s=0.4, learning_rate=1e-3)
ANNOTATION = Annotation(
    (Interval(0, 0.5, "voice", "silent"), Interval(0, 0.3, "drums", "silent"), Interval(0.2, 0.7, "bass", "silent")),
    ("drums", "voice", "bass"),
    "unknown",
)


@pytest.fixture(scope="module")
def song():
    mix_CxT = np.random.default_rng(0).normal(0, 0.1, (2, RATE_HZ)).astype(np.float32)
    return ChainInput(mix_CxT, {"duo": SCALING, "trio": SCALING}, ANNOTATION, "song.wav")


def adapt(chain, song, duo, trio, on_epoch=None):
    own = {"duo": dataclasses.replace(FAST, strategy=duo), "trio": dataclasses.replace(FAST, strategy=trio)}
    return chain_adaptation.adapt_lanes(chain, [song], engine.make_hyper(FAST, 1), own, on_epoch)[0]


def adapt_weights(weights, cut, settings):
    plan = strategy.parse(settings.strategy, weights.architecture)
    return bag_adaptation.adapt_lanes(weights, [cut], plan, engine.make_hyper(settings, 1), settings)[0]


def annotate(*intervals, sources):
    annotated = Annotation(tuple(Interval(*each, "silent") for each in intervals), sources, "unknown")
    return annotated, annotation.compute_active_mask(annotated, RATE_HZ, RATE_HZ)


def test_adapt_lanes_adapts_the_second_network_on_the_rest_of_the_first(song):
    chain = make_chain()
    run = adapt(chain, song, "P-L2:D", "P-L2:D")
    duo, trio = chain.members["duo"], chain.members["trio"]
    standard_CxT = standardise_by(song.mix_CxT, SCALING)
    _, active_SxT = annotate((0, 0.5, "voice"), (0.2, 0.3, "rest"), sources=("voice", "rest"))
    first = adapt_weights(duo, segments.cut_song(standard_CxT, active_SxT, FAST, duo.architecture), FAST)
    voice_CxT = bag_separation.separate(duo, tree.merge(first.tuned, duo.params), standard_CxT, SeparateConfig())[0]
    intervals = (0, 1, "voice"), (0, 0.3, "drums"), (0.2, 0.7, "bass")
    _, active_SxT = annotate(*intervals, sources=("drums", "voice", "bass"))
    left_CxT = standardise_by(song.mix_CxT - voice_CxT * np.float32(SCALING.std), SCALING)
    second = adapt_weights(trio, segments.cut_song(left_CxT, active_SxT, FAST, trio.architecture), FAST)
    assert_same(run.tuned["duo"], first.tuned)
    chex.assert_trees_all_close(run.tuned["trio"], second.tuned, rtol=1e-7, atol=1e-5)
    together = np.concatenate([first.losses_ExIx3, second.losses_ExIx3], 1)
    np.testing.assert_allclose(run.losses_ExIx3, together, rtol=1e-4)


def test_a_network_with_strategy_b0_still_removes_its_sources(song):
    chain, epochs = make_chain(), []
    run = adapt(chain, song, "B0", "R-L2:D", lambda epoch, losses: epochs.append(epoch))
    assert run.tuned.keys() == {"trio"} and epochs == [0, 1] and run.losses_ExIx3.shape == (2, 3, 3)
    left = chain_adaptation.remove_sources(chain.links[0], song, {})
    assert np.abs(left.mix_CxT - song.mix_CxT).max() > 0.1
    alone = chain_adaptation.cut_song(chain.links[1], left, dataclasses.replace(FAST, strategy="R-L2:D"))
    again = adapt_weights(chain.members["trio"], alone, dataclasses.replace(FAST, strategy="R-L2:D"))
    assert_same(run.tuned["trio"], again.tuned)


def test_remixes_of_the_second_network_use_stems_of_its_own_input(song):
    chain = make_chain()
    left = chain_adaptation.remove_sources(chain.links[0], song, {})
    cuts = chain_adaptation.cut_song(chain.links[1], left, dataclasses.replace(FAST, strategy="R-L2:D"))
    standard_CxT = standardise_by(left.mix_CxT, SCALING)
    annotated, _ = annotate((0, 1, "voice"), (0, 0.3, "drums"), (0.2, 0.7, "bass"), sources=("drums", "voice", "bass"))
    expected_SxCxT = bag_adaptation.estimate_stems(chain.members["trio"], standard_CxT, annotated)
    np.testing.assert_array_equal(cuts.stems_GxSxCxT[0], expected_SxCxT[..., : cuts.stems_GxSxCxT.shape[-1]])
    assert not cuts.stems_GxSxCxT[: cuts.n, 1].any()  # the voice is taken
    assert not cuts.active_GxSxT[: cuts.n, 1].any()


def test_adapt_lanes_stops_after_the_last_tuned_network(song):
    chain = make_chain()
    run = adapt(chain, song, "P-L2:D", "B0")
    assert run.tuned.keys() == {"duo"} and run.losses_ExIx3.shape == (2, 3, 3)
    assert adapt(chain, song, "B0", "B0").tuned == {}


@pytest.mark.parametrize("same", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_lanes_of_a_chain_equal_single_runs(song, same):
    chain = make_chain()
    other = song if same else dataclasses.replace(song, mix_CxT=song.mix_CxT[:, ::-1].copy())
    own = {"duo": FAST, "trio": FAST}
    hyper = engine.make_hyper(FAST, lam=[0.5, 2.0])
    lanes = chain_adaptation.adapt_lanes(chain, [song, other], hyper, own)
    for one, lam, lane in zip([song, other], [0.5, 2.0], lanes, strict=True):
        expected = chain_adaptation.adapt_lanes(chain, [one], engine.make_hyper(FAST, lam=[lam]), own)[0]
        np.testing.assert_allclose(lane.losses_ExIx3, expected.losses_ExIx3, rtol=1e-3)
        chex.assert_trees_all_close(lane.tuned, expected.tuned, rtol=1e-7, atol=1e-4)


def test_a_song_shorter_than_a_segment_is_refused_by_its_name(song):
    chain, settings = make_chain(), dataclasses.replace(FAST, segment_s=1.5)
    for refuse in (song_adaptation.adapt, song_adaptation.list_tasks):
        with pytest.raises(InputError, match=r"^song\.wav: the song lasts 1\.00 s, less than one segment"):
            refuse(chain, song, settings)
