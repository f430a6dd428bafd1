"""The commands `ugosa-jax annotation …`, the pictures and the draft."""

import subprocess
import sys

import numpy as np
import pytest

from ugosa_jax.annotations import annotation, draft
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.cli.main import main
from ugosa_jax.data import sound
from ugosa_jax.data.sound import Audio
from ugosa_jax.errors import InputError
from ugosa_jax.reports import timeline

SOURCES = ("drums", "bass", "other", "vocals")
RATE_HZ = 8000
LABELS = "0\t12\tpiano\n12\t14\tlead vox\n3\t9\tno drums\n10.5\t10.5\tchorus\n"


def make_tone(level: float, seconds: float) -> np.ndarray:
    return level * np.sin(0.3 * np.arange(int(seconds * RATE_HZ)), dtype=np.float32)[None]


@pytest.fixture
def song(tmp_path):
    sound.write_audio(tmp_path / "song.wav", make_tone(0.5, 20), RATE_HZ)
    return tmp_path / "song.wav"


@pytest.fixture
def labels(tmp_path):
    (tmp_path / "labels.txt").write_text(LABELS)
    return tmp_path / "labels.txt"


def run(*arguments) -> int:
    return main(["annotation", *map(str, arguments)])


# check


def test_check_prints_what_it_read(labels, song, capsys):
    assert run("check", labels, song) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{labels}: audacity, 3 intervals in 20.0 s (all of song.wav)"
    assert lines[1:4] == [
        "name    piano = one instrument of other",
        "name    lead vox = one instrument of vocals",
        "name    no drums = drums, silent",
    ]
    assert "drums           0.0 s   0%      6.0 s  30%     14.0 s  70%" in lines
    assert "other          12.0 s  60%      0.0 s   0%      8.0 s  40%" in lines
    assert f"drums      |{' ' * 9}{'.' * 18}{' ' * 33}|" in lines
    assert f"other      |{'#' * 36}{' ' * 24}|" in lines
    assert lines[-1] == f"warning: {labels}:4: left out: point label 'chorus'"


def test_check_follows_the_users_options(labels, song, capsys):
    how = "--complete", "--outside", "silent", "--map", "piano=one of bass", "--map", "lead vox=one of other"
    assert run("check", labels, song, *how) == 0
    out = capsys.readouterr().out
    assert "name    piano = one instrument of bass\n" in out
    assert "bass           12.0 s  60%      8.0 s  40%      0.0 s   0%" in out
    assert "other           2.0 s  10%     18.0 s  90%      0.0 s   0%" in out
    assert "vocals          0.0 s   0%      0.0 s   0%     20.0 s 100%" in out


@pytest.mark.parametrize(
    ("content", "statement"),
    [
        (
            "0,20,drums\n0,1,bass,unknown\n",
            "no source is annotated silent anywhere, so that there is nothing to learn from",
        ),
        ("0,3,drums,silent\n", "3.0 s of silence in all is too little to learn from: a segment has 4 s"),
        ("0,3,drums,silent\n0,1,bass,silent\n", None),
    ],
)
def test_check_warns_of_too_little_silence(tmp_path, song, capsys, content, statement):
    (tmp_path / "a.csv").write_text(content)
    assert run("check", tmp_path / "a.csv", song) == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    assert warnings == ([f"warning: {statement}"] if statement else [])


def test_bad_input_ends_in_one_line_and_status_2(tmp_path, labels, song, capsys):
    (tmp_path / "late.csv").write_text("0,30,bass\n")
    assert run("check", tmp_path / "late.csv", song) == 2
    assert "late.csv:1: end 30 s is past the end of the song" in capsys.readouterr().err
    assert run("check", labels, "--map", "piano") == 2
    assert (
        capsys.readouterr().err
        == "error: map: 'piano' is not NAME=SOURCE, such as Gesang=vocals or 'piano=one of other'\n"
    )
    assert run("check", labels, "--format", "jams") == 2
    assert capsys.readouterr().err.startswith(f"error: {labels}:1: is not JSON")


@pytest.mark.parametrize("suffix", ["png", "svg"])
@pytest.mark.parametrize("with_song", [True, False])
def test_check_writes_a_picture(tmp_path, labels, song, suffix, with_song):
    pytest.importorskip("matplotlib")
    out = tmp_path / f"lanes.{suffix}"
    assert run("check", labels, *([song] if with_song else []), "--picture", out) == 0
    content = out.read_bytes()
    assert content.startswith(b"\x89PNG" if suffix == "png" else b"<?xml")


def test_check_refuses_a_picture_of_another_kind(tmp_path, labels, capsys):
    assert run("check", labels, "--picture", tmp_path / "lanes.gif") == 2
    captured = capsys.readouterr()
    assert captured.err.endswith("lanes.gif: pictures are written as .png or .svg\n")
    assert not captured.out


def test_outline_of_the_mixture():
    low_N, high_N = timeline.find_outline(np.arange(12.0), 3)
    assert (low_N.tolist(), high_N.tolist()) == ([0, 4, 8], [3, 7, 11])
    low_N, high_N = timeline.find_outline(np.arange(2.0), 5)  # fewer samples than columns
    assert (low_N.tolist(), high_N.tolist()) == ([0, 1], [0, 1])


