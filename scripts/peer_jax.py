"""Measure this package, with the same cases and requests as scripts/peer_torch.py.

    echo '{"do": "forward", "segment_samples": 176400, "lam": 1.0}' | python scripts/peer_jax.py case.npz

A case is a network and a song in one .npz file: the tensors of the network by torch name (`state/…`), the torch class
and its arguments as JSON (`klass`, `arguments`), mix_CxT and active_SxT. scripts/bench_peer.py and
scripts/bench_htdemucs.py write cases and requests, one JSON object per line; each is answered with one line.
"""

import dataclasses
import functools
import importlib.metadata
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import optax

from ugosa_jax import device
from ugosa_jax.adaptation import engine, loss, segments, strategy
from ugosa_jax.adaptation.segments import Segments
from ugosa_jax.config import AdaptConfig, SeparateConfig
from ugosa_jax.data.standardisation import standardise
from ugosa_jax.networks import tree
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.networks.htdemucs import HTDemucs
from ugosa_jax.networks.protocol import Architecture, Params
from ugosa_jax.separation import chunks
from ugosa_jax.weights import convert, convtasnet_torch, htdemucs_torch, hub
from ugosa_jax.weights.checkpoint import Checkpoint
from ugosa_jax.weights.package import Package

STATE = "state/"
HTDEMUCS = {
    "sources": ["drums", "bass", "other", "vocals"],
    "segment": 7.8,
    "dconv_mode": 3,
    "bottom_channels": 512,
    "t_dropout": 0.02,
}
"""Arguments of the PyTorch class for the published `htdemucs` that differ from the defaults of the class."""
FULL_SIZE: dict[str, Architecture] = {"demucs": ConvTasNet(), "htdemucs": HTDemucs()}
MATTERS = ("XLA_FLAGS", "GLIBC_TUNABLES", "JAX_DEFAULT_MATMUL_PRECISION")
"""Environment variables that change the speed; their values are recorded."""


class Case(NamedTuple):
    """A network, and a standardised song with its activations."""

    config: Architecture
    params: Params
    mix_CxT: np.ndarray
    active_SxT: np.ndarray


def write_case(case: Case, path: Path) -> None:
    """Write a case for both programs to read."""
    klass, arguments, state = get_torch_network(case)
    numbers = {"mix_CxT": case.mix_CxT, "active_SxT": case.active_SxT}
    numbers |= {STATE + name: tensor for name, tensor in state.items()}
    np.savez(path, klass=klass, arguments=json.dumps(arguments), **numbers)  # pyright: ignore[reportArgumentType]


def get_torch_network(case: Case) -> tuple[str, dict, dict[str, np.ndarray]]:
    """Return class, arguments and tensors of a case's network in PyTorch."""
    c = case.config
    if isinstance(c, HTDemucs):
        return "demucs.htdemucs.HTDemucs", HTDEMUCS, htdemucs_torch.to_torch(case.params, c)
    assert isinstance(c, ConvTasNet)
    arguments = {letter: getattr(c, letter) for letter in "NLBHPXR"}
    arguments |= {"sources": c.sources, "audio_channels": c.C, "norm_type": c.norm}
    arguments |= {"causal": c.causal, "mask_nonlinear": c.mask, "samplerate": c.sample_rate_hz}
    return "demucs.tasnet.ConvTasNet", arguments, convtasnet_torch.to_torch(case.params, c)


def read_case(path: Path) -> Case:
    """Read a case that `write_case` wrote."""
    stored = dict(np.load(path))
    state = {name.removeprefix(STATE): tensor for name, tensor in stored.items() if name.startswith(STATE)}
    klass = str(stored["klass"])
    package = Package("case", klass, (), json.loads(str(stored["arguments"])), state)
    config, params = convert.CONVERTERS[klass.rpartition(".")[2]](package)
    return Case(config, params, stored["mix_CxT"], stored["active_SxT"])


def make_noise_case(name: str, seconds: float) -> Case:
    """Return a case with a song of noise, in which sources are active in random tenths of a second.

    Args:
      name: name of the weights; "demucs" or "htdemucs" for random weights of a full-size network.
      seconds: length of the song.
    """
    if name in FULL_SIZE:
        config = FULL_SIZE[name]
        params = config.init()
    else:
        checkpoint = hub.load_network(name)
        assert isinstance(checkpoint, Checkpoint)  # bags are not measured
        config, params = checkpoint.architecture, checkpoint.params
    random = np.random.default_rng(0)
    n_samples = round(seconds * config.sample_rate_hz)
    mix_CxT, _ = standardise(random.standard_normal((config.channels, n_samples), np.float32))
    tenth = config.sample_rate_hz // 10
    n_tenths = math.ceil(n_samples / tenth)
    active_SxT = np.repeat(random.random((len(config.sources), n_tenths)) > 0.25, tenth, 1)[:, :n_samples]
    return Case(config, params, mix_CxT, active_SxT)


