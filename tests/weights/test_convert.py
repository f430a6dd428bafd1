"""Demucs v4 checkpoints: both containers hold the golden network, as data; and what is refused."""

import json
import shutil

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

import ugosa_jax as uj
from tests.helpers import htdemucs_goldens as goldens
from tests.helpers.networks import assert_same
from tests.helpers.torch_bytes import Name, package, small_state, written
from ugosa_jax.errors import InputError
from ugosa_jax.files import compute_sha256
from ugosa_jax.weights import checkpoint, convert, htdemucs_torch

TORCH, SAFE = goldens.DATA / "a1b2c3d4-96a9a28a.th", goldens.DATA / "a1b2c3d4.safetensors"


@pytest.fixture(scope="module")
def original():
    """Tensors and metadata of the golden safetensors."""
    with safetensors.safe_open(SAFE, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


@pytest.mark.parametrize(("path", "kind"), [(TORCH, "Demucs v2 package"), (SAFE, "Demucs safetensors")])
def test_both_containers_hold_the_golden_network(path, kind):
    config, params = goldens.network()
    found = uj.load_network(path)
    assert found.architecture == config and config.segment_samples == 6005
    assert_same(found.params, params)
    state = htdemucs_torch.to_torch(found.params, config)
    assert_same(state, {name: tensor.astype(np.float32) for name, tensor in goldens.load("state").items()})
    said = {"origin": path.name, "origin_sha256": compute_sha256(path), "converted_from": kind}
    assert found.provenance == said


def test_a_converted_network_is_the_same_network(tmp_path):
    found = uj.convert_checkpoint(SAFE, tmp_path / "net.safetensors")
    back = uj.load_network(tmp_path / "net.safetensors")
    assert back.architecture == found.architecture and back.fingerprint == found.fingerprint
    assert back.provenance == found.provenance


def test_a_bag_of_demucs_is_loaded_from_the_files_beside_it(tmp_path):
    for source in (goldens.DATA / "tiny.yaml", SAFE):
        shutil.copy(source, tmp_path)
    net = uj.load_network(tmp_path / "tiny.yaml")
    assert list(net.members) == ["a1b2c3d4"] and net.weights_MxS == ((1.0, 1.0, 1.0, 1.0),)
    (tmp_path / SAFE.name).unlink()
    shutil.copy(TORCH, tmp_path)
    assert uj.load_network(tmp_path / "tiny.yaml").fingerprint == net.fingerprint


def test_safetensors_of_demucs_v1_are_converted(tmp_path):
    metadata = {"klass": "demucs.tasnet.ConvTasNet", "args": "[]", "kwargs": '{"samplerate": 8000}'}
    path = written(tmp_path / "net", safetensors.numpy.save(small_state(), metadata))
    assert uj.load_network(path).architecture.sample_rate_hz == 8000


def changed(original, tmp_path, tensors=None, **metadata):
    state, said = original
    said = {name: text for name, text in (said | metadata).items() if text is not None}
    return written(tmp_path / "odd.safetensors", safetensors.numpy.save(state | (tensors or {}), said))


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        (
            {"klass": "demucs.hdemucs.HDemucs"},
            "model class must be ConvTasNet or HTDemucs, not 'demucs.hdemucs.HDemucs'",
        ),
        ({"klass": None}, "metadata format"),
        ({"args": "{}"}, "metadata args must be a list, not 'dict'"),
        ({"args": None}, "metadata args is not JSON"),
        ({"kwargs": "[" * 100_000}, "metadata kwargs is not JSON"),
        ({"kwargs": "[]"}, "metadata kwargs must be an object"),
        ({"kwargs": "{}"}, "setting sources must be a list of names"),
        (
            {"kwargs": '{"sources": ["a"], "segment": {"_type": "fraction", "numerator": 1}}'},
            "a fraction must be of two",
        ),
        ({"kwargs": '{"a": {"_type": "fraction", "numerator": 1, "denominator": 0}}'}, "a fraction must be of two"),
        ({"kwargs": '{"sources": ["a"], "segment": {"_type": "module"}}'}, "setting segment must be"),
        ({"kwargs": '{"sources": ["../a"]}'}, "source name must be"),
        ({"kwargs": '{"sources": ["a"], "cac": false}'}, "setting cac must be True"),
        ({"kwargs": '{"sources": ["a"], "depth": 1000000}'}, "depth must be"),
        ({"kwargs": '{"sources": ["a"], "t_layers": 1000000}'}, "layers must be"),
        ({"kwargs": '{"sources": ["a"], "growth": 60000}'}, "channels of level 2 must be"),
        ({"kwargs": '{"sources": ["a"], "channels": 60000, "growth": 1, "context": 100}'}, "tensors missing"),
    ],
)
def test_metadata_that_mean_another_network_are_refused_by_name(original, tmp_path, metadata, complaint):
    with pytest.raises(InputError, match=rf"odd\.safetensors: .*{complaint}") as caught:
        uj.load_network(changed(original, tmp_path, **metadata))
    assert "\n" not in str(caught.value)


def test_tensors_that_do_not_fit_are_refused_by_name(original, tmp_path):
    name = "decoder.0.conv_tr.bias"
    for tensor, complaint in [
        (np.zeros(16, np.int32), f"{name} must be floating point, not 'I32'"),
        (np.zeros(3, np.float16), rf"wrong shapes: {name} \(3,\)"),
        (np.full(16, np.inf, np.float16), r"decoder1\.freq\.conv\.bias must be finite"),
    ]:
        with pytest.raises(InputError, match=rf"odd\.safetensors: .*{complaint}"):
            uj.load_network(changed(original, tmp_path, {name: tensor}))


def test_other_classes_of_packages_are_refused(tmp_path):
    path = written(tmp_path / "m.th", package(small_state(), klass=Name("demucs.hdemucs", "HDemucs")))
    with pytest.raises(InputError, match=r"m\.th: model class must be ConvTasNet or HTDemucs"):
        convert.convert(path)


def test_native_files_are_not_converted_again(tmp_path):
    checkpoint.save(uj.load_network(SAFE), tmp_path / "net.safetensors")
    with pytest.raises(InputError, match=r"net\.safetensors: metadata must be those of demucs"):
        convert.convert(tmp_path / "net.safetensors")


def test_truncated_files_are_refused(tmp_path):
    data = SAFE.read_bytes()
    for length in {*range(0, 40), *range(40, len(data), 9973), len(data) - 1}:
        with pytest.raises(InputError, match=r"cut\.safetensors"):
            uj.load_network(written(tmp_path / "cut.safetensors", data[:length]))


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 60_000), value=st.integers(0, 255))
def test_flipped_bytes_never_cause_another_exception(tmp_path_factory, at, value):
    data = bytearray(SAFE.read_bytes())
    data[at] = value
    try:
        uj.load_network(written(tmp_path_factory.getbasetemp() / "flipped.safetensors", bytes(data)))
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000


def test_metadata_hold_the_arguments_of_the_class(original):
    kwargs = json.loads(original[1]["kwargs"])
    assert kwargs["segment"] == {"_type": "fraction", "numerator": 1201, "denominator": 800}
    assert kwargs == json.loads((goldens.DATA / "config.json").read_text())["kwargs"]
