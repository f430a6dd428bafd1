"""Small random networks that can stand in a chain."""

import dataclasses

from tests.helpers.networks import DUO, made
from ugosa_jax.weights import chain

TRIO = dataclasses.replace(DUO, sources=("drums", "voice", "bass"))


def make_chain():
    """Return a chain: the first network takes the voice, the second drums and bass of the rest."""
    return chain.build_chain({"duo": made(DUO, seed=1), "trio": made(TRIO, seed=2)})
