"""The commands `ugosa-jax weights convert`, `list`, `show` and `download`."""

import math
from pathlib import Path

from ugosa_jax import api
from ugosa_jax.cli import options
from ugosa_jax.cli.output import print_line
from ugosa_jax.networks import protocol
from ugosa_jax.weights import hub
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.download import download_weights
from ugosa_jax.weights.pretrained import PRETRAINED


def convert(args: options.Convert) -> int:
    """Convert a published checkpoint; return 0.

    Raises:
      InputError: the checkpoint cannot be converted, or the file cannot be written.
    """
    loaded = api.convert_checkpoint(args.checkpoint, args.out)
    print_line(f"{args.out}: {loaded.fingerprint[:16]}")
    return 0


def list_weights(_: options.ListWeights) -> int:
    """Print the names of all weights, and where they are; return 0."""
    for entry in hub.list_weights():
        size = f"{entry.size_bytes / 1e6:.1f} MB" if entry.size_bytes else ""
        known = PRETRAINED.get(entry.name)
        print_line(f"{entry.name:16} {entry.where:14} {size:>10}  {entry.path or (known.description if known else '')}")
    return 0


def show(args: options.Show) -> int:
    """Show architecture, sources and provenance of weights; return 0.

    Raises:
      InputError: the weights do not exist, or cannot be read.
    """
    loaded = hub.load_network(args.name)
    size = sum(math.prod(shape) for shape in loaded.shapes.values())
    rows = {"parameters": f"{size:,}", "fingerprint": loaded.fingerprint}
    if isinstance(loaded, Bag):
        rows |= {
            name: f"weights {', '.join(f'{weight:g}' for weight in row)}"
            for name, row in zip(loaded.members, loaded.weights_MxS, strict=True)
        }
    if isinstance(loaded, Chain):
        rows |= {"sources": loaded.sources} | {link.name: f"takes {', '.join(link.takes)}" for link in loaded.links}
    else:
        rows |= protocol.describe(loaded.architecture)
    for key, value in (rows | loaded.provenance).items():
        print_line(f"{key:16} {', '.join(value) if isinstance(value, tuple) else value}")
    return 0


def download(args: options.Download) -> int:
    """Download published weights, check and convert them; return 0.

    Raises:
      InputError: the name is unknown, the download fails, or the file is not the published one.
    """
    print(fetch(args.name, args.url))
    return 0


def fetch(name: str, url: str | None = None) -> Path:
    """Print the licence of published weights, then download them; return their file."""
    if name in PRETRAINED:
        print(f"licence: {PRETRAINED[name].licence}", flush=True)
    return download_weights(name, url)
