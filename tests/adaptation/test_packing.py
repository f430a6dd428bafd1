"""Tests of `ugosa_jax.adaptation.packing`."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ugosa_jax.adaptation.packing import pack, unpack

PARAMS = {"b": {"kernel": np.arange(6.0).reshape(2, 3)}, "a": {"bias": np.array([7.0, 8.0]), "slope": np.array(9.0)}}


def test_packed_parameters_are_one_vector_and_unpack_to_the_same_tree():
    packed = pack(PARAMS)
    assert packed.numbers.shape == (9,)
    chex.assert_trees_all_equal(unpack(packed), jax.tree.map(jnp.asarray, PARAMS))
    chex.assert_trees_all_equal(unpack(jax.device_get(packed)), jax.tree.map(jnp.asarray, PARAMS))


def test_packed_trees_of_different_insertion_order_have_the_same_layout():
    """A gradient's tree has its keys sorted, parameters have them in the order of their file."""
    other = {"a": PARAMS["a"], "b": PARAMS["b"]}
    chex.assert_trees_all_equal(pack(PARAMS), pack(other))