def main() -> None:
    device.cache_compiled_programs()
    case = read_case(Path(sys.argv[1]))
    works = {"about": describe_run, "forward": forward, "step": step, "song": song}
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(works[request["do"]](case, request)), flush=True)


def describe_run(case: Case, request: dict) -> dict:
    """Return device, versions and settings."""
    versions = {name: importlib.metadata.version(name) for name in ("ugosa_jax", "jax", "flax", "optax", "numpy")}
    return {
        "device": device.describe(),
        **versions,
        **{name: os.environ[name] for name in MATTERS if name in os.environ},
    }


def forward(case: Case, request: dict) -> dict:
    """Time the network on the first segment."""
    T = request["segment_samples"]
    params, mix_CxT, active_SxT = jax.device_put((case.params, case.mix_CxT[:, :T], case.active_SxT[:, :T]))
    started = time.perf_counter()
    est_SxCxT = jax.block_until_ready(run_network(case.config, params, mix_CxT))
    seconds = time.perf_counter() - started
    terms = loss.compute_loss_terms(est_SxCxT, mix_CxT, active_SxT)
    losses = [float(x) for x in (loss.compute_total(terms, request["lam"]), *terms)]
    return {"seconds": seconds, "losses": losses, "peak_bytes": device.get_peak_bytes()}


def step(case: Case, request: dict) -> dict:
    """Measure the adaptation on the first `segments` segments: time of a step, of the frozen stages, and of compiling.

    All segments of the song are in memory, even if only few are used, so that the memory is that of the song.
    """
    settings = read_settings(case, request)
    whole = segments.cut_song(case.mix_CxT, case.active_SxT, settings, case.config)
    few = dataclasses.replace(whole, n=min(whole.n, request["segments"]))
    result = adapt(case, few, settings)
    return {
        "seconds": result.timing.steps_s / (few.n * settings.epochs),
        "losses": result.losses_ExIx3[0, 0].tolist(),
        "n_tuned": optax.tree.size(result.tuned),
        "compile_s": result.timing.compile_s,
        "prefix_s": result.timing.prefix_s / few.n,
        "peak_bytes": device.get_peak_bytes(),
    }


def song(case: Case, request: dict) -> dict:
    """Adapt to the whole song and separate it."""
    settings = read_settings(case, request)
    cut = segments.cut_song(case.mix_CxT, case.active_SxT, settings, case.config)
    result = adapt(case, cut, settings)
    adapted = tree.merge(result.tuned, case.params)
    watch = [time.perf_counter()]
    for _ in range(2):  # the first time compiles
        chunks.separate(case.config, adapted, case.mix_CxT, SeparateConfig())
        watch.append(time.perf_counter())
    first_s, again_s = watch[1] - watch[0], watch[2] - watch[1]
    return {
        "compile_s": result.timing.compile_s + max(0.0, first_s - again_s),
        "prefix_s": result.timing.prefix_s,
        "steps_s": result.timing.steps_s,
        "separate_s": again_s,
        "n_segments": cut.n,
    }


def adapt(case: Case, song: Segments, settings: AdaptConfig) -> engine.AdaptationResult:
    """Adapt to a song."""
    plan, hyper = strategy.parse(settings.strategy, case.config), engine.make_hyper(settings, 1)
    return engine.adapt_lanes(case.config, case.params, [song], plan, hyper, settings)[0]


def read_settings(case: Case, request: dict) -> AdaptConfig:
    """Return the settings of a request."""
    segment_s = request["segment_samples"] / case.config.sample_rate_hz
    settings = AdaptConfig(request["strategy"], lam=request["lam"], epochs=request["epochs"], segment_s=segment_s)
    return dataclasses.replace(settings, precision=request.get("precision", settings.precision))


@functools.partial(jax.jit, static_argnames="config")
def run_network(config: Architecture, params: Params, mix_CxT: jax.Array) -> jax.Array:
    """Return est_SxCxT."""
    return config(params, mix_CxT)


if __name__ == "__main__":
    main()
