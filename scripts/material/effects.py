# pyright: reportMissingImports=false
"""Random effects, as a mixing engineer would use them, and levels like those of real stems."""

import numpy as np
import pedalboard as pb
from scipy.ndimage import minimum_filter1d, uniform_filter1d

RATE_HZ = 44100
SOURCES = ("drums", "bass", "other", "vocals")
TARGET_DBFS = -21.0  # RMS over the active parts of a stem, measured on real songs
OFFSET_DB = {"drums": -0.2, "bass": -0.8, "other": -2.2, "vocals": -0.5}
SPREAD_DB = 3.0
ACTIVE_DB = -30.0  # a frame is active if it is louder than this, relative to the loudest frames
FRAME_SAMPLES = 4410
STEM_CEILING = 0.45
LIMITER_SAMPLES = 529  # 12 ms
MIX_DBFS = -15.6
PEAK = 0.98
TILT_DB = {"drums": (6, 0, -4), "bass": (-3, 2, 0), "other": (-1, 0, 2), "vocals": (0, 0, -3)}  # low, middle, high


def compute_active_rms(audio_CxT: np.ndarray) -> float:
    """Return the RMS over the 0.1 s frames that are within 30 dB of the 95th percentile; 0 for silence."""
    usable = audio_CxT.shape[1] // FRAME_SAMPLES * FRAME_SAMPLES
    power_K = (audio_CxT[:, :usable].astype(np.float64) ** 2).mean(axis=0).reshape(-1, FRAME_SAMPLES).mean(axis=1)
    if not power_K.size or power_K.max() == 0:
        return 0.0
    loud = np.percentile(power_K[power_K > 0], 95)
    return float(np.sqrt(power_K[power_K > loud * 10 ** (ACTIVE_DB / 10)].mean()))


def draw_levels(rng: np.random.Generator) -> dict[str, float]:
    """Draw the level of each source in dBFS."""
    return {s: TARGET_DBFS + OFFSET_DB[s] + float(rng.normal(0, SPREAD_DB)) for s in SOURCES}


def scale_to_level(audio_CxT: np.ndarray, level_dbfs: float) -> np.ndarray:
    """Scale audio so that its active parts have the RMS `level_dbfs`; silence stays silence."""
    rms = compute_active_rms(audio_CxT)
    return audio_CxT * np.float32(10 ** (level_dbfs / 20) / rms) if rms else audio_CxT


def limit(audio_CxT: np.ndarray, ceiling: float) -> np.ndarray:
    """Keep peaks below `ceiling` by a gain that changes slowly; audio that never exceeds it is unchanged.

    The gain is 1 or, within 12 ms of a peak, the gain that this peak needs; a moving average of the same width over a
    moving minimum is smooth and never above the needed gain.
    """
    peak_T = np.abs(audio_CxT).max(axis=0)
    if peak_T.max(initial=0) <= ceiling:
        return audio_CxT
    needed_T = np.minimum(1.0, ceiling / np.maximum(peak_T, 1e-9))
    lowest_T = minimum_filter1d(needed_T, 2 * LIMITER_SAMPLES + 1)
    return (audio_CxT * uniform_filter1d(lowest_T, 2 * LIMITER_SAMPLES + 1)).astype(np.float32)


def balance(stems_SxCxT: np.ndarray, levels_db: dict[str, float]) -> np.ndarray:
    """Return the stems at their levels, with limited peaks, and scaled so that the mix is as loud as real mixes.

    The mix never clips: if it has high peaks, it is softer.
    """
    balanced = np.stack(
        [limit(scale_to_level(x, levels_db[s]), STEM_CEILING) for s, x in zip(SOURCES, stems_SxCxT, strict=True)]
    )
    mix_CxT = balanced.sum(axis=0)
    if not mix_CxT.any():
        return balanced
    gain = min(10 ** (MIX_DBFS / 20) / compute_active_rms(mix_CxT), PEAK / np.abs(mix_CxT).max())
    return balanced * np.float32(gain)


