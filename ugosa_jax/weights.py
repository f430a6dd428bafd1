"""Network weights: the native safetensors file, deltas of adapted layers, and weights known by name.

A parameter tree is a nested dict of float32 arrays. In files and messages a leaf is called by its dotted path,
such as ``repeat4.block1.expand.kernel``. `shapes` says which leaves a network has.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import re
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import platformdirs
import pooch
import safetensors
import safetensors.numpy

from ugosa_jax.config import ModelConfig, require
from ugosa_jax.errors import InputError
from ugosa_jax.files import replaced_when_done, sha256_of

WEIGHTS_FORMAT = "ugosa_jax weights 1"
DELTA_FORMAT = "ugosa_jax delta 1"
TIMEOUT_S = 30.0

LICENCE = (
    "none stated for the weights themselves; the Demucs repository was CC BY-NC 4.0 when they were published "
    "in 2019 and is MIT today"
)


@dataclasses.dataclass(frozen=True)
class Known:
    """Published weights: where they are, and what they must be."""

    url: str
    sha256: str
    description: str
    licence: str = LICENCE


KNOWN = {
    "tasnet": Known(
        "https://dl.fbaipublicfiles.com/demucs/tasnet.th",
        "d037cdbad294f1a7152af8742d8419c305e244810381a795ffcd22b8593360d8",
        "Conv-TasNet of Demucs v1, trained on MUSDB18",
    ),
    "tasnet_extra": Known(
        "https://dl.fbaipublicfiles.com/demucs/tasnet_extra.th",
        "4a91ade51439ac41bb1914753c3aebd839eed17981379e6142478bcfa3a5461f",
        "Conv-TasNet of Demucs v1, trained on MUSDB18 and further songs",
    ),
}


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


def load(name_or_path: str | Path) -> Checkpoint:
    """Read weights: a native file, a Demucs checkpoint, or a name that is bundled or in the cache.

    Args:
      name_or_path: a name such as ``tasnet``, or a file; its content decides how it is read.

    Raises:
      InputError: no such file or name, or the file is damaged, foreign or does not fit its own architecture.
    """
    path = find(name_or_path)
    if not _is_safetensors(path):
        return _converted(path)
    with naming(path), _opened(path, WEIGHTS_FORMAT) as file:
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
    """Return the parameters of `base` with the adapted ones of a delta in their place.

    Raises:
      InputError: the file is damaged or not a delta, or was made from other weights than `base`.
    """
    with naming(path), _opened(Path(path), DELTA_FORMAT) as file:
        made_from = file.metadata().get("base", "")
        require(made_from == base.fingerprint, "base weights", base.fingerprint[:12], made_from[:12])
        compare_shapes(stored := _stored_shapes(file), _subset(stored, base))
        leaves = _tensors(file)
        verify(leaves, _subset(leaves, base))
        return nested(flat(base.params) | leaves)


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


@contextlib.contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Put the name of a file before the message of every InputError raised in the block."""
    try:
        yield
    except InputError as error:
        one_line = " ".join(str(error).split())  # names in a file may hold line breaks, and be long
        raise InputError(f"{path}: {one_line[:500]}") from error


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


def _is_safetensors(path: Path) -> bool:
    # Eight bytes of header length, then JSON; none of the Demucs containers has a brace there.
    try:
        with path.open("rb") as stream:
            return stream.read(9)[8:] == b"{"
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _converted(path: Path) -> Checkpoint:
    from ugosa_jax import demucs  # demucs makes Checkpoints, so it imports this module

    return demucs.convert(path)


# Weights by name


@dataclasses.dataclass(frozen=True)
class Listed:
    """Weights that have a name, and where they are."""

    name: str
    where: Literal["bundled", "cached", "downloadable"]
    path: Path | None
    size_bytes: int | None


def bundled_folder() -> Path:
    """Return the folder of weights that come with the package, which may be empty or absent."""
    package = Path(__file__).parent
    in_checkout = (package.parent / "pyproject.toml").is_file()
    return package.parent / "weights" if in_checkout else package / "bundled"


def cache_folder() -> Path:
    """Return the folder of downloaded weights: below $UGOSA_JAX_CACHE, or the user's cache folder."""
    return Path(os.environ.get("UGOSA_JAX_CACHE") or platformdirs.user_cache_dir("ugosa_jax")) / "weights"


def find(name_or_path: str | Path) -> Path:
    """Return the file of weights that are bundled, in the cache, or given by path.

    Raises:
      InputError: there are none.
    """
    name, path = str(name_or_path), Path(name_or_path)
    named = [folder / f"{name}.safetensors" for folder in (bundled_folder(), cache_folder())]
    for place in [*(named if path.name == name else []), path]:
        if place.is_file():
            return place
    if name in KNOWN:
        raise InputError(f"{name}: not downloaded yet; run `ugosa-jax weights download {name}`")
    raise InputError(f"{name}: no such file, and no weights of that name")


def listing() -> list[Listed]:
    """Return all weights that have a name: bundled ones, those in the cache, those to download."""
    found = [*_listed(bundled_folder(), "bundled"), *_listed(cache_folder(), "cached")]
    present = {item.name for item in found}
    return found + [Listed(name, "downloadable", None, None) for name in KNOWN if name not in present]


def download(name: str, url: str | None = None, cache: str | Path | None = None, progress: bool = True) -> Path:
    """Fetch published weights, verify them and keep them as a native file; return at once if they are there.

    Args:
      name: a name in `KNOWN`.
      url: another place with the same bytes: http, https, file, or a local path.
      cache: folder to keep the file in instead of `cache_folder()`.
      progress: show a bar on standard error.

    Raises:
      InputError: unknown name, no connection, a connection that broke, other bytes than published, or a
        folder that cannot be written. Nothing half-written stays.
    """
    if name not in KNOWN:
        raise InputError(f"{name}: no weights of that name to download (there are {', '.join(KNOWN)})")
    folder = Path(cache) if cache is not None else cache_folder()
    target = folder / f"{name}.safetensors"
    if not target.is_file():
        with _scratch(folder) as scratch:
            save(_fetched(name, url or KNOWN[name].url, scratch, progress), target)
    return target


def _fetched(name: str, url: str, scratch: Path, progress: bool) -> Checkpoint:
    path = _local_path(url)
    if path is None:
        path = scratch / f"{name}.th"
        _get(url, path, progress)
    found = sha256_of(path)
    require(found == KNOWN[name].sha256, f"{url}: SHA-256", KNOWN[name].sha256, found)
    checkpoint = _converted(path)
    origin = {"origin_url": url, "licence": KNOWN[name].licence}
    return dataclasses.replace(checkpoint, provenance=checkpoint.provenance | origin)


def _get(url: str, path: Path, progress: bool) -> None:
    fetch = pooch.HTTPDownloader(progressbar=progress, chunk_size=2**16, timeout=TIMEOUT_S)
    try:
        fetch(url, str(path), None)
    except (OSError, ValueError) as error:  # what requests raises is an OSError; bad URLs are ValueErrors
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{url}: cannot be downloaded ({type(error).__name__}: {reason})") from error


def _local_path(url: str) -> Path | None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file":
        return Path(urllib.request.url2pathname(parts.path))
    return None if "://" in url else Path(url)


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=".download-", dir=folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    with scratch as name:
        yield Path(name)


def _listed(folder: Path, where: Literal["bundled", "cached"]) -> list[Listed]:
    files = sorted(folder.glob("*.safetensors"))
    return [Listed(path.stem, where, path, path.stat().st_size) for path in files]
