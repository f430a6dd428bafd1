"""The MedleyDB procedure: parity with the paper's code, and cases whose answer is known."""

from pathlib import Path

import numpy as np
import pytest

from ugosa_jax.annotations import activation
from ugosa_jax.errors import InputError

DATA = Path(__file__).parents[1] / "data"
RATE_HZ = 44100


@pytest.fixture(scope="module")
def stems_SxCxT():
    return np.load(DATA / "stems.npz")["stems"].transpose(0, 2, 1)


@pytest.mark.parametrize("threshold", [0.15, 0.01])
def test_activity_equals_the_golden_files(stems_SxCxT, threshold):
    golden = np.load(DATA / "activations.npz")
    n_samples = int(golden[f"theta{threshold}/samples"])
    active_SxT = np.unpackbits(golden[f"theta{threshold}/binary"], axis=1, count=n_samples).astype(bool)
    confidence_SxT = activation.compute_confidence(stems_SxCxT[:, 0], RATE_HZ, threshold)
    sampled = golden[f"theta{threshold}/confidence_every_441"]
    # Measured: 1.0e-6 at most, and no decision differs. That is rounding to float32; three of the decisions are
    # closer than 3e-6 to 0.5, so that on another machine one of them might fall differently.
    np.testing.assert_allclose(confidence_SxT[:, ::441], sampled, rtol=0, atol=3e-6)
    differs_SxT = (confidence_SxT >= 0.5) != active_SxT
    assert differs_SxT.sum() <= 4
    assert (np.abs(confidence_SxT[differs_SxT] - 0.5) < 3e-6).all()


def test_resampling_equals_librosa(stems_SxCxT):
    librosa = pytest.importorskip("librosa")
    frames_SxK = activation.compute_envelope(stems_SxCxT[:, 0])
    n_samples = stems_SxCxT.shape[-1]
    rate_hz = frames_SxK.shape[1] / (n_samples / RATE_HZ)
    expected = librosa.resample(frames_SxK, orig_sr=rate_hz, target_sr=RATE_HZ, res_type="soxr_hq")
    expected = librosa.util.fix_length(expected, size=n_samples)
    np.testing.assert_array_equal(activation._resample_envelope(frames_SxK, n_samples, RATE_HZ), expected)


def test_envelope_of_a_constant_is_its_square_root():
    envelope_SxK = activation.compute_envelope(np.full((1, 10 * activation.HOP), 0.25, np.float32))
    # √0.25 · mean of the window: a Hann window of M points sums to (M − 1) / 2, and its ends are zero.
    inside = 0.5 * (activation.FRAME + 1) / 2 / activation.FRAME
    assert envelope_SxK.shape == (1, 11)  # one HOP in front, one behind: six frames' worth of samples
    np.testing.assert_allclose(envelope_SxK[0, 1:-1], inside, rtol=1e-6)
    np.testing.assert_allclose(envelope_SxK[0, [0, -1]], inside / 2, rtol=1e-3)


def test_envelope_ignores_the_negative_half():
    assert not activation.compute_envelope(np.full((1, 9000), -0.5, np.float32)).any()


def test_envelope_equals_the_sum_over_each_frame():
    wave_T = np.random.default_rng(0).normal(size=30_000).astype(np.float32)
    padded_T = np.concatenate([np.zeros(2048), wave_T, np.zeros(-32_048 % 4096)])
    window = np.hanning(4098)[1:-1]
    starts = range(0, len(padded_T) - 4095, 2048)
    slow_K = [np.mean(np.sqrt(np.maximum(padded_T[k : k + 4096], 0)) * window) for k in starts]
    np.testing.assert_allclose(activation.compute_envelope(wave_T[None])[0], slow_K, rtol=1e-5)


def test_a_tone_is_active_where_it_sounds():
    t_s = np.arange(6 * RATE_HZ) / RATE_HZ
    tone_T = 0.3 * np.sin(2 * np.pi * 440 * t_s).astype(np.float32)
    stems_SxCxT = np.stack([tone_T * (t_s < 3), tone_T * (t_s >= 3)])[:, None]
    active_SxT = activation.detect_activity(stems_SxCxT, RATE_HZ)
    frame_s = activation.FRAME / RATE_HZ  # the resolution of the envelope, which also ends this much early
    clear_T = (np.abs(t_s - 3) > 2 * frame_s) & (t_s < 6 - frame_s)
    for source, sounds_T in enumerate((t_s < 3, t_s >= 3)):
        np.testing.assert_array_equal(active_SxT[source, clear_T], sounds_T[clear_T])


def test_digital_silence_is_not_active():
    assert not activation.detect_activity(np.zeros((4, 2, 20_000), np.float32), RATE_HZ).any()


def test_barely_audible_sound_is_not_active():
    hiss = 1e-5 * np.random.default_rng(0).normal(size=(4, 2, 50_000)).astype(np.float32)
    assert not activation.detect_activity(hiss, RATE_HZ).any()  # scaling would have made it loud


def test_channels_in_opposite_phase_do_not_cancel():
    noise_T = 0.1 * np.random.default_rng(0).normal(size=RATE_HZ).astype(np.float32)
    stems_SxCxT = np.stack([np.stack([noise_T, -noise_T]), np.zeros((2, RATE_HZ), np.float32)])
    active_SxT = activation.detect_activity(stems_SxCxT, RATE_HZ)
    assert active_SxT[0, : -activation.FRAME].all()
    assert not active_SxT[1].any()


def test_a_source_is_active_where_any_channel_is(stems_SxCxT):
    channels = [activation.compute_confidence(stems_SxCxT[:, c], RATE_HZ, 0.15) >= 0.5 for c in (0, 1)]
    np.testing.assert_array_equal(activation.detect_activity(stems_SxCxT, RATE_HZ), channels[0] | channels[1])


@pytest.mark.parametrize("n_samples", [10, 100, 2047, 2048, 2049, 4097])
def test_the_shortest_stems_are_accepted(n_samples):
    stems_SxCxT = np.random.default_rng(0).normal(size=(2, 1, n_samples)).astype(np.float32)
    assert activation.detect_activity(stems_SxCxT, RATE_HZ).shape == (2, n_samples)


def test_stems_shorter_than_the_filter_are_refused():
    with pytest.raises(InputError, match="at least 10 samples, not 9"):
        activation.detect_activity(np.ones((2, 1, 9), np.float32), RATE_HZ)
