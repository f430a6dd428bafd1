"""Files of adapted layers: the parameters that an adaptation changed, for use with the weights that it started from."""

import json
from collections.abc import Container
from pathlib import Path
from typing import Any

from ugosa_jax.errors import require
from ugosa_jax.networks.tree import compare_shapes, flatten, unflatten, verify
from ugosa_jax.weights import safetensors_file
from ugosa_jax.weights.weights import Weights

FORMAT = "ugosa_jax delta 1"


def save(layers: dict[str, Any], weights: Weights, path: str | Path, metadata: dict[str, str]) -> None:
    """Write adapted layers.

    Args:
      layers: the adapted parameters, nested as in `weights.params`.
      weights: the weights before adaptation.
      path: the file to write.
      metadata: facts about the adaptation, for `read_metadata`.

    Raises:
      InputError: `weights` has no such parameter, or one of another shape; or the file cannot be written.
    """
    leaves = flatten(layers)
    verify(leaves, _select_shapes(leaves, weights))
    about = json.dumps(metadata, sort_keys=True)
    safetensors_file.write(leaves, {"format": FORMAT, "base": weights.fingerprint, "metadata": about}, path)


def load(path: str | Path, weights: Weights) -> dict[str, Any]:
    """Return adapted layers; `networks.tree.merge` puts them into the parameters of `weights`.

    Raises:
      InputError: the file is damaged or of another kind, or its layers were adapted from other weights.
    """
    with safetensors_file.open_safetensors(path) as file:
        safetensors_file.check_format(file, FORMAT)
        base = file.metadata().get("base", "")
        require(base == weights.fingerprint, "base weights", weights.fingerprint[:12], base[:12])
        stored = safetensors_file.read_shapes(file)
        compare_shapes(stored, _select_shapes(stored, weights))
        leaves = safetensors_file.read_tensors(file)
        verify(leaves, _select_shapes(leaves, weights))
        return unflatten(leaves)


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the facts about the adaptation that `save` stored.

    Raises:
      InputError: the file is damaged or of another kind.
    """
    with safetensors_file.open_safetensors(path) as file:
        safetensors_file.check_format(file, FORMAT)
        return safetensors_file.read_metadata(file, "metadata", dict[str, str])


def _select_shapes(paths: Container[str], weights: Weights) -> dict[str, tuple[int, ...]]:
    return {path: shape for path, shape in weights.shapes.items() if path in paths}
