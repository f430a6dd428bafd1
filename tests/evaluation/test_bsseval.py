"""BSSEval: parity with museval, cases whose scores are known, silence in all its forms, and museval's JSON."""

import importlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from ugosa_jax.config import EvaluateConfig
from ugosa_jax.errors import InputError
from ugosa_jax.evaluation import bsseval, least_squares, museval

DATA = Path(__file__).parents[1] / "data"
RATE_HZ = 4000
"""Filters have 512 taps at any rate; a low one makes songs of several frames short."""
PAPER, MUSDB = EvaluateConfig(2.0, 1.5), EvaluateConfig(1.0, 1.0)
PARITY_DB = 1e-4
"""Tolerance in dB. Measured where the stems determine the filters: below 1e-10; SDR, without filters: 1e-12."""


def song(n_sources=2, n_channels=2, seconds=5.0, seed=0):
    """Return coloured noise as stems, and estimates made of them, their mixture and other noise."""
    random = np.random.default_rng(seed)
    stems = random.standard_normal((n_sources, n_channels, round(seconds * RATE_HZ)))
    for source in range(n_sources):
        stems[source] = 0.1 * scipy.signal.lfilter([1], [1, -0.3 * source], stems[source])
    return stems, estimates_of(stems, random)


def estimates_of(stems, random):
    return 0.8 * stems + 0.1 * stems.sum(0) + 0.01 * random.standard_normal(stems.shape)


def ours(stems, est, settings=MUSDB):
    return bsseval.score(bsseval.prepare(stems, RATE_HZ, settings), est)


def assert_like_museval(stems, est, settings, rate_hz=RATE_HZ, atol=PARITY_DB):
    scores = bsseval.score(bsseval.prepare(stems, rate_hz, settings), est).mask_frames("museval")
    expected = museval.score_with_museval(stems, est, rate_hz, settings).mask_frames("museval")
    for metric in bsseval.METRICS:
        np.testing.assert_allclose(scores[metric], expected[metric], rtol=0, atol=atol, err_msg=metric)
    return scores["SDR"]


@pytest.mark.parametrize("settings", [PAPER, MUSDB], ids=["2.0/1.5", "1.0/1.0"])
@pytest.mark.parametrize(("n_sources", "n_channels"), [(3, 1), (1, 2)])
def test_parity(n_sources, n_channels, settings):
    stems, est = song(n_sources, n_channels)
    assert np.isfinite(assert_like_museval(stems, est, settings)).all()


@pytest.mark.parametrize("settings", [PAPER, MUSDB], ids=["2.0/1.5", "1.0/1.0"])
def test_parity_where_something_is_silent(settings):
    stems, est = song(2, 1, seconds=8.0)
    stems[0, :, : 2 * RATE_HZ] = 0
    est[1, :, 4 * RATE_HZ : 6 * RATE_HZ] = 0
    sdr_SxK = assert_like_museval(stems, est, settings)
    dropped_K = np.isnan(sdr_SxK).all(axis=0)
    assert dropped_K.any()
    assert np.isfinite(sdr_SxK[:, ~dropped_K]).all()
    assert not dropped_K.all()


def test_parity_of_float32():
    stems, est = (x.astype(np.float32) for x in song(2, 1))
    assert_like_museval(stems, est, MUSDB)


def test_parity_of_a_song_shorter_than_a_frame():
    stems, est = song(2, 1, seconds=0.7)
    assert assert_like_museval(stems, est, MUSDB).shape == (2, 1)


def test_parity_of_frames_shorter_than_a_filter():
    stems, est = song(2, 1, seconds=0.5)
    assert_like_museval(stems, est, EvaluateConfig(0.05, 0.04))


@pytest.mark.parametrize("second", ["copy", "silence", "half"])
def test_parity_of_stems_with_one_channel_in_truth(second):
    """Both channels of a source span the same sounds: its Gram matrix is singular."""
    stems, _ = song(2, 2, seconds=3.0)
    stems[0, 1] = {"copy": 1.0, "silence": 0.0, "half": 0.5}[second] * stems[0, 0]
    est = estimates_of(stems, np.random.default_rng(1))
    assert np.isfinite(assert_like_museval(stems, est, MUSDB)).all()


