"""Many lanes: divided among devices, and lowered for accelerators."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.helpers.adapting import adapt_lanes
from ugosa_jax.adaptation import engine, lane, programs, strategy
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.config import AdaptConfig
from ugosa_jax.networks.convtasnet import ConvTasNet

TINY = ConvTasNet(N=8, L=8, B=6, H=10, P=3, X=1, R=3)
SETTINGS = AdaptConfig("P-L2:M", epochs=2, learning_rate=1e-2)
N_DEVICES = 8


def tiny_params():
    return jax.tree.map(np.asarray, TINY.init())


def noise(n: int, seed: int) -> Segments:
    random = np.random.default_rng(seed)
    mix_GxVxCxT = random.standard_normal((4, 1, 2, 400)).astype(np.float32)
    return Segments(mix_GxVxCxT, random.random((4, 4, 400)) > 0.3, n)


def run_lanes() -> list[np.ndarray]:
    """Adapt eight lanes with songs of one to four segments, then eight values of λ on one song."""
    songs = [noise(1 + i % 4, i) for i in range(N_DEVICES)]
    results = adapt_lanes(TINY, tiny_params(), songs, SETTINGS)
    results += adapt_lanes(TINY, tiny_params(), songs[3], SETTINGS, lam=np.linspace(0, 2, N_DEVICES))
    return [np.asarray(leaf) for result in results for leaf in jax.tree.leaves(result.tuned)]


def make_epoch_arguments():
    """Return the arguments of `programs.run_epoch` for eight lanes, each with its own song, on all local devices."""
    songs, params = [noise(1 + i % 4, i) for i in range(N_DEVICES)], tiny_params()
    plan = strategy.parse(SETTINGS.strategy, TINY)
    settings = dataclasses.replace(SETTINGS, features="float32")
    program = lane.make_program(TINY, plan, settings, "cpu")
    place = programs.place_lanes(N_DEVICES)
    inputs = engine.make_inputs(params, songs, plan, engine.make_hyper(settings, N_DEVICES), settings).to_devices(place)
    features = programs.compute_features(program, jax.device_put(params, place.shared), inputs.song)
    state = jax.device_put(programs.init_states(N_DEVICES, inputs.tuned), place.by_lane)
    return program, inputs.frozen, features, inputs.song, inputs.hyper, inputs.schedule, state


def write_results(path: str) -> None:
    """Write the results of a process with many devices."""
    assert len(jax.local_devices()) == N_DEVICES
    text = programs.run_epoch.lower(*make_epoch_arguments()).compile().as_text()
    kinds = ("all-reduce", "all-gather", "all-to-all", "collective-permute")
    counts = [len(re.findall(rf"\b{kind}(?:-start)?\(", text)) for kind in kinds]
    np.savez(path, np.array(counts), *run_lanes())


@pytest.mark.slow
def test_lanes_on_eight_devices_equal_lanes_on_one(tmp_path):
    """Devices exchange only the number of segments of the longest song: one all-reduce before the loop."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={N_DEVICES}"
    environment = os.environ | {"XLA_FLAGS": flags}
    code = f"from tests.adaptation import test_lanes; test_lanes.write_results({str(tmp_path / 'many.npz')!r})"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], env=environment)
    with np.load(tmp_path / "many.npz") as stored:
        counts, *found = (stored[name] for name in stored.files)
    assert counts.tolist() == [1, 0, 0, 0]
    for leaf, expected in zip(found, run_lanes(), strict=True):
        np.testing.assert_allclose(leaf, expected, rtol=0, atol=1e-6)  # the largest weight moves by 1e-2


def test_lanes_that_do_not_divide_evenly_run_on_one_device():
    devices = jax.devices() * 3
    assert len(programs.place_lanes(N_DEVICES, devices).by_lane.device_set) == 1


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_run_epoch_lowers_for_accelerators(platform):
    """Without callbacks to the host, custom calls or double precision."""
    exported = jax.export.export(programs.run_epoch, platforms=[platform])(*make_epoch_arguments())
    text = exported.mlir_module()
    assert exported.platforms == (platform,)
    assert "custom_call" not in text
    assert "f64" not in text
    assert "callback" not in text
    assert text.count("stablehlo.while") >= 1


def test_run_epoch_transfers_nothing_between_host_and_device():
    program, *arguments = make_epoch_arguments()
    programs.run_epoch(program, *jax.tree.map(jax.numpy.array, arguments))
    with jax.transfer_guard("disallow"):
        programs.run_epoch(program, *arguments)
