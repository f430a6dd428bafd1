"""Scores by hand."""

import numpy as np
import pytest

from ugosa_jax.evaluation import scores


def test_sdr_by_hand():
    reference = np.array([[3.0, 0.0], [0.0, 4.0]])
    assert scores.sdr_db(reference, reference * 0.9) == pytest.approx(20)
    assert scores.sdr_db(reference, np.zeros((2, 2))) == pytest.approx(0)
    assert scores.sdr_db(reference, -reference) == pytest.approx(-10 * np.log10(4))


def test_perfect_and_empty_stay_finite():
    assert 60 < scores.sdr_db(np.ones((1, 4)), np.ones((1, 4))) < np.inf
    assert scores.sdr_db(np.zeros((1, 4)), np.zeros((1, 4))) == 0


def test_level():
    assert scores.level_db(np.full((2, 5), 0.1)) == pytest.approx(-20)
    assert scores.level_db(np.zeros((2, 5))) == pytest.approx(-120)
