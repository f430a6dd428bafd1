"""Fine-tuning strategies: "P-L3:M" ⇄ the loss that is used and the stages that are tuned.

The paper's Figure 1 numbers the places where tuning may begin: L1 is repeat2, L2 is repeat3, … then the mask and,
last, the decoder (L5 with the paper's four repeats). D tunes from there to the decoder, M to the mask, 3 to the last
repeat. P is the proposed loss, B the baseline that only reconstructs the mixture; B0 tunes nothing.
"""

import dataclasses
import re
from typing import Any, Literal

import jax
import optax

from ugosa_jax.config import ModelConfig
from ugosa_jax.errors import InputError
from ugosa_jax.networks.convtasnet import Params, repeats

TUNED, FROZEN = "tuned", "frozen"
_STATISTICS = ("mean", "var")  # running statistics of a BatchNorm: never learnt by descent


@dataclasses.dataclass(frozen=True)
class Strategy:
    """A loss and the stages that are tuned, in the network's order.

    Attributes:
      name: as the paper writes it, "P-L3:M".
      loss: "P" for eq. (1), "B" for its reconstruction term with h ≡ 1.
      tuned: names of the tuned stages; empty for B0.
    """

    name: str
    loss: Literal["P", "B"]
    tuned: tuple[str, ...]

    def since(self, config: ModelConfig) -> str:
        """Return where the part of the network begins that runs in every step.

        Everything before is frozen and need not be computed twice. The mask is the last possible place: its output
        is S·N / B times larger than its input, and cheap to compute again.
        """
        order = (*repeats(config), "mask")
        return next((stage for stage in order if stage in self.tuned), "mask")


def parse(name: str, config: ModelConfig) -> Strategy:
    """Return the strategy of a name such as "P-L3:M" or "B0".

    Raises:
      InputError: no such strategy, or one that would tune nothing.
    """
    if name == "B0":
        return Strategy(name, "B", ())
    starts = (*repeats(config)[1:], "mask", "decoder")
    match = re.fullmatch(r"([PB])-L(\d+):([DM3])", name)
    if not match or not 1 <= int(match[2]) <= len(starts):
        raise InputError(f"strategy {name!r} is not B0 or one of [P|B]-L1…L{len(starts)}:[D|M|3], such as P-L3:M")
    dropped = {"D": (), "M": ("decoder",), "3": ("mask", "decoder")}[match[3]]
    tuned = tuple(stage for stage in starts[int(match[2]) - 1 :] if stage not in dropped)
    if not tuned:
        raise InputError(f"strategy {name!r} tunes nothing: L{match[2]} begins after what :{match[3]} ends with")
    return Strategy(name, "P" if match[1] == "P" else "B", tuned)


def labels(strategy: Strategy, params: Params) -> Params:
    """Return the tree of `params` with "tuned" or "frozen" for every leaf; what moves is decided here alone."""

    def label(path, _):
        keys = [key.key for key in path]
        return TUNED if keys[0] in strategy.tuned and keys[-1] not in _STATISTICS else FROZEN

    return jax.tree_util.tree_map_with_path(label, params)


def split(params: Params, labels: Params) -> tuple[Params, Params]:
    """Return (tuned, frozen): the two halves of `params`, each without the other's leaves."""
    return _keep(params, labels, TUNED), _keep(params, labels, FROZEN)


def merge(tuned: Params, frozen: Params) -> Params:
    """Undo `split`."""
    merged = dict(frozen)
    for key, value in tuned.items():
        merged[key] = merge(value, merged.get(key, {})) if isinstance(value, dict) else value
    return merged


def partition(optimizer: optax.GradientTransformation, labels: Params) -> optax.GradientTransformation:
    """Return an optimizer for the whole tree that moves only what is labelled tuned.

    For loops that differentiate all parameters. `adapt` differentiates the tuned half alone, which gives the same
    numbers and leaves the frozen stages out of the loop. Wrap the result in `optax.lookahead`, not the other way
    round: Lookahead needs the pair of fast and slow weights at the top.
    """
    return optax.partition({TUNED: optimizer, FROZEN: optax.set_to_zero()}, labels)


def n_parameters(params: Params) -> int:
    """Return how many numbers a tree holds: the paper's #TP for the tuned half."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _keep(params: Params, labels: Params, wanted: str) -> Params:
    kept: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            if inner := _keep(value, labels[key], wanted):
                kept[key] = inner
        elif labels[key] == wanted:
            kept[key] = value
    return kept
