"""Torch's files, read as Demucs checkpoints are: nothing pickled runs, and no bytes cause another exception."""

import gzip
import pickle
import re
import shutil
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.networks import DATA
from tests.helpers.torch_bytes import (
    CONV_TASNET,
    SYSTEM,
    Call,
    Name,
    Persistent,
    assemble,
    legacy,
    package,
    pickled,
    small_state,
    tensor,
    tensors,
    written,
    zipped,
)
from ugosa_jax.errors import InputError
from ugosa_jax.weights import convert, inert_pickle, torchfile
from ugosa_jax.weights.convert import read_package

CONTAINERS = sorted(path.name for path in DATA.glob("*.th*"))


# Hostile files


def hostile(marker: Path) -> dict[str, tuple[object, str]]:
    """Return pickled values that would create `marker` if they ran, and the name in the error."""
    touch, dotted = f"touch {marker}", b"\x80\x04\x8c\x02os\x8c\x0epath.os.system\x93"
    built = b"cargparse\nNamespace\n)\x81" + assemble({"__setstate__": SYSTEM}) + b"b" + assemble(touch) + b"b"
    return {
        "reduce": (Call(SYSTEM, (touch,)), "os.system"),
        "posix": (Call(Name("posix", "system"), (touch,)), "posix.system"),
        "eval": (Call(Name("builtins", "eval"), (f"open({str(marker)!r}, 'w')",)), "builtins.eval"),
        "getattr": (Call(Name("builtins", "getattr"), (SYSTEM, "x")), "builtins.getattr"),
        "dotted": (dotted + assemble((touch,)) + b"R", "os.path.os.system"),
        "dotted through torch": (Name("torch._utils", "os.system"), "torch._utils.os.system"),
        "dotted through demucs": (Name("demucs.tasnet", "torch.os.system"), "demucs.tasnet.torch.os.system"),
        "newobj": (assemble(SYSTEM) + assemble((touch,)) + b"\x81", "os.system"),
        "build": (built, "os.system"),
        "called class": (Call(CONV_TASNET, (touch,)), "demucs.tasnet.ConvTasNet"),
        "called dtype": (Call(Name("torch", "FloatStorage"), (touch,)), "torch.FloatStorage"),
        "called text": (Call("os.system", (touch,)), "os.system"),
        "load": (Call(Name("torch", "load"), (touch,)), "torch.load"),
    }


@pytest.mark.parametrize("container", ["bare", "legacy", "zip", "legacy.gz", "zip.gz", "training_args", "module"])
@pytest.mark.parametrize("attack", hostile(Path("x")))
def test_hostile_pickles_are_refused_by_name_and_do_not_run(tmp_path, attack, container):
    marker = tmp_path / "ran"
    value, name = hostile(marker)[attack]
    data = {
        "bare": lambda: pickled(value),
        "legacy": lambda: legacy(pickled(value)),
        "zip": lambda: zipped(pickled(value)),
        "legacy.gz": lambda: gzip.compress(legacy(pickled(value))),
        "zip.gz": lambda: gzip.compress(zipped(pickled(value))),
        "training_args": lambda: package(small_state(), training_args=value),
        "module": lambda: legacy(pickled((Persistent(("module", value, "f", "s")), (), {}, {}))),
    }[container]()
    path = written(tmp_path / "evil.th", data)
    with pytest.raises(InputError) as caught:
        convert.convert(path)
    assert "evil.th" in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize("attack", ["reduce", "eval"])
def test_hostile_pickles_run_code_in_the_standard_unpickler(tmp_path, attack):
    value, _ = hostile(tmp_path / "ran")[attack]
    pickle.loads(pickled(value))
    assert (tmp_path / "ran").exists()


def test_unpickler_lacks_opcodes_that_run_code():
    for opcode in (b"i", b"o", b"\x82", b"\x92", b"\x96", b"I", b"P", b"\x8f"):
        assert opcode[0] not in inert_pickle.InertUnpickler.dispatch


@pytest.mark.parametrize(
    "bomb",
    [
        b"Nr\xf0\xff\xff\xff0",  # a memo of four billion entries
        b")" + b"\x85" * 200_000,  # nested deeper than any stack
        b"}(" + b")" + b"q\x00h\x00\x86" * 60 + b"K\x01u",  # a tuple whose hash takes 2**60 steps
        b"X\xff\xff\xff\xffabc",  # a text of four gigabytes
        b"](" * 1000,
        b"\x95\xff\xff\xff\xff\xff\xff\xff\x7fN",  # a frame of eight exabytes
        assemble({"a": b"\x8a\xff" + b"\x7f" * 255}),
    ],
)
@pytest.mark.parametrize("wrap", [legacy, zipped])
def test_pickle_bombs_are_refused(tmp_path, bomb, wrap):
    with pytest.raises(InputError):
        convert.convert(written(tmp_path / "bomb.th", wrap(pickled(bomb))))


