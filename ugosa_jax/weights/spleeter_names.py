"""Conversion of Spleeter's parameters from TensorFlow and from the PyTorch port: names and layouts.

The running statistics of batch normalisation are constants here and are folded into scale and shift:
scale = γ / √(variance + 10⁻³), shift = β − mean · scale. The norm of the deepest encoder has no effect; files must
hold it, but it is left out.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ugosa_jax.errors import require
from ugosa_jax.networks.protocol import Params
from ugosa_jax.networks.spleeter import Spleeter
from ugosa_jax.networks.tree import compare_shapes, infer_shapes, unflatten

_NORM_EPS = 1e-3
STEM_SETS = {
    2: Spleeter(),
    4: Spleeter(sources=("vocals", "drums", "bass", "other"), activation="elu"),
    5: Spleeter(sources=("vocals", "piano", "drums", "bass", "other"), activation="elu", mask="softmax"),
}
"""Sources of the published networks by their number, in the order in which Spleeter builds the U-Nets."""


class Naming(NamedTuple):
    """Names and layouts of a U-Net's arrays in a framework.

    Attributes:
      conv: returns the name of a convolution, given the source (from 0), the kind of stage and its number (from 1).
      norm: returns the name of a norm, given the same.
      conv_leaves: names of kernel and bias.
      norm_leaves: names of γ, β, running mean and running variance.
      axes: of a kernel there, in the order (taps along K, taps along F, in, out), for each kind of stage.
    """

    conv: Callable[[int, str, int], str]
    norm: Callable[[int, str, int], str]
    conv_leaves: tuple[str, str]
    norm_leaves: tuple[str, str, str, str]
    axes: Mapping[str, tuple[int, int, int, int]]


def _add_number(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def name_in_tensorflow(depth: int) -> Naming:
    """Return the names in TensorFlow, which numbers the layers of a kind consecutively over all sources."""

    def conv(s: int, kind: str, i: int) -> str:
        if kind == "decoder":
            return _add_number("conv2d_transpose", depth * s + i - 1)
        return _add_number("conv2d", (depth + 1) * s + (depth if kind == "mask" else i - 1))

    def norm(s: int, kind: str, i: int) -> str:
        return _add_number("batch_normalization", 2 * depth * s + (depth if kind == "decoder" else 0) + i - 1)

    axes = {"encoder": (0, 1, 2, 3), "decoder": (0, 1, 3, 2), "mask": (0, 1, 2, 3)}
    leaves = ("/gamma", "/beta", "/moving_mean", "/moving_variance")
    return Naming(conv, norm, ("/kernel", "/bias"), leaves, axes)


def name_in_torch(depth: int) -> Naming:
    """Return the names in the PyTorch port, which are the same in the file of every source."""

    def conv(_: int, kind: str, i: int) -> str:
        return {"encoder": f"down{i}_conv.1", "decoder": f"up{i}.0", "mask": f"up{depth + 1}.0"}[kind]

    def norm(_: int, kind: str, i: int) -> str:
        return f"down{i}_act.0" if kind == "encoder" else f"up{i}.3"

    axes = {"encoder": (2, 3, 1, 0), "decoder": (2, 3, 0, 1), "mask": (2, 3, 1, 0)}
    leaves = (".weight", ".bias", ".running_mean", ".running_var")
    return Naming(conv, norm, (".weight", ".bias"), leaves, axes)


def from_tensorflow(variables: Mapping[str, np.ndarray], net: Spleeter) -> Params:
    """Return our parameters, float32, given the variables of a TensorFlow checkpoint.

    Raises:
      InputError: a variable is missing, unexpected, of the wrong shape, or not of floating point.
    """
    kept = {name: array for name, array in variables.items() if name != "global_step"}
    naming = name_in_tensorflow(net.depth)
    expected = [list_shapes(net, naming, s) for s in range(net.S)]
    compare_shapes(
        {name: array.shape for name, array in kept.items()},
        dict(itertools.chain.from_iterable(table.items() for table in expected)),
    )
    return _join_sources(net, [_convert_source(kept, net, naming, s) for s in range(net.S)])


def from_torch(states: Sequence[Mapping[str, np.ndarray]], net: Spleeter) -> Params:
    """Return our parameters, float32, given the PyTorch port's state dicts, one per source.

    Raises:
      InputError: as `from_tensorflow`.
    """
    naming = name_in_torch(net.depth)
    for s, state in enumerate(states):
        compare_shapes({name: array.shape for name, array in state.items()}, list_shapes(net, naming, s))
    return _join_sources(net, [_convert_source(state, net, naming, s) for s, state in enumerate(states)])


def list_stages(net: Spleeter) -> list[tuple[str, int, int, int]]:
    """Return kind, number, input channels and output channels of each stage."""
    encoders = [("encoder", i, *widths) for i, widths in enumerate(net.encoder_widths, 1)]
    decoders = [("decoder", i, *widths) for i, widths in enumerate(net.decoder_widths, 1)]
    return [*encoders, *decoders, ("mask", 0, 1, net.channels)]


def list_shapes(net: Spleeter, naming: Naming, s: int) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of all arrays of a source's U-Net in a framework."""
    found: dict[str, tuple[int, ...]] = {}
    for kind, i, n_in, n_out in list_stages(net):
        taps, axes = 4 if kind == "mask" else 5, naming.axes[kind]
        ours = (taps, taps, n_in, n_out)
        conv, (kernel, bias) = naming.conv(s, kind, i), naming.conv_leaves
        found |= {f"{conv}{kernel}": tuple(ours[axes.index(a)] for a in range(4)), f"{conv}{bias}": (n_out,)}
        if kind != "mask":
            found |= {f"{naming.norm(s, kind, i)}{leaf}": (n_out,) for leaf in naming.norm_leaves}
    return found


def _convert_source(
    state: Mapping[str, np.ndarray], net: Spleeter, naming: Naming, s: int
) -> dict[str, dict[str, Any]]:
    """Return the parameters of one source by stage, with batch normalisation folded into scale and shift."""
    for name, array in state.items():
        require(array.dtype.kind == "f", name, "floating point", array.dtype)
    stages = {}
    for kind, i, _, _ in list_stages(net):
        conv, (kernel, bias) = naming.conv(s, kind, i), naming.conv_leaves
        stage = {
            "conv.kernel": state[f"{conv}{kernel}"].transpose(naming.axes[kind]),
            "conv.bias": state[f"{conv}{bias}"],
        }
        if kind == "decoder" or (kind == "encoder" and i < net.depth):
            leaves = (state[f"{naming.norm(s, kind, i)}{leaf}"].astype(np.float64) for leaf in naming.norm_leaves)
            gamma, beta, mean, variance = leaves
            with np.errstate(invalid="ignore", divide="ignore"):  # Checkpoint checks the values
                scale = gamma / np.sqrt(variance + _NORM_EPS)
            stage |= {"norm.scale": scale, "norm.shift": beta - mean * scale}
        stages[f"{kind}{i or ''}"] = stage
    return stages


def _join_sources(net: Spleeter, sources: Sequence[Mapping[str, Mapping[str, np.ndarray]]]) -> Params:
    leaves = {
        f"{stage}.{source}.{leaf}": np.array(array, np.float32, order="C")
        for source, stages in zip(net.sources, sources, strict=True)
        for stage, stage_leaves in stages.items()
        for leaf, array in stage_leaves.items()
    }
    compare_shapes({path: leaf.shape for path, leaf in leaves.items()}, infer_shapes(net))
    return unflatten(leaves)
