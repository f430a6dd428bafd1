"""Spleeter's network: its convolutions against XLA's own, its cuts, lanes, and songs in tiles."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ugosa_jax as uj
from tests.helpers.networks import make_checkpoint
from ugosa_jax.adaptation import strategy
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data.song import Song
from ugosa_jax.data.sound import Audio
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.networks.spleeter import Spleeter, strided_convolution
from ugosa_jax.networks.spleeter.stft import compute_spectrogram, overlap_add
from ugosa_jax.separation import chunks

TINY = Spleeter(nfft=64, bins=32, piece_frames=16, filters=(3, 4, 5), sample_rate_hz=8000)
"""Frames are 16 samples apart, a piece is 256 samples."""
NETWORKS = {
    "2 stems": TINY,
    "5 stems": dataclasses.replace(
        TINY, sources=("vocals", "piano", "drums", "bass", "other"), activation="elu", mask="softmax"
    ),
}


def noise(n_samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, (2, n_samples)).astype(np.float32)


def make_params(net, seed=0):
    """Return random parameters, also for norms, which are the identity after `init`."""
    random = np.random.default_rng(seed)

    def draw(path, leaf):
        return np.asarray((path[-1].key == "scale") + 0.2 * random.normal(size=leaf.shape), np.float32)

    return jax.tree_util.tree_map_with_path(draw, tree.infer_params(net))


@pytest.fixture(params=NETWORKS)
def net(request):
    return NETWORKS[request.param]


def test_default_settings_have_the_sizes_of_the_published_network():
    net = Spleeter()
    one = sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(jax.eval_shape(net.init))) // 2
    assert one == 9_822_725  # 39 MB of float32
    assert (
        net.count_pieces(10) == (1, 64)
        and net.count_pieces(508 * 1024) == (1, 512)
        and net.count_pieces(508 * 1024 + 1) == (2, 512)
    )
    assert net.count_pieces(round(net.segment_s * 44100)) == (1, 192) and net.segment_s == pytest.approx(
        188 * 1024 / 44100
    )
    assert net.tiling.step == 512 * 1024 and net.tiling.length == 511 * 1024 + 4096 and net.tiling.lead == 4096


@pytest.mark.parametrize(
    "changed", [{"bins": 33}, {"piece_frames": 12}, {"filters": (3,)}, {"nfft": 30}, {"activation": "relu"}]
)
def test_settings_refuse_values_that_do_not_fit(changed):
    with pytest.raises(InputError, match=next(iter(changed))):
        dataclasses.replace(TINY, **changed)


def same(x, kernel, stride=1, dilation=1):
    """XLA's own convolution, padded as TensorFlow pads."""
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", rhs_dilation=(dilation, dilation), dimension_numbers=numbers
    )


@pytest.mark.parametrize(("n_in", "n_out"), [(2, 3), (13, 1)])
def test_convolutions_and_their_gradients_equal_those_of_xla(n_in, n_out):
    random = np.random.default_rng(0)
    x, k = random.normal(size=(2, 6, 8, n_in)), random.normal(size=(5, 5, n_in, n_out))

    def transpose(x, kernel):
        """Return the transposed convolution, the gradient of the strided one."""
        shape = jax.ShapeDtypeStruct((2, 12, 16, n_out), x.dtype)
        return jax.linear_transpose(lambda y: same(y, kernel.swapaxes(2, 3), 2), shape)(x)[0]

    with jax.enable_x64(True):
        x, k = jnp.asarray(x), jnp.asarray(k)
        pairs = [
            (strided_convolution.downsample, lambda x, k: same(x, k, 2)),
            (strided_convolution.upsample, transpose),
        ]
        for ours, theirs in pairs:
            expected = jax.jit(theirs)(x, k)
            weights = jnp.asarray(random.normal(size=expected.shape))
            np.testing.assert_allclose(jax.jit(ours)(x, k), expected, atol=1e-12)
            gradients = [jax.jit(lambda dy, *a, f=f: jax.vjp(f, *a)[1](dy))(weights, x, k) for f in (ours, theirs)]
            for gradient, wanted in zip(*gradients, strict=True):
                np.testing.assert_allclose(gradient, wanted, atol=1e-11)


def test_the_dilated_convolution_equals_that_of_xla():
    random = np.random.default_rng(0)
    x = random.normal(size=(1, 8, 8, 1)).astype(np.float32)
    kernel = random.normal(size=(4, 4, 1, 2)).astype(np.float32)
    np.testing.assert_allclose(strided_convolution.convolve_dilated(x, kernel), same(x, kernel, 1, 2), atol=1e-5)


