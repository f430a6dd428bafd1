"""Small random networks that can stand in a chain."""

import dataclasses

from tests.helpers.networks import DUO, make_checkpoint
from ugosa_jax.weights import chain

TRIO = dataclasses.replace(DUO, sources=("drums", "voice", "bass"))


def make_chain():
    """Return a chain: the first network takes the voice, the second drums and bass of the rest."""
    return chain.join({"duo": make_checkpoint(DUO, seed=1), "trio": make_checkpoint(TRIO, seed=2)})
