"""Bags of networks: weighted estimates, adaptation member by member, descriptions, and what is refused."""

import numpy as np
import pytest

import ugosa_jax as uj
from tests.helpers.adapting import adapt
from tests.helpers.networks import DUO, assert_same, make_checkpoint
from ugosa_jax.adaptation import bag_adaptation, engine, segments
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.cli.main import main
from ugosa_jax.config import SeparateConfig
from ugosa_jax.data import sound
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.sweeps import results
from ugosa_jax.weights import adapted_layers, bag, checkpoint, description
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.weights import replace_params

RATE_HZ = DUO.sample_rate_hz
FAST = uj.AdaptConfig(strategy="P-L2:D", epochs=3, segment_s=0.4, learning_rate=1e-3)
ANNOTATION = uj.Annotation((Interval(0, 0.5, "voice", "silent"),), DUO.sources, "unknown")


@pytest.fixture(scope="module")
def members():
    return {"first": make_checkpoint(seed=1), "second": make_checkpoint(seed=2)}


@pytest.fixture(scope="module")
def song():
    samples_CxT = np.random.default_rng(0).normal(0, 0.1, (2, RATE_HZ)).astype(np.float32)
    return uj.Song(uj.Audio(samples_CxT, RATE_HZ, "song.wav"))


def kept(members, folder, text="models: [first, second]\nweights: [[1, 0], [0, 1]]\n"):
    for name, member in members.items():
        checkpoint.save(member, folder / f"{name}.safetensors")
    (folder / "pair.yaml").write_text(text)
    return folder / "pair.yaml"


def test_estimates_are_averaged_with_weights(members, song):
    settings = SeparateConfig(chunk_s=0.4)
    first, second = (uj.separate(member, song, settings=settings) for member in members.values())
    mixed = uj.separate(Bag(members, ((3.0, 0.0), (1.0, 2.0))), song, settings=settings)
    np.testing.assert_allclose(mixed["voice"], 0.75 * first["voice"] + 0.25 * second["voice"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(mixed["rest"], second["rest"], atol=1e-6)


def test_chunks_of_all_members_are_counted(members, song):
    seen = []
    net = Bag(members, ((1.0, 1.0), (1.0, 1.0)))
    uj.separate(net, song, settings=SeparateConfig(chunk_s=0.5), on_chunk=lambda *so_far: seen.append(so_far))
    assert seen == [(i, 6) for i in range(1, 7)]


def test_adapt_tunes_each_member_separately(members, song):
    net = Bag(members, ((1.0, 0.0), (0.0, 1.0)))
    epochs = []
    run = uj.adapt(
        net, song, ANNOTATION, settings=FAST, on_epoch=lambda epoch, losses: epochs.append((epoch, losses.shape))
    )
    alone = {name: uj.adapt(member, song, ANNOTATION, settings=FAST) for name, member in members.items()}
    assert_same(run.tuned, {name: one.tuned for name, one in alone.items()})
    together = np.concatenate([one.losses_ExIx3 for one in alone.values()], 1)
    np.testing.assert_array_equal(run.losses_ExIx3, together)
    assert epochs == [(epoch, (1, 3, 3)) for epoch in range(6)] and run.stopped_at is None
    stems = uj.separate(net, song, tuned=run.tuned)
    specialist = uj.separate(members["second"], song, tuned=alone["second"].tuned)
    np.testing.assert_array_equal(stems["rest"], specialist["rest"])


def test_adapt_continues_from_tuned_layers(members, song):
    net = Bag(members, ((1.0, 0.0), (0.0, 1.0)))
    tuned = {"second": {"mask": make_checkpoint(seed=3).params["mask"]}}
    other = replace_params(net, tree.merge(tuned, net.params))
    assert other.fingerprint != net.fingerprint and other.weights_MxS == net.weights_MxS
    assert_same(other.params["first"], net.params["first"])
    assert_same(other.members["second"].params["mask"], tuned["second"]["mask"])


def test_adapt_lanes_of_a_bag_equals_that_of_its_members(members, song):
    net = Bag(members, ((1.0, 0.0), (0.0, 1.0)))
    lanes = uj.adapt_lanes(net, song, ANNOTATION, settings=FAST, lam=[0.5, 2.0])
    own = uj.adapt_lanes(members["second"], song, ANNOTATION, settings=FAST, lam=[0.5, 2.0])
    for lane, of_member in zip(lanes, own, strict=True):
        assert_same(lane.tuned["second"], of_member.tuned)


def test_join_results_pads_losses_of_a_member_that_stops_early(members, song):
    cut = segments.cut_song(song.mixture.samples_CxT, np.ones((2, RATE_HZ), bool), FAST, DUO)
    good, bad = adapt(DUO, make_checkpoint().params, cut, FAST), engine.make_unadapted_result()
    stopped = engine.AdaptationResult({}, np.full((1, 3, 3), np.nan), (0, 1), bad.timing, bad.device)
    both = bag_adaptation.join_results({"good": good, "bad": stopped})
    assert both.stopped_at == (0, 3 + 1)
    assert both.losses_ExIx3.shape == (3, 6, 3) and np.isnan(both.losses_ExIx3[:, 3:]).all()
    assert both.tuned.keys() == {"good"}


def test_b0_adapts_nothing(members, song):
    net = Bag(members, ((1.0, 1.0), (1.0, 1.0)))
    assert uj.adapt(net, song, ANNOTATION, settings=uj.AdaptConfig(strategy="B0")).tuned == {}


def test_bag_and_its_adapted_layers_are_read_from_files(members, tmp_path):
    net = uj.load_network(kept(members, tmp_path))
    assert net.weights_MxS == ((1.0, 0.0), (0.0, 1.0)) and net.sources == DUO.sources
    for name, member in net.members.items():
        assert_same(member.params, members[name].params)
    tuned = {"second": {"mask": make_checkpoint(seed=3).params["mask"]}}
    adapted_layers.save(tuned, net, tmp_path / "delta.safetensors", {})
    assert_same(adapted_layers.load(tmp_path / "delta.safetensors", net), tuned)
    other = Bag(members, ((1.0, 1.0), (1.0, 1.0)))
    with pytest.raises(InputError, match="base weights"):
        adapted_layers.load(tmp_path / "delta.safetensors", other)


def test_members_without_weights_count_equally(members, tmp_path):
    assert uj.load_network(kept(members, tmp_path, "models: [first, second]")).weights_MxS == ((1.0, 1.0), (1.0, 1.0))


def test_a_written_description_is_read_back(tmp_path):
    (tmp_path / "two.yaml").write_text(bag.format_description(["0123", "4e56"], [[0.5, 1], [1, 0]]))
    assert bag.parse_description(description.read(tmp_path / "two.yaml")) == (
        ("0123", "4e56"),
        ((0.5, 1.0), (1.0, 0.0)),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "a description must be"),
        ("[a]", "a description must be"),
        ("models: [first, ", "is not YAML"),
        ("models: first", "models must be"),
        ("models: []", "models must be"),
        ("models: [1]", "models must be"),
        ("models: [first, first]", "models must be"),
        ("models: [../first]", "models must be"),
        ("models: [absent]", "model absent: there is no absent"),
        ("models: [first]\ntricks: 1", "fields of a bag must be models, weights, segment, not 'tricks'"),
        ("models: [first]\nweights: 1", "weights must be"),
        ("models: [first]\nweights: [[1]]", "weights must be 1 rows of 2 numbers"),
        ("models: [first]\nweights: [[1, 1], [1, 1]]", "weights must be 1 rows"),
        ("models: [first]\nweights: [[1, yes]]", "weights must be"),
        ("models: [first]\nweights: [[1, 0]]", "weights of rest must be"),
        ("models: [first]\nweights: [[-1, 1]]", "weights of voice must be"),
        ("models: [first]\nweights: [[.nan, 1]]", "weights of voice must be"),
        ("models: !!python/object/apply:os.system [ls]", "is not YAML"),
        ("&a [*a]", "a description must be"),
    ],
)
def test_invalid_descriptions_are_refused(members, tmp_path, text, complaint):
    path = kept(members, tmp_path, text)
    with pytest.raises(InputError, match=rf"pair\.yaml: .*{complaint}") as caught:
        uj.load_network(path)
    assert "\n" not in str(caught.value)


