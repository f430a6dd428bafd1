"""HTDemucs against the reference's outputs, per stage and whole, in both precisions; and networks cut in two."""

import dataclasses
import functools
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from jax.test_util import check_grads

from tests.helpers import htdemucs_goldens as goldens
from ugosa_jax.errors import InputError
from ugosa_jax.networks.htdemucs import HTDemucs, attention, convolution, layers, network, parts, spectrogram
from ugosa_jax.weights import htdemucs_arguments as arguments
from ugosa_jax.weights import htdemucs_torch

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
import golden_htdemucs

QUICK = {"xla_backend_optimization_level": 0}
"""Compile in a third of the time; what is compiled runs once."""

TINY = HTDemucs(
    sources=("a", "b"),
    sample_rate_hz=1000,
    segment_samples=1100,
    nfft=256,
    depth=2,
    width=8,
    wave_width=8,
    dconv_compression=4,
    bottom=12,
    layers=2,
    heads=3,
    hidden_scale=1.5,
)


def stage_outputs(config, params, mix_CxT):
    """What the golden files hold of our network, under torch's names."""
    net = network.bind(config, params)
    spec = spectrogram.spectrogram(mix_CxT, config.nfft)
    out = {
        "spec.cac": spec,
        "statistics": jnp.stack([*network.compute_moments(spec), *network.compute_moments(mix_CxT)]),
    }
    x = net.prepare_inputs(mix_CxT)
    out |= {"spec.standardised": x["freq"], "wave.standardised": x["time"]}
    skips = {}
    for i in range(config.depth):
        stage = getattr(net, f"encoder{i + 1}")
        for name, layer, given in ((f"encoder.{i}", stage.freq, x["freq"]), (f"tencoder.{i}", stage.time, x["time"])):
            out[f"{name}.conv"] = conv = layer.convolve(given)
            rows_CxRxT = layer.dconv(network_gelu(conv))
            out[f"{name}.dconv"] = rows_CxRxT.swapaxes(0, 1)
        x = stage(x)
        out |= {f"encoder.{i}": x["freq"], f"tencoder.{i}": x["time"]}
        if i == 0:
            x = net.frequency_embedding(x)
            out["encoder.0.with_freq_emb"] = x["freq"]
        skips[i] = x
    x = net.upsample(x)
    out |= {"transformer.in": x["freq"], "transformer.in_t": x["time"]}
    tokens = net.tokens_in(x["freq"], x["time"])
    out |= dict(zip(("transformer.tokens", "transformer.tokens_t"), tokens, strict=True))
    for i in range(config.layers):
        tokens = getattr(net, f"layer{i + 1}")(*tokens)
        names = f"transformer.layers.{i}", f"transformer.layers_t.{i}"
        out |= dict(zip(names, tokens, strict=True))
    F = config.levels[-1].freqs
    x = {"freq": network.to_planes(tokens[0], F), "time": network.to_planes(tokens[1], 1)}
    out |= {"transformer.out": x["freq"], "transformer.out_t": x["time"]}
    x = net.downsample(x)
    out |= {"downsampled": x["freq"], "downsampled_t": x["time"]}
    for i in range(config.depth):
        level = config.depth - 1 - i
        stage, lengths = getattr(net, f"decoder{i + 1}"), config.list_lengths(mix_CxT.shape[1])[level]
        for name, branch, layer in (("decoder", "freq", stage.freq), ("tdecoder", "time", stage.time)):
            given = layers.pad_rows(x[branch] + skips[level][branch], layer.context)
            out[f"{name}.{i}.pre"] = layer.compute_residual(given)
        x = stage(x, skips[level], lengths)
        out |= {f"decoder.{i}": x["freq"], f"tdecoder.{i}": x["time"]}
    mean, deviation = network.compute_moments(spec)
    out["spec.wave"] = spectrogram.waveform(x["freq"] * deviation + mean, mix_CxT.shape[1])
    out["estimates"] = net._estimate(mix_CxT, mix_CxT, x)
    out["wave.wave"] = out["estimates"] - out["spec.wave"].reshape(out["estimates"].shape)
    return out


