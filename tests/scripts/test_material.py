"""scripts/material: splits of voices, melodies, excerpts, levels; what fails, hangs, is missing or damaged."""

import importlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # scripts are not part of the package

MATERIAL = Path(__file__).parents[2] / "scripts" / "material"
RATE_HZ = 44100


def load(name: str):
    """Import a module of scripts/material; skip the test where a library for building is not installed."""
    if str(MATERIAL) not in sys.path:
        sys.path.insert(0, str(MATERIAL))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in ("pretty_midi", "pedalboard", "pyworld", "soundfile", "scipy"):
            pytest.skip(f"{error.name} is not installed (scripts/material/requirements.txt)")
        raise


def part(pitches, seconds=1.0, program=0, is_drum=False, gap_s=0.0):
    """Return an instrument that plays pitches one after the other."""
    midi = pytest.importorskip("pretty_midi")
    made = midi.Instrument(program, is_drum)
    for k, pitch in enumerate(pitches):
        made.notes.append(midi.Note(80, pitch, k * (seconds + gap_s), k * (seconds + gap_s) + seconds))
    return made


# --- split ---------------------------------------------------------------------------------------------------


def test_splits_share_no_song_and_are_complete():
    split = load("split")
    named = [split.TEST_SONGS, split.VALID_SONGS, split.WITHHELD_SONGS]
    assert sum(map(len, named)) == len(frozenset().union(*named))
    assert (len(split.TEST_SONGS), len(split.VALID_SONGS)) == (14, 20)
    assert {split.find_split_of_song(name) for name in split.TEST_SONGS} == {"test"}
    assert {split.find_split_of_song(name) for name in split.WITHHELD_SONGS} == {None}
    assert {split.find_split_of_song(name) for name in split.VALID_SONGS} == {"valid"}
    assert split.find_split_of_song("mma-0000") == "train"
    assert split.find_split_of_song("freedm-ampie") is None


def test_language_belongs_to_one_split_in_both_voice_packages():
    split = load("split")
    assert not split.TEST_LANGUAGES & split.VALID_LANGUAGES
    for language in split.TEST_LANGUAGES | split.VALID_LANGUAGES:
        assert split.find_split_of_speaker(f"kl_{language}") == split.find_split_of_speaker(f"kt_{language}") != "train"


def test_splits_and_demo_share_no_soundfont():
    split = load("split")
    banks = [bank for side in split.SPLITS for bank in split.BANKS[side]]
    assert len(banks) == len(set(banks))
    assert split.DEMO_BANK not in banks


def test_seed_does_not_depend_on_the_process():
    assert load("split").make_seed(0, "mma-0000") == 10535305166346117993


# --- songs ---------------------------------------------------------------------------------------------------


def wad(**lumps: bytes) -> bytes:
    """Return a Doom WAD of these lumps."""
    body, entries = b"", b""
    for name, data in lumps.items():
        entries += struct.pack("<ii8s", 12 + len(body), len(data), name.encode())
        body += data
    return struct.pack("<4sii", b"IWAD", len(lumps), 12 + len(body)) + body + entries


def test_wad_reader_finds_midi_lumps():
    found = load("songs").iterate_wad_midis(wad(D_E1M1=b"MThd-music", PLAYPAL=b"colours"))
    assert list(found) == [("D_E1M1", b"MThd-music")]


def test_song_of_two_games_is_listed_once_under_the_name_that_is_not_freedms(tmp_path):
    doom = tmp_path / "usr/share/games/doom"
    doom.mkdir(parents=True)
    (doom / "freedoom1.wad").write_bytes(wad(D_E1M1=b"MThd-a", D_E1M2=b"MThd-b", D_E1M3=b"MThd-a"))
    (doom / "freedoom2.wad").write_bytes(wad(D_DEAD=b"MThd-b"))
    (doom / "freedm.wad").write_bytes(wad(D_DEAD=b"MThd-a", D_EVIL=b"MThd-c", D_OPENIN=b"MThd-c"))
    names = [name for name, _ in load("songs").iterate_midi_files(tmp_path)]
    assert names == ["freedm-evil", "freedoom1-e1m1", "freedoom1-e1m2"]


