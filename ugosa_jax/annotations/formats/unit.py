"""What numbers in a file count. They are seconds, unless that gives no song: then it is to be said."""

import dataclasses
import math
from collections.abc import Sequence

from ugosa_jax.annotations.formats.label import Label
from ugosa_jax.errors import InputError

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "100ns": 1e-7}
HOURS = 2
"""Whole numbers that are more seconds than that count something else, by all likelihood."""
DAY_S = 86_400.0
"""No song lasts longer."""


class UnknownUnit(InputError):
    """Numbers of an annotation that can be no seconds."""


def checked(labels: Sequence[Label], unit: str | None, path: str) -> list[Label]:
    """Return labels whose times are in seconds.

    Args:
      labels: of a format that does not say what its numbers count.
      unit: s, ms, us, 100ns, or a number of samples a second; None if it was not said.
      path: the file, for messages.

    Raises:
      UnknownUnit: it is not said, and the numbers are too large for seconds.
      InputError: the unit is none.
    """
    if unit is not None:
        length_s = parsed(unit)
        return [_scaled(label, length_s) for label in labels] if length_s != 1 else list(labels)
    finite = [label for label in labels if math.isfinite(label.end_s)]
    last = max(finite, key=lambda label: label.end_s, default=None)
    if last is None:
        return list(labels)
    whole = all(label.whole for label in labels)
    if last.end_s > DAY_S or (whole and last.end_s > HOURS * 3600):
        kind = "whole numbers" if whole else "numbers"
        raise UnknownUnit(
            f"{path}:{last.line}: end {last.end_s:.12g}: {kind} up to {last.end_s / 3600:.3g} hours, if seconds;"
            " say what they count: --unit ms, --unit 44100 (samples a second), --unit 100ns (HTK) or --unit s"
        )
    return list(labels)


def parsed(unit: str) -> float:
    """Return how many seconds a unit has.

    Raises:
      InputError: it is none.
    """
    if unit in UNITS:
        return UNITS[unit]
    if unit.isascii() and unit.isdigit() and len(unit) < 8 and int(unit) > 1:
        return 1 / int(unit)
    raise InputError(f"unit must be {', '.join(UNITS)} or a number of samples a second such as 44100, not {unit!r}")


def _scaled(label: Label, length_s: float) -> Label:
    rate = round(1 / length_s)  # a division is exact where the product with a thousandth is not
    span_s = None if label.span_s is None else (label.span_s[0] / rate, label.span_s[1] / rate)
    return dataclasses.replace(label, start_s=label.start_s / rate, end_s=label.end_s / rate, span_s=span_s)
