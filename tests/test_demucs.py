"""Demucs checkpoints: the three containers agree, the name table is a bijection, and nothing pickled runs."""

import gzip
import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ugosa_jax import demucs
from ugosa_jax.config import ModelConfig
from ugosa_jax.errors import InputError
from ugosa_jax.weights import flat, nested, shapes

DATA = Path(__file__).parent / "data"
CONTAINERS = {
    "checkpoint_v1_legacy.th": "Demucs v1 package",
    "checkpoint_v1_legacy.th.gz": "Demucs v1 package",
    "checkpoint_v2_package.th": "Demucs v2 package",
    "state_dict_v2.th": "Demucs state dict",
}
SMALL = ModelConfig(N=6, L=4, B=5, H=7, P=3, X=2, R=3)


# Files made without torch: a small assembler of pickles


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


def code(value: object) -> bytes:
    match value:
        case bytes():
            return value  # opcodes as they are
        case Name(module, name):
            return f"c{module}\n{name}\n".encode()
        case Call(function, arguments):
            return code(function) + code(arguments) + b"R"
        case Persistent(pid):
            return code(pid) + b"Q"
        case None | True | False:
            return {None: b"N", True: b"\x88", False: b"\x89"}[value]
        case int():
            number = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(number)]) + number
        case str():
            return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()
        case tuple():
            return b"(" + b"".join(map(code, value)) + b"t"
        case list():
            return b"](" + b"".join(map(code, value)) + b"e"
        case dict():
            return b"}(" + b"".join(code(key) + code(item) for key, item in value.items()) + b"u"
    raise TypeError(type(value))


