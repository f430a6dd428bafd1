"""Options of `ugosa-jax weights …`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitSubcommandPrefixes, Positional, arg, subcommand


@dataclasses.dataclass(frozen=True)
class Convert:
    """Convert a checkpoint of the Demucs repository, or of Spleeter, to safetensors. Nothing in it is executed."""

    checkpoint: Annotated[Positional[Path], arg(metavar="CHECKPOINT")]
    """A .th or .th.gz file; or an archive that Spleeter's networks were published in."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The .safetensors file to write."""


@dataclasses.dataclass(frozen=True)
class ListWeights:
    """List the weights that are known by name, and where they are."""


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
    """A mirror, or a file that was brought here by hand, or, of htdemucs_ft, a folder of such files.
    They must have the published SHA-256."""


@dataclasses.dataclass(frozen=True)
class Weights:
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
