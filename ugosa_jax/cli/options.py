"""The options of all commands, as dataclasses; tyro generates `--help` from their defaults and docstrings.

They are separate from the commands, which import JAX, so that `--help` answers at once. Groups of options have no
prefix on the command line: with `OmitArgPrefixes`, a group has its own section in the help; with `arg(name="")`, its
options are listed among the others. Options of `ugosa-jax annotation` are in `ugosa_jax.cli.annotation_options`.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes, Positional, UseAppendAction, arg, subcommand

from ugosa_jax.cli.annotation_options import ReadingOptions
from ugosa_jax.config import AdaptConfig, EvaluateConfig, PrepareConfig, SeparateConfig, Subset


@dataclasses.dataclass(frozen=True)
class Separate:
    """Adapt a network to one song, guided by its annotation, and write the stems."""

    song: Annotated[Positional[Path], arg(metavar="SONG")]
    """The mixture: WAV, FLAC, MP3, m4a, Ogg, video … (docs/sound.md)."""
    adapt: OmitArgPrefixes[AdaptConfig]
    separate: OmitArgPrefixes[SeparateConfig]
    reading: OmitArgPrefixes[ReadingOptions] = dataclasses.field(default_factory=ReadingOptions)
    annotation: Path | None = None
    """File with the times at which each source plays, in any format of docs/annotations.md. Only strategies with the
    losses P and R need it."""
    weights: str | None = None
    """Name (see `ugosa-jax weights list`) or file of the network; names joined with + are a chain, such as
    spleeter+mini. By default, the best network that is installed."""
    download: bool = False
    """Download the weights first if they are missing; their licence is printed."""
    delta: Path | None = None
    """File with the adapted layers of an earlier run; the song is separated with them, without another adaptation."""
    preset: Literal["recommended", "paper", "reference", "masks"] = "paper"
    """Set of defaults for all other settings. recommended: those that improve SDR most for mini; paper: those of the
    paper's text; reference: those of the paper's code; masks: no adaptation, only Wiener masks. By default,
    recommended for mini and chains that end with it, masks for Spleeter, and paper for other networks. This help shows
    the defaults for --weights, or for mini."""
    out: Path | None = None
    """Folder for the results, by default separated/SONG."""
    truncated: Literal["refuse", "ok"] = "refuse"
    """What to do with a file that is cut short: refuse it, or use the part that is there (ok)."""
    encoding: Literal["float", "24", "16"] = "float"
    """Sample format of the stems: 32-bit float, or 24- or 16-bit integers, which clip at full scale."""
    references: Path | None = None
    """Folder with the true stems; the report then has scores of the stems before and after adaptation."""


@dataclasses.dataclass(frozen=True)
class Demo:
    """Adapt a network to the bundled demo song, and compare the stems before and after."""

    out: Path = Path("separated/demo")
    """Folder for the stems, the figure and the report."""


@dataclasses.dataclass(frozen=True)
class Studio:
    """Open a local web page to annotate a song, adapt a network to it, and compare the stems by ear."""

    song: Annotated[Positional[Path | None], arg(metavar="[SONG]")] = None
    """A song to open; others can be dropped on the page."""
    demo: bool = False
    """Open the bundled demo song."""
    work: Path | None = None
    """Folder for songs and runs, by default in the user's data folder."""
    host: str = "127.0.0.1"
    """Address to listen on. With another address than the default, everybody who can reach this machine and knows the
    address of the page can use it."""
    port: int | None = None
    """Port to listen on, by default 8630, or a free port if that is taken."""
    browser: bool = True
    """Open the page in the browser."""


@dataclasses.dataclass(frozen=True)
class Convert:
    """Convert a checkpoint of the Demucs repository or of Spleeter to safetensors. No code in the file is executed."""

    checkpoint: Annotated[Positional[Path], arg(metavar="CHECKPOINT")]
    """A .th or .th.gz file, or an archive in which Spleeter's networks were published."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The .safetensors file to write."""


@dataclasses.dataclass(frozen=True)
class ListWeights:
    """List the names of all weights, and where they are."""


