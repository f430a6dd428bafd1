"""Native weights: round trips, damaged files, and deltas tied to their base."""

import dataclasses
import json
import re

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.networks import DATA, DUO, assert_same, make_checkpoint
from ugosa_jax.errors import InputError
from ugosa_jax.networks import protocol, tree
from ugosa_jax.weights import adapted_layers, checkpoint


def write_raw(path, leaves, **metadata):
    path.write_bytes(safetensors.numpy.save(leaves, metadata or None))
    return path


def header(**changes):
    values = protocol.describe(DUO) | changes
    config = json.dumps({name: value for name, value in values.items() if value is not None})
    return {"format": checkpoint.FORMAT, "config": config, "provenance": "{}"}


# Native files


@pytest.mark.parametrize("norm", ["gLN", "cLN", "BN", "id"])
@pytest.mark.parametrize("causal", [False, True])
def test_a_saved_network_is_the_same_network(tmp_path, norm, causal):
    net = make_checkpoint(dataclasses.replace(DUO, norm=norm, causal=causal, C=1), provenance={"origin": "été"})
    checkpoint.save(net, tmp_path / "new" / "net.safetensors")
    back = checkpoint.load(tmp_path / "new" / "net.safetensors")
    assert back.architecture == net.architecture and back.provenance == {"origin": "été"}
    assert back.fingerprint == net.fingerprint
    assert_same(back.params, net.params)


def test_transposed_views_are_saved_with_their_values(tmp_path):
    params = make_checkpoint().params
    params["mask"]["kernel"] = np.asfortranarray(params["mask"]["kernel"])
    checkpoint.save(checkpoint.Checkpoint(DUO, params), tmp_path / "net.safetensors")
    assert_same(checkpoint.load(tmp_path / "net.safetensors").params, make_checkpoint().params)


def test_fingerprint_ignores_provenance():
    base = make_checkpoint()
    assert base.fingerprint == make_checkpoint(provenance={"origin": "elsewhere"}).fingerprint
    assert base.fingerprint != make_checkpoint(dataclasses.replace(DUO, causal=True)).fingerprint
    other = make_checkpoint()
    other.params["repeat1"]["block1"]["prelu1"]["slope"] += np.float32(1e-6)
    assert base.fingerprint != other.fingerprint


def test_unflatten_inverts_flatten():
    leaves = tree.flatten(make_checkpoint().params)
    assert list(tree.flatten(tree.unflatten(leaves))) == list(leaves)
    assert sorted(leaves) == sorted(tree.infer_shapes(DUO))


@pytest.mark.parametrize("norm", ["gLN", "cLN", "BN", "id"])
def test_files_and_network_have_the_same_leaves(norm):
    config = dataclasses.replace(DUO, norm=norm)
    leaves = tree.flatten(config.init())
    assert tree.infer_shapes(config) == {path: leaf.shape for path, leaf in leaves.items()}


def test_a_checkpoint_must_fit_its_architecture():
    for path, leaf, complaint in [
        ("mask.kernel", np.zeros((5, 13), np.float32), r"mask\.kernel \(5, 13\) instead of \(5, 12\)"),
        ("norm.gamma", np.full(6, np.inf, np.float32), r"norm\.gamma must be finite"),
        ("norm.delta", np.zeros(6, np.float32), r"unexpected tensors: norm\.delta"),
        ("mask.kernel", None, r"missing: mask\.kernel"),
    ]:
        leaves = tree.flatten(make_checkpoint().params) | {path: leaf}
        with pytest.raises(InputError, match=complaint):
            checkpoint.Checkpoint(DUO, tree.unflatten({k: v for k, v in leaves.items() if v is not None}))


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ({}, "format"),
        ({"format": "pt"}, "format"),
        (header() | {"config": "{"}, "config: is not JSON"),
        (header() | {"config": "[" * 100_000}, "config: expected object, got array"),
        (header() | {"config": "[1]"}, "config: expected object, got array"),
        (header() | {"provenance": '{"a": 1}'}, "provenance"),
        (header(N=None), "the fields N, L"),
        (header(Y=1), "the fields N, L"),
        (header(N=True), r"Expected `int`, got `bool` - at `\$\.N`"),
        (header(N=-6), "model N"),
        (header(N=7), r"encoder\.kernel"),
        (header(X=10**15), r"model R·X must be at most 1000"),
        (header(norm="LN"), "Invalid enum value"),
        (header(norm="BN"), r"norm1\.mean"),
        (header(sources=["voice", "../rest"]), "source name"),
        (header(sources=["voice", "voice"]), "different"),
        (header(sources=["voice"]), r"mask\.kernel"),
    ],
)
def test_foreign_and_inconsistent_files_are_refused_by_name(tmp_path, metadata, complaint):
    path = write_raw(tmp_path / "odd.safetensors", tree.flatten(make_checkpoint().params), **metadata)
    with pytest.raises(InputError, match=rf"odd\.safetensors: .*{complaint}") as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)


