"""Weights by name: bundled and cached files, Demucs checkpoints, and downloads from a local server."""

import contextlib
import http.server
import shutil
import threading

import numpy as np
import pytest
import safetensors.numpy

from tests.helpers.networks import DATA, assert_same, make_checkpoint
from tests.helpers.torch_bytes import package, small_state, written
from ugosa_jax.cli.main import main
from ugosa_jax.errors import InputError
from ugosa_jax.files import compute_sha256
from ugosa_jax.weights import checkpoint, convert, download, hub
from ugosa_jax.weights.pretrained import PRETRAINED, Mirror, Pretrained, PublishedFile

ORIGINAL = DATA / "checkpoint_v1_legacy.th"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no bundled weights, and the golden checkpoint in the place of the published one."""
    monkeypatch.setenv("UGOSA_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(hub, "find_bundled_folder", lambda: tmp_path / "bundled")
    mirror = Mirror("http://127.0.0.1:9/tasnet.th", compute_sha256(ORIGINAL))
    known = Pretrained((PublishedFile("tasnet", (mirror,)),), 20_000, "golden", "free")
    monkeypatch.setitem(PRETRAINED, "tasnet", known)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def published(tmp_path, cache, monkeypatch):
    """Two specialists, each at two addresses without a server, and a folder with their files."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    specialists = []
    for seed, name in enumerate(("aaaa1111", "bbbb2222")):
        first = written(folder / f"{name}.safetensors", demucs_safetensors(seed))
        second = written(folder / f"{name}-x.th", package(small_state(seed=seed)))
        mirrors = (
            Mirror(f"http://127.0.0.1:9/{first.name}", compute_sha256(first)),
            Mirror(f"http://127.0.0.1:9/{second.name}", compute_sha256(second)[:8]),
        )
        specialists.append(PublishedFile(name, mirrors))
    ones = ((1.0, 0.0, 1.0, 0.0), (0.0, 1.0, 0.0, 1.0))
    monkeypatch.setitem(PRETRAINED, "pair", Pretrained(tuple(specialists), 20_000, "two", "ask them", ones))
    monkeypatch.setitem(PRETRAINED, "single", Pretrained(tuple(specialists[:1]), 20_000, "one", "ask them"))
    return folder


def demucs_safetensors(seed):
    metadata = {"klass": "demucs.tasnet.ConvTasNet", "args": "[]", "kwargs": "{}"}
    return safetensors.numpy.save(small_state(seed=seed), metadata)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        data = ORIGINAL.read_bytes()
        if self.path == "/absent":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path == "/endless":
            self.end_headers()
            with contextlib.suppress(OSError):  # the reader stops before the end
                while True:
                    self.wfile.write(bytes(100_000))
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


# Files


def test_a_demucs_file_is_loaded_by_its_content(tmp_path):
    disguised = tmp_path / "net.safetensors"
    shutil.copy(ORIGINAL, disguised)
    assert_same(hub.load_network(disguised).params, convert.convert(ORIGINAL).params)


def test_truncated_files_are_refused(tmp_path):
    path = tmp_path / "cut.safetensors"
    checkpoint.save(make_checkpoint(), path)
    data = path.read_bytes()
    for length in {*range(20), len(data) - 1}:
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match=r"cut\.safetensors"):
            hub.load_network(path)


# Names and downloads


def test_a_download_is_verified_converted_and_kept(cache, server, capfd):
    path = download.download_weights("tasnet", f"{server}/tasnet.th")
    assert path == cache / "tasnet.safetensors" and list(cache.iterdir()) == [path]
    assert "100%" in capfd.readouterr().err
    checkpoint = hub.load_network("tasnet")
    assert_same(checkpoint.params, convert.convert(ORIGINAL).params)
    assert checkpoint.provenance["origin_url"] == f"{server}/tasnet.th"
    assert checkpoint.provenance["origin"] == "tasnet.th"
    assert checkpoint.provenance["origin_sha256"] == compute_sha256(ORIGINAL)
    assert download.download_weights("tasnet", "http://127.0.0.1:9/never") == path


