"""Memory needs of an adaptation, by hand where possible, and the storage of features that follows from them."""

import dataclasses

import jax
import numpy as np
import pytest

from tests.helpers.adapting import adapt
from ugosa_jax import device
from ugosa_jax.adaptation import engine, lane, memory, programs, strategy
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.config import AdaptConfig
from ugosa_jax.networks.convtasnet import ConvTasNet

NET = ConvTasNet(N=8, L=20, B=6, H=10, X=1, R=4, sources=("a", "b"))
T = 2000
SETTINGS = AdaptConfig("P-L3:M", epochs=1)


def song(n_segments=3, n_variants=2):
    mix = np.zeros((n_segments, n_variants, 2, T), np.float32)
    return Segments(mix, np.ones((n_segments, 2, T), bool), n_segments)


def needs(features):
    settings = dataclasses.replace(SETTINGS, features=features)
    return engine.compile_epoch(NET, strategy.parse("P-L3:M", NET), settings, song().mix_GxVxCxT.shape)[1]


def count_feature_bytes(features):
    """Return the bytes that `needs` reports for features, without compiling an epoch."""
    plan, place = strategy.parse("P-L3:M", NET), programs.place_lanes(1)
    program = lane.make_program(NET, plan, dataclasses.replace(SETTINGS, features=features), "cpu")
    inputs, params = engine.describe_inputs(NET, plan, song().mix_GxVxCxT.shape, place)
    return memory.count_bytes(programs.infer_feature_shapes(program, params, inputs.song, place))


def test_needs_of_features_and_inputs_by_hand():
    """Inputs are the song, the frozen parameters and five copies of the tuned ones (fast, slow, good, two means), four
    bytes each, and a few numbers."""
    kept = needs("float32")
    assert kept.features == 3 * 2 * NET.count_frames(T) * NET.B * 4
    assert count_feature_bytes("bfloat16") == kept.features // 2
    assert count_feature_bytes("recompute") == 0
    params = jax.eval_shape(NET.init)
    tuned = sum(leaf.size for leaf in jax.tree.leaves((params["repeat4"], params["mask"])))
    own = 3 * 2 * 2 * T * 4 + 3 * 2 * T
    assert (
        own + 5 * 4 * tuned < kept.inputs < own + 5 * 4 * tuned + 4 * sum(x.size for x in jax.tree.leaves(params)) + 500
    )


def test_needs_of_a_step_include_the_activations_of_a_block():
    assert needs("float32").step > NET.count_frames(T) * (NET.B + NET.H) * 4


@pytest.mark.parametrize(("share", "expected"), [(1.0, "float32"), (0.9, "recompute")])
def test_auto_recomputes_features_if_memory_is_short(monkeypatch, share, expected):
    free = share * sum(needs("float32")) / memory.SHARE + 1
    monkeypatch.setattr(device, "get_free_bytes", lambda: free)
    assert adapt(NET, NET.init(), song(), SETTINGS).features == expected


def test_planning_compiles_only_the_program_that_runs(monkeypatch):
    compiled = []

    def note(event, *_, **__):
        compiled.extend([event] if event.endswith("backend_compile_duration") else [])

    net = dataclasses.replace(NET, H=11)  # nothing of this network is compiled yet
    params = net.init()
    needed = []
    plan = memory.choose_program
    monkeypatch.setattr(memory, "choose_program", lambda *arguments: needed.append(plan(*arguments)) or needed[0])
    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        adapt(net, params, song(), SETTINGS)
        n_first = len(compiled)
        adapt(net, params, song(), SETTINGS)
    finally:
        jax.monitoring.clear_event_listeners()
    assert n_first == 3  # an epoch, the frozen stages, the first state
    assert len(compiled) == n_first
    assert needed[0][1].step > 0
