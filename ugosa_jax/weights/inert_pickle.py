"""Safe reading of pickles: only opcodes that build lists, tuples, dicts and numbers are executed.

A pickle is a program that may import and call anything. Here, an imported name stays a name (`Global`), and calling it
runs the function that `BUILDERS` has for this name, or is an error. Tensors are views (`View`) of storages, whose
numbers lie outside the pickle.
"""

import fractions
import io
import itertools
import pickle
import pickletools
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ugosa_jax.errors import InputError, require

MAX_OPCODES = 500_000
"""Largest number of opcodes in a pickle: twenty times that of published files. Each creates at most one object."""


class Global(NamedTuple):
    """The name of a class or function in a pickle, which is never imported."""

    name: str


class Storage(NamedTuple):
    """An array of numbers that tensors are views of."""

    key: str
    dtype: str
    count: int

    @property
    def nbytes(self) -> int:
        return self.count * np.dtype(self.dtype).itemsize

    def read_elements(self, data: bytes) -> np.ndarray:
        """Return the numbers in `data`.

        Raises:
          InputError: there are not as many as declared.
        """
        require(len(data) == self.nbytes, f"storage {self.key}", f"{self.nbytes} bytes", len(data))
        return np.frombuffer(data, self.dtype)


class View(NamedTuple):
    """A tensor: its storage, and its offset, shape and strides, in elements of the storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read_array(self, storages: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the numbers as a read-only array.

        Raises:
          InputError: some of them lie outside the storage.
        """
        elements = storages[self.storage.key]
        steps = [(n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True)]
        possible = min(self.offset, *self.strides, 0) == 0 and min(self.shape, default=1) >= 1
        inside = possible and self.offset + sum(steps) < self.storage.count
        require(inside, "tensor", f"within its storage of {self.storage.count} numbers", "beyond it")
        strides = [stride * elements.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(elements[self.offset :], self.shape, strides, writeable=False)


def _build_tensor(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> View:
    require(isinstance(storage, Storage), "tensor", "a view of a storage", type(storage).__name__)
    numbers = (offset, *shape, *strides)
    require(all(type(n) is int for n in numbers), "tensor", "described by whole numbers", "something else")
    return View(storage, offset, tuple(shape), tuple(strides))


def _unwrap_parameter(tensor: View, *_: object) -> View:
    return tensor


def _build_dict() -> dict[str, Any]:
    return {}


def _ignore_object(*_: object) -> None:
    """Return None, in place of an object of a training script that is not needed."""


def _build_fraction(*parts: object) -> fractions.Fraction:
    """Return a fraction, which is pickled as "39/5", or since Python 3.12 as two integers."""
    texts = [str(part) for part in parts if type(part) in (int, str)]
    match = re.fullmatch(r"(-?\d{1,9})(?:/(\d{1,9}))?", "/".join(texts), re.ASCII) if len(texts) == len(parts) else None
    if match is None or int(match[2] or 1) == 0:
        raise InputError("holds a fraction that is not of two whole numbers")
    return fractions.Fraction(int(match[1]), int(match[2] or 1))


def _encode_latin1(text: object, encoding: object) -> bytes:
    """Return bytes, which old pickle protocols store as a Latin-1 string."""
    if type(text) is not str or len(text) > 64 or encoding not in ("latin1", "latin-1"):
        raise InputError("holds bytes that are not those of a number")
    return text.encode("latin1")


def _build_dtype(name: object, *_: object) -> np.dtype:
    if name not in ("f2", "f4", "f8", "i4", "i8"):
        raise InputError("holds a numpy scalar of an unknown type")
    return np.dtype(f"<{name}")


def _build_scalar(dtype: object, data: object) -> float:
    """Return a numpy scalar as a Python number."""
    if not isinstance(dtype, np.dtype) or type(data) is not bytes or len(data) != dtype.itemsize:
        raise InputError("holds a numpy scalar that is none")
    return np.frombuffer(data, dtype)[0].item()


DTYPES = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.LongStorage": "<i8",
}
_PATHS = ("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath", "pathlib._local.WindowsPath")
BUILDERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _build_dict,
    "torch._utils._rebuild_tensor_v2": _build_tensor,
    "torch._utils._rebuild_parameter": _unwrap_parameter,
    "fractions.Fraction": _build_fraction,
    "_codecs.encode": _encode_latin1,
    "numpy.dtype": _build_dtype,
    **dict.fromkeys(("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"), _build_scalar),
    **dict.fromkeys(("argparse.Namespace", "torch.device", *_PATHS), _ignore_object),
}


def _is_network_class(module: str, name: str) -> bool:
    """Return whether a name is that of a network's class in the Demucs repository."""
    return name == "ConvTasNet" or module.startswith("demucs.")


def check_length(stream: io.BytesIO) -> None:
    """Raise InputError if a pickle has more than `MAX_OPCODES` opcodes, before any of them is read."""
    start = stream.tell()
    n_opcodes = sum(1 for _ in itertools.islice(pickletools.genops(stream), MAX_OPCODES + 1))
    require(n_opcodes <= MAX_OPCODES, "pickle", f"of at most {MAX_OPCODES} steps", "more")
    stream.seek(start)


class InertUnpickler(pickle._Unpickler):
    """The standard library's unpickler (the one written in Python), restricted to opcodes that build data.

    The one written in C is not safe: a file can make it allocate a memo of any size, and hash nested tuples as keys of
    dicts, which takes exponential time. Here, the memo is a dict, and keys must be strings or integers.
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

    def __init__(self, stream: io.BytesIO):
        check_length(stream)
        super().__init__(stream)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if "." in name or not (full in BUILDERS or full in DTYPES or _is_network_class(module, name)):
            raise InputError(f"names {full[:120]!r}, which no checkpoint needs; it was not run")
        return Global(full)

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("module", Global() as klass, _, _):
                return klass
            case ("storage", Global(name), str(key), _, int(count), *views) if views in ([], [None]):
                storage = Storage(key, DTYPES[name], count)
                same = self.storages.setdefault(key, storage) == storage
                require(same, f"storage {key}", "of one type and size", "two")
                return storage
        raise InputError("refers to something that is neither a class nor a storage")

    def _build(self) -> None:
        arguments, target = self.stack.pop(), self.stack.pop()
        builder = BUILDERS.get(target.name) if type(target) is Global and type(arguments) is tuple else None
        if builder is None:
            called = target.name if type(target) is Global else target if type(target) is str else type(target).__name__
            raise InputError(f"calls {called[:120]!r}, which no checkpoint needs; it was not run")
        self.append(builder(*arguments))

    def _ignore_state(self) -> None:
        self.stack.pop()

    def _set_items(self) -> None:
        items, target = self.pop_mark(), self.stack[-1]
        self._update_dict(target, items[::2], items[1::2])

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update_dict(self.stack[-1], [key], [value])

    def _update_dict(self, target: Any, keys: list[Any], values: list[Any]) -> None:
        require(type(target) is dict, "items in the pickle", "those of a dict", type(target).__name__)
        is_valid = all(type(key) in (str, int) for key in keys)
        require(is_valid, "keys in the pickle", "texts or whole numbers", "others")
        target.update(zip(keys, values, strict=True))

    dispatch |= {pickle.REDUCE[0]: _build, pickle.NEWOBJ[0]: _build, pickle.BUILD[0]: _ignore_state}
    dispatch |= {pickle.SETITEM[0]: _set_item, pickle.SETITEMS[0]: _set_items}
