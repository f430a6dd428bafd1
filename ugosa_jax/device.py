"""The default device: its name, its memory, the cache of compiled programs."""

import os
import resource
import sys

import jax
import psutil

from ugosa_jax import files
from ugosa_jax.errors import InputError


def describe() -> str:
    """Return a description of the default device."""
    device = jax.devices()[0]
    return f"{os.cpu_count()} CPU cores" if device.platform == "cpu" else f"{device.device_kind} ({device.platform})"


def describe_all() -> str:
    """Return a description of the device, the number of devices, and the precision of matrix products."""
    several = f", {n} devices" if (n := len(jax.local_devices())) > 1 else ""
    return f"{describe()}{several}, matmul precision {get_matmul_precision()}"


def get_matmul_precision() -> str:
    """Return JAX's default precision of matrix products; "default" is TF32 on recent GPUs and bfloat16 on TPUs."""
    return str(jax.config.jax_default_matmul_precision or "default")  # pyright: ignore[reportAttributeAccessIssue]


def get_free_bytes() -> int:
    """Return the free memory of the default device."""
    stats = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    return psutil.virtual_memory().available


def get_used_bytes() -> int:
    """Return the memory that is in use on the default device, or that this process uses on a CPU."""
    stats = jax.devices()[0].memory_stats() or {}
    return stats.get("bytes_in_use", psutil.Process().memory_info().rss)


def get_peak_bytes() -> int:
    """Return the peak of `get_used_bytes` so far."""
    stats = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"]
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cache_compiled_programs() -> str:
    """Set the folder of JAX's compilation cache, unless JAX_COMPILATION_CACHE_DIR names one.

    Returns:
      "", or a warning if the folder cannot be written; programs are then not cached.
    """
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(files.get_cache_folder() / "programs")
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    try:
        if "://" not in folder:  # JAX also supports URLs
            files.check_writable(folder)
    except InputError as error:
        jax.config.update("jax_compilation_cache_dir", None)
        return f"compiled programs are not cached: {error}"
    jax.config.update("jax_compilation_cache_dir", folder)
    return ""