def network_gelu(x):
    return jax.nn.gelu(x, approximate=False)


def loss(config, params, mix_CxT, active_SxT, lam):
    """Total loss; reconstruction and activation loss, as the golden files' README states them, and every stage."""
    out = stage_outputs(config, params, mix_CxT)
    est_SxCxT, h_Sx1xT = out["estimates"], active_SxT[:, None]
    reconstruction = jnp.abs((h_Sx1xT * est_SxCxT).sum(0) - mix_CxT).mean()
    activation = jnp.abs((1 - h_Sx1xT) * est_SxCxT).sum(0).mean()
    return reconstruction + lam * activation, (jnp.stack([reconstruction, activation]), out)


@pytest.fixture(scope="module", params=["float64", pytest.param("float32", marks=pytest.mark.slow)])
def computed(request):
    """The precision, our losses, stages and gradients in it, all of one program."""
    dtype = request.param
    with jax.enable_x64(dtype == "float64"):
        config, params = goldens.network(dtype)
        given = goldens.load("input")
        mix_CxT = given["mix"][0].astype(dtype)
        active = np.unpackbits(given["active"], axis=-1)[:, : mix_CxT.shape[1]].astype(dtype)
        options = QUICK if dtype == "float64" else None
        run = jax.jit(jax.value_and_grad(functools.partial(loss, config), has_aux=True), compiler_options=options)
        (total, (parts, stages)), gradients = run(params, mix_CxT, active, jnp.asarray(goldens.CASE["lambda"], dtype))
        return dtype, np.array([total, *parts]), jax.tree.map(np.asarray, (stages, gradients))


def test_every_stage_is_the_reference_s(computed):
    """Tolerances are relative to the peak of a stage."""
    dtype, _, (stages, _) = computed
    golden = goldens.load(f"stages_{dtype}")
    assert len(golden) > 30
    assert stages["estimates"].dtype == dtype
    for name in (key.split("@")[0] for key in golden):
        ours, theirs = goldens.thinned(stages[name], golden, name)
        assert ours.shape == theirs.shape, name
        tolerance = {"float64": 1e-12, "float32": 1e-5}[dtype]
        assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max(), name


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # The stages' test has the same estimates in float64; those of test_htdemucs_song.py are float32.
    [pytest.param("float64", 1e-11, marks=pytest.mark.slow), pytest.param("float32", None, marks=pytest.mark.slow)],
)
def test_estimates_are_the_reference_s(dtype, tolerance):
    with jax.enable_x64(dtype == "float64"):
        config, params = goldens.network(dtype)
        est_SxCxT = jax.jit(config)(params, goldens.load("input")["mix"][0].astype(dtype))
        assert est_SxCxT.dtype == dtype
        ours, theirs = goldens.thinned(est_SxCxT, goldens.load(f"stages_{dtype}"), "estimates")
        assert np.abs(ours - theirs).max() <= (tolerance or 1e-5 * np.abs(theirs).max())


def test_gradients_are_the_reference_s(computed):
    """Relative to each gradient's own norm. In float32 torch itself is 1e-4 from its float64 at worst."""
    dtype, losses, (_, gradients) = computed
    golden, config = goldens.load(f"gradients_{dtype}"), goldens.network()[0]
    np.testing.assert_allclose(losses, golden["loss"], rtol=1e-12 if dtype == "float64" else 1e-5)
    leaves, rows = flatten_dict(gradients, sep="."), htdemucs_torch.build_table(config)
    for path, row in rows.items():
        ours, theirs = goldens.thinned(leaves[path].reshape(row.shape[::-1]).T, golden, row.name)
        assert ours.shape == theirs.shape
        scale = max(np.linalg.norm(theirs), 1e-3 * np.sqrt(theirs.size))
        tolerance = {"float64": 1e-10, "float32": 3e-4}[dtype]
        assert np.linalg.norm(ours - theirs) <= tolerance * scale, row.name


# Gradients that are written out


