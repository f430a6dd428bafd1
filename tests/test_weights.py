"""Native weights: round trips, damaged files, deltas tied to their base, and downloads from a local server."""

import dataclasses
import http.server
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from ugosa_jax import demucs, model, weights
from ugosa_jax.config import ModelConfig
from ugosa_jax.errors import InputError
from ugosa_jax.files import sha256_of

DATA = Path(__file__).parent / "data"
ORIGINAL = DATA / "checkpoint_v1_legacy.th"
SMALL = ModelConfig(N=6, L=4, B=5, H=7, P=3, X=2, R=3, sources=("voice", "rest"), sample_rate_hz=8000)


def made(config=SMALL, seed=0, provenance=None):
    rng = np.random.default_rng(seed)
    leaves = {path: rng.normal(size=shape).astype(np.float32) for path, shape in weights.shapes(config).items()}
    return weights.Checkpoint(config, weights.nested(leaves), provenance or {})


def assert_same(found, expected):
    found, expected = weights.flat(found), weights.flat(expected)
    assert found.keys() == expected.keys()
    for path, leaf in expected.items():
        assert found[path].dtype == np.float32 and found[path].shape == leaf.shape, path
        np.testing.assert_array_equal(found[path], leaf, err_msg=path)


def write_raw(path, leaves, **metadata):
    path.write_bytes(safetensors.numpy.save(leaves, metadata or None))
    return path


def header(**changes):
    values = dataclasses.asdict(SMALL) | changes
    config = json.dumps({name: value for name, value in values.items() if value is not None})
    return {"format": weights.WEIGHTS_FORMAT, "config": config, "provenance": "{}"}


# Native files


@pytest.mark.parametrize("norm", ["gLN", "cLN", "BN", "id"])
@pytest.mark.parametrize("causal", [False, True])
def test_a_saved_network_is_the_same_network(tmp_path, norm, causal):
    checkpoint = made(dataclasses.replace(SMALL, norm=norm, causal=causal, C=1), provenance={"origin": "été"})
    weights.save(checkpoint, tmp_path / "new" / "net.safetensors")
    back = weights.load(tmp_path / "new" / "net.safetensors")
    assert back.config == checkpoint.config and back.provenance == {"origin": "été"}
    assert back.fingerprint == checkpoint.fingerprint
    assert_same(back.params, checkpoint.params)


def test_views_are_saved_as_what_they_show(tmp_path):
    params = made().params
    params["mask"]["kernel"] = np.asfortranarray(params["mask"]["kernel"])
    weights.save(weights.Checkpoint(SMALL, params), tmp_path / "net.safetensors")
    assert_same(weights.load(tmp_path / "net.safetensors").params, made().params)


def test_the_fingerprint_is_that_of_the_network_alone():
    base = made()
    assert base.fingerprint == made(provenance={"origin": "elsewhere"}).fingerprint
    assert base.fingerprint != made(dataclasses.replace(SMALL, causal=True)).fingerprint
    other = made()
    other.params["repeat1"]["block1"]["prelu1"]["slope"] += np.float32(1e-6)
    assert base.fingerprint != other.fingerprint


def test_paths_and_trees_are_each_others_inverse():
    leaves = weights.flat(made().params)
    assert list(weights.flat(weights.nested(leaves))) == list(leaves)
    assert list(leaves) == list(weights.shapes(SMALL))


@pytest.mark.parametrize("norm", ["gLN", "cLN", "BN", "id"])
def test_files_and_network_have_the_same_leaves(norm):
    config = dataclasses.replace(SMALL, norm=norm)
    assert weights.shapes(config) == model.shapes(config)


def test_a_checkpoint_must_fit_its_architecture():
    for path, leaf, complaint in [
        ("mask.kernel", np.zeros((5, 13), np.float32), r"mask\.kernel \(5, 13\) instead of \(5, 12\)"),
        ("norm.gamma", np.full(6, np.inf, np.float32), r"norm\.gamma must be finite"),
        ("norm.delta", np.zeros(6, np.float32), r"unexpected tensors: norm\.delta"),
        ("mask.kernel", None, r"missing: mask\.kernel"),
    ]:
        leaves = weights.flat(made().params) | {path: leaf}
        with pytest.raises(InputError, match=complaint):
            weights.Checkpoint(SMALL, weights.nested({k: v for k, v in leaves.items() if v is not None}))


