"""Conversion between tensors of the Demucs repository and our parameters.

Our axes are PyTorch's in reverse order, without axes of length one: a 1×1 convolution (out, in, 1) is (in, out) here,
gamma (1, H, 1) is (H,), taps (H, 1, P) are (P, H).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ugosa_jax.errors import require
from ugosa_jax.networks.protocol import Architecture, Params
from ugosa_jax.networks.tree import compare_shapes, flatten, infer_shapes, unflatten


class TorchTensor(NamedTuple):
    """Name and shape of a tensor in torch."""

    name: str
    shape: tuple[int, ...]


Table = Mapping[str, TorchTensor]
"""The PyTorch tensor of each parameter, by the parameter's dotted path."""


def from_torch(state: Mapping[str, np.ndarray], table: Table, architecture: Architecture) -> dict[str, Any]:
    """Return the parameters, float32, of a torch state dict.

    Raises:
      InputError: a tensor is missing, unexpected, of the wrong shape, or not of floating point.
    """
    ours = infer_shapes(architecture)
    compare_shapes({name: tensor.shape for name, tensor in state.items()}, dict(table.values()))
    for name, tensor in state.items():
        require(tensor.dtype.kind == "f", name, "floating point", tensor.dtype)
    with np.errstate(over="ignore"):  # `Checkpoint` checks for numbers that become infinite in float32
        leaves = {path: state[row.name].T.reshape(ours[path]) for path, row in table.items()}
        return unflatten({path: np.array(leaf, np.float32, order="C") for path, leaf in leaves.items()})


def to_torch(params: Params, table: Table, architecture: Architecture) -> dict[str, np.ndarray]:
    """Return the torch state dict of parameters: the exact inverse of `from_torch`.

    Raises:
      InputError: the parameters are not those of the architecture.
    """
    leaves = flatten(params)
    compare_shapes({path: leaf.shape for path, leaf in leaves.items()}, infer_shapes(architecture))
    tensors = {row.name: leaves[path].reshape(row.shape[::-1]).T for path, row in table.items()}
    return {name: np.array(tensor, np.float32, order="C") for name, tensor in tensors.items()}
