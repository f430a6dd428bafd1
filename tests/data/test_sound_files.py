"""Sound files from real programs: all of the sound is read, in time and in its channel, or the error is one line.

The expected lengths are those that FFmpeg decodes to, and the expected samples those that were written.
"""

import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from tests.helpers import sound_files
from tests.helpers.sound_files import ELEMENTARY, KINDS, LOSSLESS
from ugosa_jax.data import recording, sound
from ugosa_jax.data.sound import Audio
from ugosa_jax.data.sound_errors import refuse_unreadable
from ugosa_jax.data.standardisation import standardise
from ugosa_jax.errors import InputError

STORED = Path(__file__).parent / "sound"
RATE_HZ = 48_000
HALF = np.sqrt(0.5)


def tone(n_samples: int = RATE_HZ, frequency_hz: float = 440) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * frequency_hz / RATE_HZ * np.arange(n_samples))).astype(np.float32)


def song(n_channels: int = 2, n_samples: int = 2 * RATE_HZ) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (n_channels, n_samples)).astype(np.float32)


def placed(position: int, n_channels: int = 6) -> np.ndarray:
    """Return channels of which one has a tone."""
    samples_CxT = np.zeros((n_channels, RATE_HZ), np.float32)
    samples_CxT[position] = tone()
    return samples_CxT


def wav(*chunks: tuple[bytes, bytes | tuple[int, bytes]]) -> bytes:
    """Return a WAV of chunks; one may announce another length than it has."""
    content = b""
    for name, data in chunks:
        length, data = data if isinstance(data, tuple) else (len(data), data)
        content += name + struct.pack("<I", length) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(content) + 4) + b"WAVE" + content


def fmt(n_channels: int = 1, tag: int = 1, bits: int = 16, extra: bytes = b"") -> tuple[bytes, bytes]:
    size = n_channels * bits // 8
    return b"fmt ", struct.pack("<HHIIHH", tag, n_channels, RATE_HZ, RATE_HZ * size, size, bits) + extra


def extensible(mask: int, bits: int, subtag: int) -> bytes:
    guid = struct.pack("<H", subtag) + bytes.fromhex("000000001000800000aa00389b71")
    return struct.pack("<HHI", 22, bits, mask) + guid


def pcm(samples_CxT: np.ndarray) -> bytes:
    return np.rint(samples_CxT.T * 32767).astype("<i2").tobytes()


def refused(path: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        sound.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


# Every container: length, samples, sides, ends, names


@pytest.mark.parametrize("kind", KINDS)
def test_length_equals_that_of_ffmpeg(tmp_path, kind):
    path = sound_files.write(tmp_path, kind, song())
    found = recording.open_sound(path)
    decoded = sound_files.ffmpeg_length(path)
    padding = decoded - found.n_samples
    assert padding == 0 or (kind in ("m4a", "wma") and 0 < padding < 4096)  # an encoder's last frame, filled up
    assert abs(found.n_samples - 2 * RATE_HZ) < 5000
    assert (found.rate_hz, found.n_channels, found.notes) == (RATE_HZ, 2, ())
    assert sum(block.shape[1] for block in found.iterate_blocks()) == found.n_samples


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_files_are_read_exactly(tmp_path, kind):
    samples_CxT = np.round(song() * 2**15) / 2**15
    np.testing.assert_array_equal(sound.read(sound_files.write(tmp_path, kind, samples_CxT)).samples_CxT, samples_CxT)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("mp3", "wma")])
def test_downmix_puts_the_centre_in_both_channels_and_drops_the_lfe(tmp_path, kind):
    centre, _ = sound.to_model(sound.read(sound_files.write(tmp_path, kind, placed(2))), RATE_HZ, 2)
    left_db, right_db = (sound.measure_level_db(channel_T) for channel_T in centre)
    expected_db = sound.measure_level_db(HALF * tone())
    assert (left_db, right_db) == pytest.approx((expected_db, expected_db), abs=0.5)
    lfe = sound.read(sound_files.write(tmp_path, kind, placed(3) + placed(0) * 1e-3))
    mixed_CxT, notes = sound.to_model(lfe, RATE_HZ, 2)
    assert sound.measure_level_db(mixed_CxT) < -55
    assert notes == ["5.1 mixed down to stereo (ITU-R BS.775)"]


