"""Fine-tuning strategies: "P-L3:M" ⇄ the loss that is used and the stages that are tuned.

A name says the loss, where tuning begins and where it ends. P is the proposed loss, eq. (1), B the baseline that only
reconstructs the mixture; R takes steps of B and on remixes of the song's own stems by turns; B0 tunes nothing. The
places have names of the network's own: L1 … L5 and D, M, 3 are those of the paper's ConvTasNet (its Figure 1 and Table
1).
"""

import dataclasses
import re
from typing import Literal

import jax
import optax

from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError, require
from ugosa_jax.networks.protocol import STATISTICS, Architecture, Params
from ugosa_jax.networks.tree import FROZEN, TUNED

Loss = Literal["P", "B", "R"]
LOSSES: dict[str, Loss] = {"P": "P", "B": "B", "R": "R"}


@dataclasses.dataclass(frozen=True)
class Strategy:
    """A loss and the stages that are tuned, in the network's order.

    Attributes:
      name: as the paper writes it, "P-L3:M".
      loss: "P" for eq. (1), "B" for its reconstruction term with h ≡ 1, "R" for B and remixes by turns.
      tuned: names of the tuned stages; empty for B0.
    """

    name: str
    loss: Loss
    tuned: tuple[str, ...]

    def find_cut(self, net: Architecture) -> str:
        """Return the cut behind which the network runs in every step: the last one before the first tuned stage.

        Everything before is frozen and need not be computed twice.
        """
        first = net.stages.index(self.tuned[0]) if self.tuned else len(net.stages)
        return [cut for cut in net.cuts if net.stages.index(cut) <= first][-1]


def parse(name: str | None, net: Architecture) -> Strategy:
    """Return the strategy of a name such as "P-L3:M" or "B0"; the network's own default if there is no name.

    Raises:
      InputError: no such strategy, or one that would tune nothing.
    """
    name = net.default_strategy if name is None else name
    if name == "B0":
        return Strategy(name, "B", ())
    match = re.fullmatch(r"([PBR])-(\w{1,8}):(\w{1,8})", name)
    if not match or match[2] not in net.starts or match[3] not in net.ends:
        starts, ends = "|".join(net.starts), "|".join(net.ends)
        expected = f"B0 or one of [P|B|R]-[{starts}]:[{ends}], such as {net.default_strategy}"
        raise InputError(f"strategy {name[:40]!r} is not {expected}")
    since = net.stages.index(net.starts[match[2]])
    tuned = tuple(stage for stage in net.stages[since:] if stage not in net.ends[match[3]])
    if not tuned:
        raise InputError(f"strategy {name!r} tunes nothing: {match[2]} begins after what :{match[3]} ends with")
    if match[1] == "B" and net.sums_to_mixture:
        said = "estimates of this network add up to the mixture as they are, so that B cannot change anything"
        raise InputError(f"strategy {name!r}: {said}; take R or P, or B0")
    return Strategy(name, LOSSES[match[1]], tuned)


def fill_defaults(settings: AdaptConfig, net: Architecture) -> AdaptConfig:
    """Return settings in which the network's own defaults stand where nothing was said.

    Raises:
      InputError: the strategy does not exist for this network, or it cannot compute in this precision.
    """
    require_precision(settings, net)
    segment_s = net.segment_s if settings.segment_s is None else settings.segment_s
    return dataclasses.replace(settings, strategy=parse(settings.strategy, net).name, segment_s=segment_s)


def require_precision(settings: AdaptConfig, net: Architecture) -> None:
    """Refuse a precision that the network cannot compute in."""
    can_round = any(field.name == "precision" for field in dataclasses.fields(net))
    is_possible = can_round or settings.precision == "float32"
    require(is_possible, "precision", "float32 with this network", settings.precision)


def label_params(strategy: Strategy, params: Params) -> Params:
    """Return the tree of `params` with "tuned" or "frozen" for every leaf; what moves is decided here alone."""

    def label(path, _):
        keys = [key.key for key in path]
        return TUNED if keys[0] in strategy.tuned and keys[-1] not in STATISTICS else FROZEN

    return jax.tree_util.tree_map_with_path(label, params)


def partition(optimizer: optax.GradientTransformation, labels: Params) -> optax.GradientTransformation:
    """Return an optimizer for the whole tree that moves only what is labelled tuned.

    For loops that differentiate all parameters. The masking of `adaptation.lane` is tested against it: that
    differentiates the tuned half alone, which gives the same numbers and leaves the frozen stages out of the loop.
    Wrap the result in `optax.lookahead`, not the other way round: Lookahead needs the pair of fast and slow weights at
    the top.
    """
    return optax.partition({TUNED: optimizer, FROZEN: optax.set_to_zero()}, labels)


def count_parameters(params: Params) -> int:
    """Return how many numbers a tree holds: the paper's #TP for the tuned half."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
