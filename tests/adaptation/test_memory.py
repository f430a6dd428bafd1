"""Memory plans: by hand, and against XLA's own analysis."""

import numpy as np
import pytest

from ugosa_jax import device
from ugosa_jax.adaptation import engine, lane, memory, strategy
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.config import AdaptConfig
from ugosa_jax.networks import tree
from ugosa_jax.networks.convtasnet import ConvTasNet

SHAPE = (6, 2, 2, 44100)  # six segments in two variants
CONFIG = ConvTasNet(N=64, L=20, B=32, H=64, X=3, R=4)


def test_features_and_song_by_hand():
    program = memory.plan(CONFIG, SHAPE, AdaptConfig(features="float32"))
    estimate = memory.estimate(program, SHAPE)
    assert estimate.features == 6 * 2 * (44100 // 10 - 1) * 32 * 4
    assert estimate.song == 6 * 44100 * (2 * 2 * 4 + 4)
    assert memory.estimate(program._replace(features="bfloat16"), SHAPE).features == estimate.features // 2
    assert memory.estimate(program._replace(features="recompute"), SHAPE).features == 0


def test_lanes_of_one_song_share_it_and_step_on_their_own():
    program = memory.plan(CONFIG, SHAPE, AdaptConfig(features="float32"))
    one, nine = memory.estimate(program, SHAPE), memory.estimate(program, SHAPE, n_lanes=9)
    assert (nine.features, nine.song) == (one.features, one.song)
    assert nine.step == pytest.approx(9 * one.step, rel=1e-6)
    assert memory.estimate(program, (9, *SHAPE), n_lanes=9).features == 9 * one.features


def test_auto_recomputes_where_memory_is_short(monkeypatch):
    program = memory.plan(CONFIG, SHAPE, AdaptConfig(features="float32"))
    needed = sum(memory.estimate(program, SHAPE))
    for free, expected in ((2 * needed, "float32"), (needed, "recompute")):
        monkeypatch.setattr(device, "free_bytes", lambda free=free: free)
        assert memory.plan(CONFIG, SHAPE, AdaptConfig()).features == expected


@pytest.mark.parametrize("name", ["P-L3:M", pytest.param("P-L1:D", marks=pytest.mark.slow)])
def test_the_estimate_of_a_step_is_what_xla_counts(name):
    """Within a factor of 1.5: XLA may fuse more or less; the estimate decides between megabytes and gigabytes."""
    params, plan = CONFIG.init(), strategy.parse(name, CONFIG)
    song = Segments(np.zeros((2, 1, 2, 44100), np.float32), np.ones((2, 4, 44100), bool), 2)
    program = memory.plan(CONFIG, song.mix_GxVxCxT.shape, AdaptConfig(strategy=name, features="float32"))
    tuned, frozen = tree.split(params, strategy.labels(plan, CONFIG, params))
    inputs = engine.lane_of(song, 1.0, 1e-5)
    hidden = np.zeros((2, 1, CONFIG.frames_in(44100), CONFIG.B), np.float32)
    lowered = engine.epoch_lanes.lower(program, None, frozen, hidden, inputs, lane.start(program, tuned))
    counted = lowered.compile().memory_analysis().temp_size_in_bytes
    assert 1 / 1.5 < memory.estimate(program, song.mix_GxVxCxT.shape).step / counted < 1.5
