"""ConvTasNet in the Demucs repository and here: settings, architecture, names and layouts of the tensors."""

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ugosa_jax.config import SOURCES
from ugosa_jax.errors import require
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.networks.protocol import Params
from ugosa_jax.networks.tree import compare_shapes, flat, nested, shapes
from ugosa_jax.weights.checkpoint import check_source_names as checked_names
from ugosa_jax.weights.package import Package

# Arguments of the torch class in order; segment_length is about training.
KINDS = ("audio_channels", "norm_type", "causal", "mask_nonlinear")
V1_SETTINGS = (*"NLBHPXRC", *KINDS)
V2_SETTINGS = ("sources", *"NLBHPXR", *KINDS, "samplerate", "segment_length")
MAX_SOURCES = 100


def network(found: Package) -> tuple[ConvTasNet, Params]:
    """Return architecture and parameters of a package or a state dict.

    Raises:
      InputError: its tensors are not those of its architecture.
    """
    config = model_config(found.state, settings_of(found))
    return config, from_torch(found.state, config)


def settings_of(found: Package) -> dict[str, Any]:
    """Return the arguments that the torch class was made with, by name; none for a state dict.

    Raises:
      InputError: it is another class.
    """
    if found.klass is None:
        return {}
    require(found.klass.endswith(".ConvTasNet"), "model class", "ConvTasNet", found.klass[:120])
    order = V1_SETTINGS if found.kind == "Demucs v1 package" else V2_SETTINGS
    return dict(zip(order, found.args, strict=False)) | found.kwargs


# Architecture


def model_config(state: Mapping[str, np.ndarray], kwargs: Mapping[str, Any]) -> ConvTasNet:
    """Return the architecture of a torch state dict, whose class had the arguments `kwargs`.

    All sizes follow from the tensors; those among `kwargs` must agree. What no shape tells comes from `kwargs`, or is
    as in the published weights: gLN not cLN, ReLU masks, 44.1 kHz; four sources are drums, bass, other, vocals.

    Raises:
      InputError: a tensor is missing, an argument is unknown, or the two disagree.
    """
    unknown = sorted(kwargs.keys() - {*V1_SETTINGS, *V2_SETTINGS})
    require(not unknown, "settings", "those of ConvTasNet", ", ".join(unknown)[:120])
    sizes = _sizes(state)
    for name, (size, tensor) in sizes.items():
        given = kwargs.get(name, size)
        require(given == size, f"setting {name}", f"{size} as {tensor} says", given)
    found = {name: size for name, (size, _) in sizes.items()}
    return ConvTasNet(
        **{letter: found[letter] for letter in "NLBHPXR"},
        C=found["audio_channels"],
        sources=_sources(kwargs, found["C"]),
        sample_rate_hz=_setting(kwargs, "samplerate", 44100),
        norm=_norm(state, kwargs),
        mask=_setting(kwargs, "mask_nonlinear", "relu"),
        causal=found["causal"],
    )


_BLOCKS = "separator.network.2"
_BLOCK = "separator.network.2.0.0.net"


