"""The controlled scenario: parity with the paper's code and with transforms, and properties of gains."""

from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from ugosa_jax.data import controlled
from ugosa_jax.data.controlled import FRAME, HOP
from ugosa_jax.errors import InputError

DATA = Path(__file__).parents[1] / "data"


def noise(n_sources: int, n_channels: int, n_samples: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).normal(size=(n_sources, n_channels, n_samples)).astype(np.float32)


def transformed(wave_CxT: np.ndarray, start: int, end: int) -> np.ndarray:
    """Silence with transforms: transform, set frames to zero, and transform back by least squares."""
    window = scipy.signal.get_window("hann", FRAME)
    n_frames = wave_CxT.shape[-1] // HOP + 1
    padded_CxT = np.pad(wave_CxT.astype(np.float64), ((0, 0), (FRAME // 2, FRAME // 2)))
    total_CxT, weight_T = np.zeros_like(padded_CxT), np.zeros(padded_CxT.shape[1])
    for k in range(n_frames):
        place = slice(k * HOP, k * HOP + FRAME)
        spectrum_CxF = np.fft.rfft(padded_CxT[:, place] * window)
        spectrum_CxF[:] *= not start <= k < end
        total_CxT[:, place] += np.fft.irfft(spectrum_CxF) * window
        weight_T[place] += window**2
    inside = slice(FRAME // 2, FRAME // 2 + (n_frames - 1) * HOP)
    return total_CxT[:, inside] / weight_T[inside]


def test_silence_equals_the_golden_stems():
    golden = np.load(DATA / "silenced_stems.npz")
    stems = np.load(DATA / "stems.npz")
    stems_SxCxT = stems["stems"].transpose(0, 2, 1)
    order = [list(stems["names"]).index(name) for name in golden["order"]]
    silenced_SxCxT = controlled.silence_stretches(stems_SxCxT, order)
    assert silenced_SxCxT.shape == (4, 2, golden["length"])
    assert silenced_SxCxT.shape[2] == (golden["frames"] - 1) * HOP
    sampled_SxIxC = silenced_SxCxT[:, :, golden["index"]].transpose(0, 2, 1)
    # Measured: 4.5e-8 at most, rounding of the reference's single-precision transforms of sound of up to 0.46.
    np.testing.assert_allclose(sampled_SxIxC, golden["values"], rtol=0, atol=2e-7)

    theirs_SxT = np.unpackbits(golden["zero"], axis=1, count=int(golden["length"])).astype(bool)
    ours_SxT = silenced_SxCxT[:, 0] == 0  # the map is of channel 0
    assert ours_SxT[theirs_SxT].all()
    # The rest is silence of the stems themselves, into which the reference's transforms carry rounding errors.
    assert (stems_SxCxT[:, 0, : ours_SxT.shape[1]][ours_SxT & ~theirs_SxT] == 0).all()


@pytest.mark.parametrize(("start", "end"), [(0, 10), (10, 20), (30, 41), (0, 0), (5, 6)])
def test_gain_equals_inverse_transforms(start, end):
    wave_CxT = noise(1, 2, 40 * HOP + 300)[0]
    expected_CxT = transformed(wave_CxT, start, end)
    gain_T = controlled.compute_gain(41, start, end)
    assert gain_T.shape == (40 * HOP,)
    np.testing.assert_allclose(wave_CxT[:, : 40 * HOP] * gain_T, expected_CxT, rtol=0, atol=1e-7)


def test_gain_equals_that_of_librosa():
    librosa = pytest.importorskip("librosa")
    stems_SxCxT = noise(3, 2, 50_000)
    order = (2, 0, 1)
    spectrum = librosa.stft(stems_SxCxT)
    stretch = spectrum.shape[-1] // 3
    for position, source in enumerate(order):
        end = (position + 1) * stretch if position < 2 else None
        spectrum[source, ..., position * stretch : end] = 0
    expected_SxCxT = librosa.istft(spectrum)
    np.testing.assert_allclose(controlled.silence_stretches(stems_SxCxT, order), expected_SxCxT, rtol=0, atol=1e-6)


def test_gain_by_hand():
    gain_T = controlled.compute_gain(32, 8, 16)
    # Samples that lie in frames 8 … 15 only: from the end of frame 7 to the start of frame 16, which is centred.
    first, behind = 7 * HOP + FRAME // 2, 16 * HOP - FRAME // 2
    silent_T = np.flatnonzero(gain_T == 0)
    assert silent_T[0] == first
    assert silent_T[-1] == behind  # one more: a periodic Hann window begins with zero
    assert len(silent_T) == behind - first + 1
    before, after = 8 * HOP - FRAME // 2, 15 * HOP + FRAME // 2  # where frame 8 begins and where frame 15 ends
    assert (gain_T[: before + 1] == 1).all()
    assert (gain_T[after:] == 1).all()
    assert (np.diff(gain_T[before : first + 1]) <= 1e-6).all()
    # In the middle of the fade frames 6, 7 stand against 8, 9, whose windows mirror theirs.
    assert gain_T[(before + first) // 2] == pytest.approx(0.5, abs=1e-6)


def test_each_source_is_silent_in_its_stretch_and_untouched_elsewhere():
    stems_SxCxT = noise(4, 2, 100_000)
    order = (3, 1, 0, 2)
    silenced_SxCxT = controlled.silence_stretches(stems_SxCxT, order)
    quarter = 100_000 // HOP // 4 * HOP
    for position, source in enumerate(order):
        middle = slice(position * quarter + FRAME, (position + 1) * quarter - FRAME)
        assert not silenced_SxCxT[source, :, middle].any()
        for other in set(order) - {source}:
            kept = silenced_SxCxT[other, :, middle] == stems_SxCxT[other, :, middle]
            assert kept.all()
    assert (silenced_SxCxT != 0).any(axis=0).all()  # something sounds at any time


def test_sources_do_not_influence_each_other():
    stems_SxCxT = noise(4, 1, 20_000)
    changed_SxCxT = stems_SxCxT.copy()
    changed_SxCxT[2] *= -2
    before, after = (controlled.silence_stretches(stems, (0, 1, 2, 3)) for stems in (stems_SxCxT, changed_SxCxT))
    np.testing.assert_array_equal(before[[0, 1, 3]], after[[0, 1, 3]])
    np.testing.assert_array_equal(-2 * before[2], after[2])  # a power of two: nothing is rounded


def test_silence_does_not_modify_its_input():
    stems_SxCxT = noise(2, 1, 20_000)
    controlled.silence_stretches(stems_SxCxT, (0, 1))
    np.testing.assert_array_equal(stems_SxCxT, noise(2, 1, 20_000))


@pytest.mark.parametrize("n_samples", [20_480, 20_481, 20_991])
def test_silence_cuts_the_end_to_whole_hops(n_samples):
    assert controlled.silence_stretches(noise(4, 1, n_samples), (0, 1, 2, 3)).shape == (4, 1, 20_480)


@pytest.mark.parametrize("n_sources", [2, 4, 5])
def test_silence_accepts_the_shortest_song_and_refuses_a_shorter_one(n_sources):
    least = controlled.compute_min_samples(n_sources)
    order = range(n_sources)
    silenced_SxCxT = controlled.silence_stretches(noise(n_sources, 1, least), order)
    assert all((silenced_SxCxT[source, 0] == 0).sum() >= HOP for source in order)
    with pytest.raises(InputError, match=f"at least {least} samples, not {least - 1}"):
        controlled.silence_stretches(noise(n_sources, 1, least - 1), order)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 1, 2, 2), (1, 2, 3, 4), ()])
def test_silence_refuses_an_invalid_order(order):
    with pytest.raises(InputError, match="order must be each of 0 to 3 once"):
        controlled.silence_stretches(noise(4, 1, 20_000), order)


def test_order_depends_only_on_seed_and_song():
    assert controlled.draw_order(4, 0, "a song") == controlled.draw_order(4, 0, "a song")
    assert controlled.draw_order(4, 0, "Caf\u00e9") == controlled.draw_order(4, 0, "Cafe\u0301")
    # Pinned, so that later versions can reproduce prepared sets.
    assert controlled.draw_order(4, 0, "a song") == (3, 2, 0, 1)


def test_orders_are_evenly_spread():
    orders = [controlled.draw_order(4, seed, f"song {i}") for seed in range(12) for i in range(100)]
    counts_SxP = np.array([[sum(order[p] == s for order in orders) for p in range(4)] for s in range(4)])
    # Each source is expected 300 times in each place, with a standard deviation of 15.
    assert np.abs(counts_SxP - 300).max() < 60
    assert len(set(orders)) == 24
