"""Weights: a network with its parameters, or a bag or a chain of several."""

import dataclasses
from collections.abc import Mapping

from ugosa_jax.networks.protocol import Params
from ugosa_jax.weights.bag import Bag
from ugosa_jax.weights.chain import Chain
from ugosa_jax.weights.checkpoint import Checkpoint

Weights = Checkpoint | Bag | Chain


def list_networks(weights: Weights) -> dict[str, Checkpoint]:
    """Return all single networks by name; a network that is not in a bag or chain has the name ""."""
    if isinstance(weights, Checkpoint):
        return {"": weights}
    found = {name: list_networks(member) for name, member in weights.members.items()}
    return {
        ".".join(filter(None, (name, inner))): one for name, inside in found.items() for inner, one in inside.items()
    }


def replace_params(weights: Weights, params: Params) -> Weights:
    """Return the same networks with other parameters, of the same structure as `weights.params`."""
    if isinstance(weights, Checkpoint):
        return dataclasses.replace(weights, params=params)
    members: Mapping = {name: replace_params(member, params[name]) for name, member in weights.members.items()}
    return dataclasses.replace(weights, members=members)
