"""Measure the steps of the paper's code with a network of the PyTorch package demucs, version 2.0.3 or 4.1.

It runs in a separate environment, which the project never depends on:

    python3 -m venv ~/torch-env                # for ConvTasNet
    ~/torch-env/bin/pip install torch          # a build for the CPU is enough
    ~/torch-env/bin/pip install --no-deps demucs==2.0.3
    ~/torch-env/bin/pip install --no-deps diffq julius
    ~/torch-env/bin/pip install tqdm numpy

For HTDemucs, see scripts/golden_htdemucs.py.

scripts/bench_peer.py and scripts/bench_htdemucs.py start it with a case (see scripts/peer_jax.py) and write requests to
it, one JSON object per line; each is answered with one line. A step is: forward through the whole network, eq. (1),
backward through the tuned part, a step of torch's RAdam. The paper's code has Ranger there, which is slower: it
centralises gradients and adds Lookahead to RAdam.

This is the kind "plain". A request may name optimisations that an experienced user of PyTorch would add: "cached" runs
the frozen layers before the step, "compiled" compiles the rest. For ConvTasNet there are two more: "matmul" replaces
convolutions with one tap by matrix products, "bfloat16" uses autocast with that type.
"""

# pyright: reportMissingImports=false

import importlib
import json
import os
import resource
import sys
import time

import demucs
import numpy as np
import torch

KINDS = ("plain", "cached", "matmul", "compiled", "bfloat16")
LEARNING_RATE, BETAS, EPS = 1e-5, (0.95, 0.999), 1e-5  # Ranger's
STATE = "state/"


def main() -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    case = np.load(sys.argv[1])
    works = {"about": describe_run, "forward": forward, "step": step}
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(works[request["do"]](case, request)), flush=True)


def describe_run(case, request) -> dict:
    """Return versions, the number of threads, and environment variables about the waiting of threads."""
    found = {"torch": torch.__version__, "demucs": demucs.__version__, "threads": torch.get_num_threads()}
    return found | {name: os.environ[name] for name in ("OMP_WAIT_POLICY",) if name in os.environ}


def forward(case, request) -> dict:
    """Time the network on the first segment."""
    mix_CxT, active_SxT = take_segment(case, request)
    _, run = prepare(case, read_kinds(request), request)
    with torch.no_grad():
        started = time.perf_counter()
        est_SxCxT = run(mix_CxT[None])[0]
        seconds = time.perf_counter() - started
        terms = compute_losses(est_SxCxT, mix_CxT, active_SxT, request["lam"])
    return {"seconds": seconds, "losses": count_numbers(terms), "peak_bytes": get_peak_bytes()}


def step(case, request) -> dict:
    """Time one step of adaptation on the first segment; `tuned` of the request names the tensors that are tuned."""
    kinds = read_kinds(request)
    mix_CxT, active_SxT = take_segment(case, request)
    model, run = prepare(case, kinds, request)
    for name, tensor in model.named_parameters():
        tensor.requires_grad_(name in request["tuned"])
    tuned = [tensor for tensor in model.parameters() if tensor.requires_grad]
    optimizer = torch.optim.RAdam(tuned, lr=LEARNING_RATE, betas=BETAS, eps=EPS)
    kept = (mix_CxT[None],)
    if "cached" in kinds:
        if is_htdemucs(model):
            store_frozen_outputs(model, mix_CxT[None])
        else:
            kept = run_frozen_layers(model, mix_CxT[None], request["strategy"])
    started = time.perf_counter()
    optimizer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled="bfloat16" in kinds):
        est_SxCxT = run(*kept)[0].float()
    terms = compute_losses(est_SxCxT, mix_CxT, active_SxT, request["lam"])
    terms[0].backward()
    optimizer.step()
    seconds = time.perf_counter() - started
    n_tuned = sum(tensor.numel() for tensor in tuned)
    return {"seconds": seconds, "losses": count_numbers(terms), "n_tuned": n_tuned, "peak_bytes": get_peak_bytes()}


def read_kinds(request: dict) -> frozenset[str]:
    """Return the optimisations that a request names, or "plain"."""
    return frozenset(request.get("kind", "plain").split())


