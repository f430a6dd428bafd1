"""What came out: a folder a run, with stems, what is left of the mixture, pictures, record and report.

    runs/ID/run.json                     what it was and how it went
            SOURCE.wav, residual.wav     sound, 32-bit float
            SOURCE.peaks, SOURCE.spectrum
            adapted.delta.safetensors    the tuned layers
            record.json, report.html     as `ugosa-jax separate` writes them; a report where something was adapted

A folder is complete or absent. Beside the run of the network as it is, there is an unadapted one for each way in which
stems were muted or refined: what adapted runs are compared with.
"""

import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Literal

import msgspec
import soundfile

from ugosa_jax.data import sound
from ugosa_jax.errors import InputError

RESIDUAL = "residual"
"""What the stems leave of the mixture; a source of that name would hide it."""
_ID = re.compile(r"[0-9a-f]{16}")


class Levels(msgspec.Struct):
    """Of one stem, in dB below full scale."""

    loud: float
    """Of its loud passages: by it, two runs are brought to the same level."""
    silent: float | None
    """As it is heard where its source is marked silent: perhaps muted by the marks of this run."""
    leakage: float | None = None
    """Of the network's own output there, before stems are muted or made to add up."""
    unadapted: "Levels | None" = None
    """The same of the network as it was, finished in the same way."""


class Run(msgspec.Struct):
    """One separation of a song."""

    id: str
    network: str
    strategy: str
    sources: list[str]
    created: str
    took_s: float
    levels: dict[str, Levels]
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    """What AdaptConfig and SeparateConfig hold, where it was adapted."""
    baseline: str | None = None
    """The run of the network as it was, separated and refined as this one: between the two is the adaptation alone."""
    start: str = "anew"
    """The run from whose weights it went on."""
    losses: list[list[float | None]] = msgspec.field(default_factory=list)
    """Total, reconstruction and activation loss, the mean of each epoch."""
    stopped_at: tuple[int, int] | None = None
    silent_s: dict[str, float] = msgspec.field(default_factory=dict)
    """Seconds of silence that it learnt from."""


class Runs:
    """The runs of one song."""

    def __init__(self, song_folder: Path):
        """Look into a song's folder."""
        self.root = song_folder / "runs"

    def folder(self, id: str) -> Path:
        """Return the folder of a run.

        Raises:
          KeyError: there is no such run.
        """
        if not _ID.fullmatch(id) or not (self.root / id / "run.json").is_file():
            raise KeyError(id)
        return self.root / id

    def run(self, id: str) -> Run:
        """Return what is known of a run.

        Raises:
          KeyError: there is no such run.
          InputError: its file is damaged.
        """
        path = self.folder(id) / "run.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Run)
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(f"{path}: cannot be read ({error})") from error

    def listing(self) -> list[Run]:
        """Return all runs, the oldest first; what is damaged is left out."""
        found = []
        for path in self.root.glob("*/run.json"):
            if _ID.fullmatch(path.parent.name):
                try:
                    found.append(self.run(path.parent.name))
                except InputError:
                    continue
        return sorted(found, key=lambda run: run.created)

    def file(self, id: str, name: str, kind: Literal["wav", "peaks", "spectrum"]) -> Path:
        """Return a file of a stem, or of the residual.

        Raises:
          KeyError: there is no such run, or no such stem.
        """
        if name not in (*self.run(id).sources, RESIDUAL):
            raise KeyError(name)
        return self.folder(id) / f"{name}.{kind}"

    def remove(self, id: str) -> None:
        """Delete a run, and the unadapted one that no other run is compared with.

        Raises:
          KeyError: there is no such run.
        """
        baseline = self.run(id).baseline
        self._delete(id)
        left = self.listing()
        is_needed = any(run.baseline == baseline for run in left)
        if not is_needed and any(run.id == baseline and run.settings for run in left):
            self._delete(str(baseline))

    def _delete(self, id: str) -> None:
        folder = self.folder(id)
        (folder / "run.json").unlink()  # first: without it the rest is no run
        shutil.rmtree(folder, ignore_errors=True)


def zipped(runs: Runs, id: str, encoding: Literal["float", "24"], scratch: Path) -> Path:
    """Write the stems and the residual of a run into a zip file, not compressed: sound hardly shrinks.

    Args:
      runs: of the song.
      id: the run.
      encoding: of the sound.
      scratch: an existing folder.

    Raises:
      KeyError: there is no such run.
    """
    out = scratch / "stems.zip"
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in (*runs.run(id).sources, RESIDUAL):
            path = runs.file(id, name, "wav")
            if encoding == "24":
                path = _as_integers(path, scratch / f"{name}.wav")
            archive.write(path, f"{name}.wav")
            if encoding == "24":
                path.unlink()
        archive.write(runs.folder(id) / "record.json", "record.json")
    return out


def scratch_folder(near: Path) -> Path:
    """Return a new folder on the disk of the work, where there is room for sound."""
    return Path(tempfile.mkdtemp(prefix=".zip-", dir=near))


def _as_integers(path: Path, out: Path) -> Path:
    samples_TxC, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    sound.write(out, samples_TxC.T, rate_hz, "24")
    return out
