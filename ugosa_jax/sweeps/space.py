"""What a search may choose from: values, lists of values, and ranges.

lam = {low = 0.01, high = 10, log = true}
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec

from ugosa_jax.config import AdaptConfig
from ugosa_jax.errors import InputError, error_context, require


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; drawn evenly, or evenly in their logarithm.

    Raises:
      InputError: it is empty, or a logarithmic one begins at or below 0.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self):
        require(self.low < self.high, "high", f"above low, which is {self.low}", self.high)
        require(self.low > 0 or not self.log, "low", "above 0 where log = true", self.low)


@dataclasses.dataclass(frozen=True)
class Space:
    """What a search may choose from.

    Attributes:
      fixed: settings with one value.
      choices: those with several.
      ranges: those with numbers in between.
      rungs: numbers of epochs, in rising order: each setting is scored at the first one, the better ones at the next.
    """

    fixed: dict[str, Any]
    choices: dict[str, tuple[Any, ...]]
    ranges: dict[str, Range]
    rungs: tuple[int, ...]


def of(keys: dict[str, Any], value: Callable[[str, Any], Any]) -> Space:
    """Return the space that an ``[adapt]`` section describes.

    Args:
      keys: the section.
      value: returns a value of a key as the type that the key takes.

    Raises:
      InputError: a range is none, its ends are not what its key takes, or nothing is left to choose.
    """
    fixed, choices, ranges = {}, {}, {}
    for key, said in keys.items():
        if isinstance(said, dict):
            with error_context(f"adapt.{key}"):
                ranges[key] = _range(said, lambda end, key=key: value(key, end))
        elif isinstance(said, list):
            require(bool(said), f"adapt.{key}", "a list with some values", said)
            choices[key] = tuple(value(key, one) for one in said)
        else:
            fixed[key] = value(key, said)
    epochs = ranges.pop("epochs", None)
    if epochs is not None:
        AdaptConfig(epochs=int(epochs.low))
        rungs = _doubling(int(epochs.low), int(epochs.high))
    else:
        rungs = tuple(sorted(set(choices.pop("epochs", (fixed.pop("epochs", AdaptConfig.epochs),)))))
    if not (choices or ranges):
        raise InputError("search: nothing is left to choose; give a key of [adapt] a list or {low = …, high = …}")
    for end in ("low", "high"):  # ends that no setting may have are refused now, not in the middle of the search
        AdaptConfig(**{key: getattr(one, end) for key, one in ranges.items()}, epochs=rungs[0])
    return Space(fixed, choices, ranges, rungs)


def _range(said: dict[str, Any], value: Callable[[Any], Any]) -> Range:
    try:
        found = msgspec.convert(said, Range)
    except msgspec.ValidationError as error:
        raise InputError(f"is no range such as {{low = 0.01, high = 10, log = true}}: {error}") from error
    if unknown := said.keys() - {"low", "high", "log"}:
        raise InputError(f"a range has low, high and log, not {', '.join(sorted(unknown))}")
    return dataclasses.replace(found, low=value(said["low"]), high=value(said["high"]))


def _doubling(low: int, high: int) -> tuple[int, ...]:
    """Return low, 2 low, 4 low … and high."""
    rungs = []
    while low < high:
        rungs.append(low)
        low *= 2
    return (*rungs, high)