def random(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


WRITTEN_OUT = {
    "pointwise": (convolution.mix_channels, random(3, 2, 5), random(3, 4)),
    "strided": (lambda x, k: convolution.convolve_strided(x, k, 4, 2), random(2, 18, 3), random(8, 2, 3)),
    "strided, no whole pieces": (
        lambda x, k: convolution.convolve_strided(x, k, 4, 1),
        random(2, 15, 3),
        random(6, 2, 3),
    ),
    "transposed": (lambda x, k: convolution.convolve_transposed(x, k, 4), random(2, 4, 3), random(8, 3, 2)),
    "along time": (lambda x, k: convolution.convolve_along_time(x, k, 2), random(4, 2, 7), random(3, 4, 2)),
    "gated": (convolution.convolve_and_gate, random(3, 2, 5), random(3, 4), random(4)),
    "gated, along time": (convolution.convolve_and_gate, random(3, 2, 5), random(3, 3, 4), random(4)),
    "gated, neighbours": (convolution.convolve_and_gate, random(3, 4, 5), random(3, 3, 3, 4), random(4)),
    "attention": (attention.attention, random(2, 6, 4), random(2, 5, 4), random(2, 5, 4)),
    "attention, blocks": (attention.attention, random(1, 131, 2), random(1, 3, 2), random(1, 3, 2)),
    "gelu": (parts.gelu, random(9)),
    "blocks of rows": (
        lambda k, x: layers.map_row_blocks(
            lambda k, x: convolution.convolve_transposed(jnp.sin(x), k, 2), k, x, 2, 2, 4
        ),
        random(4, 3, 2),
        random(2, 8, 3),
    ),
    "overlapping blocks": (
        lambda k, x: layers.map_row_blocks(
            lambda k, x: convolution.convolve_strided(jnp.sin(x), k, 2, 0), k, x, 6, 4, 2
        ),
        random(4, 2, 3),
        random(2, 14, 3),
    ),
}


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_a_gradient_that_is_written_out_is_that_of_differences(name):
    function, *arguments = WRITTEN_OUT[name]
    with jax.enable_x64(True):
        check_grads(jax.jit(function), arguments, 1, ["rev"], atol=1e-6, rtol=1e-6)


# Cut in two


CONFIGS = {
    "default": {},
    "mono": {"channels": 1},
    "no bottom": {"bottom": 0, "heads": 4},
    "six sources": {"sources": tuple("abcdef")},
    "norms": {"norm_starts": 1},
    "cross first": {"cross_first": True},
    "joined branches": {"nfft": 256, "depth": 3, "norm_starts": 1, "bottom": 0, "heads": 4},
    "below the join": {"nfft": 256, "depth": 4, "layers": 0, "bottom": 0},
    "no embedding": {"embedding_weight": 0.0},
    "any length": {"segment_samples": None},
    "post-norm": {"norm_first": False, "norm_out_groups": 0, "norm_in": False, "layer_scale": False, "gelu": False},
}


PUBLISHED = ("default", "six sources")


@pytest.fixture(
    params=[name if name in PUBLISHED else pytest.param(name, marks=pytest.mark.slow) for name in CONFIGS],
    scope="module",
)
def tiny(request):
    config = dataclasses.replace(TINY, **CONFIGS[request.param])
    mix_CxT = np.random.default_rng(1).standard_normal((config.channels, 1000)).astype(np.float32)
    return config, goldens.make_random_params(config), mix_CxT


def test_suffix_of_prefix_is_the_whole(tiny):
    config, params, mix_CxT = tiny

    @functools.partial(jax.jit, compiler_options=QUICK)
    def in_two(params, mix_CxT):
        features = config.prefix(params, mix_CxT, "decoder1")
        rests = [config.suffix(params, mix_CxT, kept, "decoder1") for kept in (features, config.lean(features))]
        return config(params, mix_CxT), rests

    whole, rests = in_two(params, mix_CxT)
    assert whole.shape == (len(config.sources), config.channels, 1000)
    for est in rests:
        np.testing.assert_allclose(est, whole, atol=1e-5 * np.abs(whole).max())


@pytest.mark.slow
def test_it_can_be_cut_before_every_stage():
    """Not compiled as a whole, so that all cuts share the small programs."""
    config, params = TINY, goldens.make_random_params(TINY)
    mix_CxT = np.random.default_rng(1).standard_normal((2, 1000)).astype(np.float32)
    whole = config(params, mix_CxT)
    for cut in config.cuts:
        features = config.prefix(params, mix_CxT, cut)
        for kept in (features, config.lean(features)):
            est = config.suffix(params, mix_CxT, kept, cut)
            np.testing.assert_allclose(est, whole, atol=1e-5 * np.abs(whole).max(), err_msg=cut)


def test_features_hold_no_skip_that_is_not_needed():
    params, mix_CxT = goldens.make_random_params(TINY), np.ones((2, 1000), np.float32)
    features = jax.eval_shape(lambda: TINY.prefix(params, mix_CxT, "decoder2"))
    assert features["skips"].keys() == {"encoder1"}
    assert TINY.lean(features).keys() == {"freq", "time"}
    assert jax.eval_shape(lambda: TINY.prefix(params, mix_CxT, "encoder1")) == {}


@pytest.mark.slow
@pytest.mark.parametrize("start", ["T2", "D2"])
def test_gradients_of_tuned_stages_are_those_of_the_whole(start):
    config, params = TINY, goldens.make_random_params(TINY)
    mix_CxT = np.random.default_rng(1).standard_normal((2, 1100)).astype(np.float32)
    since = config.starts[start]
    tuned = config.stages[config.stages.index(since) :]

    def squares(tuned, frozen, features):
        params = frozen | tuned
        est = config(params, mix_CxT) if features is None else config.suffix(params, mix_CxT, features, since)
        return (est**2).mean()

    gradient = jax.jit(jax.grad(squares), compiler_options=QUICK)
    both = {stage: params[stage] for stage in tuned}, {s: params[s] for s in config.stages if s not in tuned}
    whole = gradient(*both, None)
    part = gradient(*both, jax.jit(lambda: config.prefix(params, mix_CxT, since), compiler_options=QUICK)())
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(part), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(a).max() + 1e-7)


