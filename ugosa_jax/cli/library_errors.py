"""One-line messages for unexpected exceptions of libraries.

The code that calls a library turns expected errors into an InputError that names the file. The command line handles all
other exceptions of libraries here. Python's own exceptions, such as TypeError, are bugs of this program and keep their
traceback.
"""

import os
import traceback

LIBRARIES = {
    "av": "FFmpeg",
    "filelock": "filelock",
    "jax": "JAX",
    "jaxlib": "JAX",
    "jinja2": "Jinja",
    "librosa": "librosa",
    "msgspec": "msgspec",
    "numpy": "NumPy",
    "optuna": "Optuna",
    "pooch": "pooch",
    "pyarrow": "Arrow",
    "ray": "Ray",
    "requests": "requests",
    "safetensors": "safetensors",
    "safetensors_rust": "safetensors",
    "soundfile": "libsndfile",
    "soxr": "soxr",
    "tqdm": "tqdm",
    "uvicorn": "uvicorn",
    "yaml": "YAML",
    "zipfile": "zip",
    "zlib": "zlib",
}
"""Packages whose exceptions are reported in one line, and the names of these packages in the line."""
BACKENDS, CONFIG = "jax._src.xla_bridge", "jax._src.config"
"""The modules of JAX that look for devices and that read environment variables."""


def describe(error: Exception) -> str | None:
    """Return a one-line message for an exception of a library or the operating system, else None."""
    if line := _describe_jax_settings(error):
        return line
    if isinstance(error, MemoryError):
        return f"not enough memory ({_summarise(error)})"
    if library := _find_library(error):
        if "RESOURCE_EXHAUSTED" in str(error):
            return f"not enough memory on the device ({library}: {_summarise(error)})"
        return f"{library}: {_summarise(error)}"
    return _summarise(error) if isinstance(error, OSError) else None


def _find_library(error: Exception) -> str | None:
    """Return the library that an exception's class, or one that it is derived from, belongs to."""
    packages = (of.__module__.partition(".")[0] for of in type(error).__mro__)
    return next((LIBRARIES[package] for package in packages if package in LIBRARIES), None)


def _summarise(error: Exception) -> str:
    """Return the most useful line of a message: the last one if it contains a traceback, else the first."""
    if strerror := getattr(error, "strerror", None):  # the message of the operating system, after the file's name
        return ": ".join(str(part) for part in (getattr(error, "filename", None), strerror) if part)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1 if any(line.startswith("Traceback ") or line.startswith("File ") for line in lines) else 0]


def _describe_jax_settings(error: Exception) -> str | None:
    """Return a message if JAX fails to start because of its environment variables, else None."""
    modules = {frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)}
    detail = f" ({_summarise(error)})" if str(error) else ""
    if modules & {CONFIG, BACKENDS}:
        for name, value in os.environ.items():
            if name.startswith("JAX_") and name != "JAX_PLATFORMS" and name.lower() in str(error).lower():
                return f"{name}={value}: is not a value that JAX accepts{detail}"
    if BACKENDS not in modules:
        return None
    if platforms := os.environ.get("JAX_PLATFORMS"):
        return f"JAX_PLATFORMS={platforms}: JAX has no such device here{detail}; unset it, or set JAX_PLATFORMS=cpu"
    return f"JAX finds no device that it can use{detail}; JAX_PLATFORMS=cpu needs no GPU or TPU"
