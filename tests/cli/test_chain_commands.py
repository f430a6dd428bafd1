"""Chains wherever a network runs: Python, `separate`, `weights show`, `sweep`, the studio's list."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

import ugosa_jax as uj
from tests.helpers.chains import make_chain
from tests.helpers.networks import assert_same
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.cli.main import main
from ugosa_jax.data import sound
from ugosa_jax.networks import tree
from ugosa_jax.studio import network_info
from ugosa_jax.sweeps import results
from ugosa_jax.weights import adapted_layers, checkpoint, hub

RATE_HZ, SOURCES = 8000, ("drums", "voice", "bass")
FAST = ("--epochs", "1", "--segment-s", "0.4", "--learning-rate", "1e-3")


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """A folder with a song, its stems, its annotation and the networks of a chain."""
    folder = tmp_path_factory.mktemp("songs")
    stems_SxCxT = np.random.default_rng(0).normal(0, 0.1, (3, 2, RATE_HZ)).astype(np.float32)
    for source, stem_CxT in zip(SOURCES, stems_SxCxT, strict=True):
        sound.write_audio(folder / "songs" / "one" / f"{source}.wav", stem_CxT, RATE_HZ)
    sound.write_audio(folder / "songs" / "one" / "mixture.wav", stems_SxCxT.sum(0), RATE_HZ)
    (folder / "songs" / "one" / "annotation.csv").write_text("start,end,source,state\n0,0.5,voice,silent\n")
    for name, member in make_chain().members.items():
        checkpoint.save(member, folder / f"{name}.safetensors")
    return folder


def separate(folder, *more):
    mixture, said = folder / "songs" / "one" / "mixture.wav", folder / "songs" / "one" / "annotation.csv"
    weights = f"{folder}/duo.safetensors+{folder}/trio.safetensors"
    return main(["separate", str(mixture), "--annotation", str(said), "--weights", weights, *FAST, *more])


def test_separate_adapts_a_chain_and_its_record_knows_the_networks(song, tmp_path, capsys):
    out = tmp_path / "out"
    assert separate(song, "--strategy", "B0+R-L3:M", "--refine", "wiener", "--out", str(out)) == 0
    assert "strategy B0+R-L3:M" in capsys.readouterr().out
    record = json.loads((out / "record.json").read_text())
    weights, members = record["weights"], record["weights"]["members"]
    assert weights["kind"] == "chain" and weights["networks"] == 2 and weights["architecture"] == {"leaves": ["rest"]}
    assert weights["fingerprint"] == make_chain().fingerprint
    assert members["duo"]["takes"] == ["voice"] and members["trio"]["takes"] == ["drums", "bass"]
    assert members["trio"]["fingerprint"] == make_chain().members["trio"].fingerprint
    assert record["settings"]["members"]["duo"]["strategy"] == "B0"
    assert record["settings"]["members"]["trio"]["strategy"] == "R-L3:M"
    assert len(record["adaptation"]["losses"]) == 1
    assert [*adapted_layers.load(out / "adapted.delta.safetensors", make_chain())] == ["trio"]
    assert "duo takes voice; trio takes drums, bass" in (out / "report.html").read_text()
    stems = {source: soundfile.read(out / f"{source}.wav")[0] for source in SOURCES}
    mixture, _ = soundfile.read(song / "songs" / "one" / "mixture.wav")
    np.testing.assert_allclose(sum(stems.values()), mixture, atol=1e-5)  # masks of all sources together
    assert not stems["voice"][500 : RATE_HZ // 2 - 500].any()  # muted, although the estimate is not silent
    again = tmp_path / "again"
    delta = ("--delta", str(out / "adapted.delta.safetensors"), "--refine", "wiener", "--out", str(again))
    assert separate(song, *delta) == 0
    np.testing.assert_array_equal(soundfile.read(again / "bass.wav")[0], stems["bass"])


def test_python_runs_a_chain_as_the_command_does(song, tmp_path):
    chain = make_chain()
    mixture = uj.read_audio(song / "songs" / "one" / "mixture.wav")
    said = uj.Annotation((Interval(0, 0.5, "voice", "silent"),), chain.sources, "unknown")
    settings = uj.AdaptConfig("P-L2:D", epochs=1, segment_s=0.4, learning_rate=1e-3)
    run = uj.adapt(chain, mixture, said, settings=settings)
    assert run.tuned.keys() == {"duo", "trio"}
    lanes = uj.adapt_lanes(chain, mixture, said, settings=settings, lam=[1.0, 0.1])
    for path, leaf in tree.flatten(lanes[0].tuned).items():
        np.testing.assert_allclose(leaf, tree.flatten(run.tuned)[path], atol=1e-5, err_msg=path)
    stems = uj.separate(chain, mixture, tuned=run.tuned)
    assert tuple(stems) == SOURCES and not np.array_equal(stems["bass"], uj.separate(chain, mixture)["bass"])
    unadapted = uj.adapt(chain, mixture, said, settings=dataclasses.replace(settings, strategy="B0"))
    assert_same(unadapted.tuned, {})


def test_a_sweep_runs_a_chain(song, tmp_path):
    (tmp_path / "grid.toml").write_text(
        f'weights = "{song}/duo.safetensors+{song}/trio.safetensors"\n[songs]\nfolder = "{song / "songs"}"\n[adapt]\n'
        'strategy = ["B0", "B0+P-L3:M", "P-L3:M"]\nlam = [0.5, 1.0]\nepochs = 1\nsegment_s = 0.4\n'
        "[evaluate]\nwindow_s = 0.5\nhop_s = 0.5\n"
    )
    folder = tmp_path / "results"
    command = ["sweep", "run", str(tmp_path / "grid.toml"), "--results", str(folder), "--keep-deltas"]
    assert main([*command, "--lanes", "2"]) == 0
    cells = [*results.read_cells(folder).values()]
    assert sorted(cell["adapt"]["strategy"] for cell in cells) == ["B0", *["B0+P-L3:M"] * 2, *["P-L3:M"] * 2]
    assert [cell["adaptation"]["lanes"] for cell in cells if cell["adapt"]["strategy"] != "B0"] == [2] * 4
    tuned = {cell["adapt"]["strategy"]: cell["n_tuned"] for cell in cells}
    assert tuned["B0"] == 0 < tuned["B0+P-L3:M"] < tuned["P-L3:M"]
    assert len([*(folder / "deltas").iterdir()]) == 4
    assert main(["report", str(folder), "--out", str(tmp_path / "report")]) == 0
    assert "B0+P-L3:M" in (tmp_path / "report" / "report.md").read_text()


def test_a_sweep_without_weights_takes_the_best_network_and_says_which(song, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UGOSA_JAX_CACHE", str(tmp_path / "cache"))
    (tmp_path / "grid.toml").write_text(f'[songs]\nfolder = "{tmp_path / "none"}"\n')
    assert main(["sweep", "run", str(tmp_path / "grid.toml")]) == 2
    captured = capsys.readouterr()
    assert (
        "weights    mini, the best ones installed; for better ones: ugosa-jax weights download spleeter" in captured.out
    )
    assert "none" in captured.err
    assert main(["sweep", "run", str(tmp_path / "grid.toml"), "--weights", str(song / "duo.safetensors")]) == 2
    assert "the best" not in capsys.readouterr().out


def test_weights_show_lists_the_sources_of_each_network(song, capsys):
    assert main(["weights", "show", f"{song}/duo.safetensors+{song}/trio.safetensors"]) == 0
    shown = capsys.readouterr().out
    assert "duo              takes voice" in shown and "trio             takes drums, bass" in shown
    assert main(["bench", "--weights", f"{song}/duo.safetensors+{song}/trio.safetensors"]) == 2
    assert "is a chain; measure its networks one by one" in capsys.readouterr().err


def test_the_studio_offers_chains_of_downloaded_networks(song, tmp_path, monkeypatch):
    monkeypatch.setenv("UGOSA_JAX_CACHE", str(tmp_path))
    duo = make_chain().members["duo"]
    renamed = dataclasses.replace(duo.architecture, sources=("vocals", "accompaniment"), sample_rate_hz=44100)
    checkpoint.save(uj.Checkpoint(renamed, duo.params), hub.get_cache_folder() / "spleeter.safetensors")
    offered = {one["name"]: one for one in network_info.describe_networks()["networks"]}
    chain = offered["spleeter+mini"]
    assert chain["sources"] == ["drums", "bass", "other", "vocals"] and chain["members"] == 2
    assert chain["tuned"]["L3:M"] == 2
    assert {"L3:M", "L2:D"} <= set(chain["strategies"]) and chain["default_strategy"] == "P-L3:M"
    assert network_info.count_forward_flops("spleeter+mini") > 0


def test_separate_without_weights_takes_the_best_and_without_annotation_adapts_nothing(
    song, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("UGOSA_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert main(["separate", str(song / "songs" / "one" / "mixture.wav"), "--out", "out"]) == 0
    said = capsys.readouterr().out
    assert "weights    mini, the best ones installed; for better ones: ugosa-jax weights download" in said
    assert "annotation none: the network is not adapted" in said
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["settings"]["adapt"] is None and record["weights"]["name"] == "mini"
    assert record["settings"]["preset"] == "recommended"
    asked = ["separate", str(song / "songs" / "one" / "mixture.wav"), "--out", "asked", "--strategy"]
    assert main([*asked, "P-L3:M"]) == 2  # refused, because it needs an annotation
    assert "--annotation: strategy P-L3:M needs the times at which each source plays" in capsys.readouterr().err
    assert main([*asked, "B-L4:M", "--epochs", "1", "--segment-s", "0.5"]) == 0
    assert json.loads((tmp_path / "asked" / "record.json").read_text())["settings"]["adapt"]["strategy"] == "B-L4:M"
