"""Ranger: parity with trajectories of the reference, and with optax where both agree."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ugosa_jax.adaptation import ranger

OURS = {  # torch layout → ours: reversed, without axes of length one
    "conv1x1": lambda v: v[:, :, 0].T,
    "depthwise": lambda v: v[:, 0].T,
    "gamma": lambda v: v[0, :, 0],
    "linear": lambda v: v.T,
    "prelu": lambda v: v[0],
}


@pytest.mark.parametrize("kind", ["gc", "nogc"])
def test_ranger_follows_the_trajectory_of_the_reference(golden, kind):
    z = golden("ranger")
    tensors = lambda prefix: {name: ours(z[f"{prefix}/{name}"]) for name, ours in OURS.items()}  # noqa: E731
    optimizer = ranger.ranger(1e-2, centralise=kind == "gc")
    weights = optax.LookaheadParams.init_synced(jax.tree.map(jnp.asarray, tensors("init")))
    state, update = optimizer.init(weights), jax.jit(optimizer.update)
    for step in range(1, 31):
        updates, state = update(tensors(f"grad{step}"), state, weights)
        weights = optax.apply_updates(weights, updates)
        expected = tensors(f"{kind}/step{step}")
        for name in OURS:
            # Weights are of order 1, so half a microunit is a few roundings of float32; a step moves 1e-2.
            np.testing.assert_allclose(weights.fast[name], expected[name], rtol=0, atol=5e-7, err_msg=f"{step} {name}")


def test_compute_step_sizes_follows_the_definition():
    sizes, rectified = ranger.compute_step_sizes(0.95, 0.999, 5.0)
    assert not rectified[:5].any()
    assert rectified[5:].all()
    np.testing.assert_allclose(sizes[:2], [1 / 0.05, 1 / (1 - 0.95**2)], rtol=1e-12)
    t, rho_inf = 100, 1999.0
    rho = rho_inf - 2 * t * 0.999**t / (1 - 0.999**t)
    r = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
    np.testing.assert_allclose(sizes[t - 1], r * (1 - 0.999**t) ** 0.5 / (1 - 0.95**t), rtol=1e-9)


def test_the_table_of_step_sizes_ends_at_its_limit():
    sizes, _ = ranger.compute_step_sizes(0.95, 0.999, 5.0)
    assert abs(sizes[-1] - 1) < 1e-5
    assert sizes[-1] == pytest.approx(sizes[-2], abs=1e-9)


def test_ranger_equals_optax_for_large_gradients():
    """With negligible eps, the two differ only in centralisation (in single precision, optax's rectification, a
    small difference of large numbers, is 1 % off in the first steps)."""
    with jax.enable_x64(True):
        gradient = {"w": jnp.asarray([[3.0, -20.0], [5.0, 7.0]])}
        ours, theirs = (
            ranger.ranger_without_lookahead(0.1, centralise=False),
            optax.radam(0.1, b1=0.95, b2=0.999, eps=1e-9),
        )
        state, other = ours.init(gradient), theirs.init(gradient)
        update, update_theirs = jax.jit(ours.update), jax.jit(theirs.update)
        for _ in range(40):
            updates, state = update(gradient, state)
            expected, other = update_theirs(gradient, other)
            np.testing.assert_allclose(updates["w"], expected["w"], rtol=1e-4)


def test_centralise_gradients_by_hand():
    gradients = {
        "kernel": jnp.asarray([[1.0, 10.0], [3.0, 30.0]]),
        "encoder": jnp.arange(8.0).reshape(2, 2, 2),
        "gamma": jnp.asarray([1.0, 2.0, 6.0]),
        "slope": jnp.asarray(7.0),
    }
    optimizer = ranger.centralise_gradients()
    centred, _ = optimizer.update(gradients, optimizer.init(gradients))
    np.testing.assert_array_equal(centred["kernel"], [[-1, -10], [1, 10]])
    np.testing.assert_array_equal(centred["encoder"].sum((0, 1)), [0, 0])
    np.testing.assert_array_equal(centred["gamma"], [-2, -1, 3])
    assert centred["slope"] == 7