def prepare(case, kinds: frozenset, request: dict, made: dict = {}):  # noqa: B006 (the default is the cache)
    """Return a network with the case's weights, and the function of a step; both are cached, to compile once."""
    strategy = request.get("strategy", request["do"])
    if (kinds, strategy) not in made:
        model = build_network(case)
        if "matmul" in kinds:
            replace_by_products(model)
        run = model
        if "cached" in kinds and not is_htdemucs(model):
            run = lambda mix, kept: run_tuned_layers(model, mix, kept, strategy)  # noqa: E731
        made[kinds, strategy] = model, torch.compile(run) if "compiled" in kinds else run
    model, run = made[kinds, strategy]
    model.load_state_dict(read_state(case))
    return model, run


def is_htdemucs(model: torch.nn.Module) -> bool:
    return type(model).__name__ == "HTDemucs"


@torch.no_grad()
def store_frozen_outputs(model: torch.nn.Module, mix_1xCxT: torch.Tensor) -> None:
    """Let every module without tuned parameters return its output for this mixture, without computing it again.

    The output of a frozen module must not depend on a tuned one. This holds for strategies that tune all stages from
    some stage on.
    """
    frozen = [*list_frozen_modules(model)]
    if all("forward" in vars(module) for module in frozen):  # stored by an earlier request
        return
    handles = [module.register_forward_hook(repeat_output) for module in frozen]
    model(mix_1xCxT)
    for handle in handles:
        handle.remove()


def list_frozen_modules(module: torch.nn.Module):
    """Yield the largest modules inside a module that have parameters, none of which is tuned."""
    for child in module.children():
        needs = [tensor.requires_grad for tensor in child.parameters()]
        if any(needs):
            yield from list_frozen_modules(child)
        elif needs:
            yield child


def repeat_output(module: torch.nn.Module, inputs, output) -> None:
    """Let a module return an output whatever its inputs."""
    module.forward = lambda *inputs: output


@torch.no_grad()
def run_frozen_layers(
    model: torch.nn.Module, mix_1xCxT: torch.Tensor, strategy: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output of encoder and frozen layers for a mixture, for a ConvTasNet and strategies P-Lk:…."""
    norm, bottleneck, repeats, _ = model.separator.network
    encoded = model.encoder(mix_1xCxT)
    return encoded, repeats[: first_repeat(strategy)](bottleneck(norm(encoded)))


def run_tuned_layers(model: torch.nn.Module, encoded: torch.Tensor, kept: torch.Tensor, strategy: str) -> torch.Tensor:
    """Return the estimates from the output of `frozen`."""
    _, _, repeats, mask = model.separator.network
    score = mask(repeats[first_repeat(strategy) :](kept))
    return model.decoder(encoded, torch.relu(score.view(1, model.C, *encoded.shape[1:])))


def first_repeat(strategy: str) -> int:
    return int(strategy[3]) - 1


class Product(torch.nn.Conv1d):
    """A convolution with one tap, as a matrix product."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight[..., 0] @ x


def replace_by_products(model: torch.nn.Module) -> None:
    """Replace all convolutions with one tap by matrix products."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv1d) and layer.kernel_size == (1,) and layer.bias is None:
            layer.__class__ = Product


def build_network(case) -> torch.nn.Module:
    """Return a network with the case's weights, without the changes of the previous request."""
    module, _, name = str(case["klass"]).rpartition(".")
    model = getattr(importlib.import_module(module), name)(**json.loads(str(case["arguments"])))
    model.load_state_dict(read_state(case))
    return model.eval()


def read_state(case) -> dict[str, torch.Tensor]:
    return {name.removeprefix(STATE): torch.from_numpy(case[name]) for name in case.files if name.startswith(STATE)}


def take_segment(case, request) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mix_CxT and active_SxT of the first segment."""
    n_samples = request["segment_samples"]
    return tuple(torch.from_numpy(case[name][:, :n_samples].astype(np.float32)) for name in ("mix_CxT", "active_SxT"))  # pyright: ignore[reportReturnType]


def compute_losses(
    est_SxCxT: torch.Tensor, mix_CxT: torch.Tensor, active_SxT: torch.Tensor, lam: float
) -> list[torch.Tensor]:
    """Return total, reconstruction and activation loss: eq. (1), averaged over samples and channels."""
    h_Sx1xT = active_SxT[:, None]
    reconstruction = ((h_Sx1xT * est_SxCxT).sum(0) - mix_CxT).abs().mean()
    activation = ((1 - h_Sx1xT) * est_SxCxT).abs().sum(0).mean()
    return [reconstruction + lam * activation, reconstruction, activation]


def get_peak_bytes() -> int:
    """Return the peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def count_numbers(tensors: list[torch.Tensor]) -> list[float]:
    return [tensor.item() for tensor in tensors]


if __name__ == "__main__":
    main()
