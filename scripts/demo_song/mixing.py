# pyright: reportMissingImports=false
"""Mixing of the song: effects, rests of exact zeros, levels."""

import numpy as np
import pedalboard as pb

import river
from effects import RATE_HZ, SOURCES, balance, limit

WORKING_DBFS = -21.0
OFFSET_DB = {"drums": -0.2, "bass": -0.8, "other": -2.2, "vocals": -0.5}
DRIVE_DB = 1.0  # gain in front of the limiter
CEILING = 0.9  # largest sample of the mixture; a lossy codec changes peaks by some percent
FADE_S = 0.25  # fade before a rest
SETTLED_S = (
    0.06  # from the end of that fade to the rest, so that a codec's block of 46 ms brings no sound into the rest
)
LAST_FADE_S = 1.0


def effects(part: str) -> pb.Pedalboard:
    """Return the effects of a part."""
    chains: dict[str, list[pb.Plugin]] = {
        "drums": [
            pb.LowShelfFilter(90, 4.0), pb.PeakFilter(420, -3.0, 1.0), pb.HighShelfFilter(7000, -2.0),
            pb.Compressor(-20, 3.0, 12, 120), pb.Reverb(0.25, 0.7, 0.05, 0.6, 0.9),
        ],
        "bass": [pb.Distortion(8), pb.Compressor(-24, 4.0, 8, 140), pb.LowpassFilter(3500)],
        "acoustic": [pb.HighpassFilter(110), pb.HighShelfFilter(5000, 2.0), pb.Reverb(0.4, 0.6, 0.10, 0.6, 1.0)],
        "electric": [
            pb.Distortion(6), pb.LowpassFilter(5500), pb.Chorus(0.7, 0.18, mix=0.3),
            pb.Delay(0.375, 0.25, 0.16), pb.Reverb(0.35, 0.6, 0.09, 0.6, 1.0),
        ],
        "overdriven": [pb.Distortion(9), pb.HighpassFilter(120), pb.LowpassFilter(4500), pb.Compressor(-24, 3, 5, 120)],
        "keys": [pb.Chorus(0.9, 0.2, mix=0.35), pb.Compressor(-24, 2, 10, 100), pb.Reverb(0.35, 0.6, 0.08, 0.6, 1.0)],
        "piano": [pb.HighpassFilter(70), pb.Reverb(0.5, 0.5, 0.14, 0.6, 1.0)],
        "pad": [pb.HighpassFilter(180), pb.Reverb(0.6, 0.5, 0.2, 0.6, 1.0)],
        "vocals": [
            pb.HighpassFilter(130), pb.PeakFilter(3000, 2.0, 0.8), pb.Compressor(-24, 3.0, 6, 120),
            pb.Delay(0.25, 0.2, 0.08), pb.Reverb(0.4, 0.6, 0.11, 0.6, 0.9),
        ],
    }  # fmt: skip
    return pb.Pedalboard(chains[part])


def mix_stems(stems_SxCxT: np.ndarray) -> np.ndarray:
    """Silence the stems in their rests, balance them, and keep the peaks of their sum below full scale.

    The gain of the limiter is the same for all stems, so that they still add up to the mixture.
    """
    rested = np.stack([rest(x, river.SILENT[s]) for s, x in zip(SOURCES, stems_SxCxT, strict=True)])
    balanced_SxCxT = balance(rested, {s: WORKING_DBFS + OFFSET_DB[s] for s in SOURCES})
    balanced_SxCxT *= np.float32(10 ** (DRIVE_DB / 20))
    mix_1xCxT = balanced_SxCxT.sum(axis=0, keepdims=True)
    every_RxT = np.concatenate([balanced_SxCxT, mix_1xCxT]).reshape(-1, mix_1xCxT.shape[2])
    return limit(every_RxT, CEILING).reshape(-1, *mix_1xCxT.shape[1:])[:-1]


def rest(stem_2xT: np.ndarray, silent: list[tuple[float, float]]) -> np.ndarray:
    """Return a stem whose rests are exact zeros; sound that rings into a rest or past the end is faded out."""
    gain_T = np.ones(stem_2xT.shape[1], np.float32)
    fade_to_zero(gain_T, river.SECONDS, LAST_FADE_S, river.SECONDS)
    for first, last in silent:
        start_s, end_s = first * river.BEAT_S, last * river.BEAT_S
        fade_to_zero(gain_T, start_s - SETTLED_S, FADE_S, end_s)
    return stem_2xT * gain_T


def fade_to_zero(gain_T: np.ndarray, zero_s: float, fade_s: float, until_s: float) -> None:
    """Let a gain fall along half a cosine to zero at `zero_s`, and stay there until `until_s`."""
    start, zero, until = (max(0, round(s * RATE_HZ)) for s in (zero_s - fade_s, zero_s, until_s))
    gain_T[start:zero] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(zero - start) / max(1, zero - start))
    gain_T[zero:until] = 0
