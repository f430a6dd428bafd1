"""The command line: parse, call, print.

JAX is imported by the commands that need it, not by this module: `ugosa-jax --help` answers at once.
"""

import dataclasses
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import tyro
from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes, Positional, subcommand

from ugosa_jax import __version__, config
from ugosa_jax.annotations.formats import Format
from ugosa_jax.config import AdaptConfig, EvaluateConfig, SeparateConfig
from ugosa_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Separate:
    """Adapt a network to one song, guided by its annotation, and write the stems."""

    song: Positional[Path]
    """The mixture: WAV, FLAC, Ogg, MP3 …"""
    adapt: OmitArgPrefixes[AdaptConfig]
    separate: OmitArgPrefixes[SeparateConfig]
    annotation: Path | None = None
    """When each source plays, in any format of docs/annotations.md. Not needed by B strategies."""
    outside: Literal["silent", "unknown"] | None = None
    """What holds where the annotation says nothing of a source it names; silent if it only lists active times."""
    format: Format | None = None
    """Of the annotation; recognised by its content and its suffix if not given."""
    map: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=SOURCE, such as piano=other: what other names stand for; NAME= leaves a name's labels out."""
    complete: bool = False
    """All instruments of each named source are annotated: where they all rest, the source is silent."""
    weights: str = "tasnet"
    """Name (see `ugosa-jax weights list`) or file of the network to start from."""
    delta: Path | None = None
    """Tuned layers that an earlier run wrote: the song is separated with them; nothing is adapted."""
    preset: Literal["paper", "reference"] = "paper"
    """Where the settings below start from: the paper's text, or the defaults of its code."""
    out: Path | None = None
    """Folder for the results; separated/SONG if not given."""
    encoding: Literal["float", "24", "16"] = "float"
    """Samples of the stems: 32-bit float, or integers that clip at full scale."""
    references: Path | None = None
    """Folder with the true stems, if you have them: the report then scores the stems before and after adaptation."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import separate

        return separate.separate(self)


@dataclasses.dataclass(frozen=True)
class Prepare:
    """Make a data set for experiments: each source silent for a quarter of the song, and who plays when.

    A preparation that was interrupted goes on when the same command is given again.
    """

    root: Positional[Path]
    """SONG/{mixture,drums,bass,other,vocals}.wav, MUSDB18, MUSDB18-HQ, or SONG.npy arrays."""
    out: Positional[Path]
    """Folder for the songs, their annotations and manifest.json."""
    subset: Literal["train", "test"] | None = None
    """Only this part of MUSDB18."""
    limit: int | None = None
    """Only so many songs, the first ones by name."""
    seed: int = 0
    """Decides, together with a song's name, which source is silent in which quarter."""
    threshold: float = config.Preset.activation_threshold
    """θ of eq. (2): the confidence above which a stem counts as active."""
    as_is: bool = False
    """Silence nothing: only compute the activations, for songs that are to be used as they are."""
    encoding: Literal["float", "16"] = "16"
    """Samples of the sound: 16-bit integers, as the paper's code writes them, or 32-bit float. Stems that were once MP3
    or AAC, as MUSDB18's, are empty above some frequency; BSSEval needs the rounding noise of 16 bits there."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import prepare

        return prepare.prepare(self)


@dataclasses.dataclass(frozen=True)
class Demo:
    """Adapt the bundled network to the bundled song and compare after with before."""

    out: Path = Path("separated/demo")
    """Folder for the stems, the figure and the report."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import demo

        return demo.run(self.out)


