"""Conversion of ConvTasNet between the Demucs repository and this package: settings, tensor names and layouts."""

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ugosa_jax.config import SOURCES
from ugosa_jax.errors import require
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.networks.protocol import Params
from ugosa_jax.weights import torch_tensors
from ugosa_jax.weights.checkpoint import check_source_names
from ugosa_jax.weights.package import Package
from ugosa_jax.weights.torch_tensors import TorchTensor

# Arguments of the class in PyTorch, in order; segment_length only concerns training.
KINDS = ("audio_channels", "norm_type", "causal", "mask_nonlinear")
V1_SETTINGS = (*"NLBHPXRC", *KINDS)
V2_SETTINGS = ("sources", *"NLBHPXR", *KINDS, "samplerate", "segment_length")
MAX_SOURCES = 100


def convert(found: Package) -> tuple[ConvTasNet, Params]:
    """Return architecture and parameters of a package or a state dict.

    Raises:
      InputError: its tensors are not those of its architecture.
    """
    config = read_architecture(found.state, read_settings(found))
    return config, from_torch(found.state, config)


def read_settings(found: Package) -> dict[str, Any]:
    """Return the arguments of the PyTorch class by name; none for a state dict.

    Raises:
      InputError: the package holds another class.
    """
    if found.klass is None:
        return {}
    require(found.klass.endswith(".ConvTasNet"), "model class", "ConvTasNet", found.klass[:120])
    order = V1_SETTINGS if found.kind == "Demucs v1 package" else V2_SETTINGS
    return dict(zip(order, found.args, strict=False)) | found.kwargs


# Architecture


def read_architecture(state: Mapping[str, np.ndarray], kwargs: Mapping[str, Any]) -> ConvTasNet:
    """Return the architecture of a PyTorch state dict, given the arguments of its class.

    All sizes follow from the tensors, and those in `kwargs` must agree with them. Other settings come from `kwargs`;
    the defaults are those of the published weights: gLN, ReLU masks, 44.1 kHz; drums, bass, other and vocals.

    Raises:
      InputError: a tensor is missing, an argument is unknown, or an argument does not agree with the tensors.
    """
    unknown = sorted(kwargs.keys() - {*V1_SETTINGS, *V2_SETTINGS})
    require(not unknown, "settings", "those of ConvTasNet", ", ".join(unknown)[:120])
    sizes = _read_sizes(state)
    for name, (size, tensor) in sizes.items():
        given = kwargs.get(name, size)
        require(given == size, f"setting {name}", f"{size} as {tensor} says", given)
    found = {name: size for name, (size, _) in sizes.items()}
    return ConvTasNet(
        **{letter: found[letter] for letter in "NLBHPXR"},
        C=found["audio_channels"],
        sources=_read_sources(kwargs, found["C"]),
        sample_rate_hz=_read_setting(kwargs, "samplerate", 44100),
        norm=_read_norm(state, kwargs),
        mask=_read_setting(kwargs, "mask_nonlinear", "relu"),
        causal=found["causal"],
    )


_BLOCKS = "separator.network.2"
_BLOCK = "separator.network.2.0.0.net"


