"""A network of six sources, guitar and piano among them, through all commands."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from tests.helpers.networks import DUO, make_checkpoint
from ugosa_jax.annotations import annotation
from ugosa_jax.cli.main import main
from ugosa_jax.data import sound
from ugosa_jax.weights import checkpoint

SIX = ("drums", "bass", "other", "vocals", "guitar", "piano")
RATE_HZ = DUO.sample_rate_hz


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "six.safetensors"
    checkpoint.save(make_checkpoint(dataclasses.replace(DUO, sources=SIX)), path)
    return str(path)


@pytest.fixture
def songs(tmp_path):
    """A song of six mono stems, each silent for a while."""
    stems_SxCxT = np.random.default_rng(0).normal(0, 0.1, (6, 1, 3 * RATE_HZ)).astype(np.float32)
    for i, (source, stem_CxT) in enumerate(zip(SIX, stems_SxCxT, strict=True)):
        stem_CxT[:, i * RATE_HZ // 2 : (i + 1) * RATE_HZ // 2] = 0
        sound.write_audio(tmp_path / "songs" / "one" / f"{source}.wav", stem_CxT, RATE_HZ)
    sound.write_audio(tmp_path / "songs" / "one" / "mixture.wav", stems_SxCxT.sum(0), RATE_HZ)
    return tmp_path / "songs"


def test_a_song_of_six_sources_is_separated_and_evaluated(weights, songs, tmp_path, capsys):
    (tmp_path / "said.csv").write_text("start,end,source\n0,2,guitar\n1,2,piano\n0,3,drum kit\n0,1,strings\n")
    out = tmp_path / "out"
    told = ("--annotation", str(tmp_path / "said.csv"), "--weights", weights)
    fast = ("--epochs", "1", "--segment-s", "1", "--strategy", "P-L2:D", "--out", str(out))
    assert main(["separate", str(songs / "one" / "mixture.wav"), *told, *fast]) == 0
    record = json.loads((out / "record.json").read_text("utf-8"))
    assert record["annotation"]["silent_s"] == pytest.approx(
        {"drums": 0, "bass": 0, "other": 0, "vocals": 0, "guitar": 1, "piano": 2}
    )
    assert {path.stem for path in out.glob("*.wav")} == set(SIX)
    page = (out / "report.html").read_text("utf-8")
    assert all(source in page for source in SIX)
    assert main(["evaluate", str(songs / "one"), str(out)]) == 0
    printed = capsys.readouterr().out
    assert all(source in printed for source in SIX)


def test_a_sweep_with_six_sources_is_prepared_run_and_reported(weights, songs, tmp_path):
    prepared = tmp_path / "prepared"
    assert main(["prepare", str(songs), str(prepared), "--sources", *SIX]) == 0
    said = annotation.read_annotation(prepared / "one" / "annotation.csv", SIX)
    assert said.sources == SIX and {interval.source for interval in said.intervals} == set(SIX)
    (tmp_path / "six.toml").write_text(
        f'weights = "{weights}"\n[songs]\nfolder = "{prepared}"\n[adapt]\nstrategy = "P-L2:D"\n'
        "epochs = 1\nsegment_s = 1.0\n[evaluate]\nwindow_s = 0.5\nhop_s = 0.5\n"
    )
    store, report = tmp_path / "store", tmp_path / "report"
    assert main(["sweep", "run", str(tmp_path / "six.toml"), "--results", str(store)]) == 0
    assert main(["sweep", "collect", str(store), "--out", str(tmp_path / "scores.csv")]) == 0
    assert set(pd.read_csv(tmp_path / "scores.csv").source) == set(SIX)
    assert main(["report", str(store), "--out", str(report)]) == 0
    text = (report / "report.md").read_text("utf-8")
    assert all(source in text for source in SIX)
