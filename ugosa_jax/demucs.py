"""Checkpoints of the Demucs repository, read without torch and without running anything pickled.

There are three containers: the v1 package (torch's serialisation before 1.6, sometimes gzipped), the v2
package and the plain state dict (both zip archives). All are pickles with tensors as raw bytes beside them,
and a pickle is a program. Here its opcodes only build lists, tuples and dicts; what it imports by name stays a
name (`Global`), and calling a name means looking it up in `BUILDERS`. Tensors are records (`View`) until the
pickle has been read.
"""

import gzip
import hashlib
import io
import itertools
import pickle
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ugosa_jax.config import ModelConfig, require
from ugosa_jax.errors import InputError
from ugosa_jax.weights import Checkpoint, compare_shapes, flat, naming, nested, norm_leaves, shapes
from ugosa_jax.weights import source_names as checked_names

LARGEST_BYTES = 2**29
"""Size of a file, gzipped or not, above which it is refused; twelve times that of the published ones."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# Arguments of the torch class in order; segment_length is about training.
KINDS = ("audio_channels", "norm_type", "causal", "mask_nonlinear")
V1_SETTINGS = (*"NLBHPXRC", *KINDS)
V2_SETTINGS = ("sources", *"NLBHPXR", *KINDS, "samplerate", "segment_length")
MOST_SOURCES = 100


def convert(path: str | Path) -> Checkpoint:
    """Read a Demucs checkpoint of any kind as a native one.

    Raises:
      InputError: it cannot be read, is not a ConvTasNet, or its tensors are not those of its architecture.
    """
    raw = _bytes_of(Path(path))
    with naming(path):
        container, state, kwargs = _contents(raw)
        config = model_config(state, kwargs)
        provenance = {
            "origin": Path(path).name,
            "origin_sha256": hashlib.sha256(raw).hexdigest(),
            "converted_from": container,
        }
        return Checkpoint(config, from_torch(state, config), provenance)


def read_checkpoint(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the tensors and the settings of a Demucs checkpoint.

    Args:
      path: a file in any of the three containers; the content decides, not the name.

    Returns:
      The read-only tensors by torch name, and the arguments of the torch class (none in a state dict).

    Raises:
      InputError: the file is damaged, not such a checkpoint, or names something that it has no use for.
    """
    raw = _bytes_of(Path(path))
    with naming(path):
        return _contents(raw)[1:]


# Architecture


def model_config(state: Mapping[str, np.ndarray], kwargs: Mapping[str, Any]) -> ModelConfig:
    """Return the architecture of a torch state dict.

    All sizes follow from the tensors; those among `kwargs` must agree. What no shape tells is taken from
    `kwargs`, or is as in the published weights: gLN rather than cLN, ReLU masks, 44.1 kHz, and drums, bass,
    other, vocals where there are four sources.

    Args:
      state: tensors by torch name.
      kwargs: arguments of the torch class.

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
    return ModelConfig(
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
    indices = re.compile(rf"{re.escape(_BLOCKS)}\.(\d+)\.(\d+)\.")
    found = [match.groups() for name in state if (match := indices.match(name))]
    R, X = len({r for r, _ in found}), len({x for _, x in found})
    # Made-up indices must not make us list more blocks than there are tensors.
    require(len(found) >= R * X, _BLOCKS, "a grid of repeats and blocks", f"{R} × {X} with gaps")
    return R, X


def _setting(kwargs: Mapping[str, Any], name: str, default: Any) -> Any:
    value = kwargs.get(name, default)
    require(type(value) is type(default), f"setting {name}", f"like {default!r}", value)
    return value


def _sources(kwargs: Mapping[str, Any], S: int) -> tuple[str, ...]:
    require(S <= MOST_SOURCES, "sources", f"at most {MOST_SOURCES}", S)
    four = len(ModelConfig.sources) == S
    unnamed = ModelConfig.sources if four else [f"source{i}" for i in range(1, S + 1)]
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


def table(config: ModelConfig) -> dict[str, Row]:
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


def _block_rows(c: ModelConfig, net: str) -> dict[str, Row]:
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


def _norm_rows(c: ModelConfig, path: str, name: str) -> dict[str, Row]:
    batch = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
    if c.norm == "BN":
        return {f"{path}.{leaf}": Row(f"{name}.{batch[leaf]}", (c.H,)) for leaf in norm_leaves(c)}
    return {f"{path}.{leaf}": Row(f"{name}.{leaf}", (1, c.H, 1)) for leaf in norm_leaves(c)}


def _counters(config: ModelConfig) -> list[str]:
    """Return the names of the batch counters, which torch keeps beside running means and nobody needs."""
    means = [row.name for row in table(config).values() if row.name.endswith(".running_mean")]
    return [name.replace("running_mean", "num_batches_tracked") for name in means]


def from_torch(state: Mapping[str, np.ndarray], config: ModelConfig) -> dict[str, Any]:
    """Return our parameters of a torch state dict.

    Args:
      state: tensors by torch name.
      config: architecture.

    Returns:
      The parameter tree, float32.

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


