"""Losses that were tried against the recommended one, on songs with stems.

    python scripts/experiments/losses.py prepared/valid --limit 2 --out losses.jsonl

prepared/valid: as `ugosa-jax prepare` writes it. Each loss adapts the bundled network, from the third repeat to the
masks, with Ranger at 1e-3 on segments of 4 s in random order, ten times over the song. Printed is the mean SDR over
sources and songs, rule "target": outputs muted where their source is annotated silent, and the same shared out with
Wiener masks. OUT keeps a line for each loss and song; the same command goes on where it was. A song and loss take
about a minute.

S sources, C channels, T samples.
"""

import argparse
import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ugosa_jax import device
from ugosa_jax.adaptation import loss, strategy
from ugosa_jax.adaptation.ranger import ranger
from ugosa_jax.adaptation.schedule import REMIX_DB
from ugosa_jax.adaptation.segments import list_starts
from ugosa_jax.annotations import annotation as annotations
from ugosa_jax.api import separate
from ugosa_jax.config import EvaluateConfig, SeparateConfig
from ugosa_jax.data import datasets, loading
from ugosa_jax.data.song import Song
from ugosa_jax.errors import exit_status
from ugosa_jax.evaluation import bsseval
from ugosa_jax.networks import tree
from ugosa_jax.networks.protocol import Params
from ugosa_jax.separation import refine
from ugosa_jax.weights import hub
from ugosa_jax.weights.checkpoint import Checkpoint

STRATEGY = "B-L3:M"
LEARNING_RATE = 1e-3
EPOCHS = 10
SEGMENT_S = 4.0
DECAY = 0.98
"""Of averaged weights; the first steps are not averaged."""
N_UNAVERAGED = 20

Objective = Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]
"""Estimates (S, C, T), mixture (C, T), activations (S, T) and, of a remix, true stems (S, C, T) → loss."""


def reconstruction(est_SxCxT, mix_CxT, active_SxT, _):
    return loss.compute_loss_terms(est_SxCxT, mix_CxT, jnp.ones_like(active_SxT)).reconstruction


def paper(lam, est_SxCxT, mix_CxT, active_SxT, _):
    return loss.compute_total(loss.compute_loss_terms(est_SxCxT, mix_CxT, active_SxT), lam)


def with_silence(lam, est_SxCxT, mix_CxT, active_SxT, _):
    silence = loss.compute_loss_terms(est_SxCxT, mix_CxT, active_SxT).activation
    return reconstruction(est_SxCxT, mix_CxT, active_SxT, _) + lam * silence


def paper_rms(lam, est_SxCxT, mix_CxT, active_SxT, _):
    h_Sx1xT = active_SxT[:, None]
    rest_CxT = (h_Sx1xT * est_SxCxT).sum(0) - mix_CxT
    silent_S = ((1 - h_Sx1xT) * est_SxCxT) ** 2
    return jnp.sqrt((rest_CxT**2).mean() + 1e-6) + lam * jnp.sqrt(silent_S.mean((1, 2)) + 1e-6).sum()


def stems_rms(est_SxCxT, mix_CxT, active_SxT, stems_SxCxT):
    return loss.compute_remix_terms(est_SxCxT, stems_SxCxT).reconstruction


class Trial(NamedTuple):
    """A loss, whether it is taken on remixes, whether the weights are averaged over the steps, and segments a step."""

    objective: Objective | None
    remixes: bool = False
    averaged: bool = False
    together: int = 1


