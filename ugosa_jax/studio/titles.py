"""Titles of runs: a permanent number, and a name and note that the user may give.

    songs/ID/titles.json

A number is used once, and a deleted run keeps its title, because votes and downloads refer to it.
"""

import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ugosa_jax import files
from ugosa_jax.config import require
from ugosa_jax.studio.runs import SavedRun

MAX_NAME, MAX_NOTE = 120, 2000
"""Characters."""
_LOCK = threading.Lock()
"""Held while titles are read, changed and written."""


class Title(msgspec.Struct):
    """The title of a run."""

    network: str
    strategy: str
    number: int
    """Number in the order of creation, from 1; 0 for an unadapted run."""
    name: str = ""
    note: str = ""
    deleted: bool = False

    def describe(self) -> str:
        """Return the displayed name of the run."""
        return self.name or (f"Run {self.number}" if self.number else "not adapted")


class Titles:
    """The titles of one song's runs."""

    def __init__(self, song_folder: Path):
        """Open the titles in a song's folder."""
        self.path = song_folder / "titles.json"

    def update(self, runs: Iterable[SavedRun]) -> dict[str, Title]:
        """Assign numbers to new runs, mark deleted ones, and return the titles of all.

        Args:
          runs: all runs of the song, the oldest first.

        Raises:
          InputError: the file is damaged or cannot be written.
        """
        with _LOCK:
            known = self._read()
            before = msgspec.json.encode(known)
            present = {run.id: run for run in runs}
            for id, run in present.items():
                if id not in known:
                    last = max((title.number for title in known.values()), default=0)
                    known[id] = Title(run.network, run.strategy, 0 if run.strategy == "B0" else last + 1)
            for id, title in known.items():
                title.deleted = id not in present
            if msgspec.json.encode(known) != before:
                files.write_json(msgspec.to_builtins(known), self.path)
            return known

    def change(self, id: str, name: str, note: str) -> Title:
        """Set the name and the note of a run; an empty name removes it.

        Raises:
          KeyError: there is no such run.
          InputError: name or note is too long, or the file cannot be written.
        """
        name, note = " ".join(name.split()), note.strip()
        require(len(name) <= MAX_NAME, "name", f"at most {MAX_NAME} characters", len(name))
        require(len(note) <= MAX_NOTE, "note", f"at most {MAX_NOTE} characters", len(note))
        with _LOCK:
            known = self._read()
            known[id].name, known[id].note = name, note
            files.write_json(msgspec.to_builtins(known), self.path)
            return known[id]

    def _read(self) -> dict[str, Title]:
        return files.read_json(self.path, dict[str, Title]) if self.path.is_file() else {}
