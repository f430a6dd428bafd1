"""HTDemucs with whole songs: chunks as in the reference, adaptation, lanes, and the commands from end to end."""

import dataclasses

import numpy as np
import pytest

import ugosa_jax as uj
from tests.helpers import htdemucs_goldens as goldens
from ugosa_jax.adaptation import strategy
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.cli.main import main
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data import sound
from ugosa_jax.errors import InputError
from ugosa_jax.networks.htdemucs import HTDemucs
from ugosa_jax.separation import chunks
from ugosa_jax.sweeps import results
from ugosa_jax.weights import adapted_layers

FILE = goldens.DATA / "a1b2c3d4-96a9a28a.th"
RATE_HZ = 4000
GOLDEN = goldens.load("chunked")


@pytest.fixture(scope="module")
def net():
    return uj.load_network(FILE)


@pytest.fixture(scope="module")
def song():
    return uj.Song(uj.Audio(GOLDEN["song"], RATE_HZ, "song.wav"))


def mixture():
    mean, std = GOLDEN["mean_std"]
    return (GOLDEN["song"] - mean) / std


@pytest.mark.parametrize(
    ("name", "n_samples", "delay", "chunk_s"),
    [
        ("estimates", None, 0, None),
        ("estimates_shifted", None, RATE_HZ // 2 - 777, None),  # the reference drew 777 of half a second
        ("estimates_short", 2500, 0, None),
        pytest.param("estimates_whole_segment_override", None, 0, 0.8 * 1.50125, marks=pytest.mark.slow),
    ],
)
def test_chunks_are_the_reference_s(net, monkeypatch, name, n_samples, delay, chunk_s):
    mean, std = GOLDEN["mean_std"]
    mix_CxT = ((GOLDEN["song"] - mean) / std)[:, :n_samples]
    monkeypatch.setattr(chunks, "draw_delays", lambda *_: [delay])
    est_SxCxT = chunks.separate(net.architecture, net.params, mix_CxT, SeparateConfig(chunk_s=chunk_s))
    ours, theirs = goldens.thinned(est_SxCxT, GOLDEN, name)
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_stems_are_the_reference_s(net, song):
    stems = uj.separate(net, song)
    ours, theirs = goldens.thinned(np.stack([*stems.values()]), GOLDEN, "stems")
    assert list(stems) == ["drums", "bass", "other", "vocals"]
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_longer_chunks_and_other_segments_are_refused(net, song):
    with pytest.raises(InputError, match=r"chunk_s: 2\.0 s is longer than this network takes \(1\.50125 s\)"):
        uj.separate(net, song, settings=SeparateConfig(chunk_s=2.0))
    with pytest.raises(InputError, match=r"this network takes only segments of 1\.50125 s, not 1 s"):
        uj.adapt(net, song, None, settings=AdaptConfig(strategy="B-D4:D", segment_s=1.0))


SMALL = HTDemucs(
    sample_rate_hz=RATE_HZ,
    segment_samples=1600,
    nfft=256,
    depth=2,
    width=8,
    wave_width=8,
    dconv_compression=4,
    bottom=0,
    layers=1,
    heads=2,
    hidden_scale=1.5,
)
ANNOTATION = uj.Annotation((Interval(0, 2, "vocals", "silent"),), SMALL.sources, "unknown")
FAST = AdaptConfig(strategy="P-D2:D", learning_rate=1e-3, epochs=2)


@pytest.mark.slow
def test_lanes_and_lean_features_give_what_single_songs_give(song):
    net = uj.Checkpoint(SMALL, goldens.make_random_params(SMALL))
    alone = uj.adapt(net, song, ANNOTATION, settings=dataclasses.replace(FAST, features="float32", lam=2.0))
    lanes = uj.adapt_lanes(net, song, ANNOTATION, settings=dataclasses.replace(FAST, features="lean"), lam=[0.5, 2.0])
    assert list(alone.tuned) == ["decoder2"]
    totals = alone.losses_ExIx3[..., 0].mean(1)
    assert totals[1] < totals[0]
    np.testing.assert_allclose(lanes[1].losses_ExIx3, alone.losses_ExIx3, rtol=1e-4)
    assert np.abs(lanes[0].losses_ExIx3 - alone.losses_ExIx3).max() > 1e-3


def test_strategies_of_the_network(net):
    architecture = net.architecture
    assert strategy.parse("P-D1:D", architecture).tuned == ("decoder1", "decoder2", "decoder3", "decoder4")
    assert strategy.parse("P-T3:D", architecture).tuned[:2] == ("layer3", "downsample")
    assert strategy.parse("P-T2:M", architecture).tuned == ("layer2", "layer3", "downsample")
    assert strategy.parse("B-E1:D", architecture).tuned == architecture.stages
    assert strategy.parse("P-T1:D", architecture).find_cut(architecture) == "upsample"
    for name in ("P-D1:M", "P-T4:D", "P-L3:M"):
        with pytest.raises(InputError, match=name):
            strategy.parse(name, architecture)


def written(folder, song):
    """A folder with the song's mixture, stems that add up to it, and an annotation."""
    share = 0.25 * song.mixture.samples_CxT
    for source in ("drums", "bass", "other", "vocals"):
        sound.write_audio(folder / f"{source}.wav", share, RATE_HZ)
    sound.write_audio(folder / "mixture.wav", song.mixture.samples_CxT, RATE_HZ)
    (folder / "annotation.csv").write_text("start,end,source,state\n0,2,vocals,silent\n1,3,drums,silent\n")
    return folder


@pytest.mark.slow
def test_the_commands_from_end_to_end(song, tmp_path, capsys):
    folder, weights = written(tmp_path / "songs" / "one", song), tmp_path / "tiny.safetensors"
    assert main(["weights", "convert", str(FILE), str(weights)]) == 0
    assert main(["weights", "show", str(weights)]) == 0
    assert "164,008" in capsys.readouterr().out
    base = uj.load_network(weights)
    assert base.provenance["converted_from"] == "Demucs v2 package"
    told = ("--annotation", str(folder / "annotation.csv"), "--weights", str(weights))
    out = tmp_path / "out"
    assert main(["separate", str(folder / "mixture.wav"), *told, "--epochs", "1", "--out", str(out)]) == 0
    assert "strategy P-T3:D" in capsys.readouterr().out
    names = {"drums.wav", "bass.wav", "other.wav", "vocals.wav", "report.html", "record.json"}
    assert {path.name for path in out.iterdir()} == names | {"adapted.delta.safetensors"}
    tuned = adapted_layers.load(out / "adapted.delta.safetensors", base)
    assert list(tuned) == ["decoder1", "decoder2", "decoder3", "decoder4", "downsample", "layer3"]

    (tmp_path / "tiny.toml").write_text(
        f'weights = "{weights}"\n[songs]\nfolder = "{tmp_path / "songs"}"\n[adapt]\nstrategy = ["B0", "P-D4:D"]\n'
        "lam = [0.1, 1.0]\nepochs = 1\n[evaluate]\nwindow_s = 1.0\nhop_s = 1.0\n"
    )
    store = tmp_path / "store"
    assert main(["sweep", "run", str(tmp_path / "tiny.toml"), "--results", str(store), "--lanes", "2"]) == 0
    cells = results.read_cells(store).values()
    assert sorted(cell["adaptation"]["lanes"] for cell in cells) == [1, 2, 2]
    assert main(["report", str(store), "--out", str(tmp_path / "report")]) == 0
    assert "P-D4:D" in (tmp_path / "report" / "report.md").read_text("utf-8")
    capsys.readouterr()
    measured = ("--weights", str(weights), "--strategy", "P-D4:D", "--seconds", "3", "--epochs", "1", "--repeats", "1")
    assert main(["bench", *measured]) == 0
    assert "| 1 |" in capsys.readouterr().out
