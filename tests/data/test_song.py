"""A song: its parts, and its mixture as networks see it."""

import numpy as np
import pytest

from tests.helpers.networks import DUO, make_checkpoint
from ugosa_jax import api
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.config import AdaptConfig
from ugosa_jax.data import song as song_module
from ugosa_jax.data import sound
from ugosa_jax.data.song import Song
from ugosa_jax.data.sound import Audio
from ugosa_jax.data.standardisation import standardise
from ugosa_jax.errors import InputError

ANNOTATION = Annotation((Interval(0, 0.5, "voice", "silent"),), DUO.sources, "unknown")


def noise(rate_hz=8000, seconds=2.0):
    samples_CxT = np.random.default_rng(0).normal(0.1, 0.2, (2, round(rate_hz * seconds))).astype(np.float32)
    return Song(Audio(samples_CxT, rate_hz, "noise.wav"), annotation=ANNOTATION)


def test_standardise_converts_rate_channels_and_level():
    song = noise(rate_hz=16000)
    mix_CxT, scaling = song.standardise(8000, 1)
    resampled_CxT, _ = sound.to_model(song.mixture, 8000, 1)
    expected_CxT, expected = standardise(resampled_CxT)
    np.testing.assert_array_equal(mix_CxT, expected_CxT)
    assert scaling == expected
    with pytest.raises(ValueError, match="read-only"):
        mix_CxT[:] = 0


def test_standardise_is_cached(monkeypatch):
    """It is computed once for adapting, for separating before and after, and for all lanes of a sweep."""
    made_of = []

    def counted(mix_CxT, level):
        made_of.append(mix_CxT.shape)
        return standardise(mix_CxT, level)

    monkeypatch.setattr(song_module, "standardise", counted)
    net, song = make_checkpoint(), noise()
    settings = AdaptConfig(strategy="P-L3:M", epochs=1, segment_s=0.5)
    run = api.adapt(net, song, settings=settings)
    api.separate(net, song, tuned=run.tuned)
    api.separate(net, song)
    api.adapt_lanes(net, song, settings=settings, lam=[0.5, 1.0])
    assert made_of == [(2, 16000)]
    api.separate(net, noise())
    assert len(made_of) == 2


def test_missing_stems_and_annotation_are_reported():
    song = Song(noise().mixture)
    with pytest.raises(InputError, match=r"noise\.wav: needs its true stems"):
        song.require_stems()
    with pytest.raises(InputError, match=r"noise\.wav: has no annotation"):
        song.require_annotation()


def test_stems_without_names_are_refused():
    mixture = noise().mixture
    with pytest.raises(InputError, match="2 names"):
        Song(mixture, np.stack([mixture.samples_CxT] * 2), ("voice",))
