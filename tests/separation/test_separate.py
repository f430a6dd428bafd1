"""Separation of whole songs in chunks: parity with the reference, lengths, shifts, blocks."""

import dataclasses

import numpy as np
import pytest

from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data.standardisation import standardise
from ugosa_jax.errors import InputError
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.separation import chunks
from ugosa_jax.separation.block_buffer import BlockBuffer

TINY = ConvTasNet(N=8, B=5, H=7, X=1, R=2, sources=("a", "b"), sample_rate_hz=1000)


class OneLength(ConvTasNet):
    """A network that takes chunks of one length only; shorter ones get sound of their neighbours."""

    @property
    def segment_samples(self):
        return 500


@pytest.fixture(scope="module")
def tiny():
    return TINY.init(seed=1)


def noise(n_samples, seed=0):
    return np.random.default_rng(seed).standard_normal((2, n_samples)).astype(np.float32)


def split_into_blocks(samples_CxT, length):
    return (samples_CxT[:, start : start + length] for start in range(0, samples_CxT.shape[1], length))


def test_separate_equals_the_chunked_and_whole_output_of_the_reference(config, params, golden):
    z = golden("chunked_inference")
    mix_CxT, _ = standardise(golden("stems")["stems"].sum(0).T)
    chunk_s = int(z["segment_samples"]) / config.sample_rate_hz
    chunked = chunks.separate(config, params, mix_CxT, SeparateConfig(chunk_s=chunk_s, overlap=float(z["overlap"])))
    whole = chunks.separate(config, params, mix_CxT, SeparateConfig(chunk_s=mix_CxT.shape[1] / 44100, overlap=0))
    # Outputs reach 1; twelve blocks of single precision.
    np.testing.assert_allclose(chunked[..., z["index"]], z["chunked"], rtol=0, atol=5e-6)
    np.testing.assert_allclose(whole[..., z["index"]], z["whole"], rtol=0, atol=5e-6)


@pytest.mark.parametrize(("n", "expected"), [(4, [0.5, 1, 1, 0.5]), (5, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]), (1, [1])])
def test_make_triangle_by_hand(n, expected):
    np.testing.assert_allclose(chunks.make_triangle(n), expected)


@pytest.mark.parametrize("n_samples", [20, 21, 499, 500, 501, 1000, 1379])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.9])
def test_separate_keeps_any_length_and_is_finite(tiny, n_samples, overlap):
    est_SxCxT = chunks.separate(TINY, tiny, noise(n_samples), SeparateConfig(chunk_s=0.5, overlap=overlap))
    assert est_SxCxT.shape == (2, 2, n_samples)
    assert np.isfinite(est_SxCxT).all()


def test_songs_of_any_length_share_two_programs(tiny):
    """One program for full chunks, and one for shorter ones."""
    before = chunks.estimate._cache_size()
    for n_samples in (300, 777, 1500):
        chunks.separate(TINY, tiny, noise(n_samples), SeparateConfig(chunk_s=0.456))
    assert chunks.estimate._cache_size() == before + 2


def test_shifts_average_the_separations_of_delayed_songs(tiny):
    settings = SeparateConfig(chunk_s=0.5, shifts=3, max_shift_s=0.1, shift_seed=7)
    mix_CxT = noise(900)
    delays = chunks.draw_delays(settings, 1000)
    assert len(set(delays)) > 1
    assert max(delays) <= 100
    delayed = [np.pad(mix_CxT, ((0, 0), (d, 0))) for d in delays]
    plain = SeparateConfig(chunk_s=0.5)
    expected = np.mean([chunks.separate(TINY, tiny, x, plain)[..., -900:] for x in delayed], 0)
    np.testing.assert_allclose(chunks.separate(TINY, tiny, mix_CxT, settings), expected, atol=1e-6)
    other = chunks.separate(TINY, tiny, mix_CxT, dataclasses.replace(settings, shift_seed=8))
    assert np.abs(other - expected).max() > 1e-5


