"""The demonstration: adapt the bundled network to the bundled song, and compare after with before."""

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ugosa_jax import api, device, files
from ugosa_jax.adaptation.strategy import resolved
from ugosa_jax.annotations import annotation
from ugosa_jax.cli import options
from ugosa_jax.config import AdaptConfig, SeparateConfig, recommended
from ugosa_jax.data import demo as demo_song
from ugosa_jax.data import sound
from ugosa_jax.data.song import Song
from ugosa_jax.data.sound import Sound
from ugosa_jax.errors import require_extra
from ugosa_jax.song_job import record
from ugosa_jax.song_job.names import REPORT
from ugosa_jax.weights import hub
from ugosa_jax.weights.bag import Weights

with require_extra("reports"):
    from ugosa_jax.reports import style
    from ugosa_jax.reports.song import facts, figures, glimpse, report
    from ugosa_jax.reports.song.report import Run

STRATEGIES = {
    "B0": "not adapted",
    "B-L3:M": "adapted to reconstruct the mixture",
    "R-L3:M": "adapted and refined with the annotation",
}
FIGURE = "figure.svg"


def demo(args: options.Demo) -> int:
    """Separate the demo song before and after adaptation, write stems, figure and report, print scores; return 0.

    Raises:
      InputError: the folder cannot be written.
    """
    out = args.out
    device.keep_compiled_programs()
    started = time.perf_counter()
    weights = hub.load("mini")
    true = demo_song.load(weights.architecture.sources)
    mixture, said = true.mixture, true.known_annotation()
    sound.write(out / "mixture.wav", mixture.samples_CxT, mixture.rate_hz)
    silent_s = annotation.silent_seconds(said, mixture.duration_s)
    silent = ", ".join(f"{source} {seconds:.0f} s" for source, seconds in silent_s.items())
    print(f"{mixture.duration_s:.0f} s of music; annotated silent: {silent}\n")
    excerpt_s = report.excerpt(true, len(STRATEGIES))
    runs, took_s = [], {}
    for strategy in STRATEGIES:
        print(f"{strategy:8} {STRATEGIES[strategy]} ...", end="", flush=True)
        began = time.perf_counter()
        runs.append(separated(weights, true, excerpt_s, strategy, out))
        took_s[strategy] = time.perf_counter() - began
        print(f" {took_s[strategy]:.0f} s", flush=True)
    print("\n" + "\n".join(table(runs, said.sources)))
    stems = {run.name: run.stems for run in runs}
    with files.replaced_when_done(out / FIGURE) as temporary:
        seen = glimpse.mixture(mixture, excerpt_s)
        temporary.write_text(style.svg(figures.waves(said, mixture.duration_s, seen, stems)), "utf-8")
    report.write(out / REPORT, true, excerpt_s, runs, *describe(weights, mixture, took_s))
    print(f"\n{time.perf_counter() - started:.0f} s in all; see and hear it all in {out / REPORT}")
    return 0


def separated(weights: Weights, true: Song, excerpt_s: tuple[float, float], strategy: str, out: Path) -> Run:
    """Adapt and separate as the strategy says, write the stems, look at them and score them."""
    result = api.adapt(weights, true, settings=settings_of(strategy))
    stems = api.separate(weights, true, settings=separation_of(strategy), tuned=result.tuned)
    for source, est_CxT in stems.items():
        sound.write(out / strategy.replace(":", "-") / f"{source}.wav", est_CxT, true.mixture.rate_hz)
    return report.run_of(true, strategy, STRATEGIES[strategy], result, [np.stack([*stems.values()])], excerpt_s)


def settings_of(strategy: str) -> AdaptConfig:
    """Return how the demo adapts."""
    return dataclasses.replace(recommended().adapt, strategy=strategy)


def separation_of(strategy: str) -> SeparateConfig:
    """Return how the demo separates: with what was annotated only if that was used to adapt as well."""
    return recommended().separate if strategy.startswith("R") else SeparateConfig()


def table(runs: list[Run], sources: tuple[str, ...]) -> list[str]:
    """Return the lines of a table: SDR and level in annotated silence, a row for each run, a column for each source."""
    width = 8 * len(sources)
    heads = f"{'SDR (dB)':^{width}}     {'level in annotated silence (dB)':^{width}}"
    names = "".join(f"{source:>8}" for source in sources)
    lines = [f"{'':8}{heads}".rstrip(), f"{'':8}{names}     {names}"]
    for run in runs:
        sdr = "".join(f"{run.scores.db(source, 'SDR'):8.1f}" for source in sources) if run.scores else ""
        silent = "".join(f"{run.stems[source].silent_db:8.1f}" for source in sources)
        lines.append(f"{run.name:8}{sdr}     {silent}")
    return lines


def describe(weights: Weights, mixture: Sound, took_s: Mapping[str, float]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the facts that the report begins with, and the record of the run that it ends with."""
    adapting = dataclasses.asdict(resolved(settings_of([*STRATEGIES][-1]), weights.architecture))
    separating = dataclasses.asdict(separation_of([*STRATEGIES][-1]))
    environment = record.environment()
    said = {
        "song": f"the bundled one ({mixture.duration_s:.1f} s; {mixture.rate_hz} Hz)",
        "network": f"mini ({weights.fingerprint[:16]})",
        "adaptation": facts.adapting(adapting),
        "separation": facts.separating(separating),
        "device": device.describe(),
        "time": ", ".join(f"{strategy} {seconds:.1f} s" for strategy, seconds in took_s.items()),
        "made": f"{environment['created']} by ugosa_jax {environment['ugosa_jax']}",
    }
    return said, {
        "weights": msgspec.to_builtins(record.network(weights, "mini")),
        "settings": {"strategies": list(STRATEGIES), "adapt": adapting, "separate": separating},
        "environment": environment,
    }