def to_torch(params: Mapping[str, Any], config: ModelConfig) -> dict[str, np.ndarray]:
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


# Containers


def _bytes_of(path: Path) -> bytes:
    try:
        require(not path.is_dir(), str(path), "a file", "a folder")
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    require(len(raw) <= LARGEST_BYTES, str(path), f"at most {LARGEST_BYTES} bytes", "larger")
    return raw


def _contents(raw: bytes) -> tuple[str, dict[str, np.ndarray], dict[str, Any]]:
    """Return container, tensors and settings. Whatever else goes wrong in there, the file is at fault."""
    try:
        data = _gunzipped(raw) if raw.startswith(b"\x1f\x8b") else raw
        content, storages = _zip(data) if data.startswith(b"PK\x03\x04") else _legacy(data)
        container, state, kwargs = _parts(content)
        return container, _arrays(state, storages), kwargs
    except InputError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__} {error}".split("\n")[0][:120]
        raise InputError(f"damaged, or not a Demucs checkpoint ({reason})") from error


def _gunzipped(raw: bytes) -> bytes:
    data = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(LARGEST_BYTES + 1)
    require(len(data) <= LARGEST_BYTES, "unpacked size", f"at most {LARGEST_BYTES} bytes", "larger")
    return data


def _zip(data: bytes) -> tuple[object, dict[str, np.ndarray]]:
    """Read torch's zip archive in memory: NAME/data.pkl and one entry NAME/data/KEY a storage."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        # Torch compresses nothing; entries that are packed, repeated or overlapping are there to do harm.
        stored = all(info.compress_type == zipfile.ZIP_STORED for info in entries.values())
        honest = sum(info.file_size for info in archive.infolist()) <= len(data)
        require(stored and honest, "zip entries", "stored as they are", "compressed or overlapping")
        roots = [name.removesuffix("/data.pkl") for name in entries if name.endswith("/data.pkl")]
        require(len(roots) == 1, "zip archive", "one with a single data.pkl", f"one with {len(roots)}")
        if f"{roots[0]}/byteorder" in entries:
            require(archive.read(f"{roots[0]}/byteorder") == b"little", "byte order", "little", "another one")
        reader = InertUnpickler(io.BytesIO(archive.read(f"{roots[0]}/data.pkl")))
        content, storages = reader.load(), reader.storages.items()
        return content, {k: s.elements(archive.read(f"{roots[0]}/data/{k}")) for k, s in storages}


def _legacy(data: bytes) -> tuple[object, dict[str, np.ndarray]]:
    """Read torch's older serialisation: five pickles in a row, then count and numbers of every storage."""
    stream = io.BytesIO(data)
    magic, version, system = (InertUnpickler(stream).load() for _ in range(3))
    require(magic == LEGACY_MAGIC, "first number", "that of a torch file", "another one")
    require(version == 1001, "torch's protocol version", "1001", "another one")
    require(system["little_endian"] is True, "byte order", "little", "another one")
    reader = InertUnpickler(stream)
    content = reader.load()
    keys: Any = InertUnpickler(stream).load()
    storages = {}
    for storage in (reader.storages[key] for key in keys):
        count = int.from_bytes(stream.read(8), "little", signed=True)
        require(count == storage.count, f"storage {storage.key}", f"of {storage.count} numbers", count)
        storages[storage.key] = storage.elements(stream.read(storage.nbytes))
    return content, storages


def _parts(content: object) -> tuple[str, dict[str, Any], dict[str, Any]]:
    match content:
        case (klass, args, kwargs, dict() as state):
            return "Demucs v1 package", state, _settings(klass, V1_SETTINGS, args, kwargs)
        case {"klass": klass, "args": args, "kwargs": kwargs, "state": dict() as state}:
            return "Demucs v2 package", state, _settings(klass, V2_SETTINGS, args, kwargs)
        case dict() as state:
            return "Demucs state dict", state, {}
    raise InputError("neither a Demucs package nor a state dict")


