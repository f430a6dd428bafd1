"""The options of all commands, as dataclasses without behaviour; defaults and docstrings become `--help`.

They stand apart from the commands, which import JAX, so that `--help` answers at once. Groups of options have no name
on the command line: `OmitArgPrefixes` gives a group a section of the help, `arg(name="")` lists its options among the
others. Options of `ugosa-jax annotation` are in `ugosa_jax.cli.annotation_options`.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes, Positional, UseAppendAction, arg, subcommand

from ugosa_jax.cli.annotation_options import Reading
from ugosa_jax.config import AdaptConfig, EvaluateConfig, PrepareConfig, SeparateConfig, Subset


@dataclasses.dataclass(frozen=True)
class Separate:
    """Adapt a network to one song, guided by its annotation, and write the stems."""

    song: Annotated[Positional[Path], arg(metavar="SONG")]
    """The mixture: WAV, FLAC, MP3, m4a, Ogg, video … (docs/sound.md)."""
    adapt: OmitArgPrefixes[AdaptConfig]
    separate: OmitArgPrefixes[SeparateConfig]
    reading: OmitArgPrefixes[Reading] = dataclasses.field(default_factory=Reading)
    annotation: Path | None = None
    """The times at which each source plays, in any format of docs/annotations.md. B strategies do not need it."""
    weights: str | None = None
    """Name (see `ugosa-jax weights list`) or file of the network to start from; names joined by + are a chain, such as
    spleeter+mini. By default, the best network that is installed."""
    download: bool = False
    """Download published weights first if they are missing; their licence is printed."""
    delta: Path | None = None
    """Adapted layers of an earlier run, with which the song is separated without another adaptation."""
    preset: Literal["recommended", "paper", "reference", "masks"] = "paper"
    """Defaults of the settings below. recommended: those that improve SDR most for mini; paper: those of the paper's
    text; reference: those of its code; masks: no adaptation, but Wiener masks. By default, recommended for mini and
    chains that end with it, masks for Spleeter, paper for others. This help shows that of --weights, or of mini."""
    out: Path | None = None
    """Folder for the results, by default separated/SONG."""
    truncated: Literal["refuse", "ok"] = "refuse"
    """Whether to refuse a song whose file is cut short, or to use the part that is there."""
    encoding: Literal["float", "24", "16"] = "float"
    """Sample format of the stems: 32-bit float, or integers that clip at full scale."""
    references: Path | None = None
    """Folder with the true stems, with which the report scores the stems before and after adaptation."""


@dataclasses.dataclass(frozen=True)
class Demo:
    """Adapt a network to the bundled song and compare the stems before and after."""

    out: Path = Path("separated/demo")
    """Folder for the stems, the figure and the report."""


@dataclasses.dataclass(frozen=True)
class Studio:
    """Open a page on which to annotate a song, adapt a network to it, and compare the stems by ear."""

    song: Annotated[Positional[Path | None], arg(metavar="[SONG]")] = None
    """A song to open; others can be dropped on the page."""
    demo: bool = False
    """Open the bundled song."""
    work: Path | None = None
    """Folder for songs and runs, by default in the user's data folder."""
    host: str = "127.0.0.1"
    """Address to listen on. With any other address, everybody who can reach this machine and knows the page's address
    can use it."""
    port: int | None = None
    """Port to listen on, by default 8630, or a free port if that is taken."""
    browser: bool = True
    """Open the page in the browser."""


@dataclasses.dataclass(frozen=True)
class Convert:
    """Convert a checkpoint of the Demucs repository, or of Spleeter, to safetensors. Nothing in it is executed."""

    checkpoint: Annotated[Positional[Path], arg(metavar="CHECKPOINT")]
    """A .th or .th.gz file, or an archive in which Spleeter's networks were published."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The .safetensors file to write."""


@dataclasses.dataclass(frozen=True)
class ListWeights:
    """List weights by name, with their location."""


@dataclasses.dataclass(frozen=True)
class Show:
    """Show architecture, sources and provenance of weights."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """Name or file."""


@dataclasses.dataclass(frozen=True)
class Download:
    """Download pretrained weights, check their SHA-256 and convert them."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """spleeter, spleeter_4stems, spleeter_5stems, tasnet, tasnet_extra, htdemucs, htdemucs_ft or htdemucs_6s."""
    url: str | None = None
    """A mirror, a local file, or for htdemucs_ft a folder of local files; their SHA-256 must be the published one."""


@dataclasses.dataclass(frozen=True)
class WeightsCommands:
    """Convert, list, show and download weights."""

    action: Annotated[
        OmitSubcommandPrefixes[
            Annotated[Convert, subcommand("convert")]
            | Annotated[ListWeights, subcommand("list")]
            | Annotated[Show, subcommand("show")]
            | Annotated[Download, subcommand("download")]
        ],
        arg(name=""),
    ]


@dataclasses.dataclass(frozen=True)
class Prepare:
    """Prepare songs for experiments: silence each source for a share of the song, and write the annotation.

    After an interruption, the same command continues.
    """

    root: Annotated[Positional[Path], arg(metavar="SONGS")]
    """SONG/{mixture,drums,bass,other,vocals}.wav, MUSDB18, MUSDB18-HQ, or SONG.npy arrays."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Folder for the songs, their annotations and manifest.json."""
    prepare: OmitArgPrefixes[PrepareConfig]
    subset: Subset | None = None
    """Only this part of MUSDB18."""
    limit: int | None = None
    """Number of songs, the first ones by name."""


