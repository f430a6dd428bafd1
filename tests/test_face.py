"""The face of the package: what `import ugosa_jax` offers, and that it costs nothing until it is asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ugosa_jax as uj
from tests.helpers.networks import DUO, made
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.networks import tree

SAID = uj.Annotation((Interval(0, 0.5, "voice", "silent"),), DUO.sources, "unknown")
FAST = uj.AdaptConfig(epochs=2, segment_s=0.5, learning_rate=1e-3)


def song(seconds=1.0, seed=0):
    samples_CxT = np.random.default_rng(seed).normal(0, 0.1, (2, round(8000 * seconds))).astype(np.float32)
    return uj.Song(uj.Audio(samples_CxT, 8000, f"{seed}.wav"))


def test_importing_it_starts_nothing():
    code = "import sys, ugosa_jax; print(sorted({'jax', 'numpy', 'soundfile', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_name_is_there_and_documented():
    for name in uj.__all__:
        assert getattr(uj, name).__doc__, name
    assert set(uj.__all__) <= set(dir(uj))
    with pytest.raises(AttributeError, match="no attribute 'seperate'"):
        uj.seperate  # noqa: B018


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(uj.__file__).read_text("utf-8"))
    (shown,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname or alias.name: (node.module, alias.name) for node in shown.body for alias in node.names}
    assert sorted(seen) == sorted(uj.__all__)
    for name, (module, inside) in seen.items():
        assert getattr(uj, name) is getattr(__import__(module, fromlist=[inside]), inside)
    assert (Path(uj.__file__).parent / "py.typed").is_file()


def test_lanes_of_one_song_are_those_of_many():
    """Whether a song is shared or named once a lane; and each is what it is by itself."""
    net, one = made(), song()
    shared = uj.adapt_lanes(net, one, SAID, FAST, lam=np.array([0.5, 2.0]))
    named = uj.adapt_lanes(net, [one, one], [SAID, SAID], FAST, lam=[0.5, 2.0])
    alone = uj.adapt(net, one, SAID, uj.AdaptConfig(epochs=2, segment_s=0.5, learning_rate=1e-3, lam=2.0))
    for left, right in zip(shared, named, strict=True):
        np.testing.assert_allclose(left.losses_ExIx3, right.losses_ExIx3, rtol=1e-5)
    np.testing.assert_allclose(shared[1].losses_ExIx3, alone.losses_ExIx3, rtol=1e-5)


def test_songs_of_any_length_are_lanes():
    """They run in groups of one number of segments; results come in the order of the songs."""
    net, songs = made(), [song(1.0, 0), song(3.0, 1), song(1.0, 2)]
    runs = uj.adapt_lanes(net, songs, [SAID] * 3, FAST)
    assert [run.losses_ExIx3.shape[1] for run in runs] == [2, 6, 2]
    for one, run in zip(songs, runs, strict=True):
        np.testing.assert_allclose(run.losses_ExIx3, uj.adapt(net, one, SAID, FAST).losses_ExIx3, rtol=1e-5)


def test_lanes_that_do_not_fit_each_other_are_refused():
    net, one = made(), song()
    with pytest.raises(uj.InputError, match="equally many, not 2, 1, 2 and 2"):
        uj.adapt_lanes(net, [one, one], SAID, FAST)
    with pytest.raises(uj.InputError, match="one song has one annotation"):
        uj.adapt_lanes(net, one, [SAID, SAID], FAST)
    with pytest.raises(uj.InputError, match=r"0\.wav: strategy P-L3:M needs an annotation"):
        uj.adapt(net, one, settings=FAST)


def test_reconstruction_alone_needs_no_annotation():
    plain = uj.AdaptConfig(strategy="B-L3:M", epochs=1, segment_s=0.5)
    assert uj.adapt(made(), song(), settings=plain).losses_ExIx3.shape == (1, 2, 3)


def stems(sources=("drums", "bass", "other", "vocals", "guitar", "piano")):
    """Stems of six sources: no code may count on four."""
    samples_SxCxT = np.random.default_rng(3).normal(0, 0.1, (len(sources), 1, 24000)).astype(np.float32)
    return dict(zip(sources, samples_SxCxT, strict=True))


def test_stems_are_scored_from_folders_arrays_and_songs(tmp_path):
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


def test_scores_print_as_a_table():
    true = stems()
    true["piano"][:] = 0
    lines = str(uj.evaluate(true, stems(), rate_hz=8000)).splitlines()
    assert lines[0] == "as they are, rule museval"
    assert lines[1].split() == ["dB", "(frames)", "SDR", "ISR", "SIR", "SAR", "PES", "EPS"]
    assert [line.split()[0] for line in lines[2:8]] == [*true]
    assert lines[9] == "as they are, rule target"
    assert lines[-1].split()[1:5] == ["–"] * 4  # a stem that is silent has no scores but PES


def test_stems_that_cannot_be_compared_are_refused(tmp_path):
    true = stems()
    with pytest.raises(uj.InputError, match="no estimate of bass, piano"):
        uj.evaluate(true, {name: stem for name, stem in true.items() if name not in ("bass", "piano")}, 8000)
    with pytest.raises(uj.InputError, match="need a sample rate"):
        uj.evaluate(true, true)
    with pytest.raises(uj.InputError, match="of one shape"):
        uj.evaluate(true | {"bass": true["bass"][:, 1:]}, true, 8000)
    with pytest.raises(uj.InputError, match=r"estimates: bass must be an array \(channels, samples\)"):
        uj.evaluate(true, true | {"bass": true["bass"][0]}, 8000)
    with pytest.raises(uj.InputError, match="estimates must be of one shape"):
        uj.evaluate(true, true | {"bass": np.repeat(true["bass"], 2, 0)}, 8000)
    with pytest.raises(uj.InputError, match="holds no stems"):
        uj.evaluate(tmp_path, true)
    with pytest.raises(uj.InputError, match="need an annotation"):
        uj.evaluate(true, true, 8000, settings=uj.EvaluateConfig(outputs="gated"))


def test_convert_writes_what_load_reads(tmp_path):
    source = Path(__file__).parent / "data" / "checkpoint_v1_legacy.th"
    found = uj.convert(source, tmp_path / "small.safetensors")
    assert uj.load(tmp_path / "small.safetensors").fingerprint == found.fingerprint
    with pytest.raises(uj.InputError, match="is the checkpoint itself"):
        uj.convert(source, source)


def test_deltas_come_back(tmp_path):
    net = made()
    run = uj.adapt(net, song(), SAID, FAST)
    uj.save_delta(run.tuned, net, tmp_path / "delta.safetensors", {"strategy": FAST.strategy})
    found, tuned = map(tree.flat, (uj.load_delta(tmp_path / "delta.safetensors", net), run.tuned))
    assert found.keys() == tuned.keys()
    np.testing.assert_array_equal(np.concatenate([found[k].ravel() for k in tuned]),
                                  np.concatenate([tuned[k].ravel() for k in tuned]))  # fmt: skip
