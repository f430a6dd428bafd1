"""Recordings: songs that are read block by block give the same results as songs in memory."""

import dataclasses

import numpy as np
import pytest
import soundfile

from tests.helpers.networks import DUO, make_checkpoint
from ugosa_jax import api
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.config import SeparateConfig
from ugosa_jax.data import recording, sound, stream, writing
from ugosa_jax.data.song import Song
from ugosa_jax.data.standardisation import measure_scaling, standardise
from ugosa_jax.errors import InputError
from ugosa_jax.separation import song_separation as separation


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    monkeypatch.setattr(stream, "BLOCK_SAMPLES", 1000)


def noise(n_channels, n_samples=24_700):
    return 0.1 * np.random.default_rng(0).normal(0.1, 1, (n_channels, n_samples)).astype(np.float32)


def annotation_of(duration_s):
    """Return an annotation that names silence in the middle of a song and at its end."""
    middle = Interval(0.1 * duration_s, 0.5 * duration_s, "voice", "silent")
    return Annotation((middle, Interval(0.9 * duration_s, duration_s, "rest", "silent")), DUO.sources, "unknown")


def written(path, samples_CxT, rate_hz=8000, **options):
    soundfile.write(path, samples_CxT.T, rate_hz, **options)
    return path


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_concatenated_blocks_equal_the_file(tmp_path, suffix):
    path = written(tmp_path / f"a.{suffix}", noise(2), 44100)
    found, whole = recording.open_sound(path), sound.read(path)
    assert (found.name, found.rate_hz, found.n_channels, found.n_samples) == (f"a.{suffix}", 44100, 2, whole.n_samples)
    for _ in range(2):
        blocks = [*found.iterate_blocks()]
        assert len(blocks) > 5
        np.testing.assert_array_equal(np.concatenate(blocks, 1), whole.samples_CxT)
    with path.open("rb") as file:
        reference_TxC, _ = soundfile.read(file, dtype="float32", always_2d=True)
    reference_CxT = reference_TxC.T
    n_samples = whole.n_samples  # FFmpeg ends an Ogg of a single page 128 samples early
    assert reference_CxT.shape[1] - n_samples in ((0, 128) if suffix == "ogg" else (0,))
    # Decoders of lossy codecs round differently.
    atol = 0 if suffix in ("wav", "flac") else 1e-5
    np.testing.assert_allclose(whole.samples_CxT, reference_CxT[:, :n_samples], rtol=0, atol=atol)


def test_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = written(tmp_path / "a.wav", noise(2))
    found = recording.open_sound(path)
    written(path, noise(2, 20_000))
    with pytest.raises(InputError, match=r"a\.wav: was changed"):
        list(found.iterate_blocks())


def test_may_be_cut_reads_the_rest_of_a_flac(tmp_path):
    path = written(tmp_path / "a.flac", noise(2, 80_000))
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError, match=r"a\.flac"):
        recording.open_sound(path)
    found = recording.open_sound(path, may_be_cut=True)
    assert 10_000 < found.n_samples < 80_000
    assert sum(block.shape[1] for block in found.iterate_blocks()) == found.n_samples


@pytest.mark.parametrize(("rate_hz", "n_channels"), [(8000, 2), (11025, 1), (44100, 6)])
def test_model_input_in_blocks_equals_that_in_memory(tmp_path, rate_hz, n_channels):
    song = recording.open_sound(written(tmp_path / "a.wav", noise(n_channels), rate_hz))
    expected_CxT, _ = sound.to_model(sound.read(song.path), 8000, 2)
    found_CxT = np.concatenate([*sound.blocks_to_model(song, 8000, 2)], axis=1)
    np.testing.assert_array_equal(found_CxT, expected_CxT)


def test_level_is_measured_in_one_pass():
    mix_CxT = noise(2) + np.linspace(0, 5, 24_700, dtype=np.float32)
    blocks = np.split(mix_CxT, [0, 1, 100, 20_000], axis=1)
    (mean, std), n_samples = measure_scaling(blocks)
    reference_T = mix_CxT.mean(0, dtype=np.float64)
    assert n_samples == 24_700
    assert mean == pytest.approx(reference_T.mean(), rel=1e-13)
    assert std == pytest.approx(reference_T.std(ddof=1), rel=1e-13)


