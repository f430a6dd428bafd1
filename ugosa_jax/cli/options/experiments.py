"""Options of the commands that work on many songs: `prepare`, `sweep …`, `evaluate` and `report`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes, Positional, UseAppendAction, arg, subcommand

from ugosa_jax.config import EvaluateConfig, PrepareConfig, Subset


@dataclasses.dataclass(frozen=True)
class Prepare:
    """Make a data set for experiments: each source silent for its share of the song, and who plays when.

    A preparation that was interrupted goes on when the same command is given again.
    """

    root: Annotated[Positional[Path], arg(metavar="SONGS")]
    """SONG/{mixture,drums,bass,other,vocals}.wav, MUSDB18, MUSDB18-HQ, or SONG.npy arrays."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Folder for the songs, their annotations and manifest.json."""
    prepare: OmitArgPrefixes[PrepareConfig]
    subset: Subset | None = None
    """Only this part of MUSDB18."""
    limit: int | None = None
    """Only so many songs, the first ones by name."""


@dataclasses.dataclass(frozen=True)
class RunSweep:
    """Run the cells of a grid that have no results yet; the same command again goes on."""

    grid: Annotated[Positional[str], arg(metavar="GRID")]
    """A TOML file, or a grid that ships with ugosa_jax: table1, variants, lambda, segments, reference."""
    set: UseAppendAction[tuple[str, ...]] = ()
    """SECTION.KEY=VALUE, such as adapt.learning_rate=1e-3 or 'adapt.lam=[0.1, 1]': in place of what the grid says."""
    songs: Path | None = None
    """Folder of the songs, in place of the one that the grid names."""
    weights: str | None = None
    """Name or file of the network, in place of the one that the grid names."""
    results: Path | None = None
    """Results directory; sweeps/GRID if not given, with what was --set in its name."""
    lanes: int | None = None
    """Cells that run side by side; if not given, what a GPU's or TPU's memory holds, and one on a CPU."""
    ray: tuple[str, ...] | None = None
    """Run cells on a Ray cluster: HOST:PORT, or auto for the one that runs on this machine; without an address, one is
    started here (needs ray)."""
    retry: bool = False
    """Run cells that failed once more."""
    keep_deltas: bool = False
    """Keep the tuned layers of every cell."""
    keep_stems: bool = False
    """Keep the stems of every cell."""
    tensorboard: bool = False
    """Write losses and scores for TensorBoard too, into RESULTS/tensorboard (needs tensorboardX)."""


@dataclasses.dataclass(frozen=True)
class Status:
    """Say how far a sweep has come."""

    results: Annotated[Positional[Path], arg(metavar="RESULTS")]
    """Results directory."""


@dataclasses.dataclass(frozen=True)
class Collect:
    """Write the scores of sweeps as one tidy table, a score a row."""

    results: Annotated[Positional[tuple[Path, ...]], arg(metavar="RESULTS …")]
    """Results directories, one or more."""
    out: Path = Path("scores.csv")
    """The table: .csv, or .parquet."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Adapt with many settings to many songs, and score the results."""

    action: Annotated[
        OmitSubcommandPrefixes[
            Annotated[RunSweep, subcommand("run")]
            | Annotated[Status, subcommand("status")]
            | Annotated[Collect, subcommand("collect")]
        ],
        arg(name=""),
    ]


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Compare stems with the true ones: SDR, ISR, SIR, SAR (BSSEval v4), leakage (PES) and lost energy (EPS)."""

    references: Annotated[Positional[Path], arg(metavar="REFERENCES")]
    """Folder with the true stems: drums.wav, bass.wav, other.wav, vocals.wav; perhaps mixture.wav, annotation.csv."""
    estimates: Annotated[Positional[Path], arg(metavar="ESTIMATES")]
    """Folder with files of the same names, such as `ugosa-jax separate` writes."""
    evaluate: OmitArgPrefixes[EvaluateConfig]
    rule: Literal["target", "museval"] = "target"
    """Frames that count: those in which the source itself is not silent, or, as museval does, in which none is."""
    museval_json: Path | None = None
    """Write the scores of every frame as museval does, for its aggregation."""


@dataclasses.dataclass(frozen=True)
class Report:
    """Make tables, figures and tests of significance of sweeps: Markdown, HTML, CSV, LaTeX, SVG."""

    scores: Annotated[Positional[tuple[Path, ...]], arg(metavar="RESULTS …")]
    """One or more results directories, or tables that `ugosa-jax sweep collect` has written as .csv."""
    out: Path = Path("report")
    """Folder for report.md, report.html, and each table and figure."""
