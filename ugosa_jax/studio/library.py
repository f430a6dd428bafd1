"""The library of songs that have been opened, each of which has a folder.

    WORK/songs/ID/song.json     name, length, hash
                  original      the file as uploaded
                  mixture.wav   a copy for the browser: stereo or mono, 16 bit
                  mixture.peaks its waveform outline
                  marks.json    marks
                  rhythm.json   beats and onsets, after they have been requested
                  page.json     settings and view of its page
                  jobs/         the queue
                  runs/         results

ID is the beginning of the file's SHA-256, so that a song that is opened again has its earlier work. Names given by
users are only displayed and never used as paths.
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
from ugosa_jax.studio import outlines

MAX_SONG_S = 3600.0
"""Longest song that is opened."""
MAX_BYTES = 2_000_000_000
"""Largest file that is opened."""
MAX_PAGE_BYTES = 64_000
"""Largest page.json."""
_ID = re.compile(r"[0-9a-f]{16}")


class SongEntry(msgspec.Struct):
    """A song of the library."""

    id: str
    name: str
    sha256: str
    rate_hz: int
    channels: int
    duration_s: float
    opened: str
    renamed: bool = False
    """Whether the user has chosen the name; otherwise it is that of the file that was opened last."""


class TooLarge(InputError):
    """Error: a request is larger than the server accepts."""


class Library:
    """The songs of a work folder."""

    def __init__(self, root: Path):
        """Open the library of a work folder, which need not exist yet."""
        self.songs = root / "songs"

    def find_folder(self, id: str) -> Path:
        """Return the folder of a song.

        Raises:
          KeyError: there is no such song.
        """
        if not _ID.fullmatch(id) or not (self.songs / id / "song.json").is_file():
            raise KeyError(id)
        return self.songs / id

    def load_song(self, id: str) -> SongEntry:
        """Load the description of a song.

        Raises:
          KeyError: there is no such song.
          InputError: its file is damaged.
        """
        return files.read_json(self.find_folder(id) / "song.json", SongEntry)

    def list_songs(self) -> list[SongEntry]:
        """Return all songs, the one opened last first, without damaged ones."""
        found = []
        for path in sorted(self.songs.glob("*/song.json")):
            if _ID.fullmatch(path.parent.name):
                try:
                    found.append(self.load_song(path.parent.name))
                except InputError:
                    continue
        return sorted(found, key=lambda song: song.opened, reverse=True)

    async def receive(self, chunks: AsyncIterator[bytes], name: str, largest: int = MAX_BYTES) -> SongEntry:
        """Store a song while it is uploaded, without loading it into memory.

        Raises:
          TooLarge: the upload has more than `largest` bytes.
          InputError: the file cannot be read as sound; it is deleted.
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
            return await run_in_threadpool(self.add_file, path, name)

    def add_file(self, path: Path, name: str) -> SongEntry:
        """Add a sound file, or return the song if it was added before.

        Args:
          path: the file; it is copied.
          name: the displayed name.

        Raises:
          InputError: the file cannot be read as sound.
        """
        sha256 = files.compute_sha256(path)
        if self._reopen(sha256[:16], sha256, name) is None:
            try:
                # Decoding stops at the limit, because a small file may contain hours of silence.
                audio = sound.read(path, longest_s=MAX_SONG_S)
            except InputError as error:
                raise InputError(str(error).replace(str(path), name)) from error
            self._write_song(audio, sha256, name, path)
        return self.load_song(sha256[:16])

    def add_sound(self, audio: Sound, sha256: str) -> SongEntry:
        """Add a song that is in memory, such as the demo song."""
        if self._reopen(sha256[:16], sha256, audio.name) is None:
            self._write_song(audio, sha256, audio.name, None)
        return self.load_song(sha256[:16])

    def read_original(self, id: str) -> Audio:
        """Read the uploaded file of a song; the result has the song's name."""
        audio = sound.read(self.find_folder(id) / "original")
        return dataclasses.replace(audio, name=self.load_song(id).name)

    def rename(self, id: str, name: str) -> SongEntry:
        """Rename a song; opening a file later does not change the name again.

        Raises:
          KeyError: there is no such song.
          InputError: its file is damaged or cannot be written.
        """
        song = msgspec.structs.replace(self.load_song(id), name=clean_name(name), renamed=True)
        files.write_json(msgspec.to_builtins(song), self.find_folder(id) / "song.json")
        return song

    def remove(self, id: str) -> None:
        """Delete a song and its folder.

        Raises:
          KeyError: there is no such song.
        """
        folder = self.find_folder(id)
        (folder / "song.json").unlink()  # first, so that a partly deleted folder does not count as a song
        shutil.rmtree(folder, ignore_errors=True)

    def load_page(self, id: str) -> dict[str, Any]:
        """Return the saved state of a song's page, empty if there is none.

        Raises:
          KeyError: there is no such song.
        """
        path = self.find_folder(id) / "page.json"
        try:
            return files.read_json(path, dict[str, Any])
        except InputError:
            return {}

    def save_page(self, id: str, page: dict[str, Any]) -> None:
        """Save the state of a song's page; only the page interprets it.

        Raises:
          KeyError: there is no such song.
          InputError: the state is too large, or the file cannot be written.
        """
        content = msgspec.json.encode(page)
        require(len(content) <= MAX_PAGE_BYTES, "page", f"at most {MAX_PAGE_BYTES} bytes", len(content))
        with files.replace_when_done(self.find_folder(id) / "page.json") as temporary:
            temporary.write_bytes(content)

    def _reopen(self, id: str, sha256: str, name: str) -> SongEntry | None:
        """Return a song that was opened before, after updating its name and time; return None for a new song."""
        try:
            song = self.load_song(id)
        except (KeyError, InputError):
            return None
        if song.sha256 != sha256:
            raise InputError(f"{song.name}: has the same ID as another song")  # 2**-64
        song = msgspec.structs.replace(song, opened=_now(), name=song.name if song.renamed else name)
        files.write_json(msgspec.to_builtins(song), self.find_folder(id) / "song.json")
        return song

    def _write_song(self, audio: Sound, sha256: str, name: str, path: Path | None) -> None:
        folder = self.songs / sha256[:16]
        playable_CxT, _ = sound.to_model(audio, audio.rate_hz, min(audio.n_channels, 2))
        with files.replace_folder_when_done(folder) as scratch:
            if path is None:
                sound.write_audio(scratch / "original.wav", audio.samples_CxT, audio.rate_hz)
                (scratch / "original.wav").rename(scratch / "original")
            else:
                shutil.copyfile(path, scratch / "original")
            sound.write_audio(scratch / "mixture.wav", playable_CxT, audio.rate_hz, "16")
            (scratch / "mixture.peaks").write_bytes(outlines.encode_outline(np.asarray(playable_CxT), audio.rate_hz))
            song = SongEntry(sha256[:16], name, sha256, audio.rate_hz, audio.n_channels, audio.duration_s, _now())
            files.write_json(msgspec.to_builtins(song), scratch / "song.json")


def clean_name(name: str) -> str:
    """Return the last part of a path or name as one short line without control characters."""
    printable = "".join(c if c.isprintable() else " " for c in name.replace("\\", "/").rpartition("/")[2])
    return " ".join(printable.split())[:120] or "untitled"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
