"""Segments of a song, and the order of their epochs."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugosa_jax.adaptation import schedule, segments
from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks.convtasnet import ConvTasNet

SLOW_RATE = ConvTasNet(sample_rate_hz=100)


def ramp(n_samples):
    """Return a song whose samples are their indices, and activations that are 1 at even samples."""
    mix_CxT = np.stack([np.arange(n_samples, dtype=np.float32)] * 2)
    return mix_CxT, np.tile(np.arange(n_samples) % 2 == 0, (4, 1))


def test_segments_are_consecutive_and_the_last_ends_with_the_song():
    song = segments.cut_song(*ramp(1050), AdaptConfig(segment_s=4.0), SLOW_RATE)
    assert song.n == 3
    assert song.mix_GxVxCxT.shape == (3, 1, 2, 400)
    assert song.mix_GxVxCxT[:, 0, 0, 0].tolist() == [0, 400, 650]
    assert song.mix_GxVxCxT[2, 0, 1, -1] == 1049
    assert song.active_GxSxT[2, 0, :3].tolist() == [True, False, True]


def test_hop_s_is_the_distance_of_segments():
    song = segments.cut_song(*ramp(600), AdaptConfig(segment_s=4.0, hop_s=1.0), SLOW_RATE)
    assert song.mix_GxVxCxT[: song.n, 0, 0, 0].tolist() == [0, 100, 200]
    assert len(song.mix_GxVxCxT) == 3


def test_padding_up_to_the_bucket_is_zero():
    song = segments.cut_song(*ramp(2000), AdaptConfig(segment_s=4.0), SLOW_RATE)
    assert (song.n, len(song.mix_GxVxCxT)) == (5, 6)
    assert not song.mix_GxVxCxT[5:].any()


@given(st.integers(1, 30), st.integers(0, 5), st.integers(1, 2**40), st.integers(0, 50))
def test_a_shuffled_epoch_has_every_segment_once(n, padding, seed, epoch):
    order = schedule.shuffle_segments(n, n + padding, seed, epoch)
    assert sorted(order[:n]) == list(range(n))
    assert order[n:].tolist() == list(range(n, n + padding))
    beside = schedule.shuffle_segments(n + padding, n + padding, seed, epoch)
    assert beside[beside < n].tolist() == order[:n].tolist()


def test_remixes_are_half_of_the_steps_with_an_order_for_each_source():
    is_due_G, order_GxS, gain_GxS = remixes = schedule.draw_remixes(1, 0, 1024, 4)
    assert 0.45 < is_due_G.mean() < 0.55
    assert {tuple(sorted(order_S)) for order_S in order_GxS.T} == {tuple(range(1024))}
    assert len({tuple(order_S) for order_S in order_GxS.T}) == 4
    assert 10 ** (-4 / 20) < gain_GxS.min() < 0.65
    assert 1.55 < gain_GxS.max() < 10 ** (4 / 20)
    everything = schedule.select_remixes(remixes, np.arange(1024), 1024)
    for found, expected in zip(everything, remixes, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_select_remixes_beside_a_longer_song_equals_those_alone():
    """The song has segments 0 to 2, at positions 1, 3 and 4 of the shared order."""
    remixes = schedule.draw_remixes(1, 0, 6, 2)
    beside = schedule.select_remixes(remixes, np.array([4, 2, 3, 0, 1, 5]), 3)
    alone = schedule.select_remixes(remixes, np.array([2, 0, 1, 3, 4, 5]), 3)
    for found, expected in zip(beside, alone, strict=True):
        np.testing.assert_array_equal(found[np.array([1, 3, 4])], expected[:3])
    orders = [schedule.shuffle_segments(3, 6, 1, 0, 1 + s)[:3] for s in range(2)]
    np.testing.assert_array_equal(alone.order_GxS[:3], np.stack(orders, -1))


def test_epochs_and_seeds_have_different_orders():
    orders = {tuple(schedule.shuffle_segments(9, 12, seed, epoch)) for seed in (1, 2) for epoch in range(10)}
    assert len(orders) == 20


@given(st.integers(1, 10_000))
def test_buckets_waste_at_most_a_third(n):
    assert n <= segments.find_bucket(n) <= max(n, 1.5 * n - 0.5)
    assert segments.find_bucket(segments.find_bucket(n)) == segments.find_bucket(n)


@given(st.integers(50, 400), st.integers(20, 50), st.integers(1, 60))
def test_segments_without_gaps_cover_every_sample(n_samples, length, hop):
    starts = segments.list_starts(n_samples, length, hop)
    assert starts == sorted(set(starts))
    assert starts[-1] + length == n_samples
    if hop <= length:
        assert all(later - earlier <= length for earlier, later in itertools.pairwise(starts))


def test_cut_song_refuses_songs_and_segments_that_are_too_short():
    with pytest.raises(InputError, match=r"3\.99 s, less than one segment of 4 s"):
        segments.cut_song(*ramp(399), AdaptConfig(segment_s=4.0), SLOW_RATE)
    with pytest.raises(InputError, match="shorter than the network needs"):
        segments.cut_song(*ramp(399), AdaptConfig(segment_s=0.1), SLOW_RATE)


def test_cut_song_refuses_more_segments_than_memory():
    with pytest.raises(InputError, match="use a longer hop_s"):
        segments.cut_song(*ramp(1_000_000), AdaptConfig(segment_s=600, hop_s=0.01), SLOW_RATE)


def test_pitch_shifted_variants_have_the_drawn_interval():
    pytest.importorskip("librosa")
    rate_hz = ConvTasNet().sample_rate_hz
    tone_T = np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz).astype(np.float32)
    settings = AdaptConfig(segment_s=0.5, pitch_shifts=2, pitch_range_semitones=12, pitch_seed=3)
    song = segments.cut_song(np.stack([tone_T] * 2), np.ones((4, rate_hz), bool), settings, ConvTasNet())
    assert song.mix_GxVxCxT.shape[:2] == (2, 3)
    steps = np.random.default_rng(3).uniform(-12, 12, (2, 2))
    for g in range(2):
        expected_hz = [440, *440 * 2 ** (steps[g] / 12)]
        for v, hz in enumerate(expected_hz):
            spectrum = np.abs(np.fft.rfft(song.mix_GxVxCxT[g, v, 0] * np.hanning(song.mix_GxVxCxT.shape[-1])))
            found_hz = spectrum.argmax() * rate_hz / song.mix_GxVxCxT.shape[-1]
            assert found_hz == pytest.approx(hz, rel=0.03)  # one bin of half a second is 2 Hz; the vocoder wavers


def test_pitch_shifts_without_librosa_name_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "librosa.effects", None)
    with pytest.raises(InputError, match=r"pitch_shifts: this needs librosa: pip install 'ugosa_jax\[augment\]'"):
        segments.cut_song(*ramp(800), AdaptConfig(segment_s=4.0, pitch_shifts=1), SLOW_RATE)
