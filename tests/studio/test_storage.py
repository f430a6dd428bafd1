"""Storage of songs, marks, jobs and votes, also after a killed server."""

import asyncio
import json
from urllib.parse import quote

import msgspec
import numpy as np
import pytest
import soundfile

from tests.helpers.studio import TOKEN, mark, write_run
from ugosa_jax.annotations import annotation
from ugosa_jax.annotations.unknown_names import read_overrides
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.errors import InputError
from ugosa_jax.studio import demo_song, estimate, marks, outlines, trials
from ugosa_jax.studio.events import Events
from ugosa_jax.studio.jobs import Queue
from ugosa_jax.studio.library import Library, clean_name
from ugosa_jax.studio.marks import Mark, Marks, Stale
from ugosa_jax.studio.remembered_names import RememberedNames
from ugosa_jax.studio.runs import Runs, zip_stems
from ugosa_jax.studio.workspace import remove_leftovers

SOURCES = ("drums", "bass", "other", "vocals")


def test_reopened_song_keeps_its_work(client, song, tmp_path):
    client.put(f"{song}/marks", json={"marks": [mark(0, 1)]})
    content = (tmp_path / "song.wav").read_bytes()
    again = client.post(f"/{TOKEN}/api/songs", content=content, headers={"x-name": "other name.wav"}).json()
    assert song.endswith(again["id"]) and again["name"] == "other name.wav"
    assert client.get(song).json()["marks"]["marks"] == [mark(0, 1)]
    assert len(client.get(f"/{TOKEN}/api/songs").json()["songs"]) == 1


def test_sound_is_served_in_ranges(client, song):
    whole = client.get(f"{song}/mixture.wav")
    part = client.get(f"{song}/mixture.wav", headers={"range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == whole.content[100:200]
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    assert client.get(f"{song}/mixture.wav", headers={"range": "bytes=999999999-"}).status_code == 416


def test_outlines_hold_the_extremes_of_every_bin(client, song, tmp_path):
    samples_CxT = soundfile.read(tmp_path / "song.wav", dtype="float32")[0].T
    high_N, low_N = outlines.compute_outline(samples_CxT, 8000)
    assert len(high_N) == 4 * outlines.PER_S
    assert high_N[7] == samples_CxT[:, 7 * 40 : 8 * 40].max() and low_N[7] == samples_CxT[:, 7 * 40 : 8 * 40].min()
    sent = np.frombuffer(client.get(f"{song}/mixture.peaks").content, "<i2").reshape(2, -1)
    np.testing.assert_allclose(sent / 32767, [high_N, low_N], atol=1e-4)
    assert outlines.compute_outline(np.zeros((1, 10_000_000), np.float32), 8000).shape == (2, outlines.MAX_BINS)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3", "aiff"])
def test_songs_of_all_kinds_are_opened(client, tmp_path, suffix):
    """The format is recognised by content, not by suffix."""
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, 0.3 * np.sin(np.arange(44100 * 2) / 20), 44100)
    added = client.post(f"/{TOKEN}/api/songs", content=path.read_bytes(), headers={"x-name": path.name})
    assert added.status_code == 200, added.text
    assert added.json()["duration_s"] == pytest.approx(2, abs=0.1)


def test_save_with_a_stale_revision_is_refused(client, song):
    first = client.put(f"{song}/marks", json={"marks": [mark(0, 1)], "revision": 0})
    assert first.json() == {"revision": 1}
    late = client.put(f"{song}/marks", json={"marks": [], "revision": 0})
    assert late.status_code == 409 and late.json()["revision"] == 1
    assert client.get(song).json()["marks"] == {"marks": [mark(0, 1)], "elsewhere": {}, "revision": 1}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"marks": [mark(0, 9)]}, "mark must be a stretch of the song"),
        ({"marks": [mark(-1, 2)]}, "mark must be a stretch of the song"),
        ({"marks": [mark(2, 2)]}, "mark must be a stretch of the song"),
        ({"marks": [mark(0, 2, state="loud")]}, "Invalid enum value"),
        ({"marks": [mark(0, 2, source="../x")]}, "source must be letters"),
        ({"marks": [mark(0, 2), mark(1, 3, state="active")]}, "overlap"),
        ({"marks": "no"}, "Expected `array`"),
        ({"marks": [mark(0, 1)], "more": 1}, "unknown field"),
        ({"elsewhere": {"vocals": "active"}}, "Invalid enum value"),
    ],
)
def test_invalid_marks_are_refused(client, song, sent, expected):
    answer = client.put(f"{song}/marks", json=sent)
    assert answer.status_code == 422 and expected in answer.json()["error"]
    assert client.put(f"{song}/marks", content=b"{").status_code == 422
    assert client.get(song).json()["marks"]["revision"] == 0


