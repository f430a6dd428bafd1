"""The song that is shipped: its stems, its annotation, and the score that they were made from."""

import importlib
import subprocess
import sys
import warnings
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ugosa_jax.annotations import activation, annotation
from ugosa_jax.config import SOURCES

pytestmark = pytest.mark.slow  # scripts are not part of the package

SONG = Path(str(files("ugosa_jax"))) / "data" / "demo_song"
SCORE = Path(__file__).parents[2] / "scripts" / "demo_song"
RATE_HZ = 44100


@pytest.fixture(scope="module")
def stems_SxCxT():
    """Return the decoded stems; all have the same length, or they do not stack."""
    read = [soundfile.read(SONG / f"{source}.ogg", dtype="float32", always_2d=True) for source in SOURCES]
    assert [rate_hz for _, rate_hz in read] == [RATE_HZ] * 4
    return np.stack([audio_TxC.T for audio_TxC, _ in read])


@pytest.fixture(scope="module")
def said():
    """Return the annotation, which is read without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return annotation.read_annotation(SONG / "annotation.csv", SOURCES)


@pytest.fixture(scope="module")
def river():
    """Return the score, which needs no library."""
    sys.path.insert(0, str(SCORE))
    yield importlib.import_module("river")
    sys.path.remove(str(SCORE))


def test_the_stems_are_a_short_stereo_song(stems_SxCxT):
    assert stems_SxCxT.shape[:2] == (4, 2)
    assert 25 <= stems_SxCxT.shape[2] / RATE_HZ <= 40
    assert sum(path.stat().st_size for path in SONG.iterdir()) <= 3_000_000


def test_the_mixture_is_as_loud_as_a_record_and_does_not_clip(stems_SxCxT):
    mixture_CxT = stems_SxCxT.sum(axis=0)
    assert np.abs(mixture_CxT).max() < 1
    assert -17 < 10 * np.log10(np.mean(mixture_CxT**2)) < -14


def test_every_source_rests_and_is_silent_then(stems_SxCxT, said):
    active_SxT = annotation.compute_active_mask(said, stems_SxCxT.shape[2], RATE_HZ)
    for stem_CxT, active_T in zip(stems_SxCxT, active_SxT, strict=True):
        assert (~active_T).sum() / RATE_HZ >= 6
        # The stems were exact zeros there. What the codec leaves, at the edges, peaks at −69 dBFS.
        assert np.abs(stem_CxT[:, ~active_T]).max() < 1e-3


def test_every_source_is_heard_in_every_bar_that_it_plays(stems_SxCxT, said):
    active_SxT = annotation.compute_active_mask(said, stems_SxCxT.shape[2], RATE_HZ)
    for stem_CxT, active_T in zip(stems_SxCxT, active_SxT, strict=True):
        for k in range(0, len(active_T), 2 * RATE_HZ):
            if active_T[k : k + 2 * RATE_HZ].all():
                assert np.mean(stem_CxT[:, k : k + 2 * RATE_HZ] ** 2) > 10**-2.6  # the softest is −23.1 dBFS


def test_the_annotation_agrees_with_the_stems(stems_SxCxT, said):
    # 0.957 to 0.978. The rest: gaps between notes and words, the fading end, and the envelope, which is 93 ms early.
    active_SxT = annotation.compute_active_mask(said, stems_SxCxT.shape[2], RATE_HZ)
    found_SxT = activation.detect_activity(stems_SxCxT, RATE_HZ)
    assert ((active_SxT == found_SxT).mean(axis=1) > 0.94).all()


def test_no_source_is_annotated_active_in_a_rest(stems_SxCxT, said):
    active_SxT = annotation.compute_active_mask(said, stems_SxCxT.shape[2], RATE_HZ)
    found_SxT = activation.detect_activity(stems_SxCxT, RATE_HZ)
    # An entry is found up to 93 ms early: there are at most two entries in 32 s.
    assert ((~active_SxT & found_SxT).mean(axis=1) < 2 * 0.093 / 32).all()


def test_annotation_and_length_match_the_score(stems_SxCxT, said, river):
    rests = {
        source: [(i.start_s, i.end_s) for i in said.select(source) if i.state == "silent"] for source in river.SILENT
    }
    assert rests == {s: [(a * river.BEAT_S, b * river.BEAT_S) for a, b in spans] for s, spans in river.SILENT.items()}
    assert river.SECONDS == river.BARS * 4 * river.BEAT_S == stems_SxCxT.shape[2] / RATE_HZ


def test_no_note_is_written_in_a_rest(river):
    parts = {"drums": [river.drums()], "bass": [river.bass()], "vocals": [river.vocals()]}
    keyboards_and_guitars = (
        river.acoustic_guitar, river.electric_guitar, river.overdriven_guitar, river.keys, river.piano, river.pad,
    )  # fmt: skip
    parts["other"] = [part() for part in keyboards_and_guitars]
    for source, spans in river.SILENT.items():
        for note in (note for part in parts[source] for note in part):
            assert not any(note.beat < last and note.beat + note.beats > first for first, last in spans), (source, note)


def test_drum_patterns_fill_their_bars(river):
    for bar, kit in river.DRUMS.items():
        for signs in kit.values():
            assert len(signs.replace(" ", "")) == 16, (bar, signs)


def test_missing_packages_of_compose_are_reported_and_nothing_is_written(tmp_path):
    command = "import sys, runpy; sys.modules['hibari'] = sys.modules['pedalboard'] = None; "
    command += f"sys.argv[0] = {str(SCORE / 'compose.py')!r}; sys.path.insert(0, {str(SCORE)!r}); "
    command += "runpy.run_path(sys.argv[0], run_name='__main__')"
    result = subprocess.run(
        [sys.executable, "-c", command, "--out", str(tmp_path / "song")],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    (line,) = result.stderr.splitlines()
    assert result.returncode == 2
    assert "apt-get" in line and "hibari-tts" in line and "pedalboard" in line and "requirements.txt" in line
    assert "timidity" not in line  # the song does without
    assert list(tmp_path.iterdir()) == []
