"""Published peak rates of accelerators.

Sources: Google Cloud's documentation of the TPU system architectures v4, v5e, v5p and v6e; NVIDIA's data sheets and
white papers of A100 and H100, both SXM with 80 GB.
"""

import dataclasses

from ugosa_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Chip:
    """Peak rates of one device.

    Attributes:
      name: name by its vendor.
      flops_per_s: rate of matrix products at JAX's default precision for float32: bfloat16 on TPUs, TF32 on GPUs.
      bytes_per_s: bandwidth of its memory.
      memory_bytes: size of its memory.
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
"""The chips by JAX's `device_kind`."""

GPUS = {"a100": "NVIDIA A100-SXM4-80GB", "h100": "NVIDIA H100 80GB HBM3"}
_BUILDS = {
    "a100": {"major": 8, "cores": 108, "shared": 167936, "shared_optin": 166912, "cache": 41943040, "ghz": 1.41,
             "lanes": 64},
    "h100": {"major": 9, "cores": 132, "shared": 233472, "shared_optin": 232448, "cache": 52428800, "ghz": 1.98,
             "lanes": 128},
}  # fmt: skip
"""The parameters of a GPU that XLA needs: multiprocessors and their resources; memory in bytes."""


def get_chip(device_kind: str) -> Chip:
    """Return the chip of a `device_kind`.

    Raises:
      InputError: its peak rates are unknown.
    """
    if device_kind not in CHIPS:
        known = ", ".join(chip.name for chip in CHIPS.values())
        raise InputError(f"{device_kind}: its peak rates are unknown; known chips are {known}")
    return CHIPS[device_kind]


def describe_gpu(name: str) -> str:
    """Return XLA's description (GpuTargetConfigProto) of one of GPUS, in text format."""
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