def test_short_input_is_padded_and_long_input_refused():
    net = dataclasses.replace(TINY, layers=1)
    params = goldens.make_random_params(net)
    mix_CxT = np.random.default_rng(1).standard_normal((2, 700)).astype(np.float32)
    padded = np.pad(mix_CxT, ((0, 0), (0, 400)))
    run = jax.jit(net, compiler_options=QUICK)
    np.testing.assert_array_equal(run(params, mix_CxT), run(params, padded)[..., :700])
    with pytest.raises(ValueError, match="1101 samples exceed the 1100"):
        net(params, np.zeros((2, 1101), np.float32))


@pytest.mark.parametrize("n_samples", [1, 50, 96, 97, 1000, 1024])
def test_the_spectrogram_can_be_undone(n_samples):
    mix_CxT = np.random.default_rng(n_samples).standard_normal((2, n_samples))
    with jax.enable_x64(True):
        spec_CxFxK = spectrogram.spectrogram(jnp.asarray(mix_CxT), 256)
        assert spec_CxFxK.shape == (4, 128, -(-n_samples // 64))
        back = spectrogram.waveform(spec_CxFxK, n_samples)
    inner = slice(128, -128)  # ends see frames that are left out
    np.testing.assert_allclose(np.asarray(back)[:, inner], mix_CxT[:, inner], atol=0.5)


# Architecture


def test_published_architectures_have_the_published_sizes():
    def size(config):
        return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(jax.eval_shape(config.init)))

    six = (*HTDemucs().sources, "guitar", "piano")
    assert size(HTDemucs()) == 41_984_456
    assert size(HTDemucs(sources=six, bottom=0)) == 27_414_996


def test_names_of_stages_starts_and_ends():
    config = HTDemucs()
    assert config.stages == (
        *("encoder1", "frequency_embedding", "encoder2", "encoder3", "encoder4", "upsample", "tokens_in"),
        *("layer1", "layer2", "layer3", "layer4", "layer5", "downsample"),
        *("decoder1", "decoder2", "decoder3", "decoder4"),
    )
    assert config.starts["T1"] == "upsample"
    assert config.starts["T5"] == "layer5"
    assert config.starts["D4"] == "decoder4"
    assert config.ends == {"D": (), "M": ("decoder1", "decoder2", "decoder3", "decoder4")}
    assert jax.eval_shape(config.init).keys() == set(config.stages)


def test_an_architecture_is_plain_and_hashable(tiny):
    config, params, _ = tiny
    assert hash(config) == hash(dataclasses.replace(config))
    values = json.loads(json.dumps(dataclasses.asdict(config)))
    assert HTDemucs(**values | {"sources": tuple(values["sources"])}) == config
    assert set(config.stages) == params.keys()
    assert set(config.starts.values()) <= set(config.cuts)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sources": ()},
        {"sources": ("a", "a")},
        {"sources": "ab"},
        {"depth": 0},
        {"depth": 2.0},
        {"heads": 5},
        {"nfft": 250},
        {"nfft": 1000},
        {"kernel": 7},
        {"dconv_compression": 9.0},
        {"norm_starts": 0, "norm_groups": 3},
        {"layers": 0},
        {"wave_width": 16},
        {"gelu": 1},
        {"hidden_scale": float("nan")},
        {"segment_samples": 0},
        {"norm_first": False},
        {"depth": 5},
    ],
    ids=str,
)
def test_impossible_architectures_are_refused(wrong):
    with pytest.raises(InputError):
        dataclasses.replace(TINY, **wrong)


