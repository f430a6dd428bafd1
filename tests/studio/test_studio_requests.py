"""Requests that the server refuses, and the sound files that it sends."""

import asyncio
import io
import json

import numpy as np
import pytest
import soundfile
from starlette.requests import ClientDisconnect

from tests.helpers.studio import TOKEN, mark, write_run, write_song
from ugosa_jax.annotations import formats
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.errors import InputError
from ugosa_jax.studio import estimate, mixdown, requests, server

NETWORK = {"name": "net", "sources": ["drums"], "strategies": ["L3:M"], "segment_s": 4.0, "members": 1}
NETWORK |= {"shares": {"L3:M": 0.5}, "tuned": {"L3:M": 1}, "default_strategy": "P-L3:M", "forward_flops": 1e9}


@pytest.fixture
def ready(studio):
    """Give the studio the description of one network, as its worker would."""
    studio.supervisor.ready = {"networks": [NETWORK], "flops_per_s": 1e10}


def folder_of(studio, song):
    return studio.library.find_folder(song.rpartition("/")[2])


def test_song_shorter_than_a_segment_is_refused_at_once(client, studio, ready, tmp_path):
    content = write_song(tmp_path / "half.wav", 0.5).read_bytes()
    id = client.post(f"/{TOKEN}/api/songs", content=content, headers={"x-name": "half.wav"}).json()["id"]
    short = f"/{TOKEN}/api/songs/{id}"
    client.put(f"{short}/marks", json={"marks": [mark(0, 0.4, "drums")]})
    for place in ("jobs", "estimate"):
        answer = client.post(f"{short}/{place}", json={"kind": "adapt", "network": "net"})
        assert answer.status_code == 422, place
        assert "lasts 0.50 s, less than one training segment of 4 s" in answer.json()["error"]
    asked = {"kind": "adapt", "network": "net", "adapt": {"segment_s": 0.4}}
    assert client.post(f"{short}/jobs", json=asked).status_code == 200
    assert client.post(f"{short}/jobs", json={"kind": "separate", "network": "net"}).status_code == 200


def test_a_segment_longer_than_the_song_is_refused(client, song, ready):
    asked = {"kind": "adapt", "network": "net", "adapt": {"segment_s": 500}}
    assert "less than one training segment of 500 s" in client.post(f"{song}/estimate", json=asked).json()["error"]


@pytest.mark.parametrize(
    ("adapt", "expected"),
    [
        ({"lam": 1e308}, "lam must be at most"),
        ({"learning_rate": 1e300}, "learning_rate must be at most"),
        ({"segment_s": 1e-9}, "segment_s must be at least"),
        ({"hop_s": 1e-6}, "hop_s must be at least"),
    ],
)
def test_absurd_numbers_are_refused(client, song, ready, adapt, expected):
    for place in ("jobs", "estimate"):
        answer = client.post(f"{song}/{place}", json={"kind": "adapt", "network": "net", "adapt": adapt})
        assert answer.status_code == 422 and expected in answer.json()["error"]


def test_an_equal_open_job_is_not_added_twice(client, song, ready):
    client.put(f"{song}/marks", json={"marks": [mark(0, 2, "drums")]})
    asked = {"kind": "adapt", "network": "net"}
    first, second, third = (client.post(f"{song}/jobs", json=asked).json()["id"] for _ in range(3))
    other = client.post(f"{song}/jobs", json=asked | {"adapt": {"epochs": 3}}).json()["id"]
    assert first == second == third != other
    assert len(client.get(song).json()["jobs"]) == 2


def test_first_estimate_includes_the_unadapted_separation(client, song, studio, ready):
    asked = {"network": "net", "adapt": {}, "separate": {}}
    first = client.post(f"{song}/estimate", json=asked).json()["estimate"]["seconds"]
    write_run(folder_of(studio, song), "a" * 16)
    (run,) = folder_of(studio, song).glob("runs/*/run.json")
    run.write_text(run.read_text().replace("tiny", "net"))
    second = client.post(f"{song}/estimate", json=asked).json()["estimate"]["seconds"]
    plain = estimate.estimate_seconds(AdaptConfig(), SeparateConfig(), 4.0, None, NETWORK, 1e10)
    assert plain is not None and second == plain["seconds"]
    assert first - second == pytest.approx(4.0 * 4 / 3 * 1e9 / (1e10 * estimate.EFFICIENCY))


def test_deeply_nested_json_is_refused(client, song):
    for text in ('{"marks":' + "[" * 50_000 + "]" * 50_000 + "}", "[" * 50_000):
        answer = client.put(f"{song}/marks", content=text)
        assert answer.status_code == 422 and answer.json()["error"].startswith("request:")


def test_disconnected_page_raises_no_error():
    async def gone(request):
        raise ClientDisconnect

    assert asyncio.run(server.answer_errors(gone)(None)).status_code == 499  # pyright: ignore[reportArgumentType]


