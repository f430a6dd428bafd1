"""The command line, with real processes and files, and with wrong input."""

import dataclasses
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.helpers.networks import QUARTET, make_checkpoint
from ugosa_jax import config, files
from ugosa_jax.cli import demucs_options
from ugosa_jax.cli.main import COMMANDS, choose_preset, find_command, main, parse_arguments
from ugosa_jax.config import SOURCES
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import adapted_layers, checkpoint, hub

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small network as a native file."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    checkpoint.save(make_checkpoint(QUARTET), path)
    return path


@pytest.fixture
def song(tmp_path):
    """Two seconds of the golden stems' mixture, and an annotation."""
    mix_TxC = np.load(DATA / "stems.npz")["stems"].sum(0)[:88200]
    soundfile.write(tmp_path / "song.wav", mix_TxC, 44100, subtype="FLOAT")
    (tmp_path / "song.csv").write_text("start,end,source\n0.5,2,vocals\n0,1,drums\n")
    return tmp_path / "song.wav"


def run(*arguments, cwd=None, **options):
    """Run the installed command in a process of its own, compiled as for users: the tests' own programs are not."""
    command = [str(Path(sys.executable).parent / "ugosa-jax"), *map(str, arguments)]
    options["env"] = options.get("env", os.environ) | {"XLA_FLAGS": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd, **options)


def separate(song, small, *more):
    """Run `ugosa-jax separate` in this process; return its exit code."""
    fast = ("--segment-s", "0.5", "--epochs", "1")
    labels = ("--annotation", song.with_suffix(".csv"), "--weights", small, "--out", song.parent / "out")
    return main([str(part) for part in ("separate", song, *labels, *fast, *more)])


def refused(capsys, code):
    """Check that a command refused its input with one line; return this line."""
    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in captured.err
    return captured.err.splitlines()[-1]


def test_help_answers_without_jax():
    code = "import sys; from ugosa_jax.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    done = subprocess.run([sys.executable, "-c", code + "assert 'jax' not in sys.modules"], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"separate" in done.stdout


def test_every_command_has_a_function_that_takes_its_options():
    for options in COMMANDS:
        (annotated,) = inspect.signature(find_command(options)).parameters.values()
        assert annotated.annotation is options


