"""Files of the stems of a run (outlines, spectrograms, residual), and the levels of the stems."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.draft import HOP_S, LOUD, WINDOW_S, compute_levels_db
from ugosa_jax.data import sound
from ugosa_jax.data.song import Song
from ugosa_jax.reports.song import spectrum
from ugosa_jax.studio import outlines
from ugosa_jax.studio.runs import RESIDUAL, Levels, Runs

RANGE_DB = 96.0
"""Range of spectrograms: byte 255 is the maximum of the mixture's spectrogram, byte 0 is this much lower."""
MAX_COLUMNS = 16_000
"""Largest number of columns of a spectrogram, the limit of canvases; songs up to 6 minutes have one every 23 ms."""


def write_pictures(
    folder: Path, song: Song, labels: Annotation, leakage_db: Mapping[str, float] | None
) -> dict[str, Levels]:
    """Write the residual of the stems in a folder, and an outline and a spectrogram of each stem and the residual.

    Args:
      folder: folder with a sound file for each source of the marks.
      song: the separated song.
      labels: its marks.
      leakage_db: leakage of the network's output.

    Returns:
      The levels of the stems.
    """
    mixture, stems = song.mixture, _read_sounds({source: folder / f"{source}.wav" for source in labels.sources})
    playable_CxT, _ = sound.to_model(mixture, mixture.rate_hz, min(mixture.n_channels, 2))
    residual_CxT = playable_CxT - sum(stems.values())
    sound.write_audio(folder / f"{RESIDUAL}.wav", residual_CxT, mixture.rate_hz)
    top_db = compute_spectrum_db(playable_CxT, mixture.rate_hz).max()
    for source, est_CxT in {**stems, RESIDUAL: residual_CxT}.items():
        (folder / f"{source}.peaks").write_bytes(outlines.encode_outline(est_CxT, mixture.rate_hz))
        relative_db_FxN = compute_spectrum_db(est_CxT, mixture.rate_hz) - top_db
        bytes_FxN = np.clip(255 * (1 + relative_db_FxN / RANGE_DB), 0, 255).astype(np.uint8)
        (folder / f"{source}.spectrum").write_bytes(bytes_FxN.tobytes())
    return measure_levels(song, labels, stems, leakage_db)


def read_stems(runs: Runs, run: str) -> dict[str, np.ndarray]:
    """Return the stems of a run by source, each (C, T)."""
    return _read_sounds({source: runs.find_file(run, source, "wav") for source in runs.load_run(run).sources})


def _read_sounds(paths: dict[str, Path]) -> dict[str, np.ndarray]:
    return {source: sound.read(path, may_be_silent=True).samples_CxT for source, path in paths.items()}


def measure_levels(
    song: Song, labels: Annotation, stems: dict[str, np.ndarray], leakage_db: Mapping[str, float] | None
) -> dict[str, Levels]:
    """Return the levels of stems in their loud passages and where their source is marked silent."""
    mixture = song.mixture
    active_SxT = annotation.compute_active_mask(labels, mixture.n_samples, mixture.rate_hz)
    found = {}
    for (source, est_CxT), active_T in zip(stems.items(), active_SxT, strict=True):
        silent_db = None if active_T.all() else sound.measure_level_db(est_CxT[:, ~active_T])
        leakage = (leakage_db or {}).get(source, math.nan)
        found[source] = Levels(
            measure_loud_db(est_CxT, mixture.rate_hz), silent_db, leakage if silent_db is not None else None
        )
    return found


def measure_loud_db(samples_CxT: np.ndarray, rate_hz: int) -> float:
    """Return the level of the loud passages of a stem, which is independent of the amount of silence."""
    window = min(round(WINDOW_S * rate_hz), samples_CxT.shape[1])
    return float(np.percentile(compute_levels_db(samples_CxT, window, round(HOP_S * rate_hz)), LOUD))


def compute_spectrum_db(samples_CxT: np.ndarray, rate_hz: int) -> np.ndarray:
    """Return the spectrogram of a sound in the bands of reports, (F, N)."""
    return 10 * np.log10(np.maximum(spectrum.measure_spectrum(samples_CxT, rate_hz, MAX_COLUMNS), 1e-12))
