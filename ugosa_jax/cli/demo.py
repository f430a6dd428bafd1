"""The demonstration: adapt a network to the bundled song, and compare after with before."""

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from ugosa_jax import api, device, files
from ugosa_jax.adaptation.plan import fill_defaults
from ugosa_jax.annotations import annotation
from ugosa_jax.cli import options
from ugosa_jax.cli.output import keep_compiled_programs
from ugosa_jax.config import AdaptConfig, SeparateConfig, recommended
from ugosa_jax.data import loading, sound
from ugosa_jax.data.song import Song
from ugosa_jax.data.sound import Sound
from ugosa_jax.errors import require_extra
from ugosa_jax.evaluation.leakage import LeakageMeter
from ugosa_jax.separation import song_separation as separation
from ugosa_jax.song_job import record
from ugosa_jax.song_job.names import REPORT
from ugosa_jax.weights import hub
from ugosa_jax.weights.weights import Weights

with require_extra("reports"):
    from ugosa_jax.reports import style
    from ugosa_jax.reports.song import facts, figures, glimpse, report
    from ugosa_jax.reports.song.report import Run


class Row(NamedTuple):
    """One separation of the song: what was adapted, and whether the annotation refines the stems that come out."""

    meaning: str
    strategy: str
    separate: SeparateConfig


CHAIN = "spleeter+mini"
STRATEGY = "R-L3:M"
ROWS = {
    "as it is": Row("the network as it is", "B0", SeparateConfig()),
    "output": Row("the network as it is, its output refined with the annotation", "B0", recommended().separate),
    "adapted": Row(f"adapted ({STRATEGY}), with the same output stage", STRATEGY, recommended().separate),
}
"""The last two differ in the adaptation alone: what the annotation does to the output is the same."""
FIGURE = "figure.svg"


def demo(args: options.Demo) -> int:
    """Separate the demo song before and after adaptation, write stems, figure and report, print scores; return 0.

    Raises:
      InputError: the folder cannot be written.
    """
    out = args.out
    keep_compiled_programs()
    started = time.perf_counter()
    network = choose_network()
    weights = hub.load_network(network)
    true = loading.load_demo(weights.sources)
    mixture, said = true.mixture, true.require_annotation()
    sound.write(out / "mixture.wav", mixture.samples_CxT, mixture.rate_hz)
    silent_s = annotation.count_silent_seconds(said, mixture.duration_s)
    silent = ", ".join(f"{source} {seconds:.0f} s" for source, seconds in silent_s.items())
    print(f"{mixture.duration_s:.0f} s of music, separated with {network}; annotated silent: {silent}\n")
    excerpt_s = report.excerpt(true, len(ROWS))
    runs, took_s = [], {}
    for name, row in ROWS.items():
        print(f"{name:10}{row.meaning} ...", end="", flush=True)
        began = time.perf_counter()
        runs.append(separated(weights, true, excerpt_s, name, out))
        took_s[name] = time.perf_counter() - began
        print(f" {took_s[name]:.0f} s", flush=True)
    print("\n" + "\n".join(table(runs, said.sources)))
    stems = {run.name: run.stems for run in runs}
    with files.replaced_when_done(out / FIGURE) as temporary:
        seen = glimpse.mixture(mixture, excerpt_s)
        temporary.write_text(style.svg(figures.waves(said, mixture.duration_s, seen, stems)), "utf-8")
    report.write(out / REPORT, true, excerpt_s, runs, *describe(weights, network, mixture, took_s))
    print(f"\n{time.perf_counter() - started:.0f} s in all; see and hear it all in {out / REPORT}")
    return 0


def choose_network() -> str:
    """Return a chain with a network for real songs if that is here, else the bundled network; say how to get it."""
    if all(hub.is_available(name) for name in CHAIN.split("+")):
        return CHAIN
    print("spleeter is not here (ugosa-jax weights download spleeter): the small bundled network is taken alone")
    return hub.BUNDLED


def separated(weights: Weights, true: Song, excerpt_s: tuple[float, float], name: str, out: Path) -> Run:
    """Adapt and separate as the row says, write the stems, look at them and score them."""
    row, said, mixture = ROWS[name], true.require_annotation(), true.mixture
    result = api.adapt(weights, true, settings=settings_of(row.strategy))
    meter = LeakageMeter(said, mixture.n_samples, mixture.rate_hz)
    stems = meter.measure(separation.separate_song(weights, true, SeparateConfig(), result.tuned))
    if row.separate.refine != "none":
        stems = separation.refine_blocks(stems, true, said, row.separate)
    est_SxCxT = np.concatenate([*stems], axis=-1)
    for source, est_CxT in zip(said.sources, est_SxCxT, strict=True):
        sound.write(out / name.replace(" ", "-") / f"{source}.wav", est_CxT, mixture.rate_hz)
    return report.run_of(true, name, row.meaning, result, [est_SxCxT], excerpt_s, meter)


def settings_of(strategy: str) -> AdaptConfig:
    """Return how the demo adapts."""
    return dataclasses.replace(recommended().adapt, strategy=strategy)


def table(runs: list[Run], sources: tuple[str, ...]) -> list[str]:
    """Return the lines of a table: SDR, and leakage before refinement; a row for each run, a column for each source."""
    width = 8 * len(sources)
    heads = f"{'SDR (dB)':^{width}}     {'leakage before refinement (dB)':^{width}}"
    names = "".join(f"{source:>8}" for source in sources)
    lines = [f"{'':10}{heads}".rstrip(), f"{'':10}{names}     {names}"]
    for run in runs:
        sdr = "".join(f"{run.scores.db(source, 'SDR'):8.1f}" for source in sources) if run.scores else ""
        leakage = "".join(f"{(run.leakage_db or {})[source]:8.1f}" for source in sources)
        lines.append(f"{run.name:10}{sdr}     {leakage}")
    return lines


def describe(
    weights: Weights, network: str, mixture: Sound, took_s: Mapping[str, float]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the facts that the report begins with, and the record of the run that it ends with."""
    adapting = dataclasses.asdict(fill_defaults(settings_of(STRATEGY), weights))
    separating = dataclasses.asdict(ROWS["adapted"].separate)
    environment = record.environment()
    said = {
        "song": f"the bundled one ({mixture.duration_s:.1f} s; {mixture.rate_hz} Hz)",
        "network": f"{network} ({weights.fingerprint[:16]})",
        "adaptation": facts.adapting(adapting),
        "separation": facts.separating(separating),
        "device": device.describe(),
        "time": ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took_s.items()),
        "made": f"{environment['created']} by ugosa_jax {environment['ugosa_jax']}",
    }
    return said, {
        "weights": msgspec.to_builtins(record.network(weights, network)),
        "settings": {"strategies": ["B0", STRATEGY], "adapt": adapting, "separate": separating},
        "environment": environment,
    }
