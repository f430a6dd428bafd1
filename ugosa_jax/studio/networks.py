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
from ugosa_jax.networks.protocol import Architecture
from ugosa_jax.weights import hub
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.weights import Weights, list_networks

_SIDE = 1024


def described() -> dict[str, Any]:
    """Return all networks that need no download, the device, and its speed; nothing is traced, so it is quick."""
    found = []
    for name in [*(item.name for item in hub.list_weights() if item.path is not None), *hub.list_available_chains()]:
        try:
            found.append(_described(name, hub.load_network(name)))
        except InputError as error:
            found.append({"name": name, "error": str(error)})
    return {"networks": found, "device": device.describe(), "flops_per_s": speed()}


def _described(name: str, net: Weights) -> dict[str, Any]:
    parts = net.members.values() if isinstance(net, Chain) else [net]
    shares = {plan: share for part in parts for plan, share in _shares(part.architecture).items()}
    last = [*parts][-1].architecture
    return {
        "name": name,
        "sources": list(net.sources),
        "fingerprint": net.fingerprint[:16],
        "default_strategy": last.default_strategy,
        "segment_s": last.segment_s,
        "strategies": [*shares],
        "shares": shares,
        "members": len(list_networks(net)),
    }


def forward_flops(name: str) -> float | None:
    """Return the operations that a network needs for a second of sound, of several the mean; None if it is unreadable.

    To count them each is traced, which takes seconds for a large one: so this is asked for the chosen one only.
    """
    try:
        every = [one.architecture for one in list_networks(hub.load_network(name)).values()]
    except InputError:
        return None
    flops_per_s = {it: flops.forward(it, n) * it.sample_rate_hz / n for it in every for n in [_seen_at_once(it)]}
    return sum(flops_per_s[it] for it in every) / len(every)


def _seen_at_once(net: Architecture) -> int:
    return net.segment_samples or net.sample_rate_hz


def _shares(net: Architecture) -> dict[str, float]:
    """Return what can be tuned, as "L3:M", in the network's order, and the share of its stages that every step runs."""
    found = {}
    for start, end in itertools.product(net.starts, net.ends):
        try:
            since = strategy.parse(f"P-{start}:{end}", net).since(net)
        except InputError:
            continue
        found[f"{start}:{end}"] = 1 - net.stages.index(since) / len(net.stages)
    return found


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
