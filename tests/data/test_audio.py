"""Reading, converting and writing sound: refusals, conversions, and what must not change."""

import os
import resource
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ugosa_jax.data import recording, sound
from ugosa_jax.data.sound import Audio
from ugosa_jax.errors import InputError

HALF = np.sqrt(0.5)


def noise(n_channels: int, n_samples: int = 5000) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).normal(size=(n_channels, n_samples)).astype(np.float32)


def tone(rate_hz: int, seconds: float = 1.0, frequency_hz: float = 1000.0) -> np.ndarray:
    t_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * t_s)).astype(np.float32)


def refused(path, *words: str) -> None:
    """Assert that reading `path` fails with one line that names the file and says `words`."""
    with pytest.raises(InputError) as caught:
        sound.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def convert_back(est_SxCxT: np.ndarray, song: Audio, n_stretches: int = 3) -> np.ndarray:
    """Return estimates at 44.1 kHz as stems of the song."""
    stretches = np.array_split(est_SxCxT, n_stretches, axis=-1)
    return np.concatenate([*sound.from_model(stretches, song, 44100)], axis=-1)


# Reading


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
def test_read_lossless(tmp_path, suffix):
    samples_CxT = np.round(noise(2) * 2**15) / 2**15
    soundfile.write(tmp_path / f"a song.{suffix}", samples_CxT.T, 48000, "PCM_16")
    song = sound.read(tmp_path / f"a song.{suffix}")
    assert (song.rate_hz, song.name, song.n_channels, song.n_samples) == (48000, f"a song.{suffix}", 2, 5000)
    assert song.duration_s == 5000 / 48000
    assert song.samples_CxT.dtype == np.float32
    assert song.samples_CxT.flags.c_contiguous
    np.testing.assert_array_equal(song.samples_CxT, samples_CxT)


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_read_lossy(tmp_path, suffix):
    soundfile.write(tmp_path / f"a.{suffix}", np.stack([tone(44100)] * 2).T, 44100)
    song = sound.read(str(tmp_path / f"a.{suffix}"))
    lost = 128 if suffix == "ogg" else 0  # FFmpeg ends an Ogg of a single page so many samples early
    assert song.samples_CxT.shape == (2, 44100 - lost)
    np.testing.assert_allclose(song.samples_CxT[0], tone(44100)[: 44100 - lost], atol=0.05)


def test_read_refuses_a_missing_file(tmp_path):
    refused(tmp_path / "none.wav", "No such file")


def test_read_refuses_a_folder(tmp_path):
    refused(tmp_path, "directory")


def test_read_refuses_an_empty_file(tmp_path):
    (tmp_path / "a.wav").touch()
    refused(tmp_path / "a.wav", "is empty")


def test_read_refuses_a_file_without_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 2)), 44100)
    refused(tmp_path / "a.wav", "no samples")


@pytest.mark.parametrize("content", [b"hello", b"RIFF", b"RIFF\0\0\0\0WAVE", b"\xff" * 5000, b"start,end\n" * 9])
@pytest.mark.parametrize("suffix", ["wav", "mp3", "txt"])
def test_read_refuses_a_text_file(tmp_path, content, suffix):
    (tmp_path / f"a.{suffix}").write_bytes(content)
    refused(tmp_path / f"a.{suffix}", "cannot be read as sound")


def test_read_refuses_headerless_sound(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"hello" * 100)
    refused(tmp_path / "a.raw", "headerless")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_read_refuses_values_that_are_not_finite(tmp_path, value):
    samples_CxT = noise(2)
    samples_CxT[1, 77] = value
    soundfile.write(tmp_path / "a.wav", samples_CxT.T, 44100, "FLOAT")
    refused(tmp_path / "a.wav", "not finite")


def test_read_refuses_silence(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((5000, 2)), 44100)
    refused(tmp_path / "a.wav", "silent throughout")


def test_read_accepts_silence_in_a_stem(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((5000, 2)), 44100)
    stem = sound.read(tmp_path / "a.wav", may_be_silent=True)
    assert (stem.n_channels, stem.n_samples, stem.rate_hz) == (2, 5000, 44100)
    assert not stem.samples_CxT.any()


def test_read_refuses_a_damaged_stem_that_may_be_silent(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full((5000, 2), np.nan), 44100, "FLOAT")
    with pytest.raises(InputError, match="not finite"):
        sound.read(tmp_path / "a.wav", may_be_silent=True)


@pytest.mark.parametrize("rate_hz", [1, 2_000_000])
def test_read_refuses_an_absurd_sample_rate(tmp_path, rate_hz):
    soundfile.write(tmp_path / "a.wav", noise(1).T, rate_hz)
    refused(tmp_path / "a.wav", "sample rate")


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_read_refuses_files_that_are_cut_short(tmp_path, suffix, share):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, noise(2, 3 * 44100).T, 44100)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(path)