def test_download_without_progress_prints_nothing(cache, server, capfd):
    download.download_weights("tasnet", f"{server}/tasnet.th", progress=False)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("route", "complaint"),
    [
        ("/cut", "cannot be downloaded|SHA-256"),
        ("/wrong", "SHA-256 must be"),
        ("/absent", "404"),
        ("/endless", r"endless: sends more than the 1\.2 MB that its parameters can take"),
        (None, "cannot be downloaded"),
    ],
)
def test_failed_download_leaves_no_files_and_can_be_repeated(cache, server, route, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        download.download_weights("tasnet", f"{server}{route}" if route else None, progress=False)
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []
    assert download.download_weights("tasnet", f"{server}/tasnet.th", progress=False).is_file()
    assert [path.name for path in cache.iterdir()] == ["tasnet.safetensors"]


def test_download_from_a_silent_server_times_out(cache, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT_S", 0.2)
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as silent:  # accepts connections and never answers
        url = f"http://127.0.0.1:{silent.server_port}/tasnet.th"
        with pytest.raises(InputError, match="timed out"):
            download.download_weights("tasnet", url, progress=False)
    assert list(cache.iterdir()) == []


def test_unwritable_cache_is_reported(tmp_path, cache, server):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot be written"):
            download.download_weights("tasnet", f"{server}/tasnet.th", folder, progress=False)
    assert download.download_weights("tasnet", f"{server}/tasnet.th", tmp_path / "other", progress=False).is_file()


def test_mirrors_are_tried_in_turn(published, monkeypatch):
    (file,) = PRETRAINED["single"].files
    asked = []

    def fetch_url(url, path, max_bytes, progress):
        asked.append(url)
        if url.endswith(".safetensors"):
            raise InputError(f"{url}: cannot be downloaded")
        shutil.copy(published / url.rpartition("/")[2], path)

    monkeypatch.setattr(download, "_fetch_url", fetch_url)
    net = hub.load_network(download.download_weights("single", progress=False))
    assert asked == [mirror.url for mirror in file.mirrors]
    assert net.provenance["origin_url"] == file.mirrors[1].url
    assert net.provenance["licence"] == "ask them"
    assert_same(net.params, convert.convert(published / "aaaa1111-x.th").params)


def test_error_names_all_mirrors_if_none_has_the_file(published, cache):
    with pytest.raises(InputError, match=r"aaaa1111\.safetensors: cannot be.*; .*aaaa1111-x\.th: cannot be") as caught:
        download.download_weights("single", progress=False)
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_bag_is_kept_as_a_folder(published, cache):
    path = download.download_weights("pair", str(published), progress=False)
    assert path == cache / "pair" / "pair.yaml"
    assert {file.name for file in path.parent.iterdir()} == {
        "pair.yaml",
        "aaaa1111.safetensors",
        "bbbb2222.safetensors",
    }
    net = hub.load_network("pair")
    assert list(net.members) == ["aaaa1111", "bbbb2222"] and net.weights_MxS == PRETRAINED["pair"].weights_MxS
    for name, member in net.members.items():
        assert_same(member.params, convert.convert(published / f"{name}.safetensors").params)
    listed = next(item for item in hub.list_weights() if item.name == "pair")
    assert listed.where == "cached" and listed.path == path
    assert download.download_weights("pair") == path


def test_incomplete_bag_is_not_stored(published, cache):
    (published / "bbbb2222.safetensors").write_bytes(b"other")
    (published / "bbbb2222-x.th").unlink()
    with pytest.raises(InputError, match=r"bbbb2222\.safetensors: SHA-256 must be .*bbbb2222-x\.th: cannot be read"):
        download.download_weights("pair", str(published), progress=False)
    assert list(cache.iterdir()) == []


def test_bag_is_not_stored_over_a_file(published, cache):
    (cache / "pair").mkdir(parents=True)
    (cache / "pair" / "mine").write_text("")
    with pytest.raises(InputError, match="pair: is in the way"):
        download.download_weights("pair", str(published), progress=False)
    assert [path.name for path in cache.iterdir()] == ["pair"]


def test_licence_is_printed_before_the_download(published, capsys):
    assert main(["weights", "download", "single"]) == 2
    said = capsys.readouterr()
    assert said.out == "licence: ask them\n" and "cannot be downloaded" in said.err


def test_separate_downloads_weights_with_the_option_download(cache, monkeypatch, tmp_path, capsys):
    mirror = Mirror(ORIGINAL.as_uri(), compute_sha256(ORIGINAL))
    known = Pretrained((PublishedFile("tasnet", (mirror,)),), 20_000, "golden", "ask them")
    monkeypatch.setitem(PRETRAINED, "tasnet", known)
    arguments = ["separate", str(tmp_path / "absent.wav"), "--out", str(tmp_path / "out"), "--weights", "tasnet"]
    assert main(arguments) == 2
    assert "tasnet: not downloaded yet" in capsys.readouterr().err and not cache.exists()
    for licence in ("licence: ask them\n", ""):  # fetched once
        assert main([*arguments, "--download"]) == 2
        said = capsys.readouterr()
        assert said.out == licence and "absent.wav" in said.err
        assert [path.name for path in cache.iterdir()] == ["tasnet.safetensors"]


def test_published_files_have_address_size_and_hash():
    for name, known in PRETRAINED.items():
        assert known.description and known.licence, name
        assert 4 * known.n_parameters < known.max_bytes < 1e9
        for mirror in (mirror for file in known.files for mirror in file.mirrors):
            assert mirror.url.startswith(("https://", "pip:"))
            assert len(mirror.sha256) in (8, 64) and int(mirror.sha256, 16)
            if len(mirror.sha256) == 8:  # the name says it too
                assert mirror.url.endswith(f"-{mirror.sha256}.th")
    ft = PRETRAINED["htdemucs_ft"]
    assert np.array_equal(ft.weights_MxS, np.eye(4)) and len(ft.files) == 4
    first = PRETRAINED["htdemucs"].files[0].mirrors[0].url
    assert first == "https://huggingface.co/adefossez/HTDemucs/resolve/main/955717e8.safetensors"


@pytest.mark.parametrize("url", [str(ORIGINAL), ORIGINAL.as_uri()])
def test_download_accepts_a_local_copy(cache, url):
    assert_same(hub.load_network(download.download_weights("tasnet", url)).params, convert.convert(ORIGINAL).params)


def test_local_copy_with_other_bytes_is_refused(cache, tmp_path):
    for url in (str(DATA / "state_dict_v2.th"), str(tmp_path / "absent.th"), "ftp://127.0.0.1/x", "http://"):
        with pytest.raises(InputError) as caught:
            download.download_weights("tasnet", url, progress=False)
        assert "\n" not in str(caught.value)
        assert list(cache.iterdir()) == []


def test_unknown_names_are_refused(cache):
    with pytest.raises(InputError, match="tasnet, tasnet_extra, htdemucs, htdemucs_ft, htdemucs_6s"):
        download.download_weights("demucs")
    with pytest.raises(InputError, match=r"weights download tasnet.*download_weights.*mini. need no download"):
        hub.load_network("tasnet")
    for name in ("no_such", "no/such.safetensors", "", ".."):
        with pytest.raises(InputError, match="no such file"):
            hub.load_network(name)


def test_list_weights_shows_bundled_cached_and_downloadable_names(cache, tmp_path):
    checkpoint.save(make_checkpoint(), tmp_path / "bundled" / "demo.safetensors")
    checkpoint.save(make_checkpoint(seed=1), cache / "tasnet.safetensors")
    listed = [(item.name, item.where, item.path) for item in hub.list_weights()]
    assert listed == [
        ("demo", "bundled", tmp_path / "bundled" / "demo.safetensors"),
        ("tasnet", "cached", cache / "tasnet.safetensors"),
        *((name, "downloadable", None) for name in PRETRAINED if name != "tasnet"),
    ]
    assert hub.list_weights()[0].size_bytes == (tmp_path / "bundled" / "demo.safetensors").stat().st_size
    assert_same(hub.load_network("demo").params, make_checkpoint().params)
    assert_same(hub.load_network("tasnet").params, make_checkpoint(seed=1).params)


def test_bundled_folder_is_found_in_a_checkout_and_in_a_wheel(tmp_path, monkeypatch):
    package = tmp_path / "site" / "ugosa_jax"
    monkeypatch.setattr(hub, "__file__", str(package / "networks" / "hub.py"))
    assert hub.find_bundled_folder() == package.parent / "weights"
    assert all(item.where != "bundled" for item in hub.list_weights())
    (package / "bundled").mkdir(parents=True)
    (package.parent / "weights").mkdir()  # another package's
    assert hub.find_bundled_folder() == package / "bundled"


def test_cache_folder_follows_the_environment(monkeypatch):
    monkeypatch.delenv("UGOSA_JAX_CACHE", raising=False)
    assert hub.get_cache_folder().name == "weights" and "ugosa_jax" in str(hub.get_cache_folder())


def test_hidden_and_half_written_files_are_not_listed(tmp_path, monkeypatch):
    """As macOS leaves beside copies, and as a download that was killed."""
    monkeypatch.setenv("UGOSA_JAX_CACHE", str(tmp_path))
    names = ["._good.safetensors", ".good.abcdef01-123-xxxxxxxx.part.safetensors", "good.part.safetensors"]
    (tmp_path / "weights").mkdir()
    for name in [*names, "good.safetensors"]:
        (tmp_path / "weights" / name).write_bytes(b"")
    for folder in (".bag", "bag.part", "bag"):
        (tmp_path / "weights" / folder).mkdir()
        (tmp_path / "weights" / folder / "bag.yaml").write_text("")
        (tmp_path / "weights" / folder / "._bag.yaml").write_text("")
    assert [item.name for item in hub.list_weights() if item.where == "cached"] == ["bag", "good"]
