"""Operation counts: by hand, against the matrix products of the traced programs, and against XLA's own count."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Literal

from ugosa_jax.adaptation import loss, strategy
from ugosa_jax.bench import flops
from ugosa_jax.config import SeparateConfig
from ugosa_jax.networks import apply, convtasnet
from ugosa_jax.networks.convtasnet import ConvTasNet

TINY = ConvTasNet(N=6, L=4, B=5, H=7, X=2, R=3, sources=("voice", "rest"), sample_rate_hz=1000)
SMALL = ConvTasNet(N=48, L=20, B=64, H=128, X=2, R=4)
N_SAMPLES = 4420  # 441 frames of SMALL
STRATEGIES = [f"P-L{at}:{until}" for at in range(1, 6) for until in "DM3" if (at, until) not in
              ((4, "3"), (5, "3"), (5, "M"))]  # fmt: skip


def products(function, *arguments) -> int:
    """Return the operations of the matrix products that a function's traced program really needs."""
    traced = jax.make_jaxpr(function)(*arguments).jaxpr
    return needed_products(traced, variables(traced.outvars))


def needed_products(traced, needed: set) -> int:
    """Walk backwards from what is needed, so that gradients nobody asks for are not counted.

    Products of one vector, or of as many as there are taps, are left out, as `flops` says.
    """
    count = 0
    for equation in reversed(traced.eqns):
        if needed.isdisjoint(equation.outvars):
            continue
        needed |= variables(equation.invars)
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape, left = equation.outvars[0].aval.shape, equation.invars[0].aval.shape
            k = math.prod(left[axis] for axis in contracted)
            few = len(shape) < 2 or min(*shape, k) <= SMALL.P
            count += 0 if few else 2 * math.prod(shape) * k
        for inner in equation.params.values():
            if isinstance(inner, ClosedJaxpr):
                pairs = zip(inner.jaxpr.outvars, equation.outvars, strict=True)
                count += needed_products(inner.jaxpr, variables([inside for inside, out in pairs if out in needed]))
    return count


def variables(atoms) -> set:
    """Return what is not a constant."""
    return {atom for atom in atoms if not isinstance(atom, Literal)}


def objective_of(name):
    """Return the function that a step differentiates, and its arguments."""
    params, plan = SMALL.init(), strategy.parse(name, SMALL)
    tuned, frozen = strategy.split(params, strategy.labels(plan, params))
    mix_CxT, active_SxT = jnp.ones((2, N_SAMPLES)), jnp.ones((4, N_SAMPLES))
    hidden_KxB = jnp.ones((441, SMALL.B))

    def objective(tuned, frozen, hidden_KxB):
        net = convtasnet.bind(SMALL, strategy.merge(tuned, frozen))
        est_SxCxT = net.suffix(mix_CxT, hidden_KxB, plan.since(SMALL))
        return loss.total(loss.loss_terms(est_SxCxT, mix_CxT, active_SxT), 1.0)

    return plan, jax.value_and_grad(objective), (tuned, frozen, hidden_KxB)


def test_stages_by_hand():
    """1003 samples are 500 frames of 4 samples, 2 apart; two sources, two channels."""
    assert flops.stages(TINY, 1003) == {
        "encoder": 2 * 500 * 8 * 6,
        "bottleneck": 2 * 500 * 6 * 5,
        "repeat1": 2 * 2 * (2 * 500 * 5 * 7),
        "repeat2": 2 * 2 * (2 * 500 * 5 * 7),
        "repeat3": 2 * 2 * (2 * 500 * 5 * 7),
        "mask": 2 * 500 * 5 * 12,
        "decoder": 2 * 500 * 2 * 6 * 8,
    }


def test_a_step_by_hand():
    """P-L2:M tunes repeat3 and the mask: the first product's input needs no gradient, the decoder's weights neither."""
    one = 2 * 500 * 5 * 7
    passes = flops.suffix(TINY, strategy.parse("P-L2:M", TINY), 1003)
    assert passes.forward == {"encoder": 48_000, "repeat3": 4 * one, "mask": 60_000, "decoder": 96_000}
    assert passes.backward == {"encoder": 0, "repeat3": 7 * one, "mask": 120_000, "decoder": 96_000}
    assert flops.step(TINY, strategy.parse("P-L2:M", TINY), 1003, kept=False) - passes.total == (
        30_000 + 8 * one  # the bottleneck and two repeats; the encoder runs once for both halves
    )


def test_the_decoder_alone_needs_one_gradient():
    passes = flops.suffix(TINY, strategy.parse("P-L4:D", TINY), 1003)  # three repeats: L4 is the decoder
    assert passes.backward == {"encoder": 0, "mask": 0, "decoder": 96_000}


def test_forward_counts_the_products_of_the_network():
    params = jax.eval_shape(lambda: SMALL.init())
    counted = products(lambda params: convtasnet.bind(SMALL, params)(jnp.ones((2, N_SAMPLES))), params)
    # One product more than is counted: separating whole computes the encoder for the mask and again for the decoder.
    encoder = flops.stages(SMALL, N_SAMPLES)["encoder"]
    assert counted == flops.forward(SMALL, N_SAMPLES) + encoder


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_step_counts_the_products_of_the_traced_gradient(name):
    plan, gradient, arguments = objective_of(name)
    assert products(gradient, *arguments) == flops.step(SMALL, plan, N_SAMPLES)


@pytest.mark.parametrize("name", ["P-L1:D", "P-L3:M", "P-L5:D"])
def test_xla_counts_elementwise_work_beside_the_products(name):
    """XLA counts the products and all elementwise operations: some 80 for each of the H numbers of a frame in a block,
    forward, recomputed and backward, beside 12 B = 768 of the products. A product that is missed would be more.
    """
    plan, gradient, arguments = objective_of(name)
    counted = jax.jit(gradient).lower(*arguments).cost_analysis()["flops"]
    assert 1 < counted / flops.step(SMALL, plan, N_SAMPLES) < 1.12


def test_a_separation_counts_the_chunks_that_run(monkeypatch):
    settings, lengths = SeparateConfig(chunk_s=0.5, shifts=2), []

    def run(config, params, mix_CxT, n_frames):
        lengths.append(mix_CxT.shape[1])
        return np.zeros((2, *mix_CxT.shape))

    monkeypatch.setattr(apply, "_run", run)
    apply.separate(TINY, {}, np.ones((2, 1700), np.float32), settings)
    assert flops.separation(TINY, settings, 1700) == sum(flops.forward(TINY, n) for n in lengths)