@pytest.mark.parametrize(("position", "expected"), [(0, "left"), (1, "right"), (4, "left"), (5, "right")])
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "opus", "m4a", "ac3", "mkv"])
def test_downmix_keeps_left_and_right_apart(tmp_path, kind, position, expected):
    mixed_CxT, _ = sound.to_model(sound.read(sound_files.write(tmp_path, kind, placed(position))), RATE_HZ, 2)
    left_db, right_db = (sound.measure_level_db(channel_T) for channel_T in mixed_CxT)
    louder_db, softer_db = (left_db, right_db) if expected == "left" else (right_db, left_db)
    assert louder_db > -20 and softer_db < -50


@pytest.mark.parametrize("kind", KINDS)
def test_half_files_are_refused_unless_they_may_be_cut(tmp_path, kind):
    path = sound_files.write(tmp_path, kind, song())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if kind in ("m4a", "mov"):  # their index stands at the end
        refused(path, "missing at the end")
        return
    refused(path, "cut short", "--truncated ok")
    assert 0.7 * RATE_HZ < sound.read(path, may_be_cut=True).n_samples < 1.2 * RATE_HZ


@pytest.mark.parametrize("kind", KINDS)
def test_format_is_recognised_by_content_not_suffix(tmp_path, kind):
    path = sound_files.write(tmp_path, kind, song(n_samples=RATE_HZ // 2))
    expected_CxT = sound.read(path).samples_CxT
    for name in ("original", "song.csv", "song.mp3", "song.wav", "live: take 2.m4a", "01:23", "http:a"):
        path = path.rename(tmp_path / name)
        np.testing.assert_array_equal(sound.read(path).samples_CxT, expected_CxT)


# Lengths that headers do not tell, or tell wrongly


@pytest.mark.parametrize(
    ("name", "seconds"), [("vbr_up", 4.075), ("vbr_down", 4.075), ("joined", 4.18), ("zeros", 2.16), ("junk", 2.16)]
)
def test_mp3_is_read_to_its_end(name, seconds):
    found = recording.open_sound(STORED / f"{name}.mp3")
    assert found.duration_s == pytest.approx(seconds, abs=0.005)
    assert found.n_samples == sound_files.ffmpeg_length(found.path)
    assert bool(found.notes) == (name == "joined")  # whose first part alone is announced


@pytest.mark.parametrize("kind", ["mp3", "aac", "ac3", "ogg", "opus"])
def test_joined_files_are_read_to_the_end(tmp_path, kind):
    path = sound_files.write(tmp_path, kind, song())
    one = sound.read(path)
    path.write_bytes(2 * path.read_bytes())
    both = sound.read(path)
    assert abs(both.n_samples - 2 * one.n_samples) < 4 * 1152  # the padding that an encoder adds to each of them
    start, end = both.samples_CxT[:, 5000:15_000], both.samples_CxT[:, -15_000:-5000]
    assert min(sound.measure_level_db(start), sound.measure_level_db(end)) > -25


def test_flac_of_unknown_length_is_read(tmp_path):
    path = sound_files.write(tmp_path, "flac", song())
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    found = recording.open_sound(path)
    assert (found.n_samples, found.notes) == (2 * RATE_HZ, ())


@pytest.mark.parametrize("told", [0, 1000, 24_000])
def test_wav_is_read_beyond_its_announced_end(tmp_path, told):
    samples_CxT = song(1)
    (tmp_path / "a.wav").write_bytes(wav(fmt(), (b"data", (told, pcm(samples_CxT)))))
    found = sound.read(tmp_path / "a.wav")
    np.testing.assert_allclose(found.samples_CxT, samples_CxT, atol=1e-4)
    assert found.notes == (
        f"{2 * 2 * RATE_HZ - told} bytes of sound follow the end that its header declares, and are read too",
    )
    assert sound.describe_conversion(found, RATE_HZ, 1) == [*found.notes]


@pytest.mark.parametrize("told", [0xFFFFFFFF, 0xFFFFFFDB, 0x7FFFFFFF, 0x7FFFF000, 0x80000000])
def test_wav_of_unknown_length_is_read(tmp_path, told):
    (tmp_path / "a.wav").write_bytes(wav(fmt(), (b"data", (told, pcm(song(1))))))
    found = sound.read(tmp_path / "a.wav")
    assert (found.n_samples, found.notes) == (2 * RATE_HZ, ())


def test_aiff_is_read_beyond_its_announced_end(tmp_path):
    path = sound_files.write(tmp_path, "aiff", song())
    content = bytearray(path.read_bytes())
    at = content.index(b"SSND") + 4
    content[at : at + 4] = struct.pack(">I", 8 + 4000)
    path.write_bytes(content)
    refused(path, "bytes follow the end that its header declares")


def test_wav_after_a_tag_is_read_and_half_of_it_refused(tmp_path):
    content = wav(fmt(), (b"data", pcm(song(1))))
    tag = b"ID3\4\0\0\0\0\1\0" + bytes(128)
    (tmp_path / "a.wav").write_bytes(tag + content)
    assert sound.read(tmp_path / "a.wav").n_samples == 2 * RATE_HZ
    (tmp_path / "a.wav").write_bytes(tag + content[: len(content) // 2])
    refused(tmp_path / "a.wav", "cut short")


def test_song_beyond_the_longest_duration_is_refused(tmp_path):
    path = sound_files.write(tmp_path, "flac", song())
    assert sound.read(path, longest_s=2).n_samples == 2 * RATE_HZ
    with pytest.raises(InputError, match="lasts longer than 0 minutes"):
        recording.open_sound(path, longest_s=1.9)


# Channels


def test_downmix_of_stored_files_keeps_the_centre():
    for name in ("centre.ogg", "centre.opus"):
        left_T, right_T = sound.to_model(sound.read(STORED / name), RATE_HZ, 2)[0]
        assert sound.measure_level_db(left_T) == pytest.approx(sound.measure_level_db(right_T), abs=0.1)
        assert sound.measure_level_db(left_T) > -30
    assert sound.measure_level_db(sound.to_model(sound.read(STORED / "lfe.ogg"), RATE_HZ, 2)[0]) < -60


@pytest.mark.parametrize(
    ("mask", "name", "left", "right"),
    [
        (0x0B, "2.1", [1, 0, 0], [0, 1, 0]),
        (0x07, "3.0", [1, 0, HALF], [0, 1, HALF]),
        (0x107, "4.0", [1, 0, HALF, 0.5], [0, 1, HALF, 0.5]),
        (0x33, "4.0", [1, 0, HALF, 0], [0, 1, 0, HALF]),
        (0x60F, "5.1", [1, 0, HALF, 0, HALF, 0], [0, 1, HALF, 0, 0, HALF]),
        (0x70F, "6.1", [1, 0, HALF, 0, 0.5, HALF, 0], [0, 1, HALF, 0, 0.5, 0, HALF]),
    ],
)
def test_channel_masks_of_extensible_wav_are_read(tmp_path, mask, name, left, right):
    n_channels = len(left)
    one_each = 0.5 * np.eye(n_channels, dtype=np.float32)
    header = fmt(n_channels, 0xFFFE, 16, extensible(mask, 16, 1))
    (tmp_path / "a.wav").write_bytes(wav(header, (b"data", pcm(one_each))))
    mixed_CxT, notes = sound.to_model(sound.read(tmp_path / "a.wav"), RATE_HZ, 2)
    np.testing.assert_allclose(mixed_CxT, [np.multiply(left, 0.5), np.multiply(right, 0.5)], atol=1e-4)
    assert notes == [f"{name} mixed down to stereo (ITU-R BS.775)"]


def test_positions_without_a_rule_in_bs_775_are_refused():
    heights = Audio(song(4), RATE_HZ, "a.wav", ("FL", "FR", "TFL", "TFR"))
    with pytest.raises(InputError, match=r"a\.wav: 4 channels \(FL FR TFL TFR\) cannot be made 2"):
        sound.to_model(heights, RATE_HZ, 2)


@pytest.mark.parametrize("rest", [0, 1e-7, 1e-5])
def test_channels_that_cancel_each_other_are_refused(rest):
    left_T = song(1)
    with pytest.raises(InputError, match=r"the channels cancel each other|silent"):
        standardise(np.concatenate([left_T, rest - left_T + rest * song(1)[:, ::-1]]))


def test_wide_stereo_has_the_level_of_the_reference():
    left_T = song(1)
    mix_CxT = np.concatenate([left_T, -0.9 * left_T])
    _, scaling = standardise(mix_CxT)
    assert scaling.std == mix_CxT.mean(0, dtype=np.float64).std(ddof=1)


def test_one_sample_is_reported_as_too_short():
    with pytest.raises(InputError, match="one sample"):
        standardise(np.full((2, 1), 0.5, np.float32))


# Values


@pytest.mark.parametrize("value", [3e38, 1e30, 5e9])
def test_absurd_values_are_refused(tmp_path, value):
    samples_CxT = song()
    samples_CxT[0, 70] = value
    soundfile.write(tmp_path / "a.wav", samples_CxT.T, RATE_HZ, "FLOAT")
    refused(tmp_path / "a.wav", "full scale is 1")


def test_unscaled_integers_in_floats_are_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", 32_767 * song().T, RATE_HZ, "FLOAT")
    standard_CxT, _ = standardise(sound.read(tmp_path / "a.wav").samples_CxT)
    assert np.isfinite(standard_CxT).all()


# Errors of libraries


def subclasses(base: type) -> list[type]:
    return [base, *(sub for direct in base.__subclasses__() for sub in subclasses(direct))]


@pytest.mark.parametrize(
    "kind", [*subclasses(av.FFmpegError), *subclasses(soundfile.SoundFileError)], ids=lambda k: k.__name__
)
def test_every_error_of_the_libraries_is_one_line(kind):
    arguments = (1, "something\nwent wrong") if issubclass(kind, av.FFmpegError) else (1,)
    with pytest.raises(InputError) as caught, refuse_unreadable(Path("a.mkv")):
        raise kind(*arguments)
    assert str(caught.value).startswith("a.mkv: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"\x1aE\xdf\xa3" + bytes(36), bytes(5000), b"annotations of a song!!", b"<html><body>404</body></html>"]
)
@pytest.mark.parametrize("suffix", ["mkv", "aac", "wav", "m4a"])
def test_files_that_are_not_sound_are_refused(tmp_path, content, suffix):
    (tmp_path / f"a.{suffix}").write_bytes(content)
    refused(tmp_path / f"a.{suffix}", "cannot be read as sound")


def test_threads_that_read_sound_leave_standard_error_alone(tmp_path):
    path = sound_files.write(tmp_path, "mp3", song(1, 20_000))
    before = os.fstat(2)
    threads = [threading.Thread(target=lambda: [sound.read(path) for _ in range(30)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (os.fstat(2).st_ino, os.fstat(2).st_dev) == (before.st_ino, before.st_dev)


def test_nothing_is_printed_about_a_damaged_file(tmp_path):
    path = sound_files.write(tmp_path, "mp3", song())
    damaged = bytearray(path.read_bytes())
    damaged[3000:3300] = bytes(300)
    path.write_bytes(damaged)
    code = f"from ugosa_jax.data import sound\ntry: sound.read({str(path)!r})\nexcept Exception as e: print(type(e))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "content", [b"ID3\4\0\0\0\0\0\0" + bytes(3000), b"\xff\xfb\x90\x44" + bytes(3000), b"\xff" * 5000]
)
def test_libraries_do_not_complain_on_their_own(tmp_path, capfd, content):
    (tmp_path / "a.mp3").write_bytes(content)
    refused(tmp_path / "a.mp3", "cannot be read as sound")
    assert capfd.readouterr() == ("", "")


def test_stems_are_written_under_a_name_that_is_not_text(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path / "bad") + b"\xff"))
    for name, encoding in (("a.wav", "float"), ("b.wav", "16"), ("c.flac", "24")):
        sound.write_audio(folder / name, song(), RATE_HZ, encoding)
        np.testing.assert_allclose(sound.read(folder / name).samples_CxT, song(), atol=2e-5)


# What users of other programs reported


def test_tags_in_other_encodings_are_accepted(tmp_path):
    """PyAV raises UnicodeDecodeError for them unless it is told not to."""
    path = sound_files.write(tmp_path, "mp3", song())
    frame = b"TPE1" + struct.pack(">I", 6) + b"\0\0" + b"\3Bj\xf6rk"
    path.write_bytes(b"ID3\3\0\0\0\0\0" + bytes([len(frame)]) + frame + path.read_bytes())
    assert abs(sound.read(path).n_samples - 2 * RATE_HZ) < 5000
    listed = wav(fmt(), (b"LIST", b"INFOIART\6\0\0\0Bj\xf6rk\0"), (b"data", pcm(song(1))))
    (tmp_path / "a.wav").write_bytes(listed)
    assert sound.read(tmp_path / "a.wav").n_samples == 2 * RATE_HZ


def test_mp3_with_a_large_picture_and_trailing_tags_is_read(tmp_path):
    path = sound_files.write(tmp_path, "mp3", song())
    expected = sound.read(path)
    size = 3_000_000
    head = b"ID3\3\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    picture = (b"APIC" + struct.pack(">I", size - 10) + b"\0\0").ljust(size, b"\x55")
    path.write_bytes(head + picture + path.read_bytes() + b"TAG".ljust(128, b" "))
    found = sound.read(path)
    np.testing.assert_array_equal(found.samples_CxT, expected.samples_CxT)
    assert found.notes == ()


@pytest.mark.parametrize("before", [b"JUNK", b"bext", b"LIST", b"auxi", b"iXML"])
@pytest.mark.parametrize("extra", [b"", b"\0\0", b"\0\0\0\0"])
def test_wav_with_other_chunks_and_a_longer_format_is_read(tmp_path, before, extra):
    content = wav(fmt(extra=extra), (before, bytes(999)), (b"data", pcm(song(1))), (b"LIST", b"INFO" + bytes(2000)))
    (tmp_path / "a.wav").write_bytes(content)
    found = sound.read(tmp_path / "a.wav")
    assert (found.n_samples, found.notes) == (2 * RATE_HZ, ())


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
def test_all_encodings_of_wav_are_read(tmp_path, subtype, container):
    soundfile.write(tmp_path / "a.wav", tone()[:, None], RATE_HZ, subtype, format=container)
    expected_TxC, _ = soundfile.read(tmp_path / "a.wav", dtype="float32", always_2d=True)
    found = sound.read(tmp_path / "a.wav")
    assert found.notes == ()
    np.testing.assert_allclose(found.samples_CxT, expected_TxC.T, atol=1e-7)


@pytest.mark.parametrize("subtype", ["MS_ADPCM", "IMA_ADPCM"])
def test_compressed_wav_is_read(tmp_path, subtype):
    soundfile.write(tmp_path / "a.wav", 0.5 * tone()[:, None], RATE_HZ, subtype)
    found = sound.read(tmp_path / "a.wav")
    assert found.n_samples >= RATE_HZ
    assert found.notes == ()
    np.testing.assert_allclose(found.samples_CxT[0, :RATE_HZ], 0.5 * tone(), atol=0.1)


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
def test_aiff_of_both_byte_orders_is_read(tmp_path, endian):
    soundfile.write(tmp_path / "a.aiff", song().T, RATE_HZ, "PCM_24", endian=endian)
    np.testing.assert_allclose(sound.read(tmp_path / "a.aiff").samples_CxT, song(), atol=2**-23)


def test_formats_that_only_libsndfile_knows_are_read(tmp_path):
    soundfile.write(tmp_path / "a.paf", song().T, RATE_HZ, "PCM_24", format="PAF")
    np.testing.assert_allclose(sound.read(tmp_path / "a.paf").samples_CxT, song(), atol=2**-23)


def test_wav_with_an_incomplete_last_frame_is_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", song().T, RATE_HZ, "FLOAT")
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:-3])
    assert sound.read(tmp_path / "a.wav").n_samples in (2 * RATE_HZ - 1, 2 * RATE_HZ)


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "faststart", "dash"])
def test_fragmented_mp4_is_read(tmp_path, flags):
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", options={"movflags": flags, "frag_duration": "200000"}) as container:
        sound_files.encode(container, "aac", song(), RATE_HZ)
    found = recording.open_sound(path)
    assert abs(found.n_samples - 2 * RATE_HZ) <= 2048
    assert found.notes == ()


