"""Files that torch.save wrote, read without torch and without running anything pickled.

There are two containers: torch's serialisation before 1.6 and the zip archive since; either may be gzipped. Both are
pickles with the numbers of the tensors as raw bytes beside them, and a pickle is a program. Here its opcodes only
build lists, tuples and dicts; what it imports by name stays a name (`Global`), and calling a name means looking it up
in `BUILDERS`. Tensors are records (`View`) until the pickle has been read.
"""

import contextlib
import gzip
import io
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ugosa_jax.errors import InputError, require

LARGEST_BYTES = 2**29
"""Size of a file, gzipped or not, above which it is refused; twelve times that of the published ones."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

IsModel = Callable[[str, str], bool]
"""Tells whether a module and a name in it are a class of networks that a file may mention."""


# Containers


def bytes_of(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
      InputError: it cannot be read, or is larger than `LARGEST_BYTES`.
    """
    try:
        require(not path.is_dir(), str(path), "a file", "a folder")
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    require(len(raw) <= LARGEST_BYTES, str(path), f"at most {LARGEST_BYTES} bytes", "larger")
    return raw


@contextlib.contextmanager
def refusing(kind: str) -> Iterator[None]:
    """Raise InputError for whatever goes wrong in the block: the file is damaged, or not of the kind it should be."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__} {error}".split("\n")[0][:120]
        raise InputError(f"damaged, or not {kind} ({reason})") from error


def decode(raw: bytes, is_model: IsModel) -> tuple[object, dict[str, np.ndarray]]:
    """Return what a file's bytes hold, with a `View` for every tensor, and the storages that `arrays` reads them from.

    Raises:
      InputError: the file is not torch's, or names something that weights have no use for. Damage raises anything
        else; call this and `arrays` within `refusing`.
    """
    data = _gunzipped(raw) if raw.startswith(b"\x1f\x8b") else raw
    return _zip(data, is_model) if data.startswith(b"PK\x03\x04") else _legacy(data, is_model)


def arrays(state: Mapping[str, Any], storages: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict as read-only arrays.

    Raises:
      InputError: a value is not a tensor, or the tensors are more than what is stored.
    """
    for name, view in state.items():
        require(type(name) is str and isinstance(view, View), f"{name}", "a tensor", type(view).__name__)
    found = {name: view.array(storages) for name, view in state.items()}
    # Views of one storage could claim more memory than the whole file has once they are copied.
    claimed, held = (sum(array.nbytes for array in group.values()) for group in (found, storages))
    require(claimed <= held, "tensors", f"at most the {held} bytes stored", f"{claimed} bytes")
    return found


def _gunzipped(raw: bytes) -> bytes:
    data = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(LARGEST_BYTES + 1)
    require(len(data) <= LARGEST_BYTES, "unpacked size", f"at most {LARGEST_BYTES} bytes", "larger")
    return data


def _zip(data: bytes, is_model: IsModel) -> tuple[object, dict[str, np.ndarray]]:
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
        reader = InertUnpickler(io.BytesIO(archive.read(f"{roots[0]}/data.pkl")), is_model)
        content, storages = reader.load(), reader.storages.items()
        return content, {k: s.elements(archive.read(f"{roots[0]}/data/{k}")) for k, s in storages}


def _legacy(data: bytes, is_model: IsModel) -> tuple[object, dict[str, np.ndarray]]:
    """Read torch's older serialisation: five pickles in a row, then count and numbers of every storage."""
    stream = io.BytesIO(data)
    magic, version, system = (InertUnpickler(stream).load() for _ in range(3))
    require(magic == LEGACY_MAGIC, "first number", "that of a torch file", "another one")
    require(version == 1001, "torch's protocol version", "1001", "another one")
    require(system["little_endian"] is True, "byte order", "little", "another one")
    reader = InertUnpickler(stream, is_model)
    content = reader.load()
    keys: Any = InertUnpickler(stream).load()
    storages = {}
    for storage in (reader.storages[key] for key in keys):
        count = int.from_bytes(stream.read(8), "little", signed=True)
        require(count == storage.count, f"storage {storage.key}", f"of {storage.count} numbers", count)
        storages[storage.key] = storage.elements(stream.read(storage.nbytes))
    return content, storages


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
        require(len(data) == self.nbytes, f"storage {self.key}", f"{self.nbytes} bytes", len(data))
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
_PATHS = ("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath", "pathlib._local.WindowsPath")
BUILDERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _empty_dict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    **dict.fromkeys(("argparse.Namespace", "fractions.Fraction", "torch.device", *_PATHS), _nothing),
}


class InertUnpickler(pickle._Unpickler):
    """The standard library's unpickler in Python, left with the opcodes that build data.

    The C one cannot be used: it fills its memo up to any index a file names, and hashes tuples as keys of dicts, which
    takes exponential time for nested ones. Here the memo is a dict, and keys are texts or whole numbers.
    """

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        opcode[0]: pickle._Unpickler.dispatch[opcode[0]]
        for opcode in (
            *(pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE),
            *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.BINFLOAT),
            *(pickle.BINUNICODE, pickle.SHORT_BINUNICODE),
            *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
            *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_DICT),
            *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE, pickle.BINGET, pickle.LONG_BINGET),
            *(pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.BINPERSID),
        )
    }

    def __init__(self, stream: io.BytesIO, is_model: IsModel = lambda module, name: False):
        super().__init__(stream)
        self.is_model = is_model
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if "." in name or not (full in BUILDERS or full in DTYPES or self.is_model(module, name)):
            raise InputError(f"names {full[:120]!r}, which no checkpoint needs; it was not run")
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
            raise InputError(f"calls {str(target)[:120]!r}, which no checkpoint needs; it was not run")
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
        plain = all(type(key) in (str, int) for key in keys)
        require(plain, "keys in the pickle", "texts or whole numbers", "others")
        target.update(zip(keys, values, strict=True))

    dispatch |= {pickle.REDUCE[0]: _build, pickle.NEWOBJ[0]: _build, pickle.BUILD[0]: _ignore_state}
    dispatch |= {pickle.SETITEM[0]: _set_item, pickle.SETITEMS[0]: _set_items}
