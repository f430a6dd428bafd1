"""The README's Python, run as it stands."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import soundfile

from tests.helpers.networks import DUO, make_checkpoint
from ugosa_jax.weights import checkpoint, hub

ROOT = Path(__file__).parents[1]


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    """With a small network under the name of the bundled one, and a song just long enough."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.setattr(hub, "find_bundled_folder", lambda: tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    small = make_checkpoint(dataclasses.replace(DUO, sources=("drums", "bass", "other", "vocals")))
    checkpoint.save(small, tmp_path / "weights" / "mini.safetensors")
    stems_SxTxC = np.random.default_rng(0).uniform(-0.2, 0.2, (4, 4 * 8000, 2))
    soundfile.write("song.wav", stems_SxTxC.sum(0), 8000)
    Path("song.csv").write_text("1,2,drums\n0,3,vocals\n")
    names = {}
    exec("\n".join(blocks), names)
    assert soundfile.info("vocals.wav").frames == 4 * 8000
    printed = capsys.readouterr().out
    assert re.findall(r"^(\S+) Losses\(10 epochs", printed, re.MULTILINE) == ["0.1", "1.0", "10.0"]
