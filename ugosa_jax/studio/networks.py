"""The networks that are there to choose from, described for the page. Needs JAX."""

import itertools
import time
from typing import Any

import jax
import jax.numpy as jnp

from ugosa_jax import device
from ugosa_jax.adaptation import strategy
from ugosa_jax.bench import flops
from ugosa_jax.errors import InputError
from ugosa_jax.weights import hub
from ugosa_jax.weights.bag import Weights, members_of

_SIDE = 1024


def described() -> dict[str, Any]:
    """Return all networks that need no download, the device, and its speed; nothing is traced, so it is quick."""
    found = []
    for item in hub.listing():
        if item.path is not None:
            try:
                found.append(_described(item.name, hub.load(item.name)))
            except InputError as error:
                found.append({"name": item.name, "error": str(error)})
    return {"networks": found, "device": device.describe(), "flops_per_s": speed()}


def _described(name: str, net: Weights) -> dict[str, Any]:
    it = net.architecture
    return {
        "name": name,
        "sources": list(it.sources),
        "fingerprint": net.fingerprint[:16],
        "default_strategy": it.default_strategy,
        "segment_s": it.segment_s,
        "strategies": strategies(net),
        "shares": {plan: _share(net, plan) for plan in strategies(net)},
        "members": len(members_of(net)),
    }


def forward_flops(name: str) -> float | None:
    """Return the operations that one member of a network needs for a second of sound; None if it cannot be read.

    To count them the network is traced, which takes seconds for a large one: so this is asked for the chosen one only.
    """
    try:
        it = hub.load(name).architecture
    except InputError:
        return None
    n_samples = it.segment_samples or it.sample_rate_hz
    return flops.forward(it, n_samples) * it.sample_rate_hz / n_samples


def strategies(net: Weights) -> list[str]:
    """Return what can be tuned, as "L3:M", in the network's order."""
    found = []
    for start, end in itertools.product(net.architecture.starts, net.architecture.ends):
        try:
            strategy.parse(f"P-{start}:{end}", net.architecture)
        except InputError:
            continue
        found.append(f"{start}:{end}")
    return found


def _share(net: Weights, plan: str) -> float:
    """Return which share of the network's stages runs in every step."""
    stages = net.architecture.stages
    since = strategy.parse(f"P-{plan}", net.architecture).since(net.architecture)
    return 1 - stages.index(since) / len(stages)


def speed() -> float:
    """Return how many FLOP/s a matrix product reaches here; takes a fraction of a second."""
    square = jnp.ones((_SIDE, _SIDE))
    product = jax.jit(lambda x: x @ x)
    product(square).block_until_ready()
    best_s = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        product(square).block_until_ready()
        best_s = min(best_s, time.perf_counter() - started)
    return 2 * _SIDE**3 / best_s
