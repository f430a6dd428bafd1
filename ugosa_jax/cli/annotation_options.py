"""Options of `ugosa-jax annotation …`, and options of all commands that read an annotation."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitSubcommandPrefixes, Positional, UseAppendAction, arg, subcommand

from ugosa_jax import config
from ugosa_jax.annotations.formats import Format


@dataclasses.dataclass(frozen=True)
class Reading:
    """How to read an annotation."""

    outside: Literal["silent", "unknown"] | None = None
    """State of a named source outside of its labels. Default: silent if the file marks activity only."""
    format: Format | None = None
    """Format of the annotation. Default: recognised by content and suffix."""
    map: UseAppendAction[tuple[str, ...]] = ()
    """Meaning of a name: Gesang=vocals, or 'Klavier=one of other' for one instrument; NAME= leaves its labels out."""
    names: Path | None = None
    """TOML file with lines such as "Gesang" = "vocals"; --map takes precedence."""
    unit: str | None = None
    """Unit of the times: s, ms, us, 100ns, or samples per second such as 44100. Default: that of the format, or s."""
    stems: Path | None = None
    """METADATA.yaml of a MedleyDB song, which names the instruments of its stems."""
    complete: bool = False
    """All instruments of each named source are annotated: the source is silent where they all are."""


@dataclasses.dataclass(frozen=True)
class ReadingForSources(Reading):
    """How to read an annotation if no network is given."""

    sources: tuple[str, ...] = config.SOURCES
    """Sources of the network."""


@dataclasses.dataclass(frozen=True)
class CheckAnnotation:
    """Show how an annotation is understood, and whether it has enough silence to learn from."""

    file: Annotated[Positional[Path], arg(metavar="FILE")]
    """CSV, Audacity, .lab, JAMS, Sonic Visualiser, REAPER, Praat, ELAN …; or a folder with one file per source."""
    reading: Annotated[ReadingForSources, arg(name="")]
    song: Annotated[Positional[Path | None], arg(metavar="[SONG]")] = None
    """The mixture, to compare its length and waveform with the annotation."""
    picture: Path | None = None
    """A picture to write, .png or .svg (needs matplotlib)."""


@dataclasses.dataclass(frozen=True)
class ConvertAnnotation:
    """Write an annotation in another format: .csv, .txt (Audacity) or .jams."""

    file: Annotated[Positional[Path], arg(metavar="FILE")]
    """The annotation, or a folder with one file for each source."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The file to write."""
    reading: Annotated[ReadingForSources, arg(name="")]
    song: Path | None = None
    """The mixture: silence is written as intervals up to its end, and nothing is lost."""


@dataclasses.dataclass(frozen=True)
class AnnotateStems:
    """Write when each stem is active, by the procedure of the MedleyDB data set."""

    folder: Annotated[Positional[Path], arg(metavar="FOLDER")]
    """A folder with a sound file for each source, named after it: drums.wav …"""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The file to write: .csv, .txt (Audacity) or .jams."""
    threshold: float = config.Preset.activation_threshold
    """θ of eq. (2): the scaled envelope above which a stem is active."""
    sources: tuple[str, ...] = config.SOURCES
    """Names of the stems."""


@dataclasses.dataclass(frozen=True)
class SuggestAnnotation:
    """Write a first draft to listen to and correct: silence in the estimates of a network that was not adapted."""

    song: Annotated[Positional[Path], arg(metavar="SONG")]
    """The mixture."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The file to write: .csv, .txt (Audacity) or .jams."""
    weights: str | None = None
    """Name (see `ugosa-jax weights list`) or file of the network; by default, the best network that is installed."""


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