# Other architectures


OTHERS = goldens.load("others")


CASES = sorted({name.split("/")[0] for name in OTHERS})


def other_architecture(case):
    """What the golden file holds of one; its configuration, its parameters, and how torch calls and shapes them."""
    of = {name.split("/")[1]: value for name, value in OTHERS.items() if name.startswith(f"{case}/")}
    config = arguments.read_architecture(json.loads(str(of["kwargs"])))
    rows = htdemucs_torch.build_table(config)
    assert sorted(row.name for row in rows.values()) == list(of["names"])
    params = htdemucs_torch.from_torch({row.name: golden_htdemucs.draw_tensor(*row) for row in rows.values()}, config)
    return of, config, jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params), rows


@pytest.mark.slow  # none of these is published
@pytest.mark.parametrize("case", CASES)
def test_estimates_of_other_architectures_are_the_reference_s_too(case):
    """In float64; see scripts/golden_htdemucs.py."""
    of, config, params, _ = other_architecture(case)
    with jax.enable_x64(True):
        est_SxCxT = jax.jit(config, compiler_options=QUICK)(params, golden_htdemucs.draw_mixture(config.channels))
    thinned = np.asarray(est_SxCxT).reshape(-1)[:: golden_htdemucs.ESTIMATES_STEP]
    np.testing.assert_allclose(thinned, of["estimates"], rtol=0, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_gradients_of_other_architectures_are_the_reference_s_too(case):
    of, config, params, rows = other_architecture(case)
    with jax.enable_x64(True):
        run = jax.jit(jax.grad(lambda params, mix_CxT: (config(params, mix_CxT) ** 2).mean()), compiler_options=QUICK)
        gradient = run(params, golden_htdemucs.draw_mixture(config.channels))
    leaves = flatten_dict(gradient, sep=".")
    found = {row.name: np.asarray(leaves[path]).reshape(row.shape[::-1]).T for path, row in rows.items()}
    ordered = [found[name] for name in sorted(found)]
    every = np.concatenate([leaf.reshape(-1) for leaf in ordered])[:: golden_htdemucs.GRADIENT_STEP]
    norms = np.array([np.linalg.norm(leaf) for leaf in ordered])
    np.testing.assert_allclose(norms, of["norms"], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(every, of["gradient"], rtol=0, atol=1e-10 * norms.max())
