"""Exceptions of libraries become one line, whatever their class; faults of ugosa_jax keep their traceback."""

import inspect
import os
import subprocess
import sys

import jax
import pytest
import safetensors
import soundfile

from ugosa_jax.cli import library_errors, main

HOSTILE = "bad\nname \x1b[31m"


def raised(capsys, monkeypatch, error: BaseException) -> str:
    """Return the text that the command line prints for an error that a command raises."""

    def command(_of):
        def run(_args):
            raise error

        return run

    monkeypatch.setattr(main, "find_command", command)
    assert main.main(["weights", "list"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "\x1b" not in line
    return line


def classes(module, base) -> list[type]:
    """Return the exceptions that a module has."""
    found = (of for _, of in inspect.getmembers(module, inspect.isclass))
    return sorted({of for of in found if issubclass(of, base)}, key=lambda of: of.__name__)


def test_each_class_of_pyav(capsys, monkeypatch):
    av = pytest.importorskip("av")
    every = classes(av.error, av.error.FFmpegError)
    assert len(every) > 20
    for of in every:
        line = raised(capsys, monkeypatch, of(1094995529, HOSTILE, "song.m4a"))
        assert line.startswith(("error: FFmpeg: ", "error: not enough memory")), of
        assert r"bad\nname" in line


def test_each_class_of_soundfile(capsys, monkeypatch):
    every = classes(soundfile, soundfile.SoundFileError)
    assert {of.__name__ for of in every} == {"LibsndfileError", "SoundFileError", "SoundFileRuntimeError"}
    for of in every:
        error = of(3, f"{HOSTILE}: ") if of is soundfile.LibsndfileError else of(HOSTILE)
        assert raised(capsys, monkeypatch, error).startswith("error: libsndfile: ")


def test_each_class_of_safetensors(capsys, monkeypatch, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(safetensors.SafetensorError) as caught:
        safetensors.safe_open(tmp_path / "a.safetensors", "numpy")
    for error in (caught.value, safetensors.SafetensorError(HOSTILE)):
        assert raised(capsys, monkeypatch, error).startswith("error: safetensors: ")


def test_each_class_of_jax(capsys, monkeypatch):
    every = classes(jax.errors, Exception)
    assert jax.errors.JaxRuntimeError in every and len(every) > 8
    for of in every:
        try:
            error = of(HOSTILE)
        except (AttributeError, TypeError):  # some need tracers as arguments
            error = of.__new__(of, HOSTILE)
        assert raised(capsys, monkeypatch, error).startswith("error: JAX: "), of
    full = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes.\nsee above")
    assert "not enough memory on the device" in raised(capsys, monkeypatch, full)


def test_each_class_of_ray(capsys, monkeypatch):
    exceptions = pytest.importorskip("ray.exceptions")
    every = classes(exceptions, exceptions.RayError)
    assert len(every) > 20
    for of in every:
        error = of.__new__(of)  # their constructors differ; only their messages matter
        error.args = (HOSTILE,)
        monkeypatch.setattr(of, "__str__", lambda self: self.args[0])
        assert raised(capsys, monkeypatch, error).startswith("error: Ray: "), of


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", HOSTILE), r"error: bad\nname \x1b[31m: No space left on device"),
        (PermissionError(1, "Operation not permitted"), "error: Operation not permitted"),
        (MemoryError("3 TB"), "error: not enough memory (3 TB)"),
    ],
)
def test_errors_of_the_system(capsys, monkeypatch, error, said):
    assert raised(capsys, monkeypatch, error) == said


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    with pytest.raises(TypeError, match="ours"):
        monkeypatch.setattr(main, "find_command", lambda _: lambda _: (_ for _ in ()).throw(TypeError("ours")))
        main.main(["weights", "list"])
    assert library_errors.describe(KeyError("x")) is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("JAX_PLATFORMS", "cuda"),
        ("JAX_PLATFORMS", "tpu"),
        ("JAX_PLATFORMS", "nonsense"),
        ("JAX_DEFAULT_MATMUL_PRECISION", "foo"),
        ("JAX_ENABLE_X64", "maybe"),
        ("JAX_NUM_CPU_DEVICES", "many"),
    ],
)
def test_settings_of_jax_that_cannot_be_had_are_named(variable, value):
    environment = {name: it for name, it in os.environ.items() if not name.startswith("JAX_")} | {variable: value}
    command = [sys.executable, "-m", "ugosa_jax", "bench", "--repeats", "1"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {variable}={value}: ")
