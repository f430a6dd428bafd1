"""The public API, `import ugosa_jax`."""

import ast
import dataclasses
import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ugosa_jax as uj
from tests.helpers.networks import DUO, make_checkpoint
from ugosa_jax import config
from ugosa_jax.api import arguments
from ugosa_jax.cli.main import choose_preset
from ugosa_jax.networks import tree

ANNOTATION = uj.Annotation((uj.Interval(0, 0.5, "voice", "silent"),), DUO.sources, "unknown")
FAST = uj.AdaptConfig(epochs=2, segment_s=0.5, learning_rate=1e-3)


def song(seconds=1.0, seed=0):
    samples_CxT = np.random.default_rng(seed).normal(0, 0.1, (2, round(8000 * seconds))).astype(np.float32)
    return uj.Song(uj.Audio(samples_CxT, 8000, f"{seed}.wav"))


def test_importing_ugosa_jax_imports_no_other_package():
    code = "import sys, ugosa_jax; print(sorted({'jax', 'numpy', 'soundfile', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_public_name_exists_and_has_a_docstring():
    for name in uj.__all__:
        assert getattr(uj, name).__doc__, name
    assert set(uj.__all__) <= set(dir(uj))
    with pytest.raises(AttributeError, match="no attribute 'seperate'"):
        uj.seperate  # noqa: B018


def test_imports_for_type_checkers_match_the_lazy_ones():
    tree = ast.parse(Path(uj.__file__).read_text("utf-8"))
    (shown,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname or alias.name: (node.module, alias.name) for node in shown.body for alias in node.names}
    assert sorted(seen) == sorted(uj.__all__)
    for name, (module, inside) in seen.items():
        assert getattr(uj, name) is getattr(__import__(module, fromlist=[inside]), inside)
    assert (Path(uj.__file__).parent / "py.typed").is_file()


def test_lanes_of_one_song_equal_lanes_of_a_repeated_song():
    """And single runs."""
    net, one = make_checkpoint(), song()
    shared = uj.adapt_lanes(net, one, ANNOTATION, settings=FAST, lam=np.array([0.5, 2.0]))
    named = uj.adapt_lanes(net, [one, one], [ANNOTATION, ANNOTATION], settings=FAST, lam=[0.5, 2.0])
    alone = uj.adapt(
        net, one, ANNOTATION, settings=uj.AdaptConfig(epochs=2, segment_s=0.5, learning_rate=1e-3, lam=2.0)
    )
    for left, right in zip(shared, named, strict=True):
        np.testing.assert_allclose(left.losses_ExIx3, right.losses_ExIx3, rtol=1e-5)
    np.testing.assert_allclose(shared[1].losses_ExIx3, alone.losses_ExIx3, rtol=1e-5)


def test_adapt_lanes_groups_songs_by_length():
    """Results are in the order of the songs."""
    net, songs = make_checkpoint(), [song(1.0, 0), song(3.0, 1), song(1.0, 2)]
    runs = uj.adapt_lanes(net, songs, [ANNOTATION] * 3, settings=FAST)
    assert [run.losses_ExIx3.shape[1] for run in runs] == [2, 6, 2]
    for one, run in zip(songs, runs, strict=True):
        np.testing.assert_allclose(
            run.losses_ExIx3, uj.adapt(net, one, ANNOTATION, settings=FAST).losses_ExIx3, rtol=1e-5
        )


def test_adapt_lanes_refuses_different_numbers_of_songs_and_annotations():
    net, one = make_checkpoint(), song()
    with pytest.raises(uj.InputError, match="equal in number, not 2, 1, 2 and 2"):
        uj.adapt_lanes(net, [one, one], ANNOTATION, settings=FAST)
    with pytest.raises(uj.InputError, match="one song has one annotation"):
        uj.adapt_lanes(net, one, [ANNOTATION, ANNOTATION], settings=FAST)
    with pytest.raises(uj.InputError, match=r"0\.wav: strategy P-L3:M needs an annotation"):
        uj.adapt(net, one, settings=FAST)