def test_error_for_a_cut_wav_tells_the_missing_bytes(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(2, 44100).T, 44100, "PCM_16")
    path.write_bytes(path.read_bytes()[:-40_000])
    refused(path, "cut short: 40000 of 176444 bytes")


@pytest.mark.parametrize("announced", [0xFFFFFFFF, 0x7FFFF000])
def test_read_accepts_a_wav_written_to_a_pipe(tmp_path, announced):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(2).T, 44100, "PCM_16")
    content = path.read_bytes()
    start = content.index(b"data") + 4
    path.write_bytes(content[:start] + announced.to_bytes(4, "little") + content[start + 4 :])
    assert sound.read(path).n_samples == 5000


def test_read_accepts_a_wav_whose_length_is_slightly_wrong(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(2).T, 44100, "PCM_16")
    path.write_bytes(path.read_bytes()[:-36])  # some programs include the header in the length
    assert sound.read(path).n_samples == 4991


def test_read_refuses_a_flac_that_announces_a_year(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(2).T, 44100)
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F  # the header's 36-bit number of samples
    content[22:26] = b"\xff" * 4
    path.write_bytes(content)
    refused(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(["wav", "flac", "aiff"]),
    changes=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_read_returns_sound_or_refuses_a_damaged_header(tmp_path, suffix, changes):
    """With any bytes in the header, reading returns sound of a sensible rate or raises InputError."""
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, noise(2, 300).T, 44100)
    content = bytearray(path.read_bytes())
    for position, value in changes:
        content[position] = value
    path.write_bytes(content)
    try:
        song = sound.read(path)
    except InputError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
    else:
        assert song.samples_CxT.any()
        assert recording.RATES_HZ[0] <= song.rate_hz <= recording.RATES_HZ[1]


# To the model and back


def test_to_model_keeps_sound_that_fits():
    song = Audio(noise(2), 44100, "a")
    samples_CxT, notes = sound.to_model(song, 44100, 2)
    assert samples_CxT is song.samples_CxT
    assert notes == []


def test_to_model_copies_mono_to_both_channels():
    song = Audio(noise(1), 44100, "a")
    samples_CxT, notes = sound.to_model(song, 44100, 2)
    np.testing.assert_array_equal(samples_CxT, np.concatenate([song.samples_CxT] * 2))
    assert notes == ["mono: copied to both channels"]


def test_to_model_averages_stereo_for_a_mono_model():
    song = Audio(noise(2), 44100, "a")
    samples_CxT, notes = sound.to_model(song, 44100, 1)
    np.testing.assert_allclose(samples_CxT, song.samples_CxT.mean(axis=0)[None])
    assert notes == ["stereo: mean of both channels"]


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("3.0", [1, 0, HALF], [0, 1, HALF]),
        ("4.0", [1, 0, HALF, 0], [0, 1, 0, HALF]),
        ("5.0", [1, 0, HALF, HALF, 0], [0, 1, HALF, 0, HALF]),
        ("5.1", [1, 0, HALF, 0, HALF, 0], [0, 1, HALF, 0, 0, HALF]),
        ("7.1", [1, 0, HALF, 0, HALF, 0, HALF, 0], [0, 1, HALF, 0, 0, HALF, 0, HALF]),
    ],
)
def test_to_model_mixes_surround_down(name, left, right):
    song = Audio(np.eye(len(left), dtype=np.float32), 44100, "a")  # channel c sounds in sample c only
    samples_CxT, notes = sound.to_model(song, 44100, 2)
    np.testing.assert_allclose(samples_CxT, [left, right], rtol=1e-6)
    assert notes == [f"{name} mixed down to stereo (ITU-R BS.775)"]
    mono_CxT, notes = sound.to_model(song, 44100, 1)
    np.testing.assert_allclose(mono_CxT, [(np.array(left) + right) / 2], rtol=1e-6)
    assert notes == [f"{name} mixed down to mono (ITU-R BS.775)"]


def test_notes_describe_every_conversion():
    _, notes = sound.to_model(Audio(noise(6), 48000, "a"), 44100, 2)
    assert notes == ["5.1 mixed down to stereo (ITU-R BS.775)", "resampled from 48000 Hz to 44100 Hz"]


@pytest.mark.parametrize("n_channels", [7, 9, 16])
def test_to_model_refuses_channels_of_unknown_positions(n_channels):
    with pytest.raises(InputError, match=rf"a: {n_channels} channels"):
        sound.to_model(Audio(noise(n_channels), 44100, "a"), 44100, 2)


