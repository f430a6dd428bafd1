"""The command as a process: signals, names that are not text, inputs that outputs would overwrite."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.helpers.networks import make_checkpoint
from ugosa_jax.cli.main import main
from ugosa_jax.weights import adapted_layers, checkpoint

COMMAND = [sys.executable, "-m", "ugosa_jax"]


@pytest.fixture
def net(tmp_path):
    checkpoint.save(make_checkpoint(), tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    soundfile.write(path, np.random.default_rng(0).normal(size=(8000, 2)) * 0.1, 8000)
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_an_interrupt_during_the_start_prints_one_word(number):
    """The process prints its imports; the signal comes in the middle of them."""
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "ugosa_jax", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "ugosa_jax.errors" in line:
            process.send_signal(number)
            break
    said += process.stderr.readlines()
    words = [line for line in said if not line.startswith("import time:")]
    assert process.wait() == 130 and words == ["interrupted\n"]


def test_a_song_whose_name_is_not_text_is_separated(song, net, tmp_path):
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "b") + b"\xff.wav"))
    song.rename(odd)
    done = subprocess.run(
        [*COMMAND, "separate", odd, "--weights", net, "--strategy", "B0", "--out", tmp_path / "out"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert (tmp_path / "out" / "voice.wav").is_file()


def test_a_song_of_dots_stays_in_its_folder(song, net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    song.rename(tmp_path / "...wav")
    assert main(["separate", "...wav", "--weights", str(net), "--strategy", "B0"]) == 0
    assert (tmp_path / "separated" / "song" / "voice.wav").is_file()


@pytest.mark.parametrize("what", ["song", "annotation", "weights", "delta"])
def test_no_input_is_overwritten(song, net, tmp_path, capsys, what):
    """Each input in turn lies in OUT under the name of an output."""
    out = tmp_path / "out"
    out.mkdir()
    annotation = tmp_path / "song.csv"
    annotation.write_text("start,end,source\n0.2,0.5,voice\n")
    at = {"song": "voice.wav", "annotation": "record.json", "weights": "report.html", "delta": "rest.wav"}
    files = {"song": song, "annotation": annotation, "weights": net}
    if what == "delta":
        base = make_checkpoint()
        adapted_layers.save({"mask": base.params["mask"]}, base, tmp_path / "delta", {})
        files["delta"] = tmp_path / "delta"
    inside = out / at[what]
    shutil.copy(files[what], inside)
    files[what] = inside
    before = inside.read_bytes()
    how = ["--annotation", files["annotation"], "--weights", files["weights"], "--segment-s", "0.5"]
    how += ["--delta", files["delta"]] if what == "delta" else ["--strategy", "P-L1:M"]
    how += ["--format", "csv"] if what == "annotation" else []
    assert main([str(word) for word in ("separate", files["song"], *how, "--out", out)]) == 2
    assert re.search(r"would be overwritten by an output; choose another --out", capsys.readouterr().err)
    assert inside.read_bytes() == before and [path.name for path in out.iterdir()] == [at[what]]


def test_another_song_of_the_same_name_is_not_replaced(song, net, tmp_path, monkeypatch, capsys):
    """The stems of the same song are replaced; those of another song only if --out names their folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    soundfile.write(tmp_path / "other" / "song.wav", np.random.default_rng(1).normal(size=(8000, 2)) * 0.1, 8000)
    how = ["--weights", str(net), "--strategy", "B0"]
    assert main(["separate", "song.wav", *how]) == 0
    assert "replacing" not in capsys.readouterr().out
    assert main(["separate", "song.wav", *how]) == 0
    assert "replacing  the stems of an earlier run in separated/song" in capsys.readouterr().out
    record = (tmp_path / "separated" / "song" / "record.json").read_bytes()
    assert main(["separate", "other/song.wav", *how]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: separated/song: holds the stems of another song, song.wav; --out separated/song")
    assert (tmp_path / "separated" / "song" / "record.json").read_bytes() == record
    shutil.copy(tmp_path / "other" / "song.wav", tmp_path / "...wav")
    shutil.copy(tmp_path / "other" / "song.wav", tmp_path / " .wav")
    assert [main(["separate", name, *how]) for name in ("...wav", " .wav")] == [2, 2]
    assert main(["separate", "other/song.wav", *how, "--out", "separated/song"]) == 0
    assert "the stems of another song, song.wav, are replaced" in capsys.readouterr().out
    (tmp_path / "separated" / "song" / "record.json").write_text("{")
    assert main(["separate", "song.wav", *how]) == 0


@pytest.mark.parametrize("name", ["line\nbreak.wav", "\x1b[31mred.wav", "tab\tand\rreturn.wav"])
def test_control_characters_in_a_name_are_shown_escaped(song, net, tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    song.rename(tmp_path / name)
    shown = name.encode("unicode_escape").decode()
    assert main(["separate", name, "--weights", str(net), "--strategy", "B0"]) == 0
    said = capsys.readouterr()
    assert f"song       {shown} (" in said.out and f"written    separated/{shown.removesuffix('.wav')}\n" in said.out
    assert not set("\x1b\t") & set(said.out)
    (tmp_path / name).write_text("no sound")
    assert main(["separate", name, "--weights", str(net), "--strategy", "B0", "--out", "out"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {shown}: ")


def test_a_song_whose_name_is_not_text_has_a_folder_of_its_own(song, net, tmp_path):
    """The folder's name and the printed line have the same bytes as the name of the song."""
    song.rename(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.wav"))
    command = [*COMMAND, "separate", b"bad\xff.wav", "--weights", net, "--strategy", "B0"]
    done = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert rb"song       bad\xff.wav (" in done.stdout
    assert [path.name for path in (tmp_path / "separated").iterdir()] == [os.fsdecode(b"bad\xff")]


def lines_of(done: subprocess.CompletedProcess) -> list[str]:
    """Return the lines on standard error, without progress bars."""
    lines = [line.rpartition("\r")[2] for line in done.stderr.splitlines()]
    return [line for line in lines if line and "separating" not in line and "adapting" not in line]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody can make one")
def test_caches_that_cannot_be_written_are_left_out_with_a_warning(song, net, tmp_path):
    """There is one warning about the cache of ugosa_jax, and none about those of matplotlib and fontconfig."""
    (tmp_path / "file").write_text("")
    places = {"UGOSA_JAX_CACHE": str(tmp_path / "file"), "MPLCONFIGDIR": "/proc", "XDG_CACHE_HOME": "/proc"}
    unset = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    command = [*COMMAND, "separate", song, "--weights", net, "--strategy", "B0", "--out", tmp_path / "out"]
    environment = unset | places | {"HOME": "/nonexistent"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0 and lines_of(done) == [], done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "programs" in line]
    assert line.startswith(f"warning: compiled programs are not cached: {tmp_path / 'file' / 'programs'}: ")
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize("arguments", ["--help", "separate --help", "weights list", "--version"])
def test_a_closed_output_pipe_ends_the_command_silently(arguments):
    command = f"{' '.join(COMMAND)} {arguments} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 141)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_reported(tmp_path):
    for redirection, code, said in ((">/dev/full", 2, "No space left on device"), (">&-", 0, "")):
        command = f"{' '.join(COMMAND)} --version {redirection}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == code and said in done.stderr and len(done.stderr.splitlines()) == bool(said)
