"""Options of `ugosa-jax annotation …`, and options of all commands that read an annotation."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitSubcommandPrefixes, Positional, UseAppendAction, arg, subcommand

from ugosa_jax import config
from ugosa_jax.annotations.formats import Format


@dataclasses.dataclass(frozen=True)
class ReadingOptions:
    """Options for reading an annotation."""

    outside: Literal["silent", "unknown"] | None = None
    """State of a source outside of its labels, if it has any. Default: silent if the file only marks where sources
    play, else unknown."""
    format: Format | None = None
    """Format of the annotation. Default: recognised by content and suffix."""
    map: UseAppendAction[tuple[str, ...]] = ()
    """Which source a name in the file means: Gesang=vocals; 'Klavier=one of other' for one of several instruments of a
    source; NAME= to ignore the labels with this name."""
    names: Path | None = None
    """TOML file with the meaning of names, in lines such as "Gesang" = "vocals"; --map takes precedence."""
    unit: str | None = None
    """Unit of the times: s, ms, us, 100ns, or a number of samples per second such as 44100. Default: that of the
    format, or s."""
    stems: Path | None = None
    """METADATA.yaml of a MedleyDB song, which lists the instruments of the stems S01, S02 …"""
    complete: bool = False
    """Whether every instrument of each source in the file is annotated. If so, a source is silent where all its
    annotated instruments are silent; otherwise it is unknown there."""


@dataclasses.dataclass(frozen=True)
class ReadingWithSources(ReadingOptions):
    """Options for reading an annotation without a network, which would define the sources."""

    sources: tuple[str, ...] = config.SOURCES
    """Names of the sources that the song will be separated into."""


@dataclasses.dataclass(frozen=True)
class CheckAnnotation:
    """Show how an annotation is interpreted, and whether it has enough silence to learn from."""

    file: Annotated[Positional[Path], arg(metavar="FILE")]
    """The annotation: CSV, Audacity, .lab, JAMS, Sonic Visualiser, REAPER, Praat, ELAN …; or a folder with one file per
    source."""
    reading: Annotated[ReadingWithSources, arg(name="")]
    song: Annotated[Positional[Path | None], arg(metavar="[SONG]")] = None
    """The mixture; its length is compared with the annotation, and its waveform is drawn in the picture."""
    picture: Path | None = None
    """Picture of the annotation to write, .png or .svg (needs matplotlib)."""


@dataclasses.dataclass(frozen=True)
class ConvertAnnotation:
    """Write an annotation in another format: .csv, .txt (Audacity) or .jams."""

    file: Annotated[Positional[Path], arg(metavar="FILE")]
    """The annotation, or a folder with one file for each source."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The file to write."""
    reading: Annotated[ReadingWithSources, arg(name="")]
    song: Path | None = None
    """The mixture. With its length, silence outside of all labels can be written as intervals in every format."""


@dataclasses.dataclass(frozen=True)
class AnnotateStems:
    """Compute from stems when each source is active, with the procedure of the MedleyDB data set."""

    folder: Annotated[Positional[Path], arg(metavar="FOLDER")]
    """Folder with a sound file for each source, named after the source: drums.wav …"""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The file to write: .csv, .txt (Audacity) or .jams."""
    threshold: float = config.Preset.activation_threshold
    """θ of eq. (2): the scaled envelope above which a stem is active."""
    sources: tuple[str, ...] = config.SOURCES
    """Names of the stems."""


@dataclasses.dataclass(frozen=True)
class SuggestAnnotation:
    """Write a draft of an annotation, to be corrected by listening, from the silence in a network's estimates."""

    song: Annotated[Positional[Path], arg(metavar="SONG")]
    """The mixture."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The file to write: .csv, .txt (Audacity) or .jams."""
    weights: str | None = None
    """Name (see `ugosa-jax weights list`) or file of the network; by default, the best one installed."""


@dataclasses.dataclass(frozen=True)
class AnnotationCommands:
    """Check, convert, compute and draft annotations."""

    action: Annotated[
        OmitSubcommandPrefixes[
            Annotated[CheckAnnotation, subcommand("check")]
            | Annotated[ConvertAnnotation, subcommand("convert")]
            | Annotated[AnnotateStems, subcommand("from-stems")]
            | Annotated[SuggestAnnotation, subcommand("suggest")]
        ],
        arg(name=""),
    ]