def pickled(value: object) -> bytes:
    return b"\x80\x02" + code(value) + b"."


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
    head = pickled(demucs.LEGACY_MAGIC) + pickled(1001) + pickled({"little_endian": little})
    tail = b"".join((len(data) // 4).to_bytes(8, "little") + data for data in storages.values())
    return head + content + pickled(list(storages)) + tail


def package(state, kwargs=None, klass=CONV_TASNET, training_args=(), args=()) -> bytes:
    forms, storages = tensors(state)
    content = {"klass": klass, "args": args, "kwargs": kwargs or {}, "state": forms, "training_args": training_args}
    return zipped(pickled(content), storages)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def random_params(config, seed=0):
    rng = np.random.default_rng(seed)
    return nested({path: rng.normal(size=shape).astype(np.float32) for path, shape in shapes(config).items()})


def small_state(config=SMALL):
    return demucs.to_torch(random_params(config), config)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].shape == array.shape and found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


# Containers


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_holds_the_same_network(name):
    sizes = json.loads((DATA / "config.json").read_text())
    golden = dict(np.load(DATA / "state.npz"))
    state, _ = demucs.read_checkpoint(DATA / name)
    checkpoint = demucs.convert(DATA / name)
    assert_same(state, golden)
    assert_same(demucs.to_torch(checkpoint.params, checkpoint.config), golden)
    assert checkpoint.config == ModelConfig(**{letter: sizes[letter] for letter in "NLBHPXR"})
    assert checkpoint.provenance["converted_from"] == CONTAINERS[name]
    assert checkpoint.provenance["origin"] == name


def test_layouts_against_torch_by_index():
    golden = np.load(DATA / "state.npz")
    params = demucs.convert(DATA / "state_dict_v2.th").params
    block = params["repeat2"]["block3"]
    assert params["encoder"]["kernel"][7, 1, 5] == golden["encoder.conv1d_U.weight"][5, 1, 7]
    assert params["decoder"]["kernel"][5, 33] == golden["decoder.basis_signals.weight"][33, 5]
    assert block["expand"]["kernel"][3, 9] == golden["separator.network.2.1.2.net.0.weight"][9, 3, 0]
    assert block["depthwise"]["kernel"][2, 9] == golden["separator.network.2.1.2.net.3.net.0.weight"][9, 0, 2]
    assert block["prelu2"]["slope"] == golden["separator.network.2.1.2.net.3.net.1.weight"][0]
    assert block["norm2"]["gamma"][4] == golden["separator.network.2.1.2.net.3.net.2.gamma"][0, 4, 0]


def test_the_published_architecture_has_the_published_size():
    assert sum(int(np.prod(shape)) for shape in shapes(ModelConfig()).values()) == 10_977_872


@pytest.mark.parametrize("norm", ["gLN", "cLN", "BN", "id"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("C", [1, 2])
def test_names_are_a_bijection(norm, causal, C):
    config = ModelConfig(
        N=6, L=4, B=5, H=7, P=4 if causal else 3, X=2, R=2, C=C, norm=norm, causal=causal, sources=("a", "b")
    )
    params = random_params(config)
    state = demucs.to_torch(params, config)
    assert len(state) == len(shapes(config)) + (2 * 2 * 2 if norm == "BN" else 0)
    assert list(demucs.table(config)) == list(shapes(config))
    assert_same(flat(demucs.from_torch(state, config)), flat(params))
    kwargs = {"norm_type": norm, "causal": causal, "sources": ["a", "b"]}
    assert demucs.model_config(state, kwargs) == config


def test_a_written_package_is_read_back(tmp_path):
    config = ModelConfig(N=6, L=4, B=5, H=7, X=2, R=3, C=1, sources=("voice", "rest"), sample_rate_hz=8000)
    kwargs = {"sources": ["voice", "rest"], "samplerate": 8000, "segment_length": 99, "audio_channels": 1, "N": 6}
    checkpoint = demucs.convert(written(tmp_path / "m.th", package(small_state(config), kwargs)))
    assert checkpoint.config == config
    assert_same(flat(checkpoint.params), flat(random_params(config)))


def test_positional_arguments_have_the_order_of_their_version(tmp_path):
    state = small_state()
    v2 = package(state, args=(["d", "b", "o", "v"], 6, 4, 5, 7))
    assert demucs.convert(written(tmp_path / "v2", v2)).config.sources == ("d", "b", "o", "v")
    forms, storages = tensors(state, legacy=True)
    klass = Persistent(("module", CONV_TASNET, "tasnet.py", "source"))
    v1 = legacy(pickled((klass, (6, 4, 5, 7, 3, 2, 3, 4), {}, forms)), storages)
    assert demucs.convert(written(tmp_path / "v1", v1)).config == SMALL


def test_doubles_and_halves_become_float32(tmp_path):
    state = {name: array.astype(np.float64) for name, array in small_state().items()}
    state["separator.network.3.weight"] = state["separator.network.3.weight"].astype(np.float16)
    params = demucs.convert(written(tmp_path / "m", package(state))).params
    assert all(leaf.dtype == np.float32 for leaf in flat(params).values())
    np.testing.assert_array_equal(params["norm"]["beta"], random_params(SMALL)["norm"]["beta"])


def test_what_training_scripts_keep_is_passed_over(tmp_path):
    namespace = b"cargparse\nNamespace\n)\x81" + code({"epochs": 180}) + b"b"
    harmless = [
        namespace,
        Call(Name("pathlib", "PosixPath"), ("a", "b")),
        Call(Name("fractions", "Fraction"), ("3/2",)),
    ]
    state, _ = demucs.read_checkpoint(written(tmp_path / "m", package(small_state(), training_args=harmless)))
    assert_same(state, small_state())


def test_a_state_dict_with_torchs_metadata_and_parameters(tmp_path):
    forms, storages = tensors(small_state())
    wrapped = {k: Call(Name("torch._utils", "_rebuild_parameter"), (v, True, {})) for k, v in forms.items()}
    ordered = code(Call(ORDERED_DICT, ())) + code(wrapped)[1:] + code({"_metadata": {"": {"version": 1}}}) + b"b"
    path = written(tmp_path / "m", zipped(pickled(ordered), storages))
    assert demucs.convert(path).config == SMALL


# Architecture against tensors


@pytest.mark.parametrize(
    ("kwargs", "complaint"),
    [
        ({"N": 7}, "encoder.conv1d_U.weight"),
        ({"audio_channels": 1}, "encoder.conv1d_U.weight"),
        ({"X": 8}, "setting X"),
        ({"C": 3}, "separator.network.3.weight"),
        ({"sources": ["a", "b"]}, "separator.network.3.weight"),
        ({"causal": True}, "separator.network.2.0.0.net.3.net.1.weight"),
        ({"norm_type": "BN"}, "separator.network.2.0.0.net.2"),
        ({"samplerate": "fast"}, "samplerate"),
        ({"mask_nonlinear": "tanh"}, "mask"),
        ({"channels": 64}, "channels"),
        ({"sources": ["a", "b", "c", "../../d"]}, "source name"),
        ({"sources": "abcd"}, "sources"),
    ],
)
def test_settings_must_agree_with_the_tensors(tmp_path, kwargs, complaint):
    with pytest.raises(InputError, match=complaint):
        demucs.convert(written(tmp_path / "m.th", package(small_state(), kwargs)))


def test_missing_unexpected_and_misshapen_tensors_are_named(tmp_path):
    name = "separator.network.2.1.0.net.2.beta"
    for change, complaint in [
        (lambda state: state.pop(name), f"missing: {name}"),
        (lambda state: state.update({"bias": np.zeros(3, np.float32)}), "unexpected tensors: bias"),
        (lambda state: state.update({name: np.zeros((1, 9, 1), np.float32)}), rf"{name} \(1, 9, 1\)"),
        (lambda state: state.update({name: np.zeros((1, 7, 1), np.int64)}), f"{name} must be floating point"),
        (lambda state: state.pop("encoder.conv1d_U.weight"), "without encoder"),
        (lambda state: state.update({name: np.full((1, 7, 1), np.nan, np.float32)}), "repeat2.block1.norm1.beta"),
        (lambda state: state.update({name: np.full((1, 7, 1), 1e300)}), "must be finite"),
    ]:
        state = small_state()
        change(state)
        with pytest.raises(InputError, match=complaint) as caught:
            demucs.convert(written(tmp_path / "odd.th", package(state)))
        assert "odd.th" in str(caught.value) and "\n" not in str(caught.value)


def test_made_up_indices_and_sizes_do_not_cost_time_or_memory(tmp_path):
    scalar = np.zeros(1, np.float32)
    grid = {f"separator.network.2.{i}.{i}.net.1.weight": scalar for i in range(2000)}
    with pytest.raises(InputError, match="grid"):
        demucs.model_config(small_state() | grid, {})
    with pytest.raises(InputError, match="sources"):
        demucs.model_config(small_state() | {"separator.network.3.weight": np.zeros((6000, 5, 1))}, {})


def test_other_models_are_refused(tmp_path):
    for klass in (Name("demucs.model", "Demucs"), "ConvTasNet", {}):
        with pytest.raises(InputError, match="model class must be ConvTasNet"):
            demucs.convert(written(tmp_path / "m.th", package(small_state(), klass=klass)))


# Hostile files


def hostile(marker: Path) -> dict[str, tuple[object, str]]:
    """Return pickled values that would create `marker` if anything of them ran, and the name to complain of."""
    touch, dotted = f"touch {marker}", b"\x80\x04\x8c\x02os\x8c\x0epath.os.system\x93"
    built = b"cargparse\nNamespace\n)\x81" + code({"__setstate__": SYSTEM}) + b"b" + code(touch) + b"b"
    return {
        "reduce": (Call(SYSTEM, (touch,)), "os.system"),
        "posix": (Call(Name("posix", "system"), (touch,)), "posix.system"),
        "eval": (Call(Name("builtins", "eval"), (f"open({str(marker)!r}, 'w')",)), "builtins.eval"),
        "getattr": (Call(Name("builtins", "getattr"), (SYSTEM, "x")), "builtins.getattr"),
        "dotted": (dotted + code((touch,)) + b"R", "os.path.os.system"),
        "dotted through torch": (Name("torch._utils", "os.system"), "torch._utils.os.system"),
        "dotted through demucs": (Name("demucs.tasnet", "torch.os.system"), "demucs.tasnet.torch.os.system"),
        "newobj": (code(SYSTEM) + code((touch,)) + b"\x81", "os.system"),
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
        demucs.convert(path)
    assert "evil.th" in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize("attack", ["reduce", "eval"])
def test_the_attacks_are_real(tmp_path, attack):
    value, _ = hostile(tmp_path / "ran")[attack]
    pickle.loads(pickled(value))
    assert (tmp_path / "ran").exists()


def test_opcodes_that_could_run_something_are_not_there():
    for opcode in (b"i", b"o", b"\x82", b"\x92", b"\x96", b"I", b"P", b"\x8f"):
        assert opcode[0] not in demucs.InertUnpickler.dispatch


@pytest.mark.parametrize(
    "bomb",
    [
        b"Nr\xf0\xff\xff\xff0",  # a memo of four billion entries
        b")" + b"\x85" * 200_000,  # nested deeper than any stack
        b"}(" + b")" + b"q\x00h\x00\x86" * 60 + b"K\x01u",  # a tuple whose hash takes 2**60 steps
        b"X\xff\xff\xff\xffabc",  # a text of four gigabytes
        b"](" * 1000,
        b"\x95\xff\xff\xff\xff\xff\xff\xff\x7fN",  # a frame of eight exabytes
        code({"a": b"\x8a\xff" + b"\x7f" * 255}),
    ],
)
@pytest.mark.parametrize("wrap", [legacy, zipped])
def test_bombs_fizzle_out(tmp_path, bomb, wrap):
    with pytest.raises(InputError):
        demucs.convert(written(tmp_path / "bomb.th", wrap(pickled(bomb))))


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
def test_tensors_stay_within_what_is_stored(tmp_path, form, stored):
    for data in (zipped, legacy):
        path = written(tmp_path / "m.th", data(pickled({"w": form}), {"0": bytes(stored)}))
        with pytest.raises(InputError, match=r"m\.th"):
            demucs.read_checkpoint(path)


def test_a_storage_has_one_size_and_type(tmp_path):
    for other in (tensor("0", 1000, (1000,), (1,)), tensor("0", 4, (4,), (1,), kind="f8")):
        content = pickled({"w": tensor("0", 4, (4,), (1,)), "v": other})
        with pytest.raises(InputError, match="storage 0 must be declared in one way"):
            demucs.read_checkpoint(written(tmp_path / "m.th", zipped(content, {"0": bytes(16)})))


def test_the_count_beside_the_numbers_must_be_the_declared_one(tmp_path):
    data = bytearray(legacy(pickled({"w": tensor("0", 4, (4,), (1,))}), {"0": bytes(16)}))
    data[-24] = 5
    with pytest.raises(InputError, match="storage 0 must be of 4 numbers, not 5"):
        demucs.read_checkpoint(written(tmp_path / "m.th", bytes(data)))


def test_many_views_of_one_storage_are_refused(tmp_path):
    forms = {str(i): tensor("0", 4, (4,), (1,)) for i in range(100)}
    with pytest.raises(InputError, match="bytes stored"):
        demucs.read_checkpoint(written(tmp_path / "m.th", zipped(pickled(forms), {"0": bytes(16)})))


def test_strided_views_are_what_torch_means(tmp_path):
    numbers = np.arange(12, dtype=np.float32)
    form = tensor("0", 12, (2, 3), (1, 4), offset=1)
    state, _ = demucs.read_checkpoint(
        written(tmp_path / "m.th", zipped(pickled({"w": form}), {"0": numbers.tobytes()}))
    )
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
            demucs.read_checkpoint(written(tmp_path / "m.th", data))


def test_sizes_are_bounded_before_and_after_unpacking(tmp_path, monkeypatch):
    monkeypatch.setattr(demucs, "LARGEST_BYTES", 10_000)
    with pytest.raises(InputError, match="at most 10000 bytes"):
        demucs.convert(written(tmp_path / "m.th.gz", gzip.compress(bytes(10_001))))
    with pytest.raises(InputError, match="at most 10000 bytes"):
        demucs.convert(written(tmp_path / "m.th", bytes(10_001)))


def test_files_that_are_none(tmp_path):
    for path in (tmp_path / "absent.th", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            demucs.convert(path)
    for data in (b"", b"hello", bytes(100), b"PK\x03\x04", b"\x1f\x8b", pickled([1])):
        with pytest.raises(InputError, match=r"m\.th"):
            demucs.convert(written(tmp_path / "m.th", data))


@pytest.mark.parametrize("name", CONTAINERS)
def test_truncated_files_are_refused(tmp_path, name):
    data = (DATA / name).read_bytes()
    for length in {*range(0, 40), *range(40, len(data), 1499), *range(len(data) - 30, len(data))}:
        with pytest.raises(InputError):
            demucs.convert(written(tmp_path / "cut.th", data[:length]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz")
    yield path
    shutil.rmtree(path)


def converted_or_refused(path):
    try:
        demucs.convert(path)
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


OPCODES = st.sampled_from([bytes([opcode]) for opcode in demucs.InertUnpickler.dispatch])


@settings(max_examples=200, deadline=None)
@given(st.lists(OPCODES | st.binary(max_size=4), max_size=40).map(b"".join))
def test_arbitrary_pickles_never_cause_another_exception(folder, program):
    converted_or_refused(written(folder / "program.th", zipped(program)))
