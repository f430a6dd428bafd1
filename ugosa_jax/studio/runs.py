"""The runs of a song: a folder for each separation, with stems, residual, pictures, record and report.

    runs/ID/run.json                     settings, losses and levels
            SOURCE.wav, residual.wav     sound, 32-bit float
            SOURCE.peaks, SOURCE.spectrum
            adapted.delta.safetensors    the tuned layers
            record.json, report.html     as `ugosa-jax separate` writes them; only adapted runs have a report

A folder is complete or absent. Besides the run of the unadapted network, there are baselines: for each output stage
(muting, refinement) that an adapted run has, an unadapted run with the same output stage.
"""

import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Literal

import msgspec
import soundfile

from ugosa_jax import files
from ugosa_jax.data import sound
from ugosa_jax.errors import InputError

RESIDUAL = "residual"
"""The mixture minus the stems."""
_ID = re.compile(r"[0-9a-f]{16}")


class Levels(msgspec.Struct):
    """Levels of one stem, in dB relative to full scale."""

    loud: float
    """Level in its loud passages, for matching the loudness of two runs."""
    silent: float | None
    """Level where its source is marked silent, after the output stage, which may mute it there."""
    leakage: float | None = None
    """Level where its source is marked silent, before the output stage: the leakage of the network."""
    unadapted: "Levels | None" = None
    """The levels of the same stem in the baseline."""


class SavedRun(msgspec.Struct):
    """One separation of a song."""

    id: str
    network: str
    strategy: str
    sources: list[str]
    created: str
    took_s: float
    levels: dict[str, Levels]
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    """Fields of AdaptConfig and SeparateConfig of an adapted run, or of SeparateConfig alone of a baseline; empty for
    the run of the unadapted network."""
    baseline: str | None = None
    """ID of the unadapted run with the same output stage, which differs from this run only by the adaptation."""
    start: str = "anew"
    """ID of the run whose adapted layers the adaptation started from."""
    losses: list[list[float | None]] = msgspec.field(default_factory=list)
    """Mean total, reconstruction and activation loss of each epoch."""
    stopped_at: tuple[int, int] | None = None
    silent_s: dict[str, float] = msgspec.field(default_factory=dict)
    """Seconds of annotated silence by source."""


class Runs:
    """The runs of one song."""

    def __init__(self, song_folder: Path):
        """Open the runs in a song's folder."""
        self.root = song_folder / "runs"

    def find_folder(self, id: str) -> Path:
        """Return the folder of a run.

        Raises:
          KeyError: there is no such run.
        """
        if not _ID.fullmatch(id) or not (self.root / id / "run.json").is_file():
            raise KeyError(id)
        return self.root / id

    def load_run(self, id: str) -> SavedRun:
        """Load the description of a run.

        Raises:
          KeyError: there is no such run.
          InputError: its file is damaged.
        """
        return files.read_json(self.find_folder(id) / "run.json", SavedRun)

    def list_runs(self) -> list[SavedRun]:
        """Return all runs, the oldest first, without damaged ones."""
        found = []
        for path in self.root.glob("*/run.json"):
            if _ID.fullmatch(path.parent.name):
                try:
                    found.append(self.load_run(path.parent.name))
                except InputError:
                    continue
        return sorted(found, key=lambda run: run.created)

    def find_file(self, id: str, name: str, kind: Literal["wav", "peaks", "spectrum"]) -> Path:
        """Return the path of a file of a stem or of the residual.

        Raises:
          KeyError: there is no such run, or no such stem.
        """
        if name not in (*self.load_run(id).sources, RESIDUAL):
            raise KeyError(name)
        return self.find_folder(id) / f"{name}.{kind}"

    def remove(self, id: str) -> None:
        """Delete a run, and its baseline if no other run needs it; the run of the unadapted network is kept.

        Raises:
          KeyError: there is no such run.
        """
        baseline = self.load_run(id).baseline
        self._delete(id)
        left = self.list_runs()
        is_needed = any(run.baseline == baseline for run in left)
        if not is_needed and any(run.id == baseline and run.settings for run in left):
            self._delete(str(baseline))

    def _delete(self, id: str) -> None:
        folder = self.find_folder(id)
        (folder / "run.json").unlink()  # first, so that a partly deleted folder does not count as a run
        shutil.rmtree(folder, ignore_errors=True)


def zip_stems(runs: Runs, id: str, encoding: Literal["float", "24"], scratch: Path) -> Path:
    """Write the stems and the residual of a run into an uncompressed zip file; return its path.

    Args:
      runs: the runs of the song.
      id: the run.
      encoding: encoding of the samples.
      scratch: an existing folder.

    Raises:
      KeyError: there is no such run.
    """
    out = scratch / "stems.zip"
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in (*runs.load_run(id).sources, RESIDUAL):
            path = runs.find_file(id, name, "wav")
            if encoding == "24":
                path = _write_as_integers(path, scratch / f"{name}.wav")
            archive.write(path, f"{name}.wav")
            if encoding == "24":
                path.unlink()
        archive.write(runs.find_folder(id) / "record.json", "record.json")
    return out


def make_scratch_folder(near: Path) -> Path:
    """Create a temporary folder on the disk of the work folder, which has enough space for sound."""
    return Path(tempfile.mkdtemp(prefix=".zip-", dir=near))


def _write_as_integers(path: Path, out: Path) -> Path:
    samples_TxC, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    sound.write_audio(out, samples_TxC.T, rate_hz, "24")
    return out