def test_loss_b_needs_no_annotation():
    plain = uj.AdaptConfig(strategy="B-L3:M", epochs=1, segment_s=0.5)
    assert uj.adapt(make_checkpoint(), song(), settings=plain).losses_ExIx3.shape == (1, 2, 3)


def stems(sources=("drums", "bass", "other", "vocals", "guitar", "piano")):
    """Return stems of six sources, as no code may assume four."""
    samples_SxCxT = np.random.default_rng(3).normal(0, 0.1, (len(sources), 1, 24000)).astype(np.float32)
    return dict(zip(sources, samples_SxCxT, strict=True))


def test_evaluate_takes_folders_arrays_and_songs(tmp_path):
    true = stems()
    noisy = {source: stem + 0.01 * np.roll(stem, 100) for source, stem in true.items()}
    for folder, sounds in {"true": true, "noisy": noisy}.items():
        (tmp_path / folder).mkdir()
        for source, samples_CxT in sounds.items():
            soundfile.write(tmp_path / folder / f"{source}.wav", samples_CxT.T, 8000, "FLOAT")
    of_arrays = uj.evaluate(true, noisy, rate_hz=8000)
    of_files = uj.evaluate(tmp_path / "true", str(tmp_path / "noisy"))
    mixture = uj.Audio(sum(true.values()), 8000, "six")
    of_song = uj.evaluate(uj.Song(mixture, np.stack([*true.values()]), tuple(true)), noisy)
    for source in true:
        assert of_arrays.db(source, "SDR") == pytest.approx(40, abs=0.1)
        assert of_files.db(source, "SDR") == pytest.approx(of_arrays.db(source, "SDR"), abs=1e-6)
        assert of_song.db(source, "SDR") == of_arrays.db(source, "SDR")
    assert of_arrays.score("piano", "SDR", "museval").n_frames == 1
    with pytest.raises(KeyError, match="no score SDR of flute"):
        of_arrays.db("flute", "SDR")


def test_evaluation_is_printed_as_a_table():
    true = stems()
    true["piano"][:] = 0
    lines = str(uj.evaluate(true, stems(), rate_hz=8000)).splitlines()
    assert lines[0] == "unchanged, rule museval"
    assert lines[1].split() == ["dB", "(frames)", "SDR", "ISR", "SIR", "SAR", "PES", "EPS"]
    assert [line.split()[0] for line in lines[2:8]] == [*true]
    assert lines[9] == "unchanged, rule target"
    assert lines[-1].split()[1:5] == ["–"] * 4  # a stem that is silent has no scores but PES


def test_evaluate_refuses_stems_that_do_not_fit(tmp_path):
    true = stems()
    with pytest.raises(uj.InputError, match="no estimate of bass, piano"):
        uj.evaluate(true, {name: stem for name, stem in true.items() if name not in ("bass", "piano")}, rate_hz=8000)
    with pytest.raises(uj.InputError, match="need a sample rate"):
        uj.evaluate(true, true)
    with pytest.raises(uj.InputError, match="of one shape"):
        uj.evaluate(true | {"bass": true["bass"][:, 1:]}, true, rate_hz=8000)
    with pytest.raises(uj.InputError, match=r"estimates: bass must be an array \(channels, samples\)"):
        uj.evaluate(true, true | {"bass": true["bass"][0]}, rate_hz=8000)
    with pytest.raises(uj.InputError, match="estimates must be of one shape"):
        uj.evaluate(true, true | {"bass": np.repeat(true["bass"], 2, 0)}, rate_hz=8000)
    with pytest.raises(uj.InputError, match="holds no stems"):
        uj.evaluate(tmp_path, true)
    with pytest.raises(uj.InputError, match="need an annotation"):
        uj.evaluate(true, true, rate_hz=8000, settings=uj.EvaluateConfig(outputs="gated"))


def test_load_network_reads_a_converted_checkpoint(tmp_path):
    source = Path(__file__).parent / "data" / "checkpoint_v1_legacy.th"
    found = uj.convert_checkpoint(source, tmp_path / "small.safetensors")
    assert uj.load_network(tmp_path / "small.safetensors").fingerprint == found.fingerprint
    with pytest.raises(uj.InputError, match="is the checkpoint itself"):
        uj.convert_checkpoint(source, source)


