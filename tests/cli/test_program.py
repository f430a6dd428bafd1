"""The command as a process: signals, names that are not text, inputs that outputs would take the place of."""

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

from tests.helpers.networks import made
from ugosa_jax.cli.main import main
from ugosa_jax.weights import checkpoint

COMMAND = [sys.executable, "-m", "ugosa_jax"]


@pytest.fixture
def net(tmp_path):
    checkpoint.save(made(), tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    soundfile.write(path, np.random.default_rng(0).normal(size=(8000, 2)) * 0.1, 8000)
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_while_it_starts_ends_it_in_one_word(number):
    """The process tells what it imports; the signal comes in the middle of that."""
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
        base = made()
        checkpoint.save_delta({"mask": base.params["mask"]}, base, tmp_path / "delta", {})
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
