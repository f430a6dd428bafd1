"""Adaptation and separation of real music: six seconds with stems, from the installed stempeg package."""

import importlib.util
import json
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from tests.helpers.networks import QUARTET, make_checkpoint
from ugosa_jax.annotations import activation, annotation
from ugosa_jax.cli.main import main
from ugosa_jax.weights import checkpoint

RATE_HZ = 44100
SOURCES = ("drums", "bass", "other", "vocals")


@pytest.fixture(scope="module")
def excerpt():
    """Mixture (C, T) and stems (S, C, T), without the clicks at both ends of the file."""
    package = Path(importlib.util.find_spec("stempeg").origin).parent
    (path,) = package.glob("data/*.stem.mp4")
    streams = []
    for index in range(5):
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray() for frame in container.decode(audio=index)]
        streams.append(np.concatenate(frames, axis=1)[:, int(0.12 * RATE_HZ) : int(5.9 * RATE_HZ)])
    return streams[0], np.stack(streams[1:])


def test_adaptation_to_a_real_song_reduces_the_loss_and_writes_its_stems(excerpt, tmp_path):
    mix_CxT, stems_SxCxT = excerpt
    soundfile.write(tmp_path / "falcon.wav", mix_CxT.T, RATE_HZ, subtype="FLOAT")
    active_SxT = activation.detect_activity(stems_SxCxT, RATE_HZ)
    assert 0 < active_SxT.mean() < 1
    annotation.write_annotation(annotation.from_mask(active_SxT, RATE_HZ, SOURCES), tmp_path / "falcon.csv")
    checkpoint.save(make_checkpoint(QUARTET), tmp_path / "small.safetensors")

    paths = [str(tmp_path / "falcon.wav"), "--annotation", str(tmp_path / "falcon.csv"), "--out", str(tmp_path / "out")]
    weights = ["--weights", str(tmp_path / "small.safetensors"), "--learning-rate", "1e-3", "--segment-s", "1.5",
               "--epochs", "3", "--chunk-s", "3"]  # fmt: skip
    assert main(["separate", *paths, *weights]) == 0

    losses = json.loads((tmp_path / "out" / "record.json").read_text())["adaptation"]["losses"]
    assert len(losses) == 3
    assert losses[-1]["total"] < losses[0]["total"]
    stems = [soundfile.read(tmp_path / "out" / f"{source}.wav")[0] for source in SOURCES]
    assert all(stem.shape == mix_CxT.T.shape and np.isfinite(stem).all() for stem in stems)
