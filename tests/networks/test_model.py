"""ConvTasNet: parity with the reference, by stage and end to end, in both precisions."""

import dataclasses

import jax
import numpy as np
import pytest

from tests.helpers import naive
from ugosa_jax.adaptation import loss
from ugosa_jax.networks import convtasnet, tcn, tree
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import convtasnet_torch

TINY = ConvTasNet(N=8, L=6, B=5, H=7, P=3, X=2, R=2, C=2, sources=("a", "b", "c"))
QUICK = {"xla_backend_optimization_level": 0}
"""Compiles faster; what is compiled runs once."""
VARIANTS = {
    "default": {},
    "cLN": {"norm": "cLN"},
    "BN": {"norm": "BN"},
    "id": {"norm": "id"},
    "causal": {"causal": True},
    "causal, cLN, even P": {"causal": True, "norm": "cLN", "P": 4},
    "softmax": {"mask": "softmax"},
    "mono": {"C": 1},
    "odd L": {"L": 7},
    "five taps": {"P": 5},
    "one block": {"X": 1, "R": 1},
}


def random_network(config, seed=0):
    """Return parameters that all differ, with positive variances."""
    random = np.random.default_rng(seed)
    leaves = jax.tree.map(lambda leaf: 0.4 * random.standard_normal(leaf.shape), tree.infer_params(config))
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: np.abs(leaf) + 0.5 if path[-1].key == "var" else leaf, leaves
    )


def stages(config, params, mix_CxT):
    """Return the output of every stage of the network, channels first as in `naive.forward`."""
    net = convtasnet.bind(config, params)
    out = {"encoder": net.encoder(mix_CxT)}
    K = out["encoder"].shape[0]
    x, scale, shift = net.norm(out["encoder"], K)
    out["norm"] = x * scale + shift
    out["bottleneck"] = h = net.bottleneck(out["norm"])
    for stage in config.repeats:
        out[stage] = h = getattr(net, stage)(h, K)
    out = {name: value.T for name, value in out.items()}
    out["decoder"] = net(mix_CxT)
    return out