def test_marks_become_an_annotation():
    edited = Marks(
        [Mark(1, 2, "vocals", "active"), Mark(3, 4, "drums", "silent")], {"vocals": "silent", "bass": "silent"}
    )
    labels = marks.to_annotation(edited, SOURCES, 4.0)
    assert annotation.count_silent_seconds(labels, 4.0) == {"drums": 1, "bass": 4, "other": 0, "vocals": 3}
    assert annotation.count_state_seconds(labels, 4.0)["vocals"]["active"] == 1
    assert {i.source for i in marks.to_annotation(edited, ("drums",), 4.0).intervals} == {"drums"}


@pytest.mark.parametrize("format", ["csv", "txt"])
def test_export_and_import_round_trip(client, song, format):
    sent = {
        "marks": [mark(0.5, 1.25), mark(1.25, 3, state="active"), mark(0, 2, "drums", "active")],
        "elsewhere": {"drums": "silent"},
    }
    client.put(f"{song}/marks", json=sent)
    exported = client.get(f"{song}/export.{format}")
    assert exported.headers["content-disposition"] == f'attachment; filename="annotation.{format}"'
    back = client.post(f"{song}/import", content=exported.content, headers={"x-name": f"annotation.{format}"}).json()
    before = marks.to_annotation(msgspec.convert(sent, Marks), SOURCES, 4.0)
    found = msgspec.convert({"marks": back["marks"], "elsewhere": back["elsewhere"]}, Marks)
    assert marks.to_annotation(found, SOURCES, 4.0) == before


def test_import_returns_notes_on_names_and_points(client, song):
    labels = b"0.0\t2.0\tvox\n2.0\t4.0\tno drums\n1.0\t1.0\tsolo\n"
    found = client.post(f"{song}/import", content=labels, headers={"x-name": "my%20labels.txt"}).json()
    assert mark(0, 2, state="active") in found["marks"] and mark(2, 4, "drums") in found["marks"]
    assert found["notes"][:2] == ["vox = vocals", "no drums = drums, silent"]
    assert "my labels.txt:3: left out: point label 'solo'" in found["notes"]


def test_import_asks_for_names_and_remembers_them(client, song, studio):
    labels = "0.0\t2.0\tGrölende Menge\n2.0\t4.0\tPing\n".encode()
    asked = client.post(f"{song}/import", content=labels, headers={"x-name": "two.txt"})
    assert asked.status_code == 422
    names = {one["name"]: one for one in asked.json()["ask"]["names"]}
    assert names.keys() == {"Grölende Menge", "Ping"} and names["Ping"]["where"] == "2 to 4 s, line 2"
    assert asked.json()["ask"]["sources"] == [*SOURCES]
    answers = {"names": json.dumps({"Grölende Menge": "vocals", "Ping": ""})}
    found = client.post(f"{song}/import", params=answers, content=labels, headers={"x-name": "two.txt"}).json()
    assert found["marks"] == [mark(0, 2, state="active")]
    assert not (studio.root / "names.toml").exists()  # not asked to remember
    client.post(f"{song}/import", params=answers | {"remember": "yes"}, content=labels, headers={"x-name": "two.txt"})
    again = client.post(f"{song}/import", content=labels, headers={"x-name": "other.txt"}).json()
    assert again["marks"] == found["marks"]
    assert read_overrides(studio.root / "names.toml") == {"Grölende Menge": "vocals", "Ping": ""}
    wrong = client.post(f"{song}/import", params={"names": '{"Ping": "pong"}'}, content=labels)
    assert wrong.status_code == 422 and "'Ping' = pong is not one of" in wrong.json()["error"]
    assert client.post(f"{song}/import", params={"names": "[1]"}, content=labels).status_code == 422


