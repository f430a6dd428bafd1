"""Prepared data sets: their contents; only complete songs are in them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ugosa_jax import files
from ugosa_jax.annotations import activation, annotation
from ugosa_jax.cli.main import main
from ugosa_jax.data import controlled, datasets, loading

SOURCES = ("drums", "bass", "other", "vocals")
RATE_HZ = 22050
N_SAMPLES = 40 * controlled.HOP
FILES = ["annotation.csv", "bass.wav", "drums.wav", "mixture.wav", "other.wav", "vocals.wav"]


def stems_of(seed: int, n_samples: int = N_SAMPLES) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).normal(size=(4, 2, n_samples)).astype(np.float32)


def write(folder: Path, stems_SxCxT: np.ndarray, mix_CxT: np.ndarray | None = None) -> None:
    folder.mkdir(parents=True)
    for source, stem_CxT in zip(SOURCES, stems_SxCxT, strict=True):
        soundfile.write(folder / f"{source}.wav", stem_CxT.T, RATE_HZ, "FLOAT")
    mix_CxT = stems_SxCxT.sum(axis=0) if mix_CxT is None else mix_CxT
    soundfile.write(folder / "mixture.wav", mix_CxT.T, RATE_HZ, "FLOAT")


@pytest.fixture
def root(tmp_path):
    """Two songs."""
    write(tmp_path / "root" / "a song", stems_of(0))
    write(tmp_path / "root" / "b", stems_of(1))
    return tmp_path / "root"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def prepare(root, out, *more) -> int:
    encoding = () if "--encoding" in more else ("--encoding", "float")
    return main([str(part) for part in ("prepare", root, out, *encoding, *more)])


def refused(capsys, code: int, *words: str) -> None:
    """Check that a command refused its input with a line that contains `words`."""
    captured = capsys.readouterr()
    assert code == 2
    message = captured.err.splitlines()[-1]
    assert message.startswith("error: ")
    for word in words:
        assert word in message


def manifest_of(out: Path) -> dict:
    return json.loads((out / "manifest.json").read_text("utf-8"))


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sound(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0].T


# What is written


def test_each_source_is_silent_for_a_quarter(root, out, capsys):
    assert prepare(root, out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["a song", "b", "manifest.json"]
    for seed, name in enumerate(("a song", "b")):
        assert sorted(path.name for path in (out / name).iterdir()) == FILES
        order = controlled.draw_order(4, 0, name)
        assert manifest_of(out)["songs"][name]["order"] == [SOURCES[s] for s in order]
        stems_SxCxT = np.stack([sound(out / name / f"{source}.wav") for source in SOURCES])
        np.testing.assert_array_equal(stems_SxCxT, controlled.silence_stretches(stems_of(seed), order))
        for position, source in enumerate(order):  # seven of the quarter's ten hops lie outside of the fades
            middle = (10 * position + 5) * controlled.HOP
            assert not stems_SxCxT[source, :, middle - controlled.HOP : middle + controlled.HOP].any()
        np.testing.assert_array_equal(sound(out / name / "mixture.wav"), stems_SxCxT.sum(axis=0))
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said[:2]] == ["a song", "b"]
    assert said[2].endswith("out (2 songs)")


def test_annotation_agrees_with_the_stems(root, out):
    assert prepare(root, out, "--threshold", "0.5") == 0
    stems_SxCxT = np.stack([sound(out / "b" / f"{source}.wav") for source in SOURCES])
    active_SxT = activation.detect_activity(stems_SxCxT, RATE_HZ, 0.5)
    labels = annotation.read_annotation(out / "b" / "annotation.csv", SOURCES)
    assert 0.1 < active_SxT.mean() < 0.9
    np.testing.assert_array_equal(annotation.compute_active_mask(labels, N_SAMPLES, RATE_HZ), active_SxT)
    silent_s = manifest_of(out)["songs"]["b"]["silent_s"]
    for source, active_T in zip(SOURCES, active_SxT, strict=True):
        assert silent_s[source] == pytest.approx((~active_T).sum() / RATE_HZ)


def test_prepare_accepts_any_number_of_sources(tmp_path, out, capsys):
    """A stretch of the song for each, and its name in the annotation."""
    sources = (*SOURCES, "guitar", "piano")
    stems_SxCxT = np.concatenate([stems_of(0), stems_of(1)[:2]])
    (tmp_path / "root" / "a").mkdir(parents=True)
    for source, stem_CxT in zip(sources, stems_SxCxT, strict=True):
        soundfile.write(tmp_path / "root" / "a" / f"{source}.wav", stem_CxT.T, RATE_HZ, "FLOAT")
    assert prepare(tmp_path / "root", out, "--sources", *sources) == 0
    made = manifest_of(out)
    assert made["settings"]["sources"] == list(sources)
    assert sorted(made["songs"]["a"]["order"]) == sorted(sources)
    found_SxCxT = np.stack([sound(out / "a" / f"{source}.wav") for source in sources])
    order = [sources.index(source) for source in made["songs"]["a"]["order"]]
    np.testing.assert_array_equal(found_SxCxT, controlled.silence_stretches(stems_SxCxT, order))
    np.testing.assert_array_equal(sound(out / "a" / "mixture.wav"), found_SxCxT.sum(axis=0))
    assert set(annotation.read_annotation(out / "a" / "annotation.csv", sources).sources) == set(sources)
    assert prepare(tmp_path / "root", out, "--sources", *sources) == 0
    assert "a: already prepared" in capsys.readouterr().out
    refused(capsys, prepare(tmp_path / "root", out, "--sources", "bass", "Bass"), "different names")


def test_encoding_is_16_bits_by_default(root, out):
    """As in the paper's code; BSSEval needs rounding noise where lossy codecs leave exact zeros."""
    assert main(["prepare", str(root), str(out), "--limit", "1"]) == 0
    assert manifest_of(out)["settings"]["encoding"] == "16"
    assert {soundfile.info(path).subtype for path in out.rglob("*.wav")} == {"PCM_16"}