def test_a_demucs_file_is_loaded_by_its_content(tmp_path):
    disguised = tmp_path / "net.safetensors"
    shutil.copy(ORIGINAL, disguised)
    assert_same(weights.load(disguised).params, demucs.convert(ORIGINAL).params)


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ({}, "format"),
        ({"format": "pt"}, "format"),
        (header() | {"config": "{"}, "config is not JSON"),
        (header() | {"config": "[" * 100_000}, "config is not JSON"),
        (header() | {"config": "[1]"}, "config must be an object"),
        (header() | {"provenance": '{"a": 1}'}, "provenance"),
        (header(N=None), "the fields N, L"),
        (header(Y=1), "the fields N, L"),
        (header(N=True), "model N"),
        (header(N=-6), "model N"),
        (header(N=7), r"encoder\.kernel"),
        (header(X=10**15), "number of tensors"),
        (header(norm="LN"), "model norm"),
        (header(norm="BN"), r"norm1\.mean"),
        (header(sources=["voice", "../rest"]), "source name"),
        (header(sources=["voice", "voice"]), "different"),
        (header(sources=["voice"]), r"mask\.kernel"),
    ],
)
def test_foreign_and_inconsistent_files_are_refused_by_name(tmp_path, metadata, complaint):
    path = write_raw(tmp_path / "odd.safetensors", weights.flat(made().params), **metadata)
    with pytest.raises(InputError, match=rf"odd\.safetensors: .*{complaint}") as caught:
        weights.load(path)
    assert "\n" not in str(caught.value)


def test_wrong_tensors_are_refused_by_name(tmp_path):
    for leaf, complaint in [(np.zeros(6), "float32"), (np.full(6, np.nan, np.float32), "finite")]:
        leaves = weights.flat(made().params) | {"norm.gamma": leaf}
        with pytest.raises(InputError, match=rf"net\.safetensors: norm\.gamma must be {complaint}"):
            weights.load(write_raw(tmp_path / "net.safetensors", leaves, **header()))


def test_truncated_files_are_refused(tmp_path):
    path = tmp_path / "cut.safetensors"
    weights.save(made(), path)
    data = path.read_bytes()
    for length in {*range(20), *range(20, len(data), 499), len(data) - 1}:
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match=r"cut\.safetensors"):
            weights.load(path)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 9000), value=st.integers(0, 255))
def test_flipped_bytes_never_cause_another_exception(tmp_path_factory, at, value):
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    weights.save(made(), path)
    data = bytearray(path.read_bytes())
    data[at % len(data)] = value
    path.write_bytes(data)
    try:
        weights.load(path)
    except InputError as error:
        assert "\n" not in str(error)


# Deltas


def test_a_delta_restores_the_adapted_network(tmp_path):
    base, tuned = made(), made(seed=1).params
    kept = {"repeat3": tuned["repeat3"], "mask": tuned["mask"]}
    path = tmp_path / "song.safetensors"
    weights.save_delta(kept, base, path, {"song": "été", "strategy": "P-L3:M"})
    assert_same(weights.load_delta(path, base), base.params | kept)
    assert path.stat().st_size < 0.6 * sum(leaf.nbytes for leaf in weights.flat(base.params).values()) + 4000


def test_nothing_tuned_is_a_delta_too(tmp_path):
    weights.save_delta({}, made(), tmp_path / "b0.safetensors", {})
    assert_same(weights.load_delta(tmp_path / "b0.safetensors", made()), made().params)


def test_a_delta_belongs_to_its_base(tmp_path):
    base, path = made(), tmp_path / "song.safetensors"
    weights.save_delta({"mask": base.params["mask"]}, base, path, {})
    with pytest.raises(InputError, match=r"song\.safetensors: base weights"):
        weights.load_delta(path, made(seed=2))
    with pytest.raises(InputError, match=r"song\.safetensors: metadata format"):
        weights.load(path)
    weights.save(base, path)
    with pytest.raises(InputError, match=r"song\.safetensors: metadata format"):
        weights.load_delta(path, base)
    with pytest.raises(InputError, match=r"absent\.safetensors"):
        weights.load_delta(tmp_path / "absent.safetensors", base)


@pytest.mark.parametrize(
    ("tuned", "complaint"),
    [
        ({"repeat9": {"kernel": np.zeros(3, np.float32)}}, r"unexpected tensors: repeat9\.kernel"),
        ({"mask": {"kernel": np.zeros((5, 9), np.float32)}}, r"mask\.kernel \(5, 9\)"),
        ({"mask": {"kernel": np.full((5, 12), np.nan, np.float32)}}, r"mask\.kernel must be finite"),
    ],
)
def test_impossible_deltas_are_neither_written_nor_read(tmp_path, tuned, complaint):
    base, path = made(), tmp_path / "song.safetensors"
    with pytest.raises(InputError, match=complaint):
        weights.save_delta(tuned, base, path, {})
    assert not path.exists()
    write_raw(path, weights.flat(tuned), format=weights.DELTA_FORMAT, base=base.fingerprint, metadata="{}")
    with pytest.raises(InputError, match=rf"song\.safetensors: .*{complaint}"):
        weights.load_delta(path, base)