def test_remembered_names_are_bounded_and_fit_the_network(tmp_path):
    known = RememberedNames(tmp_path)
    known.remember({'a "b" \\ \x7f': "one of vocals", "Stimme": "voice"})
    known.remember({"STIMME": "vocals"})
    assert known.find(SOURCES) == {'a "b" \\ \x7f': "one of vocals", "STIMME": "vocals"}
    assert known.find(("low", "high")) == {}
    with pytest.raises(InputError, match="at most 1000"):
        known.remember({str(i): "vocals" for i in range(1001)})
    with pytest.raises(InputError, match="letters long"):
        known.remember({"x" * 501: "vocals"})


def test_import_asks_for_the_unit_of_impossible_seconds(client, song):
    labels = b"0\t44100\tvocals\n88200\t176400\tvocals\n"
    asked = client.post(f"{song}/import", content=labels, headers={"x-name": "samples.txt"})
    assert asked.status_code == 422 and "ms" in asked.json()["ask"]["unit"]
    params = {"unit": "44100"}
    found = client.post(f"{song}/import", params=params, content=labels, headers={"x-name": "samples.txt"}).json()
    assert found["marks"] == [mark(0, 1, state="active"), mark(2, 4, state="active")]
    bad = client.post(f"{song}/import", params={"unit": "beats"}, content=labels, headers={"x-name": "samples.txt"})
    assert bad.status_code == 422 and "unit must be" in bad.json()["error"]


def test_file_name_gives_the_source_but_no_path(client, song):
    found = client.post(f"{song}/import", content=b"0\t2\tla la\n", headers={"x-name": "..%2F..%2Fvocals.txt"})
    assert found.json()["marks"] == [mark(0, 2, state="active")]


def test_malformed_label_file_is_refused_with_its_line(client, song):
    bad = client.post(f"{song}/import", content=b"0,1,vocals\n2,1,vocals\n", headers={"x-name": "bad.csv"})
    assert bad.status_code == 422 and bad.json()["error"].startswith("bad.csv:2: ")
    past = client.post(f"{song}/import", content=b"0,100,vocals\n", headers={"x-name": "past.csv"})
    assert past.status_code == 422 and "past the end of the song" in past.json()["error"]
    assert client.get(f"{song}/export.csv").status_code == 422  # nothing is marked yet
    assert client.get(f"{song}/export.exe").status_code == 404


def test_demo_song_gets_its_annotation_once(studio):
    song = demo_song.add_demo_song(studio.library)
    folder = studio.library.find_folder(song.id)
    labels = marks.to_annotation(marks.load(folder), SOURCES, song.duration_s)
    assert annotation.count_silent_seconds(labels, 32) == {"drums": 6, "bass": 8, "other": 6, "vocals": 11}
    marks.save(folder, Marks(revision=1))
    assert demo_song.add_demo_song(studio.library).id == song.id
    assert marks.load(folder).marks == []


def test_invalid_jobs_are_refused_before_the_queue(client, song):
    wrong = [
        ({"kind": "dance", "network": "mini"}, "kind must be"),
        ({"kind": "adapt", "network": "mini", "adapt": {"epochs": 0}}, "epochs must be at least 1"),
        ({"kind": "adapt", "network": "mini", "adapt": {"epochs": "many"}}, "epochs must be an integer"),
        ({"kind": "adapt", "network": "mini", "adapt": {"colour": 1}}, "settings must be known ones"),
        ({"kind": "adapt", "network": "mini"}, "Nothing is marked silent yet"),
        ({"kind": "separate"}, "network must be a name"),
    ]
    for asked, expected in wrong:
        answer = client.post(f"{song}/jobs", json=asked)
        assert answer.status_code == 422 and expected in answer.json()["error"], asked
    assert (
        client.post(
            f"{song}/jobs",
            json={"kind": "adapt", "network": "mini", "adapt": {"strategy": "B-L3:M"}, "start": "b" * 16},
        ).status_code
        == 404
    )
    assert client.get(song).json()["jobs"] == []


