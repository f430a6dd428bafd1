"""Many lanes: dealt out over devices, and lowered for accelerators that this machine may not have."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from ugosa_jax.adaptation import engine, memory, strategy
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.config import AdaptConfig
from ugosa_jax.networks import tree
from ugosa_jax.networks.convtasnet import ConvTasNet

TINY = ConvTasNet(N=8, L=8, B=6, H=10, P=3, X=2, R=3)
SETTINGS = AdaptConfig("P-L2:M", epochs=2, learning_rate=1e-2)
N_DEVICES = 8


def tiny_params():
    return jax.tree.map(np.asarray, TINY.init())


def noise(n: int, seed: int) -> Segments:
    random = np.random.default_rng(seed)
    mix_GxVxCxT = random.standard_normal((4, 1, 2, 400)).astype(np.float32)
    return Segments(mix_GxVxCxT, random.random((4, 4, 400)) > 0.3, n)


def adapted_lanes() -> list[np.ndarray]:
    """Eight lanes with songs of one to four segments, then eight values of λ on one song."""
    songs = [noise(1 + i % 4, i) for i in range(N_DEVICES)]
    results = engine.adapt_lanes(TINY, tiny_params(), songs, SETTINGS)
    results += engine.adapt_lanes(TINY, tiny_params(), songs[3], SETTINGS, lam=np.linspace(0, 2, N_DEVICES))
    return [np.asarray(leaf) for result in results for leaf in jax.tree.leaves(result.tuned)]


def compiled_epoch() -> jax.stages.Compiled:
    lanes, params = engine.placed(several_lanes(), engine.OWN_SONGS, tiny_params())
    return lowered_epoch(lanes, params).compile()


def several_lanes():
    return engine.stacked(engine.lane_of(noise(1 + i % 4, i), 1.0, 1e-3) for i in range(N_DEVICES))


def arguments_of_epoch(lanes, params):
    program = memory.plan(TINY, lanes.mix_GxVxCxT.shape, SETTINGS, N_DEVICES)
    tuned, frozen = tree.split(params, strategy.labels(strategy.parse(SETTINGS.strategy, TINY), TINY, params))
    hidden = engine.features_of_lanes(program, engine.OWN_SONGS, params, lanes)
    state = engine.start_lanes(program, N_DEVICES, tuned)
    return program, engine.OWN_SONGS, frozen, hidden, lanes, state


def lowered_epoch(lanes, params):
    return engine.epoch_lanes.lower(*arguments_of_epoch(lanes, params))


def write_results(path: str) -> None:
    """Be the process with many devices."""
    assert len(jax.local_devices()) == N_DEVICES
    text = compiled_epoch().as_text()
    kinds = ("all-reduce", "all-gather", "all-to-all", "collective-permute")
    counts = [len(re.findall(rf"\b{kind}(?:-start)?\(", text)) for kind in kinds]
    np.savez(path, np.array(counts), *adapted_lanes())


@pytest.mark.slow
def test_lanes_on_eight_devices_give_what_one_device_gives(tmp_path):
    """All that devices tell each other is how many segments the longest song has: one all-reduce, before the loop."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={N_DEVICES}"
    environment = os.environ | {"XLA_FLAGS": flags}
    code = f"from tests.adaptation import test_lanes; test_lanes.write_results({str(tmp_path / 'many.npz')!r})"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], env=environment)
    with np.load(tmp_path / "many.npz") as stored:
        counts, *found = (stored[name] for name in stored.files)
    assert counts.tolist() == [1, 0, 0, 0]
    for leaf, expected in zip(found, adapted_lanes(), strict=True):
        np.testing.assert_allclose(leaf, expected, rtol=0, atol=1e-6)  # the largest weight moves by 1e-2


def test_memory_is_planned_for_what_one_device_has(monkeypatch):
    """Eight lanes on four devices are two each: with songs of their own two songs, else the one that all share."""
    own, shared = several_lanes(), engine.lane_of(noise(2, 0), [1.0] * N_DEVICES, [1e-3] * N_DEVICES)
    monkeypatch.setattr(jax, "local_devices", lambda: [None] * 4)
    assert engine.on_a_device(own) == ((2, *own.mix_GxVxCxT.shape[1:]), 2)
    assert engine.on_a_device(shared) == (shared.mix_GxVxCxT.shape, 2)
    monkeypatch.setattr(jax, "local_devices", lambda: [None] * 3)  # cannot be dealt out evenly
    assert engine.on_a_device(own) == (own.mix_GxVxCxT.shape, N_DEVICES)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_the_program_lowers_for_accelerators(platform):
    """No callback to the host, nothing that is a custom call, and no double precision in the loop."""
    exported = jax.export.export(engine.epoch_lanes, platforms=[platform])(
        *arguments_of_epoch(several_lanes(), tiny_params())
    )
    text = exported.mlir_module()
    assert exported.platforms == (platform,)
    assert "custom_call" not in text
    assert "f64" not in text
    assert "callback" not in text
    assert text.count("stablehlo.while") >= 1


def test_an_epoch_moves_nothing_between_host_and_device():
    program, axes, *arguments = arguments_of_epoch(several_lanes(), tiny_params())
    arguments = jax.device_put(arguments)
    engine.epoch_lanes(program, axes, *jax.tree.map(jax.numpy.array, arguments))
    with jax.transfer_guard("disallow"):
        engine.epoch_lanes(program, axes, *arguments)