def test_load_adapted_layers_reads_saved_layers(tmp_path):
    net, one = make_checkpoint(), song()
    run = uj.adapt(net, one, ANNOTATION, settings=FAST)
    run.save(tmp_path / "song.safetensors")
    back = uj.load_adapted_layers(net, tmp_path / "song.safetensors")
    found, tuned = map(tree.flatten, (back.tuned, run.tuned))
    assert found.keys() == tuned.keys()
    assert all(np.array_equal(found[path], tuned[path]) for path in tuned)
    assert back.settings.strategy == run.settings.strategy == "P-L3:M"
    stems, again = run.separate(one), back.separate(one)
    assert all(np.array_equal(stems[source], again[source]) for source in net.sources)
    assert any((stems[source] != uj.separate(net, one)[source]).any() for source in net.sources)


def test_repr_of_a_network_is_one_line():
    mini = uj.load_network("mini")
    assert repr(mini) == "Checkpoint(ConvTasNet, 2.1 M parameters, drums bass other vocals, 44.1 kHz, 'mini')"
    bag = uj.Bag({"a": make_checkpoint(seed=1), "b": make_checkpoint(seed=2)}, ((1.0, 1.0), (1.0, 1.0)))
    assert repr(bag) == "Bag(2 networks, ConvTasNet, 1122 parameters, voice rest, 8 kHz)"
    assert repr(song()) == "Song('0.wav', 1.0 s, 8 kHz, stereo)"
    assert repr(ANNOTATION) == "Annotation('annotation', intervals: voice 1; elsewhere unknown)"


def test_settings_default_to_the_preset_of_the_network():
    named = dataclasses.replace(make_checkpoint(), name="mini")
    assert (
        arguments.get_default_preset(named)
        == uj.get_preset("recommended")
        == config.get_preset(choose_preset(["--weights", "mini"]))
    )
    assert (
        arguments.get_default_preset(make_checkpoint())
        == uj.get_preset("paper")
        == config.get_preset(choose_preset(["--weights", "other"]))
    )
    suited = arguments.choose_preset(None, named)
    assert (suited.adapt.strategy, suited.separate.refine) == ("R-L3:M", "wiener")


def test_functions_accept_a_preset_as_settings():
    net, one = make_checkpoint(), song()
    mine = dataclasses.replace(uj.get_preset("recommended"), adapt=FAST)
    run = uj.adapt(net, one, ANNOTATION, settings=mine)
    assert run.settings.learning_rate == FAST.learning_rate and run.preset.separate == mine.separate
    refined = uj.separate(net, one, ANNOTATION, settings=mine, tuned=run.tuned)
    assert all(np.array_equal(run.separate(one)[source], refined[source]) for source in net.sources)
    np.testing.assert_allclose(sum(refined.values()), one.mixture.samples_CxT, atol=1e-5)
    with pytest.raises(uj.InputError, match="settings must be SeparateConfig or Preset, not AdaptConfig"):
        uj.separate(net, one, settings=FAST)


def test_arguments_of_a_wrong_type_are_refused_in_one_sentence():
    net, one = make_checkpoint(), song()
    with pytest.raises(uj.InputError, match=r"not an array: write Song\.from_array\(samples, rate_hz\)"):
        uj.adapt(net, one.mixture.samples_CxT, ANNOTATION)
    with pytest.raises(uj.InputError, match=r"song must be a Song, not str: write read_audio\(path\)"):
        uj.separate(net, "song.wav")
    with pytest.raises(uj.InputError, match="no-such-network"):
        uj.adapt("no-such-network", one, ANNOTATION)
    with pytest.raises(uj.InputError, match="net must be a network, its name or its file, not dict"):
        uj.separate(net.params, one)
    with pytest.raises(uj.InputError, match="a network must be a name or a path, not int"):
        uj.load_network(3)
    with pytest.raises(uj.InputError, match=r"references must be a folder, .*, not int"):
        uj.evaluate(3, "stems")
    with pytest.raises(uj.InputError, match=r"estimates must be a folder or {source: array}, not an array"):
        uj.evaluate("stems", np.zeros(3))


