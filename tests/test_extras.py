"""Without the packages of the extras, the core works, and other commands name the extra that they need."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.helpers.networks import QUARTET, make_checkpoint
from ugosa_jax.errors import InputError, require_extra
from ugosa_jax.weights import checkpoint

DATA = Path(__file__).parent / "data"
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
HIDDEN = (
    *("jax_cuda12_plugin", "jinja2", "librosa", "libtpu", "matplotlib", "optuna"),
    *("pandas", "pyarrow", "ray", "starlette", "tensorboardX", "uvicorn"),
)
"""Packages of all extras."""
WITHOUT = f"""
import sys

class Hidden:
    def find_spec(name, path=None, target=None):
        if name in {HIDDEN}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden)
from ugosa_jax.cli.main import main
"""


@pytest.fixture
def song(tmp_path):
    """A folder with a second of the golden mixture, an annotation and a small network."""
    checkpoint.save(make_checkpoint(QUARTET), tmp_path / "small.safetensors")
    mix_TxC = np.load(DATA / "stems.npz")["stems"].sum(0)[:44100]
    soundfile.write(tmp_path / "song.wav", mix_TxC, 44100, subtype="FLOAT")
    (tmp_path / "song.csv").write_text("0.5,1,vocals\n0,1,drums\n")
    return tmp_path


def run(code, cwd):
    return subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True, cwd=cwd, timeout=300)


def test_a_song_is_separated_without_the_extras(song):
    arguments = ["separate", "song.wav", "--annotation", "song.csv", "--weights", "small.safetensors"]
    arguments += ["--out", "out", "--segment-s", "0.5", "--epochs", "1"]
    done = run(f"sys.exit(main({arguments}))", song)
    assert done.returncode == 0, done.stderr
    stems = {"drums.wav", "bass.wav", "other.wav", "vocals.wav"}
    assert {path.name for path in (song / "out").iterdir()} == {*stems, "record.json", "adapted.delta.safetensors"}
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("report ")]
    assert line.startswith("report     not written: this needs ")
    assert line.endswith(": pip install 'ugosa_jax[reports]'")


def test_commands_that_need_an_extra_name_it(song):
    said = {
        "reports": (
            ["separate", "song.wav", "--strategy", "B0", "--weights", "small.safetensors", "--references", "."],
            ["report", "store"],
            ["demo"],
            ["annotation", "check", "song.csv", "--picture", "lanes.png"],
            ["sweep", "collect", "store"],
        ),
        "augment": (
            ["separate", "song.wav", "--strategy", "B-L5:D", "--weights", "small.safetensors", "--segment-s", "0.5",
             "--pitch-shifts", "1"],
        ),
        "studio": (["studio", "--demo"],),
        "tpu": (["bench", "--compile-only", "v5e:2x2"],),
        "cuda": (["bench", "--compile-only", "h100:4"],),
        "tensorboard": (["sweep", "run", "table1", "--tensorboard"],),
        "ray": (["sweep", "run", "table1", "--ray"],),
    }  # fmt: skip
    before = sorted(song.iterdir())
    everything = [arguments for commands in said.values() for arguments in commands]
    done = run(f"assert [main(arguments) for arguments in {everything}] == [2] * {len(everything)}", song)
    assert done.returncode == 0, done.stderr
    errors = done.stderr.splitlines()
    for extra in (extra for extra, commands in said.items() for _ in commands):
        assert errors.pop(0).endswith(f": pip install 'ugosa_jax[{extra}]'")
    assert not errors
    assert sorted(song.iterdir()) == before


def test_plots_in_python_name_the_extra(tmp_path):
    code = """
import numpy as np, ugosa_jax as uj
from ugosa_jax.adaptation import engine
said = uj.Annotation((), ("voice",), "unknown")
song = uj.Song.from_array(np.ones(800), 8000)
for plot in (lambda: uj.plot_losses(engine.make_unadapted_result()), lambda: uj.plot_annotation(said, song)):
    try:
        plot()
    except uj.InputError as error:
        print(error)
"""
    done = run(code, tmp_path)
    assert done.stdout.splitlines() == ["this needs matplotlib: pip install 'ugosa_jax[reports]'"] * 2, done.stderr


def test_hidden_packages_are_those_of_the_extras():
    own = EXTRAS.keys() - {"all", "docs", "lint", "test"}
    packages = {line.split(">")[0].replace("-", "_") for extra in own for line in EXTRAS[extra]}
    assert {package for package in packages if "[" not in package} == {*HIDDEN}
    assert EXTRAS["all"] == [
        f"ugosa_jax[{','.join(sorted(own - {'cuda', 'tpu'}))}]"
    ]  # their packages are large, and for Linux


IMPORT_ALL = """
import importlib, importlib.metadata, pkgutil, sys
from packaging.requirements import Requirement

def needed(requirements, found):
    for requirement in map(Requirement, requirements):
        name = requirement.name.lower().replace("_", "-")
        if name in found or requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        found.add(name)
        try:
            needed(importlib.metadata.requires(name) or [], found)
        except importlib.metadata.PackageNotFoundError:  # of another system
            pass
    return found

hard = needed(sys.argv[1:], set())
owners = importlib.metadata.packages_distributions()
own = {"ugosa_jax", "packaging"}

class Hidden:
    def find_spec(name, path=None, target=None):
        distributions = [owner.lower().replace("_", "-") for owner in owners.get(name, ())]
        if name not in own and distributions and hard.isdisjoint(distributions):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden)
import ugosa_jax
for module in pkgutil.walk_packages(ugosa_jax.__path__, "ugosa_jax."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except Exception as error:
        print(module.name.removeprefix("ugosa_jax."), error)
"""
NEED_EXTRAS = ("reports.", "studio.", "cli.demonstration ", "sweeps.score_table ")
"""Modules that the core imports only if their extra is installed."""


def test_the_core_imports_with_the_hard_dependencies_alone():
    """No module of the core imports a package that is installed only with an extra or for the tests."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *PROJECT["dependencies"]],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    failed = done.stdout.splitlines()
    assert [line for line in failed if not line.startswith(NEED_EXTRAS)] == []
    assert any(line.startswith("reports.") for line in failed)  # what is hidden is hidden


def test_a_missing_module_of_ugosa_jax_names_no_extra():
    with pytest.raises(ModuleNotFoundError), require_extra("reports"):
        __import__("ugosa_jax.no_such_module")
    with (
        pytest.raises(InputError, match=r"this needs no_such: pip install 'ugosa_jax\[reports\]'"),
        require_extra("reports"),
    ):
        __import__("no_such.module")