def test_singular_stems_score_as_by_pseudo_inverse(monkeypatch):
    """The channels differ only by a factor and rounding, so that museval's solution depends on the rounding.

    The expected values are those of its fallback for singular matrices, which needs numpy.linalg.linalg of numpy 1.
    """
    stems, _ = song(2, 2, seconds=3.0)
    stems = stems.astype(np.float32)
    stems[0, 1] = np.float32(0.3) * stems[0, 0]
    stems = stems[:1]
    est = estimates_of(stems, np.random.default_rng(1))

    def singular(*_):
        raise np.linalg.LinAlgError

    monkeypatch.setattr(np.linalg, "solve", singular)
    monkeypatch.setattr(np.linalg, "linalg", np.linalg, raising=False)
    # Both ignore the rounding, with different thresholds: measured 1.1e-4 dB. If it is not ignored, 5 dB.
    assert_like_museval(stems, est, MUSDB, atol=1e-3)


def test_museval_that_cannot_solve(monkeypatch):
    def lacking(*_):
        raise AttributeError("module 'numpy.linalg' has no attribute 'linalg'")

    monkeypatch.setattr(np.linalg, "solve", lacking)
    with pytest.raises(InputError, match="use bsseval"):
        museval.score_with_museval(*song(2, 1, seconds=1.0), RATE_HZ, MUSDB)


@pytest.mark.parametrize("sounds", ["tone", "constant", "click"])
def test_stems_that_determine_next_to_nothing(sounds):
    """The Gram matrix has rank 2, 1 or 512 of 1024; still every score is a number, and SDR is right."""
    t = np.arange(2 * RATE_HZ)
    wave = {"tone": np.sin(0.3 * t), "constant": np.ones(len(t)), "click": (t % RATE_HZ == 100.0)}[sounds]
    stems = np.stack([wave, 2.0 * wave])[:, None].astype(float)
    scores = ours(stems, 0.9 * stems)
    np.testing.assert_allclose(scores.sdr_SxK, 20, atol=1e-9)
    assert not np.isnan(list(scores.mask_frames("museval").values())).any()


@pytest.mark.parametrize("part", [0, 1])
def test_parity_of_golden_stems(part):
    with np.load(DATA / "stems.npz") as file:
        stems = file["stems"].transpose(0, 2, 1)[[[0, 3], [1, 2]][part], :, 66150 : 2 * 66150]
    stems = (stems * 32768).round() / 32768  # as in a WAV file; drums are the same in both channels
    assert_like_museval(stems, estimates_of(stems, np.random.default_rng(0)), EvaluateConfig(0.5, 0.5), 44100)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [PAPER, MUSDB], ids=["2.0/1.5", "1.0/1.0"])
def test_parity_of_four_stereo_sources_at_full_rate(settings):
    random = np.random.default_rng(0)
    stems = 0.1 * random.standard_normal((4, 2, 8 * 44100))
    assert_like_museval(stems, estimates_of(stems, random), settings, 44100)


def test_by_hand():
    """Stems of separate clicks far apart: what filters can and cannot explain is plain."""
    stems = np.zeros((2, 1, 4 * RATE_HZ))
    stems[0, 0, 1000::4000] = 1.0
    stems[1, 0, 3000::4000] = 1.0
    est = 0.5 * stems + 0.1 * stems[::-1]
    est[:, 0, 2000::4000] = 0.2  # 1,000 samples after a click: no filter reaches it
    scores = ours(stems, est)
    expected = {
        "SDR": 1 / (0.5**2 + 0.1**2 + 0.2**2),
        "ISR": 1 / 0.5**2,
        "SIR": 0.5**2 / 0.1**2,
        "SAR": (0.5**2 + 0.1**2) / 0.2**2,
    }
    for metric, ratio in expected.items():
        # They differ only by rounding and by the machine epsilon that museval adds to the diagonal.
        np.testing.assert_allclose(
            scores.mask_frames("target")[metric], 10 * np.log10(ratio), atol=1e-9, err_msg=metric
        )