@dataclasses.dataclass(frozen=True)
class RunSweep:
    """Run the cells of a grid that have no results yet; after an interruption, the same command continues."""

    grid: Annotated[Positional[str], arg(metavar="GRID")]
    """A TOML file, or a grid that ships with ugosa_jax: table1, variants, lambda, segments, reference."""
    set: UseAppendAction[tuple[str, ...]] = ()
    """SECTION.KEY=VALUE, such as adapt.learning_rate=1e-3 or 'adapt.lam=[0.1, 1]', which replaces a key of the grid."""
    songs: Path | None = None
    """Folder of the songs, in place of the grid's."""
    weights: str | None = None
    """Name or file of the network, in place of the grid's; if neither names one, the best that is installed."""
    results: Path | None = None
    """Results directory, by default sweeps/GRID, with the changes of --set in its name."""
    lanes: int | None = None
    """Cells that run side by side, by default as many as fit into the memory of a GPU or TPU, and one on a CPU."""
    ray: tuple[str, ...] | None = None
    """Run cells on a Ray cluster: HOST:PORT, or auto for the cluster of this machine; without an address, start a
    cluster here (needs ray)."""
    retry: bool = False
    """Run failed cells again."""
    keep_deltas: bool = False
    """Store the adapted layers of every cell."""
    keep_stems: bool = False
    """Store the stems of every cell."""
    tensorboard: bool = False
    """Also write losses and scores for TensorBoard into RESULTS/tensorboard (needs tensorboardX)."""


@dataclasses.dataclass(frozen=True)
class Status:
    """Show the progress of a sweep."""

    results: Annotated[Positional[Path], arg(metavar="RESULTS")]
    """Results directory."""


@dataclasses.dataclass(frozen=True)
class Collect:
    """Write the scores of sweeps as one tidy table, with one score in each row."""

    results: Annotated[Positional[tuple[Path, ...]], arg(metavar="RESULTS …")]
    """Results directories, one or more."""
    out: Path = Path("scores.csv")
    """The table: .csv, or .parquet."""


@dataclasses.dataclass(frozen=True)
class SweepCommands:
    """Adapt a network to many songs with many settings, and score the stems."""

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
    """Frames that are scored: those in which the source itself is not silent, or, as in museval, no source is."""
    museval_json: Path | None = None
    """Write the scores of every frame in museval's format, for its aggregation."""


@dataclasses.dataclass(frozen=True)
class Report:
    """Write tables, figures and significance tests of sweeps as Markdown, HTML, CSV, LaTeX and SVG."""

    scores: Annotated[Positional[tuple[Path, ...]], arg(metavar="RESULTS …")]
    """One or more results directories, or .csv tables of `ugosa-jax sweep collect`."""
    out: Path = Path("report")
    """Folder for report.md, report.html, and each table and figure."""


@dataclasses.dataclass(frozen=True)
class Bench:
    """Measure the speed of adaptation on this device, also relative to its matrix products."""

    adapt: OmitArgPrefixes[AdaptConfig] = dataclasses.field(default_factory=lambda: AdaptConfig(epochs=2))
    lanes: str = "1"
    """Numbers of songs side by side, one for each row of the table: 1,2,4,8."""
    weights: str = "mini"
    """Name (see `ugosa-jax weights list`) or file of the network."""
    size: Literal["demucs", "htdemucs"] | None = None
    """A full-size network with random weights in place of --weights: the ConvTasNet of the Demucs repository, or
    HTDemucs."""
    seconds: float = 20.0
    """Length of each song of noise."""
    repeats: int = 3
    """Number of timed runs of all epochs."""
    compile_only: str | None = None
    """Compile the programs for devices that may be absent, and estimate instead of measuring. TPUs such as v5e:2x2 need
    the extra [tpu], GPUs such as h100:4 or a100:1 the extra [cuda]."""
    json: Path | None = None
    """Write device, versions, settings and figures."""