# convert


@pytest.mark.parametrize("suffix", ["csv", "txt", "jams"])
def test_convert_writes_what_it_read(tmp_path, labels, song, suffix):
    out = tmp_path / f"out.{suffix}"
    assert run("convert", labels, out, "--song", song, "--complete", "--outside", "silent") == 0
    result = annotation.read_annotation(out, SOURCES)
    assert annotation.count_silent_seconds(result, 20) == {"drums": 20, "bass": 0, "other": 8, "vocals": 18}


def test_convert_without_a_song_warns_of_losses(tmp_path, labels, capsys):
    assert run("convert", labels, tmp_path / "out.csv", "--outside", "silent") == 0
    out = capsys.readouterr().out
    assert "warning: other, vocals: left out, or they would be read as silent elsewhere; give --song" in out
    assert "warning: silence outside of all intervals is not in the file: give --song" in out
    result = annotation.read_annotation(tmp_path / "out.csv", SOURCES)
    assert result.intervals == (Interval(3, 9, "drums", "silent"),)


def test_convert_a_folder(tmp_path):
    (tmp_path / "one a source").mkdir()
    (tmp_path / "one a source" / "vox.txt").write_text("0\t2\t\n")
    (tmp_path / "one a source" / "bass.lab").write_text("1 3 silent\n")
    assert run("convert", tmp_path / "one a source", tmp_path / "out.csv") == 0
    result = annotation.read_annotation(tmp_path / "out.csv", SOURCES)
    assert result.intervals == (Interval(0, 2, "vocals"), Interval(1, 3, "bass", "silent"))


def test_convert_refuses_to_overwrite_its_input(tmp_path, labels, capsys):
    assert run("convert", labels, labels) == 2
    assert "is the annotation itself" in capsys.readouterr().err
    assert labels.read_text() == LABELS
    assert run("convert", labels, tmp_path / "out.xyz") == 2
    assert "annotations are written as .csv, .txt (Audacity) or .jams" in capsys.readouterr().err


# from-stems


def test_from_stems_writes_activity(tmp_path, capsys):
    for source, level in {"drums": 0.5, "bass": 0, "other": 0.5, "vocals": 0.5}.items():
        wave_CxT = make_tone(level, 8)
        wave_CxT[:, 4 * RATE_HZ :] *= source != "vocals"
        sound.write_audio(tmp_path / f"{source}.wav", wave_CxT, RATE_HZ)
    assert run("from-stems", tmp_path, tmp_path / "out.csv") == 0
    silent_s = annotation.count_silent_seconds(annotation.read_annotation(tmp_path / "out.csv", SOURCES), 8)
    frame_s = 4096 / RATE_HZ  # the resolution of the envelope, which also ends this much early
    assert silent_s["bass"] == 8
    assert silent_s["vocals"] == pytest.approx(4, abs=frame_s)
    assert silent_s["drums"] < frame_s
    (tmp_path / "drums.wav").unlink()
    assert run("from-stems", tmp_path, tmp_path / "out.csv") == 2
    assert "no drums.wav (nor .flac, .ogg …)" in capsys.readouterr().err
    sound.write_audio(tmp_path / "drums.wav", make_tone(0.5, 7), RATE_HZ)
    assert run("from-stems", tmp_path, tmp_path / "out.csv") == 2
    assert "do not fit those of drums.wav" in capsys.readouterr().err


# suggest


def test_a_draft_claims_only_clear_silence():
    loud, quiet, rest = make_tone(0.5, 4), make_tone(0.5 / 30, 4), make_tone(0.5 / 5, 4)  # 30 dB and 14 dB below
    est_SxCxT = np.stack(
        [
            np.concatenate([loud, quiet, loud], 1),  # silent in the middle
            np.concatenate([loud, rest, loud], 1),  # only softer there
            np.concatenate([loud, loud, loud], 1),
            np.concatenate([quiet, quiet, quiet], 1),  # never loud: nothing to compare with
        ]
    )
    result = draft.draft_annotation(est_SxCxT, np.concatenate([loud] * 3, 1), RATE_HZ, SOURCES)
    assert [(i.source, i.state) for i in result.intervals] == [("drums", "silent")]
    assert result.intervals[0].start_s == pytest.approx(4, abs=draft.HOP_S)
    assert result.intervals[0].end_s == pytest.approx(8, abs=draft.HOP_S)
    assert result.outside == "unknown"


def test_a_draft_leaves_short_rests_and_quiet_songs_alone():
    loud, rest = make_tone(0.5, 4), np.zeros((1, int(0.9 * RATE_HZ)), np.float32)
    est_SxCxT = np.concatenate([loud, rest, loud], 1)[None]
    assert not draft.draft_annotation(est_SxCxT, np.abs(est_SxCxT[0]) + 0.1, RATE_HZ, ("drums",)).intervals
    silent_everywhere = np.concatenate([loud, 0 * loud, loud], 1)
    assert not draft.draft_annotation(silent_everywhere[None], silent_everywhere, RATE_HZ, ("drums",)).intervals
    with pytest.raises(InputError, match=r"length of the song must be at least 0\.5 s"):
        draft.draft_annotation(rest[None, :, :100], rest[:, :100], RATE_HZ, ("drums",))