def test_overlapping_marks_of_one_state_are_refused(client, song):
    answer = client.put(f"{song}/marks", json={"marks": [mark(1, 2, "bass"), mark(1.5, 3, "bass")]})
    assert answer.status_code == 422 and "two of bass overlap" in answer.json()["error"]
    fine = [mark(1, 2, "bass"), mark(2, 3, "bass"), mark(1.5, 3, "drums")]
    assert client.put(f"{song}/marks", json={"marks": fine}).status_code == 200


def test_messages_omit_options_of_the_command_line(client, song):
    messages = {
        "a.wav: cut short: 3 of 9 samples are there; --truncated ok takes them": "a.wav: cut short: 3 of 9 samples "
        "are there",
        "left out: unknown (--complete if all its instruments are annotated)": "left out: unknown",
        "3 labels, which --map leaves out": "3 labels",
        "a.txt:3: nothing to change (really); but this": "a.txt:3: nothing to change (really); but this",
    }
    assert [requests.strip_options(text) for text in messages] == [*messages.values()]
    labels = b"0.0\t2.0\tpiano\n0.0\t1.0\tno guitar\n"
    found = client.post(f"{song}/import", content=labels, headers={"x-name": "two.txt"}).json()
    assert found["notes"] and not [note for note in found["notes"] if "--" in note]


def test_the_page_knows_every_format_that_is_read(client, song):
    assert {*formats.SUFFIXES} <= {*client.get(song).json()["suffixes"]}


def test_runs_keep_their_numbers_and_names(client, song, studio):
    folder = folder_of(studio, song)
    write_run(folder, "a" * 16)
    write_run(folder, "b" * 16, "P-L3:M")
    write_run(folder, "c" * 16, "P-L3:MM")
    titles = client.get(song).json()["titles"]
    assert [titles[id * 16]["number"] for id in "abc"] == [0, 1, 2]
    client.delete(f"{song}/runs/{'b' * 16}")
    titles = client.get(song).json()["titles"]
    assert titles["c" * 16]["number"] == 2 and titles["b" * 16]["deleted"]
    client.delete(f"{song}/runs/{'c' * 16}")
    write_run(folder, "d" * 16, "P-L3:M")
    assert client.get(song).json()["titles"]["d" * 16]["number"] == 3  # numbers are never reused
    named = client.patch(f"{song}/runs/{'d' * 16}", json={"name": " best\nso far", "note": "drums bleed"}).json()
    assert (named["name"], named["note"], named["number"]) == ("best so far", "drums bleed", 3)
    assert client.get(song).json()["titles"]["d" * 16] == named
    assert client.patch(f"{song}/runs/{'d' * 16}", json={"name": "x" * 200}).status_code == 422
    assert client.patch(f"{song}/runs/{'e' * 16}", json={"name": "x"}).status_code == 404


def test_songs_are_renamed_and_deleted(client, song, studio, tmp_path):
    assert client.patch(song, json={"name": "../my <b>song"}).json()["name"] == "my <b>song"
    assert client.patch(song, json={"name": " "}).status_code == 422
    content = (tmp_path / "song.wav").read_bytes()
    again = client.post(f"/{TOKEN}/api/songs", content=content, headers={"x-name": "other.wav"}).json()
    assert again["name"] == "my <b>song"  # a name given by a person stays
    folder = folder_of(studio, song)
    job = client.post(f"{song}/jobs", json={"kind": "separate", "network": "mini"}).json()["id"]
    studio.queue.jobs[job].state = "running"
    assert client.delete(song).status_code == 422
    studio.queue.jobs[job].state = "waiting"
    assert client.delete(song).status_code == 200
    assert not folder.exists() and not studio.queue.jobs
    assert client.get(song).status_code == 404 and client.get(f"/{TOKEN}/api/songs").json() == {"songs": []}


def test_page_state_is_restored(client, song):
    assert client.get(song).json()["page"] == {}
    assert client.put(f"{song}/page", json={"brush": "active", "zoom": 120.5}).status_code == 200
    assert client.get(song).json()["page"] == {"brush": "active", "zoom": 120.5}
    assert client.put(f"{song}/page", json={"x": "y" * 70_000}).status_code == 422


def test_a_vote_can_be_withdrawn(client, song, studio):
    folder = folder_of(studio, song)
    write_run(folder, "a" * 16)
    write_run(folder, "b" * 16, "P-L3:M")
    for _ in range(2):
        asked = {"source": "drums", "first": "a" * 16, "second": "b" * 16}
        trial = client.post(f"{song}/trials", json=asked).json()["id"]
        client.post(f"{song}/trials/{trial}/vote", json={"choice": "a"})
    (left,) = client.delete(f"{song}/trials/{trial}/vote").json()["votes"]
    assert sum(left["won"]) == 1
    assert client.delete(f"{song}/trials/{trial}/vote").status_code == 404