def test_annotations_and_layers_that_do_not_fit_are_refused():
    net, one, muting = make_checkpoint(), song(), uj.SeparateConfig(gate=True)
    reversed_order = uj.Annotation(ANNOTATION.intervals, DUO.sources[::-1], "unknown")
    with pytest.raises(uj.InputError, match="annotates rest, voice, but the network separates voice, rest"):
        uj.separate(net, one, reversed_order, settings=muting)
    with pytest.raises(uj.InputError, match=r"annotates voice, but the network"):
        uj.separate(net, one, uj.Annotation((), ("voice",), "unknown"), settings=uj.SeparateConfig(refine="residual"))
    with pytest.raises(uj.InputError, match=r"past the end of the song, which lasts 1\.000 s"):
        uj.separate(net, one, uj.Annotation.from_intervals([("voice", 0, 9)], net.sources), settings=muting)
    for call in (uj.separate, uj.adapt):
        with pytest.raises(uj.InputError, match=r"not str: write read_annotation\(path, net\.sources\)"):
            call(net, one, "song.csv")
    for tuned in ({"nowhere": np.zeros(3)}, {next(iter(net.params)): {"kernel": np.zeros(1)}}):
        with pytest.raises(uj.InputError, match=r"tuned: .* is not in this network, or has another shape there"):
            uj.separate(net, one, tuned=tuned)
    with pytest.raises(uj.InputError, match="tuned must be adapted layers"):
        uj.separate(net, one, tuned="song.safetensors")
    with pytest.raises(uj.InputError, match=r"lam must be a list of numbers, one per lane, not 0\.5"):
        uj.adapt_lanes(net, one, ANNOTATION, settings=FAST, lam=0.5)
    with pytest.raises(uj.InputError, match="preset: adapt must be of AdaptConfig"):
        uj.Preset(adapt=muting)


def test_song_from_array_checks_shape_type_and_rate():
    mono_T = np.random.default_rng(0).normal(0, 0.1, 8000)
    assert uj.Song.from_array(mono_T, 8000).mixture.samples_CxT.shape == (1, 8000)
    assert uj.Song.from_array(np.stack([mono_T, mono_T]), 8000).mixture.samples_CxT.dtype == np.float32
    for wrong in (mono_T[:, None].repeat(2, 1), mono_T[None, None], np.zeros(8000, np.int16), mono_T * np.nan):
        with pytest.raises(uj.InputError, match="samples must be"):
            uj.Song.from_array(wrong, 8000)
    with pytest.raises(uj.InputError, match="rate_hz must be"):
        uj.Song.from_array(mono_T, 0)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"strategy": "nonsense"}, "strategy must be B0, or a loss P, B or R, a start and an end"),
        ({"strategy": 3}, "strategy must be a text"),
        ({"lam": "1"}, "lam must be a number, not '1'"),
        ({"lam": -1}, "lam must be at least 0 and finite, not -1"),
        ({"lam": float("nan")}, "lam must be at least 0 and finite"),
        ({"epochs": 2.5}, "epochs must be an integer, not 2.5"),
        ({"segment_s": "long"}, "segment_s must be a number"),
        ({"features": "all"}, "features must be one of auto, float32"),
        ({"centralise_gradients": "no"}, "centralise_gradients must be True or False"),
    ],
)
def test_settings_refuse_wrong_types_and_ranges(wrong, expected):
    with pytest.raises(uj.InputError, match=expected):
        uj.AdaptConfig(**wrong)


def test_settings_accept_numpy_numbers():
    assert uj.AdaptConfig(lam=np.float32(2), epochs=np.int64(3)) == uj.AdaptConfig(lam=2.0, epochs=3)


