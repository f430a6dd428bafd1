"""HTDemucs checkpoints of the Demucs repository: names and layouts of the tensors."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ugosa_jax.errors import require
from ugosa_jax.networks.htdemucs import HTDemucs
from ugosa_jax.networks.protocol import Params
from ugosa_jax.networks.tree import compare_shapes, flat, nested, shapes
from ugosa_jax.weights import htdemucs_arguments as arguments
from ugosa_jax.weights.checkpoint import check_source_names
from ugosa_jax.weights.package import Package


def network(package: Package) -> tuple[HTDemucs, Params]:
    """Return architecture and parameters of a package.

    Raises:
      InputError: an argument of its class means another network, or the tensors are not those of the architecture.
    """
    config = arguments.config_from(package.kwargs, package.args)
    check_source_names(config.sources)
    return config, from_torch(package.state, config)


class Row(NamedTuple):
    """A tensor's name and shape in torch."""

    name: str
    shape: tuple[int, ...]


STAGES = {
    r"encoder(\d+)\.freq": "encoder.{}",
    r"encoder(\d+)\.time": "tencoder.{}",
    r"decoder(\d+)\.freq": "decoder.{}",
    r"decoder(\d+)\.time": "tdecoder.{}",
    r"frequency_embedding": "freq_emb",
    r"upsample\.freq": "channel_upsampler",
    r"upsample\.time": "channel_upsampler_t",
    r"downsample\.freq": "channel_downsampler",
    r"downsample\.time": "channel_downsampler_t",
    r"tokens_in\.freq": "crosstransformer.norm_in",
    r"tokens_in\.time": "crosstransformer.norm_in_t",
    r"layer(\d+)\.freq": "crosstransformer.layers.{}",
    r"layer(\d+)\.time": "crosstransformer.layers_t.{}",
}
"""Our stages and branches, and torch's, which count from 0."""

BLOCK = {"squeeze": "0", "norm1": "1", "expand": "3", "norm2": "4"}
LEAVES = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def table(config: HTDemucs) -> dict[str, Row]:
    """Return each parameter's dotted path, in running order, and what it is called in torch.

    One rule covers all layouts: torch's axes reversed, without those of length one that only torch needs. A convolution
    along frequency (out, in, taps, 1) becomes (taps, in, out), one of a single tap (out, in, 1) becomes (in, out).
    """
    stages, ours = list(config.stages), shapes(config)
    paths = sorted(ours, key=lambda path: stages.index(path.split(".")[0]))
    return {path: Row(_name(path, config), _shape(path, ours[path], config)) for path in paths}


def _name(path: str, config: HTDemucs) -> str:
    for pattern, name in STAGES.items():
        if match := re.match(pattern + r"\.", path):
            number = int(match[1]) - 1 if match.groups() else 0
            if name.startswith("tdecoder"):  # torch has none for the levels below the one where the wave branch ends
                number -= sum(level.time is None for level in config.levels)
            return f"{name.format(number)}.{_inner(path[match.end() :], name, config, path)}"
    raise AssertionError(path)


def _inner(path: str, stage: str, config: HTDemucs, whole: str) -> str:
    """Return what a leaf is called within its stage."""
    if path == "embedding":
        return "embedding.weight"
    *above, leaf = path.split(".")
    if above and above[0] == "dconv":
        block = f"dconv.layers.{int(above[1].removeprefix('block')) - 1}"
        return f"{block}.6.scale" if leaf == "scale" else f"{block}.{BLOCK[above[2]]}.{LEAVES[leaf]}"
    if leaf in ("scale1", "scale2"):
        return f"gamma_{leaf[-1]}.scale"
    if not above:
        return LEAVES[leaf]
    part = above[0]
    if part in ("attend", "join"):
        number = int(re.match(r"layer(\d+)", whole)[1])  # pyright: ignore[reportOptionalSubscript]
        attention = "cross_attn" if (number % 2 == 1) == config.cross_first else "self_attn"
        return f"{attention}.in_proj_{LEAVES[leaf]}" if part == "attend" else f"{attention}.out_proj.{LEAVES[leaf]}"
    names = {"expand": "linear1", "contract": "linear2"}
    if "decoder" in stage:
        names["conv"] = "conv_tr"
    return f"{names.get(part, part)}.{LEAVES[leaf]}"


def _shape(path: str, shape: tuple[int, ...], config: HTDemucs) -> tuple[int, ...]:
    """Return the shape in torch: kernels of convolutions have three axes, or four where they run along frequency."""
    backwards = shape[::-1]
    stage, branch, *_ = path.split(".")
    if not path.endswith(".kernel") or stage.startswith("layer"):
        return backwards
    axes = 3
    if ".dconv." not in path and branch == "freq" and (level := _level_of(stage, config)):
        axes = 3 if config.levels[level - 1].freq.along_time else 4
    return backwards + (1,) * (axes - len(backwards))


def _level_of(stage: str, config: HTDemucs) -> int:
    """Return the level of an encoder or decoder, 0 of other stages."""
    if stage.startswith("encoder"):
        return int(stage.removeprefix("encoder"))
    return config.depth + 1 - int(stage.removeprefix("decoder")) if stage.startswith("decoder") else 0


def from_torch(state: Mapping[str, np.ndarray], config: HTDemucs) -> dict[str, Any]:
    """Return our parameters, float32, of a torch state dict.

    Raises:
      InputError: a tensor is missing, unexpected, of the wrong shape, or not of floating point.
    """
    rows, ours = table(config), shapes(config)
    compare_shapes({name: tensor.shape for name, tensor in state.items()}, dict(rows.values()))
    for name, tensor in state.items():
        require(tensor.dtype.kind == "f", name, "floating point", tensor.dtype)
    with np.errstate(over="ignore"):
        leaves = {path: state[row.name].T.reshape(ours[path]) for path, row in rows.items()}
        return nested({path: np.array(leaf, np.float32, order="C") for path, leaf in leaves.items()})


def to_torch(params: Mapping[str, Any], config: HTDemucs) -> dict[str, np.ndarray]:
    """Return the torch state dict of our parameters; the exact inverse of `from_torch`.

    Raises:
      InputError: the parameters are not those of the architecture.
    """
    leaves, rows = flat(params), table(config)
    compare_shapes({path: leaf.shape for path, leaf in leaves.items()}, shapes(config))
    tensors = {row.name: np.asarray(leaves[path]).reshape(row.shape[::-1]).T for path, row in rows.items()}
    return {name: np.array(tensor, np.float32, order="C") for name, tensor in tensors.items()}