@dataclasses.dataclass(frozen=True)
class Convert:
    """Convert a checkpoint of the Demucs repository to safetensors. Nothing in it is executed."""

    checkpoint: Positional[Path]
    """A .th or .th.gz file."""
    out: Positional[Path]
    """The .safetensors file to write."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.networks import checkpoint, convtasnet_torch

        if self.checkpoint.resolve() == self.out.resolve():
            raise InputError(f"{self.out}: is the checkpoint itself; name another file to write")
        found = convtasnet_torch.convert(self.checkpoint)
        checkpoint.save(found, self.out)
        print(f"{self.out}: {found.fingerprint[:16]}")
        return 0


@dataclasses.dataclass(frozen=True)
class ListWeights:
    """List the weights that are known by name, and where they are."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.networks import hub

        for entry in hub.listing():
            size = f"{entry.size_bytes / 1e6:.1f} MB" if entry.size_bytes else ""
            known = hub.KNOWN.get(entry.name)
            print(f"{entry.name:16} {entry.where:14} {size:>10}  {entry.path or (known.description if known else '')}")
        return 0


@dataclasses.dataclass(frozen=True)
class Show:
    """Show architecture, sources and provenance of weights."""

    name: Positional[str]
    """Name or file."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.networks import checkpoint, hub

        found = hub.load(self.name)
        size = sum(leaf.size for leaf in checkpoint.flat(found.params).values())
        rows = {"parameters": f"{size:,}", "fingerprint": found.fingerprint}
        for key, value in (rows | dataclasses.asdict(found.config) | found.provenance).items():
            print(f"{key:16} {', '.join(value) if isinstance(value, tuple) else value}")
        return 0


@dataclasses.dataclass(frozen=True)
class Download:
    """Download published weights, check their SHA-256 and convert them."""

    name: Positional[str]
    """tasnet or tasnet_extra."""
    url: str | None = None
    """A mirror, or a file that was brought here by hand; it must have the published SHA-256."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.networks import hub

        path = hub.download(self.name, self.url)
        print(f"{path}\nlicence: {hub.KNOWN[self.name].licence}")
        return 0


@dataclasses.dataclass(frozen=True)
class Weights:
    """Convert, list, show and download weights."""

    action: OmitSubcommandPrefixes[
        Annotated[Convert, subcommand("convert")]
        | Annotated[ListWeights, subcommand("list")]
        | Annotated[Show, subcommand("show")]
        | Annotated[Download, subcommand("download")]
    ]

    def run(self) -> int:
        """Run the command; return its exit code."""
        return self.action.run()


@dataclasses.dataclass(frozen=True)
class RunSweep:
    """Run the cells of a grid that its store lacks; the same command again goes on."""

    grid: Positional[str]
    """A TOML file, or a grid that ships with ugosa_jax: table1, variants, lambda, segments, reference."""
    songs: Path | None = None
    """Folder of the songs, in place of the one that the grid names."""
    weights: str | None = None
    """Name or file of the network, in place of the one that the grid names."""
    store: Path | None = None
    """Folder of the results; sweeps/GRID if not given."""
    lanes: int | None = None
    """Cells that run side by side; if not given, what a GPU's or TPU's memory holds, and one on a CPU."""
    shard: str = "1/1"
    """Run only the i-th of n parts of the cells, written i/n: for job arrays that share a store."""
    retry: bool = False
    """Run cells that failed once more."""
    keep_deltas: bool = False
    """Store the tuned layers of every cell."""
    keep_stems: bool = False
    """Store the stems of every cell."""
    tensorboard: bool = False
    """Write losses and scores for TensorBoard too, into STORE/tensorboard (needs tensorboardX)."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import sweep

        return sweep.run(self)


@dataclasses.dataclass(frozen=True)
class Status:
    """Say how far a sweep has come."""

    store: Positional[Path]
    """Folder of the results."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import sweep

        return sweep.status(self)


@dataclasses.dataclass(frozen=True)
class Collect:
    """Write the scores of sweeps as one tidy table, a score a row."""

    stores: Positional[tuple[Path, ...]]
    """Folders of results."""
    out: Path = Path("scores.csv")
    """The table: .csv, or .parquet."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import sweep

        return sweep.collect(self)


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Adapt with many settings to many songs, and score the results."""

    action: OmitSubcommandPrefixes[
        Annotated[RunSweep, subcommand("run")]
        | Annotated[Status, subcommand("status")]
        | Annotated[Collect, subcommand("collect")]
    ]

    def run(self) -> int:
        """Run the command; return its exit code."""
        return self.action.run()