def test_members_of_different_architectures_are_refused(members):
    other = make_checkpoint(uj.load_network("mini").architecture)
    with pytest.raises(InputError, match="model other must be of the architecture of first"):
        Bag(members | {"other": other}, ((1.0, 1.0),) * 3)


def test_commands_accept_a_bag(members, song, tmp_path, capsys):
    path, folder = kept(members, tmp_path), tmp_path / "songs" / "one"
    for source, part in zip(DUO.sources, (0.25, 0.75), strict=True):
        sound.write_audio(folder / f"{source}.wav", part * song.mixture.samples_CxT, RATE_HZ)
    sound.write_audio(folder / "mixture.wav", song.mixture.samples_CxT, RATE_HZ)
    (folder / "annotation.csv").write_text("start,end,source,state\n0,0.5,voice,silent\n")
    told = ("--annotation", str(folder / "annotation.csv"), "--weights", str(path))
    fast = ("--epochs", "1", "--segment-s", "0.4", "--strategy", "P-L2:D")
    out = tmp_path / "out"
    assert main(["separate", str(folder / "mixture.wav"), *told, *fast, "--out", str(out)]) == 0
    assert list(adapted_layers.load(out / "adapted.delta.safetensors", uj.load_network(path))) == ["first", "second"]
    assert (out / "report.html").is_file()
    assert main(["weights", "show", str(path)]) == 0
    assert "second           weights 0, 1" in capsys.readouterr().out
    assert main(["weights", "convert", str(path), str(tmp_path / "one.safetensors")]) == 2
    assert "is a bag of 2 networks; convert each of them" in capsys.readouterr().err
    (tmp_path / "grid.toml").write_text(
        f'weights = "{path}"\n[songs]\nfolder = "{tmp_path / "songs"}"\n[adapt]\nstrategy = "P-L2:D"\n'
        "lam = [0.1, 1.0]\nepochs = 1\nsegment_s = 0.4\n[evaluate]\nwindow_s = 0.5\nhop_s = 0.5\n"
    )
    assert main(["sweep", "run", str(tmp_path / "grid.toml"), "--results", str(tmp_path / "s"), "--lanes", "2"]) == 0
    assert [cell["adaptation"]["lanes"] for cell in results.read_cells(tmp_path / "s").values()] == [2, 2]


@pytest.mark.parametrize("value", ["!!bool foo", "!!float ''", "!!int ''", "!!timestamp x"])
def test_descriptions_with_odd_scalars_are_refused(tmp_path, value):
    (tmp_path / "a.yaml").write_text(f"models: {value}")
    with pytest.raises(InputError, match=r"a\.yaml: is not YAML"):
        description.read(tmp_path / "a.yaml")


def test_yaml_alias_bomb_is_refused_in_a_short_message(tmp_path):
    """Written out, its list would have 10³⁰ entries."""
    levels = "".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    (tmp_path / "a.yaml").write_text(f"models:\n- &a0 [x]\n{levels}")
    with pytest.raises(InputError, match="a list of different names") as caught:
        bag.parse_description(description.read(tmp_path / "a.yaml"))
    assert len(str(caught.value)) < 1000
