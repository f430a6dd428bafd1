"""Leakage by hand: levels where sources are annotated silent, for stems in blocks of any length."""

import numpy as np
import pytest

from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.evaluation.leakage import LeakageMeter

RATE_HZ = 1000
INTERVALS = Interval(0.25, 0.5, "voice", "silent"), Interval(0.5, 1, "voice", "active")
ANNOTATION = Annotation(INTERVALS, ("voice", "rest"), "unknown")


def test_leakage_is_the_level_in_annotated_silence():
    stems_SxCxT = np.full((2, 2, RATE_HZ), 0.5, np.float32)
    stems_SxCxT[0, 0, 250:500] = 0.1
    stems_SxCxT[0, 1, 250:500] = -0.3
    for pieces in (1, 3, 40):
        meter = LeakageMeter(ANNOTATION, RATE_HZ, RATE_HZ)
        passed = np.concatenate([*meter.measure(np.array_split(stems_SxCxT, pieces, -1))], -1)
        np.testing.assert_array_equal(passed, stems_SxCxT)
        assert meter.compute_db()["voice"] == pytest.approx(10 * np.log10((0.01 + 0.09) / 2), abs=1e-5)
        assert np.isnan(meter.compute_db()["rest"])


def test_silence_has_a_level():
    meter = LeakageMeter(ANNOTATION, RATE_HZ, RATE_HZ)
    assert len([*meter.measure([np.zeros((2, 1, RATE_HZ), np.float32)])]) == 1
    assert meter.compute_db()["voice"] == pytest.approx(-120)
