"""ConvTasNet in numpy as in the reference: one convolution a layer, torch's layouts, nothing folded.

The oracle for `networks.convtasnet`; it takes tensors by their names in Demucs.
"""

import numpy as np
from scipy.special import softmax

from ugosa_jax.networks.convtasnet import ConvTasNet


def forward(state: dict, mix_CxT: np.ndarray, config: ConvTasNet) -> dict[str, np.ndarray]:
    """Return the output of every stage by its name, channels first as in torch."""
    network = "separator.network"
    w_NxK = relu(conv(mix_CxT, state["encoder.conv1d_U.weight"], stride=config.hop))
    out = {"encoder": w_NxK}
    h = channel_norm(w_NxK, state[f"{network}.0.gamma"][0], state[f"{network}.0.beta"][0])
    out["norm"] = h
    out["bottleneck"] = h = conv(h, state[f"{network}.1.weight"])
    for r in range(config.R):
        for x in range(config.X):
            h = h + block(state, f"{network}.2.{r}.{x}.net", h, config, 2**x)
        out[f"repeat{r + 1}"] = h
    score = conv(h, state[f"{network}.3.weight"]).reshape(config.S, config.N, -1)
    mask = softmax(score, axis=0) if config.mask == "softmax" else relu(score)
    out["mask"] = mask
    frames = np.einsum("snk,fn->skf", mask * w_NxK, state["decoder.basis_signals.weight"])
    frames = frames.reshape(config.S, -1, config.C, config.L).swapaxes(1, 2)
    out["decoder"] = overlap_add(frames, config.hop, mix_CxT.shape[1])
    return out


def block(state: dict, name: str, h: np.ndarray, config: ConvTasNet, dilation: int) -> np.ndarray:
    after = 1 if config.causal else 0  # a causal block has one more layer, which cuts the future off
    h = prelu(conv(h, state[f"{name}.0.weight"]), state[f"{name}.1.weight"])
    h = norm(state, f"{name}.2", h, config)
    past = (config.P - 1) * dilation
    padding = (past, 0) if config.causal else (past // 2, past // 2)
    h = conv(h, state[f"{name}.3.net.0.weight"], dilation=dilation, padding=padding, depthwise=True)
    h = prelu(h, state[f"{name}.3.net.{1 + after}.weight"])
    h = norm(state, f"{name}.3.net.{2 + after}", h, config)
    return conv(h, state[f"{name}.3.net.{3 + after}.weight"])


def conv(x_IxT, kernel_OxIxP, stride=1, dilation=1, padding=(0, 0), depthwise=False):
    """Cross-correlation, as torch's Conv1d computes it."""
    x_IxT = np.pad(x_IxT, ((0, 0), padding))
    P = kernel_OxIxP.shape[2]
    starts_K = np.arange(0, x_IxT.shape[1] - (P - 1) * dilation, stride)
    pieces_IxKxP = x_IxT[:, starts_K[:, None] + dilation * np.arange(P)]
    return np.einsum("ikp,iup->ik" if depthwise else "ikp,oip->ok", pieces_IxKxP, kernel_OxIxP)


def relu(x):
    return np.maximum(x, 0)


def prelu(x, slope):
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


def norm(state, name, x, config):
    if config.norm == "id":
        return x
    if config.norm == "BN":
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        x = (x - mean[:, None]) / np.sqrt(var[:, None] + 1e-5)
        return x * state[f"{name}.weight"][:, None] + state[f"{name}.bias"][:, None]
    gamma, beta = state[f"{name}.gamma"][0], state[f"{name}.beta"][0]
    return channel_norm(x, gamma, beta) if config.norm == "cLN" else global_norm(x, gamma, beta)


def global_norm(x, gamma, beta):
    mean = x.mean()
    return gamma * (x - mean) / np.sqrt(((x - mean) ** 2).mean() + 1e-8) + beta


def channel_norm(x, gamma, beta):
    mean = x.mean(0)
    return gamma * (x - mean) / np.sqrt(((x - mean) ** 2).mean(0) + 1e-8) + beta


def overlap_add(frames_SxCxKxL, hop, n_samples):
    S, C, K, L = frames_SxCxKxL.shape
    out = np.zeros((S, C, n_samples))
    for k in range(K):
        out[..., k * hop : k * hop + L] += frames_SxCxKxL[..., k, :]
    return out