@dataclasses.dataclass(frozen=True)
class Understanding:
    """How an annotation is read."""

    outside: Literal["silent", "unknown"] | None = None
    """What holds where the annotation says nothing of a source it names; silent if it only lists active times."""
    format: Format | None = None
    """Of the annotation; recognised by its content and its suffix if not given."""
    map: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=SOURCE, such as piano=other: what other names stand for; NAME= leaves a name's labels out."""
    stems: Path | None = None
    """METADATA.yaml of a MedleyDB song: which instrument each stem of its activations is."""
    complete: bool = False
    """All instruments of each named source are annotated: where they all rest, the source is silent."""
    sources: tuple[str, ...] = config.ModelConfig.sources
    """Sources of the network."""


@dataclasses.dataclass(frozen=True)
class CheckAnnotation:
    """Show what is understood of an annotation, and whether there is enough silence in it to learn from."""

    file: Positional[Path]
    """CSV, Audacity labels, .lab, JAMS, Sonic Visualiser, REAPER, Praat, MedleyDB; or a folder with one a source."""
    how: OmitArgPrefixes[Understanding]
    song: Annotated[Positional[Path | None], tyro.conf.arg(metavar="[SONG]")] = None
    """The mixture, whose length and waveform are compared with it."""
    picture: Path | None = None
    """A picture to write, .png or .svg (needs matplotlib)."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import annotation

        return annotation.check(self.file, self.song, self.how, self.picture)


@dataclasses.dataclass(frozen=True)
class ConvertAnnotation:
    """Write an annotation in another format: .csv, .txt (Audacity) or .jams."""

    file: Positional[Path]
    """The annotation, or a folder with one a source."""
    out: Positional[Path]
    """The file to write."""
    how: OmitArgPrefixes[Understanding]
    song: Path | None = None
    """The mixture: silence outside of intervals is written out up to its end, and nothing is lost."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import annotation

        return annotation.convert(self.file, self.out, self.song, self.how)


@dataclasses.dataclass(frozen=True)
class AnnotateStems:
    """Write when each stem sounds, by the procedure of the MedleyDB data set."""

    folder: Positional[Path]
    """A folder with a sound file for each source, named after it: drums.wav …"""
    out: Positional[Path]
    """The file to write: .csv, .txt (Audacity) or .jams."""
    threshold: float = config.Preset.activation_threshold
    """θ of eq. (2): the confidence above which a stem counts as active."""
    sources: tuple[str, ...] = config.ModelConfig.sources
    """Names of the stems."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import annotation

        return annotation.from_stems(self.folder, self.out, self.threshold, self.sources)


@dataclasses.dataclass(frozen=True)
class SuggestAnnotation:
    """Write a first draft to listen to and correct: where a network, not adapted, hears nothing of a source."""

    song: Positional[Path]
    """The mixture."""
    out: Positional[Path]
    """The file to write: .csv, .txt (Audacity) or .jams."""
    weights: str = "tasnet"
    """Name (see `ugosa-jax weights list`) or file of the network."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import annotation

        return annotation.suggest(self.song, self.out, self.weights)