@pytest.mark.parametrize(
    ("form", "stored"),
    [
        (tensor("0", 2**62, (2**62,), (1,)), 16),
        (tensor("0", -4, (4,), (1,)), 16),
        (tensor("0", 4, (5,), (1,)), 16),
        (tensor("0", 4, (2, 2), (3, 2)), 16),
        (tensor("0", 4, (4,), (1,), offset=1), 16),
        (tensor("0", 4, (4,), (1,), offset=-1), 16),
        (tensor("0", 4, (2,), (-1,), offset=1), 16),
        (tensor("0", 4, (10**6, 10**6), (0, 0)), 16),
        (tensor("0", 4, (0, 2**60), (1, 1)), 16),
        (tensor("0", 4, (2, 2), (1,)), 16),
        (tensor("0", 4, (1,) * 99, (1,) * 99), 16),
        (tensor("0", 4, (4,), (1,)), 12),
        (tensor("../../etc/passwd", 4, (4,), (1,)), 16),
        (tensor("0", 4, ("4",), (1,)), 16),
        (Persistent(("storage", Name("torch", "FloatStorage"), "0", "cpu", 4)), 16),
    ],
)
def test_tensors_outside_their_storage_are_refused(tmp_path, form, stored):
    for data in (zipped, legacy):
        path = written(tmp_path / "m.th", data(pickled({"w": form}), {"0": bytes(stored)}))
        with pytest.raises(InputError, match=r"m\.th"):
            read_package(path)


def test_storages_with_two_sizes_or_types_are_refused(tmp_path):
    for other in (tensor("0", 1000, (1000,), (1,)), tensor("0", 4, (4,), (1,), kind="f8")):
        content = pickled({"w": tensor("0", 4, (4,), (1,)), "v": other})
        with pytest.raises(InputError, match="storage 0 must be of one type and size"):
            read_package(written(tmp_path / "m.th", zipped(content, {"0": bytes(16)})))


def test_storages_with_another_count_than_declared_are_refused(tmp_path):
    data = bytearray(legacy(pickled({"w": tensor("0", 4, (4,), (1,))}), {"0": bytes(16)}))
    data[-24] = 5
    with pytest.raises(InputError, match="storage 0 must be of 4 numbers, not 5"):
        read_package(written(tmp_path / "m.th", bytes(data)))


def test_many_views_of_one_storage_are_refused(tmp_path):
    forms = {str(i): tensor("0", 4, (4,), (1,)) for i in range(100)}
    with pytest.raises(InputError, match="bytes stored"):
        read_package(written(tmp_path / "m.th", zipped(pickled(forms), {"0": bytes(16)})))


def test_strided_views_equal_those_of_torch(tmp_path):
    numbers = np.arange(12, dtype=np.float32)
    form = tensor("0", 12, (2, 3), (1, 4), offset=1)
    state = read_package(written(tmp_path / "m.th", zipped(pickled({"w": form}), {"0": numbers.tobytes()}))).state
    np.testing.assert_array_equal(state["w"], [[1, 5, 9], [2, 6, 10]])


def test_archives_that_torch_does_not_write_are_refused(tmp_path):
    content, storages = tensors(small_state())
    for data, complaint in [
        (zipped(pickled(content), storages, compression=zipfile.ZIP_DEFLATED), "compressed"),
        (zipped(pickled(content), storages, {"b/data.pkl": b""}), "single data.pkl"),
        (zipped(pickled(content), storages, {"a/byteorder": b"big"}), "byte order"),
        (zipped(pickled(content), {}), "damaged"),
        (legacy(pickled(content), storages, little=False), "byte order"),
        (legacy(pickled(content), {}), "m.th"),
    ]:
        with pytest.raises(InputError, match=complaint):
            read_package(written(tmp_path / "m.th", data))