def test_on_chunk_counts_every_chunk_of_every_shift(tiny):
    calls = []
    settings = SeparateConfig(chunk_s=0.5, overlap=0, shifts=2, max_shift_s=0.001)
    chunks.separate(TINY, tiny, noise(990), settings, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_separate_refuses_songs_and_chunks_shorter_than_a_filter(tiny):
    with pytest.raises(InputError, match="fewer than the network needs"):
        chunks.separate(TINY, tiny, noise(19), SeparateConfig())
    with pytest.raises(InputError, match="chunk_s"):
        chunks.separate(TINY, tiny, noise(100), SeparateConfig(chunk_s=0.01))


@pytest.mark.parametrize("shifts", [0, 3])
@pytest.mark.parametrize("net", [TINY, OneLength(**dataclasses.asdict(TINY))])
def test_estimates_do_not_depend_on_the_blocks_of_the_song(tiny, net, shifts):
    settings = SeparateConfig(chunk_s=0.5, shifts=shifts, max_shift_s=0.3)
    params, mix_CxT = net.init(seed=1), noise(2345)
    whole = chunks.separate(net, params, mix_CxT, settings)
    for length in (7, 500, 2345):
        found = [*chunks.separate_blocks(net, params, split_into_blocks(mix_CxT, length), 2345, settings)]
        assert len(found) > 3
        assert max(block.shape[-1] for block in found) <= 500
        np.testing.assert_array_equal(np.concatenate(found, -1), whole)


def test_separate_equals_the_weighted_sum_of_all_chunks(tiny):
    mix_CxT, triangle = noise(1379), chunks.make_triangle(500).astype(np.float32)
    total, weights = np.zeros((2, 2, 1379), np.float32), np.zeros(1379, np.float32)
    for start in range(0, 1379, 375):
        stop = min(start + 500, 1379)
        padded = np.pad(mix_CxT[:, start:stop], ((0, 0), (0, 500 - (stop - start))))
        est = np.asarray(TINY(tiny, padded, stop - start))[..., : stop - start]
        total[..., start:stop] += triangle[: stop - start] * est
        weights[start:stop] += triangle[: stop - start]
    found = chunks.separate(TINY, tiny, mix_CxT, SeparateConfig(chunk_s=0.5))
    np.testing.assert_allclose(found, total / weights, atol=1e-6)  # values of 1 in float32, two programs


def test_separate_blocks_refuses_too_many_chunks_before_the_first():
    with pytest.raises(InputError, match="use less overlap"):
        chunks.separate_blocks(TINY, {}, [], 10**6, SeparateConfig(chunk_s=0.5, overlap=0.99))


def test_block_buffer_reads_the_signal_with_silence_around_it():
    signal = noise(100)
    padded = np.pad(signal, ((0, 0), (30, 30)))
    buffer = BlockBuffer(split_into_blocks(signal, 7), 2, 100)
    for start, stop in [(-30, -10), (-5, 3), (0, 0), (0, 7), (20, 61), (15, 20), (99, 130), (100, 120), (105, 130)]:
        np.testing.assert_array_equal(buffer.read(start, stop), padded[:, 30 + start : 30 + stop])


def test_block_buffer_refuses_to_read_discarded_and_missing_samples():
    buffer = BlockBuffer(split_into_blocks(noise(100), 7), 2, 100)
    buffer.read(0, 50)
    buffer.discard_before(40)
    assert buffer.read(40, 60).shape == (2, 20)
    with pytest.raises(ValueError, match="discarded"):
        buffer.read(39, 60)
    buffer.discard_before(1000)
    with pytest.raises(ValueError, match="ends after 50"):
        BlockBuffer(split_into_blocks(noise(50), 7), 2, 100).read(0, 60)


@pytest.mark.parametrize("field", ["shifts", "overlap", "pitch_shifts", "epochs"])
@pytest.mark.parametrize("value", [10**9, -1])
def test_settings_refuse_counts_that_would_run_forever(field, value):
    config = SeparateConfig if field in ("shifts", "overlap") else AdaptConfig
    with pytest.raises(InputError, match=f"{field} must be at least"):
        config(**{field: value})