@pytest.mark.parametrize("data", [b"", b"MThd", b"no midi at all", b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\xff\0"])
def test_damaged_midi_file_is_skipped(data):
    assert load("songs").load_song("broken", data) is None


def test_excerpt_is_clipped_stretched_and_transposed():
    songs = load("songs")
    hung = part([60])
    hung.notes[0].end = 1e9
    tiny = part([62], seconds=0.004)
    drum = part([36], seconds=0.001, is_drum=True)
    song = songs.Song("s", 100.0, np.arange(0, 100, 0.5), [drum], [], [hung, tiny])
    cut = songs.cut_excerpt(song, start_s=0.0, seconds=10.0, stretch=2.0, transpose=3)
    assert [[(n.pitch, n.start, n.end) for n in p.notes] for p in cut.other] == [[(63, 0.0, 10.0)]]
    assert [(n.pitch, n.end) for n in cut.drums[0].notes] == [(36, songs.DRUM_NOTE_S)]
    np.testing.assert_allclose(cut.beats_s, np.arange(10.0))


def test_excerpt_keeps_controllers_that_were_set_before():
    songs, midi = load("songs"), pytest.importorskip("pretty_midi")
    played = part([60] * 10)
    played.control_changes = [midi.ControlChange(7, 40, 1.0), midi.ControlChange(7, 90, 8.5)]
    cut = songs.cut_part(played, start_s=5.0, seconds=2.0, stretch=1.0, transpose=0)
    assert [(c.number, c.value, c.time) for c in cut.control_changes] == [(7, 40, 0.0)]


def test_rest_silences_only_its_time():
    songs = load("songs")
    rested = songs.insert_rest([part([60] * 10)], 2.5, 5.5)
    assert [(n.start, n.end) for n in rested[0].notes][2:4] == [(2.0, 2.5), (6.0, 7.0)]


def test_parts_are_sorted_by_channel_and_program():
    songs, midi = load("songs"), pytest.importorskip("pretty_midi")
    file = midi.PrettyMIDI()
    file.instruments = [part([36] * 40, is_drum=True), part([40] * 40, program=33), part([60] * 40, program=52)]
    song = songs.sort_parts("s", file)
    assert song.is_complete()
    assert [p.program for p in song.other] == [songs.STRINGS]  # a sampled choir does not sing
    assert [p.program for p in song.bass] == [33]


# --- melody --------------------------------------------------------------------------------------------------


def test_walk_stays_on_the_scale_in_range_and_in_time():
    melody = load("melody")
    scale = [60, 62, 64, 65, 67, 69, 71]
    notes = melody.compose_walk([part(scale, 5.0)], np.arange(0, 35, 0.5), 35.0, np.random.default_rng(0))
    assert len(notes) > 10
    assert {note.pitch % 12 for note in notes} <= {pitch % 12 for pitch in scale}
    assert all(melody.LOWEST <= note.pitch <= melody.HIGHEST for note in notes)
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in pairwise(notes))
    assert notes[-1].end_s <= 35.0
    assert len(melody.split_phrases(notes)) > 1  # there are rests


def test_same_seed_gives_the_same_walk():
    melody = load("melody")

    def walk(seed):
        return melody.compose_walk([part([60, 64, 67], 9.0)], np.arange(0, 30, 0.6), 30.0, np.random.default_rng(seed))

    assert walk(1) == walk(1) != walk(2)


def test_song_without_harmony_or_beats_gets_a_melody():
    melody = load("melody")
    assert melody.compose_walk([], np.zeros(0), 20.0, np.random.default_rng(0))


def test_lead_becomes_one_line():
    melody = load("melody")
    chord = part([60, 64], seconds=1.0)
    chord.notes[1].start, chord.notes[1].end = 0.0, 1.0
    assert [note.pitch for note in melody.extract_lead_melody(chord)] == [64]


def test_long_phrases_pause_and_thinning_keeps_one():
    melody = load("melody")
    notes = melody.extract_lead_melody(part([60] * 30, seconds=1.0))
    parts = melody.split_phrases(notes)
    assert max(p[-1].end_s - p[0].start_s for p in parts) <= melody.MAX_PHRASE_S
    thinned = melody.drop_phrases(notes, 30.0, 0.5, np.random.default_rng(0))
    assert 0 < sum(n.end_s - n.start_s for n in thinned) <= 15.0
    assert melody.drop_phrases(notes, 30.0, 0.0, np.random.default_rng(0))


# --- effects -------------------------------------------------------------------------------------------------


def tone(dbfs, seconds=4.0):
    """Return a stereo sine of a given RMS."""
    time_T = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return np.tile(np.sqrt(2) * 10 ** (dbfs / 20) * np.sin(2 * np.pi * 441 * time_T), (2, 1)).astype(np.float32)


def test_level_ignores_rests():
    effects = load("effects")
    sparse = tone(-20.0, 6.0)
    sparse[:, 2 * RATE_HZ :] = 0
    assert 20 * np.log10(effects.compute_active_rms(sparse)) == pytest.approx(-20.0, abs=0.01)
    assert effects.compute_active_rms(np.zeros((2, RATE_HZ))) == 0.0


def test_mix_reaches_its_level_and_stems_keep_their_offsets():
    effects = load("effects")
    levels_db = {"drums": -24.0, "bass": -22.0, "other": -28.0, "vocals": -25.0}
    stems = np.stack([tone(level) for level in (-3.0, -50.0, -12.0, -30.0)])
    balanced = effects.balance(stems, levels_db)
    found_db = [20 * np.log10(effects.compute_active_rms(stem)) for stem in balanced]
    offsets = np.array(list(levels_db.values())) - levels_db["drums"]
    np.testing.assert_allclose(np.array(found_db) - found_db[0], offsets, atol=0.01)
    assert 20 * np.log10(effects.compute_active_rms(balanced.sum(axis=0))) == pytest.approx(effects.MIX_DBFS, abs=0.01)


def test_limiter_reduces_only_peaks():
    effects = load("effects")
    audio = tone(-20.0)
    audio[:, 2 * RATE_HZ] = 3.0
    limited = effects.limit(audio, 0.6)
    assert np.abs(limited).max() <= 0.6 + 1e-6
    far = np.abs(np.arange(audio.shape[1]) - 2 * RATE_HZ) > 3 * effects.LIMITER_SAMPLES
    np.testing.assert_allclose(limited[:, far], audio[:, far], rtol=1e-6)


def test_mix_does_not_clip_and_silence_stays_silent():
    effects = load("effects")
    stems = np.stack([tone(-5.0), tone(-5.0), tone(-5.0), np.zeros_like(tone(0.0))])
    balanced = effects.balance(stems, dict.fromkeys(effects.SOURCES, -6.0))
    assert np.abs(balanced.sum(axis=0)).max() <= effects.PEAK + 1e-4
    assert not balanced[3].any()


# --- voices and guitars --------------------------------------------------------------------------------------


def test_syllables_are_voiced_runs_with_their_consonants():
    voices = load("voices")
    voiced_K = np.zeros(300, bool)
    voiced_K[40:80] = True  # a syllable
    voiced_K[100:105] = True  # too short
    voiced_K[150:290] = True  # longer than a syllable: its beginning
    spans = voices.find_syllable_spans(voiced_K)
    assert spans[0] == (40 - voices.ONSET_K, 40, 80, 80 + voices.CODA_K)
    assert spans[1][1:] == (150, 150 + voices.VOWEL_K, 150 + voices.VOWEL_K)
    assert voices.find_syllable_spans(np.zeros(50, bool)) == []


def test_melody_moves_by_octaves_into_the_range_of_the_voice():
    singing, melody = load("singing"), load("melody")
    notes = [melody.SungNote(0.0, 1.0, 69)]
    assert singing.find_octave_shift(notes, 440.0) == 0
    assert singing.find_octave_shift(notes, 110.0) == -24


def test_stretched_syllable_covers_its_note_exactly():
    singing, voices, melody = load("singing"), load("voices"), load("melody")
    syllable = voices.Syllable(np.zeros((60, 3), np.float16), np.zeros((60, 1)), np.ones(60, bool), 20, 50)
    frames_k, first = singing.place(syllable, melody.SungNote(1.0, 2.0, 60), melisma=False)
    assert first == 200 - 20  # the consonant comes before the beat
    assert len(frames_k) == 20 + 200 + 10
    assert frames_k.min() >= 0 and frames_k.max() <= 59


def test_guitar_survives_its_text_form():
    guitars = load("guitars")
    assert guitars.Guitar.parse(str(guitars.Guitar("War of freedom", 12.5))) == guitars.Guitar("War of freedom", 12.5)
    assert guitars.Guitar.parse("TimGM6mb") is None


def test_recipe_is_reproducible_and_serialisable():
    recipe, songs = load("recipe"), load("songs")
    drums, bass, other = part([36] * 90, is_drum=True), part([40] * 90, program=33), part([60, 64, 67] * 30)
    song = songs.Song("s", 90.0, np.arange(0, 90, 0.5), [drums], [bass], [other])
    first, again = (recipe.draw_recipe("s-0", song, "train", ["kl_en", "kl_de"], 40.0, 7) for _ in range(2))
    assert first == again
    assert recipe.Recipe(**json.loads(json.dumps(first.__dict__))) == first
    score = recipe.write_score(first, song)
    assert score.drums and score.bass and score.other and score.vocals


# --- record of the test songs --------------------------------------------------------------------------------


def test_record_holds_the_test_songs_and_their_recipes():
    split = load("split")
    record = json.loads((MATERIAL / "minimus_test.json").read_text())
    assert {song["song"] for song in record["songs"]} == split.TEST_SONGS
    for song in record["songs"]:
        assert song["seconds"] >= 40
        assert split.find_split_of_speaker(song["speaker"]) == "test"
        assert {song["drum_bank"], song["bass_bank"], song["other_bank"]} <= set(split.BANKS["test"])
    assert all(package["licence"] and package["version"] for package in record["packages"])


def test_verify_compares_recipe_hash_and_level():
    verify = load("verify")
    recorded = {"name": "a", "seed": 1, "sha256": "x", "dbfs": {"mix": -15.6, "peak": 0.9}}
    elsewhere = recorded | {"sha256": "y"}
    assert verify.compare(recorded, dict(recorded), "x") == "same"
    assert verify.compare(recorded, elsewhere, "y") == "close"
    assert verify.compare(recorded, elsewhere | {"dbfs": {"mix": -12.0, "peak": 0.9}}, "y") == "different"
    assert verify.compare(recorded, recorded | {"seed": 2}, "x") == "different"
    assert verify.compare(recorded, dict(recorded), "z") == "damaged"
    assert verify.compare(recorded, recorded, None) == verify.compare(recorded, None, "x") == "missing"


# --- what is missing -----------------------------------------------------------------------------------------


def test_build_lists_all_requirements_that_are_missing_in_one_line(tmp_path):
    hide = "import sys, runpy; sys.modules['pretty_midi'] = sys.modules['pyworld'] = None; "
    command = hide + f"sys.argv[0] = {str(MATERIAL / 'build.py')!r}; sys.path.insert(0, {str(MATERIAL)!r}); "
    command += "runpy.run_path(sys.argv[0], run_name='__main__')"
    out = tmp_path / "pool"
    result = subprocess.run(
        [sys.executable, "-c", command, "--split", "test", "--out", str(out)],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "apt-get, dpkg-deb, dpkg-query not found" in line
    assert "timidity mma)" in line and "apt-get install" in line
    assert "pretty_midi" in line and "pyworld" in line and "requirements.txt" in line
    assert "numpy" not in line
    assert list(tmp_path.iterdir()) == []


def test_missing_program_is_named_by_its_package(monkeypatch):
    needs = load("needs")
    monkeypatch.setattr(needs, "has_fluidsynth", lambda: False)
    assert needs.find_missing_programs(("python3", "no-such-program")) == ["fluidsynth", "no-such-program"]


# --- songs that fail, hang or are interrupted ----------------------------------------------------------------

BUILD = r"""
import os, signal, subprocess, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import build, manifest
from functools import partial
from problems import exit_status
manifest.LIBRARIES, manifest.describe_sources = (), list
folder, well = Path(sys.argv[2]), (Path(sys.argv[2]) / "well").exists()

def good(name, path, kept):
    if kept:
        return kept
    path.write_text(name)
    return {"name": name, "sha256": build.compute_sha256(path), "dbfs": {}}

def hangs(path, kept):
    if well:
        return good("hangs", path, kept)
    path.write_text("half")
    subprocess.run(["sh", "-c", f"echo $$ > {folder}/pid; sleep 1000; true"])

def raises(path, kept):
    raise ValueError("of two\nlines")

def crashes(path, kept):
    os.kill(os.getpid(), signal.SIGSEGV)

def fills_the_disk(path, kept):
    path.write_text("half")
    raise OSError(28, "No space left on device", str(path))

makers = {"hangs": hangs, "raises": raises, "crashes": crashes, "full": fills_the_disk,
          "silent": lambda path, kept: "no sound in bass"}
songs = [(name, makers.get(name, partial(good, name))) for name in sys.argv[4].split()]
raise SystemExit(exit_status(lambda: int(bool(build.build(folder, songs, float(sys.argv[3]))))))
"""


def start(folder: Path, limit_s: float, *names: str) -> subprocess.Popen:
    """Build songs that behave as their names say, in a process of its own."""
    command = [sys.executable, "-c", BUILD, str(MATERIAL), str(folder), str(limit_s), " ".join(names)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def built(folder: Path, limit_s: float, *names: str) -> tuple[int, str, str]:
    """Return exit status and what was printed."""
    process = start(folder, limit_s, *names)
    printed, complained = process.communicate()
    return process.returncode, printed, complained


def text_of(path: Path, process: subprocess.Popen) -> str:
    """Return the text of a file that a process is about to write."""
    while not (path.exists() and path.read_text()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return path.read_text()


def is_running(pid: int) -> bool:
    """Tell whether a process is there and is not just waiting to be collected."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def pool(folder: Path) -> list[str]:
    """Return the names in a folder except those of the test itself."""
    return sorted(path.name for path in folder.iterdir() if path.name not in ("well", "pid"))


def listed(folder: Path) -> list[str]:
    """Return the names in a folder's manifest."""
    return [song["name"] for song in json.loads((folder / "manifest.json").read_text())["songs"]]


linux = pytest.mark.skipif(sys.platform != "linux", reason="the material is built on Debian")


@linux
def test_build_names_songs_that_hang_fail_or_crash_and_makes_the_others(tmp_path):
    status, printed, _ = built(tmp_path, 3.0, "hangs", "raises", "a", "crashes", "silent", "b")
    lines = [line.split(maxsplit=2)[1:] for line in printed.splitlines()]
    said = dict(lines)
    assert status == 1
    assert said["hangs"].startswith("failed: not done after 3 s")
    assert said["raises"] == "failed: ValueError: of two lines"
    assert said["crashes"].startswith("failed: its process died")
    assert said["silent"] == "left out: no sound in bass"
    assert pool(tmp_path) == ["a.npy", "b.npy", "manifest.json"]
    assert not is_running(int((tmp_path / "pid").read_text()))
    (tmp_path / "well").touch()
    status, printed, _ = built(tmp_path, 100.0, "hangs", "a", "b")
    assert status == 0
    assert printed.split()[1] == "hangs" and len(printed.splitlines()) == 1  # the others were kept
    assert pool(tmp_path) == ["a.npy", "b.npy", "hangs.npy", "manifest.json"]
    assert listed(tmp_path) == ["a", "b", "hangs"]


@linux
def test_build_removes_a_song_that_is_left_out(tmp_path):
    built(tmp_path, 100.0, "a", "b")
    manifest = (tmp_path / "manifest.json").read_text().replace('"name": "b"', '"name": "silent"')
    (tmp_path / "manifest.json").write_text(manifest)
    (tmp_path / "b.npy").rename(tmp_path / "silent.npy")
    assert listed(tmp_path) == ["a", "silent"]
    status, printed, _ = built(tmp_path, 100.0, "silent")
    assert status == 0 and "left out: no sound in bass" in printed
    assert pool(tmp_path) == ["a.npy", "manifest.json"]
    assert listed(tmp_path) == ["a"]


@linux
@pytest.mark.parametrize("sign, status", [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_interrupted_build_leaves_no_half_song_and_resumes(tmp_path, sign, status):
    process = start(tmp_path, 100.0, "a", "hangs", "b")
    pid = int(text_of(tmp_path / "pid", process))
    group = os.getpgid(pid)  # the song's own process, and what it started
    process.send_signal(sign)
    assert process.wait() == status
    if sign == signal.SIGINT:
        assert pool(tmp_path) == ["a.npy", "manifest.json"]
        assert not is_running(pid)
    else:  # the song's process dies with its parent; a hung program that it had started does not
        while is_running(group):
            time.sleep(0.01)
        os.killpg(group, signal.SIGKILL)
        assert pool(tmp_path) == ["a.npy", "hangs.unfinished", "manifest.json"]
    said = "interrupted; run the same command again to continue\n"
    assert process.communicate()[1] == (said if sign == signal.SIGINT else "")
    (tmp_path / "well").touch()
    assert built(tmp_path, 100.0, "a", "hangs", "b")[0] == 0
    assert pool(tmp_path) == ["a.npy", "b.npy", "hangs.npy", "manifest.json"]


@linux
def test_full_disk_ends_the_build(tmp_path):
    status, printed, complained = built(tmp_path, 100.0, "a", "full", "b")
    assert status == 2
    assert complained.startswith("error: the disk is full (") and "full.unfinished" in complained
    assert len(printed.splitlines()) == 1
    assert pool(tmp_path) == ["a.npy", "manifest.json"]


@linux
def test_build_remakes_changed_songs_and_names_a_damaged_manifest(tmp_path):
    built(tmp_path, 100.0, "a", "b")
    (tmp_path / "a.npy").write_text("")
    status, printed, _ = built(tmp_path, 100.0, "a", "b")
    assert (status, printed.split()[1], len(printed.splitlines())) == (0, "a", 1)
    assert (tmp_path / "a.npy").read_text() == "a"
    (tmp_path / "manifest.json").write_text('{"songs": [{"name": "a"}]}')
    status, _, complained = built(tmp_path, 100.0, "a")
    assert status == 2
    assert "manifest.json: not a manifest" in complained and len(complained.splitlines()) == 1


# --- damaged and foreign material ----------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one file in a folder of its own, and an apt-get that cannot reach anything."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is Debian's")
    tree = tmp_path / "tree"
    (tree / "usr/share").mkdir(parents=True)
    (tree / "DEBIAN").mkdir()
    (tree / "usr/share/song.mid").write_bytes(b"MThd")
    (tree / "DEBIAN/md5sums").write_text("406cbeda62d53c6600ed26eb5883f4bc  usr/share/song.mid\n")
    control = ("Package: songs", "Version: 2:1.0-1", "Architecture: all", "Maintainer: m <m@m>", "Description: d", "")
    (tree / "DEBIAN/control").write_text("\n".join(control))
    debs = tmp_path / "material" / "debs"
    debs.mkdir(parents=True)
    subprocess.run(["dpkg-deb", "-b", str(tree), str(debs / "songs_2%3a1.0-1_all.deb")], check=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/apt-get").write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
    (tmp_path / "bin/apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("UGOSA_MATERIAL", str(tmp_path / "material"))
    return load("fetch").Package("songs", "MIT", "songs")


def test_fetch_unpacks_missing_or_changed_files_again(package, capfd):
    fetch = load("fetch")
    song = fetch.get_unpacked_path("usr/share/song.mid")
    fetch.provide(package)
    assert song.read_bytes() == b"MThd"
    assert fetch.get_archive_version(package) == "2:1.0-1"
    capfd.readouterr()
    fetch.provide(package)
    assert capfd.readouterr().out == ""
    song.write_bytes(b"RIFF")
    fetch.provide(package)
    assert song.read_bytes() == b"MThd"
    assert "usr/share/song.mid is missing or changed" in capfd.readouterr().out


def test_fetch_downloads_a_damaged_archive_again_or_names_it(package):
    fetch, problems = load("fetch"), load("problems")
    archive = fetch.find_archive(package)
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(problems.Problem, match=r"could not download songs \(E: no network\); try `apt-get update`"):
        fetch.provide(package)
    assert list(archive.parent.iterdir()) == []  # an incomplete archive is not used


def test_damaged_voice_is_analysed_again(tmp_path, monkeypatch, capfd):
    voices = load("voices")
    monkeypatch.setenv("UGOSA_MATERIAL", str(tmp_path))
    syllable = voices.Syllable(np.zeros((9, 3), np.float16), np.zeros((9, 1)), np.ones(9, bool), 2, 7)
    voice = voices.Voice("kl_xx", 200.0, (syllable,) * voices.MIN_SYLLABLES)
    monkeypatch.setattr(voices, "analyse_speaker", lambda speaker: voice)
    assert voices.load_voice("kl_xx").median_hz == 200.0
    cache = tmp_path / "voices" / "kl_xx.npz"
    assert capfd.readouterr().out == ""
    for damaged in (cache.read_bytes()[:-100], b"", b"foreign"):
        cache.write_bytes(damaged)
        assert len(voices.load_voice("kl_xx").syllables) == voices.MIN_SYLLABLES
        assert "kl_xx.npz: damaged" in capfd.readouterr().out


def test_file_that_is_not_a_soundfont_is_named(tmp_path):
    pytest.importorskip("fluidsynth", exc_type=ImportError)
    (tmp_path / "no.sf2").write_bytes(b"RIFF\0\0\0\0sfbk")
    with pytest.raises(load("problems").Problem, match=r"no\.sf2: not a soundfont"):
        load("instruments").Soundfont(tmp_path / "no.sf2")


@pytest.mark.parametrize("script, said", [("exec sleep 1000", "not done after"), ("exit 3", "no usable song")])
def test_mma_that_hangs_or_fails_is_reported(tmp_path, monkeypatch, script, said):
    accompany = load("accompany")
    (tmp_path / "mma").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "mma").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(accompany, "MMA_LIMIT_S", 0.2)
    monkeypatch.setattr(accompany, "list_grooves", lambda: (("Rock",),))
    with pytest.raises(RuntimeError, match=said):
        accompany.compose("mma-0000", 1)


def test_timidity_failure_is_quoted(tmp_path, monkeypatch):
    instruments = load("instruments")
    (tmp_path / "timidity").write_text("#!/bin/sh\necho 'no patches' >&2\nexit 1\n")
    (tmp_path / "timidity").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(instruments, "make_freepats_config", lambda: "")
    monkeypatch.setattr(instruments, "list_freepats_programs", lambda: (0,))
    with pytest.raises(RuntimeError, match="timidity failed: status 1, no patches"):
        instruments.play_freepats([part([60])], 1.0)
