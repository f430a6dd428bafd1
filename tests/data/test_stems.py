"""Stems of folders: those of lossy files are rounded to 16 bits before estimates are scored against them."""

import numpy as np
import soundfile

from ugosa_jax.data import sound, stems


def test_lossy_stems_are_rounded_to_16_bits_and_others_are_not(tmp_path):
    noise_TxC = np.random.default_rng(0).normal(size=(44100, 2)) * 0.1
    soundfile.write(tmp_path / "bass.ogg", noise_TxC, 44100)
    soundfile.write(tmp_path / "drums.wav", noise_TxC, 44100, subtype="FLOAT")
    read_SxCxT, _ = stems.read(stems.find_stems(tmp_path, ["bass", "drums"]))
    on_grid = [np.array_equal(stem * 32768, np.rint(stem * 32768)) for stem in read_SxCxT]
    assert on_grid == [True, False]
    decoded_CxT = soundfile.read(tmp_path / "bass.ogg", dtype="float32")[0].T
    assert np.abs(read_SxCxT[0] - decoded_CxT).max() <= 0.5 / 32768 + 1e-6  # another decoder's


def test_rounding_clips_as_a_16_bit_file_does():
    rounded = sound.round_to_16_bits(np.array([[-2.0, 0.0, 0.7 / 32768, 2.0]], np.float32))
    np.testing.assert_array_equal(rounded * 32768, [[-32768, 0, 1, 32767]])