@pytest.mark.parametrize("level", [1.0, 0.1, -3e-5])
def test_constant_sound_is_refused_for_any_blocks(level):
    with pytest.raises(InputError, match="silent"):
        measure_scaling(np.split(np.full((2, 10_000), level, np.float32), [7, 5000], axis=1))
    with pytest.raises(InputError, match="silent"):
        standardise(np.full((2, 10_000), level, np.float32))


@pytest.mark.parametrize(("rate_hz", "n_channels"), [(8000, 2), (11025, 1), (44100, 6)])
@pytest.mark.parametrize("refine", ["none", "residual", "wiener"])
def test_stems_of_a_recording_equal_those_of_the_song_in_memory(tmp_path, rate_hz, n_channels, refine):
    path, net = written(tmp_path / "a.wav", noise(n_channels), rate_hz, subtype="FLOAT"), make_checkpoint()
    settings = SeparateConfig(chunk_s=0.3, gate=True, refine=refine, shifts=2, max_shift_s=0.1)
    said = annotation_of(24_700 / rate_hz)
    whole = api.separate(net, Song(sound.read(path), annotation=said), settings=settings)
    stretches = [*separation.separate_song(net, Song(recording.open_sound(path), annotation=said), settings=settings)]
    assert len(stretches) > 1 or refine == "wiener"
    found_SxCxT = np.concatenate(stretches, axis=-1)
    assert found_SxCxT.shape == (2, min(2, n_channels), 24_700)
    # Mean and deviation of the song are summed up in another order: the last digits of float32 differ.
    np.testing.assert_allclose(found_SxCxT, np.stack([*whole.values()]), atol=1e-6)
    assert np.abs(found_SxCxT).max() > 0.01


def test_channels_that_cancel_each_other_are_refused(tmp_path):
    path = written(tmp_path / "a.wav", noise(1) * [[1], [-1]], subtype="FLOAT")
    with pytest.raises(InputError, match=r"a\.wav: the song is silent"):
        separation.separate_song(make_checkpoint(), Song(recording.open_sound(path)), SeparateConfig())


# Writing


@pytest.mark.parametrize("encoding", ["float", "24", "16"])
def test_files_written_in_blocks_equal_those_written_at_once(tmp_path, encoding):
    samples_CxT = 3 * noise(2)
    above = sound.write_audio(tmp_path / "a.wav", samples_CxT, 44100, encoding)
    with writing.open_writer(tmp_path / "b.wav", 44100, 2, 24_700, encoding) as file:
        for block in np.array_split(samples_CxT, 7, axis=1):
            file.write(block)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert (file.above, file.peak) == (above, np.abs(samples_CxT).max())


def test_long_sound_is_written_with_64_bit_sizes(tmp_path, monkeypatch):
    """Sound that is too long for 32-bit sizes is RF64, which libsndfile, ugosa_jax and others read as WAV."""
    monkeypatch.setattr(writing, "MAX_WAV_BYTES", 2 * 4 * 24_699)
    sound.write_audio(tmp_path / "a.wav", noise(2), 44100)
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RF64"
    np.testing.assert_array_equal(sound.read(tmp_path / "a.wav").samples_CxT, noise(2))
    sound.write_audio(tmp_path / "b.wav", noise(2)[:, 1:], 44100)
    assert (tmp_path / "b.wav").read_bytes()[:4] == b"RIFF"


def test_interrupted_writing_leaves_no_file(tmp_path):
    with (
        pytest.raises(InputError, match=r"a\.wav: not written"),
        writing.open_writer(tmp_path / "a.wav", 8000, 1, 5) as file,
    ):
        file.write(np.zeros((1, 3), np.float32))
        file.write(np.full((1, 2), np.inf, np.float32))
    assert not [*tmp_path.iterdir()]


def test_recording_does_not_stay_in_memory(tmp_path):
    song = Song(recording.open_sound(written(tmp_path / "a.wav", noise(2))))
    first, _ = song.standardise(8000, 2)
    assert song.standardise(8000, 2)[0] is not first
    expected, _ = dataclasses.replace(song, mixture=sound.read(tmp_path / "a.wav")).standardise(8000, 2)
    np.testing.assert_allclose(first, expected, atol=1e-6)  # as above
