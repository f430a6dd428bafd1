"""Refinement: sums of stems, and masks compared with their formulas."""

import dataclasses

import numpy as np
import pytest
import scipy.signal

import ugosa_jax as uj
from tests.helpers.networks import make_checkpoint
from ugosa_jax.adaptation import song_adaptation as adaptation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data.song import Song
from ugosa_jax.data.sound import Audio
from ugosa_jax.errors import InputError
from ugosa_jax.separation import refine
from ugosa_jax.separation import song_separation as separation

WIENER = SeparateConfig(refine="wiener", wiener_window=256)
WAYS = [
    SeparateConfig(refine="residual"),
    WIENER,
    dataclasses.replace(WIENER, wiener_exponent=2.0),
    dataclasses.replace(WIENER, wiener_em_steps=2),
]


@pytest.fixture
def sounds():
    """Three noise sources, their mixture, and estimates that leak; the first source is silent in the middle."""
    random = np.random.default_rng(0)
    est_SxCxT = random.normal(size=(3, 2, 5000)).astype(np.float32)
    gain_SxT = np.ones((3, 5000), np.float32)
    gain_SxT[0, 1000:3000] = 0
    gain_SxT[0, 950:1000] = np.linspace(1, 0, 50)
    mix_CxT = (est_SxCxT * gain_SxT[:, None]).sum(0) + 0.3 * random.normal(size=(2, 5000)).astype(np.float32)
    return est_SxCxT, mix_CxT.astype(np.float32), gain_SxT


@pytest.mark.parametrize("settings", WAYS, ids=str)
def test_refine_makes_stems_add_up_to_the_mixture_and_silences_silent_ones(sounds, settings):
    est_SxCxT, mix_CxT, gain_SxT = sounds
    out_SxCxT = refine.refine(est_SxCxT, mix_CxT, gain_SxT, settings)
    assert out_SxCxT.dtype == np.float32
    np.testing.assert_allclose(out_SxCxT.sum(0), mix_CxT, atol=3e-6)
    assert not out_SxCxT[0, :, 1000:3000].any()


@pytest.mark.parametrize("settings", WAYS, ids=str)
def test_refine_gives_the_mixture_to_the_only_source_that_plays(sounds, settings):
    est_SxCxT, mix_CxT, gain_SxT = sounds
    gain_SxT[1:, 2000:2500] = 0
    gain_SxT[0, 2000:2500] = 1
    out_SxCxT = refine.refine(est_SxCxT, mix_CxT, gain_SxT, settings)
    np.testing.assert_allclose(out_SxCxT[0, :, 2000:2500], mix_CxT[:, 2000:2500], atol=1e-6)


def test_refine_is_silent_where_all_sources_are(sounds):
    est_SxCxT, mix_CxT, gain_SxT = sounds
    gain_SxT[:, :700] = 0
    assert not refine.refine(est_SxCxT, mix_CxT, gain_SxT, WIENER)[..., :700].any()


def test_distribute_residual_divides_by_gain(sounds):
    est_SxCxT, mix_CxT, _ = sounds
    gain_SxT = np.stack([np.full(5000, g, np.float32) for g in (1, 0.5, 0.5)])
    out_SxCxT = refine.distribute_residual(est_SxCxT, mix_CxT, gain_SxT)
    lacking_CxT = mix_CxT - est_SxCxT.sum(0)
    np.testing.assert_allclose(out_SxCxT[0] - est_SxCxT[0], lacking_CxT / 2, atol=1e-6)
    np.testing.assert_allclose(out_SxCxT[1] - est_SxCxT[1], lacking_CxT / 4, atol=1e-6)


def test_stft_equals_that_of_scipy_and_istft_inverts_it():
    random = np.random.default_rng(1)
    x_CxT = random.normal(size=(2, 3333))
    found = refine.stft(x_CxT, 512)
    expected = scipy.signal.stft(x_CxT, window="hann", nperseg=512, noverlap=384, boundary=None, padded=False)[2]
    np.testing.assert_allclose(found[..., 4 : 4 + expected.shape[-1]], expected * 256, atol=1e-9)
    np.testing.assert_allclose(refine.istft(found, 512, 3333), x_CxT, atol=1e-12)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_masks_equal_the_shares_of_the_magnitudes(sounds, p):
    est_SxCxT, mix_CxT, _ = sounds
    settings = dataclasses.replace(WIENER, wiener_exponent=p)
    powers = [np.abs(refine.stft(est_CxT, 256)) ** p for est_CxT in est_SxCxT]
    expected = refine.istft(refine.stft(mix_CxT, 256) * powers[1] / (sum(powers) + 1e-10), 256, 5000)
    np.testing.assert_allclose(refine.apply_wiener_masks(est_SxCxT, mix_CxT, settings)[1], expected, atol=1e-5)


def test_em_on_one_channel_equals_masks_of_powers(sounds):
    """For a single channel, R is 1 and v R (Σ v R)⁻¹ is a mask of powers."""
    est_SxCxT, mix_CxT, _ = (x[..., :1, :] if x.ndim > 1 and x.shape[-2] == 2 else x for x in sounds)
    powers = dataclasses.replace(WIENER, wiener_exponent=2.0)
    steps = dataclasses.replace(WIENER, wiener_em_steps=1)
    by_steps, by_masks = (refine.apply_wiener_masks(est_SxCxT, mix_CxT, how) for how in (steps, powers))
    np.testing.assert_allclose(by_steps, by_masks, atol=1e-4)