def test_filters_are_those_of_least_squares():
    random = np.random.default_rng(0)
    x_IxT, y_OxT = random.standard_normal((2, 1300)), random.standard_normal((3, 1300))
    pad = ((0, 0), (0, least_squares.L - 1))
    rows = [np.roll(row, delay) for row in np.pad(x_IxT, pad) for delay in range(least_squares.L)]
    delayed = np.array(rows)
    expected = np.linalg.solve(delayed @ delayed.T, delayed @ np.pad(y_OxT, pad).T)
    correlation_IxIxL = least_squares.correlate(x_IxT, x_IxT)
    found = least_squares.solve_filters(
        least_squares.prepare_basis(x_IxT, correlation_IxIxL, range(2)), least_squares.correlate(x_IxT, y_OxT)
    )
    np.testing.assert_allclose(found, expected.reshape(2, least_squares.L, 3).transpose(0, 2, 1), atol=1e-10)


def test_blocks_leave_no_seams():
    random = np.random.default_rng(0)
    x = random.standard_normal((1, least_squares.L - 1 + 2 * least_squares.BLOCK))
    taps = random.standard_normal((1, 2, least_squares.L))
    expected = [np.convolve(x[0], taps[0, o], "valid") for o in range(2)]
    found = least_squares.apply_filters(x, least_squares.compute_response(taps)).reshape(2, -1)
    np.testing.assert_allclose(found, expected, atol=1e-11)
    n_samples = least_squares.GROUP + 700
    x, y = random.standard_normal((2, 1, n_samples))
    expected = [x[0, : n_samples - lag] @ y[0, lag:] for lag in (0, 1, 511)]
    np.testing.assert_allclose(least_squares.correlate(x, y)[0, 0, [0, 1, 511]], expected, atol=1e-9)


def test_silent_estimate():
    stems, est = song(2, 1)
    est[0, :, RATE_HZ : 2 * RATE_HZ] = 0
    scores = ours(stems, est)
    assert (np.isnan(scores.mask_frames("museval")["SDR"]).sum(axis=1) == 1).all()
    target = scores.mask_frames("target")
    assert np.isfinite([target[metric] for metric in bsseval.METRICS]).all()
    assert target["SDR"][0, 1] == 0
    assert target["SAR"][0, 1] == pytest.approx(0, abs=1e-12)  # the same energy, summed in another order
    est[0] = 0
    target = ours(stems, est).mask_frames("target")
    assert (target["SDR"][0] == 0).all()
    assert (target["ISR"][0] == 0).all()
    assert np.isnan([target["SIR"][0], target["SAR"][0]]).all()
    assert np.isfinite([target[metric][1] for metric in bsseval.METRICS]).all()


def test_silent_stem_in_some_frames():
    stems, _ = song(2, 1)
    est = estimates_of(stems, np.random.default_rng(1))
    whole = ours(stems, est).mask_frames("target")
    muted = stems.copy()
    muted[0, :, RATE_HZ : 2 * RATE_HZ] = 0
    scores = ours(muted, est)
    missing = np.zeros((2, 5), bool)
    missing[0, 1] = True
    for metric in bsseval.METRICS:
        np.testing.assert_array_equal(np.isnan(scores.mask_frames("target")[metric]), missing)
        np.testing.assert_array_equal(
            np.isnan(scores.mask_frames("museval")[metric]), missing.any(0) & np.ones((2, 1), bool)
        )
    np.testing.assert_allclose(scores.sdr_SxK[1], whole["SDR"][1], atol=1e-12)  # SDR does not depend on the other stem


def test_stem_silent_throughout():
    stems, est = song(3, 1, seconds=3.0)
    stems[1] = 0
    scores = ours(stems, est)
    summary = bsseval.summarise(scores, "target")
    without = ours(stems[[0, 2]], est[[0, 2]])
    for metric in bsseval.METRICS:
        np.testing.assert_array_equal(summary[metric].frames_S, [3, 0, 3])
        assert np.isnan(summary[metric].median_S[1])
        found, expected = scores.mask_frames("target")[metric], without.mask_frames("target")[metric]
        np.testing.assert_allclose(found[[0, 2]], expected, atol=1e-9)
        assert (bsseval.summarise(scores, "museval")[metric].frames_S == 0).all()
    assert np.isnan(museval.score_with_museval(stems, est, RATE_HZ, MUSDB).sdr_SxK).all()


