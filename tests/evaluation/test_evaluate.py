"""The command `evaluate`: what it prints and writes, and what it refuses."""

import json
import math
import shutil

import numpy as np
import pytest
import soundfile

from ugosa_jax.cli.main import main
from ugosa_jax.evaluation import scoring

SOURCES = ("drums", "bass", "other", "vocals")
RATE_HZ = 8000
FRAMES = ("--window-s", "0.5", "--hop-s", "0.5")


def write(folder, stems_SxTxC, rate_hz=RATE_HZ):
    folder.mkdir(exist_ok=True)
    for source, stem_TxC in zip(SOURCES, stems_SxTxC, strict=True):
        soundfile.write(folder / f"{source}.wav", stem_TxC, rate_hz, subtype="FLOAT")


@pytest.fixture
def folders(tmp_path):
    """True stems, of which vocals end after a second, and estimates: the same with noise 20 dB below them."""
    stems_SxTxC = np.random.default_rng(0).normal(size=(4, 12000, 2)) * 0.1
    stems_SxTxC[3, 8000:] = 0
    noise_SxTxC = np.random.default_rng(1).normal(size=stems_SxTxC.shape) * 0.01
    write(tmp_path / "true", stems_SxTxC)
    write(tmp_path / "found", stems_SxTxC + noise_SxTxC)
    return tmp_path


def evaluate(folders, *more):
    arguments = ("evaluate", folders / "true", folders / "found", *FRAMES, *more)
    return main([str(argument) for argument in arguments])


def rows(text):
    """Return {source: its columns} of the first table that was printed."""
    lines = [line.split() for line in text.splitlines()]
    return {line[0]: line[1:] for line in reversed(lines) if line and line[0] in SOURCES}


def test_scores_are_printed_with_their_frames(folders, capsys):
    assert evaluate(folders, "--outputs", "plain") == 0
    said = rows(capsys.readouterr().out)
    assert [said[source][1] for source in SOURCES] == ["(3)", "(3)", "(3)", "(2)"]
    assert float(said["drums"][0]) == pytest.approx(20, abs=0.3)
    assert float(said["vocals"][8]) == pytest.approx(
        10 * np.log10(4000 * 0.01**2), abs=0.3
    )  # PES: 4000 samples of noise


def test_the_rule_of_museval_drops_frames_for_all(folders, capsys):
    assert evaluate(folders, "--rule", "museval", "--outputs", "plain") == 0
    said = rows(capsys.readouterr().out)
    assert [said[source][1] for source in SOURCES] == ["(2)"] * 4


def test_museval_json_holds_every_frame(folders):
    path = folders / "scores.json"
    assert evaluate(folders, "--museval-json", path, "--outputs", "plain") == 0
    written = json.loads(path.read_text())
    assert [target["name"] for target in written["targets"]] == list(SOURCES)
    assert [frame["time"] for frame in written["targets"][0]["frames"]] == [0.0, 0.5, 1.0]
    assert np.isnan(written["targets"][3]["frames"][2]["metrics"]["SDR"])


def test_infinite_score_of_a_perfect_estimate_is_explained(folders, capsys):
    shutil.copy(folders / "true" / "bass.wav", folders / "found" / "bass.wav")
    assert evaluate(folders, "--outputs", "plain", "--museval-json", folders / "a.json") == 0
    said = rows(capsys.readouterr().out)
    assert said["bass"][:2] == ["inf", "(3)"]
    assert float(said["drums"][0]) == pytest.approx(20, abs=0.3)
    frame = json.loads((folders / "a.json").read_text())["targets"][1]["frames"][0]
    assert frame["metrics"]["SDR"] is None and frame["reasons"]["SDR"] == "infinite: no error"