def test_sizes_are_bounded_before_and_after_unpacking(tmp_path, monkeypatch):
    monkeypatch.setattr(torchfile, "MAX_BYTES", 10_000)
    with pytest.raises(InputError, match="at most 10000 bytes"):
        convert.convert(written(tmp_path / "m.th.gz", gzip.compress(bytes(10_001))))
    with pytest.raises(InputError, match="at most 10000 bytes"):
        convert.convert(written(tmp_path / "m.th", bytes(10_001)))


def test_files_that_torch_did_not_write_are_refused(tmp_path):
    for path in (tmp_path / "absent.th", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            convert.convert(path)
    for data in (b"", b"hello", bytes(100), b"PK\x03\x04", b"\x1f\x8b", pickled([1])):
        with pytest.raises(InputError, match=r"m\.th"):
            convert.convert(written(tmp_path / "m.th", data))


@pytest.mark.parametrize("name", CONTAINERS)
def test_truncated_files_are_refused(tmp_path, name):
    data = (DATA / name).read_bytes()
    for length in {*range(0, 40), *range(40, len(data), 1499), *range(len(data) - 30, len(data))}:
        with pytest.raises(InputError):
            convert.convert(written(tmp_path / "cut.th", data[:length]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz")
    yield path
    shutil.rmtree(path)


def converted_or_refused(path):
    try:
        convert.convert(path)
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000


@pytest.mark.parametrize("name", CONTAINERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_flipped_bytes_never_cause_another_exception(folder, name, data):
    raw = bytearray((DATA / name).read_bytes())
    structure = min(20_000, len(raw))  # pickles stand first; flipped weights are only other weights
    for _ in range(data.draw(st.integers(1, 4))):
        anywhere = st.integers(-structure // 2, structure - 1)
        raw[data.draw(anywhere)] = data.draw(st.integers(0, 255))
    converted_or_refused(written(folder / "flipped.th", bytes(raw)))


OPCODES = st.sampled_from([bytes([opcode]) for opcode in inert_pickle.InertUnpickler.dispatch])


@settings(max_examples=200, deadline=None)
@given(st.lists(OPCODES | st.binary(max_size=4), max_size=40).map(b"".join))
def test_arbitrary_pickles_never_cause_another_exception(folder, program):
    converted_or_refused(written(folder / "program.th", zipped(program)))


# Bombs, and what published packages of HTDemucs hold


@pytest.mark.parametrize("name", ["bomb23.th", "bomb26.th", "dicts40M.th.gz"])
def test_compression_bombs_are_refused_before_they_grow(name):
    """Nested references that double at each level, and forty million empty dicts in 39 kB."""
    with pytest.raises(InputError, match=re.escape(name)) as caught:
        read_package(DATA / "hostile" / name)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("depth", [30, 1000])
@pytest.mark.parametrize("where", ["called", "key", "setting", "class"])
def test_errors_do_not_print_nested_objects(tmp_path, depth, where):
    """Each tuple holds the previous one twice: written out, `depth` of them have 2 ** depth names."""
    nest = b")q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(depth)) + b"h\x00"
    start, model = b"\x80\x02", b"cdemucs.tasnet\nConvTasNet\n"
    pickles = {
        "called": start + nest + b")R.",
        "key": start + b"}" + nest + b"K\x01s.",
        "setting": start + b"(" + model + b")}X\x01\x00\x00\x00N" + nest + b"s}t.",
        "class": start + b"(" + nest + b")}}t.",
    }
    with pytest.raises(InputError) as caught:
        read_package(written(tmp_path / "m.th", zipped(pickles[where], {})))
    assert len(str(caught.value)) < 700


def test_htdemucs_package_is_read_without_running_code():
    """Half precision, a Fraction, and metrics that are numpy scalars: what demucs itself writes."""
    found = read_package(DATA / "htdemucs" / "a1b2c3d4-96a9a28a.th")
    assert found.klass == "demucs.htdemucs.HTDemucs"
    assert isinstance(found.kwargs["segment"], Fraction) and found.kwargs["segment"] > 0
    golden = dict(np.load(DATA / "htdemucs" / "state.npz"))
    assert found.state.keys() == golden.keys()
    for name, tensor_ in golden.items():
        np.testing.assert_array_equal(found.state[name], tensor_, err_msg=name)


@pytest.mark.parametrize("parts", [("39/0",), ("3.5",), ("9" * 50,), (1, 0), ([],), ()])
def test_invalid_fractions_are_refused(tmp_path, parts):
    with pytest.raises(InputError, match="fraction"):
        read_package(written(tmp_path / "m.th", zipped(pickled(Call(Name("fractions", "Fraction"), parts)), {})))
