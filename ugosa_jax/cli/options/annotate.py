"""Options of `ugosa-jax annotation …`, and how any command reads an annotation."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitSubcommandPrefixes, Positional, UseAppendAction, arg, subcommand

from ugosa_jax import config
from ugosa_jax.annotations.formats import Format


@dataclasses.dataclass(frozen=True)
class Reading:
    """How an annotation is read."""

    outside: Literal["silent", "unknown"] | None = None
    """What holds where the annotation says nothing of a source it names; silent if it only lists active times."""
    format: Format | None = None
    """Of the annotation; recognised by its content and its suffix if not given."""
    map: UseAppendAction[tuple[str, ...]] = ()
    """What a name stands for: Gesang=vocals, 'Klavier=one of other' for one instrument; NAME= leaves its labels out."""
    names: Path | None = None
    """TOML file of your own names, with lines such as "Gesang" = "vocals"; --map comes first."""
    unit: str | None = None
    """What times count: s, ms, us, 100ns, or samples a second such as 44100. Told by the file, or seconds."""
    stems: Path | None = None
    """METADATA.yaml of a MedleyDB song: which instrument each stem of its activations is."""
    complete: bool = False
    """All instruments of each named source are annotated: where they all rest, the source is silent."""


@dataclasses.dataclass(frozen=True)
class ReadingForSources(Reading):
    """How an annotation is read that no network is named for."""

    sources: tuple[str, ...] = config.SOURCES
    """Sources of the network."""


@dataclasses.dataclass(frozen=True)
class CheckAnnotation:
    """Show what is understood of an annotation, and whether there is enough silence in it to learn from."""

    file: Annotated[Positional[Path], arg(metavar="FILE")]
    """CSV, Audacity, .lab, JAMS, Sonic Visualiser, REAPER, Praat, ELAN, MedleyDB …; or a folder with one a source."""
    reading: Annotated[ReadingForSources, arg(name="")]
    song: Annotated[Positional[Path | None], arg(metavar="[SONG]")] = None
    """The mixture, whose length and waveform are compared with it."""
    picture: Path | None = None
    """A picture to write, .png or .svg (needs matplotlib)."""


@dataclasses.dataclass(frozen=True)
class ConvertAnnotation:
    """Write an annotation in another format: .csv, .txt (Audacity) or .jams."""

    file: Annotated[Positional[Path], arg(metavar="FILE")]
    """The annotation, or a folder with one a source."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The file to write."""
    reading: Annotated[ReadingForSources, arg(name="")]
    song: Path | None = None
    """The mixture: silence outside of intervals is written out up to its end, and nothing is lost."""


@dataclasses.dataclass(frozen=True)
class AnnotateStems:
    """Write when each stem sounds, by the procedure of the MedleyDB data set."""

    folder: Annotated[Positional[Path], arg(metavar="FOLDER")]
    """A folder with a sound file for each source, named after it: drums.wav …"""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The file to write: .csv, .txt (Audacity) or .jams."""
    threshold: float = config.Preset.activation_threshold
    """θ of eq. (2): the confidence above which a stem counts as active."""
    sources: tuple[str, ...] = config.SOURCES
    """Names of the stems."""


@dataclasses.dataclass(frozen=True)
class SuggestAnnotation:
    """Write a first draft to listen to and correct: where a network, not adapted, hears nothing of a source."""

    song: Annotated[Positional[Path], arg(metavar="SONG")]
    """The mixture."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The file to write: .csv, .txt (Audacity) or .jams."""
    weights: str = "tasnet"
    """Name (see `ugosa-jax weights list`) or file of the network."""


@dataclasses.dataclass(frozen=True)
class AnnotationCommand:
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