def test_all_silent():
    zero = np.zeros((2, 2, RATE_HZ))
    assert np.isnan(ours(zero, zero).sdr_SxK).all()


def test_only_museval_treats_cancelling_channels_as_silent():
    stems, est = song(2, 2, seconds=3.0)
    stems[0, 1, RATE_HZ : 2 * RATE_HZ] = -stems[0, 0, RATE_HZ : 2 * RATE_HZ]
    scores = ours(stems, est)
    np.testing.assert_array_equal(scores.dropped_K, [False, True, False])
    np.testing.assert_array_equal(museval.score_with_museval(stems, est, RATE_HZ, MUSDB).dropped_K, scores.dropped_K)
    assert np.isfinite(scores.mask_frames("target")["SIR"]).all()
    np.testing.assert_array_equal(bsseval.summarise(scores, "museval")["SIR"].frames_S, [2, 2])


def test_perfect_estimate_is_infinite_and_left_out_of_medians():
    stems, est = song(2, 1)
    est[0, :, : 3 * RATE_HZ] = stems[0, :, : 3 * RATE_HZ]
    scores = ours(stems, est)
    np.testing.assert_array_equal(np.isposinf(scores.sdr_SxK[0]), [True, True, True, False, False])
    summary = bsseval.summarise(scores, "target")["SDR"]
    np.testing.assert_array_equal(summary.frames_S, [2, 5])
    np.testing.assert_allclose(summary.median_S, [scores.sdr_SxK[0, 3:].mean(), np.median(scores.sdr_SxK[1])])


def test_prepared_stems_serve_many_estimates():
    stems, est = song(2, 1)
    prepared = bsseval.prepare(stems, RATE_HZ, MUSDB)
    first = bsseval.score(prepared, est)
    bsseval.score(prepared, stems[::-1])
    np.testing.assert_array_equal(bsseval.score(prepared, est).sir_SxK, first.sir_SxK)


def test_scale_does_not_matter():
    stems, est = song(2, 1, seconds=2.0)
    loud, quiet = ours(1e3 * stems, 1e3 * est), ours(1e-3 * stems, 1e-3 * est)
    for metric in bsseval.METRICS:
        np.testing.assert_allclose(loud.mask_frames("target")[metric], quiet.mask_frames("target")[metric], atol=1e-6)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_samples_that_are_no_numbers(value):
    stems, est = song(2, 1, seconds=1.0)
    bad = stems.copy()
    bad[1, 0, 77] = value
    with pytest.raises(InputError, match="stems: a sample"):
        bsseval.prepare(bad, RATE_HZ, MUSDB)
    est[1, 0, 77] = value * 1e10
    with pytest.raises(InputError, match="estimates: a sample"):
        ours(stems, est)


def test_hostile_shapes_and_settings():
    stems, est = song(2, 1, seconds=1.0)
    with pytest.raises(InputError, match=r"\(2, 1, 4000\), not \(2, 1, 3999\)"):
        ours(stems, est[..., 1:])
    with pytest.raises(InputError, match=r"\(2, 1, 4000\), not \(1, 1, 4000\)"):
        museval.score_with_museval(stems, est[:1], RATE_HZ, MUSDB)
    with pytest.raises(InputError, match="window_s must be at least one sample"):
        bsseval.prepare(stems, RATE_HZ, EvaluateConfig(1e-6, 1.0))
    with pytest.raises(InputError, match="hop_s must be at least one sample"):
        bsseval.prepare(stems, RATE_HZ, EvaluateConfig(1.0, 1e-6))
    with pytest.raises(InputError, match="stems must be at least one sample"):
        bsseval.prepare(stems[..., :0], RATE_HZ, MUSDB)


@pytest.fixture
def aggregate(monkeypatch):
    """Import museval's aggregation; the package wants musdb, which wants ffmpeg, and aggregation needs neither."""
    loaded = set(sys.modules)
    monkeypatch.setitem(sys.modules, "musdb", types.ModuleType("musdb"))
    yield importlib.import_module("museval.aggregate")
    for name in set(sys.modules) - loaded:
        if name.split(".")[0] == "museval":
            del sys.modules[name]


