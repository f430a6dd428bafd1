"""A chain of small random networks."""

import dataclasses

from tests.helpers.networks import DUO, make_checkpoint
from ugosa_jax.weights import chain

TRIO = dataclasses.replace(DUO, sources=("drums", "voice", "bass"))


def make_chain():
    """Return a chain whose first network takes the voice, and the second drums and bass of the rest."""
    return chain.build_chain({"duo": make_checkpoint(DUO, seed=1), "trio": make_checkpoint(TRIO, seed=2)})
