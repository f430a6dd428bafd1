"""The networks that are there to choose from, described for the page. Needs JAX."""

import time
from typing import Any

import jax
import jax.numpy as jnp

from ugosa_jax import device
from ugosa_jax.adaptation import strategy
from ugosa_jax.bench import flops
from ugosa_jax.errors import InputError
from ugosa_jax.networks import hub
from ugosa_jax.networks.checkpoint import Checkpoint

_SIDE = 1024


def described() -> dict[str, Any]:
    """Return all networks that need no download, the device, and its speed."""
    found = []
    for item in hub.listing():
        if item.path is not None:
            try:
                found.append(_described(item.name, hub.load(item.name)))
            except InputError as error:
                found.append({"name": item.name, "error": str(error)})
    return {"networks": found, "device": device.describe(), "flops_per_s": speed()}


def _described(name: str, net: Checkpoint) -> dict[str, Any]:
    config = net.config
    plans = strategies(net)
    second = config.sample_rate_hz
    return {
        "name": name,
        "sources": list(config.sources),
        "fingerprint": net.fingerprint[:16],
        "strategies": plans,
        "flops": {plan: flops.step(config, strategy.parse(f"P-{plan}", config), second) for plan in plans},
        "separate_flops": 4 / 3 * flops.forward(config, second),  # chunks overlap by a quarter
    }


def strategies(net: Checkpoint) -> list[str]:
    """Return what can be tuned, as "L3:M", in the network's order."""
    found = []
    for start in range(1, 10):
        for end in "DM3":
            try:
                strategy.parse(f"P-L{start}:{end}", net.config)
            except InputError:
                continue
            found.append(f"L{start}:{end}")
    return found


def speed() -> float:
    """Return how many operations a second a matrix product reaches here; takes a fraction of a second."""
    square = jnp.ones((_SIDE, _SIDE))
    product = jax.jit(lambda x: x @ x)
    product(square).block_until_ready()
    best_s = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        product(square).block_until_ready()
        best_s = min(best_s, time.perf_counter() - started)
    return 2 * _SIDE**3 / best_s
