"""Counts of operations equal those by hand, and nearly those of XLA."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ugosa_jax.adaptation import loss, strategy
from ugosa_jax.bench import flops
from ugosa_jax.config import SeparateConfig
from ugosa_jax.networks import tree
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.separation import chunks

TINY = ConvTasNet(N=6, L=4, B=5, H=7, X=2, R=3, sources=("voice", "rest"), sample_rate_hz=1000)
SMALL = ConvTasNet(N=48, L=20, B=64, H=128, X=2, R=4)
N_SAMPLES = 4420  # 441 frames of SMALL


def make_objective(name):
    """Return strategy, loss with its gradient, and their arguments."""
    params, plan = SMALL.init(), strategy.parse(name, SMALL)
    tuned, frozen = tree.split(params, strategy.label_params(plan, params))
    mix_CxT, active_SxT = jnp.ones((2, N_SAMPLES)), jnp.ones((4, N_SAMPLES))
    hidden_KxB = jnp.ones((441, SMALL.B))

    def objective(tuned, frozen, hidden_KxB):
        params = tree.merge(tuned, frozen)
        est_SxCxT = SMALL.suffix(params, mix_CxT, hidden_KxB, plan.find_cut(SMALL))
        return loss.compute_total(loss.compute_loss_terms(est_SxCxT, mix_CxT, active_SxT), 1.0)

    return plan, jax.value_and_grad(objective), (tuned, frozen, hidden_KxB)


ONE = 2 * 500 * 5 * 7
"""Operations of one matrix product in a block of TINY: 1003 samples give 500 frames of 4 samples with a hop of 2."""
ENCODER, BOTTLENECK, MASK, DECODER = 2 * 500 * 8 * 6, 2 * 500 * 6 * 5, 2 * 500 * 5 * 12, 2 * 500 * 2 * 6 * 8
"""Operations of the other layers, for two sources and two channels."""


def test_count_prefix_and_forward_by_hand():
    before = [flops.count_prefix(TINY, cut, 1003) for cut in TINY.cuts]
    assert before == [ENCODER + BOTTLENECK + 4 * r * ONE for r in range(4)]
    # A forward pass computes the encoder for the mask and again for the decoder.
    assert flops.count_forward(TINY, 1003) == before[-1] + MASK + ENCODER + DECODER


def test_count_step_by_hand():
    """P-L2:M tunes repeat3 and the mask: the first input and the decoder's weights need no gradient."""
    plan = strategy.parse("P-L2:M", TINY)
    forward, backward = ENCODER + 4 * ONE + MASK + DECODER, 7 * ONE + 2 * MASK + DECODER
    assert flops.count_step(TINY, plan, 1003) == forward + backward
    assert flops.count_step(TINY, plan, 1003, is_stored=False) == forward + backward + flops.count_prefix(
        TINY, "repeat3", 1003
    )


def test_count_step_of_the_decoder_has_one_gradient():
    plan = strategy.parse("P-L4:D", TINY)  # three repeats: L4 is the decoder
    assert flops.count_step(TINY, plan, 1003) == ENCODER + MASK + 2 * DECODER


def test_count_flops_of_loops_and_convolutions():
    x_BxCxT, kernel = jnp.ones((1, 4, 50)), jnp.ones((6, 4, 5))
    assert flops.count_flops(lambda x, k: jax.lax.conv(x, k, (1,), "SAME"), x_BxCxT, kernel) == 2 * 50 * 6 * 4 * 5
    squares = jnp.ones((7, 8, 8))
    assert flops.count_flops(lambda x: jax.lax.map(lambda a: a @ a, x), squares) == 7 * 2 * 8**3


@pytest.mark.parametrize(
    "name", ["P-L3:M", *(pytest.param(name, marks=pytest.mark.slow) for name in ("P-L1:D", "P-L5:D"))]
)
def test_count_step_equals_the_count_of_xla_without_elementwise_operations(name):
    """XLA also counts elementwise operations, which add less than 12 %; a missed product would add more.

    For each of the H values of a frame in a block, some 80 are elementwise (forward, recomputed and backward), and
    12 B = 768 belong to the products.
    """
    plan, gradient, arguments = make_objective(name)
    counted = jax.jit(gradient).lower(*arguments).cost_analysis()["flops"]
    assert 1 < counted / flops.count_step(SMALL, plan, N_SAMPLES) < 1.12


def test_count_separation_counts_the_chunks_that_run(monkeypatch):
    settings, lengths = SeparateConfig(chunk_s=0.5, shifts=2), []

    def run(config, params, mix_CxT, n_frames):
        lengths.append(mix_CxT.shape[1])
        return np.zeros((2, *mix_CxT.shape))

    monkeypatch.setattr(chunks, "estimate", run)
    chunks.separate(TINY, {}, np.ones((2, 1700), np.float32), settings)
    assert flops.count_separation(TINY, settings, 1700) == sum(flops.count_forward(TINY, n) for n in lengths)


def test_count_forward_traces_a_network_once_for_each_length(monkeypatch):
    net, traced = ConvTasNet(N=6, L=4, B=5, H=7, X=1, R=1, sources=("a", "b")), []
    monkeypatch.setattr(flops, "count_flops", lambda *arguments: traced.append(arguments) or len(traced))
    assert [flops.count_forward(net, n) for n in (1003, 1003, 2003, 1003)] == [1, 1, 2, 1]