def test_overlap_add_inverts_the_spectrogram():
    x_CxN = noise(640)
    back_CxN = overlap_add(compute_spectrogram(x_CxN, 64), 64)
    assert compute_spectrogram(x_CxN, 64).shape == (2, 640 // 16 - 3, 33)
    np.testing.assert_allclose(back_CxN[:, 48:-48], x_CxN[:, 48:-48], atol=1e-6)
    assert np.abs(back_CxN[:, :16]).max() < np.abs(x_CxN[:, :16]).max()


def test_estimates_add_up_to_the_mixture_below_the_highest_bin(net):
    times_s = np.arange(700) / 8000
    mix_CxT = np.stack([np.sin(2 * np.pi * 500 * times_s), np.sin(2 * np.pi * 1000 * times_s)]).astype(np.float32)
    est_SxCxT = np.asarray(chunks.estimate(net, make_params(net), mix_CxT))
    assert est_SxCxT.shape == (net.S, 2, 700)
    inside = slice(100, 600)  # the ends are broadband
    np.testing.assert_allclose(est_SxCxT.sum(0)[:, inside], mix_CxT[:, inside], atol=2e-3)
    assert all(np.abs(est_CxT).max() > 1e-3 for est_CxT in est_SxCxT)


@pytest.mark.parametrize("cut", ["encoder3", "decoder2", "mask"])
def test_suffix_gives_the_same_estimates_at_any_cut_with_skips_or_without(cut):
    net, mix_CxT = NETWORKS["5 stems"], noise(700)
    params = make_params(net)

    @jax.jit
    def all_ways(params, mix_CxT):
        features = net.prefix(params, mix_CxT, cut)
        return [net.suffix(params, mix_CxT, kept, cut) for kept in (features, net.lean(features))]

    for found in all_ways(params, mix_CxT):
        np.testing.assert_allclose(found, chunks.estimate(net, params, mix_CxT), atol=1e-6)


def test_strategies_tune_the_stages_between_start_and_end():
    assert strategy.parse(None, TINY).tuned == ("decoder2", "decoder3", "mask")
    assert strategy.parse("P-E3:U", TINY).tuned == ("encoder3", "decoder1", "decoder2", "decoder3")
    assert strategy.parse("P-M:D", TINY).tuned == ("mask",)
    with pytest.raises(InputError, match="tunes nothing"):
        strategy.parse("P-M:U", TINY)


@pytest.mark.parametrize("n_samples", [40, 192, 193, 1000])
def test_a_song_in_tiles_equals_the_song_in_one_call(n_samples):
    """The whole song is padded to full pieces, as a mixture shorter than a piece has fewer frames."""
    net, mix_CxT = NETWORKS["5 stems"], noise(n_samples)
    params = make_params(net)
    silence = np.zeros((2, 1100 - n_samples), np.float32)
    whole = chunks.estimate(net, params, np.concatenate([mix_CxT, silence], 1))[..., :n_samples]
    np.testing.assert_allclose(chunks.separate(net, params, mix_CxT, SeparateConfig()), whole, atol=1e-6)


def test_shifts_delay_the_tiles_and_chunk_s_replaces_them():
    params, mix_CxT = make_params(TINY), noise(900)
    plain = chunks.separate(TINY, params, mix_CxT, SeparateConfig())
    shifted = chunks.separate(TINY, params, mix_CxT, SeparateConfig(shifts=2, max_shift_s=0.01))
    faded = chunks.separate(TINY, params, mix_CxT, SeparateConfig(chunk_s=0.05, overlap=0.5))
    for other in (shifted, faded):
        assert other.shape == plain.shape and 1e-4 < np.abs(other - plain).max() < 0.1
    assert chunks.count_chunks(TINY, 900, SeparateConfig()) == 4


def test_separate_keeps_the_level_of_the_song():
    song = Song(Audio(noise(900) + 0.01, 8000, "noise"))
    net = make_checkpoint(TINY)
    found = uj.separate(net, song)
    expected = chunks.separate(TINY, net.params, song.mixture.samples_CxT, SeparateConfig())
    for source, est_CxT in zip(TINY.sources, expected, strict=True):
        np.testing.assert_allclose(found[source], est_CxT, atol=1e-6)


@pytest.mark.slow
def test_spleeter_adapts_alone_and_in_lanes():
    said = Annotation((Interval(0, 0.1, "vocals", "silent"),), TINY.sources, "unknown")
    net = dataclasses.replace(make_checkpoint(TINY), params=make_params(TINY))
    song = Song(Audio(noise(2000), 8000, "noise"))
    settings = AdaptConfig(learning_rate=1e-2, epochs=2, segment_s=0.1)
    alone = uj.adapt(net, song, said, settings=settings)
    assert sorted(alone.tuned) == ["decoder2", "decoder3", "mask"]
    assert alone.losses_ExIx3[-1].mean() < alone.losses_ExIx3[0].mean()
    for features in ("lean", "recompute"):
        same = uj.adapt(net, song, said, settings=dataclasses.replace(settings, features=features))
        np.testing.assert_allclose(same.losses_ExIx3, alone.losses_ExIx3, rtol=1e-4)
    lanes = uj.adapt_lanes(net, song, said, settings=settings, lam=[0.0, 1.0])
    np.testing.assert_allclose(lanes[1].losses_ExIx3, alone.losses_ExIx3, rtol=1e-4)
