"""Safe reading of pickled dicts of NumPy arrays; see `inert_pickle`."""

import io
import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ugosa_jax.errors import InputError, require
from ugosa_jax.weights.inert_pickle import Global, InertUnpickler

NAMES = ("numpy.core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype", "_codecs.encode")
"""The functions and classes that such a pickle may refer to."""
_DTYPES = {"f4": "<f4", "f8": "<f8", "i8": "<i8"}


class _Unfinished:
    """An array or a dtype, which a pickle first creates and later sets the state of."""

    def __init__(self, kind: str, value: Any = None):
        self.kind, self.value = kind, value


def read_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of a pickled dict by name, read-only.

    Raises:
      InputError: the pickle refers to an object outside `NAMES`, or is not such a dict. A damaged pickle may raise any
        other exception.
    """
    content = _ArrayUnpickler(io.BytesIO(data)).load()
    require(type(content) is dict, "pickle", "a dict of arrays", type(content).__name__)
    for name, part in content.items():
        is_array = type(name) is str and type(part) is _Unfinished and isinstance(part.value, np.ndarray)
        require(is_array, str(name)[:80], "an array", type(part).__name__)
    return {name: part.value for name, part in content.items()}


class _ArrayUnpickler(InertUnpickler):
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(InertUnpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in NAMES:
            raise InputError(f"names {full[:120]!r}, which arrays do not need; it was not run")
        return Global(full)

    def _call(self) -> None:
        arguments, target = self.stack.pop(), self.stack.pop()
        match target, arguments:
            case Global("numpy.core.multiarray._reconstruct"), (Global("numpy.ndarray"), (0,), bytes()):
                self.append(_Unfinished("array"))
            case Global("numpy.dtype"), (str(name), bool(), bool()) if name in _DTYPES:
                self.append(_Unfinished("dtype", _DTYPES[name]))
            case Global("_codecs.encode"), (str(text), "latin1"):  # bytes in old pickle protocols
                self.append(text.encode("latin1"))
            case _:
                raise InputError("calls something that arrays do not need; it was not run")

    def _describe(self) -> None:
        state, part = self.stack.pop(), self.stack[-1]
        match part, state:
            case _Unfinished(kind="dtype"), (3, "<", None, None, None, -1, -1, 0):
                pass
            case _Unfinished(kind="array", value=None), (
                1,
                tuple(shape),
                _Unfinished(kind="dtype", value=dtype),
                bool(fortran),
                bytes(raw),
            ):
                part.value = _read_array(shape, dtype, fortran, raw)
            case _:
                raise InputError("describes an array in an unknown way")

    dispatch |= {ord("R"): _call, ord("b"): _describe}


def _read_array(shape: tuple[Any, ...], dtype: str, fortran: bool, raw: bytes) -> np.ndarray:
    is_valid = len(shape) <= 8 and all(type(n) is int and n >= 0 for n in shape)
    require(is_valid, "shape of an array", "up to 8 whole numbers", str(shape)[:80])
    size = math.prod(shape) * np.dtype(dtype).itemsize
    require(len(raw) == size, "array", f"of {size} bytes, as its shape {shape} says", len(raw))
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")
