"""Network weights: parameter trees, the native safetensors file, and deltas of adapted layers.

A parameter tree is a nested dict of float32 arrays. In files and messages a leaf is called by its dotted path,
such as ``repeat4.block1.expand.kernel``. `shapes` says which leaves a network has.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from ugosa_jax.config import ModelConfig, require
from ugosa_jax.errors import InputError, naming
from ugosa_jax.files import replaced_when_done

WEIGHTS_FORMAT = "ugosa_jax weights 1"
DELTA_FORMAT = "ugosa_jax delta 1"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A network's architecture, its parameters, and where they came from.

    Raises:
      InputError: the parameters are not those of the architecture, or not all are finite.
    """

    config: ModelConfig
    params: dict[str, Any]
    provenance: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        verify(flat(self.params), shapes(self.config))

    @property
    def sources(self) -> tuple[str, ...]:
        """What the network separates a mixture into, in its order."""
        return self.config.sources

    @property
    def fingerprint(self) -> str:
        """SHA-256 of architecture and parameters in hexadecimal; independent of the provenance."""
        digest = hashlib.sha256(_config_json(self.config).encode())
        for path, leaf in sorted(flat(self.params).items()):
            digest.update(f"{path}{leaf.shape}".encode())
            digest.update(leaf.astype("<f4").tobytes())
        return digest.hexdigest()


# Parameter trees


def shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return the dotted path and shape of every parameter of a network, from input to output."""
    c = config
    leaves = {
        "encoder.kernel": (c.L, c.C, c.N),
        "norm.gamma": (c.N,),
        "norm.beta": (c.N,),
        "bottleneck.kernel": (c.N, c.B),
    }
    for r, x in itertools.product(range(1, c.R + 1), range(1, c.X + 1)):
        leaves |= {f"repeat{r}.block{x}.{path}": shape for path, shape in _block_shapes(c).items()}
    return leaves | {"mask.kernel": (c.B, c.S * c.N), "decoder.kernel": (c.N, c.C * c.L)}


def _block_shapes(c: ModelConfig) -> dict[str, tuple[int, ...]]:
    return {
        "expand.kernel": (c.B, c.H),
        "prelu1.slope": (),
        **{f"norm1.{leaf}": (c.H,) for leaf in norm_leaves(c)},
        "depthwise.kernel": (c.P, c.H),
        "prelu2.slope": (),
        **{f"norm2.{leaf}": (c.H,) for leaf in norm_leaves(c)},
        "project.kernel": (c.H, c.B),
    }


def norm_leaves(config: ModelConfig) -> tuple[str, ...]:
    """Return the names of the arrays in a block's normalisation."""
    return {"BN": ("gamma", "beta", "mean", "var"), "id": ()}.get(config.norm, ("gamma", "beta"))


def flat(tree: Mapping[str, Any], above: str = "") -> dict[str, np.ndarray]:
    """Return the leaves of a nested dict by dotted path, as float32 arrays."""
    leaves: dict[str, np.ndarray] = {}
    for name, value in tree.items():
        path = f"{above}{name}"
        leaves |= flat(value, f"{path}.") if isinstance(value, Mapping) else {path: np.asarray(value, np.float32)}
    return leaves


