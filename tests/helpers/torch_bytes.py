"""Files as torch.save writes them, made without torch: a small assembler of pickles."""

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.helpers.networks import make_random_params
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import convtasnet_torch, torchfile

SMALL = ConvTasNet(N=6, L=4, B=5, H=7, P=3, X=2, R=3)


class Name(NamedTuple):
    module: str
    name: str


class Call(NamedTuple):
    function: object
    arguments: tuple


class Persistent(NamedTuple):
    pid: object


CONV_TASNET = Name("demucs.tasnet", "ConvTasNet")
SYSTEM = Name("os", "system")
ORDERED_DICT = Name("collections", "OrderedDict")


def assemble(value: object) -> bytes:
    """Return the opcodes with which a pickle creates a value."""
    match value:
        case bytes():
            return value  # opcodes as they are
        case Name(module, name):
            return f"c{module}\n{name}\n".encode()
        case Call(function, arguments):
            return assemble(function) + assemble(arguments) + b"R"
        case Persistent(pid):
            return assemble(pid) + b"Q"
        case None | True | False:
            return {None: b"N", True: b"\x88", False: b"\x89"}[value]
        case int():
            number = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(number)]) + number
        case str():
            return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()
        case tuple():
            return b"(" + b"".join(map(assemble, value)) + b"t"
        case list():
            return b"](" + b"".join(map(assemble, value)) + b"e"
        case dict():
            return b"}(" + b"".join(assemble(key) + assemble(item) for key, item in value.items()) + b"u"
    raise TypeError(type(value))


def pickled(value: object) -> bytes:
    return b"\x80\x02" + assemble(value) + b"."


STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}


def tensor(key, count, shape, strides, offset=0, kind="f4", legacy=False):
    pid = ("storage", Name("torch", STORAGES[kind]), key, "cpu", count) + ((None,) if legacy else ())
    arguments = (Persistent(pid), offset, shape, strides, False, Call(ORDERED_DICT, ()))
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), arguments)


def tensors(state, legacy=False):
    """Return the pickled form of a state dict and its storages."""
    forms, storages = {}, {}
    for key, (name, array) in enumerate(state.items()):
        array = np.array(array, order="C")
        strides = tuple(step // array.itemsize for step in array.strides)
        forms[name] = tensor(str(key), array.size, array.shape, strides, 0, array.dtype.str[1:], legacy)
        storages[str(key)] = array.tobytes()
    return forms, storages


def zipped(content: bytes, storages=None, extra=None, compression=zipfile.ZIP_STORED) -> bytes:
    entries = {"a/data.pkl": content, "a/byteorder": b"little"}
    entries |= {f"a/data/{key}": data for key, data in (storages or {}).items()} | (extra or {})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return stream.getvalue()


def legacy(content: bytes, storages=None, little=True) -> bytes:
    storages = storages or {}
    head = pickled(torchfile.LEGACY_MAGIC) + pickled(1001) + pickled({"little_endian": little})
    tail = b"".join((len(data) // 4).to_bytes(8, "little") + data for data in storages.values())
    return head + content + pickled(list(storages)) + tail


def package(state, kwargs=None, klass=CONV_TASNET, training_args=(), args=()) -> bytes:
    forms, storages = tensors(state)
    content = {"klass": klass, "args": args, "kwargs": kwargs or {}, "state": forms, "training_args": training_args}
    return zipped(pickled(content), storages)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def small_state(config=SMALL, seed=0):
    return convtasnet_torch.to_torch(make_random_params(config, seed), config)
