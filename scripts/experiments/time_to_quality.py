"""Print the gain of adaptation over time: seconds of training steps, and mean SDR gain over the unadapted network.

    grid="sweep run scripts/experiments/time_to_quality.toml --songs prepared/valid"
    ugosa-jax $grid --results sweeps/soon
    ugosa-jax $grid --set adapt.shuffle_seed=0 --set adapt.learning_rate=1e-3 --results sweeps/in-order
    one="--set adapt.learning_rate=1e-3 --set adapt.epochs=1"
    ugosa-jax $grid --set adapt.strategy=B0 $one --results sweeps/unadapted
    python scripts/experiments/time_to_quality.py sweeps/unadapted sweeps/soon sweeps/in-order

Times exclude compiling and separating. SDR: mean over sources and songs, rule "target".
"""

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ugosa_jax.errors import exit_status, require
from ugosa_jax.sweeps import results


class AdaptationSettings(NamedTuple):
    """The settings that the table compares."""

    strategy: str
    learning_rate: float
    shuffle_seed: int
    epochs: int


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unadapted", type=Path, help="results of B0")
    parser.add_argument("others", type=Path, nargs="+", help="results of the grid")
    args = parser.parse_args(arguments)
    before = {song: sdr_db for _, song, _, sdr_db in read_scores(args.unadapted)}
    print("\n".join(make_table(before, [row for folder in args.others for row in read_scores(folder)])))


def read_scores(folder: Path) -> Iterator[tuple[AdaptationSettings, str, float, float]]:
    """Yield, for each finished run: settings, song, seconds of training steps and frozen stages, and mean SDR."""
    for cell in results.read_cells(folder).values():
        if cell["status"] == "done":
            settings = AdaptationSettings(*(cell["adapt"][name] for name in AdaptationSettings._fields))
            timing = cell["adaptation"]["timing"]
            sdr_db = [row["value_db"] for row in cell["scores"] if (row["metric"], row["rule"]) == ("SDR", "target")]
            yield settings, cell["song"], timing["prefix_s"] + timing["steps_s"], statistics.fmean(sdr_db)


def make_table(before: dict[str, float], rows: list[tuple[AdaptationSettings, str, float, float]]) -> Iterator[str]:
    """Yield the lines of a Markdown table: for each setting, the median time over songs and the mean gain."""
    by_settings = defaultdict(list)
    for settings, song, seconds, sdr_db in rows:
        require(song in before, "the first sweep", f"with the song {song}", sorted(before))
        by_settings[settings].append((seconds, sdr_db - before[song]))
    yield from (
        "| strategy | learning rate | order | epochs | songs | s | gain (dB) |",
        "|---|---|---|---|---|---|---|",
    )
    for settings, found in sorted(by_settings.items()):
        order = "random" if settings.shuffle_seed else "time"
        seconds, gain_db = statistics.median(s for s, _ in found), statistics.fmean(db for _, db in found)
        start = f"| {settings.strategy} | {settings.learning_rate:g} | {order} | {settings.epochs}"
        yield f"{start} | {len(found)} | {seconds:.1f} | {gain_db:.2f} |"


if __name__ == "__main__":
    sys.exit(exit_status(main))
