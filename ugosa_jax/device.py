"""What the programs run on: its name, its memory, its cache of compiled programs."""

import os
import resource
import sys

import jax
import psutil

from ugosa_jax import files
from ugosa_jax.errors import InputError


def describe() -> str:
    """Return what the default device is, in words."""
    device = jax.devices()[0]
    return f"{os.cpu_count()} CPU cores" if device.platform == "cpu" else f"{device.device_kind} ({device.platform})"


def describe_all() -> str:
    """Return what measurements stand beside: the device, how many there are, and the precision of products."""
    several = f", {n} devices" if (n := len(jax.local_devices())) > 1 else ""
    return f"{describe()}{several}, matmul precision {get_matmul_precision()}"


def get_matmul_precision() -> str:
    """Return what JAX_DEFAULT_MATMUL_PRECISION says: TF32 on recent GPUs and bfloat16 on TPUs if it says nothing."""
    return str(jax.config.jax_default_matmul_precision or "default")  # pyright: ignore[reportAttributeAccessIssue]


def get_free_bytes() -> int:
    """Return the memory that the default device has left."""
    stats = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    return psutil.virtual_memory().available


def get_held_bytes() -> int:
    """Return the memory that the default device, or on a CPU this process, holds now."""
    stats = jax.devices()[0].memory_stats() or {}
    return stats.get("bytes_in_use", psutil.Process().memory_info().rss)


def get_peak_bytes() -> int:
    """Return the most memory that the default device, or on a CPU this process, has held so far."""
    stats = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"]
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def keep_compiled_programs() -> str:
    """Keep compiled programs in the cache folder, unless JAX_COMPILATION_CACHE_DIR names another one.

    Returns:
      A warning for the user where the folder cannot be written: the work goes on, and its programs are not kept.
    """
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(files.cache_folder() / "programs")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    try:
        if "://" not in folder:  # JAX knows other places than disks
            files.check_writable(folder)
    except InputError as error:
        jax.config.update("jax_compilation_cache_dir", None)
        return f"compiled programs are not kept: {error}"
    jax.config.update("jax_compilation_cache_dir", folder)
    return ""
