"""Train a separation network from scratch on a pool of songs with stems.

    python scripts/training/train.py --train POOL/train --valid POOL/valid --run runs/mini

The folder of the run holds checkpoints, from which the same command continues after an interruption; log.jsonl with a
line for each evaluation; and best.safetensors, the averaged weights with the best validation score. See README.md in
this folder.
"""

import argparse
import dataclasses
import json
import sys
import time
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import jax
import jax.numpy as jnp
import numpy as np
import optax
from first_weights import make_first_weights
from optimizer import make_optimizer
from pool import iterate_batches, open_pool, require_scorable

from ugosa_jax import device, files
from ugosa_jax.config import SeparateConfig
from ugosa_jax.data import standardisation
from ugosa_jax.errors import InputError, exit_status
from ugosa_jax.evaluation import levels
from ugosa_jax.networks import convtasnet
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.separation import chunks
from ugosa_jax.weights import checkpoint

MINI = ConvTasNet(N=384, L=160, B=128, H=256, P=3, X=6, R=4)
"""The architecture of `mini`, 2.1 M parameters. Its filters are long, so that there are few frames and training takes
hours on two cores."""
EMA = 0.999
SILENT_DB = 0.02
"""A source counts as silent if its SDR differs by less than this from 0 dB, the SDR of silence."""
LOWER = "lower --learning-rate and continue from the last checkpoint, which is finite"
SECONDS = (0.1, 60.0)
"""Smallest and largest length of an example."""


def run_program() -> int:
    """Train; return 0 after success, 1 if training fails, 2 after invalid input, 130 after Ctrl-C."""
    try:
        return exit_status(main)
    except OSError as error:  # a folder that cannot be written, a full disk
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command continues from the last evaluation", file=sys.stderr)
        return 130


def main() -> None:
    args = parse_arguments()
    device.cache_compiled_programs()
    net = dataclasses.replace(MINI, sources=tuple(args.sources))
    train_songs, valid_songs = (open_pool(folder, MINI.S, MINI.C) for folder in (args.train, args.valid))
    n_samples = round(args.seconds * MINI.sample_rate_hz)
    require_scorable(args.valid, valid_songs, n_samples)
    args.run.mkdir(parents=True, exist_ok=True)
    optimizer = make_optimizer(args.learning_rate, args.steps)
    carry = load_checkpoint(net, args.run)
    if carry is None:
        carry = init_carry(make_first_weights(net, args, train_songs, n_samples), optimizer)
    data = iterate_batches(train_songs, args.batch, n_samples, seed=1, start=int(carry["step"]))
    step = jax.jit(partial(train_step, net, optimizer), donate_argnums=0)
    best = read_best_score(args.run)
    started = time.monotonic()
    losses = []
    for done in range(int(carry["step"]) + 1, args.steps + 1):
        carry, loss = step(carry, next(data))
        losses.append(float(loss))
        require_finite(losses[-1], done)
        if done % args.every == 0 or done == args.steps:
            sdr = evaluate(net, carry["ema"], valid_songs)
            require_sound(net, sdr, done)
            log_evaluation(net, args.run, done, losses, sdr, time.monotonic() - started)
            if np.mean(sdr) > best:
                best = float(np.mean(sdr))
                save_best(net, carry, best, args)
            save_checkpoint(carry, args.run)  # last, so that an interrupted evaluation is repeated
            losses = []


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="pool of training songs")
    parser.add_argument("--valid", type=Path, required=True, help="pool of validation songs")
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoints and logs")
    parser.add_argument(
        "--start", help="name or file of the weights that a new run starts from, instead of random ones"
    )
    parser.add_argument(
        "--sources",
        nargs="+",
        choices=MINI.sources,
        default=MINI.sources,
        help="sources to separate; the mixture contains all stems of the pool",
    )
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of an example")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--every", type=int, default=800, help="steps from one evaluation to the next")
    args = parser.parse_args()
    for name in ("steps", "batch", "every", "learning_rate"):
        if not 0 < getattr(args, name) < np.inf:
            parser.error(f"--{name.replace('_', '-')} must be greater than 0")
    if not SECONDS[0] <= args.seconds <= SECONDS[1]:
        parser.error(f"--seconds must be between {SECONDS[0]} and {SECONDS[1]}")
    return args


def select_sources(net: ConvTasNet, stems_SxCxT: np.ndarray | jax.Array) -> np.ndarray | jax.Array:
    """Return the stems of a pool, in the order of `MINI`, that a network separates."""
    return stems_SxCxT[np.array([MINI.sources.index(source) for source in net.sources])]


def compute_rms_error(net: ConvTasNet, params: convtasnet.Params, stems_SxCxT: jax.Array) -> jax.Array:
    """Return the root mean square error of each source of a network, averaged over sources.

    For a source that is rarely active or hard to separate, the mean absolute error has its minimum at silence, and a
    mask whose ReLU is zero everywhere never recovers. The squared error has its minimum at a fraction of the mixture,
    from which the mask can grow.
    """
    est_SxCxT = convtasnet.bind(net, params)(stems_SxCxT.sum(0))
    return jnp.sqrt(((est_SxCxT - select_sources(net, stems_SxCxT)) ** 2).mean((1, 2)) + 1e-6).mean()


def compute_mean_loss_and_gradient(
    net: ConvTasNet, params: convtasnet.Params, stems_WxSxCxT: jax.Array
) -> tuple[jax.Array, convtasnet.Params]:
    """Return loss and gradient, averaged over a batch whose examples are processed one after the other.

    The arrays of one example fit into the processor's cache; examples side by side take longer (compare.py).
    """

    loss = partial(compute_rms_error, net)

    def add(total, stems_SxCxT):
        return jax.tree.map(jnp.add, total, jax.value_and_grad(loss)(params, stems_SxCxT)), None

    nothing = jax.tree.map(jnp.zeros_like, (jnp.zeros([]), params))
    total, _ = jax.lax.scan(add, nothing, stems_WxSxCxT)
    return jax.tree.map(lambda x: x / stems_WxSxCxT.shape[0], total)