def test_a_waiting_job_is_cancelled_and_removed(client, song):
    job = client.post(f"{song}/jobs", json={"kind": "separate", "network": "mini"}).json()
    assert (job["state"], job["ahead"]) == ("waiting", 0)
    assert client.delete(f"{song}/jobs/{job['id']}").status_code == 422
    assert client.post(f"{song}/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert client.delete(f"{song}/jobs/{job['id']}").status_code == 200
    assert client.get(song).json()["jobs"] == []


def test_queue_survives_a_killed_server(client, studio, song):
    asked = [{"kind": "separate", "network": f"mini{i}"} for i in range(3)]
    ids = [client.post(f"{song}/jobs", json=one).json()["id"] for one in asked]
    running = studio.queue.jobs[ids[0]]
    asyncio.run(_change(studio.queue, running, "running"))
    found = Queue(studio.library.songs, lambda job: None)
    assert [found.jobs[id].state for id in ids] == ["interrupted", "waiting", "waiting"]
    assert found.find_next() is found.jobs[ids[1]]
    assert found.count_ahead(found.jobs[ids[2]]) == 1


async def _change(queue, job, state):
    queue.change(job, state=state)


def test_half_written_folders_are_removed_at_start(studio, client, song):
    id = song.rpartition("/")[2]
    left = [
        studio.library.songs / ".arriving-x",
        studio.library.songs / ".zip-x",
        studio.library.songs / id / ".unfinished-x",
    ]
    left.append(studio.library.songs / id / "runs" / ("c" * 16) / ".unfinished-y")
    for folder in left:
        folder.mkdir(parents=True)
        (folder / "sound.wav").write_bytes(b"half")
    remove_leftovers(studio.library.songs)
    assert not any(folder.exists() for folder in left)
    assert not left[-1].parent.exists()
    assert client.get(song).status_code == 200


def test_damaged_files_are_reported_or_skipped(studio, client, song):
    id = song.rpartition("/")[2]
    (studio.library.find_folder(id) / "marks.json").write_text("{")
    assert "marks.json: is not JSON" in client.get(song).json()["error"]
    (studio.library.find_folder(id) / "song.json").write_text("[]")
    assert client.get(f"/{TOKEN}/api/songs").json() == {"songs": []}


def test_stale_error_carries_the_present_marks(tmp_path):
    marks.save(tmp_path, Marks([Mark(0, 1, "bass", "silent")]))
    with pytest.raises(Stale) as caught:
        marks.save(tmp_path, Marks())
    assert caught.value.now.revision == 1


def test_blind_trials_hide_the_runs_until_the_vote(studio, client, song):
    id = song.rpartition("/")[2]
    folder = studio.library.find_folder(id)
    write_run(folder, "a" * 16, loud=-10.0, value=0.25)
    write_run(folder, "b" * 16, "P-L3:M", loud=-16.0, value=0.125)
    seen = set()
    for _ in range(24):
        trial = client.post(f"{song}/trials", json={"source": "drums", "first": "a" * 16, "second": "b" * 16}).json()
        assert trial.keys() == {"id", "source", "gains"}
        sound = client.get(f"{song}/trials/{trial['id']}/a.wav")
        assert not {"etag", "last-modified"} & sound.headers.keys()
        loud = np.frombuffer(sound.content[-8:], "<f4")[0]
        answer = client.post(f"{song}/trials/{trial['id']}/vote", json={"choice": "a"}).json()
        was = answer["vote"]["a"]
        assert loud == (0.25 if was == "a" * 16 else 0.125)
        quiet = {"a" * 16: 10 ** (-6 / 20), "b" * 16: 1.0}
        assert trial["gains"]["a"] == pytest.approx(quiet[was])  # both are as loud as the quieter one
        seen.add(was)
        assert client.post(f"{song}/trials/{trial['id']}/vote", json={"choice": "a"}).status_code == 404
    assert seen == {"a" * 16, "b" * 16}  # fails by chance once in 2**23 runs
    (tally,) = client.get(song).json()["votes"]
    assert sum(tally["won"]) == 24 and tally["same"] == 0
    assert (
        client.post(f"{song}/trials", json={"source": "drums", "first": "a" * 16, "second": "a" * 16}).status_code
        == 422
    )
    assert (
        client.post(f"{song}/trials", json={"source": "nobody", "first": "a" * 16, "second": "b" * 16}).status_code
        == 404
    )


def test_votes_survive_a_truncated_line(tmp_path):
    lines = [{"source": "drums", "a": "x", "b": "y", "choice": choice} for choice in ("a", "a", "same", "b")]
    text = "\n".join(map(json.dumps, lines))
    (tmp_path / "votes.jsonl").write_text(text[:-9])
    votes = trials.Trials(tmp_path).load_votes()
    assert trials.count_votes(votes) == [{"source": "drums", "runs": ["x", "y"], "won": [2, 0], "same": 1, "p": 0.5}]


def test_sign_test_matches_hand_computed_values():
    assert trials.compute_sign_test(5, 0) == 2 / 32
    assert trials.compute_sign_test(3, 1) == pytest.approx(2 * 5 / 16)
    assert trials.compute_sign_test(2, 2) == trials.compute_sign_test(0, 0) == 1.0


@pytest.mark.parametrize(("encoding", "subtype"), [("float", "FLOAT"), ("24", "PCM_24")])
def test_stems_are_sent_as_a_zip(studio, client, song, encoding, subtype, tmp_path):
    folder = studio.library.find_folder(song.rpartition("/")[2])
    write_run(folder, "a" * 16)
    answer = client.get(f"{song}/runs/{'a' * 16}/stems.zip?encoding={encoding}")
    assert answer.headers["content-type"] == "application/zip"
    assert quote("my song, not adapted, stems.zip") in answer.headers["content-disposition"]
    (tmp_path / "out.zip").write_bytes(answer.content)
    import zipfile

    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.namelist() == ["drums.wav", "residual.wav", "record.json"]
        archive.extractall(tmp_path / "out")
    assert soundfile.info(tmp_path / "out" / "drums.wav").subtype == subtype
    assert soundfile.read(tmp_path / "out" / "drums.wav")[0][5, 1] == 0.25
    assert not list(studio.library.songs.glob(".zip-*"))
    assert client.get(f"{song}/runs/{'a' * 16}/stems.zip?encoding=8").status_code == 422


def test_a_run_is_deleted(studio, client, song):
    folder = studio.library.find_folder(song.rpartition("/")[2])
    write_run(folder, "a" * 16)
    assert len(client.get(song).json()["runs"]) == 1
    assert client.delete(f"{song}/runs/{'a' * 16}").status_code == 200
    assert client.get(song).json()["runs"] == [] and not (folder / "runs" / ("a" * 16)).exists()


def test_reports_are_shown_without_scripts(studio, client, song):
    folder = studio.library.find_folder(song.rpartition("/")[2])
    write_run(folder, "a" * 16)
    (folder / "runs" / ("a" * 16) / "report.html").write_text("<html></html>")
    policy = client.get(f"{song}/runs/{'a' * 16}/report.html").headers["content-security-policy"]
    assert "script-src" not in policy and "default-src 'none'" in policy and policy.endswith("sandbox")


def test_step_count_matches_the_segments():
    from ugosa_jax.adaptation.segments import list_starts

    for duration_s, settings in [
        (32.0, AdaptConfig()), (33.1, AdaptConfig()), (4.0, AdaptConfig(epochs=3)),
        (10.5, AdaptConfig(segment_s=4.0, hop_s=1.5, pitch_shifts=2)),
    ]:  # fmt: skip
        segment_s = settings.segment_s or 4.0
        hop_s = settings.hop_s or segment_s
        n = len(list_starts(round(duration_s * 100), round(segment_s * 100), round(hop_s * 100)))
        assert (
            estimate.count_steps(settings, segment_s, duration_s) == n * (1 + settings.pitch_shifts) * settings.epochs
        )


def test_estimate_prefers_measured_times(tmp_path):
    timings = estimate.Timings(tmp_path)
    network = {"shares": {"L3:M": 1 / 3}, "members": 1, "tuned": {"L3:M": 1}}
    network |= {"segment_s": 4.0, "default_strategy": "P-L3:M"}
    assert (
        estimate.estimate_seconds(AdaptConfig(), SeparateConfig(), 32.0, None, network, 100e9) is None
    )  # not yet counted
    network["forward_flops"] = 35e9
    rough = estimate.estimate_seconds(AdaptConfig(), SeparateConfig(), 32.0, None, network, 100e9)
    assert rough == {"seconds": pytest.approx(estimate.FIRST_S + 80 * 4 * 1.0 + 32 * 4 / 3), "guessed": True}
    mixed = estimate.estimate_seconds(AdaptConfig("R-L3:M"), SeparateConfig(), 32.0, None, network, 100e9)
    assert mixed == {
        "seconds": pytest.approx(estimate.FIRST_S + 80 * 4 * (1 + 2 / 3) + 2 * 32 * 4 / 3),
        "guessed": True,
    }
    assert estimate.estimate_seconds(AdaptConfig(), SeparateConfig(), 32.0, None, None, None) is None
    timings.remember("mini", "P-L3:M", estimate.MeasuredSpeed(2.0, 0.05, 0.1))
    assert estimate.Timings(tmp_path).find("mini", "R-L3:M") is None  # R takes longer steps
    again = estimate.Timings(tmp_path).find("mini", "B-L3:M")
    known = estimate.estimate_seconds(AdaptConfig(), SeparateConfig(shifts=2), 32.0, again, network, 100e9)
    assert known == {"seconds": pytest.approx(2 + 80 * 4 * 0.05 + 2 * 32 * 0.1), "guessed": False}
    bag = network | {"members": 4, "tuned": {"L3:M": 4}}  # the measured separation already covers all
    known = estimate.estimate_seconds(AdaptConfig(), SeparateConfig(), 32.0, again, bag, 100e9)
    assert known["seconds"] == pytest.approx(2 + 4 * 80 * 4 * 0.05 + 32 * 0.1)
    rough = estimate.estimate_seconds(AdaptConfig(), SeparateConfig(), 32.0, None, bag, 100e9)
    assert rough["seconds"] == pytest.approx(estimate.FIRST_S + 4 * (80 * 4 * 1.0 + 32 * 4 / 3))
    chain = network | {"members": 2}  # one of two is adapted
    known = estimate.estimate_seconds(AdaptConfig(), SeparateConfig(), 32.0, again, chain, 100e9)
    assert known["seconds"] == pytest.approx(2 + 80 * 4 * 0.05 + 32 * 0.1)


def test_events_reach_the_pages_of_their_song_only():
    async def scenario():
        events = Events()
        first, second = events.stream("one"), events.stream("two")
        assert await anext(first) == await anext(second) == "retry: 1000\n\n"
        events.send("one", "job", {"id": 1})
        events.send_to_all("worker", {"ready": True})
        heard = [await anext(first), await anext(first), await anext(second)]
        events.close()
        rest = [one async for one in first]
        return heard, rest

    heard, rest = asyncio.run(scenario())
    assert heard[0] == 'event: job\ndata: {"id": 1}\n\n'
    assert heard[1] == heard[2] == 'event: worker\ndata: {"ready": true}\n\n'
    assert rest == []


def test_clean_name_removes_paths_and_control_characters():
    assert clean_name("C:\\Music\\a\tb.wav") == "a b.wav"
    assert clean_name("/etc/") == clean_name("") == "untitled"
    assert len(clean_name("x" * 500)) == 120


def test_empty_library_has_no_songs(tmp_path):
    assert Library(tmp_path).list_songs() == []
    assert Runs(tmp_path).list_runs() == []
    with pytest.raises(KeyError):
        zip_stems(Runs(tmp_path), "a" * 16, "float", tmp_path)
    with pytest.raises(InputError, match="nothere"):
        Library(tmp_path).add_file(tmp_path / "nothere.wav", "nothere.wav")


@pytest.mark.parametrize("name", ["song.m4a", "song"])
def test_uploaded_file_can_be_separated_under_any_name(client, studio, tmp_path, name):
    """The library's copy has no suffix, so AAC is recognised by content."""
    av = pytest.importorskip("av")
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=44100, layout="stereo")
        tone_2xT = np.tile(0.3 * np.sin(np.arange(2 * 44100) / 20), (2, 1)).astype(np.float32)
        for start in range(0, tone_2xT.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(tone_2xT[:, start : start + 1024]), "fltp", "stereo"
            )
            frame.rate, frame.pts = 44100, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    added = client.post(f"/{TOKEN}/api/songs", content=path.read_bytes(), headers={"x-name": name})
    assert added.status_code == 200, added.text
    audio = studio.library.read_original(added.json()["id"])
    assert audio.name == name and audio.duration_s == pytest.approx(2, abs=0.1)
