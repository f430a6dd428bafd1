"""Published checkpoints as native ones: a file's content decides how it is read.

In those of the Demucs repository, the class that is named; Spleeter's are archives.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from ugosa_jax import files
from ugosa_jax.errors import error_context, require
from ugosa_jax.networks.protocol import Architecture, Params
from ugosa_jax.weights import convtasnet_torch, demucs_safetensors, htdemucs_torch, package, spleeter_files, torchfile
from ugosa_jax.weights.checkpoint import Checkpoint
from ugosa_jax.weights.package import Package
from ugosa_jax.weights.safetensors_file import is_safetensors

CONVERTERS: dict[str, Callable[[Package], tuple[Architecture, Params]]] = {
    "ConvTasNet": convtasnet_torch.network,
    "HTDemucs": htdemucs_torch.network,
}
"""By the name of the class in torch."""


def convert(path: str | Path) -> Checkpoint:
    """Read a checkpoint of the Demucs repository, of any kind, or one of Spleeter's, as a native one.

    Args:
      path: the file; its content decides what it is, not its name.

    Raises:
      InputError: it cannot be read, holds a network of another kind, or its tensors are not those of its class.
    """
    if spleeter_files.is_one(Path(path)):
        return spleeter_files.read(Path(path))
    found, sha256 = read(path)
    with error_context(path):
        name = "ConvTasNet" if found.klass is None else found.klass.rpartition(".")[2]
        require(name in CONVERTERS, "model class", " or ".join(CONVERTERS), (found.klass or "")[:120])
        net, params = CONVERTERS[name](found)
        provenance = {"origin": Path(path).name, "origin_sha256": sha256, "converted_from": found.kind}
        return Checkpoint(net, params, provenance)


def read(path: str | Path) -> tuple[Package, str]:
    """Return what a file of the Demucs repository holds, and the SHA-256 of its bytes.

    Raises:
      InputError: it cannot be read, is damaged, or names something that weights have no use for.
    """
    path = Path(path)
    if is_safetensors(path):
        return demucs_safetensors.read(path), files.sha256_of(path)
    raw = torchfile.bytes_of(path)
    with error_context(path):
        return package.unpack(raw), hashlib.sha256(raw).hexdigest()