def train_step(
    net: ConvTasNet, optimizer: optax.GradientTransformation, carry: dict, stems_WxSxCxT: jax.Array
) -> tuple[dict, jax.Array]:
    """Take one step, and update the averaged weights."""
    loss, gradient = compute_mean_loss_and_gradient(net, carry["params"], stems_WxSxCxT)
    updates, state = optimizer.update(gradient, carry["optimizer"], carry["params"])
    params = optax.apply_updates(carry["params"], updates)
    decay = jnp.minimum(EMA, (1 + carry["step"]) / (10 + carry["step"]))
    ema = optax.incremental_update(params, carry["ema"], 1 - decay)
    return {"params": params, "ema": ema, "optimizer": state, "step": carry["step"] + 1}, loss


def init_carry(params: convtasnet.Params, optimizer: optax.GradientTransformation) -> dict:
    """Return the initial state of the training."""
    params = jax.tree.map(jnp.asarray, params)
    ema = jax.tree.map(jnp.array, params)
    return {"params": params, "ema": ema, "optimizer": optimizer.init(params), "step": jnp.zeros([], jnp.int32)}


def evaluate(net: ConvTasNet, params: convtasnet.Params, songs: Sequence[np.ndarray]) -> np.ndarray:
    """Return the median SDR of each source, in dB, over the songs in which it is not silent."""
    ratios = []
    for song in songs:
        stems_SxCxT = np.asarray(song, np.float32)
        mix_CxT, scaling = standardisation.standardise(stems_SxCxT.sum(0))
        est_SxCxT = standardisation.restore_level(chunks.separate(net, params, mix_CxT, SeparateConfig()), scaling)
        pairs = zip(select_sources(net, stems_SxCxT), est_SxCxT, strict=True)
        ratios.append([levels.compute_sdr_db(stem, est) if stem.any() else np.nan for stem, est in pairs])
    return np.nanmedian(ratios, axis=0)


def require_finite(loss: float, step: int) -> None:
    """Raise an error if the loss is not finite."""
    if not np.isfinite(loss):
        raise SystemExit(f"error: the loss is {loss} at step {step}; {LOWER}")


def require_sound(net: ConvTasNet, sdr_S: np.ndarray, step: int) -> None:
    """Raise an error if the network is silent or not finite, so that it is not saved; warn about silent sources."""
    if not np.isfinite(sdr_S).all():
        raise SystemExit(f"error: the weights are not finite at step {step}; {LOWER}")
    silent = [source for source, sdr in zip(net.sources, sdr_S, strict=True) if abs(sdr) < SILENT_DB]
    if len(silent) == net.S:
        raise SystemExit(f"error: the network is silent at step {step}; start again with another --learning-rate")
    if silent:
        print(f"warning: {', '.join(silent)}: silent at step {step}; this may not recover", file=sys.stderr)


def log_evaluation(
    net: ConvTasNet, run: Path, step: int, losses: list[float], sdr: np.ndarray, elapsed_s: float
) -> None:
    """Print an evaluation and append it to the log."""
    row = {"step": step, "loss": float(np.mean(losses)), "elapsed_s": round(elapsed_s)}
    row |= {source: round(float(value), 3) for source, value in zip(net.sources, sdr, strict=True)}
    print(json.dumps(row), flush=True)
    with (run / "log.jsonl").open("a") as stream:
        stream.write(json.dumps(row) + "\n")


def save_best(net: ConvTasNet, carry: dict, sdr: float, args: argparse.Namespace) -> None:
    """Write the averaged weights as the best so far."""
    about = {"trained_by": "scripts/training/train.py", "steps": str(int(carry["step"])), "valid_sdr_db": f"{sdr:.3f}"}
    best = checkpoint.Checkpoint(net, jax.device_get(carry["ema"]), about | {"pool": args.train.name})
    checkpoint.save(best, args.run / "best.safetensors")


def read_best_score(run: Path) -> float:
    """Return the validation SDR of the best weights so far."""
    path = run / "best.safetensors"
    return float(checkpoint.load(path).provenance["valid_sdr_db"]) if path.exists() else -np.inf


def save_checkpoint(carry: dict, run: Path) -> None:
    """Write everything that training needs to resume."""
    with files.replace_when_done(run / "checkpoint.npz") as temporary:
        np.savez(temporary, *map(np.asarray, jax.tree.leaves(carry)))


def load_checkpoint(net: ConvTasNet, run: Path) -> dict | None:
    """Return the last saved state, if there is one.

    Raises:
      InputError: it is damaged, or belongs to another network or optimizer.
    """
    path = run / "checkpoint.npz"
    if not path.exists():
        return None
    params = net.init()
    optimizer = make_optimizer(1.0, 1000).init(params)
    like = {"params": params, "ema": params, "optimizer": optimizer, "step": 0}
    leaves, structure = jax.tree.flatten(like)
    try:
        with path.open("rb") as stream, np.load(stream) as z:
            found = [jnp.asarray(z[name]) for name in z.files]
    except (BadZipFile, ValueError, EOFError, OSError, AttributeError, TypeError, zlib.error) as error:
        raise InputError(f"{path}: damaged; delete it and start again, from best.safetensors with --start") from error
    if [leaf.shape for leaf in found] != [jnp.shape(leaf) for leaf in leaves]:
        raise InputError(f"{path}: a checkpoint of another network or optimizer")
    return jax.tree.unflatten(structure, found)


if __name__ == "__main__":
    raise SystemExit(run_program())