def _read_sizes(state: Mapping[str, np.ndarray]) -> dict[str, tuple[Any, str]]:
    """Return each argument of the PyTorch class that follows from a tensor, and the tensor's name for messages."""
    encoder, expand, depthwise = "encoder.conv1d_U.weight", f"{_BLOCK}.0.weight", f"{_BLOCK}.3.net.0.weight"
    prelu = f"{_BLOCK}.3.net.1.weight"
    N, channels, L = _read_three_axes(state, encoder)
    R, X = _count_blocks(state)
    return {
        "N": (N, encoder),
        "L": (L, encoder),
        "B": (_read_three_axes(state, "separator.network.1.weight")[0], "separator.network.1.weight"),
        "H": (_read_three_axes(state, expand)[0], expand),
        "P": (_read_three_axes(state, depthwise)[2], depthwise),
        "X": (X, f"{_BLOCKS}.0"),
        "R": (R, _BLOCKS),
        "C": (_read_three_axes(state, "separator.network.3.weight")[0] // N, "separator.network.3.weight"),
        "audio_channels": (channels, encoder),
        "causal": (prelu not in state, prelu),  # index 1 is the Chomp of a causal model, which has no weights
    }


def _read_three_axes(state: Mapping[str, np.ndarray], name: str) -> tuple[int, int, int]:
    require(name in state, "tensors", "those of a ConvTasNet", f"without {name}")
    require(state[name].ndim == 3, name, "a tensor of three axes", state[name].shape)
    return state[name].shape  # pyright: ignore[reportReturnType]


def _count_blocks(state: Iterable[str]) -> tuple[int, int]:
    """Return the numbers of repeats and of blocks in a repeat, according to the names of tensors."""
    indices = rf"{re.escape(_BLOCKS)}\.(\d+)\.(\d+)\."
    found = [match.groups() for name in state if (match := re.match(indices, name))]
    R, X = len({r for r, _ in found}), len({x for _, x in found})
    # A manipulated file with huge indices must not make us list more blocks than there are tensors.
    require(len(found) >= R * X, _BLOCKS, "a grid of repeats and blocks", f"{R} × {X} with gaps")
    return R, X


def _read_setting(kwargs: Mapping[str, Any], name: str, default: Any) -> Any:
    value = kwargs.get(name, default)
    require(type(value) is type(default), f"setting {name}", f"like {default!r}", value)
    return value


def _read_sources(kwargs: Mapping[str, Any], S: int) -> tuple[str, ...]:
    require(S <= MAX_SOURCES, "sources", f"at most {MAX_SOURCES}", S)
    four = len(SOURCES) == S
    unnamed = SOURCES if four else [f"source{i}" for i in range(1, S + 1)]
    names = check_source_names(kwargs.get("sources", unnamed))
    require(len(names) == S, "setting sources", f"{S} names as separator.network.3.weight says", names)
    return names


def _read_norm(state: Mapping[str, np.ndarray], kwargs: Mapping[str, Any]) -> Any:
    """Return the kind of normalisation. The tensors of gLN and cLN are the same; the default is gLN, as published."""
    affine, batch = f"{_BLOCK}.2.gamma", f"{_BLOCK}.2.running_mean"
    possible = ("gLN", "cLN") if affine in state else ("BN",) if batch in state else ("id",)
    norm = _read_setting(kwargs, "norm_type", possible[0])
    require(norm in possible, "setting norm_type", f"{' or '.join(possible)} as {_BLOCK}.2 says", norm)
    return norm


# Torch names and ours


def build_table(config: ConvTasNet) -> dict[str, TorchTensor]:
    """Return the torch tensor of each parameter."""
    c = config
    rows = {
        "encoder.kernel": TorchTensor("encoder.conv1d_U.weight", (c.N, c.C, c.L)),
        "norm.gamma": TorchTensor("separator.network.0.gamma", (1, c.N, 1)),
        "norm.beta": TorchTensor("separator.network.0.beta", (1, c.N, 1)),
        "bottleneck.kernel": TorchTensor("separator.network.1.weight", (c.B, c.N, 1)),
    }
    for r, x in itertools.product(range(c.R), range(c.X)):
        block = _list_block(c, f"{_BLOCKS}.{r}.{x}.net")
        rows |= {f"repeat{r + 1}.block{x + 1}.{path}": row for path, row in block.items()}
    rows["mask.kernel"] = TorchTensor("separator.network.3.weight", (c.S * c.N, c.B, 1))
    rows["decoder.kernel"] = TorchTensor("decoder.basis_signals.weight", (c.C * c.L, c.N))
    return rows


def _list_block(c: ConvTasNet, net: str) -> dict[str, TorchTensor]:
    prelu = 2 if c.causal else 1  # a causal block has a layer "Chomp" between the convolution and its PReLU
    return {
        "expand.kernel": TorchTensor(f"{net}.0.weight", (c.H, c.B, 1)),
        "prelu1.slope": TorchTensor(f"{net}.1.weight", (1,)),
        **_list_norm(c, "norm1", f"{net}.2"),
        "depthwise.kernel": TorchTensor(f"{net}.3.net.0.weight", (c.H, 1, c.P)),
        "prelu2.slope": TorchTensor(f"{net}.3.net.{prelu}.weight", (1,)),
        **_list_norm(c, "norm2", f"{net}.3.net.{prelu + 1}"),
        "project.kernel": TorchTensor(f"{net}.3.net.{prelu + 2}.weight", (c.B, c.H, 1)),
    }


def _list_norm(c: ConvTasNet, path: str, name: str) -> dict[str, TorchTensor]:
    batch = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
    if c.norm == "BN":
        return {f"{path}.{leaf}": TorchTensor(f"{name}.{batch[leaf]}", (c.H,)) for leaf in list_norm_leaves(c)}
    return {f"{path}.{leaf}": TorchTensor(f"{name}.{leaf}", (1, c.H, 1)) for leaf in list_norm_leaves(c)}


def list_norm_leaves(config: ConvTasNet) -> tuple[str, ...]:
    """Return the names of the arrays in a block's normalisation."""
    return {"BN": ("gamma", "beta", "mean", "var"), "id": ()}.get(config.norm, ("gamma", "beta"))


def _list_counters(config: ConvTasNet) -> list[str]:
    """Return the names of PyTorch's counters of batches, which are not used here."""
    means = [row.name for row in build_table(config).values() if row.name.endswith(".running_mean")]
    return [name.replace("running_mean", "num_batches_tracked") for name in means]


def from_torch(state: Mapping[str, np.ndarray], config: ConvTasNet) -> dict[str, Any]:
    """Return the parameters, float32, of a torch state dict.

    Raises:
      InputError: a tensor is missing, unexpected, of the wrong shape, or not of floating point.
    """
    counters = _list_counters(config)
    used = {name: tensor for name, tensor in state.items() if name not in counters}
    return torch_tensors.from_torch(used, build_table(config), config)


def to_torch(params: Params, config: ConvTasNet) -> dict[str, np.ndarray]:
    """Return the torch state dict of parameters: the exact inverse of `from_torch`.

    Raises:
      InputError: the parameters are not those of the architecture.
    """
    counters = {name: np.zeros((), np.int64) for name in _list_counters(config)}
    return torch_tensors.to_torch(params, build_table(config), config) | counters