def _sizes(state: Mapping[str, np.ndarray]) -> dict[str, tuple[Any, str]]:
    """Return the value of each argument of the torch class that shapes tell, and the tensor that tells it."""
    encoder, expand, depthwise = "encoder.conv1d_U.weight", f"{_BLOCK}.0.weight", f"{_BLOCK}.3.net.0.weight"
    prelu = f"{_BLOCK}.3.net.1.weight"
    N, channels, L = _three_axes(state, encoder)
    R, X = _grid(state)
    return {
        "N": (N, encoder),
        "L": (L, encoder),
        "B": (_three_axes(state, "separator.network.1.weight")[0], "separator.network.1.weight"),
        "H": (_three_axes(state, expand)[0], expand),
        "P": (_three_axes(state, depthwise)[2], depthwise),
        "X": (X, f"{_BLOCKS}.0"),
        "R": (R, _BLOCKS),
        "C": (_three_axes(state, "separator.network.3.weight")[0] // N, "separator.network.3.weight"),
        "audio_channels": (channels, encoder),
        "causal": (prelu not in state, prelu),  # index 1 is the Chomp of a causal model, which has no weights
    }


def _three_axes(state: Mapping[str, np.ndarray], name: str) -> tuple[int, int, int]:
    require(name in state, "tensors", "those of a ConvTasNet", f"without {name}")
    require(state[name].ndim == 3, name, "a tensor of three axes", state[name].shape)
    return state[name].shape  # pyright: ignore[reportReturnType]


def _grid(state: Iterable[str]) -> tuple[int, int]:
    """Return how many repeats, and blocks in a repeat, the names count."""
    indices = rf"{re.escape(_BLOCKS)}\.(\d+)\.(\d+)\."
    found = [match.groups() for name in state if (match := re.match(indices, name))]
    R, X = len({r for r, _ in found}), len({x for _, x in found})
    # Made-up indices must not make us list more blocks than there are tensors.
    require(len(found) >= R * X, _BLOCKS, "a grid of repeats and blocks", f"{R} × {X} with gaps")
    return R, X


def _setting(kwargs: Mapping[str, Any], name: str, default: Any) -> Any:
    value = kwargs.get(name, default)
    require(type(value) is type(default), f"setting {name}", f"like {default!r}", value)
    return value


def _sources(kwargs: Mapping[str, Any], S: int) -> tuple[str, ...]:
    require(S <= MAX_SOURCES, "sources", f"at most {MAX_SOURCES}", S)
    four = len(SOURCES) == S
    unnamed = SOURCES if four else [f"source{i}" for i in range(1, S + 1)]
    names = checked_names(kwargs.get("sources", unnamed))
    require(len(names) == S, "setting sources", f"{S} names as separator.network.3.weight says", names)
    return names


def _norm(state: Mapping[str, np.ndarray], kwargs: Mapping[str, Any]) -> Any:
    """Return the kind of normalisation. gLN and cLN have the same tensors; the published weights are gLN."""
    affine, batch = f"{_BLOCK}.2.gamma", f"{_BLOCK}.2.running_mean"
    possible = ("gLN", "cLN") if affine in state else ("BN",) if batch in state else ("id",)
    norm = _setting(kwargs, "norm_type", possible[0])
    require(norm in possible, "setting norm_type", f"{' or '.join(possible)} as {_BLOCK}.2 says", norm)
    return norm


# Torch names and ours


class Row(NamedTuple):
    """A tensor's name and shape in torch."""

    name: str
    shape: tuple[int, ...]


def table(config: ConvTasNet) -> dict[str, Row]:
    """Return each parameter's dotted path and what it is called in torch.

    One rule covers all layouts: torch's axes reversed, without those of length one that only torch needs.
    A 1×1 convolution (out, in, 1) becomes (in, out), gamma (1, H, 1) becomes (H,), taps (H, 1, P) are (P, H).
    """
    c = config
    rows = {
        "encoder.kernel": Row("encoder.conv1d_U.weight", (c.N, c.C, c.L)),
        "norm.gamma": Row("separator.network.0.gamma", (1, c.N, 1)),
        "norm.beta": Row("separator.network.0.beta", (1, c.N, 1)),
        "bottleneck.kernel": Row("separator.network.1.weight", (c.B, c.N, 1)),
    }
    for r, x in itertools.product(range(c.R), range(c.X)):
        block = _block_rows(c, f"{_BLOCKS}.{r}.{x}.net")
        rows |= {f"repeat{r + 1}.block{x + 1}.{path}": row for path, row in block.items()}
    rows["mask.kernel"] = Row("separator.network.3.weight", (c.S * c.N, c.B, 1))
    rows["decoder.kernel"] = Row("decoder.basis_signals.weight", (c.C * c.L, c.N))
    return rows


def _block_rows(c: ConvTasNet, net: str) -> dict[str, Row]:
    prelu = 2 if c.causal else 1  # a causal block has a Chomp between the convolution and its PReLU
    return {
        "expand.kernel": Row(f"{net}.0.weight", (c.H, c.B, 1)),
        "prelu1.slope": Row(f"{net}.1.weight", (1,)),
        **_norm_rows(c, "norm1", f"{net}.2"),
        "depthwise.kernel": Row(f"{net}.3.net.0.weight", (c.H, 1, c.P)),
        "prelu2.slope": Row(f"{net}.3.net.{prelu}.weight", (1,)),
        **_norm_rows(c, "norm2", f"{net}.3.net.{prelu + 1}"),
        "project.kernel": Row(f"{net}.3.net.{prelu + 2}.weight", (c.B, c.H, 1)),
    }


def _norm_rows(c: ConvTasNet, path: str, name: str) -> dict[str, Row]:
    batch = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
    if c.norm == "BN":
        return {f"{path}.{leaf}": Row(f"{name}.{batch[leaf]}", (c.H,)) for leaf in norm_leaves(c)}
    return {f"{path}.{leaf}": Row(f"{name}.{leaf}", (1, c.H, 1)) for leaf in norm_leaves(c)}


def norm_leaves(config: ConvTasNet) -> tuple[str, ...]:
    """Return the names of the arrays in a block's normalisation."""
    return {"BN": ("gamma", "beta", "mean", "var"), "id": ()}.get(config.norm, ("gamma", "beta"))


def _counters(config: ConvTasNet) -> list[str]:
    """Return the names of the batch counters, which torch keeps beside running means and nobody needs."""
    means = [row.name for row in table(config).values() if row.name.endswith(".running_mean")]
    return [name.replace("running_mean", "num_batches_tracked") for name in means]


def from_torch(state: Mapping[str, np.ndarray], config: ConvTasNet) -> dict[str, Any]:
    """Return our parameters, float32, of a torch state dict.

    Raises:
      InputError: a tensor is missing, unexpected, of the wrong shape, or not of floating point.
    """
    rows, ours = table(config), shapes(config)
    dropped = set(_counters(config))
    found = {name: tensor.shape for name, tensor in state.items() if name not in dropped}
    compare_shapes(found, dict(rows.values()))
    for name in found:
        require(state[name].dtype.kind == "f", name, "floating point", state[name].dtype)
    with np.errstate(over="ignore"):  # a double that becomes infinite is found by Checkpoint
        return nested({path: _ours(state[row.name], ours[path]) for path, row in rows.items()})


def to_torch(params: Mapping[str, Any], config: ConvTasNet) -> dict[str, np.ndarray]:
    """Return the torch state dict of our parameters; the exact inverse of `from_torch`.

    Raises:
      InputError: the parameters are not those of the architecture.
    """
    leaves, rows = flat(params), table(config)
    compare_shapes({path: leaf.shape for path, leaf in leaves.items()}, shapes(config))
    state = {row.name: _torchs(leaves[path], row.shape) for path, row in rows.items()}
    return state | {name: np.zeros((), np.int64) for name in _counters(config)}


def _ours(tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.array(tensor.T.reshape(shape), np.float32, order="C")


def _torchs(leaf: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.array(leaf.reshape(shape[::-1]).T, np.float32, order="C")
