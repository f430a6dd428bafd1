"""Options of `ugosa-jax weights …`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitSubcommandPrefixes, Positional, subcommand


@dataclasses.dataclass(frozen=True)
class Convert:
    """Convert a checkpoint of the Demucs repository to safetensors. Nothing in it is executed."""

    checkpoint: Positional[Path]
    """A .th or .th.gz file."""
    out: Positional[Path]
    """The .safetensors file to write."""


@dataclasses.dataclass(frozen=True)
class ListWeights:
    """List the weights that are known by name, and where they are."""


@dataclasses.dataclass(frozen=True)
class Show:
    """Show architecture, sources and provenance of weights."""

    name: Positional[str]
    """Name or file."""


@dataclasses.dataclass(frozen=True)
class Download:
    """Download pretrained weights, check their SHA-256 and convert them."""

    name: Positional[str]
    """tasnet, tasnet_extra, htdemucs, htdemucs_ft or htdemucs_6s."""
    url: str | None = None
    """A mirror, or a file that was brought here by hand, or, of htdemucs_ft, a folder of such files; they must have the
    published SHA-256."""


@dataclasses.dataclass(frozen=True)
class Weights:
    """Convert, list, show and download weights."""

    action: OmitSubcommandPrefixes[
        Annotated[Convert, subcommand("convert")]
        | Annotated[ListWeights, subcommand("list")]
        | Annotated[Show, subcommand("show")]
        | Annotated[Download, subcommand("download")]
    ]
