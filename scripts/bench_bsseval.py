"""Compare the time of ugosa_jax.evaluation.bsseval with that of museval, on four stereo sources.

    python scripts/bench_bsseval.py --seconds 60 --repeats 3

Both take turns on the same sound: coloured noise, so that every source has its own spectrum. An estimate is the sum of
its stem, some of the mixture and more noise.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import scipy.signal

from ugosa_jax.config import EvaluateConfig
from ugosa_jax.evaluation import bsseval, museval

RATE_HZ = 44100
Result = TypeVar("Result")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()

    settings = EvaluateConfig()
    stems_SxCxT, est_SxCxT = draw_sounds(round(args.seconds * RATE_HZ))
    times: dict[str, list[float]] = {"prepare": [], "score": [], "museval": []}
    peaks_gb = [get_peak_gb()]
    scores = expected = None
    for _ in range(args.repeats):
        prepared = call_timed(times["prepare"], lambda: bsseval.prepare(stems_SxCxT, RATE_HZ, settings))
        scores = call_timed(times["score"], lambda prepared=prepared: bsseval.score(prepared, est_SxCxT))
        if len(peaks_gb) == 1:
            peaks_gb.append(
                get_peak_gb()
            )  # the peak of a process never falls, so that only the first round measures it
        expected = call_timed(
            times["museval"], lambda: museval.score_with_museval(stems_SxCxT, est_SxCxT, RATE_HZ, settings)
        )
    peaks_gb.append(get_peak_gb())
    assert scores is not None and expected is not None
    print_table(times, peaks_gb)
    pairs = zip(scores.mask_frames("museval").values(), expected.mask_frames("museval").values(), strict=True)
    largest_db = max(float(np.nanmax(np.abs(ours - theirs))) for ours, theirs in pairs)
    print(f"\n{args.seconds:g} s, {len(prepared.frames)} frames; largest difference {largest_db:.1e} dB")


def draw_sounds(n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw stems and estimates, float32 (4, 2, T)."""
    random = np.random.default_rng(0)
    stems_SxCxT = random.standard_normal((4, 2, n_samples), np.float32)
    for source, pole in enumerate((-0.5, 0.0, 0.5, 0.9)):
        stems_SxCxT[source] = scipy.signal.lfilter([0.1 - 0.1 * abs(pole)], [1, -pole], stems_SxCxT[source])
    noise_SxCxT = random.standard_normal(stems_SxCxT.shape, np.float32)
    return stems_SxCxT, 0.8 * stems_SxCxT + 0.1 * stems_SxCxT.sum(0) + 0.005 * noise_SxCxT


def call_timed(times_s: list[float], function: Callable[[], Result]) -> Result:
    """Call a function and append its duration to a list."""
    started = time.perf_counter()
    result = function()
    times_s.append(time.perf_counter() - started)
    return result


def print_table(times_s: dict[str, list[float]], peaks_gb: list[float]) -> None:
    """Print medians, the range from fastest to slowest, ratios, and the growth of peak memory."""
    prepare_s, score_s, museval_s = times_s["prepare"], times_s["score"], times_s["museval"]
    first_s = [a + b for a, b in zip(prepare_s, score_s, strict=True)]
    start_gb, ours_gb, museval_gb = peaks_gb
    rows = [
        ("museval", museval_s, f"{museval_gb - start_gb:.2f}"),
        ("bsseval, first estimate", first_s, f"{ours_gb - start_gb:.2f}"),
        ("bsseval, prepare alone", prepare_s, ""),
        ("bsseval, each further estimate", score_s, ""),
    ]
    print("| | median s | fastest – slowest s | times faster | memory GB |")
    print("|---|---|---|---|---|")
    for name, values_s, memory in rows:
        ratio = statistics.median(museval_s) / statistics.median(values_s)
        spread = f"{min(values_s):.2f} – {max(values_s):.2f}"
        print(f"| {name} | {statistics.median(values_s):.2f} | {spread} | {ratio:.1f} | {memory} |")


def get_peak_gb() -> float:
    """Return the peak memory of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
