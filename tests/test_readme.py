"""The README's Python, run as it stands."""

import re
from pathlib import Path

import numpy as np
import soundfile

from ugosa_jax.networks import checkpoint, convtasnet_torch

ROOT = Path(__file__).parents[1]


def test_the_examples_run(tmp_path, monkeypatch):
    """With a small network under the name of the published one, and a song just long enough."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.setenv("UGOSA_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    tasnet = convtasnet_torch.convert(ROOT / "tests" / "data" / "state_dict_v2.th")
    checkpoint.save(tasnet, tmp_path / "cache" / "weights" / "tasnet.safetensors")
    mix_TxC = np.random.default_rng(0).uniform(-0.5, 0.5, (4 * 44100, 2))
    soundfile.write("song.wav", mix_TxC, 44100)
    Path("song.csv").write_text("1,2,drums\n0,3,vocals\n")
    names = {}
    exec("\n".join(blocks), names)
    assert soundfile.info("vocals.wav").frames == 4 * 44100
    assert len(names["results"]) == 9
