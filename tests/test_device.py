"""The clock: what counts as compiling."""

import jax

from ugosa_jax import device


def test_compiling_is_counted_once():
    """JAX reports the search for a program in the cache by itself, and again within compiling."""
    with device.Stopwatch() as watch:
        for event in ("/jax/core/compile/backend_compile_duration", "/jax/compilation_cache/cache_retrieval_time_sec"):
            jax.monitoring.record_event_duration_secs(event, 1e-6)
    assert abs(watch.compile_s - 1e-6) < 1e-12
    assert watch.run_s >= 0


def test_compiling_is_no_run_time():
    """More compiling than time has passed is not possible, and no running time is negative."""
    with device.Stopwatch() as watch:
        jax.monitoring.record_event_duration_secs("/jax/core/compile/backend_compile_duration", 1e6)
    assert watch.run_s == 0
    assert watch.compile_s < 1e6
