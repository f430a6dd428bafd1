"""The settings that a search chooses from: values, lists of values, and ranges.

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
    """Numbers from `low` to `high`, both included; uniform, or uniform in the logarithm.

    Raises:
      InputError: the range is empty, or a logarithmic one begins at or below 0.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self):
        require(self.low < self.high, "high", f"above low, which is {self.low}", self.high)
        require(self.low > 0 or not self.log, "low", "above 0 where log = true", self.low)


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """The settings that a search chooses from.

    Attributes:
      start: settings that do not vary.
      choices: values of those that have a list.
      ranges: ranges of those that have one.
      rungs: numbers of epochs, in rising order: each setting is scored at the first one, the better ones at the next.
    """

    start: AdaptConfig
    choices: dict[str, tuple[Any, ...]]
    ranges: dict[str, Range]
    rungs: tuple[int, ...]


def parse(start: AdaptConfig, keys: dict[str, Any], convert: Callable[[str, Any], Any]) -> SearchSpace:
    """Return the space that an ``[adapt]`` section describes.

    Args:
      start: settings of the keys that the section lacks.
      keys: the section.
      convert: converts a value of a key to the type that the key takes.

    Raises:
      InputError: a range is malformed, a key does not take its ends, or there is nothing to choose.
    """
    fixed, choices, ranges = {}, {}, {}
    for key, value in keys.items():
        if isinstance(value, dict):
            with error_context(f"adapt.{key}"):
                ranges[key] = _parse_range(value, lambda end, key=key: convert(key, end))
        elif isinstance(value, list):
            require(bool(value), f"adapt.{key}", "a list with some values", value)
            choices[key] = tuple(convert(key, one) for one in value)
        else:
            fixed[key] = convert(key, value)
    epochs = ranges.pop("epochs", None)
    if epochs is not None:
        AdaptConfig(epochs=int(epochs.low))
        rungs = _list_doublings(int(epochs.low), int(epochs.high))
    else:
        rungs = tuple(sorted(set(choices.pop("epochs", (fixed.pop("epochs", start.epochs),)))))
    if not (choices or ranges):
        raise InputError("search: nothing is left to choose; give a key of [adapt] a list or {low = …, high = …}")
    for end in ("low", "high"):  # an end out of bounds is refused now, not in the middle of the search
        AdaptConfig(**{key: getattr(one, end) for key, one in ranges.items()}, epochs=rungs[0])
    return SearchSpace(dataclasses.replace(start, **fixed), choices, ranges, rungs)


def _parse_range(keys: dict[str, Any], convert: Callable[[Any], Any]) -> Range:
    try:
        parsed = msgspec.convert(keys, Range)
    except msgspec.ValidationError as error:
        raise InputError(f"is not a range such as {{low = 0.01, high = 10, log = true}}: {error}") from error
    if unknown := keys.keys() - {"low", "high", "log"}:
        raise InputError(f"a range has low, high and log, not {', '.join(sorted(unknown))}")
    return dataclasses.replace(parsed, low=convert(keys["low"]), high=convert(keys["high"]))


def _list_doublings(low: int, high: int) -> tuple[int, ...]:
    """Return low, 2 low, 4 low … and high."""
    rungs = []
    while low < high:
        rungs.append(low)
        low *= 2
    return (*rungs, high)