def test_other_frames_need_no_annotation():
    true = stems()
    noisy = {source: stem + 0.01 * np.roll(stem, 100) for source, stem in true.items()}
    found = uj.evaluate(true, noisy, rate_hz=8000, settings=uj.EvaluateConfig(window_s=1.0, hop_s=1.0))
    assert {score.gated for score in found.scores} == {False}
    assert found.score("drums", "SDR").n_frames == 3


def test_write_audio_takes_mono_arrays_and_refuses_transposed_ones(tmp_path):
    mono_T = np.linspace(-0.5, 0.5, 800, dtype=np.float32)
    uj.write_audio(tmp_path / "mono.wav", mono_T, 8000)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "mono.wav", dtype="float32")[0], mono_T)
    with pytest.raises(uj.InputError, match=r"\(channels, samples\).*write samples\.T"):
        uj.write_audio(tmp_path / "wrong.wav", np.stack([mono_T, mono_T], 1), 8000)
    assert not (tmp_path / "wrong.wav").exists()


def test_annotation_from_intervals_checks_each_interval():
    annotation = uj.Annotation.from_intervals([("voice", 0, 0.5, "silent")], DUO.sources)
    assert annotation == ANNOTATION
    assert uj.Annotation.from_intervals([("voice", 0.2, 1)], DUO.sources).outside == "silent"
    assert annotation._repr_html_().count("<tr>") == 2
    for wrong, expected in {
        ("voice", 1, 0.5): r"intervals\[0\]: times",
        ("voice", "0", 1): r"intervals\[0\]: times",
        ("voks", 0, 1): r"intervals\[0\]: source must be one of voice, rest",
        ("voice", 0, 1, "loud"): r"intervals\[0\]: state must be one of active, silent, unknown",
        ("voice",): r"intervals\[0\] must be \(source, start_s, end_s\)",
    }.items():
        with pytest.raises(uj.InputError, match=expected):
            uj.Annotation.from_intervals([wrong], DUO.sources)
    with pytest.raises(uj.InputError, match=r"sources must be a list of names, such as net\.sources, not 'voice'"):
        uj.Annotation.from_intervals([("voice", 0, 1)], "voice")


def test_results_have_short_reprs_tables_and_plots():
    run = uj.adapt(make_checkpoint(), song(), ANNOTATION, settings=FAST)
    assert run.losses.total.shape == run.losses.activation.shape == (2, 2)
    np.testing.assert_allclose(run.losses.total, run.losses.reconstruction + run.losses.activation, rtol=1e-5)
    assert repr(run).startswith("AdaptedNetwork(Checkpoint(ConvTasNet") and len(repr(run)) < 250
    assert run.losses._repr_html_().count("<tr>") == 3
    scores = uj.evaluate(stems(), stems(), rate_hz=8000)
    assert scores._repr_html_().count("<tr>") == 1 + 2 * 6 and repr(scores).startswith("Evaluation(SDR in dB: drums ")
    assert uj.plot_losses(run).axes and uj.plot_annotation(ANNOTATION, song()).axes
    nothing = uj.adapt(make_checkpoint(), song(), settings=uj.AdaptConfig(strategy="B0"))
    assert "nothing was adapted" in repr(nothing.losses)
    with pytest.raises(uj.InputError, match="none of the runs adapted anything"):
        uj.plot_losses(nothing)
    with pytest.raises(uj.InputError, match="runs must be one run, or several by name, not list"):
        uj.plot_losses([run])


def test_functions_share_the_order_of_arguments():
    for name in ("adapt", "separate", "adapt_lanes"):
        parameters = [*inspect.signature(getattr(uj, name)).parameters.values()]
        assert [p.name.rstrip("s") for p in parameters[:3]] == ["net", "song", "annotation"]
        assert all(p.kind is p.KEYWORD_ONLY for p in parameters[3:])


@pytest.mark.parametrize("name", sorted(uj.__all__))
def test_examples_in_docstrings_run(name):
    """Docstring examples, of functions and of the methods of classes."""
    found = [*doctest.DocTestFinder(exclude_empty=True).find(getattr(uj, name), name, globs={})]
    results = [doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test) for test in found if test.examples]
    assert not sum(result.failed for result in results)
    assert results or name not in ("adapt", "separate", "evaluate")
