"""Access control of the studio: hosts, origins, token, headers and paths."""

import json
import re
import socket
import stat
import sys
import threading

import pytest
from starlette.testclient import TestClient

from tests.helpers.studio import HERE, TOKEN, write_song
from ugosa_jax.cli.main import main
from ugosa_jax.errors import InputError
from ugosa_jax.studio import library, security, server
from ugosa_jax.studio.folder_lock import lock_folder


def test_the_page_needs_the_token(client):
    assert client.get(f"/{TOKEN}/").status_code == 200
    for path in ("/", "/static/app.js", f"/{TOKEN[:-1]}/", f"/{TOKEN}x/", f"/{TOKEN}", f"//{TOKEN}/"):
        assert client.get(path).status_code == 404, path


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8630", "", "127.0.0.2:8630", "[bad"])
def test_other_hosts_are_refused(client, host):
    """Foreign names are refused even if they resolve to this machine (DNS rebinding)."""
    assert client.get(f"/{TOKEN}/", headers={"host": host, "origin": f"http://{host}"}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8630", "localhost:8630", "[::1]:8630"])
def test_own_hosts_are_served(client, host):
    assert client.get(f"/{TOKEN}/", headers={"host": host, "origin": f"http://{host}"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "https://localhost:8630"])
def test_other_origins_are_refused(client, origin):
    for method, path in [("GET", "api/songs"), ("POST", "api/demo"), ("PUT", "api/songs/0123456789abcdef/marks")]:
        assert client.request(method, f"/{TOKEN}/{path}", headers={"origin": origin}).status_code == 403


def test_a_change_needs_an_origin(studio):
    plain = TestClient(server.build_guarded_app(studio, TOKEN, "127.0.0.1"), base_url=HERE)
    assert plain.get(f"/{TOKEN}/").status_code == 200  # a typed address sends no Origin
    assert plain.post(f"/{TOKEN}/api/demo").status_code == 403
    assert plain.get(f"/{TOKEN}/", headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_public_server_accepts_addresses_but_no_foreign_names(studio):
    client = TestClient(server.build_guarded_app(studio, TOKEN, "0.0.0.0"), base_url="http://192.168.1.5:8630")
    assert client.get(f"/{TOKEN}/").status_code == 200
    assert client.get(f"/{TOKEN}/", headers={"host": "evil.example"}).status_code == 403


def test_policy_forbids_inline_scripts_and_other_hosts(client):
    header = client.get(f"/{TOKEN}/").headers["content-security-policy"]
    policy = dict(part.strip().split(" ", 1) for part in header.split(";"))
    for kind in ("script-src", "style-src", "connect-src", "media-src"):
        assert policy[kind] == "'self'"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in header and "http" not in header
    page = client.get(f"/{TOKEN}/").text
    assert "onclick" not in page and page.count("<script") == 1 and 'script type="module" src=' in page


def test_every_answer_has_the_headers(client):
    for path in ("/", f"/{TOKEN}/", f"/{TOKEN}/api/songs", f"/{TOKEN}/static/app.js", f"/{TOKEN}/nothing"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path  # the address holds the token
        assert "content-security-policy" in headers, path


@pytest.mark.parametrize(
    "id", ["..", "%2e%2e", "..%2f..", "0123456789abcdeg", "0123456789abcdef", "%00", "ABCDEF0123456789"]
)
def test_ids_never_become_paths(client, studio, id):
    studio.root.mkdir()
    (studio.root / "song.json").write_text("{}")
    for path in ("", "/mixture.wav", "/export.csv", "/events", f"/runs/{id}/drums.wav", "/runs/x/../../../token"):
        assert client.get(f"/{TOKEN}/api/songs/{id}{path}").status_code == 404, path


def test_names_are_shown_but_never_become_paths(client, studio, tmp_path):
    content = write_song(tmp_path / "a.wav").read_bytes()
    name = "..%2F..%2Fetc%2Fpasswd%00%0A%3Cscript%3E.wav"
    song = client.post(f"/{TOKEN}/api/songs", content=content, headers={"x-name": name}).json()
    assert song["name"] == "passwd <script>.wav"
    found = {path.relative_to(studio.root).as_posix() for path in studio.root.rglob("*") if path.is_file()}
    folder = f"songs/{song['id']}"
    assert found == {f"{folder}/{name}" for name in ("song.json", "original", "mixture.wav", "mixture.peaks")}


def test_oversized_upload_is_cut_off_and_leaves_no_file(client, studio, monkeypatch):
    monkeypatch.setattr(library, "MAX_BYTES", 1000)
    monkeypatch.setattr(library.Library.receive, "__defaults__", (1000,))
    sent = 0

    def endless():
        nonlocal sent
        for _ in range(10_000):
            sent += 100
            yield b"x" * 100

    answer = client.post(f"/{TOKEN}/api/songs", content=endless(), headers={"x-name": "big.wav"})
    assert answer.status_code == 413 and "larger than" in answer.json()["error"]
    assert not [path for path in studio.root.rglob("*") if path.is_file()]


def test_upload_that_is_no_sound_is_refused_in_one_line(client, studio):
    answer = client.post(f"/{TOKEN}/api/songs", content=b"no sound at all", headers={"x-name": "notes.txt"})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("notes.txt: cannot be read as sound")
    assert not [path for path in studio.root.rglob("*") if path.is_file()]


def test_too_long_song_is_refused_without_decoding(client, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "MAX_SONG_S", 0.5)
    answer = client.post(
        f"/{TOKEN}/api/songs", content=write_song(tmp_path / "a.wav").read_bytes(), headers={"x-name": "long.wav"}
    )
    assert answer.status_code == 422 and answer.json()["error"].startswith("long.wav: lasts")


def written_run(studio, song):
    """Write an unadapted run of a song; return its folder."""
    run = studio.library.find_folder(song) / "runs" / ("a" * 16)
    run.mkdir(parents=True)
    fields = {"id": run.name, "network": "n", "strategy": "B0", "sources": ["drums"], "created": "", "took_s": 1}
    (run / "run.json").write_text(json.dumps(fields | {"levels": {}}))
    return run


def test_one_song_cannot_be_reached_through_another(client, studio, tmp_path):
    first, second = (
        client.post(f"/{TOKEN}/api/songs", content=write_song(tmp_path / "x.wav", seed=n).read_bytes()).json()["id"]
        for n in (1, 2)
    )
    job = client.post(f"/{TOKEN}/api/songs/{first}/jobs", json={"kind": "separate", "network": "mini"}).json()
    run = written_run(studio, first)
    (run / "drums.wav").write_bytes(b"sound")
    own, other = (f"/{TOKEN}/api/songs/{id}" for id in (first, second))
    assert client.get(f"{own}/runs/{'a' * 16}/drums.wav").content == b"sound"
    assert client.get(f"{other}/runs/{'a' * 16}/drums.wav").status_code == 404
    assert client.post(f"{other}/jobs/{job['id']}/cancel").status_code == 404
    assert [one["id"] for one in client.get(own).json()["jobs"]] == [job["id"]]
    assert client.get(other).json()["jobs"] == client.get(other).json()["runs"] == []


def test_source_names_never_become_paths(client, studio, tmp_path):
    id = client.post(f"/{TOKEN}/api/songs", content=write_song(tmp_path / "x.wav").read_bytes()).json()["id"]
    written_run(studio, id)
    for name in ("run.json", "..%2F..%2Fsong.json", "%2Fetc%2Fpasswd.wav", "drums.json", "nobody.wav"):
        assert client.get(f"/{TOKEN}/api/songs/{id}/runs/{'a' * 16}/{name}").status_code == 404, name


def test_page_loads_nothing_from_other_hosts():
    """Every link in the static files is local or an XML namespace."""
    for path in server.STATIC.rglob("*.*"):
        if path.suffix in (".js", ".html", ".css", ".svg"):
            links = set(re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]+[^\s\"'`]*", path.read_text("utf-8")))
            assert all(link.startswith("http://www.w3.org/") for link in links), path


def test_the_token_is_random_kept_and_private(tmp_path):
    first, second = security.load_token(tmp_path / "a"), security.load_token(tmp_path / "b")
    assert first != second and len(first) >= 32
    assert security.load_token(tmp_path / "a") == first
    assert stat.S_IMODE((tmp_path / "a" / "token").stat().st_mode) == 0o600
    (tmp_path / "a" / "token").write_text("short")
    assert len(security.load_token(tmp_path / "a")) >= 32


def test_server_listens_on_the_loopback_by_default():
    listening = server.listen("127.0.0.1", 0)
    assert listening.getsockname()[0] == "127.0.0.1"
    with pytest.raises(InputError, match=r"--port \d+: cannot listen there"):
        server.listen("127.0.0.1", listening.getsockname()[1])
    listening.close()


def test_two_servers_cannot_work_in_one_folder(tmp_path):
    with (
        lock_folder(tmp_path),
        pytest.raises(InputError, match="another studio uses this folder"),
        lock_folder(tmp_path),
    ):
        pass
    with lock_folder(tmp_path):
        pass


def test_command_refuses_bad_input_in_one_line(tmp_path, capsys):
    assert main(["studio", str(tmp_path / "nothere.wav"), "--work", str(tmp_path / "work"), "--no-browser"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'nothere.wav'}: cannot be read")
    (tmp_path / "file").write_text("")
    assert main(["studio", "--work", str(tmp_path / "file"), "--no-browser"]) == 2
    assert "file: cannot be written" in capsys.readouterr().err


def test_websocket_probe_is_refused_without_a_warning(studio, caplog):
    studio.supervisor.command = (sys.executable, "-c", "input()")  # a worker that waits
    listening = server.listen("127.0.0.1", 0)
    running = server.StudioServer(studio, TOKEN, "127.0.0.1")
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        with socket.create_connection(listening.getsockname(), timeout=120) as probe:
            lines = [f"GET /{TOKEN}/ HTTP/1.1", "Host: 127.0.0.1", "Connection: Upgrade", "Upgrade: websocket"]
            lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""]
            probe.sendall("\r\n".join(lines).encode())
            status = probe.recv(100).split(b"\r\n")[0]
    finally:
        running.should_exit = True
        thread.join(120)
    assert status != b"HTTP/1.1 101 Switching Protocols" and status.startswith(b"HTTP/1.1 ")
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]
