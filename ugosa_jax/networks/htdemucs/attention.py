"""Attention, one head and one block of queries at a time, so that its weights stay in the processor's cache."""

import jax
import jax.numpy as jnp

BLOCK = 128
"""Number of queries whose weights are computed together. Blocks of 128 to 700 were equally fast on a CPU."""


@jax.custom_vjp
def attention(q_HxNxd: jax.Array, k_HxMxd: jax.Array, v_HxMxd: jax.Array) -> jax.Array:
    """Return softmax(q kᵀ / √d) v of every head. The backward pass computes the weights again."""
    return _forward(q_HxNxd, k_HxMxd, v_HxMxd)[0]


def _forward(q_HxNxd, k_HxMxd, v_HxMxd):
    """Return y and the residuals for the backward pass.

    The attention weights are not among them, only the logarithm of each query's normalising sum.
    """

    def head(args):
        q_Nxd, k_Mxd, v_Mxd = args
        k_dxM = k_Mxd.T * k_Mxd.shape[1] ** -0.5

        def block(q_nxd):
            s_nxM = q_nxd @ k_dxM
            largest_nx1 = s_nxM.max(1, keepdims=True)
            p_nxM = jnp.exp(s_nxM - largest_nx1)
            sum_nx1 = p_nxM.sum(1, keepdims=True)
            return (p_nxM @ v_Mxd) / sum_nx1, (largest_nx1 + jnp.log(sum_nx1))[:, 0]

        y_Bxnxd, log_sum_Bxn = jax.lax.map(block, _split_blocks(q_Nxd))
        return _join_blocks(y_Bxnxd, len(q_Nxd)), _join_blocks(log_sum_Bxn, len(q_Nxd))

    y_HxNxd, log_sum_HxN = jax.lax.map(head, (q_HxNxd, k_HxMxd, v_HxMxd))
    return y_HxNxd, (q_HxNxd, k_HxMxd, v_HxMxd, y_HxNxd, log_sum_HxN)


def _backward(kept, dy_HxNxd):
    """Return the gradients of q, k and v.

    With p = softmax(s), y = p v: dv = pᵀ dy, ds = p ∘ (dp − Σ_m p dp), where dp = dy vᵀ and Σ_m p dp = y · dy.
    All large arrays have the axes keys × queries, so that no matrix product has to transpose one.
    """

    def head(args):
        q_Nxd, k_Mxd, v_Mxd, y_Nxd, log_sum_N, dy_Nxd = args
        q_Nxd = q_Nxd * q_Nxd.shape[1] ** -0.5
        k_dxM = k_Mxd.T

        def block(sums, queries):
            dk_Mxd, dv_Mxd = sums
            q_nxd, log_sum_n, along_n, dy_nxd = queries
            p_Mxn = jnp.exp(k_Mxd @ q_nxd.T - log_sum_n)
            ds_Mxn = p_Mxn * (v_Mxd @ dy_nxd.T - along_n)
            return (dk_Mxd + ds_Mxn @ q_nxd, dv_Mxd + p_Mxn @ dy_nxd), (k_dxM @ ds_Mxn).T

        queries = (q_Nxd, log_sum_N, (y_Nxd * dy_Nxd).sum(1), dy_Nxd)
        none = jnp.zeros_like(k_Mxd), jnp.zeros_like(v_Mxd)
        (dk_Mxd, dv_Mxd), dq_Bxnxd = jax.lax.scan(block, none, jax.tree.map(_split_blocks, queries))
        return _join_blocks(dq_Bxnxd, len(q_Nxd)) * q_Nxd.shape[1] ** -0.5, dk_Mxd, dv_Mxd

    return jax.lax.map(head, (*kept, dy_HxNxd))


attention.defvjp(_forward, _backward)


def _split_blocks(x_N: jax.Array) -> jax.Array:
    """Return blocks of equal numbers of queries along a new first axis, the last one padded with zeros."""
    n_blocks = -(-len(x_N) // BLOCK)
    n = -(-len(x_N) // n_blocks)
    padded = jnp.pad(x_N, ((0, n_blocks * n - len(x_N)), *((0, 0),) * (x_N.ndim - 1)))
    return padded.reshape(n_blocks, n, *x_N.shape[1:])


def _join_blocks(x_Bxn: jax.Array, N: int) -> jax.Array:
    """Return the N queries of all blocks; the inverse of `_split_blocks`."""
    return x_Bxn.reshape(-1, *x_Bxn.shape[2:])[:N]


def split_heads(x_NxD: jax.Array, heads: int) -> jax.Array:
    """Return x_HxNxd with D = H · d."""
    N, D = x_NxD.shape
    return x_NxD.reshape(N, heads, D // heads).swapaxes(0, 1)


def join_heads(x_HxNxd: jax.Array) -> jax.Array:
    """Return x_NxD; the inverse of `split_heads`."""
    H, N, d = x_HxNxd.shape
    return x_HxNxd.swapaxes(0, 1).reshape(N, H * d)