@pytest.mark.parametrize("norm", ["gLN", *(pytest.param(norm, marks=pytest.mark.slow) for norm in ("cLN", "BN", "id"))])
@pytest.mark.parametrize("n_frames", [pytest.param(30, marks=pytest.mark.slow), 23])
def test_gradients_of_a_recomputed_block_equal_those_of_a_stored_one(norm, n_frames, monkeypatch):
    """In lanes, with and without padding."""
    config = dataclasses.replace(TINY, norm=norm)

    def total(params, h_WxKxB):
        run = lambda h_KxB: convtasnet.bind(config, params).repeat1(h_KxB, n_frames)  # noqa: E731
        return (jax.vmap(run)(h_WxKxB) ** 2).sum()

    with jax.enable_x64(True):
        params, h_WxKxB = random_network(config), np.random.default_rng(1).standard_normal((2, 30, config.B))
        found = jax.jit(jax.grad(total, (0, 1)), compiler_options=QUICK)(params, h_WxKxB)
        monkeypatch.setattr(tcn, "recompute_in_backward", lambda f: f)
        expected = jax.jit(jax.grad(total, (0, 1)), compiler_options=QUICK)(params, h_WxKxB)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(expected[0]["repeat1"]["block1"]["expand"]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_stage_equals_the_naive_network_for_every_option(variant):
    config = dataclasses.replace(TINY, **VARIANTS[variant])
    with jax.enable_x64(True):
        params = random_network(config)
        mix_CxT = np.random.default_rng(1).standard_normal((config.C, 203))
        state = torch_state(params, config)
        expected = naive.forward(state, mix_CxT, config)
        got = jax.jit(stages, static_argnums=0)(config, params, mix_CxT)
        for stage in got:
            scale = np.abs(expected[stage]).max()
            # Double precision after some twenty layers: 1e-12 relative leaves room for other orders of summation.
            np.testing.assert_allclose(got[stage], expected[stage], rtol=0, atol=1e-12 * scale, err_msg=stage)


def torch_state(params, config):
    """Return tensors as `to_torch` does, without its cast to float32."""
    leaves = dict(leaves_by_path(params))
    return {row.name: leaves[path].T.reshape(row.shape) for path, row in convtasnet_torch.build_table(config).items()}


def leaves_by_path(params):
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        yield ".".join(key.key for key in path), np.asarray(leaf)


def test_estimates_in_float32_equal_those_of_the_reference(config, params, golden):
    z = golden("forward")
    est_SxCxT = jax.jit(lambda p, m: convtasnet.bind(config, p)(m))(params, z["mix"][0])
    # Outputs reach 2.5; single precision keeps 1e-7 of that, and 12 blocks add their rounding.
    np.testing.assert_allclose(est_SxCxT, z["estimates"][0], rtol=0, atol=5e-6)


def test_estimates_in_float64_equal_those_of_the_reference(config, params64, golden):
    mix_CxT = golden("forward")["mix"][0].astype(np.float64)
    with jax.enable_x64(True):
        est_SxCxT = np.asarray(jax.jit(lambda p, m: convtasnet.bind(config, p)(m))(params64, mix_CxT))
    np.testing.assert_allclose(est_SxCxT[..., ::7], golden("float64")["estimates"][0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("precision", "tolerance"),
    # Relative to the largest entry of each gradient. In float32, torch sums 2205 frames × 32 channels in another
    # order; some PReLU slopes get sums that nearly cancel, hence the absolute 1e-6, a thousandth of a usual one.
    [("float64", 1e-9), ("float32", 1e-4)],
)
def test_gradients_of_every_parameter_equal_those_of_the_reference(
    config, params, params64, golden, precision, tolerance
):
    mix_CxT = golden("forward")["mix"][0]
    active_SxT = golden("loss_and_gradients")["activations"]
    prefix = "grad/" if precision == "float64" else "LmixLact/grad/"
    z = golden("float64" if precision == "float64" else "loss_and_gradients")

    def objective(p, mix_CxT):
        return loss.compute_total(
            loss.compute_loss_terms(convtasnet.bind(config, p)(mix_CxT), mix_CxT, active_SxT), lam=1 / 4
        )

    with jax.enable_x64(precision == "float64"):
        inputs = (params64, mix_CxT.astype(np.float64)) if precision == "float64" else (params, mix_CxT)
        gradient = jax.jit(jax.grad(objective))(*inputs)
    got = torch_state(gradient, config)
    assert {prefix + name for name in got} == {name for name in z if name.startswith(prefix)}
    for name, value in got.items():
        want = z[prefix + name]
        atol = tolerance * np.abs(want).max() + (1e-6 if precision == "float32" else 0)
        np.testing.assert_allclose(value, want, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("norm", ["gLN", "cLN", "BN", "id"])
@pytest.mark.parametrize("causal", [False, True])
def test_padding_does_not_change_the_estimates(norm, causal):
    config = dataclasses.replace(TINY, R=1, norm=norm, causal=causal)
    with jax.enable_x64(True):
        params = random_network(config)
        mix_CxT = np.random.default_rng(1).standard_normal((2, 203))
        alone = jax.jit(config)(params, mix_CxT)
        padded_CxT = np.pad(mix_CxT, ((0, 0), (0, 97)), constant_values=5.0)
        padded = jax.jit(config)(params, padded_CxT, 203)
    np.testing.assert_allclose(padded[..., :203], alone, rtol=0, atol=1e-13)
    assert not padded[..., 203:].any()


def test_a_signal_without_frames_gives_silence(config, params):
    est_SxCxT = jax.jit(config)(params, np.ones((2, 100), np.float32), 0)
    assert not est_SxCxT.any()


@pytest.mark.parametrize("until", ["repeat1", "repeat2", "repeat4", "mask"])
def test_prefix_and_suffix_equal_the_whole_network(config, params, golden, until):
    mix_CxT = golden("forward")["mix"][0][:, :4000]
    net = convtasnet.bind(config, params)
    halves = net.suffix(mix_CxT, net.prefix(mix_CxT, until), until)
    np.testing.assert_array_equal(halves, net(mix_CxT))


def test_the_default_network_has_the_published_size():
    shapes = jax.eval_shape(lambda: ConvTasNet().init())
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 10_977_872
