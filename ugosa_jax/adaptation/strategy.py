"""Fine-tuning strategies: "P-L3:M" names a loss and the stages that are tuned.

A name holds the loss, the place where tuning starts and the place where it ends. P is the proposed loss, eq. (1); B is
the baseline, which only reconstructs the mixture; R alternates between steps of B and steps on remixes of the song's
own estimated stems; B0 tunes nothing. Each network names its own places: L1 … L5 and D, M, 3 are those of the paper's
ConvTasNet (its Figure 1 and Table 1).
"""

import dataclasses
import re
from typing import Literal

import optax
from flax.traverse_util import flatten_dict, unflatten_dict

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
      loss: "P" for eq. (1), "B" for its reconstruction term, with all sources active; "R" for B and remixes in turn.
      tuned: names of the tuned stages; empty for B0.
    """

    name: str
    loss: Loss
    tuned: tuple[str, ...]

    def find_cut(self, net: Architecture) -> str:
        """Return the last cut before the first tuned stage: the stages after it run in every step.

        The stages before it are frozen, so that their output is computed once.
        """
        first = net.stages.index(self.tuned[0]) if self.tuned else len(net.stages)
        return [cut for cut in net.cuts if net.stages.index(cut) <= first][-1]


def parse(name: str | None, net: Architecture) -> Strategy:
    """Return the strategy named, for example, "P-L3:M" or "B0"; the network's default if `name` is None.

    Raises:
      InputError: the network has no such strategy, or it tunes nothing.
    """
    name = net.default_strategy if name is None else name
    if name == "B0":
        return Strategy(name, "B", ())
    match = re.fullmatch(r"([PBR])-(\w{1,8}):(\w{1,8})", name)
    if not match or match[2] not in net.starts or match[3] not in net.ends:
        starts, ends = "|".join(net.starts), "|".join(net.ends)
        expected = f"B0 or one of [P|B|R]-[{starts}]:[{ends}], such as {net.default_strategy}"
        raise InputError(f"strategy {name[:40]!r} is not {expected}")
    start = net.stages.index(net.starts[match[2]])
    tuned = tuple(stage for stage in net.stages[start:] if stage not in net.ends[match[3]])
    if not tuned:
        raise InputError(f"strategy {name!r} tunes nothing: {match[2]} starts after the end :{match[3]}")
    if match[1] == "B" and net.sums_to_mixture:
        reason = "the estimates of this network always add up to the mixture, so B cannot change them"
        raise InputError(f"strategy {name!r}: {reason}; use R or P, or B0")
    return Strategy(name, LOSSES[match[1]], tuned)


def fill_defaults(settings: AdaptConfig, net: Architecture) -> AdaptConfig:
    """Return settings with the network's defaults in place of None.

    Raises:
      InputError: the network has no such strategy, or does not support the precision.
    """
    require_precision(settings, net)
    segment_s = net.segment_s if settings.segment_s is None else settings.segment_s
    return dataclasses.replace(settings, strategy=parse(settings.strategy, net).name, segment_s=segment_s)


def require_precision(settings: AdaptConfig, net: Architecture) -> None:
    """Raise InputError unless the network supports the precision."""
    can_round = any(field.name == "precision" for field in dataclasses.fields(net))
    is_supported = can_round or settings.precision == "float32"
    require(is_supported, "precision", "float32 with this network", settings.precision)


def label_params(strategy: Strategy, params: Params) -> Params:
    """Return the tree of `params` with the label "tuned" or "frozen" in place of each leaf."""
    is_tuned = {path: path[0] in strategy.tuned and path[-1] not in STATISTICS for path in flatten_dict(params)}
    return unflatten_dict({path: TUNED if tuned else FROZEN for path, tuned in is_tuned.items()})


def partition(optimizer: optax.GradientTransformation, labels: Params) -> optax.GradientTransformation:
    """Return an optimizer over the whole tree that updates only the leaves labelled tuned.

    For loops that differentiate all parameters. `adaptation.lane` differentiates only the tuned half, which gives the
    same numbers and keeps the frozen stages out of the loop; the tests compare it with this optimizer. Wrap the result
    in `optax.lookahead`, not the reverse: Lookahead expects the pair of fast and slow weights at the top of the tree.
    """
    return optax.partition({TUNED: optimizer, FROZEN: optax.set_to_zero()}, labels)
