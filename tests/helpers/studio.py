"""Songs, marks and runs for tests of the studio's server."""

import msgspec
import numpy as np
import soundfile

from ugosa_jax.studio.runs import Levels, SavedRun

TOKEN = "t" * 32
HERE = "http://127.0.0.1:8630"


def write_song(path, seconds=1.0, seed=0):
    """Write some noise in stereo."""
    samples = np.random.default_rng(seed).normal(0, 0.1, (int(8000 * seconds), 2))
    soundfile.write(path, samples, 8000)
    return path


def mark(start, end, source="vocals", state="silent"):
    """Return a mark as the page sends it."""
    return {"start": start, "end": end, "source": source, "state": state}


def write_run(folder, id, strategy="B0", loud=-10.0, value=0.25):
    """Write a run of one source, as the worker does."""
    run = folder / "runs" / id
    run.mkdir(parents=True)
    levels = {"drums": Levels(loud, -50.0)}
    run_fields = SavedRun(id, "tiny", strategy, ["drums"], f"2026-01-01T00:00:0{len(strategy)}", 1.0, levels)
    (run / "run.json").write_bytes(msgspec.json.encode(run_fields))
    (run / "record.json").write_text("{}")
    for name in ("drums", "residual"):
        soundfile.write(run / f"{name}.wav", np.full((800, 2), value, np.float32), 8000, subtype="FLOAT")
