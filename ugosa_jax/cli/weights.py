"""The commands `ugosa-jax weights …`: convert, list, show, download."""

import math
from pathlib import Path

from ugosa_jax import api
from ugosa_jax.cli import options
from ugosa_jax.cli.output import say
from ugosa_jax.networks import protocol
from ugosa_jax.weights import hub
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.download import download_weights
from ugosa_jax.weights.pretrained import PRETRAINED


def convert(args: options.Convert) -> int:
    """Convert a checkpoint of the Demucs repository; return 0.

    Raises:
      InputError: it cannot be converted, or the file not be written.
    """
    found = api.convert_checkpoint(args.checkpoint, args.out)
    say(f"{args.out}: {found.fingerprint[:16]}")
    return 0


def listing(_: options.ListWeights) -> int:
    """List the weights that are known by name; return 0."""
    for entry in hub.list_weights():
        size = f"{entry.size_bytes / 1e6:.1f} MB" if entry.size_bytes else ""
        known = PRETRAINED.get(entry.name)
        say(f"{entry.name:16} {entry.where:14} {size:>10}  {entry.path or (known.description if known else '')}")
    return 0


def show(args: options.Show) -> int:
    """Show architecture, sources and provenance of weights; return 0.

    Raises:
      InputError: there are no such weights, or they cannot be read.
    """
    found = hub.load_network(args.name)
    size = sum(math.prod(shape) for shape in found.shapes.values())
    rows = {"parameters": f"{size:,}", "fingerprint": found.fingerprint}
    if isinstance(found, Bag):
        rows |= {name: f"counts {row}" for name, row in zip(found.members, found.weights_MxS, strict=True)}
    if isinstance(found, Chain):
        rows |= {"sources": found.sources} | {link.name: f"takes {', '.join(link.takes)}" for link in found.links}
    else:
        rows |= protocol.describe(found.architecture)
    for key, value in (rows | found.provenance).items():
        say(f"{key:16} {', '.join(value) if isinstance(value, tuple) else value}")
    return 0


def download(args: options.Download) -> int:
    """Download published weights, check and convert them; return 0.

    Raises:
      InputError: they are not known, cannot be had, or are not what was published.
    """
    print(fetched(args.name, args.url))
    return 0


def fetched(name: str, url: str | None = None) -> Path:
    """Download published weights, with their licence first: it may be reason not to."""
    if name in PRETRAINED:
        print(f"licence: {PRETRAINED[name].licence}", flush=True)
    return download_weights(name, url)
