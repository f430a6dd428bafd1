"""What accelerators can do at best, as their makers publish it.

Source: Google Cloud's documentation of TPU system architectures, a page each for v4, v5e, v5p and v6e.
"""

import dataclasses

from ugosa_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Chip:
    """Peaks of one device.

    Attributes:
      name: as Google calls it.
      flops_per_s: of matrix products in bfloat16, which float32 products are made of unless a precision is asked for.
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
}
"""By what JAX calls the kind of device."""


def chip(device_kind: str) -> Chip:
    """Return the chip of a kind of device.

    Raises:
      InputError: nothing is known of it.
    """
    if device_kind not in CHIPS:
        known = ", ".join(chip.name for chip in CHIPS.values())
        raise InputError(f"{device_kind}: its peaks are not known; known are {known}")
    return CHIPS[device_kind]
