"""A studio in this process, a browser's tab on it, and a song."""

import pytest
from starlette.testclient import TestClient

from tests.helpers.studio import HERE, TOKEN, song_file
from ugosa_jax.studio import server
from ugosa_jax.studio.studio import Studio


@pytest.fixture
def studio(tmp_path):
    return Studio(tmp_path / "work")


@pytest.fixture
def client(studio):
    """Return a browser's tab on a page of the studio."""
    guarded = server.guarded(studio, TOKEN, "127.0.0.1")
    return TestClient(guarded, base_url=HERE, headers={"origin": HERE})


@pytest.fixture
def song(client, tmp_path):
    """Return the address of a song of four seconds."""
    content = song_file(tmp_path / "song.wav", 4.0).read_bytes()
    answer = client.post(f"/{TOKEN}/api/songs", content=content, headers={"x-name": "my%20song.wav"})
    return f"/{TOKEN}/api/songs/{answer.json()['id']}"
