"""The demonstration: adapt the bundled network to the bundled song, and compare after with before."""

import time
from pathlib import Path

import numpy as np

from ugosa_jax import annotation, audio, device, published, scores, song
from ugosa_jax.annotation import Annotation
from ugosa_jax.audio import Audio
from ugosa_jax.config import AdaptConfig
from ugosa_jax.weights import Checkpoint

FOLDER = Path(__file__).parent / "demo_song"
STRATEGIES = {
    "B0": "not adapted",
    "B-L3:M": "adapted to reconstruct the mixture",
    "P-L3:M": "adapted with the annotation as well",
}
LEARNING_RATE = 1e-3
"""A small network with much to learn takes large steps; chosen on validation songs."""


def run(out: Path) -> int:
    """Separate the demo song before and after adaptation, write all stems to `out`, print scores; return 0.

    Raises:
      InputError: `out` cannot be written.
    """
    device.keep_compiled_programs()
    started = time.perf_counter()
    weights = published.load("mini")
    stems_SxCxT, mixture, labels = load(weights.config.sources)
    audio.write(out / "mixture.wav", mixture.samples_CxT, mixture.rate_hz)
    silent_s = annotation.silent_seconds(labels, mixture.duration_s)
    print(f"{mixture.duration_s:.0f} s of music; annotated silent: " + listed(silent_s.values(), labels.sources, "s"))
    for strategy, meaning in STRATEGIES.items():
        print(f"\n{strategy}: {meaning}", flush=True)
        est_SxCxT = separated(weights, mixture, labels, strategy)
        for source, est_CxT in zip(labels.sources, est_SxCxT, strict=True):
            audio.write(out / strategy.replace(":", "-") / f"{source}.wav", est_CxT, mixture.rate_hz)
        print("  SDR                   " + listed(map(scores.sdr_db, stems_SxCxT, est_SxCxT), labels.sources, "dB"))
        levels = silent_levels_db(est_SxCxT, labels, mixture)
        print("  level where silent    " + listed(levels, labels.sources, "dB"))
    print(f"\n{time.perf_counter() - started:.0f} s in all; listen to the stems in {out}")
    return 0


def load(sources: tuple[str, ...]) -> tuple[np.ndarray, Audio, Annotation]:
    """Return the demo song's stems (S, C, T), their sum as the mixture, and its annotation."""
    stems = [audio.read(FOLDER / f"{source}.ogg") for source in sources]
    stems_SxCxT = np.stack([stem.samples_CxT for stem in stems])
    mixture = Audio(stems_SxCxT.sum(0), stems[0].rate_hz, "demo song")
    return stems_SxCxT, mixture, annotation.read(FOLDER / "annotation.csv", sources)


def separated(weights: Checkpoint, mixture: Audio, labels: Annotation, strategy: str) -> np.ndarray:
    """Adapt as the strategy says and return the estimates (S, C, T), not gated."""
    settings = AdaptConfig(strategy=strategy, learning_rate=LEARNING_RATE)
    result = song.adapt_song(weights, mixture, labels, settings)
    stems = song.separate_song(weights, mixture, tuned=result.tuned)
    return np.stack([stems[source] for source in labels.sources])


def silent_levels_db(est_SxCxT: np.ndarray, labels: Annotation, mixture: Audio) -> list[float]:
    """Return how loud each estimate is where its source is annotated silent."""
    active_SxT = annotation.active_mask(labels, mixture.n_samples, mixture.rate_hz)
    return [scores.level_db(est_CxT[:, ~active_T]) for est_CxT, active_T in zip(est_SxCxT, active_SxT, strict=True)]


def listed(numbers, sources: tuple[str, ...], unit: str) -> str:
    """Return a line such as "drums 1.0 s   bass 2.0 s"."""
    return "   ".join(f"{source} {number:5.1f} {unit}" for source, number in zip(sources, numbers, strict=True))