# Names and downloads


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no bundled weights, and the golden checkpoint in the place of the published one."""
    monkeypatch.setenv("UGOSA_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(weights, "bundled_folder", lambda: tmp_path / "bundled")
    published = weights.Known("http://127.0.0.1:9/tasnet.th", sha256_of(ORIGINAL), "golden")
    monkeypatch.setitem(weights.KNOWN, "tasnet", published)
    return tmp_path / "cache" / "weights"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        data = ORIGINAL.read_bytes()
        if self.path == "/absent":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.path == "/wrong":
            self.wfile.write(bytes(len(data)))
        else:
            self.wfile.write(data[: 40_000 if self.path == "/cut" else None])

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_a_download_is_verified_converted_and_kept(cache, server, capfd):
    path = weights.download("tasnet", f"{server}/tasnet.th")
    assert path == cache / "tasnet.safetensors" and list(cache.iterdir()) == [path]
    assert "100%" in capfd.readouterr().err
    checkpoint = weights.load("tasnet")
    assert_same(checkpoint.params, demucs.convert(ORIGINAL).params)
    assert checkpoint.provenance["origin_url"] == f"{server}/tasnet.th"
    assert checkpoint.provenance["origin"] == "tasnet.th"
    assert checkpoint.provenance["origin_sha256"] == weights.KNOWN["tasnet"].sha256
    assert weights.download("tasnet", "http://127.0.0.1:9/never") == path


def test_a_quiet_download_says_nothing(cache, server, capfd):
    weights.download("tasnet", f"{server}/tasnet.th", progress=False)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("route", "complaint"),
    [
        ("/cut", "cannot be downloaded|SHA-256"),
        ("/wrong", "SHA-256 must be"),
        ("/absent", "404"),
        (None, "cannot be downloaded"),
    ],
)
def test_a_failed_download_leaves_nothing_and_can_be_repeated(cache, server, route, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        weights.download("tasnet", f"{server}{route}" if route else None, progress=False)
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []
    assert weights.download("tasnet", f"{server}/tasnet.th", progress=False).is_file()
    assert [path.name for path in cache.iterdir()] == ["tasnet.safetensors"]


def test_a_server_that_falls_silent_is_given_up(cache, monkeypatch):
    monkeypatch.setattr(weights, "TIMEOUT_S", 0.2)
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as silent:  # accepts, and never answers
        url = f"http://127.0.0.1:{silent.server_port}/tasnet.th"
        with pytest.raises(InputError, match="timed out"):
            weights.download("tasnet", url, progress=False)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written(tmp_path, cache, server):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot be written"):
            weights.download("tasnet", f"{server}/tasnet.th", folder, progress=False)
    assert weights.download("tasnet", f"{server}/tasnet.th", tmp_path / "other", progress=False).is_file()


@pytest.mark.parametrize("url", [str(ORIGINAL), ORIGINAL.as_uri()])
def test_a_local_copy_is_as_good_as_a_server(cache, url):
    assert_same(weights.load(weights.download("tasnet", url)).params, demucs.convert(ORIGINAL).params)


def test_a_local_copy_must_be_the_published_one(cache, tmp_path):
    for url in (str(DATA / "state_dict_v2.th"), str(tmp_path / "absent.th"), "ftp://127.0.0.1/x", "http://"):
        with pytest.raises(InputError) as caught:
            weights.download("tasnet", url, progress=False)
        assert "\n" not in str(caught.value)
        assert list(cache.iterdir()) == []


def test_unknown_names(cache):
    with pytest.raises(InputError, match="tasnet, tasnet_extra"):
        weights.download("demucs")
    with pytest.raises(InputError, match="weights download tasnet"):
        weights.load("tasnet")
    for name in ("no_such", "no/such.safetensors", "", ".."):
        with pytest.raises(InputError, match="no such file"):
            weights.load(name)


def test_listing_and_names(cache, tmp_path):
    weights.save(made(), tmp_path / "bundled" / "demo.safetensors")
    weights.save(made(seed=1), cache / "tasnet.safetensors")
    listed = [(item.name, item.where, item.path) for item in weights.listing()]
    assert listed == [
        ("demo", "bundled", tmp_path / "bundled" / "demo.safetensors"),
        ("tasnet", "cached", cache / "tasnet.safetensors"),
        ("tasnet_extra", "downloadable", None),
    ]
    assert weights.listing()[0].size_bytes == (tmp_path / "bundled" / "demo.safetensors").stat().st_size
    assert_same(weights.load("demo").params, made().params)
    assert_same(weights.load("tasnet").params, made(seed=1).params)


def test_bundled_weights_of_a_checkout_and_of_a_wheel(tmp_path, monkeypatch):
    package = tmp_path / "site" / "ugosa_jax"
    monkeypatch.setattr(weights, "__file__", str(package / "weights.py"))
    assert weights.bundled_folder() == package / "bundled"
    assert all(item.where != "bundled" for item in weights.listing())
    package.mkdir(parents=True)
    (package.parent / "pyproject.toml").touch()
    assert weights.bundled_folder() == package.parent / "weights"


def test_the_cache_is_the_users_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("UGOSA_JAX_CACHE", raising=False)
    assert weights.cache_folder().name == "weights" and "ugosa_jax" in str(weights.cache_folder())
