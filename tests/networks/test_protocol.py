"""Nothing depends on a particular network: a toy network of twenty lines can be adapted in all ways."""

import jax
import numpy as np
import pytest

import ugosa_jax as uj
from tests.helpers.toy_network import Toy
from ugosa_jax.adaptation import engine, strategy
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.bench import flops
from ugosa_jax.cli.main import main
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data import sound
from ugosa_jax.data.song import Song
from ugosa_jax.data.sound import Audio
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.networks.htdemucs import HTDemucs
from ugosa_jax.networks.spleeter import Spleeter
from ugosa_jax.sweeps import results
from ugosa_jax.weights import adapted_layers, checkpoint

RATE_HZ = 8000
ANNOTATION = Annotation((Interval(0, 1, "high", "silent"), Interval(1, 2, "low", "silent")), ("low", "high"), "unknown")
SETTINGS = AdaptConfig(learning_rate=1e-2, epochs=3)


@pytest.fixture(autouse=True)
def register_toy(monkeypatch):
    monkeypatch.setitem(checkpoint.ARCHITECTURES, Toy.tag, Toy)


@pytest.fixture
def net():
    return checkpoint.Checkpoint(Toy(), jax.tree.map(np.asarray, Toy().init()))


@pytest.fixture
def stems():
    """A low tone in the first second, a high one in the second."""
    times_s = np.arange(2 * RATE_HZ) / RATE_HZ
    low = 0.4 * np.sin(2 * np.pi * 200 * times_s) * (times_s < 1)
    high = 0.4 * np.sin(2 * np.pi * 3000 * times_s) * (times_s >= 1)
    return np.stack([low, high]).astype(np.float32)[:, None]


@pytest.fixture
def song(stems):
    return Song(Audio(stems.sum(0), RATE_HZ, "tones"))


@pytest.mark.parametrize("architecture", [ConvTasNet(), HTDemucs(), Spleeter()], ids=lambda net: net.tag)
def test_init_returns_no_weakly_typed_array(architecture):
    """Epochs of weakly typed parameters would be compiled three times: for planning, the first step and the second."""
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(tree.infer_params(architecture)))


def test_any_network_with_the_protocol_is_adapted_and_separates(net, song):
    run = uj.adapt(net, song, ANNOTATION, settings=SETTINGS)
    losses = run.losses_ExIx3[..., 0].mean(1)
    assert list(run.tuned) == ["gains", "level"] and losses[-1] < losses[0]
    estimates = uj.separate(net, song, settings=SeparateConfig(chunk_s=0.7), tuned=run.tuned)
    whole = net.architecture(tree.merge(run.tuned, net.params), song.standardise(RATE_HZ, 1)[0])
    _, scaling = song.standardise(RATE_HZ, 1)
    for source, est_CxT in zip(net.sources, np.asarray(whole), strict=True):
        inside = estimates[source][:, 1:], (est_CxT * scaling.std + scaling.mean)[:, 1:]
        assert np.median(np.abs(inside[0] - inside[1])) < 1e-5  # the first sample of a chunk has no predecessor


@pytest.mark.parametrize("features", ["lean", "recompute"])
def test_the_storage_of_features_does_not_change_the_weights(net, song, features):
    expected = uj.adapt(net, song, ANNOTATION, settings=AdaptConfig(learning_rate=1e-2, epochs=2, features="float32"))
    found = uj.adapt(net, song, ANNOTATION, settings=AdaptConfig(learning_rate=1e-2, epochs=2, features=features))
    np.testing.assert_allclose(found.losses_ExIx3, expected.losses_ExIx3, rtol=1e-5)


def test_lanes_equal_single_songs(net, song):
    lanes = uj.adapt_lanes(net, song, ANNOTATION, settings=SETTINGS, lam=[0.0, 1.0])
    for run, lam in zip(lanes, [0.0, 1.0], strict=True):
        alone = uj.adapt(net, song, ANNOTATION, settings=AdaptConfig(learning_rate=1e-2, epochs=3, lam=lam))
        np.testing.assert_allclose(run.losses_ExIx3, alone.losses_ExIx3, rtol=1e-5)


def test_weights_and_adapted_layers_survive_their_files(net, song, tmp_path):
    checkpoint.save(net, tmp_path / "toy.safetensors")
    back = uj.load_network(tmp_path / "toy.safetensors")
    assert back.architecture == Toy() and back.fingerprint == net.fingerprint
    tuned = uj.adapt(net, song, ANNOTATION, settings=SETTINGS).tuned
    adapted_layers.save(tuned, net, tmp_path / "delta.safetensors", {})
    jax.tree.map(np.testing.assert_array_equal, adapted_layers.load(tmp_path / "delta.safetensors", back), tuned)


def test_a_file_of_an_unknown_network_is_refused_by_its_name(net, tmp_path, monkeypatch):
    checkpoint.save(net, tmp_path / "toy.safetensors")
    monkeypatch.delitem(checkpoint.ARCHITECTURES, Toy.tag)
    with pytest.raises(InputError, match=r"toy\.safetensors: metadata architecture must be one of .*not 'toy'"):
        checkpoint.load(tmp_path / "toy.safetensors")


def test_strategies_use_the_places_of_the_network(net):
    assert strategy.parse(None, net.architecture).tuned == ("gains", "level")
    assert strategy.parse("B-B:G", net.architecture).tuned == ("bands", "gains")
    assert strategy.parse("B-B:G", net.architecture).find_cut(net.architecture) == "bands"
    with pytest.raises(
        InputError, match=r"'P-L3:M' is not B0 or one of \[P\|B\|R\]-\[B\|G\]:\[end\|G\], such as P-G:end"
    ):
        strategy.parse("P-L3:M", net.architecture)


def test_memory_and_operations_of_a_network_are_counted(net):
    plan = strategy.parse(None, net.architecture)
    _, needs = engine.compile_epoch(net.architecture, plan, AdaptConfig(features="float32"), (4, 1, 1, 4000))
    assert needs.features == 4 * 2 * 4000 * 4
    assert flops.count_step(net.architecture, plan, 4000) == 0  # products of a few numbers are left out


def test_a_sweep_runs_any_network_with_the_protocol(net, stems, tmp_path, capsys):
    checkpoint.save(net, tmp_path / "toy.safetensors")
    folder = tmp_path / "songs" / "tones"
    for source, stem_CxT in zip(net.sources, stems, strict=True):
        sound.write_audio(folder / f"{source}.wav", stem_CxT, RATE_HZ)
    sound.write_audio(folder / "mixture.wav", stems.sum(0), RATE_HZ)
    annotation.write_annotation(ANNOTATION, folder / "annotation.csv")
    (tmp_path / "toy.toml").write_text(
        f'weights = "{tmp_path / "toy.safetensors"}"\n[songs]\nfolder = "{tmp_path / "songs"}"\n[adapt]\n'
        'strategy = ["B0", "P-G:end"]\nlam = [0.1, 1.0]\nepochs = 2\n[evaluate]\nwindow_s = 0.5\nhop_s = 0.5\n'
    )
    out = tmp_path / "out"
    assert main(["sweep", "run", str(tmp_path / "toy.toml"), "--results", str(out), "--lanes", "2"]) == 0
    cells = results.read_cells(out).values()
    assert [cell["status"] for cell in cells] == ["done"] * 3, capsys.readouterr()
    assert {row["source"] for cell in cells for row in cell["scores"]} == {"low", "high"}