def test_song_and_annotation_in_stems_out(song, small, tmp_path):
    done = run("separate", "song.wav", "--annotation", "song.csv", "--weights", small, "--epochs", "2",
               "--segment-s", "0.5", "--learning-rate", "1e-3", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    out = tmp_path / "separated" / "song"
    names = {path.name for path in out.iterdir()}
    assert names == {*(f"{s}.wav" for s in SOURCES), "adapted.delta.safetensors", "record.json", "report.html"}
    mix, _ = soundfile.read(song, always_2d=True)
    stems = [soundfile.read(out / f"{source}.wav", always_2d=True)[0] for source in SOURCES]
    assert all(stem.shape == mix.shape for stem in stems)
    record = json.loads((out / "record.json").read_text())
    assert record["song"]["sha256"] == files.compute_sha256(song)
    losses = [epoch["total"] for epoch in record["adaptation"]["losses"]]
    assert losses[1] < losses[0]
    assert record["annotation"]["silent_s"]["vocals"] == pytest.approx(0.5)
    assert "silent for drums 1.0 s" in done.stdout
    base = hub.load_network(small)
    delta = adapted_layers.load(out / "adapted.delta.safetensors", base)
    assert np.abs(delta["mask"]["kernel"] - base.params["mask"]["kernel"]).max() > 0
    assert not list(out.glob(".*"))


def test_gating_mutes_where_the_annotation_says_silent(song, small):
    assert separate(song, small, "--gate", "--strategy", "B0") == 0
    drums, rate = soundfile.read(song.parent / "out" / "drums.wav")
    vocals, _ = soundfile.read(song.parent / "out" / "vocals.wav")
    assert not drums[rate + 441 :].any()
    assert drums[:rate].any()
    assert not vocals[: rate // 2 - 441].any()


def test_stems_of_a_mono_song_have_its_rate_and_channel(song, small):
    mix, _ = soundfile.read(song)
    soundfile.write(song, mix[::2, 0], 22050, subtype="PCM_16")
    assert separate(song, small, "--encoding", "16") == 0
    info = soundfile.info(song.parent / "out" / "bass.wav")
    assert (info.frames, info.samplerate, info.channels, info.subtype) == (44100, 22050, 1, "PCM_16")


def test_the_same_run_twice_gives_the_same_stems(song, small):
    assert separate(song, small, "--shifts", "2") == 0
    first = soundfile.read(song.parent / "out" / "drums.wav")[0]
    assert separate(song, small, "--shifts", "2") == 0
    np.testing.assert_array_equal(soundfile.read(song.parent / "out" / "drums.wav")[0], first)


def test_a_delta_gives_the_same_stems_again_and_fits_its_own_weights_only(song, small, tmp_path, capsys):
    assert separate(song, small, "--learning-rate", "1e-3") == 0
    adapted = soundfile.read(song.parent / "out" / "drums.wav")[0]
    (song.parent / "out" / "adapted.delta.safetensors").rename(tmp_path / "delta.safetensors")
    assert separate(song, small, "--delta", tmp_path / "delta.safetensors") == 0
    np.testing.assert_array_equal(soundfile.read(song.parent / "out" / "drums.wav")[0], adapted)
    assert not (song.parent / "out" / "adapted.delta.safetensors").exists()
    (tmp_path / "delta.safetensors").rename(song.parent / "out" / "adapted.delta.safetensors")
    assert separate(song, small, "--delta", song.parent / "out" / "adapted.delta.safetensors") == 0
    (song.parent / "out" / "adapted.delta.safetensors").rename(tmp_path / "delta.safetensors")

    base = hub.load_network(small)
    base.params["mask"]["kernel"][0, 0] += 1
    checkpoint.save(base, tmp_path / "other.safetensors")
    message = refused(capsys, separate(song, tmp_path / "other.safetensors", "--delta", tmp_path / "delta.safetensors"))
    assert "delta.safetensors: base weights" in message


def test_a_preset_that_does_not_exist_is_refused(song, small, capsys):
    for how in (["--preset", "papr"], ["--preset=papr"]):
        with pytest.raises(SystemExit, match="2"):
            separate(song, small, "--strategy", "B0", *how)
        assert "invalid choice 'papr'" in capsys.readouterr().err
    assert not (song.parent / "out").exists()


def test_presets_change_defaults_and_flags_change_presets(song, small):
    assert separate(song, small, "--preset", "reference", "--pitch-shifts", "0", "--shifts", "1", "--hop-s", "0.5") == 0
    settings = json.loads((song.parent / "out" / "record.json").read_text())["settings"]
    assert settings["adapt"]["lam"] == 0.25
    assert settings["adapt"]["segment_s"] == 0.5
    assert settings["separate"]["overlap"] == 0
    assert settings["separate"]["shifts"] == 1
    assert choose_preset(["--preset", "reference", "--preset=paper"]) == "paper"
    assert choose_preset(["--preset", "paper", "--lam", "3", "--preset", "reference"]) == "reference"


def test_weights_choose_their_preset():
    assert choose_preset(["separate", "song.wav", "--weights", "mini"]) == "recommended"
    assert choose_preset(["--weights=mini", "--preset", "paper"]) == "paper"
    assert choose_preset(["--weights", "mini", "--weights", "tasnet"]) == "paper"
    assert choose_preset(["--weights", "spleeter"]) == choose_preset(["--weights=spleeter_4stems"]) == "masks"
    assert choose_preset(["--weights", "spleeter+mini"]) == choose_preset(["separate", "mini"]) == "recommended"
    args = parse_arguments(["separate", "song.wav", "--weights", "mini", "--epochs", "3"])
    assert args.preset == "recommended"
    assert args.adapt == dataclasses.replace(config.get_preset("recommended").adapt, epochs=3)
    assert args.separate == config.get_preset("recommended").separate


def test_run_that_diverges_stops_early_and_writes_its_stems(song, small, capsys):
    assert separate(song, small, "--learning-rate", "1e30", "--epochs", "3") == 1
    assert "not finite" in capsys.readouterr().out
    record = json.loads((song.parent / "out" / "record.json").read_text())
    assert record["adaptation"]["stopped_at"] is not None
    assert np.isfinite(soundfile.read(song.parent / "out" / "drums.wav")[0]).all()


def test_weights_that_diverge_are_an_input_error(song, small, capsys):
    """One step only: its loss is finite, but with the new weights the stems are not."""
    message = refused(capsys, separate(song, small, "--learning-rate", "1e30", "--segment-s", "2"))
    assert "the network produced NaN or infinity" in message
    assert not (song.parent / "out").exists()


BAD_SONGS = {
    "missing": (None, "No such file"),
    "empty": (b"", "empty"),
    "not audio": (b"this is a text\n" * 99, "sound"),
    "truncated": ("cut", "cut short"),
    "NaN": (np.full((88200, 2), np.nan, np.float32), "not finite"),
    "silent": (np.zeros((88200, 2), np.float32), "silent"),
    "cancelling": (np.linspace(-1, 1, 88200)[:, None] * [1, -1], "silent"),
    "shorter than a segment": (np.random.default_rng(0).uniform(-1, 1, (9000, 2)), "less than one segment"),
}


@pytest.mark.parametrize("case", BAD_SONGS)
def test_separate_refuses_a_bad_song(song, small, capsys, case):
    content, said = BAD_SONGS[case]
    (song.parent / "song.csv").write_text("0,0.1,vocals\n")
    whole = song.read_bytes()
    song.unlink()
    if isinstance(content, bytes):
        song.write_bytes(content)
    elif isinstance(content, str):
        song.write_bytes(whole[: len(whole) // 2])
    elif content is not None:
        soundfile.write(song, content, 44100, subtype="FLOAT")
    message = refused(capsys, separate(song, small))
    assert "song.wav" in message
    assert said in message
    assert not (song.parent / "out").exists()


def test_song_shorter_than_one_filter(song, small, capsys):
    soundfile.write(song, np.random.default_rng(0).uniform(-1, 1, (15, 2)), 44100)
    code = main(["separate", str(song), "--strategy", "B0", "--weights", str(small), "--out", str(song.parent / "o")])
    assert "fewer than the network needs" in refused(capsys, code)


BAD_ANNOTATIONS = {
    "unknown source": ("0,1,voks\n", "song.csv:1: source 'voks'"),
    "end before start": ("0,1,drums\n1,0.5,vocals\n", "song.csv:2:"),
    "past the end": ("0,1,drums\n1,99,vocals\n", "song.csv:2: end 99 s"),
    "contradiction": ("0,1,drums,active\n0.5,1.5,drums,silent\n", "song.csv:2:"),
    "not a number": ("0,one,drums\n", "song.csv:1:"),
    "empty": ("", "song.csv"),
}


@pytest.mark.parametrize("case", BAD_ANNOTATIONS)
def test_separate_refuses_a_bad_annotation(song, small, capsys, case):
    content, said = BAD_ANNOTATIONS[case]
    (song.parent / "song.csv").write_text(content)
    assert said in refused(capsys, separate(song, small))


def test_common_instrument_names_are_mapped_to_sources(song, small, capsys):
    (song.parent / "song.csv").write_text("0,1,vox\n0,1,piano\n1,1.5,no drums\n")
    assert separate(song, small, "--complete", "--map", "piano=one of bass") == 0
    out = capsys.readouterr().out
    assert "name    vox = vocals\nname    piano = one instrument of bass\n" in out
    assert "annotation silent for drums 0.5 s, bass 0.0 s, other 0.0 s, vocals 0.0 s" in out


@pytest.mark.parametrize(
    "content", ["\ufeff0;1,5;drums\r\n0,25;1;vocals\r\n", "0,5\t1,5\tvocals\n0\t1\tdrums silent\n"]
)
def test_annotations_of_spreadsheets_and_audacity_are_read(song, small, content):
    song.with_suffix(".csv").write_text(content, newline="")
    assert separate(song, small, "--strategy", "B0") == 0


def test_annotation_is_required_only_where_it_is_used(song, small, capsys):
    arguments = ["separate", str(song), "--weights", str(small), "--out", str(song.parent / "out")]
    assert "--annotation" in refused(capsys, main(arguments))
    assert "--gate" in refused(capsys, main([*arguments, "--strategy", "B0", "--gate"]))
    assert main([*arguments, "--strategy", "B-L3:M", "--segment-s", "0.5", "--epochs", "1"]) == 0


def test_separate_refuses_bad_weights_and_settings(song, small, capsys, tmp_path):
    assert "weights download tasnet" in refused(capsys, separate(song, "tasnet"))
    (tmp_path / "foreign.safetensors").write_bytes(b"rubbish")
    assert "foreign" in refused(capsys, separate(song, tmp_path / "foreign.safetensors"))
    assert "P-L9:M" in refused(capsys, separate(song, small, "--strategy", "P-L9:M"))
    assert "overlap" in refused(capsys, separate(song, small, "--overlap", "1"))
    for flag in ("--lam", "--learning-rate", "--segment-s", "--hop-s", "--chunk-s", "--fade-s"):
        for value in ("nan", "inf", "-1"):
            assert flag[2:].replace("-", "_") in refused(capsys, separate(song, small, flag, value))
    assert "shift_seed" in refused(capsys, separate(song, small, "--shift-seed", "-1"))
    assert "pitch_seed" in refused(capsys, separate(song, small, "--pitch-seed", "-1"))
    assert "pitch_range" in refused(capsys, separate(song, small, "--pitch-range-semitones", "-5"))
    assert "blocker" in refused(capsys, separate(song, small, "--out", blocked(tmp_path)))


def test_a_stem_never_replaces_the_song(song, small, capsys):
    vocals = song.rename(song.parent / "vocals.wav")
    before = vocals.read_bytes()
    arguments = ["separate", str(vocals), "--strategy", "B0", "--weights", str(small), "--out", str(song.parent)]
    assert "vocals.wav: would be overwritten" in refused(capsys, main(arguments))
    assert vocals.read_bytes() == before


def test_no_files_are_left_if_a_folder_has_the_name_of_a_stem(song, small, capsys):
    (song.parent / "out" / "drums.wav").mkdir(parents=True)
    assert "drums.wav: is a folder" in refused(capsys, separate(song, small, "--strategy", "B0"))
    assert [path.name for path in (song.parent / "out").iterdir()] == ["drums.wav"]


def test_adapted_layers_of_an_earlier_run_are_removed(song, small):
    assert separate(song, small) == 0
    assert (song.parent / "out" / "adapted.delta.safetensors").exists()
    assert separate(song, small, "--strategy", "B0") == 0
    assert not (song.parent / "out" / "adapted.delta.safetensors").exists()


def test_annotated_as_playing_throughout_warns_that_there_is_nothing_to_learn(song, small, capsys):
    song.with_suffix(".csv").write_text("".join(f"{a / 7},{b / 7},vocals\n" for a, b in ((0, 5), (5, 9), (9, 14))))
    assert separate(song, small) == 0
    assert "no silence to learn from" in capsys.readouterr().out


@pytest.mark.slow
def test_separate_prints_on_a_terminal_without_greek_letters(song, small):
    arguments = ["--annotation", song.with_suffix(".csv"), "--weights", small, "--out", song.parent / "out"]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run("separate", song, *arguments, "--segment-s", "1", "--epochs", "1", env=ascii_only)
    assert done.returncode == 0, done.stderr
    assert "P-L3:M, ? 1" in done.stdout


def test_separate_with_a_mono_network_gives_stereo_stems(song, capsys, tmp_path):
    mono = ConvTasNet(N=8, B=5, H=7, X=1, R=2, C=1)
    checkpoint.save(make_checkpoint(mono), tmp_path / "mono.safetensors")
    assert separate(song, tmp_path / "mono.safetensors", "--strategy", "P-L2:M") == 0
    assert "mean of both channels" in capsys.readouterr().out
    assert soundfile.info(song.parent / "out" / "bass.wav").channels == 2


def blocked(folder):
    (folder / "blocker").write_text("a file where a folder is needed")
    return folder / "blocker" / "out"


def test_misspelt_flags_end_with_code_2(song):
    done = run("separate", song, "--lamda", "1")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.slow  # a process without cached programs; tests/data/test_audio.py and tests/sweeps fill disks too
def test_a_full_disk_leaves_nothing_behind(song, small):
    """A limit on file size stands for the full disk: stems of 700 kB do not fit below 300 kB."""
    program = Path(sys.executable).parent / "ugosa-jax"
    arguments = ["separate", song, "--weights", small, "--strategy", "B0", "--out", song.parent / "out"]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 300; exec "$0" "$@"', program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"},
    )
    assert done.returncode == 2, done.stderr
    assert "out/drums.wav: cannot be written" in done.stderr
    assert not (song.parent / "out").exists()


def test_weights_commands(tmp_path, capsys):
    assert main(["weights", "convert", str(DATA / "checkpoint_v2_package.th"), str(tmp_path / "w.safetensors")]) == 0
    assert main(["weights", "show", str(tmp_path / "w.safetensors")]) == 0
    said = capsys.readouterr().out
    assert "drums, bass, other, vocals" in said
    assert hub.load_network(tmp_path / "w.safetensors").fingerprint in said
    assert main(["weights", "list"]) == 0
    assert "tasnet_extra" in capsys.readouterr().out
    assert "nothing.th" in refused(capsys, main(["weights", "convert", "nothing.th", str(tmp_path / "x.safetensors")]))


@pytest.mark.parametrize("arguments", [("separate", "a\0.wav"), ("evaluate", "a", "b\0"), ("sweep", "status", "\0")])
def test_zero_bytes_are_refused(capsys, arguments):
    assert "contains a zero byte, which is not allowed in names" in refused(capsys, main(arguments))


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        (
            ("--two-stems", "vocals"),
            "--two-stems is an option of demucs: here, all sources are written; --weights spleeter",
        ),
        (("--two-stems=vocals",), "--two-stems is an option of demucs"),
        (("-n", "htdemucs"), "use --weights NAME"),
        (("-o", "out"), "use --out FOLDER"),
        (("--mp3",), "stems are WAV files"),
        (("--segment", "7"), "use --chunk-s SECONDS"),
    ],
)
def test_options_of_demucs_are_refused_with_a_hint(capsys, option, hint):
    assert hint in refused(capsys, main(["separate", "song.wav", *option]))


def test_hints_for_demucs_cover_no_option_of_separate(capsys):
    with pytest.raises(SystemExit):
        main(["separate", "--help"])
    own = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", capsys.readouterr().out))
    assert {"--weights", "--out", "--shifts"} <= own
    assert not own & demucs_options.HINTS.keys()