def draw_equaliser(source: str, rng: np.random.Generator) -> list[pb.Plugin]:
    """Draw a low shelf, a peak and a high shelf within ±5 dB of gains that make sources sound like recorded ones."""
    low, middle, high = rng.uniform(-5, 5, 3) + TILT_DB.get(source, TILT_DB["other"])
    return [
        pb.LowShelfFilter(cutoff_frequency_hz=rng.uniform(80, 200), gain_db=low),
        pb.PeakFilter(cutoff_frequency_hz=float(np.exp(rng.uniform(6, 8.3))), gain_db=middle, q=rng.uniform(0.5, 1.5)),
        pb.HighShelfFilter(cutoff_frequency_hz=rng.uniform(3000, 8000), gain_db=high),
    ]


def draw_compressor(rng: np.random.Generator) -> pb.Plugin:
    """Draw a compressor for audio whose active parts are at about -21 dBFS."""
    return pb.Compressor(
        threshold_db=rng.uniform(-28, -18),
        ratio=rng.uniform(2, 5),
        attack_ms=rng.uniform(2, 25),
        release_ms=rng.uniform(60, 250),
    )


def draw_reverb(rng: np.random.Generator, wet: float) -> pb.Plugin:
    """Draw a reverb of at most `wet` level."""
    return pb.Reverb(
        room_size=rng.uniform(0.1, 0.75),
        damping=rng.uniform(0.3, 0.9),
        wet_level=rng.uniform(0.02, wet),
        dry_level=rng.uniform(0.5, 0.7),
        width=rng.uniform(0.6, 1.0),
    )


def draw_effects(source: str, rng: np.random.Generator) -> pb.Pedalboard:
    """Draw the effects of a source ("guitars" are the distorted part of "other")."""
    effects = [*draw_equaliser(source, rng), draw_compressor(rng)]
    if source == "guitars":
        effects.insert(0, pb.Distortion(drive_db=rng.uniform(3, 16)))
        effects.append(pb.LowpassFilter(rng.uniform(4500, 9000)))
    if source == "bass" and rng.random() < 0.5:
        effects.insert(0, pb.Distortion(drive_db=rng.uniform(2, 9)))
    if source == "bass":
        effects.append(pb.LowpassFilter(rng.uniform(2500, 9000)))
    if source in ("other", "guitars") and rng.random() < 0.35:
        effects.append(pb.Chorus(rate_hz=rng.uniform(0.3, 1.5), depth=rng.uniform(0.1, 0.3), mix=rng.uniform(0.2, 0.5)))
    if source == "vocals":
        effects.insert(0, pb.HighpassFilter(rng.uniform(80, 160)))
    if source in ("vocals", "other", "guitars") and rng.random() < 0.4:
        effects.append(
            pb.Delay(delay_seconds=rng.uniform(0.1, 0.45), feedback=rng.uniform(0.1, 0.35), mix=rng.uniform(0.05, 0.2))
        )
    wet = {"drums": 0.12, "bass": 0.04}.get(source, 0.25)
    if rng.random() < (0.25 if source == "bass" else 0.75):
        effects.append(draw_reverb(rng, wet))
    return pb.Pedalboard(effects)


def process(source: str, audio_CxT: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pass a stem through the effects drawn for its source, at a working level of -21 dBFS."""
    return draw_effects(source, rng)(scale_to_level(audio_CxT, TARGET_DBFS).astype(np.float32), RATE_HZ)


def widen(mono_T: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Place a mono voice near the centre; sometimes double it on both sides, each copy detuned and delayed."""
    pan = rng.normal(0, 0.12)
    stereo_2xT = np.stack([mono_T * (1 - max(0, pan)), mono_T * (1 + min(0, pan))])
    if rng.random() < 0.3:
        for channel, delay_s in enumerate(rng.uniform(0.012, 0.03, 2)):
            late = round(delay_s * RATE_HZ)
            stereo_2xT[channel, late:] += rng.uniform(0.25, 0.5) * mono_T[:-late]
    return stereo_2xT.astype(np.float32)
