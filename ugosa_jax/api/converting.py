"""Conversion of checkpoints of other projects."""

from pathlib import Path

from ugosa_jax.errors import InputError
from ugosa_jax.weights import checkpoint, hub
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.checkpoint import Checkpoint


def convert_checkpoint(path: str | Path, out: str | Path) -> Checkpoint:
    """Convert a checkpoint of the Demucs repository or of Spleeter to safetensors, without executing its code.

    Args:
      path: the checkpoint.
      out: the file to write; `load_network` reads it.

    Returns:
      The converted network.

    Raises:
      InputError: the checkpoint cannot be read, or the file cannot be written.
    """
    if Path(path).resolve() == Path(out).resolve():
        raise InputError(f"{out}: is the checkpoint itself; choose another file for the output")
    found = hub.load_network(path)
    if not isinstance(found, Checkpoint):
        kind = "bag" if isinstance(found, Bag) else "chain"
        raise InputError(f"{path}: is a {kind} of {len(found.members)} networks; convert each of them")
    checkpoint.save(found, out)
    return found
