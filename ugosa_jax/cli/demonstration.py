"""The command `ugosa-jax demo`: adapt a network to the demo song, and compare the stems before and after."""

import dataclasses
import time
from typing import NamedTuple

import msgspec

from ugosa_jax import files
from ugosa_jax.adaptation import plan
from ugosa_jax.annotations import annotation
from ugosa_jax.cli import options
from ugosa_jax.cli.output import cache_compiled_programs
from ugosa_jax.config import AdaptConfig, SeparateConfig, get_preset
from ugosa_jax.data import loading, sound
from ugosa_jax.errors import require_extra
from ugosa_jax.song_job import record, run
from ugosa_jax.song_job.job import SongJob
from ugosa_jax.song_job.output_names import REPORT
from ugosa_jax.song_job.record import InputsRecord
from ugosa_jax.weights import hub

with require_extra("reports"):
    from ugosa_jax.reports import style
    from ugosa_jax.reports.song import facts, song_figures, song_report, summary
    from ugosa_jax.reports.song.song_report import ReportRun


class Recipe(NamedTuple):
    """One separation of the song, with its settings and a description."""

    meaning: str
    adapt: AdaptConfig
    separate: SeparateConfig


CHAIN = "spleeter+mini"
ADAPTED, OUTPUT_STAGE = get_preset("recommended").adapt, get_preset("recommended").separate
RECIPES = {
    "as it is": Recipe("not adapted", AdaptConfig("B0"), SeparateConfig()),
    "output": Recipe("not adapted, output refined with the annotation", AdaptConfig("B0"), OUTPUT_STAGE),
    "adapted": Recipe(f"adapted ({ADAPTED.strategy}), output refined with the annotation", ADAPTED, OUTPUT_STAGE),
}
"""The recipes by name; the last two differ only in the adaptation."""
FIGURE = "figure.svg"


def demo(args: options.Demo) -> int:
    """Separate the demo song before and after adaptation, write stems, figure and report, print scores; return 0.

    Raises:
      InputError: the folder cannot be written.
    """
    out, started = args.out, time.perf_counter()
    cache_compiled_programs()
    network = choose_network()
    weights = hub.load_network(network)
    song = loading.load_demo(weights.sources)
    mixture, labels = song.mixture, song.require_annotation()
    sound.write_audio(out / "mixture.wav", mixture.samples_CxT, mixture.rate_hz)
    silent_s = annotation.count_silent_seconds(labels, mixture.duration_s)
    silent = ", ".join(f"{source} {seconds:.0f} s" for source, seconds in silent_s.items())
    print(f"{mixture.duration_s:.0f} s of music, separated with {network}; annotated silent: {silent}\n")
    inputs = InputsRecord(
        song=record.describe_song(mixture, weights, files.compute_sha256(out / "mixture.wav"), "the bundled song"),
        weights=record.describe_network(weights, network),
    )
    excerpt_s = song_report.choose_excerpt(song, len(RECIPES))
    report_runs, took_s = [], {}
    for name, recipe in RECIPES.items():
        print(f"{name:10}{recipe.meaning} ...", end="", flush=True)
        began = time.perf_counter()
        job = SongJob(weights, song, plan.fill_defaults(recipe.adapt, weights), recipe.separate)
        outcome = run.run(job, inputs, out / name.replace(" ", "-"), report="data", excerpt_s=excerpt_s)
        assert outcome.report_run is not None
        report_runs.append(dataclasses.replace(outcome.report_run, name=name, meaning=recipe.meaning))
        took_s[name] = time.perf_counter() - began
        print(f" {took_s[name]:.0f} s", flush=True)
    print("\n" + "\n".join(format_table(report_runs, labels.sources)))
    stems = {one.name: one.stems for one in report_runs}
    waves = song_figures.draw_waves(labels, mixture.duration_s, summary.summarise_mixture(mixture, excerpt_s), stems)
    with files.replace_when_done(out / FIGURE) as temporary:
        temporary.write_text(style.to_svg(waves), "utf-8")
    content = msgspec.to_builtins(outcome.record)  # of the last run, which is adapted
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took_s.items())
    song_report.write(
        out / REPORT, song, excerpt_s, report_runs, facts.describe_run(content) | {"time": times}, content
    )
    print(f"\n{time.perf_counter() - started:.0f} s in all; pictures and sounds are in {out / REPORT}")
    return 0


def choose_network() -> str:
    """Return the name of the network: a chain with Spleeter if it is downloaded, else `mini`; print the choice."""
    if all(hub.is_available(name) for name in CHAIN.split("+")):
        return CHAIN
    print("spleeter is not downloaded (ugosa-jax weights download spleeter): the bundled network `mini` is used alone")
    return hub.BUNDLED


def format_table(runs: list[ReportRun], sources: tuple[str, ...]) -> list[str]:
    """Return the lines of a table with the SDR, and the leakage before refinement, of each run."""
    width = 8 * len(sources)
    heads = f"{'SDR (dB)':^{width}}     {'leakage before refinement (dB)':^{width}}"
    names = "".join(f"{source:>8}" for source in sources)
    lines = [f"{'':10}{heads}".rstrip(), f"{'':10}{names}     {names}"]
    for one in runs:
        sdr = "".join(f"{one.scores.db(source, 'SDR'):8.1f}" for source in sources) if one.scores else ""
        leakage = "".join(f"{(one.leakage_db or {})[source]:8.1f}" for source in sources)
        lines.append(f"{one.name:10}{sdr}     {leakage}")
    return lines
