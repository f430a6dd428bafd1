"""The songs that have been opened, each with a folder of its own for everything that was done to it.

    WORK/songs/ID/song.json     what it is called, how long it is
                  original      the file as it came
                  mixture.wav   a copy that browsers play: stereo or mono, 16 bit
                  mixture.peaks its outline
                  marks.json    what was marked
                  page.json     how its page was left
                  jobs/         what was asked for
                  runs/         what came out

ID is the beginning of the file's SHA-256: the same song, opened again, has its work. Names that people give are shown,
and never become paths.
"""

import dataclasses
import datetime
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ugosa_jax import files
from ugosa_jax.config import require
from ugosa_jax.data import sound
from ugosa_jax.data.sound import Audio, Sound
from ugosa_jax.errors import InputError
from ugosa_jax.studio import peaks

MAX_SONG_S = 3600.0
"""Longest song that is opened."""
MAX_BYTES = 2_000_000_000
"""Largest file that is opened."""
MAX_PAGE_BYTES = 64_000
"""What is kept of how a page was left."""
_ID = re.compile(r"[0-9a-f]{16}")


class Song(msgspec.Struct):
    """What the page shows of a song before anything else is loaded."""

    id: str
    name: str
    sha256: str
    rate_hz: int
    channels: int
    duration_s: float
    opened: str
    renamed: bool = False
    """Whether a person named it; otherwise it is called as the file that was opened last."""


class TooLarge(InputError):
    """More bytes than are taken."""


class Library:
    """The songs of a work folder."""

    def __init__(self, root: Path):
        """Look into a work folder, which need not exist yet."""
        self.songs = root / "songs"

    def folder(self, id: str) -> Path:
        """Return the folder of a song.

        Raises:
          KeyError: there is no such song.
        """
        if not _ID.fullmatch(id) or not (self.songs / id / "song.json").is_file():
            raise KeyError(id)
        return self.songs / id

    def song(self, id: str) -> Song:
        """Return what is known of a song.

        Raises:
          KeyError: there is no such song.
          InputError: its file is damaged.
        """
        path = self.folder(id) / "song.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Song)
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(f"{path}: cannot be read ({error})") from error

    def listing(self) -> list[Song]:
        """Return all songs, the one opened last first; what is damaged is left out."""
        found = []
        for path in sorted(self.songs.glob("*/song.json")):
            if _ID.fullmatch(path.parent.name):
                try:
                    found.append(self.song(path.parent.name))
                except InputError:
                    continue
        return sorted(found, key=lambda song: song.opened, reverse=True)

    async def received(self, chunks: AsyncIterator[bytes], name: str, largest: int = MAX_BYTES) -> Song:
        """Take in a song as it arrives, without holding it in memory.

        Raises:
          TooLarge: it goes on for more than `largest` bytes.
          InputError: it is no sound that can be used; nothing is left of it then.
        """
        from starlette.concurrency import run_in_threadpool

        self.songs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".arriving-", dir=self.songs) as scratch:
            path, size = Path(scratch) / "original", 0
            with path.open("wb") as stream:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > largest:
                        raise TooLarge(f"{name}: is larger than {largest / 1e6:.0f} MB")
                    stream.write(chunk)
            return await run_in_threadpool(self.added, path, name)

    def added(self, path: Path, name: str) -> Song:
        """Add a file of sound, or return the song if it was added before.

        Args:
          path: the file; it is copied.
          name: what it is called.

        Raises:
          InputError: it is no sound that can be used.
        """
        sha256 = files.sha256_of(path)
        if self._reopened(sha256[:16], sha256, name) is None:
            try:
                # A small file can hold hours of silence: it is decoded so far, and no further.
                audio = sound.read(path, longest_s=MAX_SONG_S)
            except InputError as error:
                raise InputError(str(error).replace(str(path), name)) from error
            self._written(audio, sha256, name, path)
        return self.song(sha256[:16])

    def added_audio(self, audio: Sound, sha256: str) -> Song:
        """Add a song that is no file, such as the bundled one."""
        if self._reopened(sha256[:16], sha256, audio.name) is None:
            self._written(audio, sha256, audio.name, None)
        return self.song(sha256[:16])

    def original(self, id: str) -> Audio:
        """Read a song as it came, under the name that it is shown by."""
        audio = sound.read(self.folder(id) / "original")
        return dataclasses.replace(audio, name=self.song(id).name)

    def rename(self, id: str, name: str) -> Song:
        """Give a song another name, which stays.

        Raises:
          KeyError: there is no such song.
          InputError: its file is damaged or cannot be written.
        """
        song = msgspec.structs.replace(self.song(id), name=shown_name(name), renamed=True)
        files.write_json(msgspec.to_builtins(song), self.folder(id) / "song.json")
        return song

    def remove(self, id: str) -> None:
        """Delete a song and all that was done to it.

        Raises:
          KeyError: there is no such song.
        """
        folder = self.folder(id)
        (folder / "song.json").unlink()  # first: without it the rest is no song
        shutil.rmtree(folder, ignore_errors=True)

    def page(self, id: str) -> dict[str, Any]:
        """Return how a song's page was left; nothing if that is not known.

        Raises:
          KeyError: there is no such song.
        """
        try:
            return msgspec.json.decode((self.folder(id) / "page.json").read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.DecodeError):
            return {}

    def save_page(self, id: str, page: dict[str, Any]) -> None:
        """Keep how a song's page was left; it means something to the page alone.

        Raises:
          KeyError: there is no such song.
          InputError: it is too long, or cannot be written.
        """
        content = msgspec.json.encode(page)
        require(len(content) <= MAX_PAGE_BYTES, "page", f"at most {MAX_PAGE_BYTES} bytes", len(content))
        with files.replaced_when_done(self.folder(id) / "page.json") as temporary:
            temporary.write_bytes(content)

    def _reopened(self, id: str, sha256: str, name: str) -> Song | None:
        """Note that a song was opened again, under which name; None if it is new."""
        try:
            song = self.song(id)
        except (KeyError, InputError):
            return None
        if song.sha256 != sha256:
            raise InputError(f"{song.name}: two songs cannot be told apart")  # 2**-64
        song = msgspec.structs.replace(song, opened=_now(), name=song.name if song.renamed else name)
        files.write_json(msgspec.to_builtins(song), self.folder(id) / "song.json")
        return song

    def _written(self, audio: Sound, sha256: str, name: str, path: Path | None) -> None:
        folder = self.songs / sha256[:16]
        heard_CxT, _ = sound.to_model(audio, audio.rate_hz, min(audio.n_channels, 2))
        with files.folder_when_done(folder) as scratch:
            if path is None:
                sound.write(scratch / "original.wav", audio.samples_CxT, audio.rate_hz)
                (scratch / "original.wav").rename(scratch / "original")
            else:
                shutil.copyfile(path, scratch / "original")
            sound.write(scratch / "mixture.wav", heard_CxT, audio.rate_hz, "16")
            (scratch / "mixture.peaks").write_bytes(peaks.packed(np.asarray(heard_CxT), audio.rate_hz))
            song = Song(sha256[:16], name, sha256, audio.rate_hz, audio.n_channels, audio.duration_s, _now())
            files.write_json(msgspec.to_builtins(song), scratch / "song.json")


def shown_name(name: str) -> str:
    """Return a name that a person gave as one short line without control characters."""
    printable = "".join(c if c.isprintable() else " " for c in name.replace("\\", "/").rpartition("/")[2])
    return " ".join(printable.split())[:120] or "untitled"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
