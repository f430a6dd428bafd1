"""Measure two choices of the trainer: Muon or Adam; the examples of a batch one after the other or side by side.

    python scripts/training/compare.py --train POOL/train

Both optimizers start from the same weights, random by default, and see the same batches. Prints two tables.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax
import train
from first_weights import make_first_weights
from optimizer import CLIP, make_optimizer, make_schedule
from pool import iterate_batches, open_pool

from ugosa_jax import device
from ugosa_jax.errors import exit_status
from ugosa_jax.networks import convtasnet

TIMED_CALLS = 5
"""Number of timed calls; their median is printed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="pool of training songs")
    parser.add_argument("--start", help="weights to begin with, by name or file, in place of random ones")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of an example")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    args = parser.parse_args()
    device.cache_compiled_programs()
    songs = open_pool(args.train, train.MINI.S, train.MINI.C)
    n_samples = round(args.seconds * train.MINI.sample_rate_hz)
    data = partial(iterate_batches, songs, args.batch, n_samples, seed=2, start=0)
    # On the host, because both runs donate their parameters.
    params = jax.device_get(make_first_weights(train.MINI, args, songs, n_samples))
    print_batch_times(params, next(data()))
    print_optimizer_losses(params, data, args.steps, args.learning_rate)


def print_batch_times(params: convtasnet.Params, stems_WxSxCxT: np.ndarray) -> None:
    """Print the time of the loss and gradient of a batch, with its examples one after the other and side by side."""

    def loss(params, stems_WxSxCxT):
        return jax.vmap(partial(train.compute_rms_error, train.MINI, params))(stems_WxSxCxT).mean()

    print("| examples of a batch | median s |\n|---|---|")
    for name, f in (
        ("one after the other", partial(train.compute_mean_loss_and_gradient, train.MINI)),
        ("side by side", jax.value_and_grad(loss)),
    ):
        compiled = jax.jit(f).lower(params, stems_WxSxCxT).compile()
        times_s = [measure_seconds(compiled, params, stems_WxSxCxT) for _ in range(TIMED_CALLS)]
        print(f"| {name} | {np.median(times_s):.2f} |")


def measure_seconds(f, *arguments) -> float:
    """Return the time of a call in seconds."""
    began = time.perf_counter()
    jax.block_until_ready(f(*arguments))
    return time.perf_counter() - began


def print_optimizer_losses(params: convtasnet.Params, data, steps: int, learning_rate: float) -> None:
    """Print the mean loss of each quarter of a short run, for both optimizers."""
    adam = optax.adam(make_schedule(learning_rate, steps))
    optimizers = {
        "Adam": optax.chain(optax.clip_by_global_norm(CLIP), adam),
        "Muon": make_optimizer(learning_rate, steps),
    }
    print("\n| loss, mean of each quarter | 1 | 2 | 3 | 4 | steps |\n|---|---|---|---|---|---|")
    for name, optimizer in optimizers.items():
        step = jax.jit(partial(train.train_step, train.MINI, optimizer), donate_argnums=0)
        carry, losses = train.init_carry(params, optimizer), []
        for _, stems_WxSxCxT in zip(range(steps), data(), strict=False):
            carry, loss = step(carry, stems_WxSxCxT)
            losses.append(float(loss))
        quarters = " | ".join(f"{np.mean(part):.4f}" for part in np.array_split(losses, 4))
        print(f"| {name} | {quarters} | {steps} |", flush=True)


if __name__ == "__main__":
    raise SystemExit(exit_status(main))
