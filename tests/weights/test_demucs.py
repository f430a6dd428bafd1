"""Demucs checkpoints: the three kinds agree, the name table is a bijection, and settings fit the tensors."""

import json

import numpy as np
import pytest

from tests.helpers.networks import DATA, assert_same, make_random_params
from tests.helpers.torch_bytes import (
    CONV_TASNET,
    ORDERED_DICT,
    SMALL,
    Call,
    Name,
    Persistent,
    assemble,
    legacy,
    package,
    pickled,
    small_state,
    tensors,
    written,
    zipped,
)
from ugosa_jax.errors import InputError
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import convert, convtasnet_torch
from ugosa_jax.weights.checkpoint import flatten, infer_shapes
from ugosa_jax.weights.convert import read_package

CONTAINERS = {
    "checkpoint_v1_legacy.th": "Demucs v1 package",
    "checkpoint_v1_legacy.th.gz": "Demucs v1 package",
    "checkpoint_v2_package.th": "Demucs v2 package",
    "state_dict_v2.th": "Demucs state dict",
}


# Whole checkpoints


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_holds_the_same_network(name):
    sizes = json.loads((DATA / "config.json").read_text())
    golden = dict(np.load(DATA / "state.npz"))
    state = read_package(DATA / name).state
    checkpoint = convert.convert(DATA / name)
    assert_same(state, golden)
    assert_same(convtasnet_torch.to_torch(checkpoint.params, checkpoint.architecture), golden)
    assert checkpoint.architecture == ConvTasNet(**{letter: sizes[letter] for letter in "NLBHPXR"})
    assert checkpoint.provenance["converted_from"] == CONTAINERS[name]
    assert checkpoint.provenance["origin"] == name


def test_layouts_equal_those_of_torch():
    golden = np.load(DATA / "state.npz")
    params = convert.convert(DATA / "state_dict_v2.th").params
    block = params["repeat2"]["block3"]
    assert params["encoder"]["kernel"][7, 1, 5] == golden["encoder.conv1d_U.weight"][5, 1, 7]
    assert params["decoder"]["kernel"][5, 33] == golden["decoder.basis_signals.weight"][33, 5]
    assert block["expand"]["kernel"][3, 9] == golden["separator.network.2.1.2.net.0.weight"][9, 3, 0]
    assert block["depthwise"]["kernel"][2, 9] == golden["separator.network.2.1.2.net.3.net.0.weight"][9, 0, 2]
    assert block["prelu2"]["slope"] == golden["separator.network.2.1.2.net.3.net.1.weight"][0]
    assert block["norm2"]["gamma"][4] == golden["separator.network.2.1.2.net.3.net.2.gamma"][0, 4, 0]


def test_the_published_architecture_has_the_published_size():
    assert sum(int(np.prod(shape)) for shape in infer_shapes(ConvTasNet()).values()) == 10_977_872


@pytest.mark.parametrize("norm", ["gLN", "cLN", "BN", "id"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("C", [1, 2])
def test_names_are_a_bijection(norm, causal, C):
    config = ConvTasNet(
        N=6, L=4, B=5, H=7, P=4 if causal else 3, X=2, R=2, C=C, norm=norm, causal=causal, sources=("a", "b")
    )
    params = make_random_params(config)
    state = convtasnet_torch.to_torch(params, config)
    assert len(state) == len(infer_shapes(config)) + (2 * 2 * 2 if norm == "BN" else 0)
    assert sorted(convtasnet_torch.build_table(config)) == sorted(infer_shapes(config))
    assert_same(flatten(convtasnet_torch.from_torch(state, config)), flatten(params))
    kwargs = {"norm_type": norm, "causal": causal, "sources": ["a", "b"]}
    assert convtasnet_torch.read_architecture(state, kwargs) == config


def test_a_written_package_is_read_back(tmp_path):
    config = ConvTasNet(N=6, L=4, B=5, H=7, X=2, R=3, C=1, sources=("voice", "rest"), sample_rate_hz=8000)
    kwargs = {"sources": ["voice", "rest"], "samplerate": 8000, "segment_length": 99, "audio_channels": 1, "N": 6}
    checkpoint = convert.convert(written(tmp_path / "m.th", package(small_state(config), kwargs)))
    assert checkpoint.architecture == config
    assert_same(flatten(checkpoint.params), flatten(make_random_params(config)))


def test_positional_arguments_have_the_order_of_their_version(tmp_path):
    state = small_state()
    v2 = package(state, args=(["d", "b", "o", "v"], 6, 4, 5, 7))
    assert convert.convert(written(tmp_path / "v2", v2)).architecture.sources == ("d", "b", "o", "v")
    forms, storages = tensors(state, legacy=True)
    klass = Persistent(("module", CONV_TASNET, "tasnet.py", "source"))
    v1 = legacy(pickled((klass, (6, 4, 5, 7, 3, 2, 3, 4), {}, forms)), storages)
    assert convert.convert(written(tmp_path / "v1", v1)).architecture == SMALL


def test_doubles_and_halves_become_float32(tmp_path):
    state = {name: array.astype(np.float64) for name, array in small_state().items()}
    state["separator.network.3.weight"] = state["separator.network.3.weight"].astype(np.float16)
    params = convert.convert(written(tmp_path / "m", package(state))).params
    assert all(leaf.dtype == np.float32 for leaf in flatten(params).values())
    np.testing.assert_array_equal(params["norm"]["beta"], make_random_params(SMALL)["norm"]["beta"])


def test_objects_of_training_scripts_are_ignored(tmp_path):
    namespace = b"cargparse\nNamespace\n)\x81" + assemble({"epochs": 180}) + b"b"
    harmless = [
        namespace,
        Call(Name("pathlib", "PosixPath"), ("a", "b")),
        Call(Name("fractions", "Fraction"), ("3/2",)),
    ]
    state = read_package(written(tmp_path / "m", package(small_state(), training_args=harmless))).state
    assert_same(state, small_state())


def test_state_dict_with_metadata_and_parameters_is_read(tmp_path):
    forms, storages = tensors(small_state())
    wrapped = {k: Call(Name("torch._utils", "_rebuild_parameter"), (v, True, {})) for k, v in forms.items()}
    ordered = (
        assemble(Call(ORDERED_DICT, ())) + assemble(wrapped)[1:] + assemble({"_metadata": {"": {"version": 1}}}) + b"b"
    )
    path = written(tmp_path / "m", zipped(pickled(ordered), storages))
    assert convert.convert(path).architecture == SMALL


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
        convert.convert(written(tmp_path / "m.th", package(small_state(), kwargs)))


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
            convert.convert(written(tmp_path / "odd.th", package(state)))
        assert "odd.th" in str(caught.value) and "\n" not in str(caught.value)


def test_huge_indices_and_sizes_are_refused_early(tmp_path):
    scalar = np.zeros(1, np.float32)
    grid = {f"separator.network.2.{i}.{i}.net.1.weight": scalar for i in range(2000)}
    with pytest.raises(InputError, match="grid"):
        convtasnet_torch.read_architecture(small_state() | grid, {})
    with pytest.raises(InputError, match="sources"):
        convtasnet_torch.read_architecture(small_state() | {"separator.network.3.weight": np.zeros((6000, 5, 1))}, {})


def test_other_models_are_refused(tmp_path):
    for klass in (Name("demucs.model", "Demucs"), "ConvTasNet", {}):
        with pytest.raises(InputError, match="model class must be"):
            convert.convert(written(tmp_path / "m.th", package(small_state(), klass=klass)))
