"""Tests of `ugosa_jax.threads`."""

import time

import pytest

from ugosa_jax.threads import map_in_threads


def test_map_in_threads_keeps_the_order_of_the_arguments():
    def add(a, b):
        time.sleep(0.05 if a == 0 else 0)  # the first call ends last
        return a + b

    assert map_in_threads(add, [0, 1, 2], [10, 20, 30]) == [10, 21, 32]


def test_map_in_threads_raises_what_a_call_raises():
    def fail(_):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        map_in_threads(fail, [1, 2])
