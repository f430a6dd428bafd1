"""Weights: a network with its parameters, or several networks that work as one."""

import dataclasses
from collections.abc import Mapping

from ugosa_jax.networks.protocol import Params
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.checkpoint import Checkpoint

Weights = Checkpoint | Bag | Chain


def list_networks(weights: Weights) -> dict[str, Checkpoint]:
    """Return all single networks by name; the name of the network of a checkpoint is empty."""
    if isinstance(weights, Checkpoint):
        return {"": weights}
    found = {name: list_networks(member) for name, member in weights.members.items()}
    return {".".join(filter(None, (name, inner))): one for name, its in found.items() for inner, one in its.items()}


def with_params(weights: Weights, params: Params) -> Weights:
    """Return the same networks with other parameters, shaped as `weights.params`."""
    if isinstance(weights, Checkpoint):
        return dataclasses.replace(weights, params=params)
    members: Mapping = {name: with_params(of, params[name]) for name, of in weights.members.items()}
    return dataclasses.replace(weights, members=members)
