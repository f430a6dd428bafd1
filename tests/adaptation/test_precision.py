"""Adaptation in bfloat16."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.adaptation.test_adapt import SETTINGS, TINY, noise
from tests.helpers.adapting import adapt, adapt_lanes
from tests.helpers.networks import DUO
from ugosa_jax.adaptation import engine, lane, memory, programs, strategy
from ugosa_jax.config import AdaptConfig, EvaluateConfig, SeparateConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tcn
from ugosa_jax.networks.htdemucs import HTDemucs
from ugosa_jax.sweeps.cell import make_cell

BFLOAT16 = AdaptConfig(strategy="P-L2:M", epochs=2, learning_rate=1e-2, precision="bfloat16")
ROUNDING = 2**-8
"""bfloat16 has eight bits: rounding changes a number by at most half of this, relative to its size."""


def round_to_bfloat16(x):
    return np.asarray(jnp.asarray(x, jnp.bfloat16), np.float64)


@pytest.mark.parametrize("arrays", [True, False])
def test_multiply_and_its_gradients_sum_rounded_factors_in_float32(arrays):
    random = np.random.default_rng(0)
    x, kernel, cotangent = (random.standard_normal(shape).astype(np.float32) for shape in ((64, 9), (9, 5), (64, 5)))
    given = jnp.asarray(x, jnp.bfloat16 if arrays else jnp.float32)
    precision = "float32" if arrays else "bfloat16"
    out, pull_back = jax.vjp(lambda x, kernel: tcn.multiply(x, kernel, precision, jnp.float32), given, kernel)
    of_x, of_kernel = pull_back(jnp.asarray(cotangent))
    assert out.dtype == of_kernel.dtype == jnp.float32 and of_x.dtype == given.dtype
    np.testing.assert_allclose(out, round_to_bfloat16(x) @ round_to_bfloat16(kernel), rtol=0, atol=1e-5)
    np.testing.assert_allclose(of_kernel, round_to_bfloat16(x).T @ round_to_bfloat16(cotangent), rtol=0, atol=1e-4)
    expected = round_to_bfloat16(cotangent) @ round_to_bfloat16(kernel).T
    np.testing.assert_allclose(np.asarray(of_x, np.float64), expected, rtol=ROUNDING if arrays else 0, atol=1e-5)


def test_multiply_does_not_round_float32_and_float64():
    x, kernel = (np.random.default_rng(0).standard_normal(shape) for shape in ((64, 9), (9, 5)))
    expected = x @ kernel
    np.testing.assert_allclose(tcn.multiply(jnp.float32(x), jnp.float32(kernel)), expected, atol=1e-5)
    with jax.enable_x64(True):
        np.testing.assert_allclose(tcn.multiply(jnp.asarray(x), jnp.asarray(kernel), "bfloat16"), expected, rtol=1e-12)


@pytest.mark.parametrize("norm", ["gLN", *(pytest.param(norm, marks=pytest.mark.slow) for norm in ("cLN", "BN", "id"))])
def test_estimates_in_bfloat16_are_float32_and_close_to_the_exact_ones(norm):
    """After six blocks, eight bits leave an error of two percent at worst."""
    net = dataclasses.replace(TINY, norm=norm)
    params, mix_CxT = net.init(seed=1), noise(1).mix_GxVxCxT[0, 0]
    run = jax.jit(net)
    exact, found = run(params, mix_CxT), run(params, jnp.asarray(mix_CxT, jnp.bfloat16))
    assert found.dtype == jnp.float32
    error = float(jnp.linalg.norm(found - exact) / jnp.linalg.norm(exact))
    assert 1e-5 < error < 0.02


@pytest.mark.parametrize("platform", ["cpu", pytest.param("tpu", marks=pytest.mark.slow)])
def test_adaptation_in_bfloat16_takes_nearly_the_same_steps(monkeypatch, platform):
    """On a CPU and on other devices; weights stay float32."""
    params = TINY.init(seed=1)
    exact = adapt(TINY, params, noise(), SETTINGS)
    program_of = lane.make_program
    monkeypatch.setattr(lane, "make_program", lambda net, plan, settings, _: program_of(net, plan, settings, platform))
    found = adapt(TINY, params, noise(), BFLOAT16)
    assert {leaf.dtype for leaf in jax.tree.leaves(found.tuned)} == {np.dtype(np.float32)}
    assert not np.array_equal(found.losses_ExIx3, exact.losses_ExIx3)
    np.testing.assert_allclose(found.losses_ExIx3, exact.losses_ExIx3, rtol=0.01)


@pytest.mark.slow
def test_lanes_in_bfloat16_equal_single_runs():
    params = TINY.init(seed=1)
    alone = adapt(TINY, params, noise(), BFLOAT16)
    pair = adapt_lanes(TINY, params, [noise(), noise(seed=1)], BFLOAT16)
    np.testing.assert_allclose(pair[0].losses_ExIx3, alone.losses_ExIx3, rtol=1e-3)


def test_make_program_rounds_arrays_on_accelerators_only():
    def get_precisions(settings, platform):
        program = lane.make_program(DUO, strategy.parse(settings.strategy, DUO), settings, platform)
        return program.net.precision, program.dtype

    assert get_precisions(AdaptConfig(precision="bfloat16"), "cpu") == ("bfloat16", "float32")
    assert get_precisions(AdaptConfig(precision="bfloat16"), "tpu") == ("bfloat16", "bfloat16")
    assert get_precisions(AdaptConfig(), "tpu") == ("float32", "float32")


def test_features_in_bfloat16_need_half_the_memory():
    plan, place = strategy.parse("P-L2:M", TINY), programs.place_lanes(1)
    inputs, params = engine.describe_inputs(TINY, plan, noise().mix_GxVxCxT.shape, place)

    def count_bytes(precision):
        settings = dataclasses.replace(BFLOAT16, precision=precision, features="float32")
        program = lane.make_program(TINY, plan, settings, "tpu")
        return memory.count_bytes(programs.infer_feature_shapes(program, params, inputs.song, place))

    assert count_bytes("bfloat16") == count_bytes("float32") // 2 > 0


def test_a_network_without_precision_refuses_bfloat16():
    net = HTDemucs()
    with pytest.raises(InputError, match="precision must be float32 with this network, not 'bfloat16'"):
        strategy.fill_defaults(AdaptConfig(precision="bfloat16"), net)
    with pytest.raises(InputError, match="precision must be float32 with this network"):
        lane.make_program(net, strategy.parse(None, net), AdaptConfig(precision="bfloat16"), "cpu")


def test_the_default_precision_does_not_change_names_of_cells():
    def of(adapt):
        return make_cell("song", "0" * 64, "1" * 64, adapt, SeparateConfig(), EvaluateConfig())

    assert "precision" not in of(AdaptConfig()).determinants["adapt"]
    assert of(AdaptConfig(precision="bfloat16")).determinants["adapt"]["precision"] == "bfloat16"
    assert of(AdaptConfig()).id != of(AdaptConfig(precision="bfloat16")).id
