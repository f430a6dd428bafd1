"""What accelerators can do at best, as their makers publish it.

Sources: Google Cloud's documentation of TPU system architectures, a page each for v4, v5e, v5p and v6e; NVIDIA's data
sheets and white papers of A100 and H100, both SXM with 80 GB.
"""

import dataclasses

from ugosa_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Chip:
    """Peaks of one device.

    Attributes:
      name: as its maker calls it.
      flops_per_s: of products of float32 matrices if no precision is asked for: made of bfloat16 on TPUs, TF32 on GPUs.
      bytes_per_s: between its memory and its cores.
      memory_bytes: of its own.
    """

    name: str
    flops_per_s: float
    bytes_per_s: float
    memory_bytes: int


CHIPS = {
    "TPU v4": Chip("v4", 275e12 / 2, 1228e9 / 2, 16 * 2**30),  # a device is one of a chip's two cores
    "TPU v5 lite": Chip("v5e", 197e12, 819e9, 16 * 2**30),
    "TPU v5": Chip("v5p", 459e12, 2765e9, 95 * 2**30),
    "TPU v6 lite": Chip("v6e", 918e12, 1640e9, 32 * 2**30),
    "NVIDIA A100-SXM4-80GB": Chip("A100", 156e12, 2039e9, 80 * 10**9),
    "NVIDIA H100 80GB HBM3": Chip("H100", 494.7e12, 3350e9, 80 * 10**9),
}
"""By what JAX calls the kind of device."""

GPUS = {"a100": "NVIDIA A100-SXM4-80GB", "h100": "NVIDIA H100 80GB HBM3"}
_BUILDS = {
    "a100": {"major": 8, "cores": 108, "shared": 167936, "shared_optin": 166912, "cache": 41943040, "ghz": 1.41,
             "lanes": 64},
    "h100": {"major": 9, "cores": 132, "shared": 233472, "shared_optin": 232448, "cache": 52428800, "ghz": 1.98,
             "lanes": 128},
}  # fmt: skip
"""What a compiler must know of a GPU: its number of multiprocessors and what each has; bytes."""


def get_chip(device_kind: str) -> Chip:
    """Return the chip of a kind of device.

    Raises:
      InputError: nothing is known of it.
    """
    if device_kind not in CHIPS:
        known = ", ".join(get_chip.name for chip in CHIPS.values())
        raise InputError(f"{device_kind}: its peaks are not known; known are {known}")
    return CHIPS[device_kind]


def describe_gpu(name: str) -> str:
    """Return one of GPUS as XLA's GpuTargetConfigProto, in text."""
    build, peaks = _BUILDS[name], CHIPS[GPUS[name]]
    return f"""
        platform_name: "CUDA"
        device_description_str: "{GPUS[name]}"
        dnn_version_info {{ major: 9 minor: 8 }}
        gpu_device_info {{
          cuda_compute_capability {{ major: {build["major"]} }}
          core_count: {build["cores"]}
          fpus_per_core: {build["lanes"]}
          clock_rate_ghz: {build["ghz"]}
          threads_per_warp: 32
          threads_per_block_limit: 1024
          threads_per_core_limit: 2048
          thread_dim_limit_x: 1024
          thread_dim_limit_y: 1024
          thread_dim_limit_z: 64
          block_dim_limit_x: 2147483647
          block_dim_limit_y: 65535
          block_dim_limit_z: 65535
          registers_per_core_limit: 65536
          registers_per_block_limit: 65536
          shared_memory_per_block: 49152
          shared_memory_per_block_optin: {build["shared_optin"]}
          shared_memory_per_core: {build["shared"]}
          l2_cache_size: {build["cache"]}
          memory_bandwidth: {int(peaks.bytes_per_s)}
          device_memory_size: {peaks.memory_bytes}
        }}
    """
