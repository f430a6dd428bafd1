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
    """The numbers from `low` to `high`, inclusive, with a uniform distribution, or a log-uniform one.

    Raises:
      InputError: the range is empty, or a logarithmic range begins at or below 0.
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
      choices: the values of settings that have a list.
      ranges: the ranges of settings that have one.
      rungs: numbers of epochs in increasing order: all settings are scored at the first one, better ones at the next.
    """

    start: AdaptConfig
    choices: dict[str, tuple[Any, ...]]
    ranges: dict[str, Range]
    rungs: tuple[int, ...]


def parse(start: AdaptConfig, keys: dict[str, Any], convert: Callable[[str, Any], Any]) -> SearchSpace:
    """Return the space that an ``[adapt]`` section describes.

    Args:
      start: settings for the keys that the section does not have.
      keys: the section.
      convert: converts the value of a key to the type of the key.

    Raises:
      InputError: a range is malformed or its ends are invalid, or there is nothing to choose from.
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
        raise InputError("search: there is nothing to choose from; give a key of [adapt] a list or {low = …, high = …}")
    for end in ("low", "high"):  # refuse invalid ends now, not in the middle of the search
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
