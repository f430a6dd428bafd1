"""Files are complete or absent, and files that dead processes left are removed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest

from ugosa_jax import files
from ugosa_jax.errors import InputError


def run_and_kill(code: str, folder: Path) -> None:
    """Run code in a process of its own, and kill it when it says so."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "now\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


WRITING = """
    import sys, time
    from pathlib import Path
    from ugosa_jax import files
    with files.replace_when_done(Path(sys.argv[1]) / "a.json") as temporary, \\
         files.replace_folder_when_done(sys.argv[1]) as scratch:
        temporary.write_text("half")
        (scratch / "b.wav").write_text("half")
        print("now", flush=True)
        time.sleep(60)
"""


def test_files_of_a_killed_process_are_removed_at_the_next_start(tmp_path):
    run_and_kill(WRITING, tmp_path)
    assert len(names(tmp_path)) == 2  # hidden, and under no name that anybody reads
    files.remove_leftovers.cache_clear()
    files.write_json({}, tmp_path / "c.json")
    assert names(tmp_path) == ["c.json"]


def test_files_of_a_running_process_are_kept(tmp_path):
    with files.replace_when_done(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        files.remove_leftovers.cache_clear()
        files.write_json({}, tmp_path / "c.json")
        assert temporary.exists()
    assert names(tmp_path) == ["a.json", "c.json"]


def test_files_of_others_and_of_other_hosts_stay(tmp_path):
    kept = [".a.deadbeef-1-abcdefgh.part.json", ".hidden", "notes.part", ".x.part.json"]
    for name in kept:
        (tmp_path / name).write_text("")
    files.remove_leftovers.cache_clear()
    files.remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted(kept)


def test_a_run_killed_between_two_moves_is_recognised_as_unfinished(tmp_path):
    """The record goes away first and comes last: stems of two runs are never under one record."""
    with files.replace_folder_when_done(tmp_path) as scratch:
        for name in ("bass.wav", "drums.wav", "record.json"):
            (scratch / name).write_text("old")
    killed = """
        import sys, time
        from pathlib import Path
        from ugosa_jax import files
        moved = []
        replace = Path.replace
        def replace_one(self, target):
            if moved:
                print("now", flush=True)
                time.sleep(60)
            moved.append(target)
            return replace(self, target)
        Path.replace = replace_one
        with files.replace_folder_when_done(sys.argv[1]) as scratch:
            for name in ("bass.wav", "drums.wav", "record.json"):
                (scratch / name).write_text("new")
    """
    run_and_kill(killed, tmp_path)
    assert [name for name in names(tmp_path) if not name.startswith(".")] == ["bass.wav", "drums.wav"]
    files.remove_leftovers.cache_clear()
    with files.replace_folder_when_done(tmp_path) as scratch:
        for name in ("bass.wav", "drums.wav", "record.json"):
            (scratch / name).write_text("newer")
    assert names(tmp_path) == ["bass.wav", "drums.wav", "record.json"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"newer"}


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="no"), files.replace_folder_when_done(tmp_path / "a" / "b") as scratch:
        (scratch / "x").write_text("")
        raise InputError("no")
    assert not (tmp_path / "a").exists()


def test_a_process_number_that_is_used_again_protects_nothing(tmp_path):
    """A file older than the process whose number it has belongs to an earlier process."""
    path = tmp_path / f".a.{files._get_host()}-{os.getpid()}-abcdefgh.part.json"
    path.write_text("")
    assert files._is_writing(os.getpid(), path)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    time.sleep(0.05)
    other = path.with_name(f".b.{files._get_host()}-{child.pid}-abcdefgh.part.json")
    path.replace(other)
    assert files._is_writing(child.pid, other)  # renamed after the child began, so it may belong to it
    child.communicate(b"\n")
    assert not files._is_writing(child.pid, other)


@pytest.mark.parametrize("name", ["...wav", ".wav", "..", " . .flac", "a/..wav"])
def test_folder_names_cannot_contain_paths(name):
    assert files.name_folder(Path(name)) not in ("", ".", "..") and "/" not in files.name_folder(Path(name))


def test_json_of_names_that_are_not_text(tmp_path):
    files.write_json({"song": os.fsdecode(b"\xff.wav")}, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n  "song": "?.wav"\n}\n'


# JSON with a given structure


class Part(msgspec.Struct):
    name: str
    gain: float | None = None


class Whole(msgspec.Struct):
    parts: list[Part]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "expected object, got array"),
        ("{}", "object missing required field parts"),
        ('{"parts": {}}', "parts: expected array, got object"),
        ('{"parts": [{"name": "a"}, {"name": 7}]}', r"parts\[1\]\.name: expected str, got int"),
        ('{"parts": [{"name": "a", "gain": "7"}]}', r"parts\[0\]\.gain: expected float \| null, got str"),
        ('{"parts": [{"name": "a", "gain": NaN}]}', "is not JSON"),
        ('{"parts": [{"name": "a", "gain": ' + "9" * 5000 + "}]}", r"parts\[0\]\.gain: number out of range"),
        ('{"parts": ' + "[" * 100_000, r"parts\[0\]: expected object, got array"),
        ('{"more": ' + "[" * 100_000, "is not JSON"),
        ('{"parts": [{"name": "\udcff"}]}', "is not JSON"),
    ],
)
def test_json_of_another_shape_is_named(tmp_path, text, said):
    path = tmp_path / "a.json"
    path.write_text(text, "utf-8", errors="surrogateescape")
    with pytest.raises(InputError, match=rf"a\.json: {said}") as caught:
        files.read_json(path, Whole)
    assert "\n" not in str(caught.value)


def test_json_is_read_as_its_type(tmp_path):
    files.write_json({"parts": [{"name": "ä", "gain": 1}], "note": "others may say more"}, tmp_path / "a.json")
    assert files.read_json(tmp_path / "a.json", Whole) == Whole([Part("ä", 1.0)])
    with pytest.raises(InputError, match=r"b\.json: cannot be read"):
        files.read_json(tmp_path / "b.json", Whole)


def test_a_folder_of_a_killed_download_is_removed_at_the_next_one(tmp_path):
    killed = """
        import sys, time
        from pathlib import Path
        from ugosa_jax import files
        (files.make_scratch_folder(Path(sys.argv[1]), "download") / "half").write_text("half")
        print("now", flush=True)
        time.sleep(60)
    """
    run_and_kill(killed, tmp_path)
    assert len(names(tmp_path)) == 1
    files.remove_leftovers.cache_clear()
    kept = files.make_scratch_folder(tmp_path, "download")
    assert names(tmp_path) == [kept.name]


def test_a_file_system_without_modes_keeps_what_is_written(tmp_path, monkeypatch):
    """On SMB, exFAT and mounts of S3 nobody may change a file's mode."""

    def refused(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refused)
    monkeypatch.setattr(os, "chmod", refused)
    files.write_json({}, tmp_path / "a.json")
    with files.replace_folder_when_done(tmp_path / "out") as scratch:
        (scratch / "b.wav").write_text("")
    assert names(tmp_path) == ["a.json", "out"] and names(tmp_path / "out") == ["b.wav"]
