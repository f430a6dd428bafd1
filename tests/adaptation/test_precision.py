"""Adaptation in bfloat16: what is rounded, and what is not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.adaptation.test_adapt import SETTINGS, TINY, noise
from tests.helpers.networks import DUO
from ugosa_jax.adaptation import engine, memory, strategy
from ugosa_jax.adaptation.lane import Program
from ugosa_jax.config import AdaptConfig, EvaluateConfig, SeparateConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tcn
from ugosa_jax.networks.htdemucs import HTDemucs
from ugosa_jax.sweeps.cell import cell

BFLOAT16 = AdaptConfig(strategy="P-L2:M", epochs=2, learning_rate=1e-2, precision="bfloat16")
ROUNDING = 2**-8
"""bfloat16 has eight bits: what is rounded changes by half of this at most, relative to its size."""


def rounded(x):
    return np.asarray(jnp.asarray(x, jnp.bfloat16), np.float64)


@pytest.mark.parametrize("arrays", [True, False])
def test_a_product_sums_rounded_factors_in_float32_and_so_do_its_gradients(arrays):
    random = np.random.default_rng(0)
    x, kernel, cotangent = (random.standard_normal(shape).astype(np.float32) for shape in ((64, 9), (9, 5), (64, 5)))
    given = jnp.asarray(x, jnp.bfloat16 if arrays else jnp.float32)
    precision = "float32" if arrays else "bfloat16"
    out, pull_back = jax.vjp(lambda x, kernel: tcn.product(x, kernel, precision, jnp.float32), given, kernel)
    of_x, of_kernel = pull_back(jnp.asarray(cotangent))
    assert out.dtype == of_kernel.dtype == jnp.float32 and of_x.dtype == given.dtype
    np.testing.assert_allclose(out, rounded(x) @ rounded(kernel), rtol=0, atol=1e-5)
    np.testing.assert_allclose(of_kernel, rounded(x).T @ rounded(cotangent), rtol=0, atol=1e-4)
    expected = rounded(cotangent) @ rounded(kernel).T
    np.testing.assert_allclose(np.asarray(of_x, np.float64), expected, rtol=ROUNDING if arrays else 0, atol=1e-5)


def test_products_in_float32_and_float64_are_not_rounded():
    x, kernel = (np.random.default_rng(0).standard_normal(shape) for shape in ((64, 9), (9, 5)))
    expected = x @ kernel
    np.testing.assert_allclose(tcn.product(jnp.float32(x), jnp.float32(kernel)), expected, atol=1e-5)
    with jax.enable_x64(True):
        np.testing.assert_allclose(tcn.product(jnp.asarray(x), jnp.asarray(kernel), "bfloat16"), expected, rtol=1e-12)


@pytest.mark.parametrize("norm", tcn.NORMS)
def test_estimates_of_a_rounded_network_are_float32_and_near_the_exact_ones(norm):
    """Eight bits through six blocks: two percent are left of them at worst."""
    net = dataclasses.replace(TINY, norm=norm)
    params, mix_CxT = net.init(seed=1), noise(1).mix_GxVxCxT[0, 0]
    exact, found = net(params, mix_CxT), net(params, jnp.asarray(mix_CxT, jnp.bfloat16))
    assert found.dtype == jnp.float32
    error = float(jnp.linalg.norm(found - exact) / jnp.linalg.norm(exact))
    assert 1e-5 < error < 0.02


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_adaptation_in_bfloat16_takes_nearly_the_same_steps(monkeypatch, platform):
    """As a CPU does it, and as other devices do; weights stay float32."""
    params = TINY.init(seed=1)
    exact = engine.adapt(TINY, params, noise(), SETTINGS)
    rounded = memory.rounded
    monkeypatch.setattr(memory, "rounded", lambda program, settings, _: rounded(program, settings, platform))
    found = engine.adapt(TINY, params, noise(), BFLOAT16)
    assert {leaf.dtype for leaf in jax.tree.leaves(found.tuned)} == {np.dtype(np.float32)}
    assert not np.array_equal(found.losses_ExIx3, exact.losses_ExIx3)
    np.testing.assert_allclose(found.losses_ExIx3, exact.losses_ExIx3, rtol=0.01)


@pytest.mark.slow
def test_lanes_in_bfloat16_are_those_of_single_songs():
    params = TINY.init(seed=1)
    alone = engine.adapt(TINY, params, noise(), BFLOAT16)
    pair = engine.adapt_lanes(TINY, params, [noise(), noise(seed=1)], BFLOAT16)
    np.testing.assert_allclose(pair[0].losses_ExIx3, alone.losses_ExIx3, rtol=1e-3)


def test_what_is_rounded_depends_on_the_device():
    program = Program(DUO, "mask", "float32", centralise_gradients=True)
    found = [memory.rounded(program, AdaptConfig(precision="bfloat16"), platform) for platform in ("cpu", "tpu")]
    assert [(one.net.precision, one.dtype) for one in found] == [("bfloat16", "float32"), ("bfloat16", "bfloat16")]
    assert memory.rounded(program, AdaptConfig(), "tpu") == program


def test_arrays_of_half_the_size_take_half_the_memory():
    shape = (6, 2, 2, 8000)
    whole = memory.plan(DUO, shape, AdaptConfig(features="float32"))
    half = whole._replace(dtype="bfloat16")
    whole, half = (memory.estimate(program, shape) for program in (whole, half))
    assert (half.features, half.step) == (whole.features // 2, whole.step // 2)
    assert half.song == whole.song


def test_a_network_without_it_says_so():
    net = HTDemucs()
    with pytest.raises(InputError, match="precision must be float32 with this network, not 'bfloat16'"):
        strategy.resolved(AdaptConfig(precision="bfloat16"), net)
    with pytest.raises(InputError, match="precision must be float32 with this network"):
        memory.plan(net, (1, 1, 2, 343980), AdaptConfig(precision="bfloat16"))


def test_cells_of_before_there_was_a_choice_keep_their_names():
    def of(adapt):
        return cell("song", "0" * 64, "1" * 64, adapt, SeparateConfig(), EvaluateConfig())

    assert "precision" not in of(AdaptConfig()).determines["adapt"]
    assert of(AdaptConfig(precision="bfloat16")).determines["adapt"]["precision"] == "bfloat16"
    assert of(AdaptConfig()).id != of(AdaptConfig(precision="bfloat16")).id
