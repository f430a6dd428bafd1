"""Conversion of HTDemucs between the Demucs repository and this package: names and layouts of the tensors."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ugosa_jax.networks.htdemucs import HTDemucs
from ugosa_jax.networks.protocol import Params
from ugosa_jax.networks.tree import infer_shapes
from ugosa_jax.weights import htdemucs_arguments as arguments
from ugosa_jax.weights import torch_tensors
from ugosa_jax.weights.checkpoint import check_source_names
from ugosa_jax.weights.package import Package
from ugosa_jax.weights.torch_tensors import TorchTensor


def convert(package: Package) -> tuple[HTDemucs, Params]:
    """Return architecture and parameters of a package.

    Raises:
      InputError: an argument of its class is not supported, or the tensors are not those of the architecture.
    """
    config = arguments.read_architecture(package.kwargs, package.args)
    check_source_names(config.sources)
    return config, from_torch(package.state, config)


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
"""Names of our stages and branches, numbered from 1, and those in PyTorch, numbered from 0."""

BLOCK = {"squeeze": "0", "norm1": "1", "expand": "3", "norm2": "4"}
LEAVES = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def build_table(config: HTDemucs) -> dict[str, TorchTensor]:
    """Return the torch tensor of each parameter, in running order."""
    stages, ours = list(config.stages), infer_shapes(config)
    paths = sorted(ours, key=lambda path: stages.index(path.split(".")[0]))
    return {path: TorchTensor(_find_name(path, config), _find_shape(path, ours[path], config)) for path in paths}


def _find_name(path: str, config: HTDemucs) -> str:
    for pattern, name in STAGES.items():
        if match := re.match(pattern + r"\.", path):
            number = int(match[1]) - 1 if match.groups() else 0
            if name.startswith("tdecoder"):  # in PyTorch, their numbers start at the level where the wave branch ends
                number -= sum(level.time is None for level in config.levels)
            return f"{name.format(number)}.{_find_inner_name(path[match.end() :], name, config, path)}"
    raise AssertionError(path)


def _find_inner_name(path: str, stage: str, config: HTDemucs, whole: str) -> str:
    """Return the name of a leaf within its stage."""
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


def _find_shape(path: str, shape: tuple[int, ...], config: HTDemucs) -> tuple[int, ...]:
    """Return the shape in PyTorch: a kernel has three axes, or four in the spectrogram branch."""
    backwards = shape[::-1]
    stage, branch, *_ = path.split(".")
    if not path.endswith(".kernel") or stage.startswith("layer"):
        return backwards
    axes = 3
    if ".dconv." not in path and branch == "freq" and (level := _find_level(stage, config)):
        axes = 3 if config.levels[level - 1].freq.along_time else 4
    return backwards + (1,) * (axes - len(backwards))


def _find_level(stage: str, config: HTDemucs) -> int:
    """Return the level of an encoder or decoder, 0 of other stages."""
    if stage.startswith("encoder"):
        return int(stage.removeprefix("encoder"))
    return config.depth + 1 - int(stage.removeprefix("decoder")) if stage.startswith("decoder") else 0


def from_torch(state: Mapping[str, np.ndarray], config: HTDemucs) -> dict[str, Any]:
    """Return the parameters, float32, of a torch state dict.

    Raises:
      InputError: a tensor is missing, unexpected, of the wrong shape, or not of floating point.
    """
    return torch_tensors.from_torch(state, build_table(config), config)


def to_torch(params: Params, config: HTDemucs) -> dict[str, np.ndarray]:
    """Return the torch state dict of parameters: the exact inverse of `from_torch`.

    Raises:
      InputError: the parameters are not those of the architecture.
    """
    return torch_tensors.to_torch(params, build_table(config), config)