def test_em_separates_two_sources_by_their_panning():
    """With one source left and one right, spatial covariances separate even estimates of equal spectra."""
    random = np.random.default_rng(2)
    left, right = random.normal(size=(2, 4000))
    true_SxCxT = np.array([[left, 0 * left], [0 * right, right]])
    est_SxCxT = true_SxCxT * [[[0.5]], [[2.0]]]
    out_SxCxT = refine.apply_wiener_masks(est_SxCxT, true_SxCxT.sum(0), dataclasses.replace(WIENER, wiener_em_steps=1))
    np.testing.assert_allclose(out_SxCxT, true_SxCxT, atol=1e-3)


def in_pieces(sounds, settings):
    est_SxCxT, mix_CxT, gain_SxT = sounds
    reads = [lambda start, stop, x=x: x[..., start:stop] for x in (est_SxCxT, mix_CxT, gain_SxT)]
    return [*refine.refine_in_pieces(*reads, est_SxCxT.shape[-1], settings)]


@pytest.mark.parametrize("settings", WAYS[:3], ids=str)
def test_refine_in_pieces_equals_refining_the_whole(sounds, settings, monkeypatch):
    """Pieces of 1024 samples, sixteen windows of 64, overlap by 192."""
    monkeypatch.setattr(refine, "PIECE", 1)
    settings = dataclasses.replace(settings, wiener_window=64)
    parts = in_pieces(sounds, settings)
    assert [part.shape[-1] for part in parts] == [896, 832, 832, 832, 832, 776]
    np.testing.assert_allclose(np.concatenate(parts, -1), refine.refine(*sounds, settings), atol=2e-6)


@pytest.mark.parametrize("n_samples", [1, 1023, 1024, 1025, 1856, 1857])
def test_refine_in_pieces_adds_up_to_the_mixture_for_any_length(sounds, monkeypatch, n_samples):
    """Covariances differ between pieces; the sum and the silences do not."""
    monkeypatch.setattr(refine, "PIECE", 1)
    cut = est_SxCxT, mix_CxT, gain_SxT = [x[..., 500 : 500 + n_samples] for x in sounds]
    out_SxCxT = np.concatenate(in_pieces(cut, dataclasses.replace(WAYS[3], wiener_window=64)), -1)
    assert out_SxCxT.shape == est_SxCxT.shape
    np.testing.assert_allclose(out_SxCxT.sum(0), mix_CxT, atol=3e-6)
    assert not out_SxCxT[gain_SxT[:, None].repeat(2, 1) == 0].any()


@pytest.mark.parametrize("field", ["wiener_window", "wiener_exponent", "wiener_em_steps"])
def test_wiener_settings_out_of_range_are_refused_by_name(field):
    with pytest.raises(InputError, match=field):
        SeparateConfig(**{field: -1})


def test_separate_refines_with_the_annotation_of_the_song(tmp_path):
    """Stems are empty where annotated silent and add up to the mixture, from `uj.separate` on."""
    net = make_checkpoint()
    random = np.random.default_rng(3)
    mix_CxT = random.normal(size=(2, 8000)).astype(np.float32)
    said = Annotation((Interval(0.2, 0.6, "voice", "silent"),), net.sources, "unknown")
    song = Song(Audio(mix_CxT, 8000, "noise"), annotation=said)
    out = uj.separate(net, song, settings=dataclasses.replace(WIENER, chunk_s=0.5))
    np.testing.assert_allclose(out["voice"] + out["rest"], mix_CxT, atol=1e-5)
    assert not out["voice"][:, 1700:4700].any()
    np.testing.assert_allclose(out["rest"][:, 1700:4700], mix_CxT[:, 1700:4700], atol=1e-6)


def test_refine_blocks_reads_a_long_song_as_needed(monkeypatch):
    """No block is longer than a piece, and all blocks together equal a single piece."""
    net, settings = make_checkpoint(), dataclasses.replace(WIENER, chunk_s=0.5, wiener_window=64)
    song = Song(Audio(np.random.default_rng(4).normal(size=(2, 8000)).astype(np.float32), 8000, "noise"))
    (whole_SxCxT,) = separation.separate_song(net, song, settings)
    monkeypatch.setattr(refine, "PIECE", 1)
    parts = [*separation.separate_song(net, song, settings)]
    assert max(part.shape[-1] for part in parts) == 896 and len(parts) == 10
    np.testing.assert_allclose(np.concatenate(parts, -1), whole_SxCxT, atol=2e-6)


def test_remixes_use_stems_refined_with_the_annotation():
    """They are cut like the mixture, add up to it, and are empty where their source is annotated silent."""
    net = make_checkpoint()
    random = np.random.default_rng(3)
    mix_CxT = random.normal(size=(2, 8000)).astype(np.float32)
    said = Annotation((Interval(0.2, 0.6, "voice", "silent"),), net.sources, "unknown")
    song = Song(Audio(mix_CxT, 8000, "noise"), annotation=said)
    remixed = adaptation.prepare(net, song, None, AdaptConfig("R-L2:M", segment_s=0.25))
    np.testing.assert_allclose(remixed.stems_GxSxCxT.sum(1), remixed.mix_GxVxCxT[:, 0], atol=1e-5)
    assert not remixed.stems_GxSxCxT[1, net.sources.index("voice")].any()
    assert remixed.stems_GxSxCxT[0].any(axis=(1, 2)).all()
    assert adaptation.prepare(net, song, None, AdaptConfig("B-L2:M", segment_s=0.25)).stems_GxSxCxT is None
    with pytest.raises(InputError, match="R-L2:M needs an annotation"):
        adaptation.prepare(net, dataclasses.replace(song, annotation=None), None, AdaptConfig("R-L2:M", segment_s=0.25))
