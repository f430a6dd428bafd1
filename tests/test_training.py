"""The trainer on two tones: it learns something, goes on where it stopped, and starts from given weights."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts" / "training"))
import pool
import train

from ugosa_jax import weights
from ugosa_jax.config import ModelConfig


@pytest.fixture
def songs(tmp_path, monkeypatch):
    """A pool of two songs in which a low tone on the left is to be told from a high one on the right."""
    monkeypatch.setattr(train, "MINI", ModelConfig(N=32, L=16, B=16, H=16, X=2, R=2, sources=("left", "right")))
    monkeypatch.setattr(train, "AUTOENCODER_STEPS", 60)
    time_s = np.arange(44100) / 44100
    for name, hz in (("a", 400), ("b", 500)):
        song = np.zeros((2, 2, 44100), np.float16)
        song[0, 0], song[1, 1] = 0.3 * np.sin(2 * np.pi * hz * time_s), 0.3 * np.sin(2 * np.pi * 9 * hz * time_s)
        np.save(tmp_path / f"{name}.npy", song)
    return tmp_path


def run(songs, monkeypatch, *more):
    arguments = ["train.py", "--train", songs, "--valid", songs, "--run", songs / "run", "--batch", "2"]
    arguments += ["--seconds", "0.2", "--learning-rate", "1e-2", *more]
    monkeypatch.setattr(sys, "argv", [str(argument) for argument in arguments])
    train.main()
    return [json.loads(line) for line in (songs / "run" / "log.jsonl").read_text().splitlines()]


def test_training_learns_resumes_and_starts_from_weights(songs, monkeypatch):
    (row,) = run(songs, monkeypatch, "--steps", "120")
    assert row["step"] == 120
    assert min(row["left"], row["right"]) > 6  # half of the mixture, as the guess for both, scores 3 dB
    rows = run(songs, monkeypatch, "--steps", "130")
    assert [row["step"] for row in rows] == [120, 130]
    best = weights.load(songs / "run" / "best.safetensors")
    assert float(best.provenance["valid_sdr_db"]) > 6
    (songs / "run" / "best.safetensors").rename(songs / "start.safetensors")
    (songs / "run" / "checkpoint.npz").unlink()
    again = run(songs, monkeypatch, "--steps", "10", "--start", songs / "start.safetensors")[-1]
    assert again["step"] == 10
    assert again["left"] > 10  # ten steps from new weights give 3 dB


def test_new_masks_pass_a_share_of_the_mixture(songs):
    config = train.MINI
    params = train.masks_of(train.jax.tree.map(np.asarray, train.model.init(config)), 0.5)
    net = train.model.bind(config, params)
    h_KxB = net.prefix(np.random.default_rng(1).standard_normal((2, 2000)).astype(np.float32), "repeat1")
    mask = np.asarray(net.mask(h_KxB))
    assert abs(mask.mean() - 0.5) < 0.1


def test_examples_depend_on_seed_and_number_alone(songs):
    opened = pool.open_pool(songs)
    first = [next(data) for data in [pool.batches(opened, 2, 500, seed=3, start=0)] for _ in range(3)]
    later = next(pool.batches(opened, 2, 500, seed=3, start=2))
    np.testing.assert_array_equal(first[2], later)
    assert first[0].shape == (2, 2, 2, 500)
    assert np.abs(first[0] - first[1]).max() > 0


def test_an_empty_pool_is_said_to_be_one(tmp_path):
    with pytest.raises(SystemExit, match=r"no SONG\.npy files"):
        pool.open_pool(tmp_path)
