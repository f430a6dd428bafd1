"""Songs with stems, loaded: from folders, arrays and MUSDB18's files, and what is refused."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ugosa_jax.data import datasets, loading
from ugosa_jax.data.song import Song
from ugosa_jax.errors import InputError

STEMS = ("drums", "bass", "other", "vocals")
RATE_HZ = 8000


def noise(n_channels: int = 2, n_samples: int = 3000) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).normal(size=(4, n_channels, n_samples)).astype(np.float32)


def write(root: Path, stems_SxCxT: np.ndarray, mix_CxT: np.ndarray | None = None, subtype: str = "FLOAT") -> None:
    """Write a song called a; its mixture is the sum unless one is given."""
    (root / "a").mkdir(exist_ok=True)
    for name, sound_CxT in zip(STEMS, stems_SxCxT, strict=True):
        soundfile.write(root / "a" / f"{name}.wav", sound_CxT.T, RATE_HZ, subtype)
    mix_CxT = stems_SxCxT.sum(axis=0) if mix_CxT is None else mix_CxT
    soundfile.write(root / "a" / "mixture.wav", mix_CxT.T, RATE_HZ, subtype)


def load(root: Path, *sources: str) -> Song:
    (track,) = datasets.list_tracks(root)
    return loading.load_with_stems(track, sources or STEMS)


def refused(root: Path, *words: str, sources: tuple[str, ...] = STEMS) -> None:
    """Assert that loading the one song fails with one line that names a path in `root` and says `words`."""
    with pytest.raises(InputError) as caught:
        load(root, *sources)
    assert str(caught.value).startswith(f"{root}/")
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


# Folders


@pytest.mark.parametrize("n_channels", [1, 2])
def test_song_of_a_folder_is_read(tmp_path, n_channels):
    write(tmp_path, noise(n_channels))
    song = load(tmp_path)
    np.testing.assert_array_equal(song.stems_SxCxT, noise(n_channels))
    np.testing.assert_array_equal(song.mixture.samples_CxT, noise(n_channels).sum(axis=0))
    assert song.stems_SxCxT.dtype == song.mixture.samples_CxT.dtype == np.float32
    assert (song.mixture.rate_hz, song.mixture.name, song.notes) == (RATE_HZ, "a", ())


def test_musdb18hq_needs_no_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    (tmp_path / "test").mkdir()
    write(tmp_path / "test", noise())
    np.testing.assert_array_equal(load(tmp_path).stems_SxCxT, noise())


def test_stems_have_the_requested_order(tmp_path):
    write(tmp_path, noise())
    song = load(tmp_path, "vocals", "drums")
    np.testing.assert_array_equal(song.stems_SxCxT, noise()[[3, 0]])
    assert len(song.notes) == 1  # the mixture holds more than these two


@pytest.mark.parametrize(("factor", "off_db"), [(0.9, "-19.1"), (1.1, "-20.8"), (2.0, "-6.0"), (0.5, "+0.0")])
def test_note_reports_a_mixture_that_is_not_the_sum(tmp_path, factor, off_db):
    mix_CxT = factor * noise().sum(axis=0)  # off by |1 − f| / f: 20 log10(1 / 9) = −19.1 dB, …
    write(tmp_path, noise(), mix_CxT)
    song = load(tmp_path)
    assert song.notes == (
        f"the mixture is not the sum of the stems: their difference is {off_db} dB relative to the mixture",
    )
    np.testing.assert_array_equal(song.mixture.samples_CxT, mix_CxT)


def test_rounding_to_16_bits_is_not_reported(tmp_path):
    write(tmp_path, noise(), subtype="PCM_16")
    assert load(tmp_path).notes == ()


def test_missing_mixture_is_replaced_by_the_sum(tmp_path):
    write(tmp_path, noise())
    (tmp_path / "a" / "mixture.wav").unlink()
    song = load(tmp_path)
    np.testing.assert_array_equal(song.mixture.samples_CxT, noise().sum(axis=0))
    assert song.notes == ("no mixture file: the mixture is the sum of the stems",)


def test_silent_stem_is_accepted(tmp_path):
    stems_SxCxT = noise()
    stems_SxCxT[1] = 0
    write(tmp_path, stems_SxCxT)
    song = load(tmp_path)
    np.testing.assert_array_equal(song.stems_SxCxT, stems_SxCxT)
    assert song.notes == ()


def test_silent_song_is_refused(tmp_path):
    write(tmp_path, np.zeros((4, 2, 100), np.float32))
    refused(tmp_path, "a: is silent throughout")


@pytest.mark.parametrize("name", ["bass", "mixture"])
@pytest.mark.parametrize(
    ("shape", "rate_hz", "said"),
    [
        ((2999, 2), RATE_HZ, "8000 Hz, 2 channels, 2999 samples"),
        ((3000, 2), 16000, "16000 Hz, 2 channels, 3000 samples"),
        ((3000, 1), RATE_HZ, "8000 Hz, 1 channels, 3000 samples"),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(tmp_path, name, shape, rate_hz, said):
    write(tmp_path, noise())
    soundfile.write(tmp_path / "a" / f"{name}.wav", np.full(shape, 0.1), rate_hz)
    refused(tmp_path, f"a/{name}.wav: {said}", "do not fit those of drums.wav: 8000 Hz, 2 channels, 3000 samples")


@pytest.mark.parametrize("name", [*STEMS, "mixture"])
def test_damaged_file_is_refused(tmp_path, name):
    write(tmp_path, noise())
    (tmp_path / "a" / f"{name}.wav").write_bytes(b"RIFF and nothing else")
    refused(tmp_path, f"a/{name}.wav: cannot be read as sound")


def test_values_that_are_not_finite_are_refused(tmp_path):
    stems_SxCxT = noise()
    stems_SxCxT[3, 0, 5] = np.nan
    write(tmp_path, stems_SxCxT, noise().sum(axis=0))
    refused(tmp_path, "a/vocals.wav", "not finite")


# Arrays


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4"])
def test_song_of_stem_arrays_is_read(tmp_path, dtype):
    stems_SxCxT = noise().astype(dtype)
    np.save(tmp_path / "a.npy", stems_SxCxT)
    song = load(tmp_path)
    np.testing.assert_array_equal(song.stems_SxCxT, stems_SxCxT)
    np.testing.assert_array_equal(song.mixture.samples_CxT, stems_SxCxT.astype(np.float32).sum(axis=0))
    assert song.stems_SxCxT.dtype == np.float32
    assert (song.mixture.rate_hz, song.mixture.name, song.notes) == (44100, "a", ())


def test_stem_arrays_give_the_requested_sources(tmp_path):
    np.save(tmp_path / "a.npy", noise())
    song = load(tmp_path, "other", "bass")
    np.testing.assert_array_equal(song.stems_SxCxT, noise()[[2, 1]])
    np.testing.assert_allclose(song.mixture.samples_CxT, noise().sum(axis=0), atol=1e-6)  # of all four
    refused(tmp_path, "a.npy: has no 'piano'; such files hold drums, bass, other, vocals", sources=("piano",))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 2, 10), np.float32), "(3, 2, 10)"),
        (np.zeros((4, 10), np.float32), "(4, 10)"),
        (np.zeros((4, 2, 0), np.float32), "(4, 2, 0)"),
        (np.float32(3), "()"),
        (np.zeros((4, 2, 10)), "float64"),
        (np.zeros((4, 2, 10), np.int16), "int16"),
        (np.array([["a"]]), "<U1"),
        (np.zeros((4, 2, 10), np.float32), "silent throughout"),
        (np.full((4, 2, 10), np.inf, np.float16), "drums holds values that are not finite"),
    ],
)
def test_arrays_of_other_shapes_are_refused(tmp_path, array, said):
    np.save(tmp_path / "a.npy", array)
    refused(tmp_path, "a.npy: ", said)


def test_pickled_array_is_not_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": print}], object), allow_pickle=True)
    refused(tmp_path, "a.npy: cannot be read as an array")


def test_archive_of_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", noise())
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    refused(tmp_path, "a.npy: expected an array of float16 or float32, not an archive")


@pytest.mark.parametrize("length", [0, 5, 60, 500])
def test_cut_array_is_refused(tmp_path, length):
    np.save(tmp_path / "a.npy", noise())
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:length])
    refused(tmp_path, "a.npy: cannot be read as an array")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 129), st.integers(0, 255)), min_size=1, max_size=4))
@pytest.mark.filterwarnings("ignore")  # warnings of Python and numpy about damaged headers
def test_damaged_array_is_refused(tmp_path, changes):
    """With any bytes in the header, loading returns four finite stems or raises InputError."""
    np.save(tmp_path / "a.npy", noise(1, 20))
    content = bytearray((tmp_path / "a.npy").read_bytes())
    for position, value in changes:
        content[position] = value
    (tmp_path / "a.npy").write_bytes(content)
    try:
        song = load(tmp_path)
    except InputError as error:
        assert str(error).startswith(f"{tmp_path}/a.npy: ")
        assert "\n" not in str(error)
    else:
        assert len(song.stems_SxCxT) == 4
        assert np.isfinite(song.stems_SxCxT).all()


# MUSDB18

PROBE = """#!{python}
import av, json, sys
try:
    with av.open(sys.argv[-1]) as file:
        streams = [
            {{"index": s.index, "codec_type": s.type, "sample_rate": str(s.rate), "channels": s.channels,
              "duration_ts": s.duration, "duration": str(float(s.duration * s.time_base))}}
            for s in file.streams.audio
        ]
