"""Attention, one head at a time: the weights of a head are the largest array there is, so never two of them."""

import jax


@jax.custom_vjp
def attention(q_HxNxd: jax.Array, k_HxMxd: jax.Array, v_HxMxd: jax.Array) -> jax.Array:
    """Return softmax(q kᵀ / √d) v of every head. The backward pass computes the weights again."""
    return jax.lax.map(lambda head: _head(*head), (q_HxNxd, k_HxMxd, v_HxMxd))


def _head(q_Nxd: jax.Array, k_Mxd: jax.Array, v_Mxd: jax.Array) -> jax.Array:
    return _weights(q_Nxd, k_Mxd) @ v_Mxd


def _weights(q_Nxd: jax.Array, k_Mxd: jax.Array) -> jax.Array:
    return jax.nn.softmax((q_Nxd * q_Nxd.shape[1] ** -0.5) @ k_Mxd.T)


def _forward(q, k, v):
    return attention(q, k, v), (q, k, v)


def _backward(kept, cotangent_HxNxd):
    """With p = softmax(s), y = p v: dv = pᵀ dy, ds = p ∘ (dp − Σ_m p dp), where dp = dy vᵀ and Σ_m p dp = y · dy."""

    def head(args):
        q_Nxd, k_Mxd, v_Mxd, dy_Nxd = args
        scale = q_Nxd.shape[1] ** -0.5
        p_NxM = _weights(q_Nxd, k_Mxd)
        along_Nx1 = ((p_NxM @ v_Mxd) * dy_Nxd).sum(1, keepdims=True)
        ds_NxM = p_NxM * (dy_Nxd @ v_Mxd.T - along_Nx1) * scale
        return ds_NxM @ k_Mxd, ds_NxM.T @ q_Nxd, p_NxM.T @ dy_Nxd

    return jax.lax.map(head, (*kept, cotangent_HxNxd))


attention.defvjp(_forward, _backward)


def split_heads(x_NxD: jax.Array, heads: int) -> jax.Array:
    """Return x_HxNxd with D = H · d."""
    N, D = x_NxD.shape
    return x_NxD.reshape(N, heads, D // heads).swapaxes(0, 1)


def joined_heads(x_HxNxd: jax.Array) -> jax.Array:
    """Return x_NxD; the inverse of `split_heads`."""
    H, N, d = x_HxNxd.shape
    return x_HxNxd.swapaxes(0, 1).reshape(N, H * d)
