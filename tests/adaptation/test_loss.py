"""The loss of eq. (1) equals closed forms by hand, and the terms of the reference."""

import chex
import jax
import numpy as np

from ugosa_jax.adaptation import loss


class LossTermsTest(chex.TestCase):
    """Each test runs with and without tracing."""

    @chex.variants(with_jit=True, without_jit=True)
    def test_loss_terms_of_two_sources_by_hand(self):
        est_SxCxT = np.array([[[1.0, 2.0]], [[3.0, -4.0]]])
        mix_CxT = np.array([[2.0, 1.0]])
        active_SxT = np.array([[1, 1], [1, 0]])
        terms = self.variant(loss.compute_loss_terms)(est_SxCxT, mix_CxT, active_SxT)
        assert terms.reconstruction == (abs(1 + 3 - 2) + abs(2 + 0 - 1)) / 2
        assert terms.activation == (0 + 4) / 2
        assert self.variant(loss.compute_total)(terms, 10.0) == 1.5 + 10 * 2


def test_loss_with_all_sources_active_and_lambda_zero_is_the_baseline():
    random = np.random.default_rng(0)
    est_SxCxT, mix_CxT = random.standard_normal((4, 2, 50)), random.standard_normal((2, 50))
    terms = loss.compute_loss_terms(est_SxCxT, mix_CxT, np.ones((4, 50), bool))
    np.testing.assert_allclose(loss.compute_total(terms, 0.0), np.abs(est_SxCxT.sum(0) - mix_CxT).mean(), rtol=1e-6)
    assert terms.activation == 0


def test_loss_terms_equal_those_of_the_reference(config, params64, golden):
    z, mix_CxT = golden("loss_and_gradients"), golden("forward")["mix"][0].astype(np.float64)
    with jax.enable_x64(True):
        est_SxCxT = jax.jit(config)(params64, mix_CxT)
        terms = loss.compute_loss_terms(est_SxCxT, mix_CxT, z["activations"])
        total = loss.compute_total(terms, float(z["gamma"]) / 4)
        baseline = loss.compute_loss_terms(est_SxCxT, mix_CxT, np.ones_like(z["activations"]))
    exact = golden("float64")
    np.testing.assert_allclose(terms.reconstruction, exact["reconstruction"], rtol=1e-12)
    # The code averages over the four sources as well, so its term is a quarter of the paper's.
    np.testing.assert_allclose(np.asarray(terms.activation) / 4, exact["activation"], rtol=1e-12)
    np.testing.assert_allclose(total, exact["loss"], rtol=1e-12)
    np.testing.assert_allclose(baseline.reconstruction, z["Lmix/loss"], rtol=1e-6)  # stored in float32


def test_remix_terms_by_hand():
    """Errors of (0, 2) and (3, 3) have RMS √2 and 3; without error, the gradient is finite."""
    stems_SxCxT = np.array([[[1.0, 2.0]], [[3.0, -4.0]]])
    est_SxCxT = stems_SxCxT + np.array([[[0.0, 2.0]], [[3.0, 3.0]]])
    terms = loss.compute_remix_terms(est_SxCxT, stems_SxCxT)
    np.testing.assert_allclose(terms.reconstruction, (2**0.5 + 3) / 2, rtol=1e-6)
    assert loss.compute_total(terms, 10.0) == terms.reconstruction
    slope = jax.grad(lambda est: loss.compute_remix_terms(est, stems_SxCxT).reconstruction)(stems_SxCxT)
    assert not np.asarray(slope).any()
