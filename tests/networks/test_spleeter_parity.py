"""Parity with Spleeter: tests/data/spleeter, made by scripts/golden_spleeter.py with TensorFlow and PyTorch."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scripts import golden_spleeter as golden
from tests.helpers import published
from ugosa_jax.config import SeparateConfig
from ugosa_jax.networks import module, tree
from ugosa_jax.networks.spleeter import Spleeter
from ugosa_jax.networks.spleeter.unet import UNet
from ugosa_jax.separation import chunks
from ugosa_jax.weights import spleeter_names

DATA = Path(__file__).parents[1] / "data" / "spleeter"
EPS = 1e-3
"""Of batch normalisation."""


@pytest.fixture(scope="module")
def tiny():
    return dict(np.load(DATA / "tiny.npz"))


@pytest.fixture(scope="module")
def whole():
    return dict(np.load(DATA / "published.npz"))


def tiny_net(kind):
    sources, model, _ = golden.KINDS[kind]
    return Spleeter(
        sources=tuple(sources),
        nfft=golden.TINY["frame_length"],
        bins=golden.TINY["F"],
        piece_frames=golden.TINY["T"],
        filters=tuple(golden.FILTERS),
        activation="leaky" if kind == "2stems" else "elu",
        mask="softmax" if model == "unet.softmax_unet" else "sigmoid",
    )


def separate_in_tiles(net, params, mix_CxT):
    """Return what `chunks.separate` does, as one differentiable function."""
    tiling, n_samples = net.tiling, mix_CxT.shape[1]
    padded = jnp.pad(mix_CxT, ((0, 0), (tiling.lead, tiling.length)))
    starts = range(0, tiling.lead + n_samples, tiling.step)
    tiles = jnp.stack([padded[:, start : start + tiling.length] for start in starts])
    parts = jax.lax.map(lambda tile_CxN: tiling.separate(params, tile_CxN), tiles)  # one network to compile, not four
    est_SxCxT = jnp.zeros((net.S, net.channels, padded.shape[1] + tiling.length))
    for start, part_SxCxN in zip(starts, parts, strict=True):
        est_SxCxT = est_SxCxT.at[..., start : start + tiling.length].add(part_SxCxN)
    return est_SxCxT[..., tiling.lead : tiling.lead + n_samples]


def compute_gradients(net, variables, mix_CxT, names):
    """Return the gradients with respect to TensorFlow's variables, by the rules of the conversion."""
    naming = spleeter_names.name_in_tensorflow(net.depth)
    compute = jax.grad(lambda p: (separate_in_tiles(net, p, mix_CxT) ** 2).mean())
    quick = {"xla_backend_optimization_level": 0}  # compiles faster; it runs once
    gradient = jax.jit(compute, compiler_options=quick)(spleeter_names.from_tensorflow(variables, net))
    leaves = tree.flatten(gradient)
    found = {}
    for s, source in enumerate(net.sources):
        for kind, i, _, _ in spleeter_names.list_stages(net):
            stage, conv = f"{kind}{i or ''}.{source}", naming.conv(s, kind, i)
            back = np.argsort(naming.axes[kind])
            found[f"{conv}/kernel"] = leaves[f"{stage}.conv.kernel"].transpose(back)
            found[f"{conv}/bias"] = leaves[f"{stage}.conv.bias"]
            if f"{stage}.norm.scale" in leaves:
                norm = naming.norm(s, kind, i)
                mean, variance = (variables[f"{norm}/moving_{which}"] for which in ("mean", "variance"))
                by_scale = leaves[f"{stage}.norm.scale"] - mean * leaves[f"{stage}.norm.shift"]
                found[f"{norm}/gamma"] = by_scale / np.sqrt(variance + EPS)
                found[f"{norm}/beta"] = leaves[f"{stage}.norm.shift"]
    return {name: found[name] for name in names}


@pytest.mark.parametrize(
    "kind", [kind if kind == "2stems" else pytest.param(kind, marks=pytest.mark.slow) for kind in golden.KINDS]
)
def test_estimates_and_gradients_of_small_networks_equal_those_of_tensorflow(kind, tiny):
    net, mix_CxT = tiny_net(kind), golden.draw_mixture(9000, 3)
    naming = spleeter_names.name_in_tensorflow(net.depth)
    expected = [spleeter_names.list_shapes(net, naming, s) for s in range(net.S)]
    variables = {name: golden.draw_variable(name, shape) for table in expected for name, shape in table.items()}
    est_SxCxT = chunks.separate(net, spleeter_names.from_tensorflow(variables, net), mix_CxT, SeparateConfig())
    stems = tiny[f"{kind}/stems"]
    assert chunks.count_chunks(net, 9000, SeparateConfig()) == 3  # pieces that overlap are among what is compared
    np.testing.assert_allclose(est_SxCxT.reshape(-1)[:: golden.TINY_STEP], stems, atol=1e-5 * np.abs(stems).max())
    names = [str(name) for name in tiny[f"{kind}/names"]]
    found = compute_gradients(net, variables, mix_CxT, names)
    norms = np.array([np.linalg.norm(found[name]) for name in names])
    np.testing.assert_allclose(norms, tiny[f"{kind}/norms"], rtol=2e-3, atol=1e-6 * norms.max())
    every = np.concatenate([found[name].reshape(-1) for name in names])[:: golden.TINY_STEP]
    np.testing.assert_allclose(every, tiny[f"{kind}/gradient"], atol=1e-4 * np.abs(every).max())


