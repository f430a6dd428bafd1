"""Whole-song separation: the reference's chunked output, and what must hold at the edges."""

import dataclasses

import numpy as np
import pytest

from ugosa_jax.config import SeparateConfig
from ugosa_jax.data.standard import standardise
from ugosa_jax.errors import InputError
from ugosa_jax.networks import apply
from ugosa_jax.networks.convtasnet import ConvTasNet

TINY = ConvTasNet(N=8, B=5, H=7, X=2, R=2, sources=("a", "b"), sample_rate_hz=1000)


@pytest.fixture(scope="module")
def tiny():
    return TINY.init(seed=1)


def noise(n_samples, seed=0):
    return np.random.default_rng(seed).standard_normal((2, n_samples)).astype(np.float32)


def test_reference_output(config, params, golden):
    z = golden("chunked_inference")
    mix_CxT, _ = standardise(golden("stems")["stems"].sum(0).T)
    chunk_s = int(z["segment_samples"]) / config.sample_rate_hz
    chunked = apply.separate(config, params, mix_CxT, SeparateConfig(chunk_s=chunk_s, overlap=float(z["overlap"])))
    whole = apply.separate(config, params, mix_CxT, SeparateConfig(chunk_s=mix_CxT.shape[1] / 44100, overlap=0))
    # Outputs reach 1; twelve blocks of single precision.
    np.testing.assert_allclose(chunked[..., z["index"]], z["chunked"], rtol=0, atol=5e-6)
    np.testing.assert_allclose(whole[..., z["index"]], z["whole"], rtol=0, atol=5e-6)


@pytest.mark.parametrize(("n", "expected"), [(4, [0.5, 1, 1, 0.5]), (5, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]), (1, [1])])
def test_triangle(n, expected):
    np.testing.assert_allclose(apply.triangle(n), expected)


@pytest.mark.parametrize("n_samples", [20, 21, 499, 500, 501, 1000, 1379])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.9])
def test_any_length_comes_out_at_its_length_and_finite(tiny, n_samples, overlap):
    est_SxCxT = apply.separate(TINY, tiny, noise(n_samples), SeparateConfig(chunk_s=0.5, overlap=overlap))
    assert est_SxCxT.shape == (2, 2, n_samples)
    assert np.isfinite(est_SxCxT).all()


def test_songs_of_many_lengths_share_two_programs(tiny):
    """One for whole chunks, and one for all that are shorter."""
    before = apply._run._cache_size()
    for n_samples in (300, 777, 1500):
        apply.separate(TINY, tiny, noise(n_samples), SeparateConfig(chunk_s=0.456))
    assert apply._run._cache_size() == before + 2


def test_shifts_average_delayed_separations(tiny):
    settings = SeparateConfig(chunk_s=0.5, shifts=3, max_shift_s=0.1, shift_seed=7)
    mix_CxT = noise(900)
    delays = apply.draw_delays(settings, 1000)
    assert len(set(delays)) > 1
    assert max(delays) <= 100
    delayed = [np.pad(mix_CxT, ((0, 0), (d, 0))) for d in delays]
    expected = np.mean([apply.separate_once(TINY, tiny, x, 500, 0.25)[..., -900:] for x in delayed], 0)
    np.testing.assert_allclose(apply.separate(TINY, tiny, mix_CxT, settings), expected, atol=1e-6)
    other = apply.separate(TINY, tiny, mix_CxT, dataclasses.replace(settings, shift_seed=8))
    assert np.abs(other - expected).max() > 1e-5


def test_progress_counts_every_chunk_of_every_shift(tiny):
    seen = []
    settings = SeparateConfig(chunk_s=0.5, overlap=0, shifts=2, max_shift_s=0.001)
    apply.separate(TINY, tiny, noise(990), settings, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_too_short(tiny):
    with pytest.raises(InputError, match="fewer than the network needs"):
        apply.separate(TINY, tiny, noise(19), SeparateConfig())
    with pytest.raises(InputError, match="chunk_s"):
        apply.separate(TINY, tiny, noise(100), SeparateConfig(chunk_s=0.01))