TRIALS = {
    "not adapted": Trial(None),
    "B": Trial(reconstruction),
    "B, averaged": Trial(reconstruction, averaged=True),
    "B, two segments a step": Trial(reconstruction, together=2),
    "B + 0.3 silence": Trial(functools.partial(with_silence, 0.3)),
    "P": Trial(functools.partial(paper, 1.0)),
    "P, averaged": Trial(functools.partial(paper, 1.0), averaged=True),
    "P, λ 0.1": Trial(functools.partial(paper, 0.1)),
    "P, λ 0": Trial(functools.partial(paper, 0.0)),
    "P, RMS": Trial(functools.partial(paper_rms, 1.0)),
    "remixes, averaged": Trial(stems_rms, remixes=True, averaged=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("songs", type=Path, help="folder of songs with stems and annotations")
    parser.add_argument("--limit", type=int, help="only so many songs, the first by name")
    parser.add_argument("--trials", nargs="+", choices=list(TRIALS), default=list(TRIALS))
    parser.add_argument("--out", type=Path, required=True, help="file that keeps the scores, a line each")
    args = parser.parse_args()
    device.keep_compiled_programs()
    net = hub.load_network("mini")
    assert isinstance(net, Checkpoint)
    rows = [json.loads(line) for line in args.out.read_text().splitlines()] if args.out.exists() else []
    for track in datasets.list_tracks(args.songs, limit=args.limit):
        missing = set(args.trials) - {row["trial"] for row in rows if row["song"] == track.name}
        if not missing:
            continue
        song = loading.load_annotated(track, net.architecture.sources)
        prepared = bsseval.prepare(song.require_stems(), song.mixture.rate_hz, EvaluateConfig())
        first = refined(song, estimates(net, song, {})) if any(TRIALS[name].remixes for name in missing) else None
        for name in filter(missing.__contains__, TRIALS):
            est_SxCxT = estimates(net, song, adapted(net, song, TRIALS[name], first))
            rows.append({"trial": name, "song": track.name, **scores(song, prepared, est_SxCxT)})
            with args.out.open("a") as stream:
                stream.write(json.dumps(rows[-1]) + "\n")
    print("\n".join(table(rows)))


def adapted(net: Checkpoint, song: Song, trial: Trial, first_SxCxT: np.ndarray | None) -> Params:
    """Return the tuned weights that a trial ends with."""
    if trial.objective is None:
        return {}
    plan = strategy.parse(STRATEGY, net.architecture)
    tuned, frozen = tree.split(net.params, strategy.label_params(plan, net.params))
    step = jax.jit(functools.partial(stepped, net.architecture, plan.find_cut(net.architecture), trial.objective))
    both = optax.LookaheadParams.init_synced(jax.tree.map(jnp.asarray, tuned))
    state, mean = (both, ranger(0.0).init(both)), both.fast
    each = examples(net, song, first_SxCxT if trial.remixes else None)
    for i, batch in enumerate(zip(*[each] * trial.together, strict=False)):
        decay = DECAY if trial.averaged and i >= N_UNAVERAGED else 0.0
        state = step(frozen, state, batch)
        mean = optax.incremental_update(state[0].fast, mean, 1 - decay)
    return jax.device_get(mean)


def stepped(net, since, objective, frozen, state, batch):
    """Take one step on the mean loss of some examples; return the new parameters and state of the optimizer."""
    both, optimizer_state = state

    def value(tuned):
        params = tree.merge(tuned, frozen)
        losses = []
        for mix_CxT, active_SxT, stems_SxCxT in batch:
            features = jax.lax.stop_gradient(net.prefix(params, mix_CxT, since))
            est_SxCxT = net.suffix(params, mix_CxT, features, since)
            losses.append(objective(est_SxCxT, mix_CxT, active_SxT, stems_SxCxT))
        return jnp.stack(losses).mean()

    updates, optimizer_state = ranger(LEARNING_RATE).update(jax.grad(value)(both.fast), optimizer_state, both)
    return optax.apply_updates(both, updates), optimizer_state


def examples(net: Checkpoint, song: Song, first_SxCxT: np.ndarray | None) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield mixture, activations and stems of each step; a remix takes each stem from another place."""
    architecture = net.architecture
    mix_CxT, standard = song.standardise(architecture.sample_rate_hz, architecture.channels)
    assert song.annotation is not None
    active_SxT = annotations.compute_active_mask(song.annotation, mix_CxT.shape[1], architecture.sample_rate_hz)
    n, n_samples, S = round(SEGMENT_S * architecture.sample_rate_hz), mix_CxT.shape[1], len(song.sources)
    random = np.random.default_rng(0)
    starts = list_starts(n_samples, n, n)
    for _ in range(EPOCHS):
        for g in random.permutation(len(starts)):
            start = starts[g]
            mixture, stems = mix_CxT[:, start : start + n], np.zeros((S, *mix_CxT[:, :n].shape), np.float32)
            if first_SxCxT is not None:
                places = random.integers(0, n_samples - n, S)
                gains = 10 ** (random.uniform(-REMIX_DB, REMIX_DB, S) / 20)
                parts = zip(first_SxCxT / standard.std, places, gains, strict=True)
                stems = np.stack([stem[:, at : at + n] * gain for stem, at, gain in parts])
                mixture = stems.sum(0)
            active = active_SxT[:, start : start + n]
            yield mixture.astype(np.float32), active.astype(np.float32), stems.astype(np.float32)


def estimates(net: Checkpoint, song: Song, tuned: Params) -> np.ndarray:
    """Return what a network with tuned weights gives (S, C, T)."""
    return np.stack(list(separate(net, song, settings=SeparateConfig(), tuned=tuned).values()))


def refined(song: Song, est_SxCxT: np.ndarray) -> np.ndarray:
    """Return estimates shared out with Wiener masks in which silent sources have no part."""
    settings = SeparateConfig(refine="wiener")
    return refine.refine(est_SxCxT, song.mixture.samples_CxT, gates(song, settings.fade_s), settings)


def gates(song: Song, fade_s: float) -> np.ndarray:
    """Return who may play (S, T)."""
    assert song.annotation is not None
    return annotations.compute_gains(song.annotation, song.mixture.n_samples, song.mixture.rate_hz, fade_s).astype(
        np.float32
    )


def scores(song: Song, prepared: bsseval.PreparedStems, est_SxCxT: np.ndarray) -> dict[str, list[float]]:
    """Return the SDR in dB of each source, muted where it is annotated silent and refined."""
    outputs = {"gated": est_SxCxT * gates(song, 0)[:, None], "wiener": refined(song, est_SxCxT)}
    sdr = {name: bsseval.summarise(bsseval.score(prepared, out), "target")["SDR"][0] for name, out in outputs.items()}
    return {name: [round(float(value), 3) for value in values] for name, values in sdr.items()}


def table(rows: list[dict]) -> Iterator[str]:
    """Yield the lines of a Markdown table: means over sources and songs."""
    yield from ("| loss | songs | gated | gated, then Wiener masks |", "| :-- | --: | --: | --: |")
    for name in TRIALS:
        if own := [row for row in rows if row["trial"] == name]:
            gated, masked = (np.nanmean([row[kind] for row in own]) for kind in ("gated", "wiener"))
            yield f"| {name} | {len(own)} | {gated:.2f} | {masked:.2f} |"


if __name__ == "__main__":
    raise SystemExit(exit_status(main))