def test_manifest_describes_each_song(root, out):
    assert prepare(root, out, "--seed", "3", "--limit", "1") == 0
    manifest = manifest_of(out)
    assert manifest["format"] == 1
    assert manifest["settings"] == {
        "root": "folder",
        "subset": None,
        "sources": list(SOURCES),
        "as_is": False,
        "seed": 3,
        "threshold": 0.15,
        "encoding": "float",
    }
    assert set(manifest["made_with"]) == {"ugosa_jax", "numpy", "scipy", "soundfile", "soxr"}
    (song,) = manifest["songs"].values()
    folder = root / "a song"
    assert song["inputs"] == {name: files.compute_sha256(folder / f"{name}.wav") for name in ("mixture", *SOURCES)}
    assert song["outputs"] == {name: files.compute_sha256(out / "a song" / name) for name in FILES}
    assert (song["rate_hz"], song["channels"], song["samples"], song["seed"]) == (RATE_HZ, 2, N_SAMPLES, 3)
    assert song["notes"] == []


def test_prepare_writes_16_bits(root, out):
    assert prepare(root, out, "--encoding", "16") == 0
    stems = [soundfile.read(out / "b" / f"{source}.wav", dtype="int16")[0] for source in SOURCES]
    assert soundfile.info(out / "b" / "mixture.wav").subtype == "PCM_16"
    mixture = soundfile.read(out / "b" / "mixture.wav", dtype="int16")[0]
    np.testing.assert_array_equal(mixture, np.sum(stems, axis=0))  # of the stems after rounding
    silenced = controlled.silence_stretches(stems_of(1), controlled.draw_order(4, 0, "b"))
    np.testing.assert_allclose(stems[2].T / 32768, silenced[2], rtol=0, atol=0.5001 / 32768)


def test_samples_that_clip_in_16_bits_are_reported(root, out, capsys):
    shutil.rmtree(root / "b")
    write(root / "b", np.full((4, 2, N_SAMPLES), 0.4, np.float32))
    assert prepare(root, out, "--encoding", "16") == 0
    (warning,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    mix_CxT = 0.4 * np.sum(
        [controlled.compute_gain(41, 10 * i, 41 if i == 3 else 10 * i + 10) for i in range(4)], axis=0
    )
    assert warning == f"warning: b: mixture.wav: {2 * (mix_CxT > 1).sum()} samples above full scale"


def test_as_is_keeps_the_songs_unchanged(root, out):
    write(root / "c", stems_of(2, 5001), 0.5 * stems_of(2, 5001).sum(axis=0))
    assert prepare(root, out, "--as-is") == 0
    for source, stem_CxT in zip(SOURCES, stems_of(2, 5001), strict=True):
        np.testing.assert_array_equal(sound(out / "c" / f"{source}.wav"), stem_CxT)
    np.testing.assert_array_equal(sound(out / "c" / "mixture.wav"), sound(root / "c" / "mixture.wav"))
    song = manifest_of(out)["songs"]["c"]
    assert (song["order"], song["seed"], song["samples"]) == (None, None, 5001)
    assert len(song["notes"]) == 1


def test_a_prepared_set_is_a_data_set(root, out):
    assert prepare(root, out) == 0
    tracks = datasets.list_tracks(out)
    assert [(track.kind, track.name) for track in tracks] == [("folder", "a song"), ("folder", "b")]
    assert tracks[0].annotation == out / "a song" / "annotation.csv"
    assert loading.load_with_stems(tracks[0], SOURCES).notes == ()


def test_a_song_does_not_depend_on_the_others(root, out, tmp_path):
    assert prepare(root, out) == 0
    shutil.rmtree(root / "a song")
    assert prepare(root, tmp_path / "b only") == 0
    assert contents(tmp_path / "b only" / "b") == contents(out / "b")


def test_another_seed_is_another_order(root, out, tmp_path):
    assert prepare(root, out) == prepare(root, tmp_path / "other", "--seed", "1") == 0
    orders = [[song["order"] for song in manifest_of(o)["songs"].values()] for o in (out, tmp_path / "other")]
    assert orders[0] != orders[1]


def test_stem_arrays_are_prepared(tmp_path, out):
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "x.npy", stems_of(0).astype(np.float16))
    assert prepare(tmp_path / "arrays", out) == 0
    stems_SxCxT = stems_of(0).astype(np.float16).astype(np.float32)
    expected = controlled.silence_stretches(stems_SxCxT, controlled.draw_order(4, 0, "x"))
    np.testing.assert_array_equal(sound(out / "x" / "vocals.wav"), expected[3])
    song = manifest_of(out)["songs"]["x"]
    assert (song["rate_hz"], song["inputs"]) == (44100, {"song": files.compute_sha256(tmp_path / "arrays" / "x.npy")})


