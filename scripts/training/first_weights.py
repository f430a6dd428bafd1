"""The weights that training starts from: random ones, or those of a network with the same sources and others.

S sources, N filters, B bottleneck channels, M = S·N values of all masks, W examples, C channels, T samples
"""

import argparse
import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pool import iterate_batches

from ugosa_jax.errors import InputError
from ugosa_jax.networks import convtasnet
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import hub
from ugosa_jax.weights.checkpoint import Checkpoint
from ugosa_jax.weights.weights import Weights

AUTOENCODER_STEPS = 250


def make_first_weights(
    net: ConvTasNet, args: argparse.Namespace, songs: Sequence[np.ndarray], n_samples: int
) -> convtasnet.Params:
    """Return the weights of --start, or new ones, with which the estimate of each source is 1/S of the mixture.

    With random weights, ReLU masks would soon become zero, which is the best guess at first, and never recover.
    Encoder and decoder are therefore first trained as an autoencoder, and the masks begin near 1/S.
    """
    if args.start:
        return select_masks(net, hub.load_network(args.start))
    params = set_masks(jax.tree.map(np.asarray, net.init()), 1 / net.S)
    ends = {stage: params[stage] for stage in ("encoder", "decoder")}
    adam = optax.adam(1e-3)
    state = adam.init(ends)

    def error(ends, mix_WxCxT):
        bound = convtasnet.bind(net, {**params, **ends})
        decode = lambda mix_CxT: bound.decoder(bound.encoder(mix_CxT)[None], mix_CxT.shape[1])[0]  # noqa: E731
        return jnp.abs(jax.vmap(decode)(mix_WxCxT) - mix_WxCxT).mean()

    @jax.jit
    def fit(ends, state, mix_WxCxT):
        loss, gradient = jax.value_and_grad(error)(ends, mix_WxCxT)
        updates, state = adam.update(gradient, state)
        return optax.apply_updates(ends, updates), state, loss

    data = iterate_batches(songs, args.batch, n_samples, seed=0, start=0)
    for i in range(AUTOENCODER_STEPS):
        ends, state, loss = fit(ends, state, next(data).sum(1))
        if i % 50 == 49:
            print(f"encoder and decoder, step {i + 1}: error {float(loss):.4f}", flush=True)
    return {**params, **ends}


def select_masks(net: ConvTasNet, start: Weights) -> convtasnet.Params:
    """Return the parameters of `start` with the masks of the sources of `net`.

    Raises:
      InputError: `start` has another architecture, or lacks a source.
    """
    own = start.sources
    fits = set(net.sources) <= set(own)
    if not (fits and isinstance(start, Checkpoint) and start.architecture == dataclasses.replace(net, sources=own)):
        raise InputError(f"--start {start.name}: another architecture than {net}")
    masks_BxSxN = np.asarray(start.params["mask"]["kernel"]).reshape(net.B, len(own), net.N)
    chosen = [own.index(source) for source in net.sources]
    return {**start.params, "mask": {"kernel": masks_BxSxN[:, chosen].reshape(net.B, -1)}}


def set_masks(params: convtasnet.Params, value: float) -> convtasnet.Params:
    """Return parameters whose masks are about `value` everywhere.

    The network has no biases. A beta of ones in the first norm gives every hidden vector a constant component c, and a
    component of the mask's kernel along c then acts as a bias.
    """
    beta_N = np.ones_like(params["norm"]["beta"])
    c_B = beta_N @ params["bottleneck"]["kernel"]
    mask_BxM = 0.1 * params["mask"]["kernel"] + value * (c_B / (c_B @ c_B))[:, None]
    norm = {**params["norm"], "beta": beta_N}
    return {**params, "norm": norm, "mask": {"kernel": mask_BxM.astype(np.float32)}}