@pytest.mark.parametrize("rate_hz", [48000, 96000, 32000])
def test_tone_survives_the_round_trip(rate_hz):
    song = Audio(np.stack([tone(rate_hz), 0.5 * tone(rate_hz)]), rate_hz, "a")
    samples_CxT, _ = sound.to_model(song, 44100, 2)
    assert samples_CxT.shape == (2, 44100)
    np.testing.assert_allclose(samples_CxT[0, 4410:-4410], tone(44100)[4410:-4410], atol=1e-5)
    back_CxT = convert_back(samples_CxT[None], song)[0]
    inside = slice(rate_hz // 10, -rate_hz // 10)  # a tone that begins suddenly is not band-limited
    error = (back_CxT - song.samples_CxT)[:, inside]
    assert np.sum(error**2) < 1e-6 * np.sum(song.samples_CxT[:, inside] ** 2)  # −60 dB


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100, 48000, 88200])
@pytest.mark.parametrize("n_samples", [1, 2, 1000, 12_347])
@pytest.mark.parametrize("n_channels", [1, 2, 6])
def test_from_model_restores_length_and_channels(rate_hz, n_samples, n_channels):
    song = Audio(noise(n_channels, n_samples), rate_hz, "a")
    samples_CxT, _ = sound.to_model(song, 44100, 2)
    stems_SxCxT = convert_back(np.stack([samples_CxT] * 3), song)
    assert stems_SxCxT.shape == (3, min(n_channels, 2), n_samples)
    assert stems_SxCxT.dtype == np.float32


def test_from_model_returns_the_mean_for_a_mono_song():
    estimates_SxCxT = noise(8).reshape(4, 2, -1)
    stems_SxCxT = convert_back(estimates_SxCxT, Audio(noise(1), 44100, "a"))
    np.testing.assert_allclose(stems_SxCxT[:, 0], estimates_SxCxT.mean(axis=1), atol=1e-7)


def test_from_model_copies_mono_estimates_to_both_channels():
    estimates_SxCxT = noise(4).reshape(4, 1, -1)
    stems_SxCxT = convert_back(estimates_SxCxT, Audio(noise(2), 44100, "a"))
    np.testing.assert_array_equal(stems_SxCxT, np.repeat(estimates_SxCxT, 2, axis=1))


# Writing


def test_write_float_keeps_every_value(tmp_path):
    samples_CxT = 3 * noise(2) / 0.1
    above = sound.write_audio(tmp_path / "new" / "a.wav", samples_CxT, 44100)
    assert above == np.sum(np.abs(samples_CxT) > 1) > 0
    assert soundfile.info(tmp_path / "new" / "a.wav").subtype == "FLOAT"
    np.testing.assert_array_equal(sound.read(tmp_path / "new" / "a.wav").samples_CxT, samples_CxT)


def test_float_wav_has_no_time_stamp(tmp_path):
    path = tmp_path / "a.wav"
    sound.write_audio(path, noise(2), 44100)
    content = path.read_bytes()
    chunk = content.index(b"PEAK")
    _, length, version, time_s = struct.unpack("<4sIII", content[chunk : chunk + 16])
    assert (length, version, time_s) == (8 + 2 * 8, 1, 0)  # value and position of the peak of two channels
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0].T, noise(2))


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("encoding", ["16", "24"])
def test_write_rounds_and_clips_integers(tmp_path, suffix, encoding):
    path, step = tmp_path / f"a.{suffix}", 2.0 ** (1 - int(encoding))
    samples_CxT = np.array([[0, 0.4 * step, 0.6 * step, -0.6 * step, 0.25, 1.0, 1.5, -1.0, -1.5, 0.99]])
    assert sound.write_audio(path, samples_CxT, 44100, encoding) == 2  # full scale itself is not above it
    assert soundfile.info(path).subtype == f"PCM_{encoding}"
    expected = [0, 0, step, -step, 0.25, 1 - step, 1 - step, -1, -1, round(0.99 / step) * step]
    np.testing.assert_array_equal(soundfile.read(path)[0], expected)


def test_write_refuses_float_in_flac(tmp_path):
    with pytest.raises(InputError, match=r"a\.flac: FLAC holds"):
        sound.write_audio(tmp_path / "a.flac", noise(2), 44100)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.mp3", "a", "a.wav.txt"])
def test_write_refuses_other_suffixes(tmp_path, name):
    with pytest.raises(InputError, match=r"\.wav or \.flac"):
        sound.write_audio(tmp_path / name, noise(2), 44100)


def test_write_refuses_nan(tmp_path):
    with pytest.raises(InputError, match=r"a\.wav: not written"):
        sound.write_audio(tmp_path / "a.wav", np.full((2, 10), np.nan), 44100)
    assert list(tmp_path.iterdir()) == []


