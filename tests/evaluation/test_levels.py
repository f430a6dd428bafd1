"""PES and EPS: parity with the paper's code, and by hand. SDR by hand."""

import math
from pathlib import Path

import numpy as np
import pytest

from ugosa_jax.errors import InputError
from ugosa_jax.evaluation import levels

DATA = Path(__file__).parents[1] / "data"
RATE_HZ = 44100


def weight(frames, n_samples):
    """Sum the squared windows of frames of a centred STFT of 2048 points with a hop of 512."""
    total_T = np.zeros(n_samples + 3 * 2048)
    for k in frames:
        total_T[k * 512 : k * 512 + 2048] += np.hanning(2049)[:-1] ** 2
    return total_T[1024 : 1024 + n_samples]


@pytest.fixture(scope="module")
def silenced():
    """Make the stems that the golden values are of: each silent in one quarter of the song's STFT frames.

    Zeroing frames and inverting weighs a sample by the share that the frames left have in its overlap-add.
    """
    golden = np.load(DATA / "silent_frames.npz")
    with np.load(DATA / "stems.npz") as file:
        stems_SxCxT, names = file["stems"].transpose(0, 2, 1), list(file["names"])
    n_frames = stems_SxCxT.shape[-1] // 512 + 1
    all_T = weight(range(n_frames), 512 * (n_frames - 1))
    out_SxCxT = np.zeros_like(stems_SxCxT)  # the inverse is shorter than the stems; what is missing is zero
    for quarter, name in enumerate(golden["order"]):
        first = quarter * (n_frames // 4)
        last = n_frames if quarter == 3 else first + n_frames // 4
        kept_T = 1 - weight(range(first, last), len(all_T)) / all_T
        source = names.index(str(name))
        out_SxCxT[source, :, : len(kept_T)] = stems_SxCxT[source, :, : len(kept_T)] * kept_T
    # Where the first channel is exactly zero is stored: an inverse FFT leaves rounding where this formula has zeros.
    zero_SxT = np.unpackbits(golden["zero"], axis=1, count=len(all_T)).astype(bool)
    sounds_SxCxT = out_SxCxT != 0
    sounds_SxCxT[..., : len(all_T)] |= ~zero_SxT[:, None]
    return golden, sounds_SxCxT.astype(float), out_SxCxT.sum(0) / 4


@pytest.mark.parametrize(("window_s", "hop_s"), [(2.0, 1.5), (0.5, 0.25)])
def test_golden(silenced, window_s, hop_s):
    golden, references_SxCxT, estimate_CxT = silenced  # the estimate of each source was a quarter of the mixture
    args = (estimate_CxT, RATE_HZ, window_s, hop_s)
    energies = [levels.compute_pes(reference_CxT, *args) for reference_CxT in references_SxCxT]
    expected_S = golden[f"win{window_s} hop{hop_s}/PES"]
    # Measured: 4e-5 dB at most, the golden being summed in single precision. One frame more or less moves it by 0.1 dB.
    np.testing.assert_allclose([level.db for level in energies], expected_S, rtol=0, atol=2e-4)
    assert [level.frames > 0 for level in energies] == [not math.isnan(level) for level in expected_S]
    predicted = [levels.compute_eps(reference_CxT, *args) for reference_CxT in references_SxCxT]
    assert np.isnan(golden[f"win{window_s} hop{hop_s}/EPS"]).all()
    assert predicted == [(pytest.approx(math.nan, nan_ok=True), 0)] * 4


def test_by_hand():
    reference_CxT = np.array([[0, 0, 0, 0, 5, 0, 0, 0.0], [0, 0, 1, 0, 5, 0, 0, 0]])
    estimate_CxT = np.array([[1, 3, 0, 0, 9, 9, 2, 0.0], [1, 2, 3, 4, 5, 6, 0, 10]])
    # Frames of two samples, two apart. Channel 0 is silent in frames 0, 1 and 3, channel 1 in 0 and 3.
    left = (10 * math.log10(10) - 120 + 10 * math.log10(4)) / 3
    right = (10 * math.log10(5) + 20) / 2
    level = levels.compute_pes(reference_CxT, estimate_CxT, 1.0, 2.0, 2.0)
    assert level.db == pytest.approx((left + right) / 2, abs=1e-9)
    assert level.frames == 3


def test_one_channel_silent():
    reference_CxT = np.array([[0.0, 0, 0, 0], [1, 1, 1, 1]])
    level = levels.compute_pes(reference_CxT, np.full((2, 4), 10.0), 1.0, 2.0, 2.0)
    assert level == (pytest.approx(10 * math.log10(200)), 2)


def test_eps_is_pes_exchanged():
    random = np.random.default_rng(0)
    sound_CxT, muted_CxT = random.normal(size=(2, 2, 40))
    muted_CxT[:, 10:20] = 0
    assert levels.compute_eps(sound_CxT, muted_CxT, 10.0, 0.5, 0.5).frames == 2
    assert levels.compute_eps(sound_CxT, muted_CxT, 10.0, 0.5, 0.5) == levels.compute_pes(
        muted_CxT, sound_CxT, 10.0, 0.5, 0.5
    )
    assert levels.compute_pes(sound_CxT, muted_CxT, 10.0, 0.5, 0.5).frames == 0


@pytest.mark.parametrize(
    ("n_samples", "frames"),
    [
        (6, 3),  # a whole number of hops, frames 0–3, 2–5 and the short 4–5
        (7, 2),  # not a whole number: of ⌈(7 − 3) / 2⌉ + 1 frames the last is left out, although it would fit
        (8, 4),
        (1, 0),
    ],
)
def test_number_of_frames(n_samples, frames):
    silent_CxT = np.zeros((1, n_samples))
    assert levels.compute_pes(silent_CxT, silent_CxT, 1.0, 3.0, 2.0).frames == frames


def test_hostile():
    with pytest.raises(InputError, match="estimate must be"):
        levels.compute_pes(np.zeros((2, 9)), np.zeros((1, 9)), 1.0, 2.0, 2.0)
    with pytest.raises(InputError, match="hop_s must be"):
        levels.compute_pes(np.zeros((2, 9)), np.zeros((2, 9)), 1.0, 2.0, 0.5)


def test_sdr_by_hand():
    reference = np.array([[3.0, 0.0], [0.0, 4.0]])
    assert levels.compute_sdr_db(reference, reference * 0.9) == pytest.approx(20)
    assert levels.compute_sdr_db(reference, np.zeros((2, 2))) == pytest.approx(0)
    assert levels.compute_sdr_db(reference, -reference) == pytest.approx(-10 * np.log10(4))


def test_perfect_and_empty_stay_finite():
    assert 60 < levels.compute_sdr_db(np.ones((1, 4)), np.ones((1, 4))) < np.inf
    assert levels.compute_sdr_db(np.zeros((1, 4)), np.zeros((1, 4))) == 0