def test_levels_of_tones_and_silence():
    wave_CxT = np.concatenate([np.full((2, 6), 0.1), np.full((2, 6), 1.0)], 1)
    np.testing.assert_allclose(
        draft.compute_levels_db(wave_CxT, 4, 4), [-20, 10 * np.log10((0.02 + 2) / 4), 0], atol=1e-9
    )


def test_suggest_writes_a_draft(tmp_path, monkeypatch, song, capsys):
    from ugosa_jax import api as songs

    wave_CxT = sound.read(song).samples_CxT
    silent_CxT = wave_CxT * (np.arange(wave_CxT.shape[1]) < 10 * RATE_HZ)
    estimates = {"drums": wave_CxT, "bass": wave_CxT, "other": wave_CxT, "vocals": silent_CxT}
    monkeypatch.setattr(songs, "separate", lambda base, song, **_: estimates)
    assert run("suggest", song, tmp_path / "draft.csv", "--weights", "mini") == 0
    assert "a draft from the network's own estimates: listen to each silence" in capsys.readouterr().out
    result = annotation.read_annotation(tmp_path / "draft.csv", SOURCES)
    assert [(i.source, i.state) for i in result.intervals] == [("vocals", "silent")]
    assert result.intervals[0].start_s == pytest.approx(10, abs=draft.HOP_S)
    estimates["vocals"] = wave_CxT
    assert run("suggest", song, tmp_path / "nothing.csv", "--weights", "mini") == 1
    assert "no file was written" in capsys.readouterr().out
    assert not (tmp_path / "nothing.csv").exists()


# the rest


def test_a_column_of_the_lanes_shows_its_longest_state():
    result = Annotation((Interval(0, 0.6, "bass", "silent"), Interval(1.6, 3, "bass")), ("bass",), "unknown")
    assert timeline.render_text(result, 4.0, 4) == ["bass       |. # |"]


def test_annotation_commands_import_neither_jax_nor_matplotlib():
    code = (
        "import sys, ugosa_jax.cli.main, ugosa_jax.cli.annotate\n"
        "sys.exit(not {'jax', 'matplotlib'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_mono_song_of_any_rate_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    result = Annotation((Interval(0, 1, "bass"),), SOURCES, "unknown")
    timeline.write_picture(tmp_path / "a.png", result, 1.0, Audio(np.zeros((1, 5), np.float32), 5, "x"))
    assert (tmp_path / "a.png").stat().st_size > 1000


# names


def test_names_are_read_from_the_users_file(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("0\t2\tKrach\n2\t3\tintro\n")
    (tmp_path / "names.toml").write_text('krach = "vocals"\nintro = ""\n')
    assert run("check", tmp_path / "a.txt", "--names", tmp_path / "names.toml") == 0
    assert "name    Krach = vocals\n" in capsys.readouterr().out
    assert run("check", tmp_path / "a.txt", "--names", tmp_path / "names.toml", "--map", "Krach=one of other") == 0
    assert "name    Krach = one instrument of other\n" in capsys.readouterr().out


def record_questions(monkeypatch, answers: list[str]) -> list[str]:
    """Simulate a user at a terminal who answers; return the list that collects the questions."""
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        if not answers:
            raise EOFError
        return answers.pop(0)

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    return questions


def test_unknown_names_are_asked_about_on_a_terminal(tmp_path, capsys, monkeypatch):
    (tmp_path / "a.txt").write_text("0\t2\tKrach\n2\t3\tintro\n4\t5\tmy guitar thing\n")
    questions = record_questions(monkeypatch, ["kazoo", "vocals", "", ""])
    assert run("check", tmp_path / "a.txt") == 0
    assert questions == [
        "  Krach (0 to 2 s, line 1): ",
        "  Krach (0 to 2 s, line 1): ",
        "  intro (2 to 3 s, line 2): ",
        "  my guitar thing (4 to 5 s, line 3) [one of other, - for nothing]: ",
    ]
    out = capsys.readouterr().out
    assert "nor a known name" in out
    assert "the next time: --map 'Krach=vocals' --map 'intro=' --map 'my guitar thing=one of other'\n" in out
    assert "name    Krach = vocals\n" in out


def test_the_end_of_the_input_is_one_error_line(tmp_path, capsys, monkeypatch):
    (tmp_path / "a.txt").write_text("0\t2\tKrach\n")
    record_questions(monkeypatch, [])
    assert run("check", tmp_path / "a.txt") == 2
    assert capsys.readouterr().err == "error: names are still unknown, but the input has ended\n"


def test_unknown_names_are_refused_without_a_terminal(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("0\t2\tKrach\n")
    assert run("check", tmp_path / "a.txt") == 2
    assert capsys.readouterr().err.endswith("or to nothing to leave it out: --map 'Krach='\n")
