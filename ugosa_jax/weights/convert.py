"""Conversion of published checkpoints: those of Spleeter, and those of the Demucs repository."""

from collections.abc import Callable
from pathlib import Path

from ugosa_jax import files
from ugosa_jax.errors import error_context, require
from ugosa_jax.networks.protocol import Architecture, Params
from ugosa_jax.weights import convtasnet_torch, demucs_safetensors, htdemucs_torch, spleeter_files, torchfile
from ugosa_jax.weights.checkpoint import Checkpoint
from ugosa_jax.weights.package import Package, unpack
from ugosa_jax.weights.safetensors_file import is_safetensors

CONVERTERS: dict[str, Callable[[Package], tuple[Architecture, Params]]] = {
    "ConvTasNet": convtasnet_torch.convert,
    "HTDemucs": htdemucs_torch.convert,
}
"""Converters of the Demucs repository's checkpoints, by the name of the network's class in PyTorch."""


def convert(path: str | Path) -> Checkpoint:
    """Read a published checkpoint.

    Args:
      path: the file; its content decides how it is read, not its name.

    Raises:
      InputError: it cannot be read, holds a network of another kind, or lacks tensors of its class.
    """
    if spleeter_files.is_spleeter(Path(path)):
        return spleeter_files.read(Path(path))
    package = read_package(path)
    with error_context(path):
        name = "ConvTasNet" if package.klass is None else package.klass.rpartition(".")[2]
        require(name in CONVERTERS, "model class", " or ".join(CONVERTERS), (package.klass or "")[:120])
        architecture, params = CONVERTERS[name](package)
        origin = {
            "origin": Path(path).name,
            "origin_sha256": files.compute_sha256(path),
            "converted_from": package.kind,
        }
        return Checkpoint(architecture, params, origin)


def read_package(path: str | Path) -> Package:
    """Read a checkpoint of the Demucs repository.

    Raises:
      InputError: it cannot be read, is damaged, or refers to objects that no network needs.
    """
    path = Path(path)
    if is_safetensors(path):
        return demucs_safetensors.read(path)
    raw = torchfile.read_bytes(path)
    with error_context(path):
        return unpack(raw)