def test_write_refuses_a_path_below_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"file/a\.wav: cannot be written"):
        sound.write_audio(tmp_path / "file" / "a.wav", noise(2), 44100)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_write_reports_what_libsndfile_refuses(tmp_path):
    with pytest.raises(InputError, match=r"a\.flac: cannot be written"):
        sound.write_audio(tmp_path / "a.flac", noise(9), 44100, "16")  # FLAC has up to eight channels
    assert list(tmp_path.iterdir()) == []


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


@pytest.mark.parametrize(("suffix", "encoding"), [("wav", "float"), ("wav", "24"), ("flac", "16")])
def test_write_to_a_full_disk_leaves_no_file(tmp_path, suffix, encoding):
    """A process that may not write large files gets the error of a full disk; the old file stays."""
    path = tmp_path / f"a.{suffix}"
    path.write_text("old")
    program = f"""
import sys, numpy as np
from ugosa_jax import errors
from ugosa_jax.data import sound
noise = np.random.default_rng(0).normal(size=(2, 100_000)).astype(np.float32) / 9
try:
    sound.write_audio({str(path)!r}, noise, 44100, {encoding!r})
except errors.InputError as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, preexec_fn=limit_file_size)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"{path}: cannot be written")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "old"


def test_level_is_measured_in_decibels():
    assert sound.measure_level_db(np.full((2, 5), 0.1)) == pytest.approx(-20)
    assert sound.measure_level_db(np.zeros((2, 5))) == pytest.approx(-120)


# Containers of libsndfile's and of PyAV's, files that are cut short, names that are not text


@pytest.mark.parametrize(("suffix", "codec"), [(".m4a", "aac"), (".mp4", "aac"), (".wma", "wmav2"), (".mkv", "flac")])
def test_sound_of_phones_and_videos_is_read_in_place(tmp_path, suffix, codec):
    """A click keeps its time, to the millisecond for lossy codecs, whatever the encoder put before it."""
    wave_T = np.zeros(44100, np.float32)
    wave_T[22050:22100] = 0.8
    path = tmp_path / f"click{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=44100, layout="stereo")
        stream.bit_rate = 128_000
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(np.stack([wave_T, -wave_T]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 44100, 0
        size = stream.codec_context.frame_size or 4096
        resampler = av.AudioResampler(format=stream.format, layout="stereo", rate=44100, frame_size=size)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    read = sound.read(path)
    assert (read.rate_hz, read.n_channels) == (44100, 2)
    assert read.n_samples == 44100 or suffix == ".wma"
    loud = np.flatnonzero(np.abs(read.samples_CxT[0]) > 0.4)
    assert abs(loud.mean() - 22075) < (2500 if suffix == ".wma" else 60)  # ASF does not state the delay of wma


def test_a_video_without_sound_is_refused_by_what_it_holds(tmp_path):
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match=r"silent\.mp4: has no sound, only video"):
        sound.read(path)
    (tmp_path / "a.m4a").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"a\.m4a: cannot be read as sound"):
        sound.read(tmp_path / "a.m4a")


def test_may_be_cut_reads_the_rest_of_a_cut_file(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).normal(size=(44100, 2)) * 0.1, 44100, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:100_044])
    with pytest.raises(InputError, match=r"cut short: .* --truncated ok"):
        sound.read(path)
    assert sound.read(path, may_be_cut=True).n_samples == 25_000


def test_file_names_that_are_not_text_are_read(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path / "a") + b"\xff.wav"))
    soundfile.write(tmp_path / "a.wav", np.full((100, 1), 0.5), 8000)
    (tmp_path / "a.wav").rename(path)
    assert sound.read(path).n_samples == 100


def test_sound_below_single_precision_counts_as_silent(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full((100, 1), 1e-40), 8000, subtype="DOUBLE")
    with pytest.raises(InputError, match="silent throughout"):
        sound.read(tmp_path / "a.wav")
    assert sound.read(tmp_path / "a.wav", may_be_silent=True).n_samples == 100


def test_libraries_do_not_write_to_the_terminal(tmp_path):
    """libmpg123 would print warnings about damaged frames."""
    path = tmp_path / "a.mp3"
    soundfile.write(path, np.random.default_rng(0).normal(size=(44100, 1)) * 0.1, 44100, format="MP3")
    damaged = bytearray(path.read_bytes())
    damaged[2000:2200] = bytes(200)
    path.write_bytes(damaged)
    code = f"from ugosa_jax.data import sound\ntry: sound.read({str(path)!r})\nexcept Exception as e: print(type(e))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "" and done.stdout in ("", "<class 'ugosa_jax.errors.InputError'>\n")
