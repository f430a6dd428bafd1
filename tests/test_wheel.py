"""The package as it is installed, without a checkout around it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ugosa_jax import __version__

ROOT = Path(__file__).parents[1]

ASK = """
from pathlib import Path

from ugosa_jax.data import loading
from ugosa_jax.weights import hub
from ugosa_jax.reports import style
from ugosa_jax.sweeps import grid
assert hub.load_network("mini").architecture.sources == ("drums", "bass", "other", "vocals")
assert loading.load_demo(("drums", "bass", "other", "vocals")).mixture.duration_s == 32
assert "table1" in grid.names()
assert (Path(style.__file__).parent / "templates" / "run.html").is_file()
print(hub.find_file("mini"))
"""


def test_the_citation_names_the_version():
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


@pytest.mark.slow
def test_a_wheel_brings_weights_song_grids_and_pages(tmp_path):
    """Building asks the package registry for the build backend."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(pip, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 20e6
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    environment = os.environ | {"PYTHONPATH": str(site)}
    asked = [sys.executable, "-c", ASK]
    found = subprocess.run(asked, check=True, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout
    assert Path(found.strip()) == site / "ugosa_jax" / "bundled" / "mini.safetensors"
