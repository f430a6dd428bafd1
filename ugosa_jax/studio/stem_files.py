"""The stems of a run on disk: sound, outline, spectrogram; and how loud each is."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.suggest import HOP_S, LOUD, WINDOW_S, levels_db
from ugosa_jax.data import sound
from ugosa_jax.data.song import Song
from ugosa_jax.reports.song import spectrum
from ugosa_jax.studio import peaks
from ugosa_jax.studio.runs import RESIDUAL, Levels, Runs

RANGE_DB = 96.0
"""Of spectrograms: a byte is 0 at this far below the loudest spot of the mixture's and 255 at that spot."""


def write(
    folder: Path,
    song: Song,
    labels: Annotation,
    spectra_db: Mapping[str, np.ndarray],
    leakage_db: Mapping[str, float] | None,
) -> dict[str, Levels]:
    """Write outline and spectrogram of every stem in a folder, and all of what they leave of the mixture.

    Args:
      folder: where the stems are, one file for each source of the marks.
      song: whose stems they are.
      labels: its marks.
      spectra_db: what `spectrum_db` gives of each stem, where that is known.
      leakage_db: of the network's own output.

    Returns:
      The levels of the stems.
    """
    mixture, stems = song.mixture, _read({source: folder / f"{source}.wav" for source in labels.sources})
    heard_CxT, _ = sound.to_model(mixture, mixture.rate_hz, min(mixture.n_channels, 2))
    residual_CxT = heard_CxT - sum(stems.values())
    sound.write(folder / f"{RESIDUAL}.wav", residual_CxT, mixture.rate_hz)
    top_db = spectrum_db(heard_CxT, mixture.rate_hz).max()
    for source, est_CxT in {**stems, RESIDUAL: residual_CxT}.items():
        found_FxN = spectra_db[source] if source in spectra_db else spectrum_db(est_CxT, mixture.rate_hz)
        (folder / f"{source}.peaks").write_bytes(peaks.packed(est_CxT, mixture.rate_hz))
        bytes_FxN = np.clip(255 * (1 + (found_FxN - top_db) / RANGE_DB), 0, 255).astype(np.uint8)
        (folder / f"{source}.spectrum").write_bytes(bytes_FxN.tobytes())
    return levels(song, labels, stems, leakage_db)


def read(runs: Runs, run: str) -> dict[str, np.ndarray]:
    """Return the stems of a run, (C, T) by source, as they were written."""
    return _read({source: runs.file(run, source, "wav") for source in runs.run(run).sources})


def _read(paths: dict[str, Path]) -> dict[str, np.ndarray]:
    return {source: sound.read(path, may_be_silent=True).samples_CxT for source, path in paths.items()}


def levels(
    song: Song, labels: Annotation, stems: dict[str, np.ndarray], leakage_db: Mapping[str, float] | None
) -> dict[str, Levels]:
    """Return how loud stems are in their loud passages, and where their source is marked silent."""
    mixture = song.mixture
    active_SxT = annotation.active_mask(labels, mixture.n_samples, mixture.rate_hz)
    found = {}
    for (source, est_CxT), active_T in zip(stems.items(), active_SxT, strict=True):
        silent_db = None if active_T.all() else sound.measure_level_db(est_CxT[:, ~active_T])
        leakage = (leakage_db or {}).get(source, math.nan)
        found[source] = Levels(loud_db(est_CxT, mixture.rate_hz), silent_db, leakage if silent_db is not None else None)
    return found


def loud_db(samples_CxT: np.ndarray, rate_hz: int) -> float:
    """Return the level of a stem's loud passages, which silence elsewhere does not lower."""
    window = min(round(WINDOW_S * rate_hz), samples_CxT.shape[1])
    return float(np.percentile(levels_db(samples_CxT, window, round(HOP_S * rate_hz)), LOUD))


def spectrum_db(samples_CxT: np.ndarray, rate_hz: int) -> np.ndarray:
    """Return the spectrogram of a sound as reports draw it, (F, N)."""
    return 10 * np.log10(np.maximum(spectrum.measure(samples_CxT, rate_hz), 1e-12))