def _settings(klass: Any, order: tuple[str, ...], args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the arguments that the torch class was made with, by name."""
    name = klass.name if isinstance(klass, Global) else type(klass).__name__
    require(name.endswith(".ConvTasNet"), "model class", "ConvTasNet", name)
    given = dict(zip(order, args, strict=False)) | kwargs
    for name, value in given.items():
        values = value if isinstance(value, list | tuple) else [value]
        plain = all(type(item) in (str, int, float, bool, type(None)) for item in values)
        require(type(name) is str, "settings", "called by name", name)
        require(plain, f"setting {name}", "a number, a text or a list of them", type(value).__name__)
    return given


def _arrays(state: Mapping[str, Any], storages: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    for name, view in state.items():
        require(type(name) is str and isinstance(view, View), f"{name}", "a tensor", type(view).__name__)
    arrays = {name: view.array(storages) for name, view in state.items()}
    # Views of one storage could claim more memory than the whole file has once they are copied.
    claimed, held = (sum(array.nbytes for array in group.values()) for group in (arrays, storages))
    require(claimed <= held, "tensors", f"at most the {held} bytes stored", f"{claimed} bytes")
    return arrays


# Pickles


class Global(NamedTuple):
    """What a pickle calls by module and name. It stays a name."""

    name: str


class Storage(NamedTuple):
    """A run of numbers that tensors are views of."""

    key: str
    dtype: str
    count: int

    @property
    def nbytes(self) -> int:
        return self.count * np.dtype(self.dtype).itemsize

    def elements(self, data: bytes) -> np.ndarray:
        """Return the numbers in `data`, if there are as many as declared."""
        found = len(data)
        require(found == self.nbytes, f"storage {self.key}", f"{self.nbytes} bytes", found)
        return np.frombuffer(data, self.dtype)


class View(NamedTuple):
    """A tensor: in which storage and where it begins, its shape and its strides, counted in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, storages: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the numbers as a read-only array, if all of them lie within the storage."""
        elements = storages[self.storage.key]
        steps = [(n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True)]
        possible = min(self.offset, *self.strides, 0) == 0 and min(self.shape, default=1) >= 1
        inside = possible and self.offset + sum(steps) < self.storage.count
        require(inside, "tensor", f"within its storage of {self.storage.count} numbers", "beyond it")
        strides = [stride * elements.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(elements[self.offset :], self.shape, strides, writeable=False)


def _tensor(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> View:
    require(isinstance(storage, Storage), "tensor", "a view of a storage", type(storage).__name__)
    numbers = (offset, *shape, *strides)
    require(all(type(n) is int for n in numbers), "tensor", "described by whole numbers", "something else")
    return View(storage, offset, tuple(shape), tuple(strides))


def _parameter(tensor: View, *_: object) -> View:
    return tensor


def _empty_dict() -> dict[str, Any]:
    return {}


def _nothing(*_: object) -> None:
    """Stand for an object that a training script kept and nobody needs."""


DTYPES = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.LongStorage": "<i8",
}
BUILDERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _empty_dict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "argparse.Namespace": _nothing,
    "fractions.Fraction": _nothing,
    "pathlib.PosixPath": _nothing,
    "pathlib.WindowsPath": _nothing,
    "pathlib._local.PosixPath": _nothing,
    "pathlib._local.WindowsPath": _nothing,
    "torch.device": _nothing,
}


class InertUnpickler(pickle._Unpickler):
    """The standard library's unpickler in Python, left with the opcodes that build data.

    The C one cannot be used: it fills its memo up to any index a file names, and hashes tuples as keys of
    dicts, which takes exponential time for nested ones. Here the memo is a dict, and keys are texts or whole
    numbers.
    """

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        opcode[0]: pickle._Unpickler.dispatch[opcode[0]]
        for opcode in (
            *(pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK),
            *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BININT, pickle.BININT1, pickle.BININT2),
            *(pickle.LONG1, pickle.BINFLOAT, pickle.BINUNICODE, pickle.SHORT_BINUNICODE),
            *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
            *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_DICT),
            *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE, pickle.BINGET, pickle.LONG_BINGET),
            *(pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.BINPERSID),
        )
    }

    def __init__(self, stream: io.BytesIO):
        super().__init__(stream)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        a_model = name == "ConvTasNet" or module.startswith("demucs.")
        if "." in name or not (full in BUILDERS or full in DTYPES or a_model):
            raise InputError(f"names {full[:120]!r}, which no ConvTasNet checkpoint needs; it was not run")
        return Global(full)

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("module", Global() as klass, _, _):
                return klass
            case ("storage", Global(name), str(key), _, int(count), *views) if views in ([], [None]):
                storage = Storage(key, DTYPES[name], count)
                same = self.storages.setdefault(key, storage) == storage
                require(same, f"storage {key}", "declared in one way", "two")
                return storage
        raise InputError("refers to something that is neither a class nor a storage")

    def _build(self) -> None:
        arguments, target = self.stack.pop(), self.stack.pop()
        builder = BUILDERS.get(target.name) if type(target) is Global and type(arguments) is tuple else None
        if builder is None:
            raise InputError(f"calls {str(target)[:120]!r}, which no ConvTasNet checkpoint needs; it was not run")
        self.append(builder(*arguments))

    def _ignore_state(self) -> None:
        self.stack.pop()

    def _set_items(self) -> None:
        items, target = self.pop_mark(), self.stack[-1]
        self._fill(target, items[::2], items[1::2])

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._fill(self.stack[-1], [key], [value])

    def _fill(self, target: Any, keys: list[Any], values: list[Any]) -> None:
        require(type(target) is dict, "items in the pickle", "those of a dict", type(target).__name__)
        require(
            all(type(key) in (str, int) for key in keys),
            "keys in the pickle",
            "texts or whole numbers",
            "others",
        )
        target.update(zip(keys, values, strict=True))

    dispatch |= {
        pickle.REDUCE[0]: _build,
        pickle.NEWOBJ[0]: _build,
        pickle.BUILD[0]: _ignore_state,
        pickle.SETITEM[0]: _set_item,
        pickle.SETITEMS[0]: _set_items,
    }