def test_rows_explain_missing_values():
    found = {
        5.0: (5.0, None),
        math.inf: (None, "infinite: no error"),
        -math.inf: (None, "minus infinity: no signal"),
        None: (None, "no frame is scored"),
    }
    for value, (held, reason) in found.items():
        row = scoring.Score(False, "target", "bass", "SDR", value, 3).row()
        assert (row["value_db"], row["reason"]) == (held, reason)
        assert scoring.read_value(json.loads(json.dumps(row, allow_nan=False))) == value


def test_museval_json_is_of_one_kind_of_outputs(folders, capsys):
    """Gated estimates have other scores than plain ones, so one file cannot hold both."""
    texts = {}
    for outputs in ("plain", "gated"):
        assert evaluate(folders, "--museval-json", folders / outputs, "--outputs", outputs) == 0
        texts[outputs] = (folders / outputs).read_text()
    assert texts["plain"] != texts["gated"]
    assert evaluate(folders, "--museval-json", folders / "both") == 2
    assert "use --outputs plain or --outputs gated" in capsys.readouterr().err
    assert evaluate(folders, "--engine", "museval") == 2
    assert "use --rule museval" in capsys.readouterr().err


def test_estimates_of_other_length_are_cut_or_filled_up(folders, capsys):
    evaluate(folders, "--outputs", "plain")
    before = capsys.readouterr().out
    for source in SOURCES:
        samples_TxC, _ = soundfile.read(folders / "found" / f"{source}.wav")
        soundfile.write(folders / "found" / f"{source}.wav", np.pad(samples_TxC, ((0, 700), (0, 0))), RATE_HZ, "FLOAT")
    assert evaluate(folders, "--outputs", "plain") == 0
    said, table = capsys.readouterr().out.split("estimates, unchanged")
    assert "estimates, unchanged" + table == before
    left_out = "the last 0.087 s are not used: it is longer than the true stems"  # 700 of 8000 samples a second
    assert said.splitlines() == [f"warning: {folders / 'found' / source}.wav: {left_out}" for source in SOURCES]


def test_estimates_that_end_early_are_reported(folders, capsys):
    samples_TxC, _ = soundfile.read(folders / "found" / "bass.wav")
    soundfile.write(folders / "found" / "bass.wav", samples_TxC[:-4000], RATE_HZ, "FLOAT")
    assert evaluate(folders, "--outputs", "plain") == 0
    (said,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    assert said.endswith("bass.wav: ends 0.500 s before the true stems; the rest is scored as silence")


def test_estimates_that_do_not_fit_are_refused(folders, capsys):
    soundfile.write(folders / "found" / "bass.wav", np.zeros((100, 1)), RATE_HZ)
    assert evaluate(folders) == 2
    assert "bass.wav: has 8000 Hz and 1 channels; the true stems have 8000 Hz and 2 channels" in capsys.readouterr().err
    (folders / "found" / "bass.wav").unlink()
    assert evaluate(folders) == 2
    assert "no bass.wav" in capsys.readouterr().err


def test_sources_are_those_of_the_stems(tmp_path, capsys):
    """Their names and number are arbitrary; the mixture is not counted as a source."""
    sources = ("guitar", "vocals", "Piano", "drums", "strings")
    for folder, level in (("true", 0.1), ("found", 0.09)):
        (tmp_path / folder).mkdir()
        for i, source in enumerate((*sources, "mixture")):
            wave_T = np.random.default_rng(i).normal(size=12000) * level
            soundfile.write(tmp_path / folder / f"{source}.wav", wave_T, RATE_HZ, subtype="FLOAT")
    assert evaluate(tmp_path, "--outputs", "plain") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    named = {line[0]: line[1:] for line in lines if line and line[0] in sources}
    assert [*named] == ["drums", "vocals", "Piano", "guitar", "strings"]  # as MUSDB18 has them, then by name
    assert all(float(scores[0]) == pytest.approx(20, abs=0.01) for scores in named.values())  # 20 log10(1 / 0.1)
    (tmp_path / "found" / "Piano.wav").unlink()
    assert evaluate(tmp_path) == 2
    assert "found: no Piano.wav" in capsys.readouterr().err