def test_wrong_tensors_are_refused_by_name(tmp_path):
    for leaf, complaint in [(np.zeros(6), "float32"), (np.full(6, np.nan, np.float32), "finite")]:
        leaves = tree.flatten(make_checkpoint().params) | {"norm.gamma": leaf}
        with pytest.raises(InputError, match=rf"net\.safetensors: norm\.gamma must be {complaint}"):
            checkpoint.load(write_raw(tmp_path / "net.safetensors", leaves, **header()))


def test_files_that_are_not_native_are_refused_by_name(tmp_path):
    for path in (*sorted(DATA.glob("*.th*")), tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(InputError, match=re.escape(path.name)) as caught:
            checkpoint.load(path)
        assert "\n" not in str(caught.value)


def test_truncated_files_are_refused(tmp_path):
    path = tmp_path / "cut.safetensors"
    checkpoint.save(make_checkpoint(), path)
    data = path.read_bytes()
    for length in {*range(20), *range(20, len(data), 499), len(data) - 1}:
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match=r"cut\.safetensors"):
            checkpoint.load(path)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 9000), value=st.integers(0, 255))
def test_flipped_bytes_never_cause_another_exception(tmp_path_factory, at, value):
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    checkpoint.save(make_checkpoint(), path)
    data = bytearray(path.read_bytes())
    data[at % len(data)] = value
    path.write_bytes(data)
    try:
        checkpoint.load(path)
    except InputError as error:
        assert "\n" not in str(error)


# Deltas


def test_a_delta_restores_the_adapted_network(tmp_path):
    base, tuned = make_checkpoint(), make_checkpoint(seed=1).params
    kept = {"repeat3": tuned["repeat3"], "mask": tuned["mask"]}
    path = tmp_path / "song.safetensors"
    adapted_layers.save(kept, base, path, {"song": "été", "strategy": "P-L3:M"})
    assert_same(adapted_layers.load(path, base), kept)
    assert path.stat().st_size < 0.6 * sum(leaf.nbytes for leaf in tree.flatten(base.params).values()) + 4000


def test_empty_delta_can_be_saved(tmp_path):
    adapted_layers.save({}, make_checkpoint(), tmp_path / "b0.safetensors", {})
    assert adapted_layers.load(tmp_path / "b0.safetensors", make_checkpoint()) == {}


def test_delta_of_another_network_is_refused(tmp_path):
    base, path = make_checkpoint(), tmp_path / "song.safetensors"
    adapted_layers.save({"mask": base.params["mask"]}, base, path, {})
    with pytest.raises(InputError, match=r"song\.safetensors: base weights"):
        adapted_layers.load(path, make_checkpoint(seed=2))
    with pytest.raises(InputError, match=r"song\.safetensors: metadata format"):
        checkpoint.load(path)
    checkpoint.save(base, path)
    with pytest.raises(InputError, match=r"song\.safetensors: metadata format"):
        adapted_layers.load(path, base)
    with pytest.raises(InputError, match=r"absent\.safetensors"):
        adapted_layers.load(tmp_path / "absent.safetensors", base)


@pytest.mark.parametrize(
    ("tuned", "complaint"),
    [
        ({"repeat9": {"kernel": np.zeros(3, np.float32)}}, r"unexpected tensors: repeat9\.kernel"),
        ({"mask": {"kernel": np.zeros((5, 9), np.float32)}}, r"mask\.kernel \(5, 9\)"),
        ({"mask": {"kernel": np.full((5, 12), np.nan, np.float32)}}, r"mask\.kernel must be finite"),
    ],
)
def test_impossible_deltas_are_neither_written_nor_read(tmp_path, tuned, complaint):
    base, path = make_checkpoint(), tmp_path / "song.safetensors"
    with pytest.raises(InputError, match=complaint):
        adapted_layers.save(tuned, base, path, {})
    assert not path.exists()
    write_raw(path, tree.flatten(tuned), format=adapted_layers.FORMAT, base=base.fingerprint, metadata="{}")
    with pytest.raises(InputError, match=rf"song\.safetensors: .*{complaint}"):
        adapted_layers.load(path, base)
