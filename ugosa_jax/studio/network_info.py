"""Descriptions of the available networks for the page. Needs JAX."""

import collections
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


def describe_networks() -> dict[str, Any]:
    """Return descriptions of all networks that need no download, the best of them, and the device, without tracing."""
    networks = []
    for name in [*(item.name for item in hub.list_weights() if item.path is not None), *hub.list_available_chains()]:
        try:
            networks.append(_describe(name, hub.load_network(name)))
        except InputError as error:
            networks.append({"name": name, "error": str(error)})
    return {
        "networks": networks,
        "best": hub.choose_best().name,
        "device": device.describe(),
        "flops_per_s": measure_flops_per_s(),
    }


def _describe(name: str, net: Weights) -> dict[str, Any]:
    parts = [*net.members.values()] if isinstance(net, Chain) else [net]
    shares, tuned = {}, collections.Counter()
    for part in parts:
        own = _list_shares(part.architecture)
        shares |= own
        tuned.update(dict.fromkeys(own, len(list_networks(part))))
    last = parts[-1].architecture
    return {
        "name": name,
        "sources": list(net.sources),
        "fingerprint": net.fingerprint[:16],
        "default_strategy": last.default_strategy,
        "segment_s": last.segment_s,
        "strategies": [*shares],
        "shares": shares,
        "members": len(list_networks(net)),
        "tuned": dict(tuned),
    }


def count_forward_flops(name: str) -> float | None:
    """Return the operations per second of sound, averaged over the members of a bag; None if a file is unreadable.

    Each network is traced, which takes seconds for large ones.
    """
    try:
        every = [one.architecture for one in list_networks(hub.load_network(name)).values()]
    except InputError:
        return None
    flops_per_s = {it: flops.count_forward(it, n) * it.sample_rate_hz / n for it in every for n in [_input_samples(it)]}
    return sum(flops_per_s[it] for it in every) / len(every)


def _input_samples(net: Architecture) -> int:
    return net.segment_samples or net.sample_rate_hz


def _list_shares(net: Architecture) -> dict[str, float]:
    """Return the share of all stages that a step runs, for each choice of tuned stages, such as "L3:M"."""
    shares = {}
    for start, end in itertools.product(net.starts, net.ends):
        try:
            cut = strategy.parse(f"P-{start}:{end}", net).find_cut(net)
        except InputError:
            continue
        shares[f"{start}:{end}"] = 1 - net.stages.index(cut) / len(net.stages)
    return shares


def measure_flops_per_s() -> float:
    """Return the FLOP/s of a matrix product on this device, measured in a fraction of a second."""
    square = jnp.ones((_SIDE, _SIDE))
    product = jax.jit(lambda x: x @ x)
    product(square).block_until_ready()
    best_s = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        product(square).block_until_ready()
        best_s = min(best_s, time.perf_counter() - started)
    return 2 * _SIDE**3 / best_s