except av.FFmpegError:
    sys.exit(1)
print(json.dumps({{"streams": streams, "format": {{}}}}))
"""
DECODE = """#!{python}
import av, numpy, sys
stream = int(sys.argv[sys.argv.index("-map") + 1].split(":")[1])
with av.open(sys.argv[sys.argv.index("-i") + 1]) as file:
    if stream < len(file.streams):
        sound = numpy.concatenate([frame.to_ndarray() for frame in file.decode(audio=stream)], axis=1)
        sys.stdout.buffer.write(numpy.clip(numpy.rint(sound.T * 32768), -32768, 32767).astype("<i2").tobytes())
"""


@pytest.fixture
def ffmpeg(tmp_path_factory, monkeypatch):
    """Provide ffmpeg: the installed one, or two stand-ins for musdb that use the av package."""
    if shutil.which("ffmpeg") and shutil.which("ffprobe"):
        return
    programs = tmp_path_factory.mktemp("bin")
    for name, text in (("ffprobe", PROBE), ("ffmpeg", DECODE)):
        (programs / name).write_text(text.format(python=sys.executable))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def musdb18(tmp_path):
    """A root with one song, the six seconds in five streams that the stempeg package ships."""
    spec = importlib.util.find_spec("stempeg")
    (path,) = (Path(spec.origin).parent / "data").glob("*.stem.mp4")
    (tmp_path / "test").mkdir()
    return Path(shutil.copy(path, tmp_path / "test" / "A - a.stem.mp4"))


def test_song_of_musdb18_is_read(tmp_path, musdb18, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no program is needed
    (track,) = datasets.list_tracks(tmp_path, "test")
    song = loading.load_with_stems(track, ("vocals", "drums"))
    assert (song.mixture.rate_hz, song.mixture.name) == (44100, "A - a")
    for stream, sound_CxT in ((0, song.mixture.samples_CxT), (4, song.stems_SxCxT[0]), (1, song.stems_SxCxT[1])):
        with av.open(str(musdb18)) as file:
            expected_CxT = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=stream)], axis=1)
        assert sound_CxT.dtype == np.float32
        # Rounded to 16 bits, and clipped.
        np.testing.assert_allclose(sound_CxT, expected_CxT.clip(-1, 1), rtol=0, atol=2**-15)


def test_musdb18_equals_the_musdb_package(tmp_path, musdb18, ffmpeg):
    from musdb.audio_classes import MultiTrack, Source

    (track,) = datasets.list_tracks(tmp_path, "test")
    song = loading.load_with_stems(track, ("drums", "bass", "other", "vocals"))
    theirs = MultiTrack(path=str(musdb18), name="A - a", stem_id=0)
    for stream, sound_CxT in enumerate([song.mixture.samples_CxT, *song.stems_SxCxT]):
        expected_CxT = Source(theirs, path=str(musdb18), stem_id=stream).audio.T
        np.testing.assert_allclose(sound_CxT, expected_CxT, rtol=0, atol=2**-15)


@pytest.mark.parametrize("content", [b"hello", b"\0\0\0\x20ftypisom" + bytes(999)])
def test_damaged_stem_file_is_refused(tmp_path, musdb18, content):
    musdb18.write_bytes(content)
    refused(tmp_path, "A - a.stem.mp4: cannot be read as sound")


def test_stem_file_of_one_stream_is_refused(tmp_path, musdb18):
    musdb18.unlink()
    soundfile.write(tmp_path / "a.wav", noise()[0].T, RATE_HZ)
    (tmp_path / "a.wav").rename(musdb18)
    refused(tmp_path, "A - a.stem.mp4: has only 1 audio streams")
