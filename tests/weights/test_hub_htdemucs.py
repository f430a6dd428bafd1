"""Downloads of HTDemucs by name, from a local server that stands for all mirrors and has small networks."""

import dataclasses
import http.server
import threading
import urllib.parse

import pytest

from tests.helpers import htdemucs_goldens as goldens
from tests.helpers.networks import assert_same
from ugosa_jax.cli.main import main
from ugosa_jax.errors import InputError
from ugosa_jax.files import compute_sha256
from ugosa_jax.weights import convert, download, hub
from ugosa_jax.weights.pretrained import PRETRAINED

SMALL = {suffix: goldens.DATA / f"a1b2c3d4{suffix}" for suffix in (".safetensors", "-96a9a28a.th")}
SIGNATURES = {
    "htdemucs": ["955717e8"],
    "htdemucs_ft": ["f7e0c4bc", "d12395a8", "92cfc3b6", "04573f0d"],
    "htdemucs_6s": ["5c90dfd2"],
}


class Server:
    """Every file of the three names under its own path; `absent` lists the missing ones, `asked` the requested ones."""

    def __init__(self):
        self.asked, self.absent, self.damaged = [], lambda path: False, lambda path: False


@pytest.fixture
def server(monkeypatch, tmp_path):
    """The mirrors at a local address, with the hashes of the small files; the rest of the catalogue is unchanged."""
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked.append(self.path)
            data = small(self.path).read_bytes()
            self.send_response(404 if state.absent(self.path) else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(bytes(len(data)) if state.damaged(self.path) else data)

        def log_message(self, *_):
            pass

    monkeypatch.setenv("UGOSA_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        for name in SIGNATURES:
            moved = at(PRETRAINED[name], f"http://127.0.0.1:{httpd.server_port}")
            monkeypatch.setitem(PRETRAINED, name, moved)
        yield state
        httpd.shutdown()


def small(url):
    return SMALL[".safetensors" if url.endswith(".safetensors") else "-96a9a28a.th"]


def at(pretrained, address):
    """Return the same with all mirrors at another address, and the hashes cut to as many digits as before."""

    def moved(mirror):
        digits = compute_sha256(small(mirror.url))[: len(mirror.sha256)]
        return dataclasses.replace(mirror, url=address + urllib.parse.urlsplit(mirror.url).path, sha256=digits)

    files = (dataclasses.replace(file, mirrors=tuple(map(moved, file.mirrors))) for file in pretrained.files)
    return dataclasses.replace(pretrained, files=tuple(files))


def networks(name):
    found = hub.load_network(name)
    return list(found.members.values()) if name == "htdemucs_ft" else [found]


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_first_mirror_is_asked_once_for_each_network(server, name):
    download.download_weights(name, progress=False)
    assert len(server.asked) == len(SIGNATURES[name])
    for path, signature in zip(server.asked, SIGNATURES[name], strict=True):
        first = f"/{signature}.safetensors" if name != "htdemucs_6s" else f"/{signature}-34c22ccb.th"
        assert path.endswith(first)
    for net in networks(name):
        assert_same(net.params, convert.convert(small(server.asked[0])).params)
        assert "research only" in net.provenance["licence"]
    download.download_weights(name, progress=False)
    assert len(server.asked) == len(SIGNATURES[name])


@pytest.mark.parametrize("fault", ["absent", "damaged"])
@pytest.mark.parametrize("name", ["htdemucs", "htdemucs_ft"])
def test_second_mirror_is_used_if_the_first_fails(server, name, fault):
    setattr(server, fault, lambda path: path.endswith(".safetensors"))
    download.download_weights(name, progress=False)
    expected = convert.convert(SMALL["-96a9a28a.th"]).params
    for net in networks(name):
        assert_same(net.params, expected)
        assert net.provenance["origin_url"].endswith(".th")
    assert len(server.asked) == 2 * len(SIGNATURES[name])


@pytest.mark.parametrize("name", SIGNATURES)
def test_other_bytes_than_published_are_refused(server, name, tmp_path):
    server.damaged = lambda path: True
    with pytest.raises(InputError, match=r"SHA-256 must be [0-9a-f]+") as caught:
        download.download_weights(name, progress=False)
    assert SIGNATURES[name][0] in str(caught.value)
    assert list((tmp_path / "cache" / "weights").iterdir()) == []


def test_bag_with_a_missing_network_leaves_no_files(server, tmp_path):
    server.absent = lambda path: "04573f0d" in path
    with pytest.raises(InputError, match=r"04573f0d\.safetensors: .*404.*; .*04573f0d-f3cf25b2\.th: .*404"):
        download.download_weights("htdemucs_ft", progress=False)
    assert list((tmp_path / "cache" / "weights").iterdir()) == []


@pytest.mark.parametrize("name", SIGNATURES)
def test_licence_is_printed_before_the_first_request(server, name, capsys):
    said = []
    server.absent = lambda path: said.append(capsys.readouterr().out)  # output at the time of the request
    assert main(["weights", "download", name]) == 0
    assert said[0].startswith("licence: contested. The code is MIT.") and "research only" in said[0]
