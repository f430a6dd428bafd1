"""Beats and onsets of clicks whose times are known."""

import json

import numpy as np
import pytest

from ugosa_jax.data.sound import Audio
from ugosa_jax.studio import tasks
from ugosa_jax.studio.library import Library
from ugosa_jax.studio.rhythm import find_rhythm

RATE_HZ = 44_100
CLICKS_S = np.arange(0.5, 11.9, 0.5)


@pytest.fixture(scope="module")
def clicks():
    """Return clicks at 120 BPM."""
    samples_T = np.random.default_rng(0).normal(0, 1e-4, 12 * RATE_HZ)
    click_T = 0.5 * np.sin(np.arange(2000) * 0.2) * np.exp(-np.arange(2000) / 300)
    for time_s in CLICKS_S:
        start = round(time_s * RATE_HZ)
        samples_T[start : start + len(click_T)] += click_T
    return Audio(np.stack([samples_T, samples_T]).astype(np.float32), RATE_HZ, "clicks")


@pytest.mark.slow  # librosa compiles for tens of seconds
def test_beats_and_onsets_are_at_the_clicks(clicks, tmp_path):
    found = find_rhythm(clicks)
    distances_s = np.abs(np.subtract.outer(found.onsets_s, CLICKS_S)).min(0)
    assert distances_s.max() < 0.06  # a frame of librosa is 23 ms; an onset is the frame before the rise
    np.testing.assert_allclose(np.diff(found.beats_s), 0.5, atol=0.05)
    assert len(found.beats_s) >= 18

    library = Library(tmp_path)
    song = library.add_sound(clicks, "0" * 64)
    order = {"kind": "rhythm", "root": str(tmp_path), "song": song.id}
    result = tasks.run_job(order, lambda _: None)
    stored = json.loads((library.find_folder(song.id) / "rhythm.json").read_text())
    assert result == {"beats": len(stored["beats_s"]), "onsets": len(stored["onsets_s"])}
    np.testing.assert_allclose(stored["beats_s"], found.beats_s, atol=1e-3)
