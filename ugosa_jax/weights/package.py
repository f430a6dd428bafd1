"""Checkpoint files of the Demucs repository, called packages: the class of a network, its arguments, and the tensors.

There are three kinds: the package of v1, the package of v2 to v4, and the plain state dict.
"""

import fractions
from typing import Any, NamedTuple

import numpy as np

from ugosa_jax.errors import InputError, require
from ugosa_jax.weights import torchfile
from ugosa_jax.weights.inert_pickle import Global

_PLAIN = (str, int, float, bool, type(None), fractions.Fraction)


class Package(NamedTuple):
    """A checkpoint, unpacked.

    Attributes:
      kind: the kind of file, in words.
      klass: name of the network's class; None in a state dict, which has none.
      args: arguments of the class by position.
      kwargs: arguments of the class by name.
      state: the tensors by torch name, read-only.
    """

    kind: str
    klass: str | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    state: dict[str, np.ndarray]


def unpack(raw: bytes) -> Package:
    """Return the package in the bytes of a file; the content determines its kind.

    Raises:
      InputError: the bytes are damaged, not such a checkpoint, or refer to objects that no network needs.
    """
    with torchfile.refuse_damage("a Demucs checkpoint"):
        content, storages = torchfile.decode(raw)
        kind, klass, args, kwargs, state = _split(content)
        return Package(kind, klass, args, kwargs, torchfile.read_tensors(state, storages))


def _split(content: object) -> tuple[str, str | None, tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    match content:
        case (klass, args, kwargs, dict() as state):
            return "Demucs v1 package", *_check_arguments(klass, args, kwargs), state
        case {"klass": klass, "args": args, "kwargs": kwargs, "state": dict() as state}:
            return "Demucs v2 package", *_check_arguments(klass, args, kwargs), state
        case dict() as state:
            return "Demucs state dict", None, (), {}, state
    raise InputError("neither a Demucs package nor a state dict")


def _check_arguments(klass: Any, args: Any, kwargs: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Return the name of a class and its arguments, if they are plain data."""
    require(isinstance(klass, Global), "model class", "a name", type(klass).__name__)
    require(isinstance(args, list | tuple), "settings", "a list of arguments", type(args).__name__)
    require(isinstance(kwargs, dict), "settings", "arguments by name", type(kwargs).__name__)
    for name, value in [*enumerate(args), *kwargs.items()]:
        values = value if isinstance(value, list | tuple) else [value]
        is_valid = len(values) <= 1000 and all(type(item) in _PLAIN for item in values)
        require(is_valid, f"setting {name}", "a number, a text or a list of them", type(value).__name__)
    for name in kwargs:
        require(type(name) is str, "settings", "called by name", type(name).__name__)
    return klass.name, tuple(args), kwargs