def nested(leaves: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the nested dict whose leaves have the given dotted paths; the inverse of `flat`."""
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *above, name = path.split(".")
        branch = tree
        for step in above:
            branch = branch.setdefault(step, {})
        branch[name] = leaf
    return tree


def verify(leaves: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Check that the leaves have exactly the expected paths and shapes, and finite values.

    Raises:
      InputError: they have not; the message names the leaves.
    """
    compare_shapes({path: leaf.shape for path, leaf in leaves.items()}, expected)
    for path, leaf in leaves.items():
        require(bool(np.isfinite(leaf).all()), path, "finite", "NaN or infinite somewhere")


def compare_shapes(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Check that two tables of shapes are the same.

    Raises:
      InputError: they are not; the message names what is missing, unexpected or of another shape.
    """
    wrong = [name for name in found.keys() & expected.keys() if found[name] != expected[name]]
    complaints = {
        "tensors missing": expected.keys() - found.keys(),
        "unexpected tensors": found.keys() - expected.keys(),
        "wrong shapes": [f"{name} {found[name]} instead of {expected[name]}" for name in wrong],
    }
    said = [f"{what}: {_some(sorted(names))}" for what, names in complaints.items() if names]
    if said:
        raise InputError("; ".join(said))


def _some(names: list[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(name[:120] for name in names[:most]) + (f" and {more} more" if more > 0 else "")


# Native files


def save(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint as safetensors, with architecture and provenance as metadata.

    Raises:
      InputError: the file cannot be written.
    """
    metadata = {
        "format": WEIGHTS_FORMAT,
        "config": _config_json(checkpoint.config),
        "provenance": json.dumps(checkpoint.provenance, sort_keys=True),
    }
    _write(flat(checkpoint.params), metadata, path)


def load(path: str | Path) -> Checkpoint:
    """Read a native file.

    Raises:
      InputError: no such file, or it is damaged, foreign or does not fit its own architecture.
    """
    with naming(path), _opened(Path(path), WEIGHTS_FORMAT) as file:
        config = _config_from(_metadata(file, "config"))
        blocks = config.R * config.X  # a made-up architecture must not make us list more leaves than there are
        require(blocks <= len(file.keys()), "model R·X", "at most the number of tensors", blocks)
        compare_shapes(_stored_shapes(file), shapes(config))
        return Checkpoint(config, nested(_tensors(file)), _texts(_metadata(file, "provenance"), "provenance"))


def save_delta(tuned: dict[str, Any], base: Checkpoint, path: str | Path, metadata: dict[str, str]) -> None:
    """Write adapted parameters alone, tied to the weights they were adapted from.

    Args:
      tuned: the adapted leaves, nested as in `base`.
      base: what they were adapted from.
      path: file to write.
      metadata: what the reader should know about the adaptation.

    Raises:
      InputError: a leaf that `base` does not have, or not with this shape; or the file cannot be written.
    """
    leaves = flat(tuned)
    verify(leaves, _subset(leaves, base))
    about = json.dumps(metadata, sort_keys=True)
    _write(leaves, {"format": DELTA_FORMAT, "base": base.fingerprint, "metadata": about}, path)


def load_delta(path: str | Path, base: Checkpoint) -> dict[str, Any]:
    """Return the adapted parameters of a delta; `strategy.merge` puts them into those of `base`.

    Raises:
      InputError: the file is damaged or not a delta, or was made from other weights than `base`.
    """
    with naming(path), _opened(Path(path), DELTA_FORMAT) as file:
        made_from = file.metadata().get("base", "")
        require(made_from == base.fingerprint, "base weights", base.fingerprint[:12], made_from[:12])
        compare_shapes(stored := _stored_shapes(file), _subset(stored, base))
        leaves = _tensors(file)
        verify(leaves, _subset(leaves, base))
        return nested(leaves)


def source_names(names: object) -> tuple[str, ...]:
    """Return the names of sources if they can become file names.

    Raises:
      InputError: not a list of names, or one that could leave the folder it is written to.
    """
    require(isinstance(names, list | tuple), "sources", "a list of names", type(names).__name__)
    for name in names:  # pyright: ignore[reportGeneralTypeIssues]
        plain = isinstance(name, str) and re.fullmatch(r"\w[\w +&-]{0,63}", name)
        require(bool(plain), "source name", "letters, digits, spaces or + & - _, up to 64", str(name)[:64])
    return tuple(names)  # pyright: ignore[reportArgumentType]


def _write(leaves: Mapping[str, np.ndarray], metadata: dict[str, str], path: str | Path) -> None:
    # safetensors writes an array's memory as it lies, so transposed views need a copy in C order.
    tensors = {name: np.array(leaf, np.float32, order="C") for name, leaf in leaves.items()}
    with replaced_when_done(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(tensors, metadata))


def _subset(paths: Container[str], base: Checkpoint) -> dict[str, tuple[int, ...]]:
    return {path: shape for path, shape in shapes(base.config).items() if path in paths}


@contextlib.contextmanager
def _opened(path: Path, expected: str) -> Iterator[Any]:
    try:
        with safetensors.safe_open(path, framework="np") as file:
            found = (file.metadata() or {}).get("format")
            require(found == expected, "metadata format", repr(expected), found)
            yield file
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})") from error
    except safetensors.SafetensorError as error:
        raise InputError(f"damaged, or not a safetensors file ({error})") from error


def _stored_shapes(file: Any) -> dict[str, tuple[int, ...]]:
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
    for name, part in slices.items():
        require(part.get_dtype() == "F32", name, "float32", part.get_dtype())
    return {name: tuple(part.get_shape()) for name, part in slices.items()}


def _tensors(file: Any) -> dict[str, np.ndarray]:
    return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _metadata(file: Any, field: str) -> dict[str, Any]:
    try:
        value = json.loads(file.metadata().get(field, ""))
    except (ValueError, RecursionError) as error:
        raise InputError(f"metadata {field} is not JSON ({error})") from error
    require(isinstance(value, dict), f"metadata {field}", "an object", type(value).__name__)
    return value


def _texts(value: dict[str, Any], field: str) -> dict[str, str]:
    texts = all(isinstance(text, str) for text in value.values())
    require(texts, f"metadata {field}", "texts by name", "something else")
    return value


def _config_json(config: ModelConfig) -> str:
    return json.dumps(dataclasses.asdict(config), sort_keys=True)


def _config_from(values: dict[str, Any]) -> ModelConfig:
    types = {field.name: type(field.default) for field in dataclasses.fields(ModelConfig)}
    require(values.keys() == types.keys(), "metadata config", f"the fields {', '.join(types)}", sorted(values))
    values = values | {"sources": source_names(values["sources"])}
    for name, expected in types.items():
        require(type(values[name]) is expected, f"model {name}", expected.__name__, values[name])
    return ModelConfig(**values)