@dataclasses.dataclass(frozen=True)
class Annotation:
    """Check, convert, compute and draft annotations."""

    action: OmitSubcommandPrefixes[
        Annotated[CheckAnnotation, subcommand("check")]
        | Annotated[ConvertAnnotation, subcommand("convert")]
        | Annotated[AnnotateStems, subcommand("from-stems")]
        | Annotated[SuggestAnnotation, subcommand("suggest")]
    ]

    def run(self) -> int:
        """Run the command; return its exit code."""
        return self.action.run()


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Compare stems with the true ones: SDR, ISR, SIR, SAR (BSSEval v4), PES and EPS."""

    references: Positional[Path]
    """Folder with the true stems: drums.wav, bass.wav, other.wav, vocals.wav; perhaps mixture.wav, annotation.csv."""
    estimates: Positional[Path]
    """Folder with files of the same names, such as `ugosa-jax separate` writes."""
    evaluate: OmitArgPrefixes[EvaluateConfig]
    rule: Literal["target", "museval"] = "target"
    """Frames that count: those in which the source itself is not silent, or, as museval does, in which none is."""
    museval_json: Path | None = None
    """Write the scores of every frame as museval does, for its aggregation."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import evaluate

        return evaluate.run(self)


@dataclasses.dataclass(frozen=True)
class Bench:
    """Measure how fast this device adapts, and how near that is to what its matrix products allow."""

    adapt: OmitArgPrefixes[AdaptConfig] = dataclasses.field(default_factory=lambda: AdaptConfig(epochs=2))
    lanes: str = "1"
    """Songs side by side, one row of the table each: 1,2,4,8."""
    weights: str = "mini"
    """Name (see `ugosa-jax weights list`) or file of the network."""
    size: Literal["demucs"] | None = None
    """The published full-size network with random weights, which need no download, in place of --weights."""
    seconds: float = 20.0
    """Length of each song, which is noise."""
    repeats: int = 3
    """Runs that are timed; a run has all epochs."""
    json: Path | None = None
    """Write device, versions, settings and figures."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import bench

        return bench.run(self)


@dataclasses.dataclass(frozen=True)
class Report:
    """Make tables, figures and tests of significance of sweeps: Markdown, HTML, CSV, LaTeX, SVG."""

    scores: Positional[tuple[Path, ...]]
    """Folders of results, or tables that `ugosa-jax sweep collect` has written as .csv."""
    out: Path = Path("report")
    """Folder for report.md, report.html, and each table and figure."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from ugosa_jax.cli import sweep

        return sweep.report_on(self)


def program() -> NoReturn:
    """Be the installed command `ugosa-jax`."""
    code = main()
    sys.stdout.flush()
    if code == INTERRUPTED:
        os._exit(code)  # JAX's threads may be at work, and do not like to see the interpreter go
    sys.exit(code)


INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `ugosa-jax` and return its exit code: 0 done, 1 stopped early, 2 bad input, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show λ gets a question mark
    if "--version" in arguments:
        print(f"ugosa_jax {__version__}")
        return 0
    try:
        start = _preset(arguments)
        separate = Separate(song=tyro.MISSING, adapt=start.adapt, separate=start.separate)
        commands = (
            Annotated[Separate, subcommand("separate", default=separate)]
            | Annotated[Weights, subcommand("weights")]
            | Annotated[Prepare, subcommand("prepare")]
            | Annotated[Sweep, subcommand("sweep")]
            | Annotated[Annotation, subcommand("annotation")]
            | Annotated[Evaluate, subcommand("evaluate")]
            | Annotated[Report, subcommand("report")]
            | Annotated[Bench, subcommand("bench")]
            | Annotated[Demo, subcommand("demo")]
        )
        command = tyro.cli(commands, args=arguments, prog="ugosa-jax", description=_DESCRIPTION)
        return command.run()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"error: not enough memory ({error})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _preset(arguments: Sequence[str]) -> config.Preset:
    """Return the preset that the arguments name last: its values are what --help shows and other flags change."""
    name = "paper"
    for i, argument in enumerate(arguments):
        if argument == "--preset" and i + 1 < len(arguments):
            name = arguments[i + 1]
        elif argument.startswith("--preset="):
            name = argument.removeprefix("--preset=")
    return config.reference() if name == "reference" else config.paper()


_DESCRIPTION = "User-guided one-shot adaptation of music source separation, in JAX."