@dataclasses.dataclass(frozen=True)
class Show:
    """Show architecture, sources and provenance of weights."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """Name or file of the weights."""


@dataclasses.dataclass(frozen=True)
class Download:
    """Download pretrained weights, check their SHA-256 and convert them."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """spleeter, spleeter_4stems, spleeter_5stems, tasnet, tasnet_extra, htdemucs, htdemucs_ft or htdemucs_6s."""
    url: str | None = None
    """Mirror, local file, or for htdemucs_ft a folder of local files; their SHA-256 must be the published one."""


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
    """Prepare songs for experiments: silence each source in a part of the song, and write the annotation.

    If it is interrupted, run the same command again to continue.
    """

    root: Annotated[Positional[Path], arg(metavar="SONGS")]
    """Folder of MUSDB18, of MUSDB18-HQ, with SONG/{mixture,drums,bass,other,vocals}.wav, or with SONG.npy arrays."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Folder for the songs, their annotations and manifest.json."""
    prepare: OmitArgPrefixes[PrepareConfig]
    subset: Subset | None = None
    """Subset of MUSDB18 to use; by default both."""
    limit: int | None = None
    """Number of songs to use, the first ones in alphabetical order; by default all."""


@dataclasses.dataclass(frozen=True)
class RunSweep:
    """Run all cells of a grid (one song with one choice of settings) that have no results yet.

    If it is interrupted, run the same command again to continue.
    """

    grid: Annotated[Positional[str], arg(metavar="GRID")]
    """A TOML file, or a grid that ships with ugosa_jax: table1, variants, lambda, segments, reference."""
    set: UseAppendAction[tuple[str, ...]] = ()
    """SECTION.KEY=VALUE replaces a key of the grid: adapt.learning_rate=1e-3 or 'adapt.lam=[0.1, 1]'."""
    songs: Path | None = None
    """Folder of the songs; by default that of the grid."""
    weights: str | None = None
    """Name or file of the network; by default that of the grid, or else the best one installed."""
    results: Path | None = None
    """Results directory; by default sweeps/GRID, followed by the changes of --set."""
    lanes: int | None = None
    """Number of cells that run side by side; by default one on a CPU, and as many as fit into the memory of a GPU or
    TPU."""
    ray: tuple[str, ...] | None = None
    """Run cells on a Ray cluster (needs ray): HOST:PORT, or auto for the cluster of this machine; without an address,
    a new cluster is started on this machine."""
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
    """Write all scores of sweeps as one tidy table, with one score per row."""

    results: Annotated[Positional[tuple[Path, ...]], arg(metavar="RESULTS …")]
    """Results directories, one or more."""
    out: Path = Path("scores.csv")
    """The table to write: .csv or .parquet."""


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
    """Score stems against the true ones: SDR, ISR, SIR, SAR (BSSEval v4), leakage (PES) and lost energy (EPS)."""

    references: Annotated[Positional[Path], arg(metavar="REFERENCES")]
    """Folder with the true stems: drums.wav, bass.wav, other.wav, vocals.wav; mixture.wav and annotation.csv if any."""
    estimates: Annotated[Positional[Path], arg(metavar="ESTIMATES")]
    """Folder with files of the same names, as `ugosa-jax separate` writes them."""
    evaluate: OmitArgPrefixes[EvaluateConfig]
    rule: Literal["target", "museval"] = "target"
    """Frames that are scored: those in which the scored source is not silent (target), or no source is (museval)."""
    museval_json: Path | None = None
    """File for the scores of every frame in museval's JSON format."""


@dataclasses.dataclass(frozen=True)
class Report:
    """Write tables, figures and significance tests of sweeps as Markdown, HTML, CSV, LaTeX and SVG."""

    scores: Annotated[Positional[tuple[Path, ...]], arg(metavar="RESULTS …")]
    """Results directories, one or more, or .csv tables written by `ugosa-jax sweep collect`."""
    out: Path = Path("report")
    """Folder for report.md, report.html, and each table and figure."""


@dataclasses.dataclass(frozen=True)
class Bench:
    """Measure the speed of adaptation on this device, also relative to the speed of its matrix products."""

    adapt: OmitArgPrefixes[AdaptConfig] = dataclasses.field(default_factory=lambda: AdaptConfig(epochs=2))
    lanes: str = "1"
    """Numbers of songs that are adapted side by side, such as 1,2,4,8; each is a row of the table."""
    weights: str = "mini"
    """Name (see `ugosa-jax weights list`) or file of the network."""
    size: Literal["demucs", "htdemucs"] | None = None
    """Use a full-size network with random weights instead of --weights: the ConvTasNet of the Demucs repository
    (demucs), or HTDemucs."""
    seconds: float = 20.0
    """Length in seconds of each song, which is noise."""
    repeats: int = 3
    """Number of timed runs of all epochs."""
    compile_only: str | None = None
    """Only compile the programs, for devices that need not be present, and estimate their time. TPUs such as v5e:2x2
    need the extra [tpu], GPUs such as h100:4 or a100:1 the extra [cuda]."""
    json: Path | None = None
    """File to write, as JSON: device, versions, settings and measurements."""