def test_half_an_mp4_with_its_index_in_front_is_refused(tmp_path):
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        sound_files.encode(container, "aac", song(), RATE_HZ)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "cut short")
    assert 0.5 * RATE_HZ < sound.read(path, may_be_cut=True).n_samples < 1.2 * RATE_HZ


def test_webm_of_a_live_recording_is_read(tmp_path):
    path = tmp_path / "a.webm"
    with av.open(str(path), "w", options={"live": "1"}) as container:
        sound_files.encode(container, "libopus", song(), RATE_HZ)
    found = recording.open_sound(path)
    assert abs(found.n_samples - 2 * RATE_HZ) < 1000
    assert found.notes == ()


def test_first_of_two_sound_streams_is_read(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mjpeg", rate=1)
        video.width, video.height, video.pix_fmt = 32, 32, "yuvj420p"
        streams = [container.add_stream("flac", rate=RATE_HZ, layout="mono") for _ in range(2)]
        container.mux(video.encode(av.VideoFrame(32, 32, "yuvj420p")))
        for stream, level in zip(streams, (0.5, 0.1), strict=True):
            frame = av.AudioFrame.from_ndarray(np.rint(level * tone()[None] * 32767).astype(np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = RATE_HZ, 0
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ, frame_size=4096)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(stream.encode(piece))
            container.mux(stream.encode(None))
    np.testing.assert_allclose(sound.read(path).samples_CxT[0], 0.5 * tone(), atol=1e-4)


def test_flac_after_an_id3_tag_is_read(tmp_path):
    path = sound_files.write(tmp_path, "flac", song())
    path.write_bytes(b"ID3\4\0\0\0\0\1\0" + bytes(128) + path.read_bytes())
    assert sound.read(path).n_samples == 2 * RATE_HZ


def test_playlists_are_refused(tmp_path):
    sound_files.write(tmp_path, "wav", song())
    for name, text in (("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nwav.wav\n#EXT-X-ENDLIST\n"),
                       ("a.ffconcat", "ffconcat version 1.0\nfile wav.wav\n")):  # fmt: skip
        (tmp_path / name).write_text(text)
        refused(tmp_path / name, "cannot be read as sound")


def test_error_for_damage_in_the_middle_tells_the_time(tmp_path):
    path = sound_files.write(tmp_path, "flac", song())
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = bytes(20_000)
    path.write_bytes(content)
    refused(path)
    assert 0 < sound.read(path, may_be_cut=True).n_samples < 2 * RATE_HZ


def test_elementary_streams_have_no_announced_length(tmp_path):
    for kind in ELEMENTARY:
        assert recording.open_sound(sound_files.write(tmp_path, kind, song())).notes == ()