def sound_of(answer):
    return soundfile.read(io.BytesIO(answer.content), dtype="float64")


@pytest.mark.parametrize(
    ("kind", "encoding", "subtype"), [("wav", "float", "FLOAT"), ("wav", "24", "PCM_24"), ("flac", "24", "PCM_24")]
)
def test_mixdown_is_the_weighted_sum(client, song, studio, kind, encoding, subtype):
    run = folder_of(studio, song) / "runs" / ("a" * 16)
    write_run(folder_of(studio, song), "a" * 16)
    ramp = np.linspace(-0.5, 0.5, 16000)
    for name, scale in (("drums", 1.0), ("residual", 0.5)):
        soundfile.write(run / f"{name}.wav", np.stack([ramp, -ramp], 1) * scale, 8000, subtype="FLOAT")
    parts = [("part", f"{run.name}/drums/0.5"), ("part", f"{run.name}/residual/2")]
    query = [*parts, ("start", "0.5"), ("end", "1.25"), ("encoding", encoding), ("name", "tête/à <b>")]
    answer = client.get(f"{song}/sound.{kind}", params=query)
    assert answer.headers["content-disposition"].endswith(f"filename*=UTF-8''%C3%A0%20%3Cb%3E.{kind}")
    found, rate = sound_of(answer)
    assert rate == 8000 and soundfile.info(io.BytesIO(answer.content)).subtype == subtype
    np.testing.assert_allclose(found[:, 0], 1.5 * ramp[4000:10000], atol=2**-22)
    assert not [*studio.library.songs.glob(".zip-*")]
    loud, _ = sound_of(client.get(f"{song}/sound.flac", params=[("part", f"{run.name}/drums/8")]))
    assert np.abs(loud).max() == pytest.approx(1, abs=1e-6)  # attenuated as a whole instead of clipped
    np.testing.assert_allclose(np.diff(loud[:, 0]), np.diff(loud[:, 0])[0], atol=2**-22)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("sound.flac", 422),
        ("sound.mp3?part=mixture/1", 404),
        ("sound.wav?part=mixture/1&start=3&end=2", 422),
        ("sound.wav?part=mixture/1&start=x", 422),
        ("sound.wav?part=mixture/nan", 422),
        ("sound.wav?part=mixture/99", 422),
        ("sound.wav?part=..%2F..%2Ftoken/1", 404),
        ("sound.wav?part=" + "a" * 16 + "/..%2Frun.json/1", 404),
        ("sound.wav?encoding=8&part=mixture/1", 422),
        ("sound.wav?" + "&".join(["part=mixture/1"] * 33), 422),
    ],
)
def test_invalid_mixdowns_are_refused(client, song, studio, path, status):
    write_run(folder_of(studio, song), "a" * 16)
    assert client.get(f"{song}/{path}").status_code == status
    assert not [*studio.library.songs.glob(".zip-*")]


def test_mixdown_of_a_stretch_equals_the_mixture(client, song, tmp_path):
    found, _ = sound_of(client.get(f"{song}/sound.wav?part=mixture/1&start=1&end=2"))
    whole, _ = sound_of(client.get(f"{song}/mixture.wav"))
    np.testing.assert_allclose(found, whole[8000:16000], atol=2**-22)
    with pytest.raises(InputError, match="inside the song"):
        mixdown.write_mixdown(tmp_path / "x.wav", [mixdown.MixPart(tmp_path / "song.wav", 1.0)], 9, 10, "wav", "24")


def test_damaged_titles_are_reported(client, song, studio):
    (folder_of(studio, song) / "titles.json").write_text(json.dumps({"x": 1}))
    assert "titles.json: " in client.get(song).json()["error"]


def test_costs_are_estimated_for_every_network(client, song, studio, ready):
    studio.supervisor.ready["networks"] += [
        NETWORK | {"name": "bag", "members": 4, "tuned": {"L3:M": 4}},
        {"name": "broken", "error": "broken: cannot be read"},
        NETWORK | {"name": "long", "segment_s": 60.0},
    ]
    costs = client.get(f"{song}/costs").json()
    assert costs["broken"] is costs["long"] is None
    settings = {"strategy": NETWORK["default_strategy"]}
    assert (
        costs["net"] == client.post(f"{song}/estimate", json={"network": "net", "adapt": settings}).json()["estimate"]
    )
    assert costs["bag"]["seconds"] > costs["net"]["seconds"]


def test_rhythm_is_sent_once_it_was_found(client, song, studio, ready):
    assert client.get(f"{song}/rhythm").status_code == 404
    assert client.post(f"{song}/jobs", json={"kind": "rhythm", "network": "net"}).json()["kind"] == "rhythm"
    (folder_of(studio, song) / "rhythm.json").write_text('{"beats_s": [0.5], "onsets_s": []}')
    assert client.get(f"{song}/rhythm").json() == {"beats_s": [0.5], "onsets_s": []}