def test_json_is_musevals(aggregate):
    stems, est = song(2, 1)
    est[0, :, RATE_HZ : 2 * RATE_HZ] = 0
    est[1, :, :RATE_HZ] = stems[1, :, :RATE_HZ]  # an infinite SDR
    scores = ours(stems, est)
    found = json.loads(museval.to_museval_json(scores, ["bass", "vocals"], MUSDB, "museval"))
    store = aggregate.TrackStore("song", win=1.0, hop=1.0)
    for row, name in enumerate(["bass", "vocals"]):
        store.add_target(name, {metric: list(rows[row]) for metric, rows in scores.mask_frames("museval").items()})
    perfect = found["targets"][1]["frames"][0]
    assert perfect["metrics"]["SDR"] is None
    assert perfect.pop("reasons") == dict.fromkeys(["SDR"], "infinite: no error")
    perfect["metrics"]["SDR"] = np.nan  # as museval does, without a warning
    np.testing.assert_equal(found["targets"], json.loads(store.json)["targets"])
    store.scores = found
    store.validate()


def test_museval_aggregates_our_json(aggregate, tmp_path):
    folder = tmp_path / "ours" / "test"
    folder.mkdir(parents=True)
    medians = {}
    for name in ("first", "second"):
        scores = ours(*song(2, 1, seed=len(name)))
        text = museval.to_museval_json(scores, ["bass", "vocals"], MUSDB, "target")
        (folder / f"{name}.json").write_text(text)
        medians[name] = bsseval.summarise(scores, "target")
    store = aggregate.EvalStore()
    store.add_eval_dir(tmp_path / "ours")
    table = store.agg_frames_scores()
    for name, summary in medians.items():
        for metric in bsseval.METRICS:
            for row, source in enumerate(["bass", "vocals"]):
                expected = pytest.approx(summary[metric].median_S[row], abs=1e-5)  # five decimals
                assert float(table[name, source, metric]) == expected
    methods = aggregate.MethodStore()
    methods.add_eval_dir(tmp_path / "ours")
    assert set(methods.df["method"]) == {"ours"}


def test_museval_reads_json_of_a_perfect_estimate(aggregate, tmp_path):
    stems, _ = song(2, 1)
    (tmp_path / "ours" / "test").mkdir(parents=True)
    text = museval.to_museval_json(ours(stems, stems.copy()), ["bass", "vocals"], MUSDB, "target")
    assert "Infinity" not in text and "NaN" not in text
    (tmp_path / "ours" / "test" / "song.json").write_text(text)
    store = aggregate.EvalStore()
    store.add_eval_dir(tmp_path / "ours")
    table = store.agg_frames_scores()
    assert np.isnan(table["song", "bass", "SDR"]) and table["song", "bass", "SAR"] > 200


def test_a_perfect_estimate_scores_infinity():
    stems, est = song(2, 1)
    est[0] = stems[0]
    found = bsseval.summarise(ours(stems, est), "target")["SDR"]
    assert found.median_S[0] == np.inf and found.frames_S[0] > 1
    assert np.isfinite(found.median_S[1])


def test_medians_leave_out_frames_without_error():
    """Frames without error are left out of a median of others, as museval's are."""
    stems, est = song(2, 1)
    est[0, :, : 2 * RATE_HZ] = stems[0, :, : 2 * RATE_HZ]
    scores = ours(stems, est)
    found = bsseval.summarise(scores, "target")["SDR"]
    finite = scores.sdr_SxK[0][np.isfinite(scores.sdr_SxK[0])]
    assert np.isinf(scores.sdr_SxK[0]).sum() == 2 and found.frames_S[0] == len(finite)
    assert found.median_S[0] == np.median(finite)


def test_json_needs_a_name_for_each_source():
    with pytest.raises(InputError, match="sources must be 2 names"):
        museval.to_museval_json(ours(*song(2, 1)), ["bass"], MUSDB, "target")