def test_subset_of_musdb18hq_is_prepared(tmp_path, out):
    write(tmp_path / "hq" / "train" / "x", stems_of(0))
    write(tmp_path / "hq" / "test" / "y", stems_of(1))
    assert prepare(tmp_path / "hq", out, "--subset", "test") == 0
    assert list(manifest_of(out)["songs"]) == ["y"]


def test_installed_command_prepares_songs(root, out):
    command = [
        str(Path(sys.executable).parent / "ugosa-jax"),
        "prepare",
        str(root),
        str(out),
        "--encoding=float",
        "--limit=1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("a song: 0.9 s; silent for drums ")


# Going on


KILLED = """
import os, pathlib, signal, sys
from ugosa_jax.cli import main as cli
rename, left = pathlib.Path.replace, [int(sys.argv[1])]

def replace(*args):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(*args)

pathlib.Path.replace = replace
cli.main(sys.argv[2:])
"""


@pytest.mark.parametrize("rename", [4, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 10, 14, 20))])
def test_killed_preparation_continues(root, out, tmp_path, rename):
    """Everything comes into being by a rename: 1 manifest, 6 files in hiding, 6 in place, the manifest anew, …"""
    assert prepare(root, tmp_path / "undisturbed") == 0
    arguments = [str(rename), "prepare", str(root), str(out), "--encoding", "float"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], timeout=120)
    assert killed.returncode == -9
    n_done = len(manifest_of(out)["songs"]) if rename > 1 else 0
    assert n_done == (rename > 14)
    before = {path: path.stat().st_mtime_ns for path in (out / "a song").glob("*.wav")} if n_done else {}
    assert prepare(root, out) == 0
    assert contents(out) == contents(tmp_path / "undisturbed")
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())  # songs that were done stay


def test_second_run_changes_nothing(root, out, capsys):
    assert prepare(root, out) == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    capsys.readouterr()
    assert prepare(root, out) == 0
    assert capsys.readouterr().out.startswith("a song: already prepared\nb: already prepared\n")
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_second_run_adds_new_songs(root, out, tmp_path):
    assert prepare(root, out, "--limit", "1") == 0
    assert prepare(root, out) == prepare(root, tmp_path / "at once") == 0
    assert contents(out) == contents(tmp_path / "at once")


def test_edited_annotation_is_kept(root, out):
    assert prepare(root, out) == 0
    (out / "b" / "annotation.csv").write_text("start,end,source\n0,0.5,bass\n")
    assert prepare(root, out) == 0
    assert (out / "b" / "annotation.csv").read_text() == "start,end,source\n0,0.5,bass\n"


def test_deleted_files_are_written_again(root, out):
    assert prepare(root, out) == 0
    before = contents(out)
    (out / "b" / "bass.wav").unlink()
    assert prepare(root, out) == 0
    assert contents(out) == before


def test_songs_before_a_refused_one_are_kept(root, out, capsys):
    (root / "b" / "bass.wav").unlink()
    refused(capsys, prepare(root, out), f"{root / 'b'}: no bass.wav")
    assert list(manifest_of(out)["songs"]) == ["a song"]
    soundfile.write(root / "b" / "bass.wav", stems_of(1)[1].T, RATE_HZ, "FLOAT")
    assert prepare(root, out) == 0
    assert list(manifest_of(out)["songs"]) == ["a song", "b"]


