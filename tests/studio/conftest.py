"""A studio in this process with a client and a song; a studio in a process of its own with a real browser."""

import pytest
from starlette.testclient import TestClient

from tests.helpers.browser import chromium, open_page, run_server
from tests.helpers.networks import QUARTET, make_checkpoint
from tests.helpers.page import choose_brush, mark, wait_until_ready
from tests.helpers.studio import HERE, TOKEN, write_song
from ugosa_jax import files
from ugosa_jax.studio import server as web_server
from ugosa_jax.studio.workspace import Workspace
from ugosa_jax.weights import checkpoint


@pytest.fixture
def studio(tmp_path):
    return Workspace(tmp_path / "work")


@pytest.fixture
def client(studio):
    """Return a browser's tab on a page of the studio."""
    guarded = web_server.build_guarded_app(studio, TOKEN, "127.0.0.1")
    return TestClient(guarded, base_url=HERE, headers={"origin": HERE})


@pytest.fixture
def song(client, tmp_path):
    """Return the address of a song of four seconds."""
    content = write_song(tmp_path / "song.wav", 4.0).read_bytes()
    answer = client.post(f"/{TOKEN}/api/songs", content=content, headers={"x-name": "my%20song.wav"})
    return f"/{TOKEN}/api/songs/{answer.json()['id']}"


@pytest.fixture(scope="session")
def tiny():
    """Save a network called `tiny` among the downloaded ones."""
    checkpoint.save(make_checkpoint(QUARTET), files.get_cache_folder() / "weights" / "tiny.safetensors")


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny):
    """Return a running studio with the demo song and a tiny network."""
    with run_server(tmp_path_factory.mktemp("browser") / "work") as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(server, browser):
    """Return the demo song's page without marks; an exception or a violation of the policy on it fails the test."""
    page, troubles = open_page(browser, server.address)
    wait_until_ready(page)
    mark(page)
    choose_brush(page, "silent")
    yield page
    page.close()
    assert not troubles
