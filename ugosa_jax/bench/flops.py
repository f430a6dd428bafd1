"""Floating-point operations of the network and of its adaptation, from shapes alone.

Counted are the matrix products over frames, 2·m·k·n each, as many as are necessary: a program that computes something
twice, or a gradient that nothing needs, is slower than these counts, not better used. Two things are left out.
Elementwise work (norms, PReLU, depthwise taps, masks, overlap-add, loss, optimizer) has few operations; it costs passes
over memory. Products of one vector, or of P, with a matrix, by which norms hand their shift on, are small beside the
others.
"""

from typing import NamedTuple

from ugosa_jax.adaptation.strategy import Strategy
from ugosa_jax.config import ModelConfig, SeparateConfig
from ugosa_jax.networks import apply
from ugosa_jax.networks.convtasnet import frames_in, repeats


class Passes(NamedTuple):
    """Operations of each stage of the part that runs in every step, in the network's order."""

    forward: dict[str, int]
    backward: dict[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.forward.values()) + sum(self.backward.values())


def block(config: ModelConfig, n_frames: int) -> int:
    """Return the operations of one block's forward pass: expand (B → H) and project (H → B)."""
    return 2 * 2 * n_frames * config.B * config.H


def stages(config: ModelConfig, n_samples: int) -> dict[str, int]:
    """Return the operations of one forward pass, stage by stage.

    Args:
      config: architecture; an encoder of L samples a filter counts as L taps, also where odd L is padded.
      n_samples: length of the signal.
    """
    c, K = config, frames_in(n_samples, config)
    return {
        "encoder": 2 * K * c.L * c.C * c.N,
        "bottleneck": 2 * K * c.N * c.B,
        **dict.fromkeys(repeats(c), c.X * block(c, K)),
        "mask": 2 * K * c.B * c.S * c.N,
        "decoder": 2 * K * c.S * c.N * c.C * c.L,
    }


def forward(config: ModelConfig, n_samples: int) -> int:
    """Return the operations of one forward pass."""
    return sum(stages(config, n_samples).values())


def prefix(config: ModelConfig, until: str, n_samples: int) -> int:
    """Return the operations of the stages before `until`, a repeat or the mask."""
    each = stages(config, n_samples)
    return sum(each[stage] for stage in list(each)[: list(each).index(until)])


def suffix(config: ModelConfig, plan: Strategy, n_samples: int) -> Passes:
    """Return the operations of a step whose frozen prefix is kept: from `plan.since` on, forward and backward.

    A matrix product y = x W costs as much again for the gradient of W where W is tuned, and as much again for that of x
    where something before it is tuned. The encoder is computed once more for the decoder's sake; it has no gradient.
    """
    each = stages(config, n_samples)
    since = list(each)[list(each).index(plan.since(config)) :]
    backward = dict.fromkeys(["encoder", *since], 0)
    carries_gradient = False
    for stage in since:
        is_tuned = stage in plan.tuned
        backward[stage] = each[stage] * (is_tuned + carries_gradient)
        if is_tuned and not carries_gradient:
            carries_gradient = True
            if stage in repeats(config):  # only the first block's expansion has an input that needs no gradient
                backward[stage] += each[stage] - block(config, frames_in(n_samples, config)) // 2
    return Passes({stage: each[stage] for stage in backward}, backward)


def step(config: ModelConfig, plan: Strategy, n_samples: int, kept: bool = True) -> int:
    """Return the operations of one step on a segment of `n_samples`.

    Args:
      config: architecture.
      plan: what is tuned; not B0, which takes no step.
      n_samples: length of the segment.
      kept: the output of the frozen stages is kept; else they run in every step, and the encoder once.
    """
    each_step = suffix(config, plan, n_samples)
    if kept:
        return each_step.total
    return each_step.total + prefix(config, plan.since(config), n_samples) - each_step.forward["encoder"]


def separation(config: ModelConfig, settings: SeparateConfig, song_samples: int) -> int:
    """Return the operations of separating a song: every chunk, padded as it runs, for every shift."""
    chunk = round(settings.chunk_s * config.sample_rate_hz)
    delays = apply.draw_delays(settings, config.sample_rate_hz)
    n_chunks = sum(len(apply.offsets(song_samples + delay, chunk, settings.overlap)) for delay in delays)
    return n_chunks * forward(config, chunk)