# What is refused


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--seed", "1"), "seed 0, not 1"),
        (("--threshold", "0.01"), "threshold 0.15, not 0.01"),
        (("--encoding", "16"), "encoding 'float', not '16'"),
        (("--as-is",), "as_is False, not True"),
    ],
)
def test_folder_with_other_settings_is_refused(root, out, capsys, more, said):
    assert prepare(root, out, "--limit", "1") == 0
    before = contents(out)
    refused(capsys, prepare(root, out, *more), f"{out}/manifest.json: songs were prepared with {said}")
    assert contents(out) == before


def test_settings_may_change_while_there_are_no_songs(root, out, capsys):
    stem = root / "a song" / "bass.wav"
    stem.rename(root / "bass.wav")
    refused(capsys, prepare(root, out), "no bass.wav")
    (root / "bass.wav").rename(stem)
    assert prepare(root, out, "--seed", "1") == 0


def test_song_from_other_files_is_refused(root, out, capsys):
    assert prepare(root, out) == 0
    soundfile.write(root / "b" / "bass.wav", stems_of(5)[1].T, RATE_HZ, "FLOAT")
    refused(capsys, prepare(root, out), f"{out / 'b'}: was prepared from other files than {root / 'b'}")


def test_folder_with_foreign_files_is_refused(root, out, capsys):
    out.mkdir()
    (out / "holiday.jpg").touch()
    refused(capsys, prepare(root, out), f"{out}: is not empty and has no manifest.json")
    assert [path.name for path in out.iterdir()] == ["holiday.jpg"]


def test_hidden_files_are_ignored(root, out):
    out.mkdir()
    (out / ".DS_Store").touch()
    assert prepare(root, out, "--limit", "1") == 0


def test_output_folder_that_is_the_input_is_refused(root, capsys):
    before = contents(root)
    refused(capsys, prepare(root, root / ".." / "root"), "is the folder of the input")
    assert contents(root) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("[]", "expected object, got array"),
        ('{"format": 2, "songs": {}, "settings": {}}', "with format 1, not 2"),
        ('{"format": 1, "made_with": {}, "settings": {}, "songs": []}', "songs: expected object, got array"),
        ('{"format": 1, "made_with": {}, "settings": {}, "songs": {"b": {}}}', "songs[...]: object missing required"),
    ],
)
def test_invalid_manifest_is_refused(root, out, capsys, text, said):
    out.mkdir()
    (out / "manifest.json").write_text(text, "utf-8", errors="surrogateescape")
    refused(capsys, prepare(root, out), f"{out}/manifest.json: ", said)


def test_song_too_short_to_silence_is_refused(root, out, capsys):
    write(root / "c", stems_of(2, controlled.compute_min_samples(4) - 1))
    refused(capsys, prepare(root, out), f"{root / 'c'}: length of a song", "at least 7680 samples, not 7679")
    assert not (out / "c").exists()


def test_song_too_short_for_activations_is_refused(root, out, capsys):
    write(root / "c", stems_of(2, activation.MIN_SAMPLES - 1))
    refused(capsys, prepare(root, out, "--as-is"), f"{root / 'c'}: length of the stems", "at least 10 samples, not 9")
    assert not (out / "c").exists()


def test_mixture_that_is_not_the_sum_is_reported(root, out, capsys):
    write(root / "c", stems_of(2), 0.5 * stems_of(2).sum(axis=0))
    assert prepare(root, out) == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: c: the mixture is not the sum of the stems: their difference is +0.0 dB")


def test_silent_stem_is_accepted(root, out):
    stems_SxCxT = stems_of(2)
    stems_SxCxT[3] = 0
    write(root / "c", stems_SxCxT)
    assert prepare(root, out) == 0
    assert manifest_of(out)["songs"]["c"]["silent_s"]["vocals"] == pytest.approx(N_SAMPLES / RATE_HZ)


def test_songs_with_the_same_name_are_refused(tmp_path, out, capsys):
    for part in ("train", "test"):
        write(tmp_path / "hq" / part / "x", stems_of(0))
    refused(capsys, prepare(tmp_path / "hq", out), "test/x: has the name of ", "train/x")
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [(("--seed", "-1"), "seed"), (("--threshold", "0"), "threshold"), (("--threshold", "nan"), "threshold"),
     (("--limit", "0"), "limit")],
)  # fmt: skip
def test_invalid_options_are_refused(root, out, capsys, more, said):
    refused(capsys, prepare(root, out, *more), f"{said} must be ")
    assert not out.exists()


def test_empty_root_is_refused(tmp_path, out, capsys):
    (tmp_path / "empty").mkdir()
    refused(capsys, prepare(tmp_path / "empty", out), "empty: holds no songs")
    assert not out.exists()