@pytest.mark.parametrize(
    ("name", "n_samples", "seed"),
    [("short", 3 * 44100, 0), pytest.param("long", 13 * 44100 + 17, 1, marks=pytest.mark.slow)],
)
def test_estimates_of_the_published_network_equal_those_of_spleeter(name, n_samples, seed, whole):
    net = published.spleeter()
    est_SxCxT = chunks.separate(net.architecture, net.params, golden.draw_mixture(n_samples, seed), SeparateConfig())
    stems = whole[f"{name}/stems"]
    difference = np.abs(est_SxCxT.reshape(-1)[:: golden.STEP] - stems)
    assert difference.max() < 2e-6 * np.abs(stems).max()  # found: 3e-7


SOURCES = ["vocals", pytest.param("accompaniment", marks=pytest.mark.slow)]
MAGNITUDE = 3 * np.random.default_rng(2).random((1, 2, 64, 1024)).astype(np.float32).astype(np.float64) ** 4
"""What PyTorch was given: (P, C, K, F)."""


def cast_to_double(net, source):
    """The published U-Net of a source, float64; within `jax.enable_x64`."""
    stages = net.architecture.stages
    return {stage: jax.tree.map(lambda x: np.asarray(x, np.float64), net.params[stage][source]) for stage in stages}


@pytest.mark.parametrize("source", SOURCES)
def test_each_stage_of_the_published_networks_equals_that_of_the_port_in_double_precision(source, whole):
    net = published.spleeter()
    settings = net.architecture
    with jax.enable_x64(True):
        x = jnp.asarray(MAGNITUDE.transpose(0, 2, 3, 1))

        @jax.jit
        def stages(params):
            unet, found = module.bind(UNet, settings, params), {}
            for i, until in enumerate((*settings.stages[1:], None)):
                found[i], _ = unet(x, {}, "encoder1", until)
            return found

        outs = stages(cast_to_double(net, source))
    names = [f"down{i}_act" for i in range(1, 6)] + ["down6_conv"] + [f"up{i}" for i in range(1, 8)]
    for i, name in enumerate(names):
        expected, found = whole[f"{source}/stages/{name}"], np.asarray(outs[i])
        found = 1 / (1 + np.exp(-found)) if name == "up7" else found
        thinned = found.reshape(-1)[:: max(1, found.size // 500)]
        np.testing.assert_allclose(thinned, expected, atol=2e-7 * np.abs(expected).max(), err_msg=name)


@pytest.mark.parametrize("source", SOURCES)
def test_gradients_of_the_published_networks_equal_those_of_the_port_in_double_precision(source, whole):
    """Gradients of kernels, biases and β; that of γ needs the running statistics, which the conversion folds in."""
    net = published.spleeter()
    settings = net.architecture
    with jax.enable_x64(True):
        x = jnp.asarray(MAGNITUDE.transpose(0, 2, 3, 1))

        def mean_square(params):
            logits, _ = module.bind(UNet, settings, params)(x, {}, "encoder1", None)
            return ((jax.nn.sigmoid(logits) * x) ** 2).mean()

        gradient = tree.flatten(jax.device_get(jax.jit(jax.grad(mean_square))(cast_to_double(net, source))))
    naming = spleeter_names.name_in_torch(settings.depth)
    kernel, bias = naming.conv_leaves
    found = {}
    for kind, i, _, _ in spleeter_names.list_stages(settings):
        stage, conv = f"{kind}{i or ''}", naming.conv(0, kind, i)
        found[conv + kernel] = gradient[f"{stage}.conv.kernel"].transpose(np.argsort(naming.axes[kind]))
        found[conv + bias] = gradient[f"{stage}.conv.bias"]
        if f"{stage}.norm.shift" in gradient:
            found[naming.norm(0, kind, i) + naming.norm_leaves[1]] = gradient[f"{stage}.norm.shift"]
    expected_norms = dict(zip(whole[f"{source}/names"].tolist(), whole[f"{source}/norms"], strict=True))
    assert len(found) == 37 and found.keys() < expected_norms.keys()
    for name, leaf in found.items():
        np.testing.assert_allclose(np.linalg.norm(leaf), expected_norms[name], rtol=3e-5, err_msg=name)  # found: 1e-5
    shapes = spleeter_names.list_shapes(settings, naming, 0)
    leaves = [found.get(name, np.full(shapes[name], np.nan)).reshape(-1) for name in expected_norms]
    thinned, expected = np.concatenate(leaves)[:: golden.GRADIENT_STEP**2], whole[f"{source}/gradient"]
    known = np.isfinite(thinned)
    assert known.sum() > 900
    atol = 1e-6 * np.abs(expected).max()  # found: 3e-7
    np.testing.assert_allclose(thinned[known], expected[known], rtol=0, atol=atol)
